// SPDX-License-Identifier: BSD-3-Clause
//
// ssrf/ssrf - the analyser of addresses that a server is to fetch: see README.md.
#pragma once

#include "dataplane/inspect/node.h"

extern const struct inspect_analyser inspect_ssrf;
