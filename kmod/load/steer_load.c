// SPDX-License-Identifier: BSD-3-Clause
//
// "Ours" is a program named STEER_PROG that holds a map STEER_MAP_CONF with our magic in it: the name
// alone says nothing, libxdp's default program has the same.

#include "kmod/load/steer_load.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wcast-qual" // in bpftool's generated code
#include "kmod/xdp/steer.skel.h"
#pragma GCC diagnostic pop

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>

#include <errno.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LEFT_MAPS_MAX 24

struct steer {
	struct steer_bpf *skel;
	int ifindex;
	int prog_fd;
	uint32_t prog_id;
	bool taken_over;
	bool generic;
	char instance[64];
};

// What is attached to an interface now.
struct left {
	uint32_t prog_id; // 0: nothing
	uint32_t mode;    // XDP_FLAGS_DRV_MODE or XDP_FLAGS_SKB_MODE
	int prog_fd;
	unsigned map_count;
	int map_fd[LEFT_MAPS_MAX];
	char map_name[LEFT_MAPS_MAX][BPF_OBJ_NAME_LEN];
	bool ours;
	struct steer_conf conf;
};

// The last warning of libbpf: the only place where it says why a load failed.
static char last_warning[160];

static int keep_warning(enum libbpf_print_level level, const char *format, va_list args)
{
	if (level == LIBBPF_WARN && strstr(format, "skipping unrecognized data section") == NULL)
		vsnprintf(last_warning, sizeof(last_warning), format, args);
	last_warning[strcspn(last_warning, "\n")] = '\0';
	return 0;
}

static const char *ifname(int ifindex, char name[IF_NAMESIZE])
{
	if (if_indextoname((unsigned)ifindex, name) == NULL)
		snprintf(name, IF_NAMESIZE, "#%d", ifindex);
	return name;
}

static void left_close(struct left *l)
{
	for (unsigned i = 0; i < l->map_count; i++)
		close(l->map_fd[i]);
	if (l->prog_fd >= 0)
		close(l->prog_fd);
	l->map_count = 0;
	l->prog_fd = -1;
}

static int left_map(const struct left *l, const char *name)
{
	for (unsigned i = 0; i < l->map_count; i++)
		if (strncmp(l->map_name[i], name, BPF_OBJ_NAME_LEN - 1) == 0)
			return l->map_fd[i];
	return -1;
}

static int left_maps(struct left *l, const uint32_t *ids, unsigned count)
{
	for (unsigned i = 0; i < count && i < LEFT_MAPS_MAX; i++) {
		struct bpf_map_info info = {0};
		uint32_t len = sizeof(info);
		int fd = bpf_map_get_fd_by_id(ids[i]);

		if (fd < 0)
			return -errno;
		if (bpf_obj_get_info_by_fd(fd, &info, &len) != 0) {
			close(fd);
			return -errno;
		}
		l->map_fd[l->map_count] = fd;
		snprintf(l->map_name[l->map_count], BPF_OBJ_NAME_LEN, "%s", info.name);
		l->map_count++;
	}
	return 0;
}

// Look at what is attached. Returns 0 (also if nothing is) or a negative errno.
static int left_find(int ifindex, struct left *l)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, q);
	uint32_t ids[LEFT_MAPS_MAX] = {0}, zero = 0;
	struct bpf_prog_info info = {0};
	uint32_t len = sizeof(info);
	int rc, conf;

	*l = (struct left){.prog_fd = -1};
	rc = bpf_xdp_query(ifindex, 0, &q);
	if (rc != 0)
		return rc;
	l->prog_id = q.drv_prog_id != 0   ? q.drv_prog_id
		     : q.skb_prog_id != 0 ? q.skb_prog_id
					  : q.prog_id;
	l->mode =
		q.skb_prog_id != 0 && q.drv_prog_id == 0 ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE;
	if (l->prog_id == 0)
		return 0;
	l->prog_fd = bpf_prog_get_fd_by_id(l->prog_id);
	if (l->prog_fd < 0)
		return -errno;
	info.map_ids = (uint64_t)(uintptr_t)ids;
	info.nr_map_ids = LEFT_MAPS_MAX;
	if (bpf_obj_get_info_by_fd(l->prog_fd, &info, &len) != 0) {
		rc = -errno;
		goto err_close;
	}
	rc = left_maps(l, ids, info.nr_map_ids);
	if (rc != 0)
		goto err_close;
	conf = left_map(l, STEER_MAP_CONF);
	l->ours = (strcmp(info.name, STEER_PROG) == 0 || strcmp(info.name, STEER_WHOLE) == 0) &&
		  conf >= 0 && bpf_map_lookup_elem(conf, &zero, &l->conf) == 0 &&
		  l->conf.magic == STEER_MAGIC;
	return 0;

err_close:
	left_close(l);
	return rc;
}

// Share the maps of a left program of the same version.
static int reuse_maps(struct steer_bpf *skel, const struct left *l)
{
	struct bpf_map *maps[] = {skel->maps.xsks_map,    skel->maps.sluice_svc,
				  skel->maps.sluice_addr, skel->maps.sluice_net,
				  skel->maps.sluice_from, skel->maps.sluice_port,
				  skel->maps.sluice_frag, skel->maps.sluice_vlan,
				  skel->maps.sluice_stat, skel->maps.sluice_conf};
	int fd, rc;

	for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++) {
		fd = left_map(l, bpf_map__name(maps[i]));
		if (fd < 0)
			return -ENOENT;
		rc = bpf_map__reuse_fd(maps[i], fd);
		if (rc != 0)
			return rc;
	}
	return 0;
}

// Maps that the program does not use it has to be told to hold: they are how it is known again, and what
// the program after it takes over.
static int bind_maps(struct steer *s)
{
	struct bpf_map *map;
	int rc = 0;

	bpf_object__for_each_map(map, s->skel->obj)
	{
		if (rc == 0)
			rc = bpf_prog_bind_map(s->prog_fd, bpf_map__fd(map), NULL);
	}
	return rc;
}

static int load(struct steer *s, const struct left *l, bool whole, char *err)
{
	struct bpf_prog_info info = {0};
	uint32_t len = sizeof(info);
	int rc;

	last_warning[0] = '\0';
	s->skel = steer_bpf__open();
	if (s->skel == NULL) {
		rc = -errno;
		snprintf(err, STEER_ERROR_SIZE, "steering program cannot be opened: %s",
			 strerror(-rc));
		return rc;
	}
	if (l->ours && l->conf.version == STEER_VERSION) {
		rc = reuse_maps(s->skel, l);
		if (rc != 0) {
			snprintf(err, STEER_ERROR_SIZE, "maps of the program left behind: %s",
				 strerror(-rc));
			return rc;
		}
		s->taken_over = true;
	}
	bpf_program__set_autoload(s->skel->progs.xsk_def_prog, !whole);
	bpf_program__set_autoload(s->skel->progs.sluice_whole, whole);
	rc = steer_bpf__load(s->skel);
	if (rc != 0) {
		snprintf(err, STEER_ERROR_SIZE, "kernel refuses the steering program: %s%s%s",
			 strerror(-rc), last_warning[0] != '\0' ? ": " : "", last_warning);
		return rc;
	}
	s->prog_fd =
		bpf_program__fd(whole ? s->skel->progs.sluice_whole : s->skel->progs.xsk_def_prog);
	if (bpf_obj_get_info_by_fd(s->prog_fd, &info, &len) == 0)
		s->prog_id = info.id;
	rc = bind_maps(s);
	if (rc != 0)
		snprintf(err, STEER_ERROR_SIZE, "binding the maps of the program: %s",
			 strerror(-rc));
	return rc;
}

static int write_conf(struct steer *s)
{
	struct steer_conf conf = {.magic = STEER_MAGIC, .version = STEER_VERSION};
	uint32_t zero = 0;

	memcpy(conf.instance, s->instance, sizeof(conf.instance));
	return bpf_map_update_elem(bpf_map__fd(s->skel->maps.sluice_conf), &zero, &conf, BPF_ANY);
}

static int open_program(const char *instance, int ifindex, bool whole, struct steer **out,
			char *err)
{
	char name[IF_NAMESIZE];
	struct steer *s;
	struct left l;
	int rc;

	libbpf_set_print(keep_warning);
	if (instance[0] == '\0' || strlen(instance) >= sizeof(s->instance)) {
		snprintf(err, STEER_ERROR_SIZE, "instance name must have 1 to 63 bytes");
		return -EINVAL;
	}
	rc = left_find(ifindex, &l);
	if (rc == -EPERM && l.prog_id != 0)
		snprintf(
			err, STEER_ERROR_SIZE,
			"XDP program %u is attached to %s and cannot be examined without root; restart "
			"the app, or 'ip link set dev %s xdp off'",
			l.prog_id, ifname(ifindex, name), name);
	else if (rc != 0)
		snprintf(err, STEER_ERROR_SIZE, "XDP state of %s: %s", ifname(ifindex, name),
			 strerror(-rc));
	if (rc != 0)
		return rc;
	if (l.prog_id != 0 && !l.ours) {
		snprintf(
			err, STEER_ERROR_SIZE,
			"foreign XDP program %u is attached to %s; remove it first: 'ip link set dev %s "
			"xdp off'",
			l.prog_id, ifname(ifindex, name), name);
		left_close(&l);
		return -EBUSY;
	}
	s = calloc(1, sizeof(*s));
	if (s == NULL) {
		rc = -ENOMEM;
		goto out;
	}
	s->ifindex = ifindex;
	snprintf(s->instance, sizeof(s->instance), "%s", instance);
	rc = load(s, &l, whole, err);
	if (rc == 0)
		rc = write_conf(s);
	if (rc == 0) {
		*out = s;
		s = NULL;
	}
out:
	steer_close(s);
	left_close(&l);
	return rc;
}

int steer_open(const char *instance, int ifindex, struct steer **out, char *err)
{
	return open_program(instance, ifindex, false, out, err);
}

int steer_open_whole(const char *instance, int ifindex, struct steer **out, char *err)
{
	return open_program(instance, ifindex, true, out, err);
}

bool steer_is_taken_over(const struct steer *s)
{
	return s->taken_over;
}

bool steer_is_generic(const struct steer *s)
{
	return s->generic;
}

bool steer_is_attached(const struct steer *s)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, q);

	return bpf_xdp_query(s->ifindex, 0, &q) == 0 && s->prog_id != 0 &&
	       (q.drv_prog_id == s->prog_id || q.skb_prog_id == s->prog_id ||
		q.prog_id == s->prog_id);
}

int steer_attach(struct steer *s, char *err)
{
	LIBBPF_OPTS(bpf_xdp_attach_opts, opts);
	char name[IF_NAMESIZE];
	struct left l;
	int rc;

	if (steer_is_attached(s))
		return 0;
	rc = left_find(s->ifindex, &l);
	if (rc != 0 && l.prog_id == 0)
		goto out;
	if (l.prog_id != 0) {
		rc = l.ours ? 0 : -EBUSY;
		if (rc != 0)
			goto out;
		opts.old_prog_fd = l.prog_fd;
		rc = bpf_xdp_attach(s->ifindex, s->prog_fd, l.mode | XDP_FLAGS_REPLACE, &opts);
		s->generic = l.mode == XDP_FLAGS_SKB_MODE;
		goto out;
	}
	rc = bpf_xdp_attach(s->ifindex, s->prog_fd,
			    XDP_FLAGS_DRV_MODE | XDP_FLAGS_UPDATE_IF_NOEXIST, NULL);
	s->generic = rc == -EOPNOTSUPP;
	if (s->generic)
		rc = bpf_xdp_attach(s->ifindex, s->prog_fd,
				    XDP_FLAGS_SKB_MODE | XDP_FLAGS_UPDATE_IF_NOEXIST, NULL);
out:
	left_close(&l);
	if (rc == -EBUSY)
		snprintf(err, STEER_ERROR_SIZE, "another XDP program is attached to %s now",
			 ifname(s->ifindex, name));
	else if (rc != 0)
		snprintf(err, STEER_ERROR_SIZE, "attaching the steering program to %s: %s",
			 ifname(s->ifindex, name), strerror(-rc));
	return rc;
}

int steer_detach(struct steer *s)
{
	LIBBPF_OPTS(bpf_xdp_attach_opts, opts, .old_prog_fd = s->prog_fd);

	if (!steer_is_attached(s))
		return 0;
	return bpf_xdp_detach(
		s->ifindex,
		(s->generic ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE) | XDP_FLAGS_REPLACE, &opts);
}

void steer_close(struct steer *s)
{
	if (s == NULL)
		return;
	steer_bpf__destroy(s->skel);
	free(s);
}

int steer_set_socket(struct steer *s, uint32_t queue, int fd)
{
	return bpf_map_update_elem(bpf_map__fd(s->skel->maps.xsks_map), &queue, &fd, BPF_ANY);
}

int steer_clear_socket(struct steer *s, uint32_t queue)
{
	return bpf_map_delete_elem(bpf_map__fd(s->skel->maps.xsks_map), &queue);
}

int steer_stats(const struct steer *s, struct steer_stat *out)
{
	int cpus = libbpf_num_possible_cpus(), rc;
	struct steer_stat *per_cpu;
	uint32_t zero = 0;

	*out = (struct steer_stat){0};
	if (cpus < 0)
		return cpus;
	per_cpu = calloc((size_t)cpus, sizeof(*per_cpu));
	if (per_cpu == NULL)
		return -ENOMEM;
	rc = bpf_map_lookup_elem(bpf_map__fd(s->skel->maps.sluice_stat), &zero, per_cpu);
	for (int i = 0; rc == 0 && i < cpus; i++) {
		out->seen += per_cpu[i].seen;
		out->passed += per_cpu[i].passed;
		out->redirected += per_cpu[i].redirected;
		out->dropped += per_cpu[i].dropped;
	}
	free(per_cpu);
	return rc;
}

// ---- replacing the content of a map --------------------------------------------------------------

// Delete every key of the map that is not among the wanted ones (sorted by memcmp, key_size each).
static int prune(int fd, size_t key_size, const uint8_t *wanted, size_t count)
{
	uint8_t key[64], *gone = NULL;
	size_t n = 0, room = 0;
	void *prev = NULL;
	int rc = 0;

	// A key deleted under the iteration would start it again: collect first.
	while (bpf_map_get_next_key(fd, prev, key) == 0) {
		size_t lo = 0, hi = count;

		prev = key;
		while (lo < hi) {
			size_t mid = (lo + hi) / 2;

			if (memcmp(wanted + mid * key_size, key, key_size) < 0)
				lo = mid + 1;
			else
				hi = mid;
		}
		if (lo < count && memcmp(wanted + lo * key_size, key, key_size) == 0)
			continue;
		if (n == room) {
			uint8_t *more =
				realloc(gone, (room = room == 0 ? 64 : room * 2) * key_size);

			if (more == NULL) {
				free(gone);
				return -ENOMEM;
			}
			gone = more;
		}
		memcpy(gone + n++ * key_size, key, key_size);
	}
	for (size_t i = 0; i < n; i++) {
		int e = bpf_map_delete_elem(fd, gone + i * key_size);

		if (e != 0 && e != -ENOENT)
			rc = e;
	}
	free(gone);
	return rc;
}

static size_t sort_key_size;

static int compare_keys(const void *a, const void *b)
{
	return memcmp(a, b, sort_key_size);
}

// One map and what it is to hold.
struct part {
	int fd;
	size_t key_size;
	const void *keys;
	size_t value_size;
	const void *values; // NULL: the number 1 for every key
	size_t count;
};

static int add(const struct part *p)
{
	static const uint32_t one = 1;
	const uint8_t *key = p->keys, *value = p->values;

	for (size_t i = 0; i < p->count; i++, key += p->key_size) {
		int rc = bpf_map_update_elem(
			p->fd, key, value == NULL ? (const void *)&one : value + i * p->value_size,
			BPF_ANY);

		if (rc != 0) // a hash says E2BIG, a trie ENOSPC
			return rc == -E2BIG ? -ENOSPC : rc;
	}
	return 0;
}

static int remove_others(const struct part *p)
{
	uint8_t *sorted = malloc(p->count * p->key_size + 1);
	int rc;

	if (sorted == NULL)
		return -ENOMEM;
	if (p->count != 0)
		memcpy(sorted, p->keys, p->count * p->key_size);
	sort_key_size = p->key_size;
	qsort(sorted, p->count, p->key_size, compare_keys);
	rc = prune(p->fd, p->key_size, sorted, p->count);
	free(sorted);
	return rc;
}

int steer_set(struct steer *s, const struct steer_content *c)
{
	// A port set is there before something names it, and as long as something does.
	const struct part parts[] = {
		{bpf_map__fd(s->skel->maps.sluice_port), sizeof(*c->port), c->port,
		 sizeof(*c->port_value), c->port_value, c->ports},
		{bpf_map__fd(s->skel->maps.sluice_addr), sizeof(*c->addr), c->addr,
		 sizeof(*c->addr_value), c->addr_value, c->addrs},
		{bpf_map__fd(s->skel->maps.sluice_net), sizeof(*c->net), c->net,
		 sizeof(*c->net_set), c->net_set, c->nets},
		{bpf_map__fd(s->skel->maps.sluice_from), sizeof(*c->from), c->from,
		 sizeof(*c->from_set), c->from_set, c->froms},
		{bpf_map__fd(s->skel->maps.sluice_svc), sizeof(*c->service), c->service,
		 sizeof(uint32_t), NULL, c->services},
	};
	const size_t n = sizeof(parts) / sizeof(parts[0]);
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = add(&parts[i]);
	for (size_t i = n; rc == 0 && i-- > 0;)
		rc = remove_others(&parts[i]);
	return rc;
}

int steer_set_vlans(struct steer *s, const uint16_t *vids, size_t count)
{
	uint32_t keys[STEER_VLAN_MAX];
	struct part p = {bpf_map__fd(s->skel->maps.sluice_vlan),
			 sizeof(keys[0]),
			 keys,
			 sizeof(uint32_t),
			 NULL,
			 count};
	int rc;

	if (count > STEER_VLAN_MAX)
		return -ENOSPC;
	for (size_t i = 0; i < count; i++)
		keys[i] = vids[i];
	rc = add(&p);
	return rc == 0 ? remove_others(&p) : rc;
}

// ---- after the fact ------------------------------------------------------------------------------

int steer_detach_left(const char *instance,
		      void (*fn)(int ifindex, const struct steer_addr_key *addr, void *arg),
		      void *arg)
{
	struct if_nameindex *all = if_nameindex();
	int count = 0, rc = 0;

	libbpf_set_print(keep_warning);
	if (all == NULL)
		return -errno;
	for (struct if_nameindex *i = all; i->if_index != 0; i++) {
		LIBBPF_OPTS(bpf_xdp_attach_opts, opts);
		struct steer_addr_key key;
		void *prev = NULL;
		struct left l;
		int e, fd;

		e = left_find((int)i->if_index, &l);
		if (e == -EPERM && l.prog_id != 0)
			rc = e;
		if (e != 0)
			continue;
		l.conf.instance[sizeof(l.conf.instance) - 1] = '\0';
		if (l.ours && strcmp(l.conf.instance, instance) == 0) {
			fd = left_map(&l, STEER_MAP_ADDR); // the same key in every version
			while (fn != NULL && fd >= 0 && bpf_map_get_next_key(fd, prev, &key) == 0) {
				fn((int)i->if_index, &key, arg);
				prev = &key;
			}
			opts.old_prog_fd = l.prog_fd;
			e = bpf_xdp_detach((int)i->if_index, l.mode | XDP_FLAGS_REPLACE, &opts);
			if (e == 0)
				count++;
			else
				rc = e;
		}
		left_close(&l);
	}
	if_freenameindex(all);
	return rc != 0 ? rc : count;
}
