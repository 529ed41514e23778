// SPDX-License-Identifier: BSD-3-Clause

#include "tests/unit/control/net/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

const uint8_t fixture_datastore[16] = "test-datastore-1";

const char fixture_base[] =
	"{'ietf-interfaces:interfaces':{'interface':["
	"{'name':'eth0','type':'sluice-port:af-xdp','sluice-port:port':{'owner':'lb'}}]},"
	"'sluice-lb:load-balancers':{'load-balancer':[{'name':'lb',"
	"'local-address-pools':{'local-address-pool':[{'name':'l','address':['10.0.0.200']}]},"
	"'pools':{'pool':[{'name':'p','servers':{'server':["
	"{'name':'s1','address':'10.0.0.11','port':80},"
	"{'name':'s2','address':'10.0.0.12','port':80,'weight':3}]}}]},"
	"'services':{'service':[{'name':'web','address':'192.0.2.1','port':80,'protocol':'tcp',"
	"'pool':'p','local-address-pool':'l'}]}}]}}";

struct ly_ctx *fixture_ctx(void)
{
	static const char *const modules[] = {"ietf-interfaces", "iana-if-type", "sluice-port",
					      "sluice-lb"};
	static struct ly_ctx *ctx;

	if (ctx)
		return ctx;
	assert_int_equal(ly_ctx_new(YANG_DIR, 0, &ctx), LY_SUCCESS);
	assert_int_equal(ly_ctx_set_searchdir(ctx, YANG_DIR "/ietf"), LY_SUCCESS);
	for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++)
		assert_non_null(ly_ctx_load_module(ctx, modules[i], NULL, NULL));
	return ctx;
}

struct lyd_node *fixture_tree(const char *json)
{
	struct lyd_node *tree = NULL;
	char *text = strdup(json);

	for (char *p = text; *p; p++) {
		if (*p == '\'')
			*p = '"';
	}
	assert_int_equal(lyd_parse_data_mem(fixture_ctx(), text, LYD_JSON,
					    LYD_PARSE_ONLY | LYD_PARSE_STRICT | LYD_PARSE_NO_STATE,
					    0, &tree),
			 LY_SUCCESS);
	free(text);
	return tree;
}

void fixture_change(struct fixture_change *f, const struct lyd_node *before,
		    const struct lyd_node *after)
{
	*f = (struct fixture_change){0};
	assert_int_equal(lyd_diff_siblings(before, after, 0, &f->diff), LY_SUCCESS);
	f->c = (struct txn_change){
		.before = before, .after = after, .diff = f->diff, .base = 1, .target = 2};
	memcpy(f->c.datastore, fixture_datastore, 16);
}

void fixture_change_fini(struct fixture_change *f)
{
	lyd_free_all(f->diff);
}
