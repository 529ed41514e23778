// SPDX-License-Identifier: BSD-3-Clause
//
// Which analysers may be interested in a node: by the bytes that occur in it, its length, its place, and
// by literals without which an analyser finds nothing. One pass of Hyperscan looks for those of all
// analysers at once, where one that is left asks for it. It is a short cut and no more: an analyser that
// is skipped would have found nothing, and without the router every verdict is the same.

#include "dataplane/inspect/inspect_priv.h"

#include <hs/hs.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define ANALYSERS_MAX 64
#define LITERALS_MAX  2048
#define GROUPS        64
#define LENGTHS       64

// Written once, before the first context is made; read by all.
static struct {
	pthread_once_t once;
	int error;
	hs_database_t *database; // NULL: no analyser has literals
	uint64_t asking;         // analysers that have some
	uint64_t asked_by[LITERALS_MAX];
	// Analysers, as bits: whom a place concerns, whom a byte's group may interest, whom a length.
	uint64_t of_place[PLACE_COUNT], of_group[GROUPS], of_any_group, of_length[LENGTHS];
	uint64_t all[ANALYSERS_MAX]; // groups without which one is not interested
} router = {.once = PTHREAD_ONCE_INIT};

// ---- the database --------------------------------------------------------------------------------

struct list {
	const char *text[LITERALS_MAX];
	size_t len[LITERALS_MAX];
	unsigned flags[LITERALS_MAX], id[LITERALS_MAX], count;
};

static bool add(struct list *l, const char *text, unsigned analyser)
{
	unsigned i = 0;

	while (i < l->count && strcmp(l->text[i], text) != 0)
		i++;
	if (i == LITERALS_MAX)
		return false;
	if (i == l->count) {
		l->text[i] = text;
		l->len[i] = strlen(text);
		l->flags[i] = HS_FLAG_CASELESS | HS_FLAG_SINGLEMATCH;
		l->id[i] = i;
		l->count++;
	}
	router.asked_by[i] |= UINT64_C(1) << analyser;
	return true;
}

// Into the tables with an analyser, its bit being i.
static void enter(const struct inspect_analyser *a, unsigned i)
{
	uint64_t bit = UINT64_C(1) << i;

	for (unsigned p = 0; p < PLACE_COUNT; p++)
		if (a->places == 0 || (a->places >> p & 1) != 0)
			router.of_place[p] |= bit;
	for (unsigned g = 0; g < GROUPS; g++)
		if ((a->any >> g & 1) != 0)
			router.of_group[g] |= bit;
	if (a->any == 0)
		router.of_any_group |= bit;
	for (unsigned n = 0; n < LENGTHS; n++)
		if (n >= a->least || n == LENGTHS - 1)
			router.of_length[n] |= bit;
	router.all[i] = a->all;
}

static int compile(struct list *l)
{
	hs_compile_error_t *error;

	for (unsigned i = 0; inspect_analysers[i] != NULL; i++) {
		const char *const *t = inspect_analysers[i]->literals;

		if (i == ANALYSERS_MAX)
			return -E2BIG;
		enter(inspect_analysers[i], i);
		for (; t != NULL && *t != NULL; t++)
			if (!add(l, *t, i))
				return -E2BIG;
		router.asking |= (uint64_t)(inspect_analysers[i]->literals != NULL) << i;
	}
	if (l->count == 0)
		return 0;
	switch (hs_compile_lit_multi(l->text, l->flags, l->id, l->len, l->count, HS_MODE_BLOCK,
				     NULL, &router.database, &error)) {
	case HS_SUCCESS:
		return 0;
	case HS_NOMEM:
		return -ENOMEM;
	default: // an empty literal, or a processor without SSSE3
		hs_free_compile_error(error);
		return -ENOTSUP;
	}
}

static void create(void)
{
	struct list *l = calloc(1, sizeof(*l));

	router.error = l != NULL ? compile(l) : -ENOMEM;
	free(l);
}

int router_create(void)
{
	pthread_once(&router.once, create);
	return router.error;
}

int router_scratch_create(void **out)
{
	hs_scratch_t *scratch = NULL;
	int rc = router_create();

	if (rc != 0)
		return rc;
	if (router.database != NULL && hs_alloc_scratch(router.database, &scratch) != HS_SUCCESS)
		return -ENOMEM;
	*out = scratch;
	return 0;
}

void router_scratch_destroy(void *scratch)
{
	hs_free_scratch(scratch);
}

// ---- one node ------------------------------------------------------------------------------------

struct search {
	uint64_t wanted, found;
};

static int found(unsigned id, unsigned long long from, unsigned long long to, unsigned flags,
		 void *ctx)
{
	struct search *s = ctx;

	s->found |= router.asked_by[id];
	return (s->wanted & ~s->found) == 0; // nobody is left to look for
}

static uint64_t interested(const struct inspect_node *n)
{
	uint64_t bits = router.of_any_group, left;

	for (left = n->set; left != 0; left &= left - 1)
		bits |= router.of_group[__builtin_ctzll(left)];
	bits &= router.of_place[n->place] &
		router.of_length[n->len < LENGTHS ? n->len : LENGTHS - 1];
	for (left = bits; left != 0; left &= left - 1) {
		int i = __builtin_ctzll(left);

		if ((n->set & router.all[i]) != router.all[i])
			bits &= ~(UINT64_C(1) << i);
	}
	return bits;
}

uint64_t router_all(const struct inspect_node *n)
{
	return router.of_place[n->place];
}

uint64_t router_select(struct inspect *in, const struct inspect_node *n)
{
	struct search s = {0};
	uint64_t bits = interested(n);
	hs_error_t rc;

	s.wanted = bits & router.asking;
	if (s.wanted == 0 || router.database == NULL)
		return bits;
	rc = hs_scan(router.database, (const char *)n->p, n->len, 0, in->router, found, &s);
	if (rc != HS_SUCCESS && rc != HS_SCAN_TERMINATED)
		return bits;
	return bits & (~router.asking | s.found);
}
