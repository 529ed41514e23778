// SPDX-License-Identifier: BSD-3-Clause
//
// path/path - the analyser of paths and of what includes files: see README.md.
#pragma once

#include "dataplane/inspect/node.h"

extern const struct inspect_analyser inspect_path;
