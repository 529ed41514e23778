// SPDX-License-Identifier: BSD-3-Clause
//
// The schema is walked twice: first every node gets its struct schema_node, then each condition and
// leafref is entered at the nodes it reads (lys_find_expr_atoms names them).

#include "control/datastore/schema.h"

#include <libyang/libyang.h>

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FEATURE_MAX 32

static struct lysc_node *writable(const struct lysc_node *node)
{
	return (struct lysc_node *)(uintptr_t)node; // priv is ours to write, the rest is not
}

const struct schema_node *schema_node(const struct lysc_node *node)
{
	return node->priv;
}

const struct lysc_node *schema_parent(const struct lysc_node *node)
{
	node = node->parent;
	while (node != NULL && (node->nodetype & (LYS_CHOICE | LYS_CASE)))
		node = node->parent;
	return node;
}

const struct lysc_node *schema_common(const struct lysc_node *a, const struct lysc_node *b)
{
	for (; a != NULL; a = schema_parent(a))
		for (const struct lysc_node *up = b; up != NULL; up = schema_parent(up))
			if (up == a)
				return a;
	return NULL;
}

static int push(void *array, size_t *count, const void *item)
{
	void **list;

	memcpy(&list, array, sizeof(list));
	for (size_t i = 0; i < *count; i++)
		if (list[i] == item)
			return 0;
	list = realloc(list, (*count + 1) * sizeof(*list));
	if (list == NULL)
		return -ENOMEM;
	list[(*count)++] = (void *)(uintptr_t)item;
	memcpy(array, &list, sizeof(list));
	return 0;
}

static bool has_extension(const struct lysc_node *node, const char *name)
{
	LY_ARRAY_COUNT_TYPE u;

	LY_ARRAY_FOR(node->exts, u)
	if (strcmp(node->exts[u].def->name, name) == 0 &&
	    strcmp(node->exts[u].def->module->name, "ietf-netconf-acm") == 0)
		return true;
	return false;
}

static bool points(const struct lysc_type *type)
{
	LY_ARRAY_COUNT_TYPE u;

	if (type->basetype == LY_TYPE_LEAFREF)
		return ((const struct lysc_type_leafref *)type)->require_instance;
	if (type->basetype == LY_TYPE_INST)
		return ((const struct lysc_type_instanceid *)type)->require_instance;
	if (type->basetype == LY_TYPE_UNION)
		LY_ARRAY_FOR(((const struct lysc_type_union *)type)->types, u)
	if (points(((const struct lysc_type_union *)type)->types[u]))
		return true;
	return false;
}

static const struct lysc_type *type_of(const struct lysc_node *node)
{
	if (node->nodetype == LYS_LEAF)
		return ((const struct lysc_node_leaf *)node)->type;
	if (node->nodetype == LYS_LEAFLIST)
		return ((const struct lysc_node_leaflist *)node)->type;
	return NULL;
}

static int make_node(const struct lysc_node *node)
{
	struct schema_node *s = calloc(1, sizeof(*s));
	const struct lysc_type *type = type_of(node);
	struct lysc_must *musts = lysc_node_musts(node);
	struct lysc_when **whens = lysc_node_when(node);
	LY_ARRAY_COUNT_TYPE u;
	size_t count = 0;

	if (s == NULL)
		return -ENOMEM;
	writable(node)->priv = s;
	if (has_extension(node, "default-deny-all"))
		s->flags |= SCHEMA_DENY_ALL;
	if (has_extension(node, "default-deny-write"))
		s->flags |= SCHEMA_DENY_WRITE;
	s->leafref = type != NULL && points(type);

	for (const struct lysc_node *up = node; up != NULL; up = up->parent) {
		// a when on a choice, a case or (through uses, augment) on what holds them
		// counts for the data node below
		if (up != node && !(up->nodetype & (LYS_CHOICE | LYS_CASE)))
			break;
		count += LY_ARRAY_COUNT(lysc_node_when(up));
	}
	count += LY_ARRAY_COUNT(musts);
	if (count == 0)
		return 0;
	s->own = calloc(count, sizeof(*s->own));
	if (s->own == NULL)
		return -ENOMEM;
	for (const struct lysc_node *up = node; up != NULL; up = up->parent) {
		if (up != node && !(up->nodetype & (LYS_CHOICE | LYS_CASE)))
			break;
		whens = lysc_node_when(up);
		LY_ARRAY_FOR(whens, u)
		s->own[s->own_count++] = (struct schema_cond){.node = node, .when = whens[u]};
	}
	LY_ARRAY_FOR(musts, u)
	s->own[s->own_count++] = (struct schema_cond){.node = node, .must = &musts[u]};
	return 0;
}

// The nodes an expression reads. libyang wants an array of prefixes even where there are none.
static bool atoms(const struct lysc_node *node, const struct lys_module *mod,
		  const struct lyxp_expr *expr, const struct lysc_prefix *prefixes,
		  struct ly_set **out)
{
	static const struct {
		LY_ARRAY_COUNT_TYPE count; // where a sized array keeps it
		struct lysc_prefix none[1];
	} empty;

	return lys_find_expr_atoms(node, mod, expr, prefixes != NULL ? prefixes : empty.none, 0,
				   out) == LY_SUCCESS;
}

static int enter_cond(struct schema_cond *c)
{
	const struct lyxp_expr *expr = c->when != NULL ? c->when->cond : c->must->cond;
	const struct lysc_prefix *prefixes =
		c->when != NULL ? c->when->prefixes : c->must->prefixes;
	const struct lysc_node *ctx_node = c->when != NULL ? c->when->context : c->node;
	struct ly_set *set = NULL;
	int rc = 0;

	c->scope = c->node;
	// it may name a node of a feature that is off: what there is then is never touched either, and
	// the node's own edits evaluate the condition all the same
	if (!atoms(ctx_node, c->node->module, expr, prefixes, &set))
		return 0;
	for (uint32_t i = 0; i < set->count && rc == 0; i++) {
		const struct lysc_node *atom = set->snodes[i];
		struct schema_node *s = atom->priv;

		if (s == NULL) // state: never edited
			continue;
		c->scope = schema_common(c->scope, atom);
		if (atom->nodetype == LYS_LEAF &&
		    ((const struct lysc_node_leaf *)atom)->dflt != NULL)
			c->reads_defaults = true;
		rc = push(&s->reader, &s->reader_count, c);
	}
	ly_set_free(set, NULL);
	return rc;
}

static int enter_leafref(const struct lysc_node *node, const struct lysc_type *type)
{
	const struct lysc_type_leafref *ref = (const struct lysc_type_leafref *)type;
	LY_ARRAY_COUNT_TYPE u;
	struct ly_set *set = NULL;
	int rc = 0;

	if (type->basetype == LY_TYPE_UNION) {
		LY_ARRAY_FOR(((const struct lysc_type_union *)type)->types, u)
		{
			rc = enter_leafref(node, ((const struct lysc_type_union *)type)->types[u]);
			if (rc != 0)
				return rc;
		}
		return 0;
	}
	if (type->basetype != LY_TYPE_LEAFREF || !ref->require_instance)
		return 0;
	if (!atoms(node, node->module, ref->path, ref->prefixes, &set))
		return -EINVAL;
	for (uint32_t i = 0; i < set->count && rc == 0; i++) {
		struct schema_node *s = set->snodes[i]->priv;

		// atoms name each step and what predicates read; entering the source at all of
		// them makes some checks vain, none is missed
		if (s != NULL && (set->snodes[i]->nodetype & (LYS_LEAF | LYS_LEAFLIST)))
			rc = push(&s->source, &s->source_count, node);
	}
	ly_set_free(set, NULL);
	return rc;
}

static int enter(const struct lysc_node *node)
{
	struct schema_node *s = node->priv;
	int rc = 0;

	for (size_t i = 0; i < s->own_count && rc == 0; i++)
		rc = enter_cond(&s->own[i]);
	if (rc == 0 && s->leafref)
		rc = enter_leafref(node, type_of(node));
	return rc;
}

static int walk(const struct lysc_node *first, int pass)
{
	const struct lysc_node *node;
	int rc = 0;

	LY_LIST_FOR (first, node) {
		if (!(node->flags & LYS_CONFIG_W))
			continue; // state is never edited or checked
		if (!(node->nodetype & (LYS_CHOICE | LYS_CASE | LYS_CONTAINER | LYS_LIST |
					LYS_LEAF | LYS_LEAFLIST | LYS_ANYDATA)))
			continue;
		if (pass == 0)
			rc = make_node(node);
		else
			rc = enter(node);
		if (rc == 0)
			rc = walk(lysc_node_child(node), pass);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static void free_nodes(const struct lysc_node *first)
{
	const struct lysc_node *node;

	LY_LIST_FOR (first, node) {
		struct schema_node *s = node->priv;

		free_nodes(lysc_node_child(node));
		if (s == NULL)
			continue;
		free(s->reader);
		free(s->source);
		free(s->own);
		free(s);
		writable(node)->priv = NULL;
	}
}

static int each_module(const struct ly_ctx *ctx, int pass)
{
	const struct lys_module *mod;
	uint32_t i = 0;
	int rc;

	while ((mod = ly_ctx_get_module_iter(ctx, &i)) != NULL) {
		if (!mod->implemented || mod->compiled == NULL)
			continue;
		if (pass < 0) {
			free_nodes(mod->compiled->data);
			continue;
		}
		rc = walk(mod->compiled->data, pass);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static bool add_dir(struct ly_ctx *ctx, const char *dir)
{
	LY_ERR rc = ly_ctx_set_searchdir(ctx, dir);

	return rc == LY_SUCCESS || rc == LY_EEXIST;
}

// One line of the list: a module, then the features that are on.
static int load_line(struct ly_ctx *ctx, char *line, char *err, size_t err_size)
{
	const char *features[FEATURE_MAX + 1] = {NULL};
	char *save = NULL, *name, *word;
	size_t n = 0;

	line[strcspn(line, "#\r\n")] = '\0';
	name = strtok_r(line, " \t", &save);
	if (name == NULL)
		return 0;
	while ((word = strtok_r(NULL, " \t", &save)) != NULL && n < FEATURE_MAX)
		features[n++] = word;
	if (ly_ctx_load_module(ctx, name, NULL, features) != NULL)
		return 0;
	snprintf(err, err_size, "model %s: %s", name,
		 ly_errmsg(ctx) != NULL ? ly_errmsg(ctx) : "cannot be loaded");
	return -EINVAL;
}

// Load what the file `implemented` of the first folder that has one lists.
static int load_all(struct ly_ctx *ctx, const char *const *dirs, size_t dir_count, char *err,
		    size_t err_size)
{
	char path[4096], line[1024];
	FILE *f = NULL;
	int rc = 0;

	for (size_t i = 0; i < dir_count && f == NULL; i++) {
		snprintf(path, sizeof(path), "%s/implemented", dirs[i]);
		f = fopen(path, "re");
	}
	if (f == NULL) {
		snprintf(err, err_size, "%s: %s", path, strerror(errno));
		return -EINVAL;
	}
	while (rc == 0 && fgets(line, sizeof(line), f) != NULL)
		rc = load_line(ctx, line, err, err_size);
	fclose(f);
	return rc;
}

int schema_create(const char *const *dirs, size_t dir_count, struct ly_ctx **out, char *err,
		  size_t err_size)
{
	struct ly_ctx *ctx = NULL;
	bool found = false;
	char sub[4096];
	int rc = 0;

	ly_log_options(LY_LOSTORE_LAST);
	if (ly_ctx_new(NULL, LY_CTX_DISABLE_SEARCHDIR_CWD, &ctx) != LY_SUCCESS) {
		snprintf(err, err_size, "no libyang context");
		return -ENOMEM;
	}
	for (size_t i = 0; i < dir_count; i++) {
		snprintf(sub, sizeof(sub), "%s/ietf", dirs[i]);
		found |= add_dir(ctx, dirs[i]);
		(void)add_dir(ctx, sub); // not every folder has one
	}
	if (!found) {
		snprintf(err, err_size, "%.400s: no folder of YANG models that can be read",
			 dirs[0]);
		rc = -EINVAL;
		goto err_ctx;
	}
	rc = load_all(ctx, dirs, dir_count, err, err_size);
	if (rc != 0)
		goto err_ctx;
	for (int pass = 0; pass < 2 && rc == 0; pass++)
		rc = each_module(ctx, pass);
	if (rc != 0) {
		snprintf(err, err_size, "conditions of the models: %s",
			 ly_errmsg(ctx) != NULL ? ly_errmsg(ctx) : strerror(-rc));
		goto err_nodes;
	}
	*out = ctx;
	return 0;

err_nodes:
	(void)each_module(ctx, -1);
err_ctx:
	ly_ctx_destroy(ctx);
	return rc;
}

void schema_destroy(struct ly_ctx *ctx)
{
	if (ctx == NULL)
		return;
	(void)each_module(ctx, -1);
	ly_ctx_destroy(ctx);
}
