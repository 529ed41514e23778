// SPDX-License-Identifier: BSD-3-Clause
//
// Texts of PHP: escapes, what stands in them for variables, and the results of functions whose arguments
// are constant.

#include "dataplane/inspect/php/parse.h"

#include "dataplane/inspect/decode/decode.h"

#include <string.h>

#define TEXT_MAX (64 << 10) // bytes of a constant text

uint8_t *php_room(struct php *p, size_t n)
{
	uint8_t *out = p->room + p->room_used;

	if (p->room == NULL || n > TEXT_MAX || n > p->room_len - p->room_used)
		return NULL;
	p->room_used += n;
	return out;
}

// The last text was taken to be n bytes long, and is len.
static void shrink(struct php *p, size_t n, size_t len)
{
	p->room_used -= n - len;
}

// ---- escapes -------------------------------------------------------------------------------------

static size_t octal(const uint8_t *s, size_t left, uint8_t *out)
{
	unsigned v = 0;
	size_t i = 0;

	for (; i < 3 && i < left && s[i] >= '0' && s[i] <= '7'; i++)
		v = v * 8 + s[i] - '0';
	*out = (uint8_t)v;
	return i;
}

static size_t code_point(const uint8_t *s, size_t left, uint8_t *out, size_t *n)
{
	uint32_t v = 0;
	size_t i = 2;

	for (; i < left && i < 9 && decode_digit[s[i]] >= 0; i++)
		v = v * 16 + (uint32_t)decode_digit[s[i]];
	if (i == 2 || i >= left || s[i] != '}' || v > 0x10ffff)
		return 0;
	*n += decode_utf8(v, out);
	return i + 1;
}

// One escape of a double-quoted text behind its backslash. Returns how many bytes it takes.
static size_t escape(const uint8_t *s, size_t left, uint8_t *out, size_t *n, bool *odd)
{
	static const char from[] = "nrtvef\\$\"", to[] = "\n\r\t\v\x1b\f\\$\"";
	const char *q = memchr(from, s[0], sizeof(from) - 1);
	size_t used;

	if (q != NULL) {
		out[(*n)++] = (uint8_t)to[q - from];
		return 1;
	}
	if (s[0] >= '0' && s[0] <= '7') {
		*odd = true;
		return octal(s, left, &out[(*n)++]);
	}
	if (s[0] == 'x' && left > 1 && decode_digit[s[1]] >= 0) {
		bool two = left > 2 && decode_digit[s[2]] >= 0;
		int v = two ? decode_digit[s[1]] * 16 + decode_digit[s[2]] : decode_digit[s[1]];

		*odd = true;
		out[(*n)++] = (uint8_t)v;
		return two ? 3 : 2;
	}
	if (s[0] == 'u' && left > 2 && s[1] == '{' &&
	    (used = code_point(s, left, out + *n, n)) > 0) {
		*odd = true;
		return used;
	}
	out[(*n)++] = '\\';
	return 0;
}

// ---- interpolation -------------------------------------------------------------------------------

// An expression in a text, from s on; *used: bytes that it took.
static struct php_value within(struct php *p, const uint8_t *s, size_t left, size_t *used)
{
	struct php_lex lex = p->lex;
	struct php_token tok = p->tok;
	struct php_value v = {0};
	size_t last = p->last;
	bool bad = p->bad;

	if (php_enter(p)) {
		p->lex = (struct php_lex){.p = s, .len = left, .tokens = lex.tokens};
		php_next(p);
		v = php_expr(p);
		*used = p->bad ? 1 : p->tok.from;
		lex.tokens = p->lex.tokens;
	} else {
		*used = 1;
	}
	php_leave(p);
	p->lex = lex;
	p->tok = tok;
	p->last = last;
	p->bad = bad;
	return v;
}

// $name of a text, with [..] or ->name behind it as far as the simple syntax goes.
static struct php_value simple(struct php *p, const uint8_t *s, size_t left, size_t *used)
{
	struct php_value v;
	size_t i = 1;

	while (i < left && php_is_name(s[i]))
		i++;
	v = php_get(p, s + 1, i - 1, false);
	if (i < left && s[i] == '[') {
		while (i < left && s[i] != ']' && s[i] != '"')
			i++;
		i += i < left && s[i] == ']';
		v.kind = PHP_V_VAR;
	}
	*used = i;
	return v;
}

static struct php_value interpolated(struct php *p, const uint8_t *s, size_t left, size_t *used)
{
	struct php_value v;

	if (s[0] == '$' && s[1] != '{')
		return simple(p, s, left, used);
	v = within(p, s[0] == '{' ? s + 1 : s, s[0] == '{' ? left - 1 : left, used);
	if (s[0] == '{') { // the brace that ends it
		*used += 1;
		*used += *used < left && s[*used] == '}';
	}
	return v;
}

static bool begins_variable(const uint8_t *s, size_t left)
{
	if (left < 2)
		return false;
	return (s[0] == '$' && (s[1] == '{' || php_is_name_start(s[1]))) ||
	       (s[0] == '{' && s[1] == '$');
}

static struct php_value double_text(struct php *p, const uint8_t *s, size_t len)
{
	struct php_value v = {.kind = PHP_V_TEXT}, part;
	uint8_t *out = php_room(p, len + 4);
	size_t n = 0, used;
	bool odd = false;

	for (size_t i = 0; i < len;) {
		if (s[i] == '\\' && i + 1 < len) {
			uint8_t plain[8];
			size_t m = 0;

			i++;
			i += escape(s + i, len - i, out != NULL ? out + n : plain,
				    out != NULL ? &n : &m, &odd);
		} else if (begins_variable(s + i, len - i)) {
			part = interpolated(p, s + i, len - i, &used);
			v.taint |= part.taint;
			if (part.kind == PHP_V_TEXT && out != NULL && part.n <= used) {
				memcpy(out + n, part.s, part.n);
				n += part.n;
				odd = true;
			} else if (i == 0) {
				v.kind = PHP_V_VAR;
			} else if (v.kind == PHP_V_TEXT) {
				v.kind = PHP_V_NONE;
				v.how |= PHP_HOW_PREFIX;
			}
			i += used;
		} else {
			if (out != NULL)
				out[n++] = s[i];
			i++;
		}
	}
	if (out == NULL)
		return (struct php_value){.kind = v.kind == PHP_V_TEXT ? PHP_V_NONE : v.kind,
					  .taint = v.taint};
	shrink(p, len + 4, n);
	if (v.kind == PHP_V_TEXT) {
		v.s = out;
		v.n = n;
		v.how = odd ? PHP_HOW_PIECES : 0;
	}
	return v;
}

struct php_value php_text(struct php *p, const struct php_token *t)
{
	const uint8_t *s = t->p;
	uint8_t *out;
	size_t n = 0;

	if (t->kind == PHP_T_DOUBLE &&
	    (memchr(s, '\\', t->len) != NULL || memchr(s, '$', t->len) != NULL))
		return double_text(p, s, t->len);
	if (t->kind == PHP_T_SINGLE && memchr(s, '\\', t->len) != NULL &&
	    (out = php_room(p, t->len)) != NULL) {
		for (size_t i = 0; i < t->len; i++) {
			if (s[i] == '\\' && i + 1 < t->len &&
			    (s[i + 1] == '\\' || s[i + 1] == '\''))
				i++;
			out[n++] = s[i];
		}
		shrink(p, t->len, n);
		return (struct php_value){.kind = PHP_V_TEXT, .s = out, .n = n};
	}
	return (struct php_value){.kind = PHP_V_TEXT, .s = s, .n = t->len};
}

// ---- constant results ----------------------------------------------------------------------------

static unsigned number_of(const struct php_value *v)
{
	unsigned n = 0;

	for (size_t i = 0; i < v->n && i < 8; i++) {
		if (v->s[0] == '0' && v->n > 2 && (v->s[1] | 0x20) == 'x') {
			if (i > 1 && decode_digit[v->s[i]] >= 0)
				n = n * 16 + (unsigned)decode_digit[v->s[i]];
		} else if (v->s[i] >= '0' && v->s[i] <= '9') {
			n = n * (v->s[0] == '0' ? 8 : 10) + v->s[i] - '0';
		} else {
			break;
		}
	}
	return n;
}

static struct php_value made(uint8_t *out, size_t n, uint8_t how)
{
	return (struct php_value){.kind = PHP_V_TEXT, .s = out, .n = n, .how = how};
}

static struct php_value rot13(struct php *p, const struct php_value *v)
{
	uint8_t *out = php_room(p, v->n);

	if (out == NULL)
		return (struct php_value){0};
	for (size_t i = 0; i < v->n; i++) {
		uint8_t c = v->s[i], l = c | 0x20;

		out[i] = l >= 'a' && l <= 'z' ? (uint8_t)(c + (l < 'n' ? 13 : -13)) : c;
	}
	return made(out, v->n, PHP_HOW_DECODED | PHP_HOW_PIECES);
}

static struct php_value reversed(struct php *p, const struct php_value *v)
{
	uint8_t *out = php_room(p, v->n);

	if (out == NULL)
		return (struct php_value){0};
	for (size_t i = 0; i < v->n; i++)
		out[i] = v->s[v->n - 1 - i];
	return made(out, v->n, PHP_HOW_PIECES);
}

static struct php_value unhex(struct php *p, const struct php_value *v)
{
	uint8_t *out = php_room(p, v->n / 2 + 1);
	size_t n = 0;

	if (out == NULL)
		return (struct php_value){0};
	for (size_t i = 0;
	     i + 1 < v->n && decode_digit[v->s[i]] >= 0 && decode_digit[v->s[i + 1]] >= 0; i += 2)
		out[n++] = (uint8_t)(decode_digit[v->s[i]] * 16 + decode_digit[v->s[i + 1]]);
	return made(out, n, PHP_HOW_DECODED | PHP_HOW_PIECES);
}

static struct php_value unbase64(struct php *p, const struct php_value *v)
{
	uint8_t *out = php_room(p, v->n + 4);
	size_t n = 0;

	if (out != NULL)
		n = decode_base64(v->s, v->n, out);
	if (n == 0)
		return (struct php_value){0};
	shrink(p, v->n + 4, n);
	return made(out, n, PHP_HOW_DECODED | PHP_HOW_PIECES);
}

// str_replace(what, by, in) of constants: "sXyXsXtXeXm"
static struct php_value replaced(struct php *p, const struct php_args *a)
{
	const struct php_value *what = &a->v[0], *by = &a->v[1], *in = &a->v[2];
	uint8_t *out;
	size_t n = 0, i = 0;

	if (what->n == 0 || by->n > what->n || (out = php_room(p, in->n)) == NULL)
		return (struct php_value){0};
	while (i < in->n) {
		if (in->n - i >= what->n && memcmp(in->s + i, what->s, what->n) == 0) {
			memcpy(out + n, by->s, by->n);
			n += by->n;
			i += what->n;
		} else {
			out[n++] = in->s[i++];
		}
	}
	shrink(p, in->n, n);
	return made(out, n, PHP_HOW_PIECES);
}

static struct php_value unpercent(struct php *p, const struct php_value *v)
{
	uint8_t *out = php_room(p, v->n);

	if (out == NULL)
		return (struct php_value){0};
	return made(out, decode_percent(v->s, v->n, true, out), PHP_HOW_DECODED | PHP_HOW_PIECES);
}

static bool is_text(const struct php_value *v)
{
	return v->kind == PHP_V_TEXT || v->kind == PHP_V_BARE;
}

static bool is_named(const struct php_function *f, const char *name)
{
	return strcmp(f->name, name) == 0;
}

static struct php_value result_of(struct php *p, const struct php_function *f,
				  const struct php_args *a)
{
	const struct php_value *v = &a->v[0];
	uint8_t *out;

	if (is_named(f, "chr") && v->kind == PHP_V_NUMBER && (out = php_room(p, 1)) != NULL) {
		out[0] = (uint8_t)number_of(v);
		return made(out, 1, PHP_HOW_PIECES);
	}
	if (is_named(f, "pack") && a->count == 2 && is_text(v) && v->n > 0 &&
	    (v->s[0] | 0x20) == 'h')
		return is_text(&a->v[1]) ? unhex(p, &a->v[1]) : (struct php_value){0};
	if ((is_named(f, "str_replace") || is_named(f, "str_ireplace")) && a->count >= 3 &&
	    is_text(v) && is_text(&a->v[1]) && is_text(&a->v[2]))
		return replaced(p, a);
	if (!is_text(v))
		return (struct php_value){0};
	if (is_named(f, "base64_decode"))
		return unbase64(p, v);
	if (is_named(f, "str_rot13"))
		return rot13(p, v);
	if (is_named(f, "strrev"))
		return reversed(p, v);
	if (is_named(f, "hex2bin"))
		return unhex(p, v);
	if (is_named(f, "urldecode") || is_named(f, "rawurldecode"))
		return unpercent(p, v);
	if (is_named(f, "strtolower") || is_named(f, "strtoupper") || is_named(f, "ucfirst") ||
	    is_named(f, "trim") || is_named(f, "ltrim") || is_named(f, "rtrim") ||
	    is_named(f, "stripslashes") || is_named(f, "lcfirst"))
		return *v; // names of functions have no case
	return (struct php_value){0};
}

struct php_value php_result(struct php *p, const struct php_function *f, const struct php_args *a)
{
	if (a->count == 0 || (f->kind != PHP_DECODE && f->kind != PHP_TEXT))
		return (struct php_value){0};
	return result_of(p, f, a);
}
