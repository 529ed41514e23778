// SPDX-License-Identifier: BSD-3-Clause
//
// java/java - expressions of Java's languages that stand in a value without a marker.
#pragma once

#include "dataplane/inspect/node.h"

extern const struct inspect_analyser inspect_java;
