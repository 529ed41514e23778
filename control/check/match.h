// SPDX-License-Identifier: BSD-3-Clause
//
// match - look for a string in a body that comes in pieces, without keeping the body
// (Knuth, Morris, Pratt 1977: one step a byte, whatever the server sends).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHECK_MATCH_MAX 128

struct check_match {
	char needle[CHECK_MATCH_MAX];
	uint8_t fail[CHECK_MATCH_MAX]; // longest proper border of needle[0..i]
	uint8_t len;                   // 0: found from the start
	uint8_t at;                    // bytes of the needle matched so far
	bool found;
};

// Start to look for needle; one of CHECK_MATCH_MAX bytes or more is cut.
void check_match_init(struct check_match *m, const char *needle);

// Feed the next piece. Returns: true once the needle has been seen.
bool check_match_feed(struct check_match *m, const char *data, size_t size);
