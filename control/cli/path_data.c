// SPDX-License-Identifier: BSD-3-Clause
//
// path_data - paths to RFC 7951 JSON and back: values, edits, picking a node out of an answer.

#include "control/cli/path.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libyang/libyang.h>

#include "control/cli/schema.h"

// ---- values ----------------------------------------------------------------------------------

static const struct lysc_type *type_of(const struct lysc_node *n)
{
	return n->nodetype == LYS_LEAF ? ((const struct lysc_node_leaf *)n)->type
				       : ((const struct lysc_node_leaflist *)n)->type;
}

static const struct lysc_type *real_type(const struct lysc_type *t)
{
	while (t->basetype == LY_TYPE_LEAFREF)
		t = ((const struct lysc_type_leafref *)t)->realtype;
	return t;
}

static const struct lysc_ident *find_identity(const struct lysc_ident *base, const char *name)
{
	LY_ARRAY_COUNT_TYPE i;
	const struct lysc_ident *found;

	if (strcmp(base->name, name) == 0)
		return base;
	LY_ARRAY_FOR(base->derived, i)
	{
		found = find_identity(base->derived[i], name);
		if (found != NULL)
			return found;
	}
	return NULL;
}

// An identity named without its module: with it, malloc'ed; NULL: nothing to add.
static char *full_identity(const struct lysc_type *t, const char *text)
{
	const struct lysc_type_identityref *ir = (const struct lysc_type_identityref *)t;
	const struct lysc_ident *found = NULL;
	LY_ARRAY_COUNT_TYPE i;
	char *full = NULL;

	if (t->basetype != LY_TYPE_IDENT || strchr(text, ':') != NULL)
		return NULL;
	LY_ARRAY_FOR(ir->bases, i)
	{
		found = find_identity(ir->bases[i], text);
		if (found != NULL)
			break;
	}
	if (found != NULL && asprintf(&full, "%s:%s", found->module->name, found->name) < 0)
		full = NULL;
	return full;
}

static void add_choices(const struct lysc_type *t, char *error)
{
	size_t at = strlen(error);
	const char *between = " (";
	LY_ARRAY_COUNT_TYPE i;

	if (t->basetype == LY_TYPE_ENUM) {
		const struct lysc_type_enum *e = (const struct lysc_type_enum *)t;

		LY_ARRAY_FOR(e->enums, i)
		{
			int n = snprintf(error + at, PATH_ERROR - at, "%s%s", between,
					 e->enums[i].name);

			if (n < 0 || (size_t)n >= PATH_ERROR - at)
				return;
			at += (size_t)n;
			between = ", ";
		}
		snprintf(error + at, PATH_ERROR - at, ")");
	}
}

static json_t *number_value(const char *text)
{
	return json_integer(strtoll(text, NULL, 10));
}

static json_t *value_of_type(const struct lysc_type *t, const char *text)
{
	switch (real_type(t)->basetype) {
	case LY_TYPE_INT8:
	case LY_TYPE_INT16:
	case LY_TYPE_INT32:
	case LY_TYPE_UINT8:
	case LY_TYPE_UINT16:
	case LY_TYPE_UINT32:
		return number_value(text);
	case LY_TYPE_BOOL:
		return json_boolean(strcmp(text, "true") == 0);
	case LY_TYPE_EMPTY:
		return json_pack("[n]");
	default: // 64-bit numbers and decimals are strings, too (RFC 7951 section 6.1)
		return json_string(text);
	}
}

// What a number may be, as "1..100, 200": libyang's own words name neither the leaf nor the range.
// Returns: false where type is no number
static bool number_range(const struct lysc_type *t, char *out, size_t size)
{
	static const struct {
		int64_t min;
		uint64_t max;
	} natural[LY_DATA_TYPE_COUNT] = {
		[LY_TYPE_INT8] = {INT8_MIN, INT8_MAX},    [LY_TYPE_UINT8] = {0, UINT8_MAX},
		[LY_TYPE_INT16] = {INT16_MIN, INT16_MAX}, [LY_TYPE_UINT16] = {0, UINT16_MAX},
		[LY_TYPE_INT32] = {INT32_MIN, INT32_MAX}, [LY_TYPE_UINT32] = {0, UINT32_MAX},
		[LY_TYPE_INT64] = {INT64_MIN, INT64_MAX}, [LY_TYPE_UINT64] = {0, UINT64_MAX},
	};
	const struct lysc_range *range;
	LY_ARRAY_COUNT_TYPE i;
	size_t at = 0;

	if (natural[t->basetype].max == 0)
		return false;
	range = ((const struct lysc_type_num *)t)->range; // other types are shorter
	if (range == NULL) {
		snprintf(out, size, "%" PRId64 "..%" PRIu64, natural[t->basetype].min,
			 natural[t->basetype].max);
		return true;
	}
	LY_ARRAY_FOR(range->parts, i)
	{
		const char *comma = i == 0 ? "" : ", ";
		int n;

		if (natural[t->basetype].min < 0)
			n = snprintf(out + at, size - at, "%s%" PRId64 "..%" PRId64, comma,
				     range->parts[i].min_64, range->parts[i].max_64);
		else
			n = snprintf(out + at, size - at, "%s%" PRIu64 "..%" PRIu64, comma,
				     range->parts[i].min_u64, range->parts[i].max_u64);
		if (n < 0 || (size_t)n >= size - at)
			break;
		at += (size_t)n;
	}
	return true;
}

static void say_refused(const struct ly_ctx *ctx, const struct lysc_node *n, const char *text,
			char *error)
{
	const struct lysc_type *type = real_type(type_of(n));
	const char *why = ly_errmsg(ctx);
	char range[256];

	if (number_range(type, range, sizeof(range))) {
		snprintf(error, PATH_ERROR, "'%s' is no value of %s: allowed is %s (invalid-value)",
			 text, n->name, range);
		return;
	}
	snprintf(error, PATH_ERROR, "'%s' is no value of %s%s%s", text, n->name,
		 why != NULL ? ": " : "", why != NULL ? why : "");
	add_choices(type, error);
}

int path_value(const struct cli_schema *s, const struct cli_path *p, const char *text, json_t **out,
	       char *error)
{
	const struct lysc_node *n = path_end(p);
	const struct lysc_type *type = real_type(type_of(n)), *actual = NULL;
	char *full = full_identity(type, text);
	const char *value = full != NULL ? full : text, *canonical = NULL;
	LY_ERR rc;

	rc = lyd_value_validate(cli_schema_ctx(s), n, value, strlen(value), NULL, &actual,
				&canonical);
	if (rc != LY_SUCCESS && rc != LY_EINCOMPLETE) {
		say_refused(cli_schema_ctx(s), n, text, error);
		free(full);
		return -EINVAL;
	}
	if (type->basetype == LY_TYPE_UNION && actual != NULL)
		type = real_type(actual);
	if (type->basetype == LY_TYPE_UNION) // which member is not known: as it looks
		type = NULL;
	*out = type != NULL ? value_of_type(type, canonical != NULL ? canonical : value)
			    : json_string(value);
	if (canonical != NULL)
		lydict_remove(cli_schema_ctx(s), canonical);
	free(full);
	if (*out == NULL) {
		snprintf(error, PATH_ERROR, "'%s' is not valid UTF-8", text);
		return -EINVAL;
	}
	return 0;
}

// ---- edits -----------------------------------------------------------------------------------

static char *member_name(const struct lysc_node *n, const struct lysc_node *parent)
{
	char *name;
	int len;

	if (parent != NULL && parent->module == n->module)
		len = asprintf(&name, "%s", n->name);
	else
		len = asprintf(&name, "%s:%s", n->module->name, n->name);
	return len < 0 ? NULL : name;
}

static int set_meta(json_t *at, const char *name, const char *operation)
{
	json_t *op = json_pack("{s:s}", "ietf-netconf:operation", operation);
	char *meta;
	int rc;

	if (op == NULL || asprintf(&meta, "@%s", name) < 0) {
		json_decref(op);
		return -ENOMEM;
	}
	rc = json_object_set_new(at, meta, op);
	free(meta);
	return rc;
}

static int set_keys(json_t *entry, const struct cli_step *st)
{
	const struct lysc_node *n = NULL;

	for (size_t k = 0; k < st->keys; k++) {
		n = lys_getnext(n, st->node, NULL, 0);
		if (json_object_set_new(entry, n->name,
					value_of_type(((const struct lysc_node_leaf *)n)->type,
						      st->key[k])) != 0)
			return -ENOMEM;
	}
	return 0;
}

// Put step i into at; *next is where the one below goes.
static int put_step(json_t *at, const struct cli_path *p, size_t i, json_t *value,
		    const char *operation, json_t **next)
{
	const struct cli_step *st = &p->step[i];
	char *name = member_name(st->node, i > 0 ? p->step[i - 1].node : NULL);
	bool last = i + 1 == p->count;
	json_t *inner;
	int rc = 0;

	if (name == NULL)
		return -ENOMEM;
	switch (st->node->nodetype) {
	case LYS_LEAF:
		rc = json_object_set(at, name, value);
		if (rc == 0 && operation != NULL)
			rc = set_meta(at, name, operation);
		break;
	case LYS_LEAFLIST:
		rc = json_object_set_new(at, name, json_pack("[O]", value));
		if (rc == 0 && operation != NULL) {
			rc = set_meta(at, name, operation);
			if (rc == 0) { // metadata of a leaf-list is an array beside the values
				char meta[300];

				snprintf(meta, sizeof(meta), "@%s", name);
				rc = json_object_set_new(
					at, meta, json_pack("[O]", json_object_get(at, meta)));
			}
		}
		break;
	default:
		inner = json_object();
		if (st->node->nodetype == LYS_LIST)
			rc = json_object_set_new(at, name, json_pack("[o]", inner));
		else
			rc = json_object_set_new(at, name, inner);
		if (rc == 0)
			rc = set_keys(inner, st);
		if (rc == 0 && last && operation != NULL)
			rc = set_meta(inner, "", operation);
		*next = inner;
	}
	free(name);
	return rc;
}

json_t *path_config(const struct cli_path *p, json_t *value, const char *operation)
{
	json_t *root = json_object(), *at = root;
	int rc = root == NULL ? -ENOMEM : 0;

	for (size_t i = 0; i < p->count && rc == 0; i++)
		rc = put_step(at, p, i, value, operation, &at);
	json_decref(value);
	if (rc == 0)
		return root;
	json_decref(root);
	return NULL;
}

// Two entries of one list: path_config puts the key first.
static bool same_entry(const json_t *a, const json_t *b)
{
	void *first = json_object_iter((json_t *)(uintptr_t)a);
	const json_t *other = json_object_get(b, json_object_iter_key(first));

	return first != NULL && other != NULL && json_equal(json_object_iter_value(first), other);
}

static int merge(json_t *a, const json_t *b);

// Arrays made by path_config hold one element: an entry, whose first member is its first key, or a value.
static int merge_array(json_t *a, const json_t *b)
{
	size_t i;
	json_t *v, *w;

	json_array_foreach(b, i, v)
	{
		size_t j;
		bool done = false;

		json_array_foreach(a, j, w)
		{
			if (json_is_object(v) && json_is_object(w) && same_entry(w, v)) {
				if (merge(w, v) != 0)
					return -ENOMEM;
				done = true;
			}
		}
		if (!done && json_array_append(a, v) != 0)
			return -ENOMEM;
	}
	return 0;
}

static int merge(json_t *a, const json_t *b)
{
	const char *name;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)b, name, v)
	{
		json_t *old = json_object_get(a, name);
		int rc;

		if (json_is_object(old) && json_is_object(v))
			rc = merge(old, v);
		else if (json_is_array(old) && json_is_array(v))
			rc = merge_array(old, v);
		else
			rc = json_object_set(a, name, v);
		if (rc != 0)
			return -ENOMEM;
	}
	return 0;
}

int path_merge(json_t *a, json_t *b)
{
	int rc = merge(a, b);

	json_decref(b);
	return rc;
}

// ---- answers ---------------------------------------------------------------------------------

static bool scalar_is(const json_t *v, const char *text)
{
	char number[32];

	if (json_is_string(v))
		return strcmp(json_string_value(v), text) == 0;
	if (json_is_integer(v)) {
		snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(v));
		return strcmp(number, text) == 0;
	}
	return json_is_boolean(v) && strcmp(json_is_true(v) ? "true" : "false", text) == 0;
}

static json_t *pick_entry(const json_t *list, const struct cli_step *st)
{
	size_t i;
	json_t *entry;

	json_array_foreach(list, i, entry)
	{
		const struct lysc_node *n = NULL;
		bool same = true;

		if (st->node->nodetype == LYS_LEAFLIST) {
			if (scalar_is(entry, st->key[0]))
				return entry;
			continue;
		}
		for (size_t k = 0; k < st->keys && same; k++) {
			n = lys_getnext(n, st->node, NULL, 0);
			same = scalar_is(json_object_get(entry, n->name), st->key[k]);
		}
		if (same)
			return entry;
	}
	return NULL;
}

json_t *path_find(const struct cli_path *p, json_t *data)
{
	for (size_t i = 0; i < p->count && data != NULL; i++) {
		char *name = member_name(p->step[i].node, i > 0 ? p->step[i - 1].node : NULL);

		data = name != NULL ? json_object_get(data, name) : NULL;
		free(name);
		if (p->step[i].keys > 0)
			data = pick_entry(data, &p->step[i]);
	}
	return data;
}
