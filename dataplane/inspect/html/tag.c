// SPDX-License-Identifier: BSD-3-Clause

#include "dataplane/inspect/html/tag.h"

#include <string.h>

static const struct {
	const char *name;
	uint8_t element;
} elements[] = {
#define HTML_ELEMENT(sym, text) {text, HTML_##sym},
#define HTML_KIND               HTML_ELEMENT
#include "dataplane/inspect/html/elements.def"
#undef HTML_ELEMENT
#undef HTML_KIND
};

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

static bool is_letter(uint8_t c)
{
	c |= 0x20;
	return c >= 'a' && c <= 'z';
}

static bool is_blank(uint8_t c)
{
	return c <= ' ';
}

bool html_text_is(struct html_text t, const char *text)
{
	size_t i = 0;

	for (; i < t.len; i++)
		if (text[i] == '\0' || lower(t.p[i]) != (uint8_t)text[i])
			return false;
	return text[i] == '\0';
}

bool html_is_event(struct html_text name)
{
	if (name.len < 4 || lower(name.p[0]) != 'o' || lower(name.p[1]) != 'n')
		return false;
	for (size_t i = 2; i < name.len; i++)
		if (!is_letter(name.p[i]))
			return false;
	return true;
}

bool html_is_directive(struct html_text name)
{
	static const char *const begins[] = {"ng-", "data-ng-", "v-",  "x-",      "@",
					     "on:", "hx-on",    "mv-", "data-mv-"};

	for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
		size_t len = strlen(begins[i]);

		if (name.len > len && html_text_is((struct html_text){name.p, len}, begins[i]))
			return true;
	}
	return false;
}

bool html_is_known_event(struct html_text name)
{
	static const char *const begins[] = {
#define HTML_EVENT(begin) begin,
#include "dataplane/inspect/html/events.def"
#undef HTML_EVENT
	};

	if (!html_is_event(name))
		return false;
	for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
		size_t len = strlen(begins[i]);

		if (name.len >= len + 2 &&
		    html_text_is((struct html_text){name.p + 2, len}, begins[i]))
			return true;
	}
	return false;
}

static uint8_t element_of(struct html_text name)
{
	const uint8_t *colon = memchr(name.p, ':', name.len);

	if (colon != NULL) { // a prefix, where XML is served
		name.len -= (size_t)(colon + 1 - name.p);
		name.p = colon + 1;
	}
	for (size_t i = 0; i < sizeof(elements) / sizeof(elements[0]); i++)
		if (html_text_is(name, elements[i].name))
			return elements[i].element;
	return HTML_OTHER;
}

bool html_tag_begin(const uint8_t *p, const uint8_t *end, struct html_tag *tag,
		    struct html_reader *r)
{
	*tag = (struct html_tag){.end = p < end && *p == '/',
				 .declaration = p < end && (*p == '!' || *p == '?')};
	if (tag->end || tag->declaration)
		p++;
	if (p == end || !is_letter(*p))
		return false;
	tag->name.p = p;
	while (p < end && !is_blank(*p) && *p != '/' && *p != '>')
		p++;
	tag->name.len = (size_t)(p - tag->name.p);
	tag->element = element_of(tag->name);
	*r = (struct html_reader){.at = p, .end = end};
	return true;
}

void html_attr_value(struct html_reader *r, struct html_attr *a)
{
	const uint8_t *p = r->at, *end = r->end, *close;

	while (p < end && is_blank(*p))
		p++;
	a->has_value = true;
	if (p < end && (*p == '"' || *p == '\'')) {
		a->quote = *p++;
		close = memchr(p, a->quote, (size_t)(end - p));
		a->open = close == NULL;
		if (close == NULL)
			close = end;
		a->value = (struct html_text){p, (size_t)(close - p)};
		r->at = a->open ? end : close + 1;
		return;
	}
	a->value.p = p;
	while (p < end && !is_blank(*p) && *p != '>')
		p++;
	a->value.len = (size_t)(p - a->value.p);
	r->at = p;
}

bool html_attr_next(struct html_reader *r, struct html_attr *a)
{
	const uint8_t *p = r->at, *end = r->end;

	*a = (struct html_attr){0};
	while (p < end && (is_blank(*p) || *p == '/'))
		p++;
	r->at = p;
	if (p == end)
		return false;
	if (*p == '>') {
		r->at++;
		r->closed = true;
		return false;
	}
	a->name.p = p++; // a = that comes first belongs to the name
	while (p < end && !is_blank(*p) && *p != '/' && *p != '>' && *p != '=')
		p++;
	a->name.len = (size_t)(p - a->name.p);
	r->at = p;
	while (p < end && is_blank(*p))
		p++;
	if (p < end && *p == '=') {
		r->at = p + 1;
		html_attr_value(r, a);
	}
	return true;
}
