// SPDX-License-Identifier: BSD-3-Clause
//
// Any text as an app's answer to the query "state", into a tree with two instances: what is not the app's
// to say must not get in.

#include "control/net/net_priv.h"

#include <libyang/libyang.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct ly_ctx *ctx;
static struct lyd_node *tree;

static void init(void)
{
	static const char *const modules[] = {"ietf-interfaces", "iana-if-type", "sluice-port",
					      "sluice-lb"};
	static const char json[] =
		"{\"sluice-lb:load-balancers\":{\"load-balancer\":[{\"name\":\"lb\",\"pools\":{\"pool\":["
		"{\"name\":\"p\",\"servers\":{\"server\":[{\"name\":\"a\",\"address\":\"10.0.0.1\","
		"\"port\":80}]}}]}},{\"name\":\"lb2\"}]},\"ietf-interfaces:interfaces\":{\"interface\":["
		"{\"name\":\"x\",\"type\":\"sluice-port:af-xdp\",\"sluice-port:port\":{\"owner\":\"lb\"}},"
		"{\"name\":\"y\",\"type\":\"sluice-port:af-xdp\",\"sluice-port:port\":"
		"{\"owner\":\"lb2\"}}]}}";

	ly_log_options(LY_LOSTORE_LAST);
	if (ly_ctx_new(YANG_DIR, 0, &ctx) || ly_ctx_set_searchdir(ctx, YANG_DIR "/ietf"))
		abort();
	for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++) {
		if (!ly_ctx_load_module(ctx, modules[i], NULL, NULL))
			abort();
	}
	if (net_schema_init(ctx) ||
	    lyd_parse_data_mem(ctx, json, LYD_JSON, LYD_PARSE_ONLY, 0, &tree))
		abort();
}

// The configuration in the copy must be what it was.
static void same_config(const struct lyd_node *a, const struct lyd_node *b)
{
	const struct lyd_node *n;
	struct lyd_node *m;

	LY_LIST_FOR (a, n) {
		if (n->schema->flags & LYS_CONFIG_R)
			continue;
		if (lyd_find_sibling_first(b, n, &m) != LY_SUCCESS)
			abort();
		if (n->schema->nodetype & LYD_NODE_TERM) {
			if (lyd_compare_single(n, m, 0) != LY_SUCCESS)
				abort();
		} else {
			same_config(lyd_child(n), lyd_child(m));
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lyd_node *copy = NULL;
	char why[256], *text;

	if (!ctx)
		init();
	text = malloc(size + 1); // the link ends answers with a NUL, and refuses one inside
	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (memchr(text, 0, size) == NULL &&
	    lyd_dup_siblings(tree, NULL, LYD_DUP_RECURSIVE, &copy) == 0) {
		net_state_merge(ctx, copy, "lb", text, size, why, sizeof(why));
		same_config(tree, copy);
	}
	lyd_free_all(copy);
	free(text);
	return 0;
}
