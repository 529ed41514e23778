// SPDX-License-Identifier: BSD-3-Clause
//
// java/object - what makes Java build objects of a sender's choice: serialised streams, types named in JSON,
// XML and YAML, paths of properties that lead to a class loader.
#pragma once

#include "dataplane/inspect/node.h"

extern const struct inspect_analyser inspect_java_object, inspect_java_stream, inspect_java_xml;

// What naming a class tells.
enum class_kind {
	CLASS_NONE,
	CLASS_OTHER,   // of a Java platform, nothing known of it
	CLASS_PLAIN,   // holds data: java.lang.Integer
	CLASS_TOOL,    // streams, reflection, processes' kin: java.io.FileOutputStream
	CLASS_GADGET,  // runs code or fetches it once it is made
	CLASS_PACKAGE, // a package whose classes are used so
};
// path: names with dots, whole. Upper and lower case do not matter behind a platform's package.
enum class_kind java_class_kind(const char *path, size_t len);
