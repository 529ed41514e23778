// SPDX-License-Identifier: BSD-3-Clause
//
// Which analysers may be interested in a node: by the bytes that occur in it, its length, its place.

#include "dataplane/inspect/inspect_priv.h"

int router_create(void)
{
	return 0;
}

static bool wants(const struct inspect_analyser *a, const struct inspect_node *n)
{
	return n->len >= a->least && (a->any == 0 || (n->set & a->any) != 0) &&
	       (n->set & a->all) == a->all && (a->places == 0 || (a->places >> n->place & 1) != 0);
}

uint64_t router_select(struct inspect *in, const struct inspect_node *n)
{
	uint64_t bits = 0;

	(void)in;
	for (unsigned i = 0; inspect_analysers[i] != NULL; i++)
		bits |= (uint64_t)wants(inspect_analysers[i], n) << i;
	return bits;
}
