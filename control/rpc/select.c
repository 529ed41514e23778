// SPDX-License-Identifier: BSD-3-Clause
//
// Reading: which nodes (a union of XPaths, with ancestors and keys), which of them the user may see, and
// how defaults are shown (RFC 6243).

#include "control/rpc/rpc_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static char whole; // lyd_node.priv of a node that is selected with all below it

bool param_selection(struct call *call, struct selection *sel)
{
	json_t *paths = json_object_get(call->params, "paths");
	const char *mode = "explicit";

	*sel = (struct selection){.paths = paths};
	if (paths != NULL) {
		size_t i;
		json_t *p;

		if (!json_is_array(paths) || json_array_size(paths) > 1024) {
			reply_error(call, RPC_PARAMS,
				    "paths must be an array of at most 1024 XPaths");
			return false;
		}
		json_array_foreach(paths, i, p) if (!json_is_string(p) ||
						    json_string_length(p) == 0 ||
						    json_string_length(p) > RPC_PATH_MAX)
		{
			reply_error(call, RPC_PARAMS, "paths: an XPath has 1 to 4096 characters");
			return false;
		}
	}
	if (!param_string(call, "with-defaults", false, &mode))
		return false;
	if (strcmp(mode, "explicit") == 0) {
		sel->print = LYD_PRINT_WD_EXPLICIT;
	} else if (strcmp(mode, "trim") == 0) {
		sel->print = LYD_PRINT_WD_TRIM;
	} else if (strcmp(mode, "report-all") == 0) {
		sel->print = LYD_PRINT_WD_ALL;
		sel->implicit = true;
	} else if (strcmp(mode, "report-all-tagged") == 0) {
		sel->print = LYD_PRINT_WD_ALL_TAG;
		sel->implicit = true;
	} else {
		reply_error(
			call, RPC_PARAMS,
			"with-defaults must be explicit, trim, report-all or report-all-tagged");
		return false;
	}
	return true;
}

static char *print(const struct lyd_node *tree, uint32_t flags)
{
	char *text = NULL;
	size_t n;

	if (tree == NULL)
		return strdup("{}");
	if (lyd_print_mem(&text, tree, LYD_JSON,
			  LYD_PRINT_WITHSIBLINGS | LYD_PRINT_SHRINK | flags) != LY_SUCCESS)
		return NULL;
	if (text == NULL)
		return strdup("{}");
	n = strlen(text);
	while (n > 0 && text[n - 1] == '\n')
		text[--n] = '\0';
	if (n == 0) {
		free(text);
		return strdup("{}");
	}
	return text;
}

// The copy of node in out, made with its ancestors and keys where it is missing.
static struct lyd_node *copy_path(struct tree *out, const struct lyd_node *node)
{
	struct lyd_node *parent = NULL, *mine = NULL;

	if (lyd_parent(node) != NULL) {
		parent = copy_path(out, lyd_parent(node));
		if (parent == NULL || parent->priv == &whole)
			return parent;
	}
	// state may hold lists without keys and equal entries: those are never shared
	if (!(node->schema->nodetype == LYS_LIST && (node->schema->flags & LYS_KEYLESS)))
		mine = tree_find(tree_children(out, parent), node);
	if (mine != NULL)
		return mine;
	if (lyd_dup_single(node, NULL, LYD_DUP_NO_META, &mine) != LY_SUCCESS)
		return NULL;
	mine->flags = node->flags;
	mine->priv = NULL;
	if (tree_add(out, parent, mine, NULL) != 0) {
		lyd_free_tree(mine);
		return NULL;
	}
	return mine;
}

static int copy_whole(struct tree *out, const struct lyd_node *node)
{
	struct lyd_node *mine = copy_path(out, node), *child, *dup, *next;

	if (mine == NULL)
		return -ENOMEM;
	if (mine->priv == &whole)
		return 0;
	mine->priv = &whole;
	if (!(node->schema->nodetype & (LYS_CONTAINER | LYS_LIST)))
		return 0;
	// what a narrower path put there before is in the whole as well
	for (child = lyd_child_no_keys(mine); child != NULL; child = next) {
		struct tree_log log = {0};
		int rc;

		next = child->next;
		rc = tree_del(out, child, &log);
		tree_log_fini(&log);
		if (rc != 0)
			return rc;
	}
	LY_LIST_FOR (lyd_child_no_keys(node), child) {
		if (lyd_dup_single(child, NULL,
				   LYD_DUP_RECURSIVE | LYD_DUP_NO_META | LYD_DUP_WITH_FLAGS,
				   &dup) != LY_SUCCESS)
			return -ENOMEM;
		if (tree_add(out, mine, dup, NULL) != 0) {
			lyd_free_tree(dup);
			return -ENOMEM;
		}
	}
	return 0;
}

static int copy_selected(struct call *call, const struct lyd_node *tree, const json_t *paths,
			 struct tree *out)
{
	struct ly_set *set;
	size_t i;
	json_t *p;
	int rc = 0;

	json_array_foreach(paths, i, p)
	{
		set = NULL;
		if (lyd_find_xpath(tree, json_string_value(p), &set) != LY_SUCCESS) {
			const char *why = ly_errmsg(call->server->conf.ctx);

			reply_tag(call, "invalid-value", NULL, NULL, "path \"%s\": %s",
				  json_string_value(p), why != NULL ? why : "cannot be evaluated");
			return -EINVAL;
		}
		for (uint32_t k = 0; k < set->count && rc == 0; k++)
			rc = copy_whole(out, set->dnodes[k]);
		ly_set_free(set, NULL);
		if (rc != 0) {
			reply_tag(call, "resource-denied", NULL, NULL, "out of memory");
			return rc;
		}
	}
	return 0;
}

char *selection_print(struct call *call, const struct tree *tree, const struct selection *sel,
		      bool state)
{
	struct access_user user;
	struct edit_guard guard;
	struct tree out = {0};
	struct lyd_node *full = NULL;
	const struct lyd_node *from = tree->root;
	char *text = NULL;
	int rc = 0;

	call_guard(call, &guard, &user);
	if (sel->implicit) {
		if (from != NULL &&
		    lyd_dup_siblings(from, NULL, LYD_DUP_RECURSIVE, &full) != LY_SUCCESS)
			goto nomem;
		if (lyd_new_implicit_all(&full, call->server->conf.ctx, LYD_IMPLICIT_NO_STATE,
					 NULL) != LY_SUCCESS)
			goto nomem;
		from = full;
	}
	(void)state;
	if (sel->paths != NULL && from != NULL) {
		rc = copy_selected(call, from, sel->paths, &out);
		if (rc != 0)
			goto out;
		from = out.root;
	} else if (!user.bypass && from == tree->root && from != NULL) {
		if (lyd_dup_siblings(from, NULL, LYD_DUP_RECURSIVE | LYD_DUP_WITH_FLAGS,
				     &out.root) != LY_SUCCESS)
			goto nomem;
		from = out.root;
	}
	if (from == out.root && from != NULL) {
		access_prune(&user, &out.root);
		from = out.root;
	} else if (from == full && from != NULL) {
		access_prune(&user, &full);
		from = full;
	}
	text = print(from, sel->print);
	if (text != NULL)
		goto out;
nomem:
	reply_tag(call, "resource-denied", NULL, NULL, "out of memory");
out:
	lyd_free_all(out.root);
	lyd_free_all(full);
	access_user_fini(&user);
	return text;
}
