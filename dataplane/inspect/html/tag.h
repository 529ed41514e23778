// SPDX-License-Identifier: BSD-3-Clause
//
// html/tag - tags and attributes as browsers read them (WHATWG HTML, section 13.2.5, tag name to
// self-closing start tag states), from any place in a text: a reader may begin within a tag, as a value
// does that closed the attribute it was put into.
//
// More lenient than the standard where other readers were or are: any byte up to a blank separates.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum html_element {
	HTML_OTHER,
#define HTML_ELEMENT(sym, text)
#define HTML_KIND(sym, text) HTML_##sym,
#include "dataplane/inspect/html/elements.def"
#undef HTML_ELEMENT
#undef HTML_KIND
};

struct html_text {
	const uint8_t *p;
	size_t len;
};

struct html_attr {
	struct html_text name, value;
	bool has_value;
	uint8_t quote; // 0: none
	bool open;     // the text ends before its closing quote
};

// What is left of a tag.
struct html_reader {
	const uint8_t *at, *end;
	bool closed; // its > was read, at is behind it
};

struct html_tag {
	struct html_text name;
	uint8_t element;  // enum html_element, by the local name
	bool end;         // </name
	bool declaration; // <!name or <?name
};

// p points behind a <. Returns: false no browser makes a tag of it
bool html_tag_begin(const uint8_t *p, const uint8_t *end, struct html_tag *tag,
		    struct html_reader *r);
// The next attribute. Returns: false there is none, r->closed tells whether the tag is whole
bool html_attr_next(struct html_reader *r, struct html_attr *a);

// Its value; r is behind the =
void html_attr_value(struct html_reader *r, struct html_attr *a);

bool html_text_is(struct html_text t, const char *lower); // case does not matter
// "on" and letters: a handler by its name.
bool html_is_event(struct html_text name);
// And an event that some browser has or had: onset and onsale are none.
bool html_is_known_event(struct html_text name);
// One that a client-side framework (AngularJS, Vue, Alpine, htmx) runs as an expression.
bool html_is_directive(struct html_text name);
