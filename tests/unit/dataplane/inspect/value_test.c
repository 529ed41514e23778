// SPDX-License-Identifier: BSD-3-Clause
//
// One value: its tree, the bounds that hold for it and for all values of a request, and what is remembered
// of values that were harmless. The analyser is one of this test: it takes the word "attack" for one.

#include "dataplane/inspect/inspect_priv.h"

#include <isa-l/igzip_lib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static unsigned runs;  // of the analyser
static uint64_t bytes; // that it was given beside the values themselves
static uint8_t deepest, seen_decoder;
static bool saw_whole;

static void run(struct inspect *in, const struct inspect_node *n)
{
	const uint8_t *at = memmem(n->p, n->len, "attack", 6);

	runs++;
	bytes += n->parent != NODE_NONE ? n->len : 0;
	deepest = n->depth > deepest ? n->depth : deepest;
	seen_decoder = n->decoder;
	saw_whole |= n->len == 6 && at != NULL;
	if (at != NULL)
		inspect_evidence(in, n, RULE_SMUGGLE_CL_TE, (size_t)(at - n->p), 6);
}

static const struct inspect_analyser word = {.name = "word", .run = run};
const struct inspect_analyser *const inspect_analysers[] = {&word, NULL};

static struct inspect *in;
static struct inspect_policy *policy;

static int create(void **state)
{
	struct inspect_conf conf = {.level = INSPECT_BALANCED};

	(void)state;
	return inspect_policy_create(&conf, &policy) != 0 || inspect_create(NULL, &in) != 0;
}

static int destroy(void **state)
{
	(void)state;
	inspect_destroy(in);
	inspect_policy_destroy(policy);
	return 0;
}

static void begin(void)
{
	static const uint8_t nothing[1];
	static struct http_head head = {
		.method = {nothing, 0}, .target = {nothing, 0}, .version = {nothing, 0}};

	inspect_begin(in, policy, &head);
	runs = 0;
	bytes = 0;
	deepest = 0;
	saw_whole = false;
}

static void give(enum inspect_place place, const void *p, size_t len)
{
	inspect_value(in, place, (struct http_bytes){NULL, 0}, p, len);
}

static void give_text(enum inspect_place place, const char *text)
{
	give(place, text, strlen(text));
}

// ---- the tree ------------------------------------------------------------------------------------

static void shows_every_reading_once(void **state)
{
	(void)state;
	begin();
	give_text(PLACE_QUERY, "a&lt;b"); // as HTML
	assert_int_equal(runs, 2);
	begin();
	give_text(PLACE_QUERY, "\\u003c\\\""); // JavaScript and JSON say the same
	assert_int_equal(runs, 2);
	begin();
	give_text(PLACE_QUERY, "");
	give_text(PLACE_QUERY, "1234567"); // nothing to any language
	assert_int_equal(runs, 0);
	give_text(PLACE_QUERY, "12345678");
	assert_int_equal(runs, 1);
	give_text(PLACE_JSON_KEY, "given-name_2");
	assert_int_equal(runs, 1);
	give_text(PLACE_JSON_KEY, "__proto__");
	give_text(PLACE_FORM_NAME, "a[b]");
	assert_int_equal(runs, 3);
}

static void shows_well_formed_json_by_its_values_alone(void **state)
{
	(void)state;
	begin();
	give_text(PLACE_QUERY, "{\"a\":\"b <c>\",\"d\":[1,2]}");
	assert_int_equal(runs, 1);
	begin();
	give_text(PLACE_QUERY, "{\"a\":\"b <c>\",d:[1,2]}"); // none
	assert_true(runs > 1);
	begin();
	give_text(PLACE_QUERY, "{\"a\":\"an attack\"}");
	assert_true(in->verdict.block);
}

static void ends_at_its_depth(void **state)
{
	(void)state;
	begin();
	give_text(PLACE_QUERY, "%2525252525252525252525252541");
	assert_int_equal(deepest, in->limits.depth);
}

static void tells_what_the_message_parser_undid(void **state)
{
	struct inspect_verdict v;

	(void)state;
	begin();
	inspect_value_decoded(in, DECODE_PERCENT, PLACE_FORM, (struct http_bytes){NULL, 0},
			      (const uint8_t *)"&#97;ttack", 10);
	inspect_end(in, &v);
	assert_true(v.block);
	assert_int_equal(v.decoders, 2);
	assert_int_equal(v.decoder[0], DECODE_PERCENT);
	assert_int_equal(v.decoder[1], DECODE_HTML);
}

static void leaves_a_value_in_scratch_memory_alone(void **state)
{
	uint8_t *p;

	(void)state;
	begin();
	p = inspect_scratch(in, 32);
	memcpy(p, "%2525252525252525252525252541%41", 32);
	give(PLACE_QUERY, p, 32);
	assert_memory_equal(p, "%2525252525252525252525252541%41", 32);
	assert_int_equal(inspect_scratch_mark(in), 32);
	inspect_scratch_free(in, 0);
}

// ---- bounds --------------------------------------------------------------------------------------

static void holds_no_more_readings_than_its_limit(void **state)
{
	static char json[16384];
	size_t n = 0;

	(void)state;
	json[n++] = '[';
	for (unsigned i = 0; i < 1000; i++)
		n += (size_t)sprintf(json + n, "\"<a %u>\",", i);
	json[n - 1] = ']';
	begin();
	give(PLACE_QUERY, json, n);
	assert_int_equal(runs, in->limits.nodes);
}

static size_t deflate_zeros(uint8_t *out, size_t size, uint8_t *zeros, size_t len)
{
	struct isal_zstream z;

	isal_deflate_stateless_init(&z);
	z.end_of_stream = 1;
	z.flush = NO_FLUSH;
	z.gzip_flag = IGZIP_GZIP;
	z.next_in = zeros;
	z.avail_in = (uint32_t)len;
	z.next_out = out;
	z.avail_out = (uint32_t)size;
	assert_int_equal(isal_deflate_stateless(&z), COMP_OK);
	return z.total_out;
}

// What a bomb unfolds to is bounded by the request, and a value after it is decoded all the same.
static void a_bomb_starves_no_other_value(void **state)
{
	size_t len = 8 << 20, n;
	uint8_t *zeros = malloc(len), *bomb = malloc(len);

	(void)state;
	assert_non_null(zeros);
	assert_non_null(bomb);
	memset(zeros, 'a', len);
	n = deflate_zeros(bomb, len, zeros, len);
	begin();
	for (unsigned i = 0; i < 100; i++)
		give(PLACE_BODY, bomb, n);
	assert_true(bytes <= 100 * 4 * n + (64 << 10));
	give_text(PLACE_QUERY, "%2541ttack%26%2523x61;ttack");
	assert_int_equal(deepest, 3);
	free(bomb);
	free(zeros);
}

// ---- what was harmless ---------------------------------------------------------------------------

static void looks_once_at_a_header_that_is_harmless(void **state)
{
	(void)state;
	begin();
	give_text(PLACE_USER_AGENT, "reader/1.0 (ward)");
	assert_int_equal(runs, 1);
	give_text(PLACE_USER_AGENT, "reader/1.0 (ward)");
	assert_int_equal(runs, 1);
	give_text(PLACE_HEADER, "reader/1.0 (ward)"); // elsewhere it is another
	assert_int_equal(runs, 2);
	give_text(PLACE_FORM, "reader/1.0 (ward)"); // and these are not remembered
	give_text(PLACE_FORM, "reader/1.0 (ward)");
	assert_int_equal(runs, 4);
	in->cut = true;
	give_text(PLACE_USER_AGENT, "reader/1.0 (ward)");
	in->cut = false;
	assert_int_equal(runs, 5);
}

static void looks_again_at_one_that_is_not(void **state)
{
	struct inspect_verdict v;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		begin();
		give_text(PLACE_USER_AGENT, "an attack");
		inspect_end(in, &v);
		assert_true(v.block);
		assert_int_equal(runs, 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shows_every_reading_once),
		cmocka_unit_test(shows_well_formed_json_by_its_values_alone),
		cmocka_unit_test(ends_at_its_depth),
		cmocka_unit_test(tells_what_the_message_parser_undid),
		cmocka_unit_test(leaves_a_value_in_scratch_memory_alone),
		cmocka_unit_test(holds_no_more_readings_than_its_limit),
		cmocka_unit_test(a_bomb_starves_no_other_value),
		cmocka_unit_test(looks_once_at_a_header_that_is_harmless),
		cmocka_unit_test(looks_again_at_one_that_is_not),
	};

	return cmocka_run_group_tests(tests, create, destroy);
}
