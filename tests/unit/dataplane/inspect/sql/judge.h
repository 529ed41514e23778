// SPDX-License-Identifier: BSD-3-Clause
//
// What the class of SQL says of one value, other classes off: what tests of the analyser look at.
#pragma once

#include "dataplane/inspect/inspect_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define BLOCKED 50 // points at the balanced level
#define DOUBTED 30 // and at the strict one

static struct inspect *in;
static struct inspect_policy *policy;
static struct inspect_verdict verdict;

static int judge_create(void **state)
{
	struct inspect_conf conf = {.level = INSPECT_BALANCED};

	(void)state;
	for (unsigned c = 0; c < INSPECT_CLASSES; c++)
		conf.off[c] = c != INSPECT_SQL;
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
static unsigned judge_at(enum inspect_place place, const void *p, size_t len)
{
	static struct http_head head;

	in->policy = policy;
	in->head = &head;
	score_begin(in);
	value_begin(in);
	inspect_value(in, place, (struct http_bytes){(const uint8_t *)"id", 2}, p, len);
	score_end(in, &verdict);
	return in->class_score[INSPECT_SQL];
}

static inline unsigned judge(const char *value)
{
	return judge_at(PLACE_QUERY, value, strlen(value));
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

static inline void refuses(const char *value)
{
	unsigned points = judge(value);

	if (points < BLOCKED)
		tell(value);
	assert_true(points >= BLOCKED);
}

static inline void lets_pass(const char *value)
{
	unsigned points = judge(value);

	if (points >= BLOCKED)
		tell(value);
	assert_true(points < BLOCKED);
}

#define REFUSES_ALL(values)                                                                        \
	do {                                                                                       \
		for (size_t i_ = 0; i_ < sizeof(values) / sizeof(values[0]); i_++)                 \
			refuses(values[i_]);                                                       \
	} while (0)

#define LETS_ALL_PASS(values)                                                                      \
	do {                                                                                       \
		for (size_t i_ = 0; i_ < sizeof(values) / sizeof(values[0]); i_++)                 \
			lets_pass(values[i_]);                                                     \
	} while (0)
