// SPDX-License-Identifier: BSD-3-Clause
//
// One request through the engine: the values of its head, then of its body as it comes.

#include "dataplane/inspect/inspect_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint32_t or (uint32_t value, uint32_t fallback)
{
	return value != 0 ? value : fallback;
}

int inspect_create(const struct inspect_limits *limits, struct inspect **out)
{
	struct inspect_limits l = limits != NULL ? *limits : (struct inspect_limits){0};
	struct inspect *in;
	int rc;

	l.arena = or (l.arena, 1 << 20);
	l.nodes = or (l.nodes, 64);
	l.depth = or (l.depth, 6);
	l.window = or (l.window, 1 << 16);
	if (l.nodes > NODES_MAX || l.depth > INSPECT_DECODERS_MAX || l.arena < 1 << 14 ||
	    l.window < 1 << 10)
		return -EINVAL;
	in = calloc(1, sizeof(*in));
	if (in == NULL)
		return -ENOMEM;
	in->limits = l;
	in->arena = malloc(l.arena);
	rc = in->arena != NULL ? message_create(&l, &in->body) : -ENOMEM;
	if (rc == 0)
		rc = router_scratch_create(&in->router);
	if (rc != 0) {
		inspect_destroy(in);
		return rc;
	}
	*out = in;
	return 0;
}

void inspect_destroy(struct inspect *in)
{
	if (in == NULL)
		return;
	router_scratch_destroy(in->router);
	message_destroy(in->body);
	free(in->arena);
	free(in);
}

bool inspect_begin(struct inspect *in, const struct inspect_policy *policy,
		   const struct http_head *head)
{
	in->policy = policy;
	in->head = head;
	value_begin(in);
	score_begin(in);
	policy_match_request(in);
	message_begin(in);
	message_head(in);
	return in->verdict.block;
}

bool inspect_body(struct inspect *in, const uint8_t *bytes, size_t len)
{
	if (!in->enough)
		message_body(in, bytes, len);
	return in->verdict.block;
}

void inspect_end(struct inspect *in, struct inspect_verdict *out)
{
	if (!in->enough)
		message_end(in);
	message_oddities(in);
	score_end(in, out);
}
