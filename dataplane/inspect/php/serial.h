// SPDX-License-Identifier: BSD-3-Clause
//
// php/serial - what unserialize() would make of a text (php-deserialization). See README.md.
#pragma once

#include "dataplane/inspect/node.h"

extern const struct inspect_analyser inspect_php_serial;
