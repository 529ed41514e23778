// SPDX-License-Identifier: BSD-3-Clause
//
// Expressions of PHP. Operators are read from left to right without their precedence: what is worked out are
// texts put together by . and ^, which is right for both ways of reading.

#include "dataplane/inspect/php/parse.h"

#include <string.h>

// ---- tokens --------------------------------------------------------------------------------------

void php_next(struct php *p)
{
	p->last = p->tok.to;
	php_lex_next(&p->lex, &p->tok);
	if (p->lex.tokens > p->most || p->tok.kind == PHP_T_BAD)
		p->bad = true;
}

bool php_take(struct php *p, char sign)
{
	if (!php_is(p, sign))
		return false;
	php_next(p);
	return true;
}

bool php_text_is(const uint8_t *s, size_t n, const char *word)
{
	size_t i = 0;

	for (; i < n && word[i] != '\0'; i++)
		if ((s[i] >= 'A' && s[i] <= 'Z' ? s[i] | 0x20 : s[i]) != (uint8_t)word[i])
			return false;
	return i == n && word[i] == '\0';
}

bool php_is_word(const struct php *p, const char *word)
{
	return p->tok.kind == PHP_T_NAME && php_text_is(p->tok.p, p->tok.len, word);
}

bool php_enter(struct php *p)
{
	if (++p->depth > PHP_DEPTH)
		p->bad = true;
	return !p->bad;
}

void php_leave(struct php *p)
{
	p->depth--;
}

void php_note(struct php *p, uint32_t ops, size_t at)
{
	if ((p->ops & ops) != ops && p->code_depth == 0 && ops < PHP_OP_ECHO && ops > p->ops)
		p->at = at;
	else if ((ops & PHP_OPS_FLOW) != 0 && p->code_depth == 0)
		p->at = at;
	p->ops |= ops;
}

// ---- values --------------------------------------------------------------------------------------

static bool is_text(const struct php_value *v)
{
	return v->kind == PHP_V_TEXT || v->kind == PHP_V_BARE || v->kind == PHP_V_NUMBER;
}

// a . b
struct php_value php_join(struct php *p, struct php_value a, struct php_value b)
{
	struct php_value v = {
		.taint = a.taint | b.taint,
		.how = (uint8_t)(((a.how | b.how) & PHP_HOW_DECODED) | PHP_HOW_PIECES)};
	uint8_t *out;

	if ((a.kind == PHP_V_TEXT && a.n > 0) || (a.how & PHP_HOW_PREFIX) != 0)
		v.how |= PHP_HOW_PREFIX;
	if (!is_text(&a) || !is_text(&b))
		return v;
	// what was joined last is where the room ends: it grows
	if (p->room != NULL && a.s + a.n == p->room + p->room_used &&
	    (out = php_room(p, b.n)) != NULL) {
		memmove(out, b.s, b.n);
		v.s = a.s;
	} else if ((out = php_room(p, a.n + b.n)) != NULL) {
		memcpy(out, a.s, a.n);
		memcpy(out + a.n, b.s, b.n);
		v.s = out;
	} else {
		return v;
	}
	v.kind = PHP_V_TEXT;
	v.n = a.n + b.n;
	return v;
}

// a ^ b, of texts: how names are made of signs
static struct php_value xored(struct php *p, struct php_value a, struct php_value b)
{
	struct php_value v = {.taint = a.taint | b.taint, .how = PHP_HOW_PIECES};
	size_t n = a.n < b.n ? a.n : b.n;
	uint8_t *out;

	if (a.kind != PHP_V_TEXT || b.kind != PHP_V_TEXT || (out = php_room(p, n)) == NULL)
		return v;
	for (size_t i = 0; i < n; i++)
		out[i] = a.s[i] ^ b.s[i];
	v.kind = PHP_V_TEXT;
	v.s = out;
	v.n = n;
	return v;
}

// ~a, likewise
static struct php_value inverted(struct php *p, struct php_value a)
{
	struct php_value v = {.taint = a.taint, .how = PHP_HOW_PIECES};
	uint8_t *out;

	if (a.kind != PHP_V_TEXT || (out = php_room(p, a.n)) == NULL)
		return v;
	for (size_t i = 0; i < a.n; i++)
		out[i] = (uint8_t)~a.s[i];
	v.kind = PHP_V_TEXT;
	v.s = out;
	v.n = a.n;
	return v;
}

// ---- lists of arguments --------------------------------------------------------------------------

// One element of a list: of a call, an array, list().
static struct php_value element(struct php *p)
{
	struct php_value v;

	if (php_is_op(p, "...", 3))
		php_next(p);
	php_take(p, '&');
	v = php_expr(p);
	if (php_is_op(p, "=>", 2)) {
		uint8_t taint = v.taint;

		php_next(p);
		php_take(p, '&');
		v = php_expr(p);
		v.taint |= taint;
	} else if (php_is(p, ':') && v.kind == PHP_V_BARE) { // name: value
		php_next(p);
		v = php_expr(p);
	}
	return v;
}

void php_args(struct php *p, struct php_args *a)
{
	memset(a, 0, sizeof(*a));
	while (!p->bad && !php_is(p, ')')) {
		struct php_value v;

		if (p->tok.kind == PHP_T_END) {
			a->open = true;
			return;
		}
		v = element(p);
		if (a->count < PHP_ARGS)
			a->v[a->count] = v;
		a->count++;
		a->taint |= v.taint;
		a->real |= v.kind != PHP_V_BARE && v.kind != PHP_V_NUMBER;
		a->nested |= v.kind == PHP_V_CALL;
		if (!php_take(p, ',') && !php_is(p, ')') && p->tok.kind != PHP_T_END)
			p->bad = true;
	}
	php_take(p, ')');
	if (a->count > PHP_ARGS)
		a->count = PHP_ARGS;
}

// [a, b => c] or array(a, b): taken for that element of its constants that names a function.
static struct php_value list(struct php *p, char close)
{
	struct php_value v = {0}, e;
	uint8_t taint = 0;

	while (!p->bad && !php_is(p, close) && p->tok.kind != PHP_T_END) {
		if (php_take(p, ','))
			continue;
		e = element(p);
		taint |= e.taint;
		if (is_text(&e) && (v.kind == PHP_V_NONE || php_function_find(v.s, v.n) == NULL)) {
			v = e;
			v.how |= PHP_HOW_LIST;
		}
		if (!php_is(p, close) && !php_take(p, ',') && p->tok.kind != PHP_T_END)
			p->bad = true;
	}
	php_take(p, close);
	v.taint = taint;
	if (v.kind == PHP_V_BARE)
		v.kind = PHP_V_TEXT;
	return v;
}

// ---- what follows an operand ---------------------------------------------------------------------

static struct php_value call_of(struct php *p, struct php_value v, size_t at, bool comment)
{
	struct php_args a;

	php_args(p, &a);
	if (p->bad)
		return (struct php_value){0};
	if (comment)
		v.how |= PHP_HOW_PIECES;
	return php_call_value(p, v, &a, at);
}

// ->name ->{..} ->$x ::name, and a call of it.
static struct php_value member_of(struct php *p, struct php_value v)
{
	const uint8_t *name = NULL;
	struct php_value m = {0};
	size_t len = 0, at = p->tok.from;
	struct php_args a;

	if (php_take(p, '{')) {
		m = php_expr(p);
		if (!php_take(p, '}') && p->tok.kind != PHP_T_END)
			p->bad = true;
	} else if (p->tok.kind == PHP_T_VAR) {
		m = php_get(p, p->tok.p, p->tok.len, false);
		m.kind = PHP_V_VAR;
		php_next(p);
	} else if (p->tok.kind == PHP_T_NAME) {
		name = p->tok.p;
		len = p->tok.len;
		php_next(p);
	} else {
		p->bad = p->tok.kind != PHP_T_END;
		return v;
	}
	if (!php_take(p, '('))
		return name != NULL ? php_get(p, name, len, true)
				    : (struct php_value){.taint = v.taint | m.taint};
	php_args(p, &a);
	if (p->bad)
		return (struct php_value){0};
	if (name == NULL) // $x->$f(): the caller's word may say which method
		return php_call_value(p, m, &a, at);
	if ((v.how & PHP_HOW_OBJECT) != 0 &&
	    (php_text_is(name, len, "invoke") || php_text_is(name, len, "invokeargs") ||
	     php_text_is(name, len, "exec") || php_text_is(name, len, "run")))
		return php_call_value(p, v, &a, at);
	return php_call(p, name, len, &a, at, PHP_HOW_OBJECT);
}

static struct php_value index_of(struct php *p, struct php_value v, char close)
{
	struct php_value i = {0};

	if (!php_is(p, close))
		i = php_expr(p);
	if (!php_take(p, close) && p->tok.kind != PHP_T_END)
		p->bad = true;
	if ((v.how & PHP_HOW_LIST) != 0 && v.kind == PHP_V_TEXT)
		return v;
	if (v.kind == PHP_V_TEXT && i.kind == PHP_V_NUMBER && i.n <= 6) { // "abc"[1]
		size_t k = 0;

		for (size_t j = 0; j < i.n; j++)
			k = k * 10 + (size_t)(i.s[j] - '0');
		if (k < v.n)
			return (struct php_value){
				.kind = PHP_V_TEXT, .s = v.s + k, .n = 1, .how = PHP_HOW_PIECES};
	}
	return php_element(p, v, i);
}

// begin: of the operand.
static struct php_value postfix(struct php *p, struct php_value v, size_t begin)
{
	while (!p->bad) {
		if (php_is(p, '(') && v.kind != PHP_V_NUMBER) {
			bool comment = p->tok.comment;

			php_next(p);
			v = call_of(p, v, begin, comment);
		} else if (php_is(p, '[')) {
			php_next(p);
			v = index_of(p, v, ']');
		} else if (php_is(p, '{') && (v.kind == PHP_V_VAR || v.kind == PHP_V_TEXT)) {
			php_next(p);
			v = index_of(p, v, '}');
		} else if (php_is_op(p, "->", 2) || php_is_op(p, "?->", 3) ||
			   php_is_op(p, "::", 2)) {
			php_next(p);
			v = member_of(p, v);
		} else if (php_is_op(p, "++", 2) || php_is_op(p, "--", 2)) {
			php_next(p);
			v.kind = PHP_V_NONE;
		} else {
			break;
		}
	}
	return v;
}

// ---- operands ------------------------------------------------------------------------------------

// ${patient.name} is a place in a template. What is worked out has quotes, variables, calls.
static bool is_worked_out(const struct php *p, size_t from)
{
	for (size_t i = from; i < p->last; i++)
		if (memchr("'\"$(@`^~", p->lex.p[i], 8) != NULL)
			return true;
	return false;
}

// Behind $: ${..} $$x
static struct php_value variable_variable(struct php *p, size_t at)
{
	struct php_value v;

	if (php_take(p, '{')) {
		v = php_expr(p);
		if (!php_take(p, '}') && p->tok.kind != PHP_T_END)
			p->bad = true;
		if (v.kind == PHP_V_BARE) // "${name}"
			return php_get(p, v.s, v.n, false);
	} else if (p->tok.kind == PHP_T_VAR) {
		v = php_get(p, p->tok.p, p->tok.len, false);
		php_next(p);
	} else if (php_take(p, '$')) {
		if (!php_enter(p)) {
			php_leave(p);
			return (struct php_value){0};
		}
		v = variable_variable(p, at);
		php_leave(p);
	} else {
		p->bad = true;
		return (struct php_value){0};
	}
	if (!p->bad && is_worked_out(p, at + 1))
		php_note(p, PHP_OP_VARVAR, at);
	if (v.kind == PHP_V_TEXT) {
		struct php_value named = php_get(p, v.s, v.n, false);

		if (named.taint != 0 && (v.how & PHP_HOW_PIECES) != 0)
			php_note(p, PHP_OP_HIDDEN, at);
		return named;
	}
	v.kind = PHP_V_VAR;
	v.s = NULL;
	v.n = 0;
	return v;
}

static bool is_cast(const struct php_token *t)
{
	static const char *const types[] = {"int",   "integer", "bool",   "boolean",
					    "float", "double",  "string", "binary",
					    "array", "object",  "unset",  "real"};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (t->kind == PHP_T_NAME && php_text_is(t->p, t->len, types[i]))
			return true;
	return false;
}

static bool begins_operand(const struct php *p)
{
	switch (p->tok.kind) {
	case PHP_T_VAR:
	case PHP_T_NAME:
	case PHP_T_NUMBER:
	case PHP_T_SINGLE:
	case PHP_T_DOUBLE:
	case PHP_T_BACKTICK:
		return true;
	case PHP_T_OP:
		return p->tok.len == 1 && memchr("($[@!{-", p->tok.sign, 7) != NULL;
	default:
		return false;
	}
}

static struct php_value operand(struct php *p);

// Behind "(": an expression, or a cast of what follows.
static struct php_value parens(struct php *p)
{
	struct php_token first = p->tok;
	struct php_value v;

	if (php_is(p, ')')) {
		p->bad = true;
		return (struct php_value){0};
	}
	v = php_expr(p);
	if (p->bad)
		return v;
	if (p->tok.kind == PHP_T_END)
		return v;
	if (!php_take(p, ')')) {
		p->bad = true;
		return v;
	}
	if (v.kind == PHP_V_BARE && is_cast(&first) && begins_operand(p)) {
		bool clean = (first.p[0] | 0x20) == 'i' || (first.p[0] | 0x20) == 'f' ||
			     (first.p[0] | 0x20) == 'd' ||
			     ((first.p[0] | 0x20) == 'b' && (first.p[1] | 0x20) == 'o');

		if (php_take(p, '{')) { // (string){..}
			v = php_expr(p);
			if (!php_take(p, '}'))
				p->bad = p->tok.kind != PHP_T_END;
			v = postfix(p, v, first.from);
		} else {
			v = operand(p);
		}
		if (clean)
			v = (struct php_value){0};
		return v;
	}
	v.how |= PHP_HOW_PAREN;
	return v;
}

// new X(..), new class {..}
static struct php_value new_object(struct php *p)
{
	struct php_value v = {0}, class = {0};
	struct php_args a = {0};
	size_t at = p->tok.from;

	if (php_is_word(p, "class")) {
		php_next(p);
		if (php_take(p, '('))
			php_args(p, &a);
		while (p->tok.kind == PHP_T_NAME || php_is(p, ','))
			php_next(p);
		php_class_body(p);
		return v;
	}
	if (p->tok.kind == PHP_T_NAME) {
		class = (struct php_value){.kind = PHP_V_BARE, .s = p->tok.p, .n = p->tok.len};
		php_next(p);
		if (php_is_op(p, "::", 2)) {
			php_next(p);
			member_of(p, class);
		}
	} else if (p->tok.kind == PHP_T_VAR) {
		class = php_get(p, p->tok.p, p->tok.len, false);
		php_next(p);
		while (php_is(p, '[') && !p->bad) {
			php_next(p);
			class = index_of(p, class, ']');
		}
		if (php_is_op(p, "->", 2)) {
			php_next(p);
			if (p->tok.kind == PHP_T_NAME)
				php_next(p);
		}
	} else if (php_take(p, '(')) {
		class = parens(p);
	} else {
		p->bad = p->tok.kind != PHP_T_END;
		return v;
	}
	if (php_take(p, '('))
		php_args(p, &a);
	if (p->bad)
		return v;
	php_sink(p, class.taint, PHP_OP_FLOW_CALL, at);
	v.taint = a.taint;
	if (is_text(&class) && a.count > 0 &&
	    (php_text_is(class.s, class.n, "reflectionfunction") ||
	     php_text_is(class.s, class.n, "com") || php_text_is(class.s, class.n, "ffi"))) {
		v = a.v[0];
		if (php_text_is(class.s, class.n, "com")) {
			v.kind = PHP_V_TEXT;
			v.s = (const uint8_t *)"system";
			v.n = 6;
		}
		v.how |= PHP_HOW_OBJECT;
	}
	return v;
}

// match (x) { a, b => c, default => d }
static struct php_value match_rest(struct php *p)
{
	struct php_value v = {0};

	if (!php_take(p, '{'))
		return v;
	while (!p->bad && !php_is(p, '}') && p->tok.kind != PHP_T_END)
		if (!php_take(p, ','))
			v.taint |= element(p).taint;
	php_take(p, '}');
	return v;
}

// echo, print, die .. as functions: what they show.
static struct php_value show(struct php *p, size_t at)
{
	struct php_value v = {0};

	if (begins_operand(p) || php_is(p, '~') || php_is(p, '&'))
		v = php_expr(p);
	if (p->bad)
		return v;
	php_note(p, v.kind == PHP_V_CALL ? PHP_OP_PRINT | PHP_OP_NESTED : PHP_OP_ECHO, at);
	return (struct php_value){.kind = PHP_V_NONE, .taint = v.taint};
}

// A construct that begins with a word and is no call. false: it is none.
static bool construct(struct php *p, const struct php_token *w, struct php_value *v)
{
	size_t n = w->len;
	const uint8_t *s = w->p;

	if (php_text_is(s, n, "eval")) {
		*v = php_expr(p);
		if (!p->bad)
			php_eval(p, *v, w->from);
		*v = (struct php_value){.kind = PHP_V_CALL};
	} else if (php_text_is(s, n, "include") || php_text_is(s, n, "include_once") ||
		   php_text_is(s, n, "require") || php_text_is(s, n, "require_once")) {
		*v = php_expr(p);
		if (!p->bad)
			php_include(p, *v, w->from);
		*v = (struct php_value){0};
	} else if (php_text_is(s, n, "print") || php_text_is(s, n, "die") ||
		   php_text_is(s, n, "exit")) {
		if (php_take(p, '(')) { // die(), print(..)
			*v = php_is(p, ')') ? (struct php_value){0} : php_expr(p);
			if (!php_take(p, ')') && p->tok.kind != PHP_T_END)
				p->bad = true;
			if (!p->bad)
				php_note(p,
					 v->kind == PHP_V_CALL ? PHP_OP_PRINT | PHP_OP_NESTED
							       : PHP_OP_ECHO,
					 w->from);
			v->kind = PHP_V_CALL;
		} else {
			*v = show(p, w->from);
		}
	} else if (php_text_is(s, n, "new")) {
		*v = new_object(p);
	} else if (php_text_is(s, n, "function") || php_text_is(s, n, "fn")) {
		php_take(p, '&');
		php_function_rest(p, NULL, 0, n == 2);
		*v = (struct php_value){.kind = PHP_V_CLOSURE};
	} else if (php_text_is(s, n, "static") || php_text_is(s, n, "clone") ||
		   php_text_is(s, n, "yield") || php_text_is(s, n, "throw") ||
		   php_text_is(s, n, "from")) {
		if (!begins_operand(p))
			return false;
		*v = php_expr(p);
	} else {
		return false;
	}
	return true;
}

// A name: a call, a constant, a construct.
static struct php_value word(struct php *p)
{
	struct php_token w = p->tok;
	struct php_value v = {.kind = PHP_V_BARE, .s = w.p, .n = w.len};
	bool member = p->member;
	struct php_args a;

	p->member = false;
	php_next(p);
	if (!member && construct(p, &w, &v))
		return v;
	if (!php_is(p, '('))
		return v;
	v.how = p->tok.comment ? PHP_HOW_PIECES : 0;
	php_next(p);
	if (php_text_is(w.p, w.len, "array") || php_text_is(w.p, w.len, "list"))
		return list(p, ')');
	php_args(p, &a);
	if (p->bad)
		return v;
	if (php_text_is(w.p, w.len, "match"))
		return match_rest(p);
	return php_call(p, w.p, w.len, &a, w.from, v.how | (member ? PHP_HOW_OBJECT : 0));
}

static struct php_value operand(struct php *p)
{
	struct php_value v = {0};
	struct php_token t = p->tok;

	if (!php_enter(p))
		goto out;
	switch (t.kind) {
	case PHP_T_VAR:
		v = php_get(p, t.p, t.len, false);
		php_next(p);
		if (php_is_super(t.p, t.len) && (php_is(p, '[') || php_is(p, '{')))
			php_note(p, PHP_OP_SUPER, t.from);
		break;
	case PHP_T_NAME:
		v = word(p);
		break;
	case PHP_T_NUMBER:
		v = (struct php_value){.kind = PHP_V_NUMBER, .s = t.p, .n = t.len};
		php_next(p);
		break;
	case PHP_T_SINGLE:
	case PHP_T_DOUBLE:
		v = php_text(p, &t);
		php_next(p);
		break;
	case PHP_T_BACKTICK:
		php_backtick(p, &t);
		php_next(p);
		v = (struct php_value){.kind = PHP_V_CALL};
		break;
	case PHP_T_OP:
		if (t.len == 1 && memchr("@!-+&~", t.sign, 6) != NULL) {
			php_next(p);
			v = operand(p);
			if (t.sign == '~')
				v = inverted(p, v);
			else if (t.sign == '!')
				v = (struct php_value){0};
			goto out;
		}
		if (php_is_op(p, "++", 2) || php_is_op(p, "--", 2)) {
			php_next(p);
			v = operand(p);
			v.kind = PHP_V_NONE;
			goto out;
		}
		if (php_take(p, '('))
			v = parens(p);
		else if (php_take(p, '['))
			v = list(p, ']');
		else if (php_take(p, '$'))
			v = variable_variable(p, t.from);
		else
			p->bad = true;
		break;
	default:
		p->bad = true;
	}
	v = postfix(p, v, t.from);
out:
	php_leave(p);
	return p->bad ? (struct php_value){0} : v;
}

// ---- operators -----------------------------------------------------------------------------------

static bool is_binary(const struct php *p)
{
	static const char *const words[] = {"and", "or", "xor", "instanceof"};

	if (p->tok.kind == PHP_T_NAME) {
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			if (php_is_word(p, words[i]))
				return true;
		return false;
	}
	if (p->tok.kind != PHP_T_OP)
		return false;
	if (p->tok.len == 1)
		return memchr("+-*/%.^&|<>", p->tok.sign, 11) != NULL;
	return p->tok.p[p->tok.len - 1] != '=' || p->tok.sign == '<' || p->tok.sign == '>' ||
			       p->tok.sign == '!' || (p->tok.sign == '=' && p->tok.p[1] == '=')
		       ? !php_is_op(p, "=>", 2) && !php_is_op(p, "++", 2) &&
				 !php_is_op(p, "--", 2) && !php_is_op(p, "...", 3) &&
				 !php_is_op(p, "::", 2) && !php_is_op(p, "->", 2) &&
				 !php_is_op(p, "?->", 3)
		       : false;
}

static bool is_assignment(const struct php *p)
{
	return p->tok.kind == PHP_T_OP && p->tok.p[p->tok.len - 1] == '=' &&
	       (p->tok.len == 1 || (memchr("+-*/.%&|^?", p->tok.sign, 10) != NULL) ||
		(p->tok.len == 3 && (p->tok.sign == '<' || p->tok.sign == '>')));
}

// os.system( and a.b().exec( are no texts put together: other languages have members there.
static bool is_member_dot(const struct php *p, const struct php_value *left)
{
	return php_is(p, '.') && !p->tok.blank && p->tok.to < p->lex.len &&
	       php_is_name_start(p->lex.p[p->tok.to]) &&
	       (left->kind == PHP_V_BARE || left->kind == PHP_V_NONE) &&
	       (left->how & PHP_HOW_PAREN) == 0;
}

struct php_value php_rest(struct php *p, struct php_value v)
{
	struct php_value r;

	while (!p->bad) {
		if (php_take(p, '?')) {
			struct php_value a = v;

			if (!php_is(p, ':'))
				a = php_expr(p);
			if (!php_take(p, ':')) {
				p->bad |= p->tok.kind != PHP_T_END;
				return a;
			}
			r = php_expr(p);
			v = a.kind == PHP_V_TEXT ? a : r;
			v.taint = a.taint | r.taint;
		} else if (is_binary(p)) {
			bool dot = php_is(p, '.'), hat = php_is(p, '^');
			bool compare =
				!dot && !hat && p->tok.kind == PHP_T_OP && !php_is_op(p, "?\?", 2);

			p->member = is_member_dot(p, &v);
			php_next(p);
			if (p->tok.kind == PHP_T_END)
				return v; // "abc" . : the rest is the application's
			r = operand(p);
			p->member = false;
			if (is_assignment(p)) { // a . b = c
				php_next(p);
				r = php_expr(p);
			}
			if (dot)
				v = php_join(p, v, r);
			else if (hat)
				v = xored(p, v, r);
			else
				v = (struct php_value){.kind = PHP_V_NONE,
						       .taint = compare ? 0 : v.taint | r.taint};
		} else {
			break;
		}
	}
	return v;
}

// Where an assignment goes: the variable that was read last, if it was one.
struct target {
	const uint8_t *name;
	size_t len;
	bool member, whole;
};

static struct target target_of(const struct php *p, const struct php_token *first)
{
	struct target t = {0};

	if (first->kind != PHP_T_VAR)
		return t;
	t.name = first->p;
	t.len = first->len;
	t.whole = p->last == first->to;
	if (t.whole)
		return t;
	// $this->x = .. : the member is what is remembered
	for (size_t i = first->to; i + 2 < p->last; i++)
		if (p->lex.p[i] == '-' && p->lex.p[i + 1] == '>' &&
		    php_is_name_start(p->lex.p[i + 2])) {
			size_t k = i + 2;

			while (k < p->last && php_is_name(p->lex.p[k]))
				k++;
			t.name = p->lex.p + i + 2;
			t.len = k - i - 2;
			t.member = true;
			t.whole = k == p->last;
			break;
		}
	return t;
}

static bool can_be_assigned(const struct php_token *first)
{
	return first->kind == PHP_T_VAR ||
	       (first->kind == PHP_T_OP && (first->sign == '$' || first->sign == '[' ||
					    first->sign == '@' || first->sign == '!')) ||
	       (first->kind == PHP_T_NAME && (php_text_is(first->p, first->len, "list") ||
					      first->p[first->len] == ':')); // self::$x
}

static void assign(struct php *p, const struct target *t, struct php_value old, bool join,
		   struct php_value v)
{
	if (t->name == NULL)
		return;
	if (join)
		v = php_join(p, old, v);
	if (!t->whole) { // an element of it
		old = php_get(p, t->name, t->len, t->member);
		v.taint |= old.taint & ~(t->name[0] == '_' ? PHP_TAINT_USER : 0);
		if (v.kind == PHP_V_TEXT)
			v.how |= PHP_HOW_LIST;
	}
	if (v.kind == PHP_V_BARE)
		v.kind = PHP_V_TEXT;
	php_set(p, t->name, t->len, t->member, v);
}

struct php_value php_expr(struct php *p)
{
	struct php_token first = p->tok;
	struct php_value v, r;

	if (!php_enter(p)) {
		php_leave(p);
		return (struct php_value){0};
	}
	v = operand(p);
	if (!p->bad && is_assignment(p) && !can_be_assigned(&first)) {
		p->bad = true;
	} else if (!p->bad && is_assignment(p)) {
		struct target t = target_of(p, &first);
		bool join = php_is_op(p, ".=", 2);

		php_note(p, PHP_OP_CODE, first.from);
		php_next(p);
		php_take(p, '&');
		r = php_expr(p);
		if (!p->bad) {
			assign(p, &t, v, join, r);
			if (first.kind == PHP_T_OP && (first.sign == '[' || first.sign == '$'))
				p->all_user |=
					(r.taint & PHP_TAINT_USER) != 0 && r.kind == PHP_V_VAR;
		}
		v = r;
	} else {
		v = php_rest(p, v);
	}
	php_leave(p);
	return v;
}
