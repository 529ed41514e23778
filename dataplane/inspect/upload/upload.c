// SPDX-License-Identifier: BSD-3-Clause
//
// What is told of an upload. A name is judged where it stands, and once more beside the content, for a page of
// PHP under its own name is what an operator uploads, and under a picture's name is none.

#include "dataplane/inspect/upload/upload.h"

#include "dataplane/inspect/php/php.h"
#include "dataplane/inspect/upload/upload_priv.h"

#include <string.h>

static void say(struct inspect *in, const struct inspect_node *n, enum inspect_rule rule, size_t at)
{
	inspect_evidence(in, n, rule, at, n->len - at);
}

static void say_name(struct inspect *in, const struct inspect_node *n,
		     const struct upload_name *name)
{
	static const struct {
		uint32_t is;
		enum inspect_rule rule;
	} rules[] = {
		{NAME_RUN, RULE_UPLOAD_RUN},         {NAME_INNER, RULE_UPLOAD_DOUBLE},
		{NAME_HIDDEN, RULE_UPLOAD_HIDDEN},   {NAME_CONFIG, RULE_UPLOAD_CONFIG},
		{NAME_SESSION, RULE_UPLOAD_SESSION}, {NAME_CASE, RULE_UPLOAD_CASE},
	};

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if ((name->is & rules[i].is) != 0)
			say(in, n, rules[i].rule, 0);
}

// ---- names ---------------------------------------------------------------------------------------

// X-File-Name and its spellings, by which scripts of pages upload.
static bool is_name_header(struct http_bytes h)
{
	char letters[16];
	size_t n = 0;

	for (uint32_t i = 0; i < h.len; i++) {
		uint8_t c = h.p[i] | 0x20;

		if (c >= 'a' && c <= 'z') {
			if (n == sizeof(letters))
				return false;
			letters[n++] = (char)c;
		} else if (h.p[i] != '-' && h.p[i] != '_' && h.p[i] != '.') {
			return false;
		}
	}
	return (n == 9 && memcmp(letters, "xfilename", 9) == 0) ||
	       (n == 8 && memcmp(letters, "filename", 8) == 0);
}

static void run_name(struct inspect *in, const struct inspect_node *n)
{
	struct upload_name name;

	if (n->place != PLACE_FILE_NAME && (n->place != PLACE_HEADER || !is_name_header(n->name)))
		return;
	upload_name(n->p, n->len, &name);
	say_name(in, n, &name);
	if (n->place == PLACE_HEADER && (name.is & (NAME_RUN | NAME_INNER)) != 0)
		say(in, n, RULE_UPLOAD_HEADER, 0);
}

const struct inspect_analyser inspect_upload_name = {
	.name = "upload-name",
	.any = BYTES(DOT) | BYTES(UNDERSCORE),
	.least = 3,
	.places = UINT64_C(1) << PLACE_FILE_NAME | UINT64_C(1) << PLACE_HEADER,
	.run = run_name,
};

// ---- contents ------------------------------------------------------------------------------------

static bool is_text(uint8_t c)
{
	return (c >= ' ' && c < 0x7f) || c == '\n' || c == '\r' || c == '\t' || c >= 0xc2;
}

// <% .. %> with nothing but text in it, a word too: pictures have the first two bytes by chance.
static bool has_server_block(const struct inspect_node *n, size_t *at)
{
	const uint8_t *p = n->p, *end = n->p + n->len, *q;

	while ((p = bytes_find2(p, (size_t)(end - p), '<', '%')) != NULL) {
		unsigned letters = 0, word = 0;

		for (q = p + 2; q < end && is_text(*q); q++) {
			letters = (*q | 0x20) >= 'a' && (*q | 0x20) <= 'z' ? letters + 1 : 0;
			word = letters > word ? letters : word;
			if (*q == '>' && q[-1] == '%' && word >= 3) {
				*at = (size_t)(p - n->p);
				return true;
			}
		}
		p += 2;
	}
	return false;
}

static bool has_code(struct inspect *in, const struct inspect_node *n, size_t *at)
{
	if ((n->set & BYTES(LT)) == 0)
		return false;
	if ((n->set & BYTES(QUESTION)) != 0 && php_is_file(in, n, at))
		return true;
	return (n->set & BYTES(PERCENT)) != 0 && has_server_block(n, at);
}

static bool is_document(enum upload_type t)
{
	return t == TYPE_IMAGE || t == TYPE_PDF || t == TYPE_ZIP || t == TYPE_OTHER ||
	       t == TYPE_SVG;
}

static void judge_code(struct inspect *in, const struct inspect_node *n,
		       const struct upload_name *name, enum upload_type type)
{
	bool run = (name->is & (NAME_RUN | NAME_INNER)) != 0;
	size_t at = 0;

	if (has_code(in, n, &at)) {
		if (is_document(type) || is_document(upload_expected(name)))
			say(in, n, RULE_UPLOAD_CODE_DISGUISED, at);
		else if (run)
			say(in, n, RULE_UPLOAD_CODE, at);
	} else if (run && is_document(type)) {
		say(in, n, RULE_UPLOAD_PICTURE_RUN, 0);
	} else if (run && (n->set & BYTES(LT)) == 0 && !n->cut) {
		say(in, n, RULE_UPLOAD_NO_CODE, 0);
	}
}

static void judge_pdf(struct inspect *in, const struct inspect_node *n)
{
	struct upload_pdf pdf;

	upload_pdf(n->p, n->len, &pdf);
	if (pdf.script)
		say(in, n, RULE_UPLOAD_PDF_SCRIPT, pdf.at);
	if (pdf.script && pdf.open)
		say(in, n, RULE_UPLOAD_PDF_OPEN, pdf.at);
	if (pdf.launch)
		say(in, n, RULE_UPLOAD_PDF_LAUNCH, 0);
}

static void judge_type(struct inspect *in, const struct inspect_node *n,
		       const struct upload_name *name, enum upload_type type)
{
	enum upload_type expected = upload_expected(name);
	size_t at = 0;

	if (type == TYPE_SVG && upload_svg_runs(n->p, n->len, &at))
		say(in, n, RULE_UPLOAD_SVG, at);
	if (type == TYPE_PDF)
		judge_pdf(in, n);
	if (expected == TYPE_UNKNOWN || n->cut || type == expected)
		return;
	if (type == TYPE_PROGRAM)
		say(in, n, RULE_UPLOAD_PROGRAM, 0);
	else if (type == TYPE_HTML && expected != TYPE_SVG && expected != TYPE_OTHER)
		say(in, n, RULE_UPLOAD_PAGE, 0);
	else if (type == TYPE_UNKNOWN && expected != TYPE_OTHER)
		say(in, n, RULE_UPLOAD_NOT_SO, 0);
}

static void run_file(struct inspect *in, const struct inspect_node *n)
{
	struct upload_name name;
	enum upload_type type;

	if (n->place != PLACE_FILE || n->parent != NODE_NONE)
		return; // decodings of a file are no files
	type = upload_magic(n->p, n->len);
	upload_name(n->name.p, n->name.len, &name);
	say_name(in, n, &name);
	judge_code(in, n, &name, type);
	judge_type(in, n, &name, type);
}

const struct inspect_analyser inspect_upload = {
	.name = "upload",
	.places = UINT64_C(1) << PLACE_FILE,
	.run = run_file,
};
