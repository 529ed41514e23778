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

// Written once, before the first context is made; read by all.
static struct {
	pthread_once_t once;
	int error;
	hs_database_t *database; // NULL: no analyser has literals
	uint64_t asking;         // analysers that have some
	uint64_t asked_by[LITERALS_MAX];
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

static int compile(struct list *l)
{
	hs_compile_error_t *error;

	for (unsigned i = 0; inspect_analysers[i] != NULL; i++) {
		const char *const *t = inspect_analysers[i]->literals;

		if (i == ANALYSERS_MAX)
			return -E2BIG;
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

static bool wants(const struct inspect_analyser *a, const struct inspect_node *n)
{
	return n->len >= a->least && (a->any == 0 || (n->set & a->any) != 0) &&
	       (n->set & a->all) == a->all && (a->places == 0 || (a->places >> n->place & 1) != 0);
}

uint64_t router_select(struct inspect *in, const struct inspect_node *n)
{
	struct search s = {0};
	uint64_t bits = 0;
	hs_error_t rc;

	for (unsigned i = 0; inspect_analysers[i] != NULL; i++)
		bits |= (uint64_t)wants(inspect_analysers[i], n) << i;
	s.wanted = bits & router.asking;
	if (s.wanted == 0 || router.database == NULL)
		return bits;
	rc = hs_scan(router.database, (const char *)n->p, n->len, 0, in->router, found, &s);
	if (rc != HS_SUCCESS && rc != HS_SCAN_TERMINATED)
		return bits;
	return bits & (~router.asking | s.found);
}
