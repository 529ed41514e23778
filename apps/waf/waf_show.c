// SPDX-License-Identifier: BSD-3-Clause

#include "apps/waf/waf_show.h"

#include <inttypes.h>
#include <string.h>

// Bytes of one character that is well-formed UTF-8 (RFC 3629); 0: it is none.
static size_t utf8(const uint8_t *p, size_t len)
{
	size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	uint32_t c = p[0] & (0xffU >> (n + 1));

	if (p[0] < 0xc2 || p[0] > 0xf4 || n > len)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3fU);
	}
	if ((n == 3 && c < 0x800) || (n == 4 && (c < 0x10000 || c > 0x10ffff)) ||
	    (c >= 0xd800 && c < 0xe000))
		return 0;
	return n;
}

// A JSON string (RFC 8259, section 7). A byte that is no UTF-8 becomes the character of its number.
static void json_bytes(FILE *f, const uint8_t *p, size_t len)
{
	putc('"', f);
	for (size_t i = 0; i < len; i++) {
		size_t n = p[i] >= 0x80 ? utf8(p + i, len - i) : 0;

		if (n > 0) {
			fwrite(p + i, 1, n, f);
			i += n - 1;
		} else if (p[i] == '"' || p[i] == '\\') {
			fprintf(f, "\\%c", p[i]);
		} else if (p[i] < ' ' || p[i] >= 0x7f) {
			fprintf(f, "\\u%04x", p[i]);
		} else {
			putc(p[i], f);
		}
	}
	putc('"', f);
}

static void json_text(FILE *f, const char *text)
{
	json_bytes(f, (const uint8_t *)text, strlen(text));
}

static const char *word(const struct inspect_verdict *v)
{
	return v->block ? "block" : "pass";
}

static void json_evidence(FILE *f, const struct waf_judgement *j)
{
	const char *comma = "";

	fputs(",\"evidence\":[", f);
	for (unsigned i = 0; i < j->verdict.rules; i++) {
		unsigned r = j->verdict.rule[i];

		fprintf(f, "%s{\"rule\":\"%s\",\"points\":%u,\"why\":", i > 0 ? "," : "",
			inspect_rule_name(r), inspect_rule_points(r));
		json_text(f, inspect_rule_text(r));
		putc('}', f);
	}
	fputs("],\"message\":[", f);
	for (enum http_odd o = 0; o < HTTP_ODD_COUNT; o++)
		if ((j->odd >> o & 1) != 0) {
			fprintf(f, "%s\"%s\"", comma, http_odd_name(o));
			comma = ",";
		}
	putc(']', f);
}

void waf_show_json(FILE *f, const char *name, const struct waf_judgement *j, bool evidence)
{
	const struct inspect_verdict *v = &j->verdict;

	fputs("{\"name\":", f);
	json_text(f, name);
	fprintf(f, ",\"verdict\":\"%s\",\"class\":\"%s\",\"score\":%u,\"place\":", word(v),
		inspect_class_name(v->class), v->score);
	json_text(f, v->place);
	fputs(",\"decoded\":[", f);
	for (unsigned i = 0; i < v->decoders; i++)
		fprintf(f, "%s\"%s\"", i > 0 ? "," : "", inspect_decoder_name(v->decoder[i]));
	fputs("],\"fragment\":", f);
	json_bytes(f, v->fragment, v->fragment_len);
	if (evidence)
		json_evidence(f, j);
	fprintf(f, ",\"ns\":%" PRIu64 "}\n", j->ns);
}

// Bytes for a terminal: nothing in them is to move its cursor.
static void plain_bytes(FILE *f, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		size_t n = p[i] >= 0xc3 ? utf8(p + i, len - i) : 0;

		if (n > 0) {
			fwrite(p + i, 1, n, f);
			i += n - 1;
		} else if (p[i] < ' ' || p[i] >= 0x7f) {
			fprintf(f, "\\x%02x", p[i]);
		} else {
			putc(p[i], f);
		}
	}
}

static void text_found(FILE *f, const struct inspect_verdict *v)
{
	fputs("  place     ", f);
	plain_bytes(f, (const uint8_t *)v->place, strlen(v->place));
	fputs("\n  decoded   ", f);
	for (unsigned i = 0; i < v->decoders; i++)
		fprintf(f, "%s%s", i > 0 ? ", then " : "", inspect_decoder_name(v->decoder[i]));
	fprintf(f, "%s\n  fragment  ", v->decoders == 0 ? "as it stands" : "");
	plain_bytes(f, v->fragment, v->fragment_len);
	putc('\n', f);
	for (unsigned i = 0; i < v->rules; i++)
		fprintf(f, "  %s  %3u %s: %s\n", i == 0 ? "evidence" : "        ",
			inspect_rule_points(v->rule[i]), inspect_rule_name(v->rule[i]),
			inspect_rule_text(v->rule[i]));
}

void waf_show_text(FILE *f, const char *name, const struct waf_judgement *j, const char *level)
{
	const struct inspect_verdict *v = &j->verdict;
	const char *comma = "  message   ";

	plain_bytes(f, (const uint8_t *)name, strlen(name));
	fprintf(f, ": %s", word(v));
	if (v->class != INSPECT_CLASSES)
		fprintf(f, ", %s, score %u", inspect_class_name(v->class), v->score);
	fprintf(f, " (%s level, %" PRIu64 " bytes in %" PRIu64 " ns)\n", level, j->bytes, j->ns);
	if (v->class != INSPECT_CLASSES)
		text_found(f, v);
	else
		fputs("  nothing in it speaks for an attack\n", f);
	for (enum http_odd o = 0; o < HTTP_ODD_COUNT; o++)
		if ((j->odd >> o & 1) != 0) {
			fprintf(f, "%s%s", comma, http_odd_name(o));
			comma = ", ";
		}
	if (j->odd != 0)
		putc('\n', f);
}
