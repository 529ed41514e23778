// SPDX-License-Identifier: BSD-3-Clause
//
// html/xss - the analyser of cross-site scripting, see README.md.
#pragma once

#include "dataplane/inspect/node.h"

extern const struct inspect_analyser inspect_xss;
