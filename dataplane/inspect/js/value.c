// SPDX-License-Identifier: BSD-3-Clause
//
// What operations touch: names, members, calls and assignments over the kinds of values in parse.h.

#include "dataplane/inspect/js/parse.h"

#include <string.h>

void js_note(struct js *j, uint32_t ops)
{
	if ((ops & JS_OPS_GRAVE) != 0 && (j->out->ops & JS_OPS_GRAVE) == 0)
		j->out->at = (uint32_t)(j->l.from - j->l.p);
	j->out->ops |= ops;
}

static struct js_value of_kind(enum js_kind kind)
{
	return (struct js_value){.kind = (uint8_t)kind};
}

// ---- names and members ---------------------------------------------------------------------------

static bool is_event(const uint8_t *p, size_t len)
{
	if (len < 4 || p[0] != 'o' || p[1] != 'n')
		return false;
	for (size_t i = 2; i < len; i++)
		if (p[i] < 'a' || p[i] > 'z')
			return false;
	return true;
}

// A name of the global object.
static enum js_kind global(struct js *j, enum js_name name)
{
	switch (name) {
	case JS_N_DIALOG:
		return JS_V_DIALOG;
	case JS_N_PRINT:
		return JS_V_PRINT;
	case JS_N_EVAL:
		return JS_V_EVAL;
	case JS_N_FUNCTION_CTOR:
		return JS_V_FUNCTION;
	case JS_N_TIMER:
		return JS_V_TIMER;
	case JS_N_GLOBAL:
		return JS_V_GLOBAL;
	case JS_N_DOCUMENT:
		return JS_V_DOCUMENT;
	case JS_N_LOCATION:
	case JS_N_NAVIGATION:
		return JS_V_LOCATION;
	case JS_N_FETCH:
		return JS_V_OPENER;
	case JS_N_OPENER:
		return JS_V_OPENER;
	case JS_N_LOADER:
		return JS_V_LOADER;
	case JS_N_BUILD:
		return JS_V_BUILDER;
	case JS_N_ONERROR:
		return JS_V_EVENT;
	case JS_N_REFLECT:
		return JS_V_REFLECT;
	case JS_N_STORAGE:
		js_note(j, JS_OP_STORAGE);
		return JS_V_OTHER;
	case JS_N_REQUIRE:
	case JS_N_PROCESS:
	case JS_N_NODE_GLOBAL:
	case JS_N_CHILD_PROCESS:
		return JS_V_NODE;
	default:
		return JS_V_OTHER;
	}
}

static enum js_kind of_document(struct js *j, enum js_name name)
{
	switch (name) {
	case JS_N_COOKIE:
		js_note(j, JS_OP_COOKIE);
		return JS_V_COOKIE;
	case JS_N_PAGE_FACT:
		js_note(j, JS_OP_DOMAIN);
		return JS_V_TEXT;
	case JS_N_WRITE:
		return JS_V_WRITE;
	case JS_N_LOCATION:
		return JS_V_LOCATION;
	case JS_N_WINDOW_OF:
		return JS_V_GLOBAL;
	case JS_N_CHANGE:
		return JS_V_CHANGE;
	default:
		return JS_V_PART;
	}
}

static enum js_kind of_location(struct js *j, enum js_name name)
{
	switch (name) {
	case JS_N_LOCATION_PART:
	case JS_N_HREF:
		js_note(j, JS_OP_SOURCE);
		return JS_V_HREF;
	case JS_N_ASSIGN_TO:
	case JS_N_NAVIGATE:
		return JS_V_NAVIGATE;
	default:
		return JS_V_OTHER;
	}
}

// A member of an object that is not known.
// first: letter of the name
static enum js_kind of_any(enum js_name name, uint8_t first)
{
	switch (name) {
	case JS_N_WINDOW_OF:
	case JS_N_GLOBAL:
		return JS_V_GLOBAL;
	case JS_N_DOCUMENT:
	case JS_N_DOCUMENT_OF:
		return JS_V_DOCUMENT;
	case JS_N_LOCATION:
		return JS_V_LOCATION;
	case JS_N_DIALOG: // many objects have a prompt() or confirm() of their own
		return first == 'a' ? JS_V_DIALOG : JS_V_PRINT;
	case JS_N_EVAL: // AngularJS: $eval
		return first == '$' ? JS_V_EVAL : JS_V_PRINT;
	case JS_N_MARKUP:
		return JS_V_MARKUP;
	case JS_N_WRITE_INTO:
		return JS_V_WRITE;
	case JS_N_SRC:
		return JS_V_SRC;
	case JS_N_SEND:
		return JS_V_FETCH;
	case JS_N_FETCH:
		return JS_V_OPENER;
	case JS_N_CODES:
		return JS_V_BUILDER;
	case JS_N_ONERROR:
		return JS_V_EVENT;
	case JS_N_MAIN_MODULE:
	case JS_N_REQUIRE:
		return JS_V_NODE;
	default:
		return JS_V_OTHER;
	}
}

static bool is_function(uint8_t kind)
{
	return (kind >= JS_V_DIALOG && kind <= JS_V_LOADER) || kind == JS_V_REFLECT ||
	       kind == JS_V_BUILDER || kind == JS_V_PRINT;
}

struct js_value js_value_member(struct js *j, struct js_value of, const uint8_t *text, size_t len)
{
	enum js_name name = js_name_find(text, len);
	struct js_value v = {.kind = JS_V_OTHER, .member = true};

	js_note(j, JS_OP_MEMBER);
	if (of.list && of.object && name != JS_N_PROTO && name != JS_N_CONSTRUCTOR)
		return js_value_index(j, of, v); // whatever its key, it is one of its values
	if (of.list)
		of.kind = JS_V_OTHER;
	if (name == JS_N_PROTO ||
	    (name == JS_N_PROTOTYPE && (of.kind == JS_V_CONSTRUCTOR || of.kind == JS_V_FUNCTION)))
		v.kind = JS_V_PROTOTYPE;
	else if (name == JS_N_CONSTRUCTOR)
		v.kind = of.kind == JS_V_CONSTRUCTOR || is_function(of.kind) ? JS_V_FUNCTION
									     : JS_V_CONSTRUCTOR;
	else if (name == JS_N_CALL_IT)
		v.kind = is_function(of.kind) ? of.kind : JS_V_OTHER;
	else if (name == JS_N_SOURCE_OF && of.kind == JS_V_REGEX)
		v = (of.kind = JS_V_STRING, of);
	else if (of.kind == JS_V_PROTOTYPE)
		v.kind = JS_V_INHERITED;
	else if (of.kind == JS_V_GLOBAL)
		v.kind = global(j, name);
	else if (of.kind == JS_V_DOCUMENT)
		v.kind = of_document(j, name);
	else if (of.kind == JS_V_LOCATION)
		v.kind = of_location(j, name);
	else if (of.kind == JS_V_REFLECT || of.kind == JS_V_NODE)
		v.kind = of.kind;
	else
		v.kind = of_any(name, *text);
	if (of.kind == JS_V_NODE)
		js_note(j, JS_OP_NODE);
	if (v.kind == JS_V_OTHER && (of.kind == JS_V_STRING || of.kind == JS_V_TEXT))
		v.kind = JS_V_TEXT;
	if (v.kind == JS_V_OTHER && of.kind == JS_V_PART)
		v.kind = name == JS_N_CHANGE ? JS_V_CHANGE : JS_V_PART;
	if (v.kind == JS_V_OTHER && is_event(text, len))
		v.kind = JS_V_EVENT;
	v.member = true;
	v.plain = false;
	return v;
}

struct js_value js_value_index(struct js *j, struct js_value of, struct js_value index)
{
	js_note(j, JS_OP_INDEX);
	if (index.kind == JS_V_STRING) // [['a']] is ['a']
		return js_value_member(j, of, index.text, index.len);
	if (of.list) { // one of its elements
		of.list = of.object = false;
		return of;
	}
	if ((of.kind == JS_V_GLOBAL || of.kind == JS_V_DOCUMENT) && index.kind != JS_V_NUMBER)
		return (struct js_value){
			.kind = JS_V_COMPUTED, .member = true, .variable = index.plain};
	if (of.kind == JS_V_GLOBAL || of.kind == JS_V_PART)
		return of; // a frame, a form
	// [][a][b]: with both names worked out, it ends at a constructor or is an array of arrays
	if (index.kind != JS_V_NUMBER)
		return (struct js_value){.kind = of.kind == JS_V_INDEXED ? JS_V_CONSTRUCTOR
									 : JS_V_INDEXED,
					 .member = true};
	return (struct js_value){.kind = JS_V_OTHER, .member = true};
}

static enum js_kind alias_of(const struct js *j, const uint8_t *at, size_t size)
{
	for (unsigned i = j->aliases; i-- > 0;)
		if (j->alias[i].size == size && memcmp(j->alias[i].at, at, size) == 0)
			return j->alias[i].kind;
	return JS_V_OTHER;
}

struct js_value js_value_name(struct js *j)
{
	const struct js_lexer *l = &j->l;
	struct js_value v = {.kind = JS_V_OTHER,
			     .plain = true,
			     .at = l->from,
			     .size = (uint16_t)(l->at - l->from)};

	if (l->name == JS_N_THIS)
		v.kind = j->goal == JS_HANDLER ? JS_V_OTHER : JS_V_GLOBAL;
	else if (l->name != JS_N_OTHER)
		v.kind = (uint8_t)global(j, l->name);
	else if (is_event(l->text, l->text_len))
		v.kind = JS_V_EVENT;
	else if (j->aliases > 0)
		v.kind = (uint8_t)alias_of(j, v.at, v.size);
	if (v.kind == JS_V_OTHER && j->goal == JS_HANDLER && l->name != JS_N_OTHER &&
	    l->name != JS_N_THIS)
		v.kind = (uint8_t)of_document(j, l->name);
	if (v.kind == JS_V_PART)
		v.kind = JS_V_OTHER;
	if (l->name == JS_N_PROCESS || l->name == JS_N_MODULE)
		v.kind = JS_V_NODE;
	return v;
}

// ---- strings -------------------------------------------------------------------------------------

struct js_value js_value_string(struct js *j)
{
	struct js_value v = {.kind = JS_V_STRING, .len = j->l.text_len};

	if (v.len > JS_CONST_MAX)
		v.len = JS_CONST_MAX;
	memcpy(v.text, j->l.text, v.len);
	return v;
}

static bool is_text(struct js_value v)
{
	return v.kind == JS_V_STRING || v.kind == JS_V_TEXT;
}

struct js_value js_value_add(struct js_value a, struct js_value b)
{
	size_t n;

	a.plain = a.member = false;
	if (a.kind != JS_V_STRING || b.kind != JS_V_STRING || a.list || b.list)
		return of_kind(is_text(a) || is_text(b) ? JS_V_TEXT : JS_V_OTHER);
	n = b.len < JS_CONST_MAX - a.len ? b.len : (size_t)(JS_CONST_MAX - a.len);
	memcpy(a.text + a.len, b.text, n);
	a.len = (uint8_t)(a.len + n);
	return a;
}

// ---- calls and assignments -----------------------------------------------------------------------

static bool is_weapon(uint8_t kind)
{
	return kind == JS_V_DIALOG || kind == JS_V_EVAL || kind == JS_V_FUNCTION ||
	       kind == JS_V_COMPUTED || kind == JS_V_NAVIGATE || kind == JS_V_WRITE;
}

static bool begins(struct js_value v, const char *text)
{
	return v.len > strlen(text) && memcmp(v.text, text, strlen(text)) == 0;
}

// A URL of another site or one that brings its content with it; or it is worked out.
static bool is_elsewhere(struct js_value v)
{
	if (v.kind != JS_V_STRING)
		return v.kind == JS_V_TEXT || v.kind == JS_V_COOKIE || v.kind == JS_V_HREF;
	return begins(v, "//") || begins(v, "\\\\") || begins(v, "data:") || begins(v, "blob:") ||
	       begins(v, "javascript:") || memmem(v.text, v.len, "://", 3) != NULL;
}

static bool is_script_url(struct js_value v)
{
	return v.kind == JS_V_STRING && v.len > 11 && memcmp(v.text, "javascript:", 11) == 0;
}

// A constant string that is code of its own. Not asked within such a string.
static bool is_code(const struct js *j, struct js_value v)
{
	struct js_verdict verdict;

	if (v.kind != JS_V_STRING || v.list || v.len < 5 || j->nested ||
	    (memchr(v.text, '(', v.len) == NULL && memchr(v.text, '`', v.len) == NULL))
		return false;
	js_judge_string(v.text, v.len, &verdict);
	return (verdict.ops & (JS_OP_DIALOG | JS_OP_EVAL | JS_OP_PASS)) != 0;
}

void js_value_pass(struct js *j, struct js_value f, struct js_value arg)
{
	if (is_code(j, arg))
		js_note(j, JS_OP_CODE);
	if (is_weapon(arg.kind) && !arg.variable && f.kind != JS_V_TEXT && f.kind != JS_V_STRING)
		js_note(j, JS_OP_PASS);
	if (is_script_url(arg)) // open("javascript:..")
		js_note(j, JS_OP_LOCATION);
	if (f.kind == JS_V_REFLECT && arg.kind == JS_V_LOCATION)
		js_note(j, JS_OP_LOCATION);
}

struct js_value js_value_call(struct js *j, struct js_value f, struct js_value first, unsigned args)
{
	if (f.kind == JS_V_PART && !f.list)
		return f; // looks at the document and no more
	js_note(j, JS_OP_CALL);
	if (f.list)
		return of_kind(JS_V_OTHER);
	switch (f.kind) {
	case JS_V_DIALOG:
		js_note(j, JS_OP_DIALOG);
		break;
	case JS_V_EVAL:
		js_note(j, args > 0 ? JS_OP_EVAL : JS_OP_PRINT);
		break;
	case JS_V_FUNCTION:
		js_note(j, JS_OP_EVAL);
		return of_kind(JS_V_BUILT);
	case JS_V_CONSTRUCTOR:
		return of_kind(JS_V_BUILT);
	case JS_V_BUILT:
		js_note(j, JS_OP_EVAL);
		break;
	case JS_V_TIMER:
		if (is_text(first))
			js_note(j, JS_OP_EVAL);
		break;
	case JS_V_COMPUTED:
		js_note(j, JS_OP_COMPUTED);
		return of_kind(JS_V_TEXT);
	case JS_V_WRITE:
		js_note(j, JS_OP_WRITE);
		break;
	case JS_V_NAVIGATE:
		js_note(j, JS_OP_LOCATION);
		break;
	case JS_V_OPENER:
		js_note(j, is_elsewhere(first) ? JS_OP_FETCH : JS_OP_PRINT);
		break;
	case JS_V_FETCH:
	case JS_V_LOADER:
		js_note(j, JS_OP_FETCH);
		break;
	case JS_V_PRINT:
		js_note(j, JS_OP_PRINT);
		break;
	case JS_V_BUILDER:
		js_note(j, JS_OP_BUILD);
		return of_kind(JS_V_TEXT);
	case JS_V_NODE:
		js_note(j, JS_OP_NODE);
		return of_kind(JS_V_NODE);
	case JS_V_CHANGE:
		js_note(j, JS_OP_DOCUMENT);
		return of_kind(JS_V_PART);
	case JS_V_TEXT:
	case JS_V_HREF:
		return of_kind(JS_V_TEXT);
	default:
		break;
	}
	return of_kind(JS_V_OTHER);
}

void js_value_import(struct js *j, struct js_value from)
{
	if (is_elsewhere(from)) // sources have modules beside them
		js_note(j, JS_OP_FETCH);
}

static void remember(struct js *j, struct js_value to, struct js_value v)
{
	if (v.kind < JS_V_GLOBAL || v.list || j->aliases == JS_ALIASES_MAX)
		return;
	j->alias[j->aliases++] = (struct js_alias){to.at, to.size, v.kind};
}

void js_value_assign(struct js *j, struct js_value to, struct js_value v)
{
	js_note(j, JS_OP_ASSIGN);
	if (to.list) {
		if (is_weapon(v.kind))
			js_note(j, JS_OP_PASS);
		if (to.kind == JS_V_COOKIE && v.kind == JS_V_DOCUMENT)
			js_note(j, JS_OP_COOKIE);
		if (v.kind == JS_V_GLOBAL &&
		    (is_weapon(to.kind) || is_weapon(to.key) || to.key == JS_V_LOCATION))
			js_note(j, JS_OP_PASS);
		return;
	}
	switch (to.kind) {
	case JS_V_LOCATION:
	case JS_V_HREF:
		js_note(j, is_elsewhere(v) ? JS_OP_LOCATION : JS_OP_MOVE);
		break;
	case JS_V_COOKIE:
		js_note(j, JS_OP_COOKIE);
		break;
	case JS_V_MARKUP:
		js_note(j, JS_OP_WRITE);
		break;
	case JS_V_PART:
		js_note(j, JS_OP_DOCUMENT);
		break;
	case JS_V_SRC:
		if (is_elsewhere(v))
			js_note(j, JS_OP_FETCH);
		break;
	case JS_V_INHERITED:
		js_note(j, JS_OP_PROTOTYPE);
		break;
	default:
		if (is_weapon(v.kind) && (to.member || to.kind == JS_V_EVENT))
			js_note(j, JS_OP_PASS);
		if (to.plain)
			remember(j, to, v);
		break;
	}
}
