// SPDX-License-Identifier: BSD-3-Clause
//
// script/pickle - a pickle of Python, read opcode by opcode.
#pragma once

#include "dataplane/inspect/node.h"

void pickle_judge(struct inspect *in, const struct inspect_node *n);
