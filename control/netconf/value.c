// SPDX-License-Identifier: BSD-3-Clause
//
// value - libyang checks the type, in its JSON form; only prefixes are dealt with here, because its
// XML form needs namespace sets that are no public interface.

#include "control/netconf/value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <libyang/libyang.h>
#include <libyang/plugins_types.h>

#include "control/netconf/path.h"

const struct lysc_type *ncd_value_type(const struct lysc_node *leaf)
{
	const struct lysc_type *t = leaf->nodetype == LYS_LEAFLIST
					    ? ((const struct lysc_node_leaflist *)leaf)->type
					    : ((const struct lysc_node_leaf *)leaf)->type;

	if (t->basetype == LY_TYPE_LEAFREF)
		t = ((const struct lysc_type_leafref *)t)->realtype;
	return t;
}

static bool holds_path(const struct lysc_type *t)
{
	return t->basetype == LY_TYPE_INST || strstr(t->plugin->id, "xpath1.0") != NULL ||
	       strstr(t->plugin->id, "instance-identifier") != NULL;
}

bool ncd_value_holds_names(const struct lysc_type *t)
{
	return t->basetype == LY_TYPE_IDENT || holds_path(t);
}

static bool holds_identity(const struct lysc_type *t)
{
	if (t->basetype == LY_TYPE_UNION) {
		const struct lysc_type_union *u = (const struct lysc_type_union *)t;
		LY_ARRAY_COUNT_TYPE i;

		LY_ARRAY_FOR(u->types, i)
		{
			if (holds_identity(u->types[i]))
				return true;
		}
	}
	return t->basetype == LY_TYPE_IDENT;
}

// "p:name" to "module:name"; "name" is of the default namespace (RFC 7950 section 9.10.3).
// Returns: NULL when the prefix leads to no module
static char *identity_name(const struct ly_ctx *ctx, const char *text, xmlNodePtr scope)
{
	const char *colon = strchr(text, ':');
	const struct lys_module *mod;
	struct ncd_buf b = {0};
	char *prefix = NULL;
	xmlNsPtr ns;

	if (colon != NULL) {
		prefix = strndup(text, (size_t)(colon - text));
		if (prefix == NULL)
			return NULL;
	}
	ns = xmlSearchNs(scope->doc, scope, (const xmlChar *)prefix);
	free(prefix);
	mod = ns == NULL || ns->href == NULL
		      ? NULL
		      : ly_ctx_get_module_implemented_ns(ctx, (const char *)ns->href);
	if (mod == NULL)
		return NULL;
	ncd_buf_fmt(&b, "%s:%s", mod->name, colon == NULL ? text : colon + 1);
	return b.data;
}

// The text in libyang's JSON form; a copy where nothing needs to change.
static char *resolve(const struct ly_ctx *ctx, const struct lysc_type *t, const char *text,
		     xmlNodePtr scope)
{
	char *out = NULL, *bad = NULL;

	if (holds_identity(t)) {
		out = identity_name(ctx, text, scope);
		if (out == NULL && t->basetype == LY_TYPE_IDENT)
			return NULL;
	} else if (holds_path(t)) {
		if (ncd_path_from_xml(ctx, text, scope, &out, &bad) != 0) {
			free(bad);
			return NULL;
		}
	}
	return out == NULL ? strdup(text) : out;
}

int ncd_value_from_xml(const struct ly_ctx *ctx, const struct lysc_node *leaf, const char *text,
		       xmlNodePtr scope, char **canonical, const struct lysc_type **type)
{
	const struct lysc_type *declared = ncd_value_type(leaf), *real = NULL;
	const char *canon = NULL;
	char *value;
	LY_ERR rc;

	ly_err_clean((struct ly_ctx *)(uintptr_t)ctx, NULL);
	value = resolve(ctx, declared, text, scope);
	if (value == NULL)
		return -EINVAL;
	rc = lyd_value_validate(ctx, leaf, value, strlen(value), NULL, &real, &canon);
	if (rc != LY_SUCCESS && rc != LY_EINCOMPLETE) {
		// A union of identities and other things: the text itself may fit.
		if (declared->basetype != LY_TYPE_UNION ||
		    (rc = lyd_value_validate(ctx, leaf, text, strlen(text), NULL, &real, &canon),
		     rc != LY_SUCCESS && rc != LY_EINCOMPLETE)) {
			free(value);
			return -EINVAL;
		}
		free(value);
		value = strdup(text);
	}
	if (canon != NULL) {
		free(value);
		value = strdup(canon);
		lydict_remove(ctx, canon);
	}
	if (value == NULL)
		return -ENOMEM;
	*canonical = value;
	*type = real == NULL ? declared : real;
	return 0;
}

json_t *ncd_value_to_json(const struct lysc_type *type, const char *canonical)
{
	if (type->basetype == LY_TYPE_LEAFREF)
		type = ((const struct lysc_type_leafref *)type)->realtype;
	switch (type->basetype) {
	case LY_TYPE_INT8:
	case LY_TYPE_INT16:
	case LY_TYPE_INT32:
	case LY_TYPE_UINT8:
	case LY_TYPE_UINT16:
	case LY_TYPE_UINT32:
		return json_integer(strtoll(canonical, NULL, 10));
	case LY_TYPE_BOOL:
		return json_boolean(strcmp(canonical, "true") == 0);
	case LY_TYPE_EMPTY:
		return json_pack("[n]");
	default:
		return json_string(canonical);
	}
}
