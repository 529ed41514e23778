// SPDX-License-Identifier: BSD-3-Clause
//
// inspect_path_fuzz - any bytes as a path: walked, compared with the vocabulary, matched as a glob, and through
// the analyser in every place. What is left of a path has no dots in it and fits; the router never changes
// what is said.

#include "dataplane/inspect/inspect_priv.h"
#include "dataplane/inspect/path/files.h"
#include "dataplane/inspect/path/path.h"
#include "dataplane/inspect/path/walk.h"

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

static void walk(const uint8_t *data, size_t size)
{
	struct path_walk w, again;

	path_walk(data, size, &w);
	check(w.end <= size && w.text_len <= PATH_TEXT_MAX);
	check(w.out <= w.ups);
	for (size_t i = 0; i < w.text_len; i++)
		check(w.text[i] < 'A' || w.text[i] > 'Z');
	// what is resolved stays as it is, but for what only stands at its front
	path_walk((const uint8_t *)w.text, w.text_len, &again);
	check(again.out == 0);
	path_file_of(w.text, w.text_len, true);
	path_file_is_hidden(w.text, w.text_len);
	if (w.text_len > 1 && path_file_is_hidden(w.text, w.text_len))
		check(path_file_may_end((const uint8_t *)w.text, w.text_len));
	path_glob((const char *)data, size, "/etc/passwd");
	path_file_globs((const char *)data, size);
}

static void analyse(enum inspect_place place, const uint8_t *data, size_t size)
{
	const struct inspect_analyser *a = &inspect_path;
	static const uint8_t name[] = "page";
	bool wanted;

	value_begin(in);
	inspect_root(in, DECODE_NONE, place, (struct http_bytes){name, 4}, data, size);
	wanted = size >= a->least && (in->node[0].set & a->any) != 0 &&
		 (a->places >> place & 1) != 0;
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
	walk(data, size);
	for (unsigned p = 0; p < PLACE_COUNT; p++)
		analyse((enum inspect_place)p, data, size);
	return 0;
}
