// SPDX-License-Identifier: BSD-3-Clause
//
// Reading: which nodes (a union of XPaths, with ancestors and keys), which of them the user may see, and
// how defaults are shown (RFC 6243).

#include "control/rpc/rpc_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static char whole; // lyd_node.priv of a node that is selected with all below it

// The operator mod of libyang 2.1.30 divides integers: "1 mod 0" would end the daemon (SIGFPE). No path
// needs it, so it is refused, wherever a lexer could find it outside quotes.
static bool has_mod(const char *p)
{
	static const char word[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
	char before = '/'; // last character that is no space: here a name may begin

	while (*p != '\0') {
		size_t n = strspn(p, word);

		if (*p == '\'' || *p == '"') {
			const char *end = strchr(p + 1, *p);

			if (end == NULL)
				return false; // it does not parse
			before = *p;
			p = end + 1;
		} else if (n > 0) {
			const char *mod = strstr(p, "mod");
			bool name = strchr("/:[(,|@=<>+", before) != NULL;

			if (mod != NULL && mod < p + n) {
				bool letter = (*p | 0x20) >= 'a' && (*p | 0x20) <= 'z';

				if (!letter && *p != '_')
					return true; // "5mod", "..mod"
				if (mod == p && !name)
					return true;
			}
			before = 'a';
			p += n;
		} else {
			if (*p != ' ' && *p != '\t' && *p != '\n' && *p != '\r')
				before = *p;
			p++;
		}
	}
	return false;
}

// XPath is evaluated in the loop of the daemon, and a predicate is for every node that it is asked of. So
// that no reader can hold up all others, whatever makes the cost grow faster than the tree is
// refused: a predicate that looks beyond the children of its node, a comparison of two sets of nodes, axes of
// all that follows, and long chains.
#define DEEP_MAX      4  // "//" in a path
#define PREDICATE_MAX 64 // of a path
#define PATHS_SECONDS 5  // for all paths of a call; looked at between them

// Kinds of tokens; the others are their own first character.
enum {
	TOKEN_END = 0,
	TOKEN_NAME = 'n',
	TOKEN_VALUE = 'v',
	TOKEN_OPERATOR = 'o',
	TOKEN_DEEP = 'd',
	TOKEN_UP = 'u',
	TOKEN_AXIS = 'a',
	TOKEN_COMPARE = '='
};

// Something that an operator may follow.
static bool is_operand(int token)
{
	return token != TOKEN_END && strchr("nv]).*u", token) != NULL;
}

static bool is_word(const char *at, size_t n, const char *word)
{
	return strlen(word) == n && memcmp(at, word, n) == 0;
}

static size_t name_length(const char *p)
{
	static const char word[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
	size_t n = strspn(p, word);

	if (n > 0 && p[n] == ':' && p[n + 1] != ':')
		n += 1 + strspn(p + n + 1, word);
	return n;
}

// The token at p, which is no space; *n: its length, at least 1. before: the kind of the one before.
static int next_token(const char *p, int before, size_t *n)
{
	size_t name = name_length(p);

	*n = 1;
	if (*p == '\'' || *p == '"') {
		const char *end = strchr(p + 1, *p);

		*n = end == NULL ? strlen(p) : (size_t)(end - p) + 1;
		return TOKEN_VALUE;
	}
	if ((*p >= '0' && *p <= '9') || (*p == '.' && p[1] >= '0' && p[1] <= '9')) {
		*n = strspn(p, "0123456789.");
		return TOKEN_VALUE;
	}
	if (name > 0 && *p != '.' && *p != '-') {
		*n = name;
		return is_operand(before) && (is_word(p, name, "and") || is_word(p, name, "or") ||
					      is_word(p, name, "div"))
			       ? TOKEN_OPERATOR
			       : TOKEN_NAME;
	}
	*n = 2;
	if (strncmp(p, "//", 2) == 0)
		return TOKEN_DEEP;
	if (strncmp(p, "..", 2) == 0)
		return TOKEN_UP;
	if (strncmp(p, "::", 2) == 0)
		return TOKEN_AXIS;
	if (strncmp(p, "!=", 2) == 0 || strncmp(p, "<=", 2) == 0 || strncmp(p, ">=", 2) == 0)
		return TOKEN_COMPARE;
	*n = 1;
	if (*p == '<' || *p == '>')
		return TOKEN_COMPARE;
	if (*p == '*' && is_operand(before))
		return TOKEN_OPERATOR;
	return (unsigned char)*p;
}

// Is this token, inside a predicate, one that leaves the node's children?
static bool leaves_node(int token, int before, const char *p, size_t n, const char *name,
			size_t name_size)
{
	switch (token) {
	case TOKEN_DEEP:
	case TOKEN_UP:
		return true;
	case TOKEN_AXIS:
		return !is_word(name, name_size, "child") && !is_word(name, name_size, "self") &&
		       !is_word(name, name_size, "attribute");
	case '/':
		return !is_operand(before);
	case TOKEN_NAME:
		return is_word(p, n, "current") || is_word(p, n, "deref");
	default:
		return false;
	}
}

static bool axis_of_all(const char *name)
{
	return strncmp(name, "following", 9) == 0 || strncmp(name, "preceding", 9) == 0;
}

// Why this path is refused, or NULL.
static const char *too_costly(const char *p)
{
	unsigned depth = 0, deep = 0, predicates = 0;
	const char *name = p;
	size_t n, name_size = 0;
	int token, before = TOKEN_END, after;

	for (; *(p += strspn(p, " \t\n\r")) != '\0'; p += n, before = token) {
		token = next_token(p, before, &n);
		if (token == '[')
			predicates++, depth++;
		else if (token == ']' && depth > 0)
			depth--;
		else if (token == TOKEN_DEEP)
			deep++;
		if (deep > DEEP_MAX || predicates > PREDICATE_MAX)
			return "it has more than 4 // or more than 64 predicates";
		if (depth > 0 && leaves_node(token, before, p, n, name, name_size))
			return "a predicate looks at its own node and below, step by step";
		if (token == TOKEN_AXIS && axis_of_all(name))
			return "the axes following and preceding are not taken";
		if (token == TOKEN_COMPARE && before != TOKEN_VALUE) {
			size_t skip = strspn(p + n, " \t\n\r"), ignored;

			after = p[n + skip] == '\0' ? TOKEN_END
						    : next_token(p + n + skip, token, &ignored);
			if (after != TOKEN_VALUE && after != '-')
				return "a comparison needs a literal on one side";
		}
		if (token == TOKEN_NAME) {
			name = p;
			name_size = n;
		}
	}
	return NULL;
}

bool param_selection(struct call *call, struct selection *sel)
{
	json_t *paths = json_object_get(call->params, "paths");
	const char *mode = "explicit", *why;

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
		else if (has_mod(json_string_value(p)))
		{
			reply_error(call, RPC_PARAMS, "paths: the operator mod is not taken");
			return false;
		}
		else if ((why = too_costly(json_string_value(p))) != NULL)
		{
			reply_error(call, RPC_PARAMS, "paths: an XPath is too costly: %s", why);
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

static time_t seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

static int copy_selected(struct call *call, const struct lyd_node *tree, const json_t *paths,
			 struct tree *out)
{
	time_t start = seconds();
	struct ly_set *set;
	size_t i;
	json_t *p;
	int rc = 0;

	json_array_foreach(paths, i, p)
	{
		if (seconds() - start > PATHS_SECONDS) {
			reply_tag(call, "resource-denied", NULL, NULL,
				  "the paths take too long: ask for fewer at once");
			return -ETIME;
		}
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

// ---- the part of a tree that paths can reach

// Length of the next step if it is as simple as "/module:name[key='value']", else 0.
static size_t simple_step(const char *p)
{
	const char *at = p;
	size_t n;

	if (*at++ != '/')
		return 0;
	n = strspn(at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.:");
	if (n == 0 || at[0] == '.')
		return 0;
	at += n;
	while (*at == '[') {
		const char *end;

		n = strcspn(at, "='\"]");
		if (at[n] != '=' || (at[n + 1] != '\'' && at[n + 1] != '"'))
			return 0;
		end = strchr(at + n + 2, at[n + 1]);
		if (end == NULL || end[1] != ']')
			return 0;
		at = end + 2;
	}
	return *at == '\0' || *at == '/' ? (size_t)(at - p) : 0;
}

// Does the rest of a path look at nothing above where it begins?
static bool stays_below(const char *rest)
{
	return strstr(rest, "..") == NULL && strchr(rest, '|') == NULL &&
	       strstr(rest, "[/") == NULL && strchr(rest, '(') == NULL &&
	       strstr(rest, "::") == NULL && strstr(rest, "=/") == NULL;
}

// The node itself, its keys and its other leaves, with all ancestors.
static int copy_shallow(struct tree *out, const struct lyd_node *node)
{
	struct lyd_node *mine = copy_path(out, node), *child;

	if (mine == NULL)
		return -ENOMEM;
	LY_LIST_FOR (lyd_child_no_keys(node), child)
		if (child->schema->nodetype & (LYS_LEAF | LYS_LEAFLIST))
			if (copy_path(out, child) == NULL)
				return -ENOMEM;
	return 0;
}

static int narrow_one(const struct lyd_node *tree, const char *path, struct tree *out)
{
	char *prefix = strdup(path);
	size_t length = 0, n, steps[64], count = 0;
	struct lyd_node *match = NULL;
	LY_ERR lrc = LY_EVALID;
	int rc = -EAGAIN;

	if (prefix == NULL)
		return -ENOMEM;
	while ((n = simple_step(path + length)) > 0 && count < 64) {
		length += n;
		steps[count++] = length;
	}
	while (count > 0 && stays_below(path + steps[count - 1])) {
		prefix[steps[count - 1]] = '\0';
		match = NULL;
		lrc = lyd_find_path(tree, prefix, 0, &match);
		if (lrc != LY_EVALID && lrc != LY_EINVAL)
			break;
		count--; // a list without its keys: all its entries
	}
	free(prefix);
	if (count == 0 || lrc == LY_EVALID || lrc == LY_EINVAL)
		return -EAGAIN;
	if (lrc == LY_SUCCESS && match != NULL)
		rc = copy_whole(out, match);
	else if (lrc == LY_EINCOMPLETE && match != NULL)
		rc = copy_shallow(out, match); // what is missing may be a default, or state
	else if (lrc == LY_ENOTFOUND)
		rc = 0;
	return rc;
}

static void unmark(struct lyd_node *node)
{
	for (; node != NULL; node = node->next) {
		node->priv = NULL;
		unmark(lyd_child(node));
	}
}

int selection_copy(const struct tree *tree, const struct selection *sel, struct tree *out)
{
	struct lyd_node *first;
	size_t i;
	json_t *p;
	int rc = 0;

	*out = (struct tree){0};
	if (tree->root == NULL)
		return 0;
	if (sel->paths != NULL) {
		json_array_foreach(sel->paths, i, p)
		{
			rc = narrow_one(tree->root, json_string_value(p), out);
			if (rc != 0)
				break;
		}
		if (rc != -EAGAIN) {
			unmark(out->root);
			return rc;
		}
		lyd_free_all(out->root);
		out->root = NULL;
	}
	if (lyd_dup_siblings(tree->root, NULL, LYD_DUP_RECURSIVE, &first) != LY_SUCCESS)
		return -ENOMEM;
	out->root = first;
	return 0;
}

char *selection_print(struct call *call, const struct tree *tree, const struct selection *sel)
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
		struct tree copy = {0};

		rc = selection_copy(tree, sel, &copy);
		full = copy.root;
		if (rc != 0 || lyd_new_implicit_all(&full, call->server->conf.ctx,
						    LYD_IMPLICIT_NO_STATE, NULL) != LY_SUCCESS)
			goto nomem;
		from = full;
	}
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
