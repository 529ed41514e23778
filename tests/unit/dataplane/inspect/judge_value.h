// SPDX-License-Identifier: BSD-3-Clause
//
// What one class says of one value, other classes off: what tests of an analyser look at. JUDGED is
// defined before this is included: the class.
#pragma once

#include "dataplane/inspect/inspect_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define BLOCKED  50 // points at the balanced level
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct inspect *in;
static struct inspect_policy *policy;
static struct inspect_verdict verdict;

static int judge_create(void **state)
{
	struct inspect_conf conf = {.level = INSPECT_BALANCED};

	(void)state;
	for (unsigned c = 0; c < INSPECT_CLASSES; c++)
		conf.off[c] = c != JUDGED;
	assert_int_equal(inspect_policy_create(&conf, &policy), 0);
	assert_int_equal(inspect_create(NULL, &in), 0);
	return 0;
}

static int judge_destroy(void **state)
{
	(void)state;
	inspect_destroy(in);
	inspect_policy_destroy(policy);
	return 0;
}

// Points of a value.
static unsigned judge_bytes(enum inspect_place place, const char *name, const void *p, size_t len)
{
	static struct http_head head;

	in->policy = policy;
	in->head = &head;
	score_begin(in);
	value_begin(in);
	inspect_value(in, place, (struct http_bytes){(const uint8_t *)name, (uint32_t)strlen(name)},
		      p, len);
	score_end(in, &verdict);
	return in->class_score[JUDGED];
}

static inline unsigned judge_at(enum inspect_place place, const char *name, const char *value)
{
	return judge_bytes(place, name, value, strlen(value));
}

static inline unsigned judge(const char *value)
{
	return judge_at(PLACE_QUERY, "p", value);
}

static inline bool shows(unsigned rule)
{
	for (unsigned i = 0; i < verdict.rules; i++)
		if (verdict.rule[i] == rule)
			return true;
	return false;
}

static inline void tell(const char *value)
{
	print_message("%u points: %s\n", verdict.score, value);
	for (unsigned i = 0; i < verdict.rules; i++)
		print_message("  %u %s\n", inspect_rule_points(verdict.rule[i]),
			      inspect_rule_name(verdict.rule[i]));
}

static inline void refuses_all_at(enum inspect_place place, const char *name,
				  const char *const *values, size_t count)
{
	size_t missed = 0;

	for (size_t i = 0; i < count; i++)
		if (judge_at(place, name, values[i]) < BLOCKED) {
			missed++;
			tell(values[i]);
		}
	assert_int_equal(missed, 0);
}

static inline void lets_all_pass_at(enum inspect_place place, const char *name,
				    const char *const *values, size_t count)
{
	size_t wrong = 0;

	for (size_t i = 0; i < count; i++)
		if (judge_at(place, name, values[i]) >= BLOCKED) {
			wrong++;
			tell(values[i]);
		}
	assert_int_equal(wrong, 0);
}

#define REFUSES(values)   refuses_all_at(PLACE_QUERY, "p", values, COUNT(values))
#define LETS_PASS(values) lets_all_pass_at(PLACE_QUERY, "p", values, COUNT(values))
#define TEST_VALUES(f)    cmocka_unit_test_setup_teardown(f, judge_create, judge_destroy)
