// SPDX-License-Identifier: BSD-3-Clause
//
// What variables hold: constant texts, and what came from the caller. Functions have variables of their own;
// a member of an object is the same for all objects.

#include "dataplane/inspect/php/parse.h"

#include <string.h>

static const struct {
	const char *name;
	uint8_t len, taint;
} supers[] = {
	{"_GET", 4, PHP_TAINT_USER},
	{"_POST", 5, PHP_TAINT_USER},
	{"_REQUEST", 8, PHP_TAINT_USER},
	{"_COOKIE", 7, PHP_TAINT_USER},
	{"_FILES", 6, PHP_TAINT_USER},
	{"_SERVER", 7, PHP_TAINT_SERVER},
	{"_ENV", 4, 0},
	{"_SESSION", 8, 0},
	{"GLOBALS", 7, PHP_TAINT_GLOBALS},
	{"HTTP_RAW_POST_DATA", 18, PHP_TAINT_USER},
	{"HTTP_GET_VARS", 13, PHP_TAINT_USER},
	{"HTTP_POST_VARS", 14, PHP_TAINT_USER},
	{"HTTP_COOKIE_VARS", 16, PHP_TAINT_USER},
	{"HTTP_POST_FILES", 15, PHP_TAINT_USER},
	{"HTTP_SERVER_VARS", 16, PHP_TAINT_SERVER},
};

static int super_of(const uint8_t *name, size_t len)
{
	if (len < 4 || (name[0] != '_' && name[0] != 'H' && name[0] != 'G'))
		return -1;
	for (size_t i = 0; i < sizeof(supers) / sizeof(supers[0]); i++)
		if (supers[i].len == len && memcmp(supers[i].name, name, len) == 0)
			return (int)i;
	return -1;
}

bool php_is_super(const uint8_t *name, size_t len)
{
	return super_of(name, len) >= 0;
}

static struct php_var *find(struct php *p, const uint8_t *name, size_t len, bool member)
{
	for (unsigned i = 0; i < p->vars; i++) {
		struct php_var *v = &p->var[i];

		if (v->len == len && v->member == member && (member || v->scope == p->scope) &&
		    memcmp(v->name, name, len) == 0)
			return v;
	}
	return NULL;
}

struct php_value php_get(struct php *p, const uint8_t *name, size_t len, bool member)
{
	int i = member ? -1 : super_of(name, len);
	struct php_value v;
	struct php_var *var;

	if (i >= 0)
		return (struct php_value){.kind = PHP_V_VAR, .taint = supers[i].taint};
	var = find(p, name, len, member);
	v = var != NULL ? var->value : (struct php_value){.kind = PHP_V_VAR};
	if (var == NULL && p->all_user && !member)
		v.taint = PHP_TAINT_USER;
	if (v.kind != PHP_V_TEXT && v.kind != PHP_V_CLOSURE)
		v.kind = PHP_V_VAR;
	return v;
}

void php_set(struct php *p, const uint8_t *name, size_t len, bool member, struct php_value v)
{
	struct php_var *var;

	if (!member && super_of(name, len) >= 0)
		return;
	var = find(p, name, len, member);
	if (var == NULL && p->vars < PHP_VARS)
		var = &p->var[p->vars++];
	if (var == NULL) { // no room: the oldest of another function, or any
		var = &p->var[p->vars - 1];
		for (unsigned i = 0; i < p->vars; i++)
			if (p->var[i].scope != p->scope && p->var[i].scope != 0)
				var = &p->var[i];
	}
	*var = (struct php_var){
		.name = name, .len = len, .scope = p->scope, .member = member, .value = v};
}

// Of $_SERVER: the request's own lines. The rest is the server's.
static uint8_t server_taint(const struct php_value *key)
{
	static const char *const callers[] = {"query_string",   "request_uri", "path_info",
					      "php_auth_user",  "php_auth_pw", "php_auth_digest",
					      "request_method", "argv"};

	if (key->kind != PHP_V_TEXT && key->kind != PHP_V_BARE)
		return 0;
	if (key->n > 5 && php_text_is(key->s, 5, "http_"))
		return php_text_is(key->s, key->n, "http_host") ? 0 : PHP_TAINT_USER;
	for (size_t i = 0; i < sizeof(callers) / sizeof(callers[0]); i++)
		if (php_text_is(key->s, key->n, callers[i]))
			return PHP_TAINT_USER;
	return 0;
}

struct php_value php_element(struct php *p, struct php_value v, struct php_value key)
{
	if ((v.taint & PHP_TAINT_GLOBALS) != 0 &&
	    (key.kind == PHP_V_TEXT || key.kind == PHP_V_BARE)) {
		uint16_t scope = p->scope;

		p->scope = 0;
		v = php_get(p, key.s, key.n, false);
		p->scope = scope;
		return v;
	}
	if ((v.taint & PHP_TAINT_SERVER) != 0)
		v.taint = server_taint(&key);
	return (struct php_value){.kind = v.kind == PHP_V_VAR ? PHP_V_VAR : PHP_V_NONE,
				  .taint = v.taint,
				  .how = v.how & PHP_HOW_DECODED};
}

struct php_own *php_own_find(struct php *p, const uint8_t *name, size_t len)
{
	for (unsigned i = 0; i < p->owns; i++)
		if (p->own[i].len == len && memcmp(p->own[i].name, name, len) == 0)
			return &p->own[i];
	return NULL;
}
