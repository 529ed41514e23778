// SPDX-License-Identifier: BSD-3-Clause
//
// lb_move - flows of the process before us that lie in the table of a worker that does not own them now: it had
// another number of workers, tables of another size, or packets were spread otherwise. Once, before the first
// packet, each is put into the table of its owner.
//
// The owner is who gets its client's packets. The replies of FULLNAT find their worker by the local port, which was
// chosen for the old owner: where that names another worker now, the pair is noted in a table of strangers, at
// which lb_owner() looks first, and no new flow gets that pair.

#include "apps/lb/worker/lb_priv.h"

#include <errno.h>
#include <stdlib.h>

#include <rte_random.h>

struct lb_strangers {
	uint64_t seed;
	uint32_t mask, count;
	uint64_t slot[]; // hash of the pair, the owner in the low bits; 0: empty
};

#define OWNER_BITS 8

static uint64_t hash_of(uint64_t seed, const struct lb_tuple *t)
{
	uint64_t h = flow_mum(seed ^ flow_steer_fold(t->family, t->src),
			      UINT64_C(0x9e3779b97f4a7c15) ^ flow_steer_fold(t->family, t->dst));

	h = flow_mum(h ^ ((uint64_t)t->sport << 48 | (uint64_t)t->dport << 32 |
			  (uint64_t)t->context << 8 | t->proto),
		     UINT64_C(0xff51afd7ed558ccd));
	return h | UINT64_C(1) << OWNER_BITS; // never 0
}

int lb_stranger_owner(const struct lb_strangers *s, const struct lb_tuple *t)
{
	uint64_t h = hash_of(s->seed, t) >> OWNER_BITS;

	for (uint32_t i = (uint32_t)h & s->mask; s->slot[i] != 0; i = (i + 1) & s->mask)
		if (s->slot[i] >> OWNER_BITS == h)
			return (int)(s->slot[i] & ((1 << OWNER_BITS) - 1));
	return -1;
}

static void put(struct lb_strangers *s, uint64_t hash, unsigned owner)
{
	uint32_t i = (uint32_t)(hash >> OWNER_BITS) & s->mask;

	while (s->slot[i] != 0)
		i = (i + 1) & s->mask;
	s->slot[i] = hash >> OWNER_BITS << OWNER_BITS | owner;
	s->count++;
}

// Make room for one more. NULL: no memory, *s stays.
static struct lb_strangers *room(struct lb_strangers *s)
{
	uint32_t slots = s == NULL ? 1024 : (s->mask + 1) * 2;
	struct lb_strangers *more;

	if (s != NULL && s->count * 2 < s->mask)
		return s;
	more = calloc(1, sizeof(*more) + slots * sizeof(more->slot[0]));
	if (more == NULL)
		return NULL;
	more->mask = slots - 1;
	more->seed = s == NULL ? rte_rand() : s->seed;
	for (uint32_t i = 0; s != NULL && i <= s->mask; i++)
		if (s->slot[i] != 0)
			put(more, s->slot[i], s->slot[i] & ((1 << OWNER_BITS) - 1));
	free(s);
	return more;
}

struct moving {
	struct lb_worker *const *lw;
	uint32_t now;
	struct lb_strangers *strangers;
	struct lb_moved *result;
};

static void tuples(const struct flow *f, const struct flow_key6 *k, struct lb_tuple t[2])
{
	bool v6 = k != NULL;

	t[0] = (struct lb_tuple){.context = f->context,
				 .family = v6 ? 6 : 4,
				 .proto = f->proto,
				 .sport = f->client_port,
				 .dport = f->service_port,
				 .src = v6 ? k->client : (const uint8_t *)&f->client,
				 .dst = v6 ? k->service_addr : (const uint8_t *)&f->service_addr};
	t[1] = (struct lb_tuple){.context = f->context,
				 .family = v6 ? 6 : 4,
				 .proto = f->proto,
				 .sport = f->server_port,
				 .dport = f->local_port,
				 .src = v6 ? k->server_addr : (const uint8_t *)&f->server_addr,
				 .dst = v6 ? k->local : (const uint8_t *)&f->local};
}

// Whose is it? Notes the reply's way where that leads elsewhere.
static unsigned owner_of(struct moving *v, const struct flow *f, const struct flow_key6 *k)
{
	const struct lb_worker *lw = v->lw[0];
	struct lb_strangers *s;
	struct lb_tuple t[2];
	unsigned owner;

	tuples(f, k, t);
	owner = lb_owner(lw, &t[0]);
	if (lb_owner(lw, &t[1]) == owner)
		return owner;
	s = room(v->strangers);
	if (s == NULL) {
		v->result->lost++;
		return owner;
	}
	v->strangers = s;
	put(s, hash_of(s->seed, &t[1]), owner);
	return owner;
}

static void count(struct lb_worker *lw, const struct flow *f, int by)
{
	lb_server_count(lw, f->server)->taken += (uint64_t)(int64_t)by;
	lb_service_count(lw, f->service)->taken += (uint64_t)(int64_t)by;
	lb_pick_moved(lw, f->server, by > 0);
}

static void give(struct moving *v, unsigned owner, const struct flow *f, const struct flow_cold *c,
		 const struct flow_key6 *k)
{
	uint32_t index;
	int rc = flow_adopt(v->lw[owner]->table, f, c, k, v->now, &index);

	if (rc == 0) {
		count(v->lw[owner], f, 1);
		v->result->moved++;
	} else if (rc != -EEXIST) { // that one was moved, then we were killed
		v->result->lost++;
	}
}

static void from_file(void *ctx, const struct flow *f, const struct flow_cold *c,
		      const struct flow_key6 *k)
{
	struct moving *v = ctx;

	give(v, owner_of(v, f, k), f, c, k);
}

static void from_table(struct moving *v, unsigned from)
{
	struct lb_worker *lw = v->lw[from];
	const struct flow_table *t = lw->table;

	for (uint32_t i = 0; i < t->max; i++) {
		const struct flow *f = &t->flow[i];
		const struct flow_key6 *k = (f->flags & FLOW_F_IPV6) != 0 ? &t->key6[i] : NULL;
		unsigned owner;

		if ((f->flags & FLOW_F_VALID) == 0)
			continue;
		owner = owner_of(v, f, k);
		if (owner == from)
			continue;
		give(v, owner, f, &t->cold[i], k);
		count(lw, f, -1);
		flow_delete(lw->table, i);
	}
}

void lb_worker_settle(struct lb_worker *const *lw, unsigned workers, uint64_t spread,
		      char *const *old, unsigned olds, struct lb_moved *result)
{
	struct moving v = {.lw = lw, .now = clock_ticks(), .result = result};
	bool same = olds == 0;

	memset(result, 0, sizeof(*result));
	for (unsigned w = 0; w < workers; w++)
		same = same && flow_table_spread(lw[w]->table) == spread;
	if (same)
		return;
	for (unsigned w = 0; w < workers; w++) {
		lb_look(lw[w]);
		flow_table_set_spread(lw[w]->table, 0); // until all is in its place
	}
	for (unsigned w = 0; workers > 1 && w < workers; w++)
		from_table(&v, w);
	for (unsigned i = 0; i < olds; i++)
		if (flow_file_read(old[i], from_file, &v) != 0)
			result->unreadable++;
	for (unsigned w = 0; w < workers; w++) {
		lw[w]->strangers = v.strangers; // for good: all share it
		// With strangers about the next start has to look again.
		flow_table_set_spread(lw[w]->table, v.strangers == NULL ? spread : 0);
	}
	result->strangers = v.strangers == NULL ? 0 : v.strangers->count;
}
