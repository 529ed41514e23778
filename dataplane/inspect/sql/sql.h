// SPDX-License-Identifier: BSD-3-Clause
//
// sql/sql - the analyser of SQL injection, see README.md.
#pragma once

#include "dataplane/inspect/node.h"

extern const struct inspect_analyser inspect_sql;
