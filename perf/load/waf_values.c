// SPDX-License-Identifier: BSD-3-Clause
//
// What the tree of decodings costs, by kind of value (analysers left out), and what the whole engine costs
// on hostile texts of growing length: cost per byte must not grow with it.

#include "perf/load/waf_bench.h"

#include "dataplane/inspect/inspect_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 20000

// ---- kinds of harmless values --------------------------------------------------------------------

static const struct {
	const char *kind, *value;
	enum inspect_place place;
} values[] = {
	{"word", "Observation", PLACE_QUERY},
	{"number", "20261125091500123", PLACE_QUERY},
	{"path", "/static/js/vendor/app.2f6c1d3b.min.js", PLACE_PATH},
	{"user-agent",
	 "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36",
	 PLACE_USER_AGENT},
	{"accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8",
	 PLACE_HEADER},
	{"uuid", "550e8400-e29b-41d4-a716-446655440000", PLACE_QUERY},
	{"hash", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", PLACE_QUERY},
	{"session", "dGhpcyBp-V7mPq2sLr9XcY4nJt6KwZb0uHf3GdEa8Q1", PLACE_COOKIE},
	{"token",
	 "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0IiwibmFtZSI6IkouIERvZSIsImlhdCI6MTcwMDAwMDAwMH0.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg",
	 PLACE_AUTHORIZATION},
	{"base64-text", "UGF0aWVudCBpcyBzdGFibGUuIE5leHQgdmlzaXQgaW4gdHdvIHdlZWtzLg==", PLACE_FORM},
	{"chinese",
	 "\xe6\x82\xa3\xe8\x80\x85\xe5\xbc\xa0\xe4\xb8\x89\xef\xbc\x8c\xe7\x94\xb7\xef\xbc\x8c\xef\xbc\x88\xe4\xbd\x8f\xe9\x99\xa2\xef\xbc\x89",
	 PLACE_FORM},
	{"prose", "Patient reports it's better; took 2 tablets (500 mg) & slept well, p<0.05",
	 PLACE_FORM},
	{"rich-text", "<p>Blood&nbsp;pressure &lt;140/90</p><ul><li>stable</li></ul>", PLACE_FORM},
	{"url", "https://his.example/app/view?patient=12345&tab=labs&lang=zh", PLACE_QUERY},
	{"json",
	 "{\"resourceType\":\"Patient\",\"id\":\"p1\",\"name\":[{\"family\":\"Li\",\"given\":[\"Wei\"]}],\"active\":true}",
	 PLACE_QUERY},
	{"form", "a=1&b=two&c=three+four&d=%E5%BC%A0", PLACE_COOKIE},
};

static void grow(struct inspect *in, enum inspect_place place, const uint8_t *p, size_t len)
{
	value_begin(in);
	inspect_root(in, DECODE_NONE, place, (struct http_bytes){NULL, 0}, p, len);
	for (uint16_t i = 0; i < in->nodes; i++)
		decode_node(in, &in->node[i]);
}

static int by_number(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static struct inspect *make(struct inspect_policy **policy)
{
	struct inspect_conf conf = {.level = INSPECT_BALANCED};
	struct inspect *in;

	if (inspect_policy_create(&conf, policy) != 0 || inspect_create(NULL, &in) != 0) {
		fprintf(stderr, "waf_bench: no engine\n");
		exit(1);
	}
	in->policy = *policy;
	return in;
}

int bench_values(void)
{
	struct inspect_policy *policy;
	struct inspect *in = make(&policy);

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		const uint8_t *p = (const uint8_t *)values[i].value;
		size_t len = strlen(values[i].value);
		double ns[5];

		for (size_t r = 0; r < 5; r++) {
			uint64_t start = bench_thread_ns();

			for (unsigned k = 0; k < ROUNDS; k++)
				grow(in, values[i].place, p, len);
			ns[r] = (double)(bench_thread_ns() - start) / ROUNDS;
		}
		qsort(ns, 5, sizeof(ns[0]), by_number);
		printf("{\"value\":\"%s\",\"bytes\":%zu,\"readings\":%u,\"ns\":%.1f}\n",
		       values[i].kind, len, in->nodes - 1U, ns[2]);
	}
	inspect_destroy(in);
	inspect_policy_destroy(policy);
	return 0;
}

// ---- hostile texts -------------------------------------------------------------------------------

static const char *const patterns[] = {
	"'",         "\"",         "`",     "(",      ")",       "<",      ">",
	"{",         "}",          "[",     "]",      "/",       "\\",     "|",
	"&",         ";",          "$",     "%",      "+",       "-",      "*",
	"#",         "=",          ",",     ".",      ":",       "@",      "!",
	"~",         "^",          "?",     "_",      " ",       "\n",     "a",
	"0",         "\xe4",       "\xbf'", "%25",    "%41",     "%u0041", "&#",
	"&lt;",      "\\u0041",    "\\x",   "../",    "/*",      "*/",     "/**/",
	"--",        "||",         "&&",    "${",     "{{",      "<a ",    "<!--",
	"<![CDATA[", "<script>",   "a=b&",  "[[",     "{\"a\":", "('",     "'a' ",
	"char(1)",   "0x",         "0x41",  "$(",     "$'",      "${IFS}", "select ",
	"union ",    "and 1=1 ",   "QUJD",  "+ADw-",  "s:1:\"",  "a:1:{",  "\"a\"+",
	"//",        "http://a/?", "eval(", "<?php ", "?>",
};

#define SHORTEST (16 << 10)
#define LONGEST  (1 << 20)

static double ns_per_byte(struct inspect *in, struct inspect_policy *policy, const char *pattern,
			  uint8_t *text, size_t len, bool form)
{
	static struct http_field fields[2] = {
		{{(const uint8_t *)"Host", 4}, {(const uint8_t *)"h", 1}},
		{{(const uint8_t *)"Content-Type", 12}, {(const uint8_t *)"text/plain", 10}},
	};
	struct http_head head = {.method = {(const uint8_t *)"POST", 4},
				 .target = {(const uint8_t *)"/", 1},
				 .version = {(const uint8_t *)"HTTP/1.1", 8},
				 .fields = 2,
				 .framing = HTTP_FRAMING_LENGTH,
				 .length = len};
	size_t n = strlen(pattern);
	struct inspect_verdict v;
	uint64_t start;

	memcpy(head.field, fields, sizeof(fields));
	if (form)
		head.field[1].value = (struct http_bytes){
			(const uint8_t *)"application/x-www-form-urlencoded", 33};
	for (size_t i = 0; i < len; i++)
		text[i] = (uint8_t)pattern[i % n];
	start = bench_thread_ns();
	inspect_begin(in, policy, &head);
	for (size_t at = 0; at < len; at += 4096)
		inspect_body(in, text + at, len - at < 4096 ? len - at : 4096);
	inspect_end(in, &v);
	return (double)(bench_thread_ns() - start) / (double)len;
}

int bench_lengths(void)
{
	struct inspect_policy *policy;
	struct inspect *in = make(&policy);
	uint8_t *text = malloc(LONGEST);
	double worst = 0;

	if (text == NULL)
		return 1;
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++)
		for (unsigned form = 0; form < 2; form++) {
			printf("{\"pattern\":\"");
			for (const char *c = patterns[i]; *c != '\0'; c++)
				printf(*c < ' ' || *c == '"' || *c == '\\' ? "\\u%04x" : "%c",
				       (uint8_t)*c);
			printf("\",\"as\":\"%s\",\"ns_per_byte\":{", form ? "form" : "text");
			for (size_t len = SHORTEST; len <= LONGEST; len *= 4) {
				double ns = ns_per_byte(in, policy, patterns[i], text, len, form);

				worst = ns > worst ? ns : worst;
				printf("\"%zu\":%.2f%s", len, ns,
				       len * 4 <= LONGEST ? "," : "}}\n");
			}
		}
	fprintf(stderr, "waf_bench: worst %.2f ns a byte\n", worst);
	free(text);
	inspect_destroy(in);
	inspect_policy_destroy(policy);
	return 0;
}
