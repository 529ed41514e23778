// SPDX-License-Identifier: BSD-3-Clause
//
// The tree of one value, without analysers: what tests of decoders look at.
#pragma once

#include "dataplane/inspect/inspect_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct inspect *in;
static struct inspect_policy *policy;

static int tree_create(void **state)
{
	struct inspect_conf conf = {.level = INSPECT_BALANCED};

	(void)state;
	assert_int_equal(inspect_policy_create(&conf, &policy), 0);
	assert_int_equal(inspect_create(NULL, &in), 0);
	in->policy = policy;
	return 0;
}

static int tree_destroy(void **state)
{
	(void)state;
	inspect_destroy(in);
	inspect_policy_destroy(policy);
	return 0;
}

static void grow_at(enum inspect_place place, const void *p, size_t len)
{
	value_begin(in);
	inspect_root(in, DECODE_NONE, place, (struct http_bytes){NULL, 0}, p, len);
	for (uint16_t i = 0; i < in->nodes; i++)
		decode_node(in, &in->node[i]);
}

static inline void grow(const char *value)
{
	grow_at(PLACE_QUERY, value, strlen(value));
}

// The node with that text, whatever its decoder; NULL: none.
static const struct inspect_node *find_bytes(const void *p, size_t len)
{
	for (uint16_t i = 0; i < in->nodes; i++)
		if (in->node[i].len == len && memcmp(in->node[i].p, p, len) == 0)
			return &in->node[i];
	return NULL;
}

static inline const struct inspect_node *find(const char *text)
{
	return find_bytes(text, strlen(text));
}

static inline void tell(void)
{
	for (uint16_t i = 0; i < in->nodes; i++)
		print_message("%u <- %d %s: %.*s\n", i, (int16_t)in->node[i].parent,
			      inspect_decoder_name(in->node[i].decoder), (int)in->node[i].len,
			      in->node[i].p);
}

// value has the reading text, obtained by that decoder.
static inline void reads(const char *value, enum inspect_decoder how, const char *text)
{
	const struct inspect_node *n;

	grow(value);
	n = find(text);
	if (n == NULL)
		tell();
	assert_non_null(n);
	assert_int_equal(n->decoder, how);
}

// value has the reading text, whatever the way.
static inline void comes_to(const char *value, const char *text)
{
	grow(value);
	if (find(text) == NULL)
		tell();
	assert_non_null(find(text));
}

// No decoder takes the value for its own.
static inline void stays(const char *value)
{
	grow(value);
	if (in->nodes != 1)
		tell();
	assert_int_equal(in->nodes, 1);
}

// That decoder does not take the value for its own.
static inline void keeps_off(const char *value, enum inspect_decoder how)
{
	grow(value);
	for (uint16_t i = 0; i < in->nodes; i++) {
		if (in->node[i].decoder == how)
			tell();
		assert_int_not_equal(in->node[i].decoder, how);
	}
}
