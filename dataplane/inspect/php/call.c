// SPDX-License-Identifier: BSD-3-Clause
//
// What a call does: by the function's name, its arguments, and where these came from.

#include "dataplane/inspect/php/parse.h"

#include "dataplane/inspect/shell/shell_priv.h"

#include <string.h>

// What the caller sent reaches a sink. In a function it may be a parameter that does: whoever calls it
// with what was sent is told then.
void php_sink(struct php *p, uint8_t taint, uint32_t flow, size_t at)
{
	if ((taint & PHP_TAINT_USER) != 0)
		php_note(p, flow, at);
	if ((taint & PHP_TAINT_PARAM) != 0 && p->in_own >= 0)
		p->own[p->in_own].sinks |= flow;
}

static bool is_text(const struct php_value *v)
{
	return v->kind == PHP_V_TEXT || v->kind == PHP_V_BARE;
}

// ---- code ----------------------------------------------------------------------------------------

// Constant text that is run: read as code, in a parser that goes on from here.
static void run_text(struct php *p, const uint8_t *s, size_t n)
{
	struct php_lex lex = p->lex;
	struct php_token tok = p->tok;
	size_t last = p->last;
	bool bad = p->bad;
	unsigned statements = p->statements;

	if (p->code_depth >= PHP_CODE_DEPTH)
		return;
	p->code_depth++;
	if (php_enter(p)) {
		p->lex.tokens += 1;
		php_code(p, s, n);
		if (p->tok.kind == PHP_T_CLOSE) // eval("?><?php ..")
			php_file(p, p->lex.p + p->lex.at, p->lex.len - p->lex.at);
		lex.tokens = p->lex.tokens;
	}
	php_leave(p);
	p->code_depth--;
	p->lex = lex;
	p->tok = tok;
	p->last = last;
	p->bad = bad;
	p->statements = statements;
}

void php_eval(struct php *p, struct php_value v, size_t at)
{
	bool bare = v.kind == PHP_V_BARE || v.kind == PHP_V_NUMBER;

	php_note(p, bare ? PHP_OP_EVAL_BARE : PHP_OP_EVAL, at);
	php_sink(p, v.taint, PHP_OP_FLOW_EVAL, at);
	if ((v.how & PHP_HOW_DECODED) != 0)
		php_note(p, PHP_OP_DECODED, at);
	if (v.kind == PHP_V_TEXT)
		run_text(p, v.s, v.n);
}

void php_include(struct php *p, struct php_value v, size_t at)
{
	if (v.kind == PHP_V_BARE)
		return;
	if (v.kind == PHP_V_TEXT && v.n > 4 && memchr(v.s, ':', v.n < 16 ? v.n : 16) != NULL)
		php_note(p, PHP_OP_READ, at); // a stream
	php_note(p, PHP_OP_INCLUDE, at);
	if ((v.how & PHP_HOW_PREFIX) == 0)
		php_sink(p, v.taint, PHP_OP_FLOW_INCLUDE, at);
	if (v.kind == PHP_V_TEXT && php_text_is(v.s, v.n, "php://input"))
		php_note(p, PHP_OP_FLOW_EVAL, at);
}

void php_backtick(struct php *p, const struct php_token *t)
{
	struct php_token text = *t;
	enum shell_strength strength = SHELL_NONE;
	struct sh_command c;
	struct php_value v;

	text.kind = PHP_T_DOUBLE;
	v = php_text(p, &text);
	if (t->len == 0)
		return;
	// Markdown has words in backticks, a shell's command is one by its own grammar
	if (sh_command(&(struct sh){.p = t->p, .len = t->len}, &c))
		strength = shell_judge(&c).strength;
	if (strength != SHELL_NONE)
		php_note(p, strength > SHELL_WEAK ? PHP_OP_RUN : PHP_OP_RUN_BARE, t->from);
	php_sink(p, v.taint, PHP_OP_FLOW_RUN, t->from);
}

// ---- functions of PHP ----------------------------------------------------------------------------

// The pattern of preg_replace() has the modifier e: what comes out is run.
static bool has_modifier_e(const struct php_value *v)
{
	static const char open[] = "([{<", shut[] = ")]}>";
	const char *q;
	uint8_t end;
	size_t i;

	if (!is_text(v) || v->n < 3)
		return false;
	q = memchr(open, v->s[0], 4);
	end = q != NULL ? (uint8_t)shut[q - open] : v->s[0];
	for (i = v->n - 1; i > 0 && v->s[i] != end; i--)
		;
	return i > 0 && memchr(v->s + i, 'e', v->n - i) != NULL;
}

static bool is_named(const struct php_function *f, const char *name)
{
	return strcmp(f->name, name) == 0;
}

static void regex(struct php *p, const struct php_function *f, const struct php_args *a, size_t at)
{
	bool mb = f->name[0] == 'm' && a->count > 3 && is_text(&a->v[3]) && a->v[3].n > 0 &&
		  memchr(a->v[3].s, 'e', a->v[3].n) != NULL;

	if (a->count < 2)
		return;
	php_sink(p, a->v[0].taint, PHP_OP_FLOW_EVAL, at);
	if (!mb && !has_modifier_e(&a->v[0]))
		return;
	for (unsigned i = 1; i < a->count && i < 3; i++)
		if (i == 1 || a->v[i].taint != 0)
			php_eval(p, a->v[i], at);
}

static bool takes_function_first(const struct php_function *f)
{
	return strncmp(f->name, "call_", 5) == 0 || is_named(f, "array_map") ||
	       strncmp(f->name, "register_", 9) == 0 || strncmp(f->name, "forward_", 8) == 0 ||
	       is_named(f, "ob_start") || strncmp(f->name, "set_", 4) == 0 ||
	       strncmp(f->name, "spl_", 4) == 0 || is_named(f, "header_register_callback");
}

static bool is_grave(const struct php_function *f)
{
	return f != NULL && (f->kind == PHP_RUN || f->kind == PHP_EVAL || f->kind == PHP_INFO ||
			     f->kind == PHP_CALLBACK || f->kind == PHP_REGEX);
}

// A function that is given the name of another.
static void callback(struct php *p, const struct php_function *f, const struct php_args *a,
		     size_t at)
{
	unsigned from = takes_function_first(f) ? 0 : 1, to = from == 0 ? 1 : a->count;

	if (is_named(f, "filter_var") || is_named(f, "filter_var_array"))
		from = 2;
	for (unsigned i = from; i < a->count && i < to; i++) {
		const struct php_value *v = &a->v[i];
		const struct php_function *g = is_text(v) ? php_function_find(v->s, v->n) : NULL;
		uint8_t taint = 0;

		for (unsigned k = 0; k < a->count; k++)
			taint |= k != i ? a->v[k].taint : 0;
		if (v->kind == PHP_V_VAR)
			php_sink(p, v->taint, PHP_OP_FLOW_CALL, at);
		if (!is_grave(g))
			continue;
		php_note(p, PHP_OP_NAME_CALL, at);
		if ((v->how & PHP_HOW_PIECES) != 0)
			php_note(p, PHP_OP_HIDDEN, at);
		php_sink(p, taint, PHP_OP_FLOW_CALL, at);
	}
}

static bool is_code_name(const struct php_value *v)
{
	static const char *const endings[] = {".php",  ".php3",     ".php4",     ".php5", ".phtml",
					      ".phar", ".inc",      ".jsp",      ".jspx", ".asp",
					      ".aspx", ".htaccess", ".user.ini", ".pht",  ".php7"};

	if (!is_text(v))
		return false;
	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		size_t n = strlen(endings[i]);

		if (v->n >= n && php_text_is(v->s + v->n - n, n, endings[i]))
			return true;
	}
	return false;
}

static bool has_tag(const struct php_value *v)
{
	if (!is_text(v))
		return false;
	for (size_t i = 0; i + 2 < v->n; i++)
		if (v->s[i] == '<' && (v->s[i + 1] == '?' || v->s[i + 1] == '%'))
			return true;
	return false;
}

static void writes(struct php *p, const struct php_function *f, const struct php_args *a, size_t at)
{
	bool puts = is_named(f, "file_put_contents");

	php_note(p, a->real && (f->only || a->count > 1) ? PHP_OP_WRITE : PHP_OP_SHARED_BARE, at);
	if (a->count < 2)
		return;
	if (puts &&
	    (has_tag(&a->v[1]) || (is_code_name(&a->v[0]) && (a->v[1].how & PHP_HOW_DECODED) != 0)))
		php_note(p, PHP_OP_DROP, at);
	if ((is_named(f, "fwrite") || is_named(f, "fputs")) && has_tag(&a->v[1]))
		php_note(p, PHP_OP_DROP, at);
	if (!puts && !is_named(f, "copy") && !is_named(f, "fwrite") && !is_named(f, "fputs"))
		return;
	if (puts && is_code_name(&a->v[0]))
		php_sink(p, a->v[1].taint, PHP_OP_FLOW_WRITE, at);
	else if (puts || is_named(f, "copy"))
		php_sink(p, a->v[0].taint & a->v[1].taint, PHP_OP_FLOW_WRITE, at);
}

static void runs(struct php *p, const struct php_args *a, size_t at)
{
	php_note(p, a->real ? PHP_OP_RUN : PHP_OP_RUN_BARE, at);
	if (a->count > 0)
		php_sink(p, a->taint, PHP_OP_FLOW_RUN, at);
}

// assert() and create_function(): only text is run.
static void evaluates(struct php *p, const struct php_function *f, const struct php_args *a,
		      size_t at)
{
	unsigned i = is_named(f, "create_function") ? 1 : 0;

	if (i == 1 && a->count == 2 && (a->v[0].taint & PHP_TAINT_USER) != 0)
		php_note(p, PHP_OP_FLOW_EVAL, at);
	if (i < a->count && (i == 1 || a->v[i].kind == PHP_V_TEXT || a->v[i].kind == PHP_V_CALL ||
			     a->v[i].taint != 0 || (a->v[i].how & PHP_HOW_DECODED) != 0))
		php_eval(p, a->v[i], at);
	else
		php_note(p, i == 1 ? PHP_OP_EVAL_BARE : PHP_OP_SHARED_BARE, at);
}

static uint32_t plain_op(const struct php_function *f, const struct php_args *a)
{
	if (f->only)
		return f->kind == PHP_PRINT && a->count > 0 ? PHP_OP_PRINT | PHP_OP_FUNCTION
							    : PHP_OP_FUNCTION;
	return a->real ? PHP_OP_SHARED : PHP_OP_SHARED_BARE;
}

// print(max(1, 2)) is a program of Python as well.
static bool is_pythons(const struct php_function *f)
{
	static const char *const names[] = {
		"abs",   "chr",   "exit", "hash",  "max",  "min", "next", "ord",  "pow",  "print",
		"range", "round", "exec", "split", "pack", "log", "exp",  "sqrt", "join", "sin"};

	for (size_t i = 0; !f->only && i < sizeof(names) / sizeof(names[0]); i++)
		if (is_named(f, names[i]))
			return true;
	return false;
}

static struct php_value result(struct php *p, const struct php_function *f,
			       const struct php_args *a)
{
	struct php_value v = php_result(p, f, a);

	if (v.kind == PHP_V_NONE)
		v = (struct php_value){.kind = is_pythons(f) ? PHP_V_NONE : PHP_V_CALL,
				       .taint = a->taint};
	if (f->kind == PHP_CLEAN)
		v.taint = 0;
	else if (f->kind == PHP_SOURCE)
		v.taint |= PHP_TAINT_USER;
	else if (f->kind == PHP_DECODE)
		v.how |= PHP_HOW_DECODED;
	else if (f->kind == PHP_TEXT && a->count > 0)
		v.how |= a->v[0].how & PHP_HOW_DECODED;
	if ((f->kind == PHP_READ || f->kind == PHP_OPEN) && a->count > 0) {
		// the content of a file the caller names is not the caller's, but php://input is
		v.taint = is_text(&a->v[0]) && php_text_is(a->v[0].s, a->v[0].n, "php://input")
				  ? PHP_TAINT_USER
				  : a->v[0].taint;
		if (f->kind == PHP_OPEN && v.taint == 0)
			v.taint = 0;
	}
	return v;
}

static struct php_value call_function(struct php *p, const struct php_function *f,
				      const struct php_args *a, size_t at, uint8_t how)
{
	if ((how & PHP_HOW_PIECES) != 0)
		php_note(p, PHP_OP_HIDDEN, at);
	if (a->nested)
		php_note(p, PHP_OP_NESTED, at);
	switch (f->kind) {
	case PHP_RUN:
		runs(p, a, at);
		break;
	case PHP_EVAL:
		evaluates(p, f, a, at);
		break;
	case PHP_REGEX:
		php_note(p, plain_op(f, a), at);
		regex(p, f, a, at);
		break;
	case PHP_CALLBACK:
		php_note(p, plain_op(f, a), at);
		callback(p, f, a, at);
		break;
	case PHP_WRITE:
		writes(p, f, a, at);
		break;
	case PHP_OPEN:
		php_note(p, a->real && (f->only || a->count > 1) ? PHP_OP_READ : plain_op(f, a),
			 at);
		break;
	case PHP_READ:
		php_note(p, a->real && f->only ? PHP_OP_READ : plain_op(f, a), at);
		break;
	case PHP_INFO:
		php_note(p, f->only ? PHP_OP_INFO : plain_op(f, a), at);
		break;
	default:
		php_note(p, plain_op(f, a), at);
		if (is_named(f, "extract") || is_named(f, "parse_str"))
			p->all_user |= (a->taint & PHP_TAINT_USER) != 0 ||
				       (a->count == 1 && f->kind == PHP_SOURCE &&
					(a->taint & PHP_TAINT_SERVER) != 0);
	}
	return result(p, f, a);
}

// ---- any call ------------------------------------------------------------------------------------

struct php_value php_call(struct php *p, const uint8_t *name, size_t len, const struct php_args *a,
			  size_t at, uint8_t how)
{
	const struct php_function *f =
		(how & PHP_HOW_OBJECT) == 0 ? php_function_find(name, len) : NULL;
	struct php_own *own;

	if (f != NULL)
		return call_function(p, f, a, at, how);
	own = php_own_find(p, name, len);
	if (own != NULL) {
		if ((a->taint & PHP_TAINT_USER) != 0)
			php_note(p, own->sinks, at);
		if ((a->taint & PHP_TAINT_PARAM) != 0 && p->in_own >= 0)
			p->own[p->in_own].sinks |= own->sinks;
		return (struct php_value){
			.taint = own->gives & PHP_TAINT_PARAM ? own->gives | a->taint : own->gives};
	}
	return (struct php_value){.taint = a->taint};
}

// Functions whose call by a text is telling: who has no wish to hide writes the name.
static uint32_t name_op(const struct php_function *f, const struct php_value *callee)
{
	if (is_grave(f) || f->kind == PHP_WRITE || f->kind == PHP_READ || f->kind == PHP_OPEN)
		return PHP_OP_NAME_CALL;
	return (callee->how & PHP_HOW_PIECES) != 0 ? PHP_OP_HIDDEN : 0;
}

struct php_value php_call_value(struct php *p, struct php_value callee, const struct php_args *a,
				size_t at)
{
	const struct php_function *f;

	if (is_text(&callee)) {
		f = php_function_find(callee.s, callee.n);
		if (f != NULL) {
			php_note(p, name_op(f, &callee), at);
			return call_function(p, f, a, at, callee.how);
		}
		return php_call(p, callee.s, callee.n, a, at, 0);
	}
	if (callee.kind == PHP_V_CLOSURE || (callee.kind == PHP_V_NONE && callee.taint == 0))
		return (struct php_value){.taint = a->taint};
	php_note(p, PHP_OP_VAR_CALL, at);
	php_sink(p, callee.taint, PHP_OP_FLOW_CALL, at);
	if ((callee.how & (PHP_HOW_DECODED | PHP_HOW_PIECES)) != 0) {
		php_note(p, PHP_OP_HIDDEN, at);
		php_sink(p, a->taint, PHP_OP_FLOW_CALL, at);
	} else {
		php_sink(p, a->taint, PHP_OP_FLOW_ARG, at);
	}
	return (struct php_value){.taint = a->taint};
}
