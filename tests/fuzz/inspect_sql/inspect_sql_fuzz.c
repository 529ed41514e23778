// SPDX-License-Identifier: BSD-3-Clause
//
// The lexer and grammar of SQL on any bytes: no more tokens than the bound allows, evidence within the
// value, the same evidence another time, and none at all for what has no sign of SQL. The first byte chooses
// between a value and a path.

#include "dataplane/inspect/inspect_priv.h"
#include "dataplane/inspect/sql/reading.h"
#include "dataplane/inspect/sql/sql.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void lex(const uint8_t *p, size_t len, bool backslash, bool dash_blank)
{
	struct sql s = {.p = p,
			.len = (uint32_t)len,
			.steps = 4 * (uint32_t)len + 64,
			.backslash = backslash,
			.dash_blank = dash_blank};
	uint32_t end = 0;

	do {
		sql_next(&s);
		if (s.t.at < end || s.t.at > len || s.t.len > len - s.t.at || s.at > len)
			abort();
		end = s.t.at + s.t.len;
	} while (s.t.kind != T_END && s.t.kind != T_CUT);
	// Each token but the last takes a byte.
	if (4 * (uint32_t)len + 64 - s.steps > len + 1)
		abort();
}

static unsigned judge(struct inspect *in, enum inspect_place place, const uint8_t *p, size_t len)
{
	unsigned points = 0;

	value_begin(in);
	inspect_root(in, DECODE_NONE, place, (struct http_bytes){NULL, 0}, p, len);
	inspect_sql.run(in, &in->node[0]);
	for (uint32_t i = 0; i < in->evidences; i++) {
		const struct evidence *e = &in->evidence[i];

		if (e->at > len || e->len > len - e->at)
			abort();
		points += inspect_rule_points(e->rule);
	}
	return points;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct inspect_conf conf;
	static struct inspect_policy *policy;
	static struct inspect *in;
	enum inspect_place place;
	uint8_t *copy;
	unsigned points;

	if (size < 2)
		return 0;
	if (in == NULL &&
	    (inspect_create(NULL, &in) != 0 || inspect_policy_create(&conf, &policy) != 0))
		abort();
	in->policy = policy;
	place = data[0] == '/' ? PLACE_PATH : PLACE_QUERY;
	// The analyser may look at the byte behind a value, and at none behind that.
	copy = malloc(size);
	memcpy(copy, data + 1, size - 1);
	copy[size - 1] = 0;
	lex(copy, size - 1, false, false);
	lex(copy, size - 1, true, true);
	points = judge(in, place, copy, size - 1);
	if (points != judge(in, place, copy, size - 1))
		abort();
	if (points > 0 && points < SQL_DOUBT)
		abort();
	if (points > 0 && (in->node[0].set & inspect_sql.any) == 0)
		abort();
	free(copy);
	return 0;
}
