// SPDX-License-Identifier: BSD-3-Clause
//
// The rules are compiled once per version of running. A check walks the rules that apply to the user in
// order, the first match decides (RFC 8341 section 3.4).

#include "control/rpc/access.h"

#include "control/datastore/schema.h"

#include <libyang/libyang.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STEP_MAX 32
#define PRED_MAX 8

enum rule_kind { RULE_ANY, RULE_RPC, RULE_NOTIFICATION, RULE_PATH };

struct step {
	char *module; // NULL: that of the step before
	char *name;
	char *pred_name[PRED_MAX];
	char *pred_value[PRED_MAX];
	size_t pred_count;
};

struct rule {
	enum rule_kind kind;
	const char *module; // NULL: any; strings of the rule's own node are copied
	const char *name;   // rpc or notification, NULL: any
	struct step step[STEP_MAX];
	size_t step_count;
	bool broken; // a path we do not understand: the rule never permits, and denies all it might mean
	unsigned ops;
	bool permit;
};

struct rule_list {
	char **group;
	size_t group_count;
	struct rule *rule;
	size_t rule_count;
};

struct group {
	char *name;
	char **user;
	size_t user_count;
};

struct access {
	bool enabled, read_permit, write_permit, exec_permit, external;
	struct group *group;
	size_t group_count;
	struct rule_list *list;
	size_t list_count;
};

static struct lyd_node *child(const struct lyd_node *parent, const char *name)
{
	struct lyd_node *node;

	LY_LIST_FOR (lyd_child(parent), node)
		if (strcmp(node->schema->name, name) == 0)
			return node;
	return NULL;
}

static const char *value(const struct lyd_node *parent, const char *name, const char *fallback)
{
	struct lyd_node *node = child(parent, name);

	return node != NULL ? lyd_get_value(node) : fallback;
}

static size_t count(const struct lyd_node *parent, const char *name)
{
	struct lyd_node *node;
	size_t n = 0;

	LY_LIST_FOR (lyd_child(parent), node)
		n += strcmp(node->schema->name, name) == 0;
	return n;
}

// All values of a leaf-list, copied.
static int values(const struct lyd_node *parent, const char *name, char ***out, size_t *out_count)
{
	struct lyd_node *node;
	size_t n = count(parent, name);

	*out_count = 0;
	*out = calloc(n + 1, sizeof(**out));
	if (*out == NULL)
		return -ENOMEM;
	LY_LIST_FOR (lyd_child(parent), node) {
		if (strcmp(node->schema->name, name) != 0)
			continue;
		(*out)[*out_count] = strdup(lyd_get_value(node));
		if ((*out)[*out_count] == NULL)
			return -ENOMEM;
		(*out_count)++;
	}
	return 0;
}

static size_t name_length(const char *p)
{
	return strcspn(p, ":/[]='\" \t");
}

// "/mod:name[key='v']/name..." into steps.
static int parse_path(const char *p, struct rule *r)
{
	while (*p == '/' && p[1] != '\0') {
		struct step *s = &r->step[r->step_count];
		size_t n;

		if (r->step_count == STEP_MAX)
			return -EINVAL;
		r->step_count++;
		p++;
		n = name_length(p);
		if (n == 0)
			return -EINVAL;
		if (p[n] == ':') {
			s->module = strndup(p, n);
			p += n + 1;
			n = name_length(p);
		}
		if (n == 0)
			return -EINVAL;
		s->name = strndup(p, n);
		p += n;
		while (*p == '[') {
			const char *end;
			char quote;

			if (s->pred_count == PRED_MAX)
				return -EINVAL;
			p++;
			n = name_length(p);
			if (p[n] == ':') { // keys are of the list's module
				p += n + 1;
				n = name_length(p);
			}
			if (n == 0 || p[n] != '=')
				return -EINVAL;
			s->pred_name[s->pred_count] = strndup(p, n);
			s->pred_count++;
			p += n + 1;
			quote = *p++;
			if (quote != '\'' && quote != '"')
				return -EINVAL;
			end = strchr(p, quote);
			if (end == NULL || end[1] != ']')
				return -EINVAL;
			s->pred_value[s->pred_count - 1] = strndup(p, (size_t)(end - p));
			p = end + 2;
		}
	}
	return *p == '\0' || (*p == '/' && p[1] == '\0') ? 0 : -EINVAL;
}

static int compile_rule(const struct lyd_node *node, struct rule *r)
{
	static const char *const names[] = {"create", "read", "update", "delete", "exec"};
	const char *module = value(node, "module-name", "*"), *text, *ops;

	*r = (struct rule){.permit = strcmp(value(node, "action", "deny"), "permit") == 0};
	if (strcmp(module, "*") != 0 && (r->module = strdup(module)) == NULL)
		return -ENOMEM;
	if ((text = value(node, "rpc-name", NULL)) != NULL)
		r->kind = RULE_RPC;
	else if ((text = value(node, "notification-name", NULL)) != NULL)
		r->kind = RULE_NOTIFICATION;
	if (text != NULL && strcmp(text, "*") != 0 && (r->name = strdup(text)) == NULL)
		return -ENOMEM;
	text = value(node, "path", NULL);
	if (text != NULL) {
		r->kind = RULE_PATH;
		r->broken = parse_path(text, r) != 0;
	}
	ops = value(node, "access-operations", "*");
	if (strcmp(ops, "*") == 0) {
		r->ops = ACCESS_ALL;
		return 0;
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const char *at = strstr(ops, names[i]);

		if (at != NULL)
			r->ops |= 1u << i;
	}
	return 0;
}

static int compile(const struct lyd_node *nacm, struct access *a)
{
	struct lyd_node *groups = child(nacm, "groups"), *node, *rule;
	int rc;

	a->enabled = strcmp(value(nacm, "enable-nacm", "true"), "true") == 0;
	a->read_permit = strcmp(value(nacm, "read-default", "permit"), "permit") == 0;
	a->write_permit = strcmp(value(nacm, "write-default", "deny"), "permit") == 0;
	a->exec_permit = strcmp(value(nacm, "exec-default", "permit"), "permit") == 0;
	a->external = strcmp(value(nacm, "enable-external-groups", "true"), "true") == 0;
	if (groups != NULL) {
		a->group = calloc(count(groups, "group") + 1, sizeof(*a->group));
		if (a->group == NULL)
			return -ENOMEM;
		LY_LIST_FOR (lyd_child(groups), node) {
			struct group *g = &a->group[a->group_count++];

			g->name = strdup(value(node, "name", ""));
			rc = values(node, "user-name", &g->user, &g->user_count);
			if (g->name == NULL || rc != 0)
				return -ENOMEM;
		}
	}
	a->list = calloc(count(nacm, "rule-list") + 1, sizeof(*a->list));
	if (a->list == NULL)
		return -ENOMEM;
	LY_LIST_FOR (lyd_child(nacm), node) {
		struct rule_list *l;

		if (strcmp(node->schema->name, "rule-list") != 0)
			continue;
		l = &a->list[a->list_count++];
		if (values(node, "group", &l->group, &l->group_count) != 0)
			return -ENOMEM;
		l->rule = calloc(count(node, "rule") + 1, sizeof(*l->rule));
		if (l->rule == NULL)
			return -ENOMEM;
		LY_LIST_FOR (lyd_child(node), rule) {
			if (strcmp(rule->schema->name, "rule") != 0)
				continue;
			rc = compile_rule(rule, &l->rule[l->rule_count++]);
			if (rc != 0)
				return rc;
		}
	}
	return 0;
}

int access_create(const struct lyd_node *running, struct access **out)
{
	struct access *a = calloc(1, sizeof(*a));
	const struct lyd_node *node;
	int rc = 0;

	if (a == NULL)
		return -ENOMEM;
	a->enabled = a->read_permit = a->exec_permit = a->external = true;
	LY_LIST_FOR (running, node)
		if (strcmp(node->schema->name, "nacm") == 0 &&
		    strcmp(node->schema->module->name, "ietf-netconf-acm") == 0)
			rc = compile(node, a);
	if (rc != 0) {
		access_destroy(a);
		return rc;
	}
	*out = a;
	return 0;
}

static void free_strings(char **list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(list[i]);
	free(list);
}

static void free_rule(struct rule *r)
{
	free((char *)(uintptr_t)r->module);
	free((char *)(uintptr_t)r->name);
	for (size_t i = 0; i < r->step_count; i++) {
		struct step *s = &r->step[i];

		free(s->module);
		free(s->name);
		for (size_t k = 0; k < s->pred_count; k++) {
			free(s->pred_name[k]);
			free(s->pred_value[k]);
		}
	}
}

void access_destroy(struct access *a)
{
	if (a == NULL)
		return;
	for (size_t i = 0; i < a->group_count; i++) {
		free(a->group[i].name);
		free_strings(a->group[i].user, a->group[i].user_count);
	}
	for (size_t i = 0; i < a->list_count; i++) {
		free_strings(a->list[i].group, a->list[i].group_count);
		for (size_t k = 0; k < a->list[i].rule_count; k++)
			free_rule(&a->list[i].rule[k]);
		free(a->list[i].rule);
	}
	free(a->group);
	free(a->list);
	free(a);
}

static bool has(char *const *list, size_t n, const char *text)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i], text) == 0)
			return true;
	return false;
}

static bool in_group(const struct access *a, const char *group, const char *user,
		     const char *const *groups, size_t group_count)
{
	for (size_t i = 0; i < a->group_count; i++)
		if (strcmp(a->group[i].name, group) == 0 &&
		    has(a->group[i].user, a->group[i].user_count, user))
			return true;
	for (size_t i = 0; a->external && i < group_count; i++)
		if (strcmp(groups[i], group) == 0)
			return true;
	return false;
}

int access_user_init(struct access_user *u, const struct access *a, const char *user,
		     const char *const *groups, size_t group_count)
{
	size_t total = 0;

	*u = (struct access_user){.access = a};
	for (size_t i = 0; i < a->list_count; i++)
		total += a->list[i].rule_count;
	u->rule = calloc(total + 1, sizeof(*u->rule));
	if (u->rule == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < a->list_count; i++) {
		const struct rule_list *l = &a->list[i];
		bool applies = false, member = group_count > 0;

		for (size_t k = 0; k < a->group_count; k++)
			member |= has(a->group[k].user, a->group[k].user_count, user);
		for (size_t k = 0; k < l->group_count && !applies; k++)
			// "*" stands for all groups: a user of none is not meant (section 3.4.4 step 3)
			applies = strcmp(l->group[k], "*") == 0
					  ? member
					  : in_group(a, l->group[k], user, groups, group_count);
		for (size_t k = 0; k < l->rule_count && applies; k++)
			u->rule[u->rule_count++] = &l->rule[k];
	}
	return 0;
}

void access_user_fini(struct access_user *u)
{
	free(u->rule);
	*u = (struct access_user){0};
}

static bool open_to(const struct access_user *u)
{
	return u->bypass || !u->access->enabled;
}

bool access_exec(const struct access_user *u, const char *module, const char *rpc,
		 bool deny_default)
{
	if (open_to(u))
		return true;
	for (size_t i = 0; i < u->rule_count; i++) {
		const struct rule *r = u->rule[i];

		if (r->kind != RULE_ANY && r->kind != RULE_RPC)
			continue;
		if (!(r->ops & ACCESS_EXEC) ||
		    (r->module != NULL && strcmp(r->module, module) != 0))
			continue;
		if (r->name != NULL && strcmp(r->name, rpc) != 0)
			continue;
		return r->permit;
	}
	return !deny_default && u->access->exec_permit;
}

static bool step_matches(const struct step *s, const char *module, const struct lyd_node *node)
{
	if (strcmp(s->name, node->schema->name) != 0 ||
	    strcmp(module, node->schema->module->name) != 0)
		return false;
	for (size_t i = 0; i < s->pred_count; i++) {
		const char *have = strcmp(s->pred_name[i], ".") == 0
					   ? lyd_get_value(node)
					   : value(node, s->pred_name[i], NULL);

		if (have == NULL || strcmp(have, s->pred_value[i]) != 0)
			return false;
	}
	return true;
}

static bool path_matches(const struct rule *r, const struct lyd_node *node)
{
	const struct lyd_node *chain[64];
	const char *module = "";
	size_t depth = 0;

	for (; node != NULL && depth < 64; node = lyd_parent(node))
		chain[depth++] = node;
	if (depth < r->step_count)
		return false;
	for (size_t i = 0; i < r->step_count; i++) {
		if (r->step[i].module != NULL)
			module = r->step[i].module;
		if (!step_matches(&r->step[i], module, chain[depth - 1 - i]))
			return false;
	}
	return true;
}

bool access_node(const struct access_user *u, const struct lyd_node *node, unsigned op)
{
	const struct lyd_node *up;
	unsigned flags = 0;

	if (open_to(u))
		return true;
	for (size_t i = 0; i < u->rule_count; i++) {
		const struct rule *r = u->rule[i];

		if ((r->kind != RULE_ANY && r->kind != RULE_PATH) || !(r->ops & op))
			continue;
		if (r->module != NULL && strcmp(r->module, node->schema->module->name) != 0)
			continue;
		if (r->broken) {
			if (r->permit)
				continue;
			return false;
		}
		if (r->kind == RULE_PATH && !path_matches(r, node))
			continue;
		return r->permit;
	}
	for (up = node; up != NULL; up = lyd_parent(up))
		if (up->schema->priv != NULL)
			flags |= schema_node(up->schema)->flags;
	if (flags & SCHEMA_DENY_ALL)
		return false;
	if ((flags & SCHEMA_DENY_WRITE) && op != ACCESS_READ)
		return false;
	return op == ACCESS_READ ? u->access->read_permit : u->access->write_permit;
}

static void prune(const struct access_user *u, struct lyd_node **first, struct lyd_node *node)
{
	struct lyd_node *next;

	for (; node != NULL; node = next) {
		next = node->next;
		if (lysc_is_key(node->schema))
			continue;
		if (access_node(u, node, ACCESS_READ)) {
			prune(u, NULL, lyd_child(node));
			continue;
		}
		if (first != NULL && *first == node)
			*first = next;
		lyd_free_tree(node);
	}
}

void access_prune(const struct access_user *u, struct lyd_node **tree)
{
	if (!open_to(u))
		prune(u, tree, *tree);
}
