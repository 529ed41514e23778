// SPDX-License-Identifier: BSD-3-Clause
//
// drop - the one list of reasons for which a packet is dropped; the list itself is drop.def.
#pragma once

enum drop_reason {
	DROP_NONE = 0, // not dropped
#define DROP(symbol, name, text) DROP_##symbol,
#include "dataplane/core/drop.def"
#undef DROP
	DROP_COUNT,
};

// Name for operators, "none" for DROP_NONE. Thread: any. Owner: static string.
const char *drop_name(enum drop_reason reason);

// A sentence that explains it. Thread: any. Owner: static string.
const char *drop_text(enum drop_reason reason);
