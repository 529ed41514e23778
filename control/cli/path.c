// SPDX-License-Identifier: BSD-3-Clause

#include "control/cli/path.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libyang/libyang.h>

#include "control/cli/schema.h"

#define PATH_WORDS 64
#define DATA_NODES (LYS_CONTAINER | LYS_LEAF | LYS_LEAFLIST | LYS_LIST | LYS_ANYDATA)

static int wrong(char *error, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int wrong(char *error, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(error, PATH_ERROR, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

// ---- looking down the schema -----------------------------------------------------------------

// Call fn for each data node below parent, or at the top (parent NULL); stops when fn returns true.
static void each_child(const struct ly_ctx *ctx, const struct lysc_node *parent,
		       bool (*fn)(void *arg, const struct lysc_node *n), void *arg)
{
	const struct lysc_node *n = NULL;
	const struct lys_module *m;
	uint32_t i = 0;

	if (parent != NULL) {
		while ((n = lys_getnext(n, parent, NULL, 0)) != NULL)
			if ((n->nodetype & DATA_NODES) && fn(arg, n))
				return;
		return;
	}
	while ((m = ly_ctx_get_module_iter(ctx, &i)) != NULL) {
		if (!m->implemented || m->compiled == NULL)
			continue;
		n = NULL;
		while ((n = lys_getnext(n, NULL, m->compiled, 0)) != NULL)
			if ((n->nodetype & DATA_NODES) && fn(arg, n))
				return;
	}
}

struct lookup {
	const char *module; // NULL: any
	size_t module_len;
	const char *name;
	size_t name_len;
	const struct ly_ctx *ctx;
	// found: the node, and the containers above it that were left out
	const struct lysc_node *via[PATH_STEPS];
	size_t depth, found_depth, found_count;
	const struct lysc_node *found[PATH_STEPS];
};

static bool same_name(const struct lookup *l, const struct lysc_node *n)
{
	if (strncmp(n->name, l->name, l->name_len) != 0 || n->name[l->name_len] != '\0')
		return false;
	return l->module == NULL || (strncmp(n->module->name, l->module, l->module_len) == 0 &&
				     n->module->name[l->module_len] == '\0');
}

static bool look_here(void *arg, const struct lysc_node *n)
{
	struct lookup *l = arg;

	if (!same_name(l, n))
		return false;
	l->found_count++;
	if (l->found_count == 1) {
		memcpy(l->found, l->via, sizeof(l->found));
		l->found_depth = l->depth;
		l->found[l->found_depth++] = n;
	}
	return false;
}

static void look_level(struct lookup *l, const struct lysc_node *parent, size_t level);

struct descent {
	struct lookup *l;
	size_t level;
};

static bool look_below(void *arg, const struct lysc_node *n)
{
	struct descent *d = arg;

	// What is deprecated (interfaces-state) is found by its full name only.
	if (n->nodetype == LYS_CONTAINER && !(n->flags & (LYS_STATUS_DEPRC | LYS_STATUS_OBSLT)) &&
	    d->l->depth + 1 < PATH_STEPS) {
		d->l->via[d->l->depth++] = n;
		look_level(d->l, n, d->level - 1);
		d->l->depth--;
	}
	return false;
}

// Nodes of the name exactly `level` containers below parent.
static void look_level(struct lookup *l, const struct lysc_node *parent, size_t level)
{
	struct descent d = {.l = l, .level = level};

	if (level == 0)
		each_child(l->ctx, parent, look_here, l);
	else
		each_child(l->ctx, parent, look_below, &d);
}

// Is there one of the name: here, or where containers may be left out, at the nearest level?
static void look(struct lookup *l, const struct ly_ctx *ctx, const struct lysc_node *parent,
		 const char *word)
{
	const char *colon = strchr(word, ':');

	memset(l, 0, sizeof(*l));
	l->ctx = ctx;
	l->name = colon != NULL ? colon + 1 : word;
	l->name_len = strlen(l->name);
	if (colon != NULL) {
		l->module = word;
		l->module_len = (size_t)(colon - word);
	}
	for (size_t level = 0; level <= 3 && l->found_count == 0; level++)
		look_level(l, parent, level);
}

struct names {
	char *out;
	size_t at;
	const char *between;
};

static bool add_name(void *arg, const struct lysc_node *n)
{
	struct names *s = arg;
	int w;

	if (s->at + 1 < PATH_ERROR) {
		w = snprintf(s->out + s->at, PATH_ERROR - s->at, "%s%s", s->between, n->name);
		s->at += w > 0 ? (size_t)w : 0;
		s->between = ", ";
	}
	return false;
}

static int unknown(const struct ly_ctx *ctx, const struct lysc_node *parent, const char *word,
		   char *error)
{
	struct names s = {.out = error, .between = ""};
	int w;

	if (parent == NULL)
		w = snprintf(error, PATH_ERROR,
			     "there is no '%s'; a path begins with service, pool, server, port, "
			     "local-address-pool, timeouts, flow-table, lb, ",
			     word);
	else
		w = snprintf(error, PATH_ERROR, "there is no '%s' in %s, which has: ", word,
			     parent->name);
	s.at = w > 0 ? (size_t)w : 0;
	each_child(ctx, parent, add_name, &s);
	return -EINVAL;
}

// ---- steps -----------------------------------------------------------------------------------

static int step_push(struct cli_path *p, const struct lysc_node *n, char *error)
{
	if (p->count == PATH_STEPS)
		return wrong(error, "the path is too deep");
	p->step[p->count++] = (struct cli_step){.node = n};
	return 0;
}

static size_t key_count(const struct lysc_node *list)
{
	const struct lysc_node *n = NULL;
	size_t count = 0;

	while ((n = lys_getnext(n, list, NULL, 0)) != NULL && lysc_is_key(n))
		count++;
	return count;
}

static int step_key(struct cli_step *s, const char *value, size_t len, char *error)
{
	if (s->keys == PATH_KEYS)
		return wrong(error, "too many keys");
	s->key[s->keys] = strndup(value, len);
	if (s->key[s->keys] == NULL)
		return wrong(error, "out of memory");
	s->keys++;
	return 0;
}

static int step_key_text(struct cli_path *p, const char *value, char *error)
{
	return step_key(&p->step[p->count - 1], value, strlen(value), error);
}

static const struct lysc_node *end_of(const struct cli_path *p)
{
	return p->count > 0 ? p->step[p->count - 1].node : NULL;
}

const struct lysc_node *path_end(const struct cli_path *p)
{
	return end_of(p);
}

const char *path_end_name(const struct cli_path *p)
{
	return end_of(p)->name;
}

void path_free(struct cli_path *p)
{
	for (size_t i = 0; i < p->count; i++)
		for (size_t k = 0; k < p->step[i].keys; k++)
			free(p->step[i].key[k]);
	memset(p, 0, sizeof(*p));
}

// ---- words -----------------------------------------------------------------------------------

// Go down by one word from where p stands.
static int descend(const struct cli_schema *s, struct cli_path *p, const char *word, char *error)
{
	const struct ly_ctx *ctx = cli_schema_ctx(s);
	struct lookup l;
	int rc = 0;

	look(&l, ctx, end_of(p), word);
	if (l.found_count == 0)
		return unknown(ctx, end_of(p), word, error);
	if (l.found_count > 1)
		return wrong(error, "'%s' is in more than one place here; name the container, too",
			     word);
	for (size_t i = 0; i < l.found_depth && rc == 0; i++)
		rc = step_push(p, l.found[i], error);
	return rc;
}

static bool is_end(const struct lysc_node *n)
{
	return n != NULL && (n->nodetype & (LYS_LEAF | LYS_LEAFLIST));
}

static int walk(const struct cli_schema *s, struct cli_path *p, char **word, size_t count,
		size_t *used, char *error)
{
	int rc;

	while (*used < count && !is_end(end_of(p))) {
		rc = descend(s, p, word[(*used)++], error);
		if (rc != 0)
			return rc;
		if (end_of(p)->nodetype != LYS_LIST)
			continue;
		for (size_t keys = key_count(end_of(p)); keys > 0 && *used < count; keys--) {
			rc = step_key_text(p, word[(*used)++], error);
			if (rc != 0)
				return rc;
		}
		if (p->step[p->count - 1].keys > 0 &&
		    p->step[p->count - 1].keys < key_count(end_of(p)))
			return wrong(error, "%s has %zu keys", end_of(p)->name,
				     key_count(end_of(p)));
	}
	return 0;
}

// Stand at the load balancer of this name. Returns: false where the schema has none.
static bool enter_instance(const struct cli_schema *s, struct cli_path *p, const char *instance)
{
	char error[PATH_ERROR];

	return descend(s, p, "load-balancers", error) == 0 &&
	       descend(s, p, "load-balancer", error) == 0 && step_key_text(p, instance, error) == 0;
}

// ---- instance paths --------------------------------------------------------------------------

// The predicates behind a name: [key='value'] and [.='value'].
static int predicates(struct cli_path *p, const char **at, char *error)
{
	struct cli_step *st = &p->step[p->count - 1];
	const struct lysc_node *key = NULL;

	while (**at == '[') {
		const char *name = *at + 1, *eq = strchr(name, '='), *end;
		char quote;

		if (eq == NULL || (eq[1] != '\'' && eq[1] != '"'))
			return wrong(error, "after '[' comes key='value'");
		quote = eq[1];
		end = strchr(eq + 2, quote);
		if (end == NULL || end[1] != ']')
			return wrong(error, "a value in quotes is not closed by %c]", quote);
		if (st->node->nodetype == LYS_LIST) {
			key = lys_getnext(key, st->node, NULL, 0);
			if (key == NULL || !lysc_is_key(key) ||
			    strncmp(key->name, name, (size_t)(eq - name)) != 0 ||
			    key->name[eq - name] != '\0')
				return wrong(error, "keys of %s are given all, in their order",
					     st->node->name);
		} else if (st->node->nodetype != LYS_LEAFLIST || name[0] != '.' || eq != name + 1) {
			return wrong(error, "%s has no keys", st->node->name);
		}
		if (step_key(st, eq + 2, (size_t)(end - eq - 2), error) != 0)
			return -EINVAL;
		*at = end + 2;
	}
	if (st->node->nodetype == LYS_LIST && st->keys > 0 && st->keys < key_count(st->node))
		return wrong(error, "%s has %zu keys", st->node->name, key_count(st->node));
	return 0;
}

static int absolute(const struct cli_schema *s, const char *text, struct cli_path *p, char *error)
{
	const char *at = text;
	int rc;

	while (*at == '/') {
		size_t len = strcspn(++at, "/[");
		char name[256];

		if (len == 0 && *at == '\0' && p->count > 0)
			return 0; // a slash at the end
		if (len == 0 || len >= sizeof(name))
			return wrong(error, "an empty name in the path");
		memcpy(name, at, len);
		name[len] = '\0';
		at += len;
		rc = descend(s, p, name, error);
		if (rc == 0)
			rc = predicates(p, &at, error);
		if (rc != 0)
			return rc;
	}
	return *at == '\0' ? 0 : wrong(error, "'%s' in the path", at);
}

// ---- both ------------------------------------------------------------------------------------

// The words as they are walked: aliases and slashes taken apart. from[i]: words of the caller that are
// used up once word[i] is.
struct words {
	char text[1024]; // room for a word with slashes
	char *word[PATH_WORDS];
	size_t from[PATH_WORDS];
	size_t count;
};

static void word_add(struct words *w, const char *word, size_t from)
{
	if (w->count < PATH_WORDS) {
		w->word[w->count] = (char *)(uintptr_t)word;
		w->from[w->count++] = from;
	}
}

static void words_add(struct words *w, char **word, size_t count, size_t from)
{
	for (size_t i = 0; i < count; i++)
		word_add(w, word[i], from + i + 1);
}

// "a/b/c" as first word counts as three.
static int words_split(struct words *w, char **word, size_t count, char *error)
{
	char *save = NULL;

	if (strchr(word[0], '/') == NULL) {
		words_add(w, word, count, 0);
		return 0;
	}
	if (strlen(word[0]) >= sizeof(w->text))
		return wrong(error, "the path is too long");
	memcpy(w->text, word[0], strlen(word[0]) + 1);
	for (char *part = strtok_r(w->text, "/", &save); part != NULL;
	     part = strtok_r(NULL, "/", &save))
		word_add(w, part, 1);
	words_add(w, word + 1, count - 1, 1);
	return w->count > 0 ? 0 : wrong(error, "an empty path");
}

// server POOL NAME is pool POOL server NAME, port NAME is interface NAME.
static void words_alias(struct words *w, const struct words *in, size_t at, bool in_instance)
{
	const char *first = in->word[at];

	if (in_instance && strcmp(first, "server") == 0 && in->count > at + 1) {
		word_add(w, "pool", in->from[at]);
		word_add(w, in->word[at + 1], in->from[at + 1]);
		word_add(w, "server", in->from[at + 1]);
		at += 2;
	} else if (strcmp(first, "port") == 0) {
		word_add(w, "interface", in->from[at++]);
	}
	for (; at < in->count; at++)
		word_add(w, in->word[at], in->from[at]);
}

static int from_words(const struct cli_schema *s, const char *instance, const struct words *in,
		      struct cli_path *p, size_t *used, char *error)
{
	bool named = strcmp(in->word[0], "lb") == 0 || strcmp(in->word[0], "load-balancer") == 0;
	struct words w = {.count = 0};
	size_t taken = 0, at = 0;
	struct lookup l;
	bool inside;
	int rc;

	if (named && in->count > 1)
		instance = in->word[1];
	inside = enter_instance(s, p, instance);
	if (named) {
		if (!inside)
			return wrong(error, "the daemon has no load balancers in its schema");
		at = in->count > 1 ? 2 : 1;
		*used = in->from[at - 1];
		if (at == in->count)
			return 0;
	}
	words_alias(&w, in, at, inside);
	if (inside && !named) {
		look(&l, cli_schema_ctx(s), end_of(p), w.word[0]);
		inside = l.found_count > 0;
	}
	if (!inside)
		path_free(p); // from the top
	rc = walk(s, p, w.word, w.count, &taken, error);
	if (taken > 0)
		*used = w.from[taken - 1];
	if (rc == 0 && taken > 0 && taken < w.count && w.from[taken] == w.from[taken - 1])
		rc = wrong(error, "'%s' stands behind %s, which has nothing below it",
			   w.word[taken], end_of(p)->name);
	return rc;
}

int path_words(const struct cli_schema *s, const char *instance, char **word, size_t count,
	       struct cli_path *out, size_t *used, char *error)
{
	struct cli_path p = {.count = 0};
	struct words w = {.count = 0};
	size_t taken = 0;
	int rc;

	*used = 0;
	error[0] = '\0';
	if (count == 0 || count > PATH_WORDS - 2)
		return wrong(error, count == 0 ? "a path is missing" : "too many words");
	if (word[0][0] == '/') {
		rc = absolute(s, word[0], &p, error);
		*used = 1;
		if (rc == 0)
			rc = walk(s, &p, word + 1, count - 1, &taken, error);
		*used += taken;
	} else {
		rc = words_split(&w, word, count, error);
		if (rc == 0)
			rc = from_words(s, instance, &w, &p, used, error);
	}
	if (rc != 0) {
		path_free(&p);
		return rc;
	}
	*out = p;
	return 0;
}

int path_more(const struct cli_schema *s, struct cli_path *p, char **word, size_t count,
	      size_t *used, char *error)
{
	// Back to the entry or container that the words before were about: the nearest list entry,
	// else the nearest container.
	while (p->count > 1 && (is_end(end_of(p)) || (end_of(p)->nodetype == LYS_CONTAINER &&
						      end_of(p)->parent != NULL))) {
		struct cli_step *st = &p->step[--p->count];

		for (size_t k = 0; k < st->keys; k++)
			free(st->key[k]);
		memset(st, 0, sizeof(*st));
	}
	*used = 0;
	return walk(s, p, word, count, used, error);
}

// ---- what a path is --------------------------------------------------------------------------

bool path_is_leaf(const struct cli_path *p)
{
	return end_of(p)->nodetype == LYS_LEAF;
}

bool path_is_leaf_list(const struct cli_path *p)
{
	return end_of(p)->nodetype == LYS_LEAFLIST;
}

bool path_is_list(const struct cli_path *p)
{
	return end_of(p)->nodetype == LYS_LIST && p->step[p->count - 1].keys == 0;
}

bool path_is_state(const struct cli_path *p)
{
	return (end_of(p)->flags & LYS_CONFIG_R) != 0;
}

bool path_is_key(const struct cli_path *p)
{
	return lysc_is_key(end_of(p));
}

static bool append(char **text, size_t *len, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static bool append(char **text, size_t *len, const char *fmt, ...)
{
	char *more, *grown;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&more, fmt, ap);
	va_end(ap);
	if (n < 0)
		return false;
	grown = realloc(*text, *len + (size_t)n + 1);
	if (grown != NULL) {
		memcpy(grown + *len, more, (size_t)n + 1);
		*text = grown;
		*len += (size_t)n;
	}
	free(more);
	return grown != NULL;
}

static const char *key_name(const struct lysc_node *list, size_t at)
{
	const struct lysc_node *n = NULL;

	if (list->nodetype == LYS_LEAFLIST)
		return ".";
	for (size_t i = 0; i <= at; i++)
		n = lys_getnext(n, list, NULL, 0);
	return n->name;
}

char *path_text(const struct cli_path *p)
{
	const struct lys_module *m = NULL;
	char *text = NULL;
	size_t len = 0;
	bool ok = true;

	for (size_t i = 0; i < p->count && ok; i++) {
		const struct cli_step *st = &p->step[i];
		bool same = st->node->module == m;

		m = st->node->module;
		ok = append(&text, &len, "/%s%s%s", same ? "" : m->name, same ? "" : ":",
			    st->node->name);
		for (size_t k = 0; k < st->keys && ok; k++) {
			char q = strchr(st->key[k], '\'') != NULL ? '"' : '\'';

			ok = strchr(st->key[k], q) == NULL &&
			     append(&text, &len, "[%s=%c%s%c]", key_name(st->node, k), q,
				    st->key[k], q);
		}
	}
	if (!ok) {
		free(text);
		return NULL;
	}
	return text;
}

// ---- completion ------------------------------------------------------------------------------

struct completion {
	const char *prefix;
	void (*found)(void *arg, const char *name);
	void *arg;
};

static void complete_one(struct completion *c, const char *name)
{
	if (strncmp(name, c->prefix, strlen(c->prefix)) == 0)
		c->found(c->arg, name);
}

static bool complete_node(void *arg, const struct lysc_node *n)
{
	complete_one(arg, n->name);
	return false;
}

// In a container only its own names; lists in containers that need not be typed as well.
static bool complete_child(void *arg, const struct lysc_node *n)
{
	const struct lysc_node *below = NULL;

	complete_one(arg, n->name);
	if (n->nodetype != LYS_CONTAINER)
		return false;
	while ((below = lys_getnext(below, n, NULL, 0)) != NULL)
		if (below->nodetype == LYS_LIST)
			complete_one(arg, below->name);
	return false;
}

void path_complete(const struct cli_schema *s, const char *instance, char **word, size_t count,
		   const char *prefix, void (*found)(void *arg, const char *name), void *arg)
{
	struct completion c = {.prefix = prefix, .found = found, .arg = arg};
	const struct ly_ctx *ctx = cli_schema_ctx(s);
	struct cli_path p = {.count = 0};
	char error[PATH_ERROR];
	size_t used;

	if (count == 0) {
		complete_one(&c, "lb");
		complete_one(&c, "port");
		complete_one(&c, "server");
		if (enter_instance(s, &p, instance))
			each_child(ctx, end_of(&p), complete_child, &c);
		path_free(&p);
		each_child(ctx, NULL, complete_node, &c);
		return;
	}
	if (path_words(s, instance, word, count, &p, &used, error) != 0)
		return;
	if (used == count && !is_end(end_of(&p)) &&
	    (end_of(&p)->nodetype != LYS_LIST || p.step[p.count - 1].keys > 0))
		each_child(ctx, end_of(&p), complete_child, &c);
	path_free(&p);
}
