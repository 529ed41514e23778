// SPDX-License-Identifier: BSD-3-Clause
//
// What a body is: said by Content-Type, seen in its first bytes. Frameworks parse JSON and XML whatever the
// type says, and attackers say what a firewall does not read; so what is seen wins.

#include "dataplane/inspect/message/body.h"

#include <string.h>
#include <strings.h>

#define LOOK 512 // bytes that are looked at

static const uint8_t *find(struct http_bytes in, const char *what)
{
	size_t n = strlen(what);

	for (uint32_t i = 0; i + n <= in.len; i++)
		if ((in.p[i] | 0x20) == what[0] &&
		    strncasecmp((const char *)in.p + i, what, n) == 0)
			return in.p + i;
	return NULL;
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct http_bytes skip_blanks(struct http_bytes b)
{
	while (b.len > 0 && is_blank(b.p[0]))
		b = (struct http_bytes){b.p + 1, b.len - 1};
	return b;
}

// ---- as said -------------------------------------------------------------------------------------

static enum body_kind said(struct http_bytes type)
{
	static const struct {
		const char *word;
		enum body_kind kind;
	} words[] = {
		{"multipart/", BODY_MULTIPART},
		{"x-www-form-urlencoded", BODY_FORM},
		{"graphql", BODY_GRAPHQL},
		{"json", BODY_JSON},
		{"xml", BODY_XML},
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (find(type, words[i].word) != NULL)
			return words[i].kind;
	return BODY_UNKNOWN;
}

static bool keep_boundary(struct body_form *out, struct http_bytes b)
{
	if (b.len == 0 || b.len > sizeof(out->boundary) || memchr(b.p, '\n', b.len) != NULL)
		return false;
	memcpy(out->boundary, b.p, b.len);
	out->boundary_len = (uint8_t)b.len;
	return true;
}

// boundary=x of a Content-Type, quoted or not (RFC 2045, section 5.1).
static bool said_boundary(struct http_bytes type, struct body_form *out)
{
	const uint8_t *at = find(type, "boundary"), *end = type.p + type.len, *q;
	struct http_bytes b;

	if (at == NULL)
		return false;
	b = skip_blanks((struct http_bytes){at + 8, (uint32_t)(end - at - 8)});
	if (b.len == 0 || b.p[0] != '=')
		return false;
	b = skip_blanks((struct http_bytes){b.p + 1, b.len - 1});
	if (b.len > 0 && b.p[0] == '"') {
		q = memchr(b.p + 1, '"', b.len - 1);
		b.p++;
		b.len = (uint32_t)((q != NULL ? q : end) - b.p);
	} else {
		uint32_t n = 0;

		while (n < b.len && b.p[n] != ';' && b.p[n] != ',' && !is_blank(b.p[n]))
			n++;
		b.len = n;
	}
	// Another one: servers differ in which they take.
	at = b.p + b.len;
	out->raw |= find((struct http_bytes){at, (uint32_t)(end - at)}, "boundary") != NULL;
	return keep_boundary(out, b);
}

// ---- as seen -------------------------------------------------------------------------------------

static enum body_kind seen_json(struct http_bytes b)
{
	bool object = b.p[0] == '{';

	b = skip_blanks((struct http_bytes){b.p + 1, b.len - 1});
	if (b.len == 0)
		return BODY_UNKNOWN;
	if (b.p[0] == '"' || b.p[0] == '}' || b.p[0] == '\'' || b.p[0] == '/')
		return BODY_JSON;
	if (!object && (b.p[0] == '{' || b.p[0] == '[' || b.p[0] == ']' || b.p[0] == '-' ||
			(b.p[0] >= '0' && b.p[0] <= '9')))
		return BODY_JSON;
	return BODY_UNKNOWN;
}

// --boundary, and a header after it.
static bool seen_multipart(struct http_bytes b, struct body_form *out)
{
	const uint8_t *lf = memchr(b.p, '\n', b.len);
	uint32_t n;

	if (b.len < 4 || b.p[0] != '-' || b.p[1] != '-' || lf == NULL)
		return false;
	n = (uint32_t)(lf - b.p);
	while (n > 2 && is_blank(b.p[n - 1]))
		n--;
	if (find((struct http_bytes){lf, b.len - (uint32_t)(lf - b.p)}, "content-") == NULL)
		return false;
	return keep_boundary(out, (struct http_bytes){b.p + 2, n - 2});
}

static bool seen_form(struct http_bytes b)
{
	uint32_t i = 0;

	for (; i < b.len && b.p[i] != '='; i++) {
		uint8_t c = b.p[i];

		if (!((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
		      c == '_' || c == '-' || c == '.' || c == '[' || c == ']' || c == '%' ||
		      c == '$' || c == '+'))
			return false;
	}
	return i > 0 && i < b.len && i <= 64;
}

static enum body_kind seen(struct http_bytes b, struct body_form *out, bool *weak)
{
	*weak = false;
	if (b.len > LOOK)
		b.len = LOOK;
	if (b.len >= 3 && memcmp(b.p, "\xef\xbb\xbf", 3) == 0)
		b = (struct http_bytes){b.p + 3, b.len - 3};
	b = skip_blanks(b);
	if (b.len < 2)
		return BODY_UNKNOWN;
	if (b.p[0] == '{' || b.p[0] == '[')
		return seen_json(b);
	if (b.p[0] == '<') {
		*weak = b.p[1] != '?'; // HTML is text to most
		return b.p[1] == '?' || b.p[1] == '!' ||
				       ((b.p[1] | 0x20) >= 'a' && (b.p[1] | 0x20) <= 'z')
			       ? BODY_XML
			       : BODY_UNKNOWN;
	}
	if (seen_multipart(b, out))
		return BODY_MULTIPART;
	return BODY_UNKNOWN;
}

// Several types: servers take the first or the last.
static bool types_differ(const struct http_head *h, struct http_bytes type)
{
	for (uint32_t i = 0; i < h->fields; i++)
		if (http_bytes_are(h->field[i].name, "content-type") &&
		    said(h->field[i].value) != said(type))
			return true;
	return false;
}

void body_kind(const struct http_head *h, const uint8_t *p, size_t len, struct body_form *out)
{
	const struct http_field *f = http_field_find(h, "content-type");
	struct http_bytes type = f != NULL ? f->value : (struct http_bytes){p, 0};
	struct http_bytes b = {p, (uint32_t)len};
	enum body_kind by_type = said(type), by_look;
	struct body_form looked = {.boundary_len = 0};
	bool weak;

	*out = (struct body_form){.raw = f != NULL && types_differ(h, type)};
	by_look = seen(b, &looked, &weak);
	if (by_type == BODY_MULTIPART && said_boundary(type, out) &&
	    memmem(p, len, out->boundary, out->boundary_len) != NULL)
		by_look = BODY_UNKNOWN;
	else if (by_look == BODY_MULTIPART)
		keep_boundary(out, (struct http_bytes){looked.boundary, looked.boundary_len});
	else if (by_type == BODY_MULTIPART && out->boundary_len == 0)
		by_type = BODY_UNKNOWN;
	out->kind =
		by_look != BODY_UNKNOWN && !(weak && by_type != BODY_UNKNOWN) ? by_look : by_type;
	out->raw |= weak && by_type != BODY_XML;
	if (out->kind == BODY_UNKNOWN) {
		out->kind = seen_form(b) ? BODY_FORM : BODY_RAW;
		out->raw |= out->kind == BODY_RAW;
	}
}

// ---- content coding ------------------------------------------------------------------------------

enum body_coding body_coding(const struct http_head *h, const uint8_t *p, size_t len)
{
	const struct http_field *f = http_field_find(h, "content-encoding");

	// What begins as gzip is gzip, whether it is said or not.
	if (len >= 3 && p[0] == 0x1f && p[1] == 0x8b && p[2] == 8)
		return CODING_GZIP;
	if (f == NULL || find(f->value, "deflate") == NULL)
		return CODING_NONE;
	return CODING_DEFLATE;
}

bool body_coding_unknown(const struct http_head *h)
{
	static const char *const known[] = {"", "identity", "gzip", "x-gzip", "deflate"};

	for (uint32_t i = 0; i < h->fields; i++) {
		struct http_bytes v = h->field[i].value, item;
		bool is;

		if (!http_bytes_are(h->field[i].name, "content-encoding"))
			continue;
		for (; v.len > 0; v = (struct http_bytes){v.p + item.len, v.len - item.len}) {
			const uint8_t *comma;

			v = skip_blanks(v);
			comma = memchr(v.p, ',', v.len);
			item = (struct http_bytes){v.p,
						   comma != NULL ? (uint32_t)(comma - v.p) : v.len};
			is = false;
			for (size_t k = 0; k < sizeof(known) / sizeof(known[0]); k++)
				is |= http_bytes_are(item, known[k]);
			if (!is)
				return true;
			item.len += comma != NULL;
		}
	}
	return false;
}
