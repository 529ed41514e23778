// SPDX-License-Identifier: BSD-3-Clause
//
// schema - the YANG modules of sluiced, and the capabilities of hello that follow from them.
//
// Loaded once, before the first session; sessions are forked and share it. The list of modules and
// features is the file "implemented" beside the models (config/yang), the same that sluiced reads.
#pragma once

#include <libyang/libyang.h>

#include "control/netconf/buf.h"

struct ncd_schema {
	struct ly_ctx *ctx;
	char content_id[32]; // of yang-library; changes with the set of modules
};

// Load the modules from the folders (each with its ietf/ below).
//
// Returns: 0
// Errors:  -ENOENT  no folder has the list of modules; -EINVAL a module cannot be loaded. The reason
//          is in why.
int ncd_schema_load(struct ncd_schema *s, const char *const *dirs, unsigned count, char *why,
		    size_t why_size);
void ncd_schema_fini(struct ncd_schema *s);

// Call fn for each capability URI of our hello (RFC 6241 section 8, RFC 6243, RFC 8526 section 2 for
// yang-library; modules of YANG 1.0 by themselves, RFC 6020 section 5.6.4).
void ncd_schema_capabilities(const struct ncd_schema *s, void (*fn)(void *user, const char *uri),
			     void *user);
