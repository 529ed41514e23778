// SPDX-License-Identifier: BSD-3-Clause
//
// The router, with analysers of this test: each condition both ways, alone and together.

#include "dataplane/inspect/inspect_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void run(struct inspect *in, const struct inspect_node *n)
{
	(void)in;
	(void)n;
}

#define PLACE(p) (UINT64_C(1) << PLACE_##p)

enum { ALWAYS, ANY, ALL, LEAST, LONG, PLACES, LITERALS, SHARED, TOGETHER, COUNT };

static const char *const literals[] = {"Select", "../", NULL};
static const char *const shared[] = {"select", "jndi:", NULL};
static const struct inspect_analyser list[COUNT] = {
	[ALWAYS] = {"always", .run = run},
	[ANY] = {"any", .any = BYTES(LT) | BYTES(QUOTE), .run = run},
	[ALL] = {"all", .all = BYTES(LT) | BYTES(GT), .run = run},
	[LEAST] = {"least", .least = 5, .run = run},
	[LONG] = {"long", .least = 200, .run = run},
	[PLACES] = {"places", .places = PLACE(COOKIE) | PLACE(BODY), .run = run},
	[LITERALS] = {"literals", .literals = literals, .run = run},
	[SHARED] = {"shared", .literals = shared, .run = run},
	[TOGETHER] = {"together", .any = BYTES(COLON), .places = PLACE(QUERY), .least = 8,
		      .literals = shared, .run = run},
};
const struct inspect_analyser *const inspect_analysers[] = {
	&list[0], &list[1], &list[2], &list[3], &list[4],
	&list[5], &list[6], &list[7], &list[8], NULL,
};

static struct inspect *in;

static int create(void **state)
{
	(void)state;
	return inspect_create(NULL, &in);
}

static int destroy(void **state)
{
	(void)state;
	inspect_destroy(in);
	return 0;
}

static uint64_t select_for(enum inspect_place place, const char *text)
{
	struct inspect_node n = {.p = (const uint8_t *)text,
				 .len = (uint32_t)strlen(text),
				 .place = (uint8_t)place,
				 .set = bytes_set((const uint8_t *)text, strlen(text))};

	return router_select(in, &n);
}

static bool wants(unsigned analyser, enum inspect_place place, const char *text)
{
	return (select_for(place, text) >> analyser & 1) != 0;
}

static void asks_those_without_conditions_always(void **state)
{
	(void)state;
	assert_true(wants(ALWAYS, PLACE_QUERY, "x"));
	assert_true(wants(ALWAYS, PLACE_FILE, "\x01"));
	assert_int_equal(router_all(&(struct inspect_node){.place = PLACE_BODY}),
			 (1 << COUNT) - 1 - (1 << TOGETHER));
}

static void asks_by_the_bytes_that_occur(void **state)
{
	(void)state;
	assert_true(wants(ANY, PLACE_QUERY, "a<b"));
	assert_true(wants(ANY, PLACE_QUERY, "it's"));
	assert_false(wants(ANY, PLACE_QUERY, "a>b"));
	assert_true(wants(ALL, PLACE_QUERY, "<>"));
	assert_false(wants(ALL, PLACE_QUERY, "<"));
	assert_false(wants(ALL, PLACE_QUERY, ">"));
}

static void asks_by_length_and_place(void **state)
{
	char text[300];

	(void)state;
	assert_false(wants(LEAST, PLACE_QUERY, "1234"));
	assert_true(wants(LEAST, PLACE_QUERY, "12345"));
	memset(text, 'x', sizeof(text));
	text[200] = '\0';
	assert_true(wants(LONG, PLACE_QUERY, text));
	text[30] = '\0';
	assert_false(wants(LONG, PLACE_QUERY, text));
	assert_true(wants(PLACES, PLACE_COOKIE, "x"));
	assert_true(wants(PLACES, PLACE_BODY, "x"));
	assert_false(wants(PLACES, PLACE_QUERY, "x"));
}

static void asks_by_literals_in_any_case(void **state)
{
	(void)state;
	assert_false(wants(LITERALS, PLACE_QUERY, "nothing of it"));
	assert_true(wants(LITERALS, PLACE_QUERY, "a/../b"));
	assert_true(wants(LITERALS, PLACE_QUERY, "SELECT"));
	assert_true(wants(SHARED, PLACE_QUERY, "sELECT")); // another's literal too
	assert_false(wants(SHARED, PLACE_QUERY, "a/../b"));
	assert_true(wants(SHARED, PLACE_QUERY, "select a/../b jndi:x"));
	assert_true(wants(LITERALS, PLACE_QUERY, "select a/../b jndi:x"));
}

static void asks_only_where_all_conditions_hold(void **state)
{
	(void)state;
	assert_true(wants(TOGETHER, PLACE_QUERY, "x jndi:ldap"));
	assert_false(wants(TOGETHER, PLACE_COOKIE, "x jndi:ldap"));
	assert_false(wants(TOGETHER, PLACE_QUERY, "jndi:xy"));
	assert_false(wants(TOGETHER, PLACE_QUERY, "x select y"));
	assert_false(wants(TOGETHER, PLACE_QUERY, "x:y and z"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(asks_those_without_conditions_always),
		cmocka_unit_test(asks_by_the_bytes_that_occur),
		cmocka_unit_test(asks_by_length_and_place),
		cmocka_unit_test(asks_by_literals_in_any_case),
		cmocka_unit_test(asks_only_where_all_conditions_hold),
	};

	return cmocka_run_group_tests(tests, create, destroy);
}
