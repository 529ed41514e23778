// SPDX-License-Identifier: BSD-3-Clause
//
// upload - names and contents of uploaded files (malicious-upload). See README.md.
#pragma once

#include "dataplane/inspect/node.h"

extern const struct inspect_analyser inspect_upload, inspect_upload_name;
