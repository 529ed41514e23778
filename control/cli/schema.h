// SPDX-License-Identifier: BSD-3-Clause
//
// schema - the daemon's own YANG modules, fetched over the RPC socket, so that short paths, value types
// and completion follow whatever sluiced implements.
#pragma once

#include "control/cli/cli.h"

struct ly_ctx;
struct lysc_node;

// Fetch the modules, once a run. Returns: an exit code; the reason of a failure is printed.
int cli_schema_load(struct cli *c);
void cli_schema_free(struct cli *c);

// Wrap a context that stays the caller's (tests). Errors: -ENOMEM
int cli_schema_wrap(struct ly_ctx *ctx, struct cli_schema **out);

const struct ly_ctx *cli_schema_ctx(const struct cli_schema *s);
