// SPDX-License-Identifier: BSD-3-Clause

#include "tests/unit/control/datastore/models.h"

#include "control/datastore/diff.h"
#include "control/datastore/schema.h"
#include "control/datastore/tree.h"

#include <libyang/libyang.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct ly_ctx *models(void)
{
	static struct ly_ctx *ctx;
	static const char *const dirs[] = {YANG_DIR};
	char err[512];

	if (ctx == NULL && schema_create(dirs, 1, &ctx, err, sizeof(err)) != 0)
		fail_msg("%s", err);
	return ctx;
}

struct lyd_node *parse(const char *json)
{
	struct lyd_node *tree = NULL;

	if (lyd_parse_data_mem(models(), json, LYD_JSON, LYD_PARSE_ONLY | LYD_PARSE_STRICT, 0,
			       &tree) != LY_SUCCESS)
		fail_msg("%s: %s", json, ly_errmsg(models()));
	return tree;
}

char *print(const struct lyd_node *tree)
{
	char *text = NULL;

	assert_int_equal(
		lyd_print_mem(&text, tree, LYD_JSON, LYD_PRINT_WITHSIBLINGS | LYD_PRINT_SHRINK),
		LY_SUCCESS);
	return text != NULL ? text : strdup("{}");
}

void assert_tree_is(const struct tree *tree, const char *json)
{
	struct tree want = {.root = parse(json)};
	struct lyd_node *diff = NULL;

	assert_int_equal(diff_make(tree, &want, NULL, &diff), 0);
	if (diff != NULL)
		fail_msg("got %s\nwant %s", print(tree->root), json);
	lyd_free_all(want.root);
}

const char *in_lb(const char *inner)
{
	static char buf[8][4096];
	static unsigned next;
	char *out = buf[next++ % 8];

	snprintf(out, 4096,
		 "{\"sluice-lb:load-balancers\":{\"load-balancer\":[{\"name\":\"lb\"%s%s}]}}",
		 inner[0] != '\0' ? "," : "", inner);
	return out;
}
