// SPDX-License-Identifier: BSD-3-Clause
//
// edit - get, show config, set, delete, edit: one path or file at a time.

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/cli/commands.h"
#include "control/cli/path.h"
#include "control/cli/print.h"
#include "control/cli/schema.h"

#define ERROR_INTERNAL "out of memory"

// ---- reading ---------------------------------------------------------------------------------

// Fetch by path: method get, or get-config of a source.
static int fetch(struct cli *c, const char *path, const char *source, bool defaults,
		 json_t **result)
{
	const char *wd = defaults ? "report-all" : "explicit";

	if (source == NULL)
		return cli_call(
			c, "get",
			path != NULL ? json_pack("{s:[s], s:s}", "paths", path, "with-defaults", wd)
				     : json_pack("{s:s}", "with-defaults", wd),
			result);
	return cli_call(c, "get-config",
			path != NULL
				? json_pack("{s:s, s:[s], s:s}", "source", source, "paths", path,
					    "with-defaults", wd)
				: json_pack("{s:s, s:s}", "source", source, "with-defaults", wd),
			result);
}

static json_t *payload(const json_t *result)
{
	json_t *v = json_object_get(result, "data");

	return v != NULL ? v : json_object_get(result, "config");
}

static int print_found(struct cli *c, const struct cli_path *p, const char *text, json_t *data)
{
	json_t *v = p != NULL ? path_find(p, data) : data;

	if (v == NULL)
		return cli_fail(c, CLI_REFUSED, "%s: there is nothing here", text);
	if (cli_print_json(c, v))
		return CLI_OK;
	if (p != NULL && json_is_array(v)) { // entries, each behind the list's name
		json_t *named = json_pack("{s:O}", path_end_name(p), v);

		print_tree(named, c->out, 0);
		json_decref(named);
	} else {
		print_tree(v, c->out, 0);
	}
	return CLI_OK;
}

static int get_path(struct cli *c, char **word, size_t count, const char *source, bool defaults)
{
	struct cli_path p = {.count = 0};
	char error[PATH_ERROR], *text;
	json_t *result;
	bool raw;
	size_t used;
	int rc;

	rc = cli_schema_load(c);
	if (rc != CLI_OK)
		return rc;
	rc = path_words(c->schema, c->instance, word, count, &p, &used, error);
	raw = rc != 0 && count == 1 && word[0][0] == '/'; // XPath for the daemon to judge
	if (rc != 0 && !raw)
		return cli_fail(c, CLI_USAGE, "%s", error);
	if (!raw && used < count) {
		// Behind a leaf-list its value may stand.
		if (!path_is_leaf_list(&p) || used + 1 < count) {
			rc = cli_fail(c, CLI_USAGE, "'%s' stands behind a leaf", word[used]);
			goto out_free;
		}
		p.step[p.count - 1].key[0] = strdup(word[used]);
		p.step[p.count - 1].keys = p.step[p.count - 1].key[0] != NULL;
	}
	text = raw ? strdup(word[0]) : path_text(&p);
	if (text == NULL) {
		rc = cli_fail(c, CLI_USAGE, "a key with both kinds of quotes cannot be asked for");
		goto out_free;
	}
	if (source != NULL && !raw && path_is_state(&p)) {
		rc = cli_fail(c, CLI_USAGE,
			      "%s is state, not configuration (use get without --config)", text);
		goto out_text;
	}
	rc = fetch(c, text, source, defaults, &result);
	if (rc == CLI_OK) {
		rc = print_found(c, raw ? NULL : &p, text, payload(result));
		json_decref(result);
	}
out_text:
	free(text);
out_free:
	path_free(&p);
	return rc;
}

int cmd_get(struct cli *c, const struct cli_args *a)
{
	const char *source = NULL;

	if (cli_option(a, "candidate") != NULL)
		source = "candidate";
	else if (cli_option(a, "config") != NULL)
		source = "running";
	return get_path(c, a->word, (size_t)a->count, source, cli_option(a, "defaults") != NULL);
}

int cmd_show_config(struct cli *c, const struct cli_args *a)
{
	const char *source = cli_option(a, "candidate") != NULL ? "candidate" : "running";
	bool defaults = cli_option(a, "defaults") != NULL;
	json_t *result, *config;
	int rc;

	if (a->count > 0)
		return get_path(c, a->word, (size_t)a->count, source, defaults);
	rc = fetch(c, NULL, source, defaults, &result);
	if (rc != CLI_OK)
		return rc;
	config = payload(result);
	if (!cli_print_json(c, config)) {
		if (json_object_size(config) == 0)
			fprintf(c->out, "the %s configuration is empty\n", source);
		else
			print_tree(config, c->out, 0);
	}
	json_decref(result);
	return rc;
}

// ---- set and delete --------------------------------------------------------------------------

// {"ok": true} in JSON mode, nothing else: a command that did its work is silent.
static int done(struct cli *c, json_t *result)
{
	cli_print_json(c, result);
	json_decref(result);
	return CLI_OK;
}

static int send_edit(struct cli *c, json_t *config, const char *default_operation)
{
	json_t *result;
	int rc = cli_call(c, "edit-config",
			  json_pack("{s:s, s:s, s:o}", "target", "candidate", "default-operation",
				    default_operation, "config", config),
			  &result);

	return rc == CLI_OK ? done(c, result) : rc;
}

static int not_settable(struct cli *c, const struct cli_path *p)
{
	char *text = path_text(p);
	int rc = CLI_OK;

	if (path_is_state(p))
		rc = cli_fail(c, CLI_USAGE, "%s is state, it cannot be configured",
			      text != NULL ? text : "this");
	else if (path_is_key(p))
		rc = cli_fail(c, CLI_USAGE,
			      "%s is the key of its entry; make a new entry and delete the old one",
			      text != NULL ? text : "this");
	else if (path_is_list(p))
		rc = cli_fail(c, CLI_USAGE, "%s: which one? Its key is missing",
			      text != NULL ? text : "a list");
	free(text);
	return rc;
}

// One path with the value behind it, added to *config. *used words were taken.
static int set_one(struct cli *c, struct cli_path *p, char **word, size_t count, size_t *used,
		   json_t **config)
{
	char error[PATH_ERROR];
	json_t *value = NULL, *tree;
	int rc = not_settable(c, p);

	*used = 0;
	if (rc != CLI_OK)
		return rc;
	if (path_is_leaf(p) || path_is_leaf_list(p)) {
		char *text = path_text(p);

		if (count == 0)
			rc = cli_fail(c, CLI_USAGE, "%s: its value is missing",
				      text != NULL ? text : "the leaf");
		else if (path_value(c->schema, p, word[0], &value, error) != 0)
			rc = cli_fail(c, CLI_REFUSED, "%s: %s", text != NULL ? text : "", error);
		free(text);
		if (rc != CLI_OK)
			return rc;
		*used = 1;
	}
	tree = path_config(p, value, NULL);
	if (tree == NULL)
		return cli_fail(c, CLI_FAILED, ERROR_INTERNAL);
	if (*config == NULL)
		*config = tree;
	else if (path_merge(*config, tree) != 0)
		return cli_fail(c, CLI_FAILED, ERROR_INTERNAL);
	return CLI_OK;
}

int cmd_set(struct cli *c, const struct cli_args *a)
{
	struct cli_path p = {.count = 0};
	size_t count = (size_t)a->count, used = 0, at;
	char error[PATH_ERROR];
	json_t *config = NULL;
	int rc = cli_schema_load(c);

	if (rc != CLI_OK)
		return rc;
	if (path_words(c->schema, c->instance, a->word, count, &p, &at, error) != 0)
		return cli_fail(c, CLI_USAGE, "%s", error);
	for (;;) {
		rc = set_one(c, &p, a->word + at, count - at, &used, &config);
		at += used;
		if (rc != CLI_OK || at == count)
			break;
		if (path_more(c->schema, &p, a->word + at, count - at, &used, error) != 0) {
			rc = cli_fail(c, CLI_USAGE, "%s", error);
			break;
		}
		at += used;
	}
	path_free(&p);
	if (rc == CLI_OK)
		return send_edit(c, config, "merge");
	json_decref(config);
	return rc;
}

int cmd_delete(struct cli *c, const struct cli_args *a)
{
	struct cli_path p = {.count = 0};
	char error[PATH_ERROR], *text = NULL;
	json_t *result = NULL, *value = NULL, *config;
	size_t count = (size_t)a->count, used;
	int rc = cli_schema_load(c);

	if (rc != CLI_OK)
		return rc;
	if (path_words(c->schema, c->instance, a->word, count, &p, &used, error) != 0)
		return cli_fail(c, CLI_USAGE, "%s", error);
	rc = not_settable(c, &p);
	if (rc == CLI_OK && used < count) {
		if (!path_is_leaf_list(&p) || used + 1 < count)
			rc = cli_fail(c, CLI_USAGE, "'%s' is too much; delete takes a path only",
				      a->word[used]);
		else if (path_value(c->schema, &p, a->word[used], &value, error) != 0)
			rc = cli_fail(c, CLI_REFUSED, "%s", error);
	} else if (rc == CLI_OK && path_is_leaf_list(&p)) {
		rc = cli_fail(c, CLI_USAGE, "which of its values? Name it behind the path");
	} else if (rc == CLI_OK && path_is_leaf(&p)) {
		// The edit must carry a valid value: its present one.
		text = path_text(&p);
		rc = text == NULL ? cli_fail(c, CLI_FAILED, ERROR_INTERNAL)
				  : fetch(c, text, "candidate", false, &result);
		if (rc == CLI_OK) {
			value = json_incref(path_find(&p, payload(result)));
			if (value == NULL)
				rc = cli_fail(c, CLI_REFUSED, "%s: it is not set in the candidate",
					      text);
		}
	}
	if (rc == CLI_OK) {
		config = path_config(&p, value, "delete");
		value = NULL;
		rc = config != NULL ? send_edit(c, config, "none")
				    : cli_fail(c, CLI_FAILED, ERROR_INTERNAL);
	}
	json_decref(value);
	json_decref(result);
	free(text);
	path_free(&p);
	return rc;
}

// ---- files -----------------------------------------------------------------------------------

int cli_load_file(struct cli *c, const char *name, json_t **out)
{
	bool in = strcmp(name, "-") == 0;
	FILE *f = in ? stdin : fopen(name, "r");
	json_error_t err;

	if (f == NULL)
		return cli_fail(c, CLI_FAILED, "%s: %s", name, strerror(errno));
	*out = json_loadf(f, JSON_REJECT_DUPLICATES, &err);
	if (!in)
		fclose(f);
	if (*out == NULL)
		return cli_fail(c, CLI_FAILED, "%s, line %d, column %d: %s",
				in ? "standard input" : name, err.line, err.column, err.text);
	if (!json_is_object(*out)) {
		json_decref(*out);
		return cli_fail(c, CLI_FAILED, "%s: not a JSON object", name);
	}
	return CLI_OK;
}

int cmd_edit(struct cli *c, const struct cli_args *a)
{
	json_t *config;
	int rc = cli_load_file(c, a->word[0], &config);

	if (rc != CLI_OK)
		return rc;
	return send_edit(c, config, cli_option(a, "replace") != NULL ? "replace" : "merge");
}
