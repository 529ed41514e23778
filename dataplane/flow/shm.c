// SPDX-License-Identifier: BSD-3-Clause
//
// shm - the mapping that outlives the process, and taking it over.
//
//	offset 0   struct shm_header, one page
//	           struct flow_bucket [buckets]   rebuilt on take-over
//	           struct flow_stash [FLOW_STASH] rebuilt on take-over
//	           struct flow [max]              the truth: an entry with FLOW_F_VALID is a flow
//	           struct flow_cold [max]         counts kept; links rebuilt
//	           struct flow_key6 [max6]        of entry 0 .. max6 - 1, so no index has to be believed
//
// Everything but the header, the entries and their key lines is made anew from them, so no order of
// writes inside buckets, lists and wheel can go wrong, and a hostile or torn file can do no more than
// hold flows that nobody asked for. Each entry is checked before it is linked.
//
// Pages: all allocated at open. On tmpfs they are gathered into huge pages afterwards
// (MADV_COLLAPSE), where the kernel can: the look-up touches two random lines per packet.

#include "dataplane/flow/flow_priv.h"
#include "dataplane/flow/mapfile.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHM_MAGIC    UINT64_C(0x776f6c6665637573) // "sucefl ow"
#define SHM_VERSION  4
#define SHM_PAGE     UINT64_C(4096)
#define SHM_ALIGN    (UINT64_C(2) << 20)
#define SHM_MIN      16
#define SHM_BATCH    32
#define LOAD_PERCENT 85
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

struct shm_header {
	uint64_t magic;
	uint32_t version;
	uint32_t flow_size, cold_size, key6_size; // of the structs
	uint32_t max, max6;
	uint64_t bytes;
};

#define SHM_SPREAD 256 // offset of what flow_table_spread() is, in the header's page

struct shm_layout {
	uint32_t buckets;
	uint64_t bucket, stash, flow, cold, key6; // offsets
	uint64_t bytes;
};

static struct shm_layout layout(uint32_t max, uint32_t max6)
{
	struct shm_layout l;

	l.buckets = (uint32_t)((uint64_t)max * 2 * 100 / (FLOW_BUCKET_WAYS * LOAD_PERCENT) + 1);
	l.bucket = SHM_PAGE;
	l.stash = l.bucket + (uint64_t)l.buckets * sizeof(struct flow_bucket);
	l.flow = l.stash + FLOW_STASH * sizeof(struct flow_stash);
	l.key6 = l.flow + (uint64_t)max * sizeof(struct flow);
	l.cold = l.key6 + (uint64_t)max6 * sizeof(struct flow_key6);
	l.bytes = l.cold + (uint64_t)max * sizeof(struct flow_cold);
	l.bytes = (l.bytes + SHM_ALIGN - 1) & ~(SHM_ALIGN - 1);
	return l;
}

uint64_t flow_table_bytes(uint32_t max, uint32_t max6)
{
	return layout(max, max6).bytes;
}

static struct shm_header header_of(uint32_t max, uint32_t max6)
{
	return (struct shm_header){.magic = SHM_MAGIC,
				   .version = SHM_VERSION,
				   .flow_size = sizeof(struct flow),
				   .cold_size = sizeof(struct flow_cold),
				   .key6_size = sizeof(struct flow_key6),
				   .max = max,
				   .max6 = max6,
				   .bytes = layout(max, max6).bytes};
}

// Map at a 2 MiB boundary, so that the kernel can use huge pages. fd -1: anonymous.
static void *map_aligned(uint64_t bytes, int fd)
{
	uint8_t *room =
		mmap(NULL, bytes + SHM_ALIGN, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t head;
	void *map;

	if (room == MAP_FAILED)
		return NULL;
	head = -(uint64_t)(uintptr_t)room & (SHM_ALIGN - 1);
	map = mmap(room + head, bytes, PROT_READ | PROT_WRITE,
		   MAP_FIXED | (fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED), fd, 0);
	if (map == MAP_FAILED) {
		munmap(room, bytes + SHM_ALIGN);
		return NULL;
	}
	if (head != 0)
		munmap(room, head);
	if (head != SHM_ALIGN)
		munmap(room + head + bytes, SHM_ALIGN - head);
	return map;
}

// May this entry be linked? Nothing of it is trusted.
static bool entry_right(const struct flow *f, uint32_t index, uint32_t max6)
{
	bool tcp = f->state >= FLOW_TCP_SYN && f->state <= FLOW_TCP_CLOSING;

	if ((f->flags & FLOW_F_VALID) == 0 || (f->flags & ~FLOW_F_ALL) != 0)
		return false;
	if (!(tcp && f->proto == IPPROTO_TCP) && !(f->state == FLOW_UDP && f->proto == IPPROTO_UDP))
		return false;
	if ((f->flags & FLOW_F_SPOKE_ON) != 0 && f->state != FLOW_TCP_SYN &&
	    f->state != FLOW_TCP_CLOSING)
		return false;
	if (f->service_port == 0 || f->local_port == 0 || f->server_port == 0)
		return false;
	if ((f->flags & FLOW_F_IPV6) != 0)
		return index < max6 && f->client == index && f->service_addr == 0 &&
		       f->local == 0 && f->server_addr == 0;
	return true;
}

// Is either tuple of this entry in the table already?
static bool entry_doubled(const struct flow_table *t, uint32_t index, const uint64_t hash[2])
{
	const struct flow *f = &t->flow[index];

	for (uint32_t side = 0; side < 2; side++) {
		uint32_t dir_bit = side ? FLOW_DIR_BIT : 0;
		bool ipv6 = (f->flags & FLOW_F_IPV6) != 0;
		struct flow_key k = {.hash = hash[side],
				     .ports = flow_ports(f, dir_bit),
				     .meta = flow_meta(f->context, f->proto, ipv6)};
		uint8_t addrs[32];

		if (ipv6) {
			const struct flow_key6 *l = &t->key6[index];

			memcpy(addrs, side ? l->server_addr : l->client, 16);
			memcpy(addrs + 16, side ? l->local : l->service_addr, 16);
			k.addr6 = addrs;
		} else {
			k.addr4 = flow_addr4(f, dir_bit);
		}
		if (flow_lookup(t, &k) != FLOW_NONE)
			return true;
	}
	// One tuple twice: a packet of it would have two directions.
	return hash[0] == hash[1];
}

static bool entry_link(struct flow_table *t, uint32_t index, const uint64_t hash[2], uint32_t now)
{
	struct flow *f = &t->flow[index];

	if (entry_doubled(t, index, hash))
		return false;
	f->view_generation = 0;
	return flow_link(t, index, hash[0], hash[1], now) == 0;
}

// Make buckets, lists and wheel from the entries. Downwards, so that free entries are handed out
// upwards. Returns the number of flows.
static uint32_t rebuild(struct flow_table *t, uint32_t now)
{
	uint64_t hash[SHM_BATCH][2];
	bool right[SHM_BATCH];
	uint32_t left = t->max;

	while (left > 0) {
		uint32_t n = left < SHM_BATCH ? left : SHM_BATCH;

		for (uint32_t i = 0; i < n; i++) {
			uint32_t index = left - 1 - i;

			right[i] = entry_right(&t->flow[index], index, t->max6);
			if (!right[i])
				continue;
			hash[i][0] = flow_hash_of(t, index, 0);
			hash[i][1] = flow_hash_of(t, index, FLOW_DIR_BIT);
			rte_prefetch0(&t->bucket[flow_home(t, hash[i][0])]);
			rte_prefetch0(&t->bucket[flow_home(t, hash[i][1])]);
		}
		for (uint32_t i = 0; i < n; i++) {
			uint32_t index = left - 1 - i;

			if (!right[i] || !entry_link(t, index, hash[i], now))
				flow_unalloc(t, index);
		}
		left -= n;
	}
	return t->count;
}

static int table_create(const struct flow_conf *conf, const struct shm_layout *l, void *map,
			uint32_t now, struct flow_table **out)
{
	struct flow_table *t = aligned_alloc(64, (sizeof(*t) + 63) & ~(size_t)63);
	uint8_t *base = map;

	if (t == NULL)
		return -ENOMEM;
	memset(t, 0, sizeof(*t));
	t->wheel = malloc(FLOW_WHEEL_SLOTS * sizeof(*t->wheel));
	if (t->wheel == NULL) {
		free(t);
		return -ENOMEM;
	}
	memset(t->wheel, 0xff, FLOW_WHEEL_SLOTS * sizeof(*t->wheel));
	t->bucket = (struct flow_bucket *)(void *)(base + l->bucket);
	t->stash = (struct flow_stash *)(void *)(base + l->stash);
	t->flow = (struct flow *)(void *)(base + l->flow);
	t->cold = (struct flow_cold *)(void *)(base + l->cold);
	t->key6 = (struct flow_key6 *)(void *)(base + l->key6);
	t->buckets = l->buckets;
	t->max = conf->max;
	t->max6 = conf->max6;
	t->free4 = FLOW_NONE;
	t->free6 = FLOW_NONE;
	t->wheel_at = now >> FLOW_WHEEL_SHIFT;
	t->map = map;
	t->map_bytes = l->bytes;
	t->fd = -1;
	// A secret, so that nobody can aim flows at one bucket; anew in each process.
	if (getrandom(t->seed, sizeof(t->seed), 0) != (ssize_t)sizeof(t->seed)) {
		free(t->wheel);
		free(t);
		return -EIO;
	}
	flow_set_timeouts(t, conf->timeout);
	*out = t;
	return 0;
}

int flow_table_open(const struct flow_conf *conf, uint32_t now, struct flow_table **out,
		    uint32_t *taken)
{
	struct shm_layout l;
	struct flow_table *t;
	struct shm_header want;
	bool fresh = true;
	int fd = -1, rc;
	void *map;

	if (conf->max < SHM_MIN || conf->max > FLOW_MAX || conf->max6 > conf->max)
		return -EINVAL;
	l = layout(conf->max, conf->max6);
	want = header_of(conf->max, conf->max6);
	if (conf->path != NULL) {
		rc = mapfile_open(conf->path, l.bytes, &want, sizeof(want), &fd, &fresh);
		if (rc != 0)
			return rc;
	} else if (mapfile_memory_available() < l.bytes + MAPFILE_MARGIN) {
		return -ENOMEM;
	}
	rc = -ENOMEM;
	map = map_aligned(l.bytes, fd);
	if (map == NULL)
		goto err_close;
	madvise(map, l.bytes, MADV_HUGEPAGE); // help only: refused where there are none
	if (fd >= 0)
		madvise(map, l.bytes, MADV_COLLAPSE);
	rc = table_create(conf, &l, map, now, &t);
	if (rc != 0)
		goto err_unmap;
	t->fd = fd;
	if (!fresh)
		memset(t->bucket, 0, l.flow - l.bucket); // the stash too
	*taken = rebuild(t, now);
	memcpy(map, &want, sizeof(want)); // last: a half-made file is made anew
	*out = t;
	return 0;

err_unmap:
	munmap(map, l.bytes);
err_close:
	if (fd >= 0) {
		if (fresh)
			unlink(conf->path);
		close(fd);
	}
	return rc;
}

uint64_t flow_table_spread(const struct flow_table *t)
{
	uint64_t v;

	memcpy(&v, (const uint8_t *)t->map + SHM_SPREAD, sizeof(v));
	return v;
}

void flow_table_set_spread(struct flow_table *t, uint64_t spread)
{
	memcpy((uint8_t *)t->map + SHM_SPREAD, &spread, sizeof(spread));
}

// ---- moving ------------------------------------------------------------------------------------------

// Open a file for reading and read its header. Returns: the fd, -1: it is none of this version.
static int open_old(const char *path, struct shm_header *h)
{
	struct shm_header want;
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    pread(fd, h, sizeof(*h), 0) == sizeof(*h) && h->max >= SHM_MIN && h->max <= FLOW_MAX &&
	    h->max6 <= h->max) {
		want = header_of(h->max, h->max6);
		if (memcmp(h, &want, sizeof(want)) == 0 && (uint64_t)st.st_size == want.bytes)
			return fd;
	}
	close(fd);
	return -1;
}

bool flow_file_fits(const char *path, uint32_t max, uint32_t max6)
{
	struct shm_header h;
	int fd = open_old(path, &h);

	if (fd < 0)
		return false;
	close(fd);
	return h.max == max && h.max6 == max6;
}

int flow_file_read(const char *path,
		   void (*each)(void *ctx, const struct flow *f, const struct flow_cold *c,
				const struct flow_key6 *k),
		   void *ctx)
{
	struct shm_header h;
	struct shm_layout l;
	const uint8_t *map;
	int fd = open_old(path, &h), rc;

	if (fd < 0)
		return -EINVAL;
	rc = mapfile_lock(fd);
	if (rc != 0) {
		close(fd);
		return rc;
	}
	l = layout(h.max, h.max6);
	map = mmap(NULL, l.bytes, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED) {
		close(fd);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < h.max; i++) {
		const struct flow *f = (const struct flow *)(const void *)(map + l.flow) + i;
		const struct flow_cold *c =
			(const struct flow_cold *)(const void *)(map + l.cold) + i;
		const struct flow_key6 *k =
			(const struct flow_key6 *)(const void *)(map + l.key6) + i;

		if (entry_right(f, i, h.max6))
			each(ctx, f, c, (f->flags & FLOW_F_IPV6) != 0 ? k : NULL);
	}
	munmap((void *)(uintptr_t)map, l.bytes);
	close(fd);
	return 0;
}

int flow_adopt(struct flow_table *t, const struct flow *f, const struct flow_cold *c,
	       const struct flow_key6 *k, uint32_t now, uint32_t *index)
{
	uint32_t i = flow_alloc(t, k != NULL);
	uint64_t hash[2];
	int rc = -EEXIST;

	if (i == FLOW_NONE)
		return -ENOSPC;
	t->flow[i] = *f;
	t->flow[i].flags &= (uint16_t)~FLOW_F_VALID;
	t->cold[i] = *c;
	if (k != NULL) {
		t->flow[i].client = i;
		t->key6[i] = *k;
	}
	t->flow[i].view_generation = 0;
	hash[0] = flow_hash_of(t, i, 0);
	hash[1] = flow_hash_of(t, i, FLOW_DIR_BIT);
	if (!entry_doubled(t, i, hash))
		rc = flow_link(t, i, hash[0], hash[1], now);
	if (rc != 0)
		flow_unalloc(t, i);
	else
		*index = i;
	return rc;
}

void flow_table_close(struct flow_table *t)
{
	if (t == NULL)
		return;
	munmap(t->map, t->map_bytes);
	if (t->fd >= 0)
		close(t->fd);
	free(t->wheel);
	free(t);
}
