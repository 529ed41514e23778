// SPDX-License-Identifier: BSD-3-Clause
//
// template/template - expressions within the markers of template engines and expression languages.
#pragma once

#include "dataplane/inspect/node.h"

extern const struct inspect_analyser inspect_template;
