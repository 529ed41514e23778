// SPDX-License-Identifier: BSD-3-Clause
//
// A red-black tree (tsearch of libc) in the order of struct fib_key: changes cost a logarithm, and a
// walk gives route.c its prefixes sorted.

#include "dataplane/out/fib.h"

#include <assert.h>
#include <errno.h>
#include <search.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct fib {
	void *root;
	uint32_t count[2]; // IPv4, IPv6
};

static_assert(sizeof(struct fib_key) == 24, "no padding: compared by memcmp");
static_assert(offsetof(struct fib_route, key) == 0, "keys and routes are compared alike");

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct fib_key));
}

int fib_create(struct fib **out)
{
	struct fib *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return -ENOMEM;
	*out = f;
	return 0;
}

void fib_destroy(struct fib *f)
{
	if (f == NULL)
		return;
	tdestroy(f->root, free);
	free(f);
}

uint32_t fib_count(const struct fib *f)
{
	return f->count[0] + f->count[1];
}

static struct fib_route **find(const struct fib *f, const struct fib_key *key)
{
	return (struct fib_route **)tfind(key, &f->root, compare);
}

const struct fib_route *fib_get(const struct fib *f, const struct fib_key *key)
{
	struct fib_route **at = find(f, key);

	return at != NULL ? *at : NULL;
}

static struct fib_route *route_make(const struct fib_key *key, unsigned paths)
{
	struct fib_route *r = calloc(1, sizeof(*r) + paths * sizeof(r->path[0]));

	if (r != NULL)
		r->key = *key;
	return r;
}

static bool has_path(const struct fib_route *r, const struct fib_path *p)
{
	for (unsigned i = 0; i < r->paths; i++)
		if (r->path[i].ifindex == p->ifindex && r->path[i].family == p->family &&
		    memcmp(r->path[i].gateway, p->gateway, sizeof(p->gateway)) == 0)
			return true;
	return false;
}

int fib_add(struct fib *f, const struct fib_key *key, const struct fib_path *path, unsigned paths,
	    enum fib_mode mode, uint32_t epoch)
{
	struct fib_route **at = find(f, key), *old = at != NULL ? *at : NULL, *r;
	unsigned keep = 0;

	if (key->len > (key->family == 4 ? 32 : 128) || paths > FIB_PATH_MAX)
		return -EINVAL;
	if (old != NULL && mode == FIB_BEHIND) {
		old->alias = true;
		old->epoch = epoch;
		return 0;
	}
	if (old != NULL && mode == FIB_JOIN)
		keep = old->paths;
	r = route_make(key, keep + paths);
	if (r == NULL)
		return -ENOMEM;
	if (keep != 0)
		memcpy(r->path, old->path, keep * sizeof(*path));
	r->paths = (uint8_t)keep;
	for (unsigned i = 0; i < paths && r->paths < FIB_PATH_MAX; i++)
		if (keep == 0 || !has_path(old, &path[i]))
			r->path[r->paths++] = path[i];
	r->epoch = epoch;
	if (old != NULL) {
		r->alias = mode == FIB_FRONT || (old->alias && old->epoch == epoch);
		*at = r;
		free(old);
		return 0;
	}
	if (tsearch(r, &f->root, compare) == NULL) {
		free(r);
		return -ENOMEM;
	}
	f->count[key->family != 4]++;
	return 0;
}

static void remove_route(struct fib *f, struct fib_route *r)
{
	f->count[r->key.family != 4]--;
	tdelete(r, &f->root, compare);
	free(r);
}

bool fib_del(struct fib *f, const struct fib_key *key, const struct fib_path *path, unsigned paths)
{
	struct fib_route **at = find(f, key), *r;
	bool again, hit = paths == 0;

	if (at == NULL)
		return false;
	r = *at;
	again = r->alias;
	hit |= r->paths == 0;
	for (unsigned i = 0; i < paths; i++) {
		for (unsigned k = 0; k < r->paths; k++) {
			if (r->path[k].ifindex != path[i].ifindex ||
			    r->path[k].family != path[i].family ||
			    memcmp(r->path[k].gateway, path[i].gateway, 16) != 0)
				continue;
			memmove(&r->path[k], &r->path[k + 1], (r->paths - k - 1u) * sizeof(*path));
			r->paths--;
			hit = true;
			break;
		}
	}
	if (paths == 0 || r->paths == 0)
		remove_route(f, r);
	else
		again |= key->family == 4; // IPv4 deletes whole routes: what is left is another one
	return again || !hit;
}

struct sweep {
	struct fib_route **gone;
	uint32_t count, room, epoch;
	bool prefixes;
};

static void sweep_visit(const void *node, VISIT which, void *arg)
{
	struct fib_route *r = *(struct fib_route *const *)node;
	struct sweep *s = arg;

	if (which != postorder && which != leaf)
		return;
	if (r->epoch != s->epoch && (r->key.rank == FIB_RANK_PREFIX) == s->prefixes &&
	    s->count < s->room)
		s->gone[s->count++] = r;
}

void fib_sweep(struct fib *f, uint32_t epoch, bool prefixes)
{
	struct sweep s = {.epoch = epoch, .prefixes = prefixes, .room = fib_count(f)};

	if (s.room == 0)
		return;
	s.gone = malloc(s.room * sizeof(struct fib_route *));
	if (s.gone == NULL)
		return; // they stay until the next resync
	twalk_r(f->root, sweep_visit, &s);
	for (uint32_t i = 0; i < s.count; i++)
		remove_route(f, s.gone[i]);
	free(s.gone);
}

struct walk {
	bool (*fn)(void *arg, const struct fib_route *r);
	void *arg;
	bool ended;
};

static void walk_visit(const void *node, VISIT which, void *arg)
{
	struct walk *w = arg;

	if ((which != postorder && which != leaf) || w->ended)
		return;
	w->ended = !w->fn(w->arg, *(struct fib_route *const *)node);
}

void fib_walk(const struct fib *f, bool (*fn)(void *arg, const struct fib_route *r), void *arg)
{
	struct walk w = {.fn = fn, .arg = arg};

	twalk_r(f->root, walk_visit, &w);
}

struct build {
	struct route_prefix4 *p4;
	struct route_prefix6 *p6;
	uint32_t n4, n6;
	const struct fib_route *last; // of the prefix whose leaf is settled
	int (*leaf)(void *arg, const struct fib_route *r);
	void *arg;
};

static bool same_prefix(const struct fib_route *a, const struct fib_route *b)
{
	return memcmp(&a->key, &b->key, offsetof(struct fib_key, rank)) == 0;
}

static route_addr6 addr6_of(const uint8_t bytes[16])
{
	route_addr6 a = 0;

	for (unsigned i = 0; i < 16; i++)
		a = a << 8 | bytes[i];
	return a;
}

static bool build_visit(void *arg, const struct fib_route *r)
{
	struct build *b = arg;
	int to;

	if (r->key.tos != 0 || (b->last != NULL && same_prefix(b->last, r)))
		return true;
	to = b->leaf(b->arg, r);
	if (to < 0)
		return true;
	b->last = r;
	if (r->key.family == 4)
		b->p4[b->n4++] = (struct route_prefix4){
			.addr = (uint32_t)r->key.addr[0] << 24 | (uint32_t)r->key.addr[1] << 16 |
				(uint32_t)r->key.addr[2] << 8 | r->key.addr[3],
			.leaf = (uint16_t)to,
			.len = r->key.len,
		};
	else
		b->p6[b->n6++] = (struct route_prefix6){
			.addr = addr6_of(r->key.addr), .leaf = (uint16_t)to, .len = r->key.len};
	return true;
}

int fib_build(const struct fib *f, int (*leaf_of)(void *arg, const struct fib_route *r), void *arg,
	      struct route_table **out)
{
	struct build b = {.leaf = leaf_of, .arg = arg};
	int rc = -ENOMEM;

	b.p4 = malloc((f->count[0] + (size_t)1) * sizeof(*b.p4));
	b.p6 = malloc((f->count[1] + (size_t)1) * sizeof(*b.p6));
	if (b.p4 != NULL && b.p6 != NULL) {
		fib_walk(f, build_visit, &b);
		rc = route_table_create(b.p4, b.n4, b.p6, b.n6, out);
	}
	free(b.p4);
	free(b.p6);
	return rc;
}
