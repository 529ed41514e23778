// SPDX-License-Identifier: BSD-3-Clause
//
// commit - the candidate as a whole: compare, validate, commit, discard, rollback, locks.

#include <stdlib.h>
#include <string.h>

#include "control/cli/commands.h"
#include "control/cli/path.h"
#include "control/cli/print.h"
#include "control/cli/schema.h"
#include "control/cli/table.h"

// "running", "candidate" or a version, as the RPC takes it. Returns: NULL if it is neither
static json_t *datastore_value(const char *word)
{
	long long n;

	if (strcmp(word, "running") == 0 || strcmp(word, "candidate") == 0)
		return json_string(word);
	return cli_number(word, 0, INT64_MAX, &n) == 0 ? json_integer(n) : NULL;
}

static void print_side(struct cli *c, const json_t *v, enum table_color color)
{
	char text[4096];

	if (v == NULL || json_is_null(v)) {
		fputc('\n', c->out);
	} else if (json_is_object(v)) {
		fputc('\n', c->out);
		fputs(table_escape(c->color, color), c->out);
		print_tree(v, c->out, 4);
	} else {
		fprintf(c->out, " %s\n", print_scalar(v, text, sizeof(text)));
	}
}

static void print_diff(struct cli *c, const json_t *d)
{
	const char *op = print_text(d, "operation"), *path = print_text(d, "path");
	const json_t *old = json_object_get(d, "old"), *new = json_object_get(d, "new");
	char a[1024], b[1024];

	if (strcmp(op, "create") == 0) {
		fprintf(c->out, "%s+ %s", table_escape(c->color, TABLE_GREEN), path);
		print_side(c, new, TABLE_GREEN);
	} else if (strcmp(op, "delete") == 0) {
		fprintf(c->out, "%s- %s", table_escape(c->color, TABLE_RED), path);
		print_side(c, old, TABLE_RED);
	} else {
		fprintf(c->out, "%s~ %s %s -> %s\n", table_escape(c->color, TABLE_YELLOW), path,
			old != NULL ? print_scalar(old, a, sizeof(a)) : "",
			new != NULL ? print_scalar(new, b, sizeof(b)) : "");
	}
	fputs(table_escape(c->color, TABLE_PLAIN), c->out);
}

int cmd_compare(struct cli *c, const struct cli_args *a)
{
	json_t *from, *to, *result, *diff, *d;
	size_t i;
	int rc;

	if (a->count == 1)
		return cli_fail(c, CLI_USAGE, "compare takes both, FROM and TO, or neither");
	from = a->count == 2 ? datastore_value(a->word[0]) : json_string("running");
	to = a->count == 2 ? datastore_value(a->word[1]) : json_string("candidate");
	if (from == NULL || to == NULL) {
		rc = cli_fail(c, CLI_USAGE, "'%s' is neither running, candidate nor a version",
			      a->word[from == NULL ? 0 : 1]);
		json_decref(from);
		json_decref(to);
		return rc;
	}
	rc = cli_call(c, "compare", json_pack("{s:o, s:o}", "from", from, "to", to), &result);
	if (rc != CLI_OK)
		return rc;
	diff = json_object_get(result, "diff");
	if (!cli_print_json(c, diff)) {
		json_array_foreach(diff, i, d) print_diff(c, d);
		if (json_array_size(diff) == 0)
			fputs("no difference\n", c->out);
	}
	json_decref(result);
	return CLI_OK;
}

static int simple(struct cli *c, const char *method, json_t *params, const char *said)
{
	json_t *result;
	int rc = cli_call(c, method, params, &result);

	if (rc != CLI_OK)
		return rc;
	if (!cli_print_json(c, result) && said != NULL)
		fprintf(c->out, "%s\n", said);
	json_decref(result);
	return CLI_OK;
}

int cmd_validate(struct cli *c, const struct cli_args *a)
{
	(void)a;
	return simple(c, "validate", json_pack("{s:s}", "source", "candidate"),
		      "the candidate is valid");
}

int cmd_discard(struct cli *c, const struct cli_args *a)
{
	(void)a;
	return simple(c, "discard", NULL, "the candidate is equal to the running configuration");
}

static int commit(struct cli *c, const char *comment, bool require_all)
{
	json_t *params = json_pack("{s:b}", "require-all", require_all), *result, *w;
	size_t i;
	int rc;

	if (comment != NULL)
		json_object_set_new(params, "comment", json_string(comment));
	rc = cli_call(c, "commit", params, &result);
	if (rc != CLI_OK)
		return rc;
	if (!cli_print_json(c, result)) {
		fprintf(c->out, "version %llu is running\n",
			(unsigned long long)print_count(result, "version"));
		json_array_foreach(json_object_get(result, "warnings"), i, w)
		{
			char text[512];

			fprintf(c->out, "%swarning:%s %s\n", table_escape(c->color, TABLE_YELLOW),
				table_escape(c->color, TABLE_PLAIN),
				print_scalar(w, text, sizeof(text)));
		}
	}
	json_decref(result);
	return CLI_OK;
}

// What a commit would change, and what that would do to the traffic of now.
static int preview(struct cli *c)
{
	json_t *result, *x;
	char n[TABLE_TEXT];
	size_t i;
	int rc = cli_call(c, "preview", NULL, &result);

	if (rc != CLI_OK)
		return rc;
	if (cli_print_json(c, result)) {
		json_decref(result);
		return CLI_OK;
	}
	json_array_foreach(json_object_get(result, "diff"), i, x) print_diff(c, x);
	if (json_array_size(json_object_get(result, "diff")) == 0)
		fputs("no difference\n", c->out);
	if (json_array_size(json_object_get(result, "effects")) > 0)
		fputc('\n', c->out);
	json_array_foreach(json_object_get(result, "effects"), i, x)
	{
		const char *kind = print_text(x, "kind");
		bool hurts = strncmp(kind, "flows-", 6) == 0 || strcmp(kind, "range") == 0 ||
			     strcmp(kind, "port-closed") == 0 || strcmp(kind, "port-changed") == 0;

		fprintf(c->out, "%s%s%s", table_escape(c->color, hurts ? TABLE_RED : TABLE_YELLOW),
			print_text(x, "text"), table_escape(c->color, TABLE_PLAIN));
		if (json_object_get(x, "flows") != NULL)
			fprintf(c->out, " (%s now)", table_count(print_count(x, "flows"), n));
		fputc('\n', c->out);
	}
	if (print_count(result, "more") > 0)
		fprintf(c->out, "and %s more\n", table_count(print_count(result, "more"), n));
	if (json_array_size(json_object_get(result, "diff")) > 0) {
		fprintf(c->out, "\n%s flows at most would end",
			table_count(print_count(result, "flows-at-most"), n));
		if (print_count(result, "uncounted") > 0)
			fprintf(c->out, ", and those of %s above that could not be counted",
				table_count(print_count(result, "uncounted"), n));
		fputs("; nothing is changed yet\n", c->out);
	}
	json_decref(result);
	return CLI_OK;
}

int cmd_commit(struct cli *c, const struct cli_args *a)
{
	if (cli_option(a, "preview") != NULL)
		return preview(c);
	return commit(c, cli_option(a, "comment"), cli_option(a, "require-all") != NULL);
}

// The path in the words behind the version, NULL if there are none.
static int rollback_path(struct cli *c, const struct cli_args *a, char **out)
{
	size_t count = (size_t)a->count - 1, used;
	struct cli_path p = {.count = 0};
	char error[PATH_ERROR];
	int rc = CLI_OK;

	*out = NULL;
	if (count == 0)
		return CLI_OK;
	rc = cli_schema_load(c);
	if (rc != CLI_OK)
		return rc;
	if (path_words(c->schema, c->instance, a->word + 1, count, &p, &used, error) != 0)
		return cli_fail(c, CLI_USAGE, "%s", error);
	if (used < count)
		rc = cli_fail(c, CLI_USAGE, "'%s' is too much; rollback takes a path only",
			      a->word[1 + used]);
	else if (path_is_state(&p))
		rc = cli_fail(c, CLI_USAGE, "that is state, it has no versions");
	else if ((*out = path_text(&p)) == NULL)
		rc = cli_fail(c, CLI_FAILED, "out of memory");
	path_free(&p);
	return rc;
}

int cmd_rollback(struct cli *c, const struct cli_args *a)
{
	const char *file = cli_option(a, "file");
	char said[128], comment[128], *path = NULL;
	bool part = false;
	json_t *config, *params;
	long long version = 0;
	int rc;

	if ((file != NULL) == (a->count > 0))
		return cli_fail(c, CLI_USAGE, "rollback takes a version or --file, one of both");
	if (file != NULL) {
		rc = cli_load_file(c, file, &config);
		if (rc != CLI_OK)
			return rc;
		params = json_pack("{s:o}", "file-config", config);
		snprintf(comment, sizeof(comment), "roll back to a file");
	} else {
		if (cli_number(a->word[0], 0, INT64_MAX, &version) != 0)
			return cli_fail(c, CLI_USAGE,
					"'%s' is no version ('show history' lists them)",
					a->word[0]);
		rc = rollback_path(c, a, &path);
		if (rc != CLI_OK)
			return rc;
		params = json_pack("{s:I, s:s*}", "version", (json_int_t)version, "path", path);
		snprintf(comment, sizeof(comment), "roll back to version %lld%s", version,
			 path != NULL ? " in part" : "");
		part = path != NULL;
		free(path);
	}
	if (cli_option(a, "commit") != NULL) {
		json_t *result;

		rc = cli_call(c, "rollback", params, &result);
		if (rc != CLI_OK)
			return rc;
		json_decref(result);
		return commit(c, comment, false);
	}
	snprintf(said, sizeof(said),
		 file != NULL ? "the candidate holds that file; see compare, then commit"
		 : part ? "the candidate holds that part of version %lld; see compare, then commit"
			: "the candidate holds version %lld; see compare, then commit",
		 version);
	return simple(c, "rollback", params, said);
}

// ---- locks -----------------------------------------------------------------------------------

static int lock_target(struct cli *c, const struct cli_args *a, const char **target)
{
	*target = a->count > 0 ? a->word[0] : "candidate";
	if (strcmp(*target, "candidate") != 0 && strcmp(*target, "running") != 0)
		return cli_fail(c, CLI_USAGE,
				"'%s' cannot be locked, only running and candidate can", *target);
	return CLI_OK;
}

int cmd_lock(struct cli *c, const struct cli_args *a)
{
	const char *target;
	char said[128];
	int rc = lock_target(c, a, &target);

	if (rc != CLI_OK)
		return rc;
	snprintf(said, sizeof(said), "%s is locked by this session", target);
	rc = simple(c, "lock", json_pack("{s:s}", "target", target), said);
	if (rc == CLI_OK && !c->session)
		fprintf(stderr, "sluicectl: the session ends with this command, and the lock with "
				"it; to hold one, use interactive mode or give all commands on "
				"standard input\n");
	return rc;
}

int cmd_unlock(struct cli *c, const struct cli_args *a)
{
	const char *target;
	char said[128];
	int rc = lock_target(c, a, &target);

	if (rc != CLI_OK)
		return rc;
	snprintf(said, sizeof(said), "%s is unlocked", target);
	return simple(c, "unlock", json_pack("{s:s}", "target", target), said);
}
