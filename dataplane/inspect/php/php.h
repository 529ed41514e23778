// SPDX-License-Identifier: BSD-3-Clause
//
// php - code of PHP in values (php-code), and in files (php-webshell). See README.md.
#pragma once

#include "dataplane/inspect/node.h"

extern const struct inspect_analyser inspect_php;

// The node has code of PHP behind a tag. *at: the tag
bool php_is_file(struct inspect *in, const struct inspect_node *n, size_t *at);
