// SPDX-License-Identifier: BSD-3-Clause
//
// script/code - code without a marker, of Java's languages, Python, Ruby and Node.js: the value is a program
// from its first byte, or becomes one behind the quote that ends the text it was put into.
#pragma once

#include "dataplane/inspect/node.h"

extern const struct inspect_analyser inspect_code;
// Data that those languages make objects or functions of: pickles, Marshal, YAML with tags, node-serialize,
// names that reach into prototypes.
extern const struct inspect_analyser inspect_script_object, inspect_json_path;
