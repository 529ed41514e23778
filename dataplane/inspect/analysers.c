// SPDX-License-Identifier: BSD-3-Clause
//
// All analysers, in the order in which they run.

#include "dataplane/inspect/node.h"

const struct inspect_analyser *const inspect_analysers[] = {
	NULL,
};
