// SPDX-License-Identifier: BSD-3-Clause
//
// shell/shell - the analyser of command lines: see README.md.
#pragma once

#include "dataplane/inspect/node.h"

extern const struct inspect_analyser inspect_shell, inspect_shell_word;
