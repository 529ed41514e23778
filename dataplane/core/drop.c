// SPDX-License-Identifier: BSD-3-Clause
//
// The two tables behind drop.def.

#include "dataplane/core/drop.h"

static const char *const names[DROP_COUNT] = {
	[DROP_NONE] = "none",
#define DROP(symbol, name, text) [DROP_##symbol] = name,
#include "dataplane/core/drop.def"
#undef DROP
};

static const char *const texts[DROP_COUNT] = {
	[DROP_NONE] = "not dropped",
#define DROP(symbol, name, text) [DROP_##symbol] = text,
#include "dataplane/core/drop.def"
#undef DROP
};

const char *drop_name(enum drop_reason reason)
{
	return (unsigned)reason < DROP_COUNT ? names[reason] : "unknown";
}

const char *drop_text(enum drop_reason reason)
{
	return (unsigned)reason < DROP_COUNT ? texts[reason] : "not a reason of this version";
}
