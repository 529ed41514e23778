// SPDX-License-Identifier: BSD-3-Clause
//
// inspect_html_fuzz - any bytes as a value that lands in a page: as a tag, a URL, a style, and through the
// whole analyser of cross-site scripting. What is said must lie inside the text.

#include "dataplane/inspect/html/css.h"
#include "dataplane/inspect/html/tag.h"
#include "dataplane/inspect/html/url.h"
#include "dataplane/inspect/html/xss.h"
#include "dataplane/inspect/inspect_priv.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static struct inspect *in;
static struct inspect_policy *policy;

static void check(int right)
{
	if (!right)
		abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct inspect_conf conf = {.level = INSPECT_BALANCED};

	(void)argc;
	(void)argv;
	check(inspect_policy_create(&conf, &policy) == 0);
	check(inspect_create(NULL, &in) == 0);
	in->policy = policy;
	return 0;
}

static void within(struct html_text t, const uint8_t *data, size_t size)
{
	check(t.len == 0 || (t.p >= data && t.p + t.len <= data + size));
}

static void read_tag(const uint8_t *data, size_t size)
{
	const uint8_t *before;
	struct html_reader r;
	struct html_attr a;
	struct html_tag t;

	if (!html_tag_begin(data, data + size, &t, &r))
		return;
	within(t.name, data, size);
	check(t.name.len > 0);
	for (before = r.at; html_attr_next(&r, &a); before = r.at) {
		check(r.at > before && r.at <= data + size);
		check(a.name.len > 0);
		within(a.name, data, size);
		within(a.value, data, size);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct html_text text = {data, size}, rest = {data, 0};
	static const struct http_bytes none;

	if (size == 0 || size > 1 << 16)
		return 0;
	read_tag(data, size);
	html_url_scheme(text, &rest);
	within(rest, data, size);
	css_judge(text);
	score_begin(in);
	value_begin(in);
	inspect_root(in, DECODE_NONE, PLACE_QUERY, none, data, size);
	inspect_xss.run(in, &in->node[0]);
	for (uint32_t i = 0; i < in->evidences; i++)
		check(in->evidence[i].at + in->evidence[i].len <= size);
	return 0;
}
