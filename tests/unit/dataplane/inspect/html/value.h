// SPDX-License-Identifier: BSD-3-Clause
//
// One value through decoders and analysers: what tests of cross-site scripting look at.
#pragma once

#include "dataplane/inspect/inspect_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BALANCED 50

static struct inspect *in;
static struct inspect_policy *policy;

static int value_create(void **state)
{
	struct inspect_conf conf = {.level = INSPECT_BALANCED};

	(void)state;
	assert_int_equal(inspect_policy_create(&conf, &policy), 0);
	assert_int_equal(inspect_create(NULL, &in), 0);
	in->policy = policy;
	return 0;
}

static int value_destroy(void **state)
{
	(void)state;
	inspect_destroy(in);
	inspect_policy_destroy(policy);
	return 0;
}

// The score of a value of that place and name, copied so that a sanitizer sees a read past its end.
static unsigned score_at(enum inspect_place place, const char *name, const void *p, size_t len)
{
	uint8_t *copy = malloc(len + 1);

	memcpy(copy, p, len);
	copy[len] = 0;
	score_begin(in);
	value_begin(in);
	inspect_value(in, place, (struct http_bytes){(const uint8_t *)name, strlen(name)}, copy,
		      len);
	free(copy);
	return in->class_score[INSPECT_XSS];
}

static inline unsigned score(const char *text)
{
	return score_at(PLACE_FORM, "note", text, strlen(text));
}

static inline bool said(enum inspect_rule rule)
{
	for (uint32_t i = 0; i < in->evidences; i++)
		if (in->evidence[i].rule == rule)
			return true;
	return false;
}
