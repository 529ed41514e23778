// SPDX-License-Identifier: BSD-3-Clause
//
// inspect_shell_fuzz - any bytes as a command line: words and commands of the shell, then the analysers of
// command lines on a value in every place. Reading goes on, stays inside, and takes bounded work; the
// router never changes what is said.

#include "dataplane/inspect/inspect_priv.h"
#include "dataplane/inspect/shell/sh.h"
#include "dataplane/inspect/shell/shell.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct inspect *in;
static struct inspect_policy *policy;

static void check(int right)
{
	if (!right)
		abort();
}

static void prepare(void)
{
	struct inspect_conf conf = {.level = INSPECT_BALANCED};

	if (in != NULL)
		return;
	check(inspect_policy_create(&conf, &policy) == 0);
	check(inspect_create(NULL, &in) == 0);
	in->policy = policy;
}

static void read_words(const uint8_t *data, size_t size, bool plus)
{
	struct sh s = {.p = data, .len = size, .plus = plus};
	struct sh_word w;

	while (s.at < size) {
		size_t before = s.at;

		if (!sh_word(&s, &w)) {
			s.at = s.at < size ? s.at + 1 : size; // the separator
		} else {
			check(w.from >= before && w.to > w.from && w.to <= size &&
			      w.len <= SH_WORD_MAX);
			check(w.to == s.at);
		}
		check(s.at > before);
	}
}

static void read_commands(const uint8_t *data, size_t size)
{
	struct sh_command c;

	for (size_t i = 0; i < size && i < 64; i++) {
		struct sh s = {.p = data, .len = size, .at = i};

		if (sh_command(&s, &c)) {
			check(c.program != NULL && c.from <= c.to && c.to <= size);
			check(c.options + c.numbers + c.plain + c.odd <= c.args);
		}
		check(s.at <= size && s.work < 64 << 10);
	}
}

static void analyse(const struct inspect_analyser *a, enum inspect_place place, const uint8_t *data,
		    size_t size)
{
	static const uint8_t name[] = "cmd";
	bool wanted;

	value_begin(in);
	inspect_root(in, DECODE_NONE, place, (struct http_bytes){name, 3}, data, size);
	wanted = size >= a->least && (a->any == 0 || (in->node[0].set & a->any) != 0) &&
		 (in->node[0].set & a->all) == a->all &&
		 (a->places == 0 || (a->places >> place & 1) != 0);
	a->run(in, &in->node[0]);
	check(wanted || in->evidences == 0);
	for (uint32_t i = 0; i < in->evidences; i++)
		check((size_t)in->evidence[i].at + in->evidence[i].len <= size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	prepare();
	if (size == 0 || size > 1 << 16)
		return 0;
	read_words(data, size, false);
	read_words(data, size, true);
	read_commands(data, size);
	for (unsigned p = 0; p < PLACE_COUNT; p++) {
		analyse(&inspect_shell, (enum inspect_place)p, data, size);
		analyse(&inspect_shell_word, (enum inspect_place)p, data, size);
	}
	return 0;
}
