// SPDX-License-Identifier: BSD-3-Clause
//
// link_check - is a message from an app what msg.h says it must be? Pure functions, fuzzed.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/ctl/msg.h"

// The header alone, before its payload is read.
// Returns: NULL, or what is wrong, a static string
const char *link_check_header(const struct ctl_hdr *h);

// A whole message: h->len bytes at msg, whose header passed link_check_header. first: no HELLO has
// been seen yet. instance: whom we meant to reach.
// Returns: NULL, or what is wrong, a static string
const char *link_check_message(const void *msg, bool first, const char *instance);
