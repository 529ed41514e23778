// SPDX-License-Identifier: BSD-3-Clause
//
// print - JSON values of answers as text, and small readers of them.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

// An indented tree: "name value" for leaves, "name key" for list entries (their first member), module
// prefixes left out.
void print_tree(const json_t *v, FILE *out, unsigned indent);

// A scalar as bare text into out; anything else as compact JSON. Returns: out
char *print_scalar(const json_t *v, char *out, size_t size);

// A number that may come as text (64 bits, RFC 7951 section 6.1); 0 if it is none.
uint64_t print_number(const json_t *v);

// Member `name` of o, as text ("" if absent or no string) or as number.
const char *print_text(const json_t *o, const char *name);
uint64_t print_count(const json_t *o, const char *name);

// Member `name` of the "rates" of a state node, as short as table_count() writes it; "" where nothing happens.
// Returns: out, of TABLE_TEXT bytes (table.h)
const char *print_rate(const json_t *state, const char *name, char *out);

// A member by several names in turn, with or without a module's prefix.
const json_t *print_member(const json_t *o, const char *name);

// Seconds since an RFC 3339 time; -1 when it cannot be read.
long long print_since(const char *time);

// "192.0.2.1:80", "[2001:db8::1]:80"
char *print_endpoint(const char *address, uint64_t port, char *out, size_t size);

// A table of the objects in rows, one column for each member any of them has: those of first in that
// order, the rest behind. empty is printed when there is no row.
void table_any(const json_t *rows, const char *const *first, size_t firsts, const char *empty,
	       FILE *out, bool color);
