// SPDX-License-Identifier: BSD-3-Clause
//
// path_priv - what the files of this folder share.
#pragma once

#include "dataplane/inspect/node.h"

// wrapper.c: the value begins with the scheme of a stream: php://, file://, http://.. that a program would open.
void path_judge_wrapper(struct inspect *in, const struct inspect_node *n);
// loose.c: a traversal whose dots and slashes are spelled as no decoder knows.
void path_judge_loose(struct inspect *in, const struct inspect_node *n);
