// SPDX-License-Identifier: BSD-3-Clause
//
// The table: datagrams by hash, in order of age (they all wait equally long, so that is the order of
// deadlines); packets that wait are nodes of one pool, chained by datagram.

#include "dataplane/frag/frag.h"

#include "dataplane/core/clock.h"

#include <rte_branch_prediction.h>
#include <rte_mbuf.h>
#include <rte_random.h>

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 1024 // power of two

struct node { // index 0 is none
	struct rte_mbuf *m;
	struct parse_info info;
	uint16_t next;
};

struct frag_table {
	void (*drop)(void *ctx, struct rte_mbuf *m, enum drop_reason reason);
	uint64_t seed[2];
	uint32_t timeout;
	uint16_t oldest, newest;
	uint16_t free_datagram, free_node;
	struct frag_counters count;
	uint16_t head[BUCKETS];
	struct node node[FRAG_HELD + 1];
	struct frag_datagram datagram[FRAG_DATAGRAMS + 1]; // index 0 is none
};

int frag_create(void (*drop)(void *ctx, struct rte_mbuf *m, enum drop_reason reason),
		struct frag_table **out)
{
	struct frag_table *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return -ENOMEM;
	t->drop = drop;
	t->seed[0] = rte_rand() | 1;
	t->seed[1] = rte_rand() | 1;
	t->timeout = clock_ms_to_ticks(FRAG_TIMEOUT_MS);
	for (uint16_t i = 1; i <= FRAG_HELD; i++)
		t->node[i].next = i == FRAG_HELD ? 0 : i + 1;
	for (uint16_t i = 1; i <= FRAG_DATAGRAMS; i++)
		t->datagram[i].chain = i == FRAG_DATAGRAMS ? 0 : i + 1;
	t->free_node = t->free_datagram = 1;
	*out = t;
	return 0;
}

void frag_destroy(struct frag_table *t)
{
	if (t == NULL)
		return;
	for (uint16_t i = t->oldest; i != 0; i = t->datagram[i].newer)
		for (uint16_t n = t->datagram[i].held; n != 0; n = t->node[n].next)
			rte_pktmbuf_free(t->node[n].m);
	free(t);
}

const struct frag_counters *frag_count(const struct frag_table *t)
{
	return &t->count;
}

// ---- packets that wait ------------------------------------------------------------------------------

static struct rte_mbuf *unhold(struct frag_table *t, struct frag_datagram *d,
			       struct parse_info *info)
{
	uint16_t i = d->held;
	struct node *n = &t->node[i];

	if (i == 0)
		return NULL;
	*info = n->info;
	d->held = n->next;
	n->next = t->free_node;
	t->free_node = i;
	t->count.held--;
	t->count.held_bytes -= n->m->pkt_len;
	return n->m;
}

static void drop_held(struct frag_table *t, struct frag_datagram *d, enum drop_reason why,
		      void *ctx)
{
	struct parse_info info;
	struct rte_mbuf *m;

	while ((m = unhold(t, d, &info)) != NULL)
		t->drop(ctx, m, why);
}

// ---- datagrams --------------------------------------------------------------------------------------

static uint16_t bucket_of(const struct frag_table *t, const struct frag_key *k)
{
	uint64_t w[4], h = t->seed[0] ^ k->id ^ (uint64_t)k->context << 32 ^
			   (uint64_t)k->proto << 48 ^ (uint64_t)k->family << 56;

	memcpy(w, k->addr, sizeof(w));
	for (unsigned i = 0; i < 4; i++) {
		h = (h ^ w[i]) * t->seed[1];
		h ^= h >> 29;
		h *= UINT64_C(0xc4ceb9fe1a85ec53);
		h ^= h >> 32;
	}
	return h & (BUCKETS - 1);
}

static uint16_t index_of(const struct frag_table *t, const struct frag_datagram *d)
{
	return (uint16_t)(d - t->datagram);
}

static bool same_key(const struct frag_key *a, const struct frag_key *b)
{
	return a->id == b->id && a->context == b->context && a->proto == b->proto &&
	       a->family == b->family && memcmp(a->addr, b->addr, sizeof(a->addr)) == 0;
}

// All packets of it have been taken.
static void forget(struct frag_table *t, struct frag_datagram *d)
{
	uint16_t i = index_of(t, d), *at = &t->head[d->bucket];

	assert(d->held == 0);
	while (*at != i)
		at = &t->datagram[*at].chain;
	*at = d->chain;
	if (d->older != 0)
		t->datagram[d->older].newer = d->newer;
	else
		t->oldest = d->newer;
	if (d->newer != 0)
		t->datagram[d->newer].older = d->older;
	else
		t->newest = d->older;
	d->state = FRAG_FREE;
	d->chain = t->free_datagram;
	t->free_datagram = i;
	t->count.open--;
}

static void forget_oldest(struct frag_table *t, enum drop_reason why, void *ctx)
{
	struct frag_datagram *d = &t->datagram[t->oldest];

	drop_held(t, d, why, ctx);
	forget(t, d);
}

static struct frag_datagram *begin(struct frag_table *t, const struct frag_key *key,
				   uint16_t bucket, uint32_t now, void *ctx)
{
	struct frag_datagram *d;
	uint16_t i;

	if (t->free_datagram == 0)
		forget_oldest(t, DROP_FRAGMENT_LIMIT, ctx);
	i = t->free_datagram;
	d = &t->datagram[i];
	t->free_datagram = d->chain;
	memset(d, 0, offsetof(struct frag_datagram, piece));
	d->key = *key;
	d->state = FRAG_GATHER;
	d->deadline = now + t->timeout;
	d->bucket = bucket;
	d->chain = t->head[bucket];
	t->head[bucket] = i;
	d->older = t->newest;
	if (t->newest != 0)
		t->datagram[t->newest].newer = i;
	else
		t->oldest = i;
	t->newest = i;
	t->count.datagrams++;
	t->count.open++;
	return d;
}

static struct frag_datagram *find(struct frag_table *t, const struct frag_key *key, uint16_t bucket)
{
	for (uint16_t i = t->head[bucket]; i != 0; i = t->datagram[i].chain)
		if (same_key(&t->datagram[i].key, key))
			return &t->datagram[i];
	return NULL;
}

// ---- one fragment -----------------------------------------------------------------------------------

// Enter the fragment's range. Returns: DROP_NONE, or why it (and, but for a duplicate, the datagram) goes.
static enum drop_reason enter(struct frag_datagram *d, const struct parse_fragment *f)
{
	struct frag_piece new = {f->offset / 8, (uint16_t)((f->offset + f->len + 7U) / 8)};
	uint32_t end = (uint32_t)f->offset + f->len;
	unsigned at = d->pieces;
	bool last; // would it be where the last one stands?

	while (at > 0 && d->piece[at - 1].from >= new.from)
		at--;
	// Before it stands a piece that begins earlier, at it one that begins there or later.
	last = d->end != 0 && new.to == (d->end + 7) / 8;
	if (at < d->pieces && d->piece[at].from == new.from && d->piece[at].to == new.to &&
	    (f->more ? !last : d->end == end))
		return DROP_FRAGMENT_DUPLICATE;
	if ((at > 0 && d->piece[at - 1].to > new.from) ||
	    (at < d->pieces && d->piece[at].from < new.to))
		return DROP_FRAGMENT_OVERLAP;
	// Nothing after the last one, which comes once (RFC 815; the ping of death's relatives).
	if (f->more ? d->end != 0 && end >= d->end : d->end != 0 || at < d->pieces)
		return DROP_FRAGMENT_OVERLAP;
	if (d->pieces == FRAG_PIECES)
		return DROP_FRAGMENT_MANY;
	memmove(&d->piece[at + 1], &d->piece[at], (d->pieces - at) * sizeof(new));
	d->piece[at] = new;
	d->pieces++;
	d->got += f->len;
	if (!f->more)
		d->end = end;
	return DROP_NONE;
}

// RFC 1858 section 3, 3128: the header that decides must stand in the first fragment, whole. A later one that
// begins inside of where it would stand says that it does not.
static bool is_tiny(const struct parse_fragment *f, const struct parse_info *info)
{
	uint8_t p = info->proto;

	if (f->offset != 0)
		return p == IPPROTO_TCP && f->offset < 20;
	if ((info->flags & PARSE_L4) != 0)
		return false;
	return p == IPPROTO_TCP || p == IPPROTO_UDP || p == IPPROTO_ICMP || p == IPPROTO_ICMPV6 ||
	       p == IPPROTO_HOPOPTS || p == IPPROTO_ROUTING || p == IPPROTO_DSTOPTS ||
	       p == IPPROTO_AH;
}

static void keep(struct frag_table *t, struct frag_datagram *d, struct rte_mbuf *m,
		 const struct parse_info *info)
{
	uint16_t i = t->free_node;
	struct node *n = &t->node[i];

	t->free_node = n->next;
	*n = (struct node){.m = m, .info = *info};
	if (d->held == 0)
		d->held = i;
	else
		t->node[d->held_last].next = i;
	d->held_last = i;
	t->count.held++;
	t->count.held_bytes += m->pkt_len;
}

// Make room for one more packet that waits. false: only its own datagram waits.
static bool make_room(struct frag_table *t, const struct frag_datagram *d, uint32_t bytes,
		      void *ctx)
{
	while (t->free_node == 0 || t->count.held_bytes + bytes > FRAG_HELD_BYTES) {
		if (t->oldest == index_of(t, d))
			return false;
		forget_oldest(t, DROP_FRAGMENT_LIMIT, ctx);
	}
	return true;
}

static enum frag_verdict spoil(struct frag_table *t, struct frag_datagram *d, enum drop_reason r,
			       void *ctx, enum drop_reason *why)
{
	drop_held(t, d, r, ctx);
	d->state = FRAG_BAD;
	d->why = (uint16_t)r;
	*why = r;
	return FRAG_DROPPED;
}

enum frag_verdict frag_add(struct frag_table *t, const struct frag_key *key,
			   const struct parse_fragment *f, struct rte_mbuf *m,
			   const struct parse_info *info, uint32_t now, void *ctx,
			   struct frag_datagram **out, enum drop_reason *why)
{
	uint16_t bucket = bucket_of(t, key);
	struct frag_datagram *d = find(t, key, bucket);
	enum drop_reason reason;

	if (d != NULL &&
	    (int32_t)(now - d->deadline) >= 0) { // its time is over, the timer comes late
		drop_held(t, d, DROP_FRAGMENT_TIMEOUT, ctx);
		forget(t, d);
		d = NULL;
	}
	if (d == NULL)
		d = begin(t, key, bucket, now, ctx);
	*out = d;
	if (d->state == FRAG_BAD) {
		*why = d->why;
		return FRAG_DROPPED;
	}
	if (is_tiny(f, info))
		return spoil(t, d, DROP_FRAGMENT_TINY, ctx, why);
	reason = enter(d, f);
	if (reason == DROP_FRAGMENT_DUPLICATE) {
		*why = reason;
		return FRAG_DROPPED;
	}
	if (reason != DROP_NONE)
		return spoil(t, d, reason, ctx, why);
	if (d->state == FRAG_SETTLED)
		return FRAG_PASSES;
	if (f->offset == 0) {
		d->state = FRAG_DECIDE;
		return FRAG_DECIDES;
	}
	if (!make_room(t, d, m->pkt_len, ctx))
		return spoil(t, d, DROP_FRAGMENT_LIMIT, ctx, why);
	keep(t, d, m, info);
	return FRAG_KEPT;
}

void frag_settle(struct frag_datagram *d, uint8_t fate)
{
	assert(d->state == FRAG_DECIDE);
	d->state = FRAG_SETTLED;
	d->fate = fate;
}

struct rte_mbuf *frag_take(struct frag_table *t, struct frag_datagram *d, struct parse_info *info)
{
	return unhold(t, d, info);
}

void frag_passed(struct frag_table *t, struct frag_datagram *d)
{
	if (d->state != FRAG_SETTLED || d->held != 0 || d->end == 0 || d->got != d->end)
		return;
	t->count.completed++;
	forget(t, d);
}

void frag_expire(struct frag_table *t, uint32_t now, void *ctx)
{
	while (t->oldest != 0 && (int32_t)(now - t->datagram[t->oldest].deadline) >= 0)
		forget_oldest(t, DROP_FRAGMENT_TIMEOUT, ctx);
}
