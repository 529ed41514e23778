// SPDX-License-Identifier: BSD-3-Clause
//
// java/lookup - ${..} of Log4j and Commons Text: look-ups that fetch an object or run a script.
#pragma once

#include "dataplane/inspect/node.h"

extern const struct inspect_analyser inspect_lookup;
