// SPDX-License-Identifier: BSD-3-Clause
//
// Every file of config/sample is valid by the models and passes the checks across entries.

#include "control/net/net_priv.h"
#include "tests/unit/control/net/fixture.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void load_sample(const char *name)
{
	struct txn_result *r = calloc(1, sizeof(*r));
	struct lyd_node *tree = NULL, *plain = NULL;
	char path[512];
	struct net_delta d;

	snprintf(path, sizeof(path), "%s/%s", SAMPLE_DIR, name);
	if (lyd_parse_data_path(fixture_ctx(), path, LYD_JSON, LYD_PARSE_STRICT,
				LYD_VALIDATE_NO_STATE, &tree) != LY_SUCCESS)
		fail_msg("%s: %s", name, ly_errmsg(fixture_ctx()));
	// as the datastore holds it: no default nodes
	assert_int_equal(lyd_parse_data_path(fixture_ctx(), path, LYD_JSON,
					     LYD_PARSE_ONLY | LYD_PARSE_STRICT, 0, &plain),
			 LY_SUCCESS);
	net_delta_build(&d, NULL, plain, plain, r);
	net_delta_apply(&d);
	net_index_check(&d, plain, r);
	net_delta_keep(&d);
	if (r->result != 0)
		fail_msg("%s: %s: %s", name, r->error[0].path, r->error[0].message);
	assert_true(net_store_size() > 5);
	net_store_clear();
	lyd_free_all(tree);
	lyd_free_all(plain);
	free(r);
}

static void every_sample_is_sound(void **state)
{
	struct dirent *e;
	unsigned count = 0;
	DIR *dir;

	(void)state;
	assert_int_equal(net_schema_init(fixture_ctx()), 0);
	dir = opendir(SAMPLE_DIR);
	assert_non_null(dir);
	while ((e = readdir(dir)) != NULL) {
		if (strlen(e->d_name) > 5 &&
		    strcmp(e->d_name + strlen(e->d_name) - 5, ".json") == 0) {
			load_sample(e->d_name);
			count++;
		}
	}
	closedir(dir);
	assert_true(count >= 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_sample_is_sound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
