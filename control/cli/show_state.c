// SPDX-License-Identifier: BSD-3-Clause
//
// show_state - the daemon itself: version, applications, sessions and locks, history, alarms.

#include <string.h>

#include "control/cli/commands.h"
#include "control/cli/print.h"
#include "control/cli/table.h"

static int fetch_state(struct cli *c, json_t **state)
{
	return cli_call(c, "state", NULL, state);
}

static void app_row(struct table *t, const json_t *app)
{
	bool connected = json_is_true(json_object_get(app, "connected"));
	uint64_t applied = print_count(app, "applied"), intended = print_count(app, "intended");
	const json_t *error = json_object_get(app, "error");
	const char *path = print_text(error, "error-path"),
		   *why = print_text(error, "error-message");

	if (path[0] == '\0')
		path = print_text(error, "path");
	if (why[0] == '\0')
		why = print_text(error, "message");
	table_cell(t, TABLE_PLAIN, "%s", print_text(app, "instance"));
	table_cell(t, connected ? TABLE_GREEN : TABLE_RED, "%s", connected ? "connected" : "away");
	table_cell(t, applied == intended ? TABLE_PLAIN : TABLE_YELLOW, "%llu",
		   (unsigned long long)applied);
	table_cell(t, TABLE_PLAIN, "%llu", (unsigned long long)intended);
	table_cell(t, TABLE_RED, "%s%s%s", path, path[0] != '\0' ? ": " : "", why);
}

int cmd_show_state(struct cli *c, const struct cli_args *a)
{
	static const struct table_column columns[] = {
		{"INSTANCE", TABLE_LEFT},  {"LINK", TABLE_LEFT},  {"APPLIED", TABLE_RIGHT},
		{"INTENDED", TABLE_RIGHT}, {"ERROR", TABLE_LEFT},
	};
	json_t *state, *app;
	struct table *t;
	size_t i;
	int rc = fetch_state(c, &state);

	(void)a;
	if (rc != CLI_OK)
		return rc;
	if (cli_print_json(c, state)) {
		json_decref(state);
		return CLI_OK;
	}
	fprintf(c->out, "version            %llu\n",
		(unsigned long long)print_count(state, "version"));
	fprintf(c->out, "datastore          %s\n", print_text(state, "datastore"));
	fprintf(c->out, "candidate          %s\n",
		json_is_true(json_object_get(state, "candidate-changed"))
			? "changed ('sluicectl compare' shows how)"
			: "equal to running");
	fprintf(c->out, "sessions           %zu\n",
		json_array_size(json_object_get(state, "sessions")));
	fprintf(c->out, "locks              %zu\n",
		json_array_size(json_object_get(state, "locks")));
	fprintf(c->out, "alarms             %s%zu%s\n",
		table_escape(c->color && json_array_size(json_object_get(state, "alarms")) > 0,
			     TABLE_RED),
		json_array_size(json_object_get(state, "alarms")),
		table_escape(c->color, TABLE_PLAIN));
	t = table_create(columns, sizeof(columns) / sizeof(columns[0]));
	json_array_foreach(json_object_get(state, "apps"), i, app) app_row(t, app);
	fputc('\n', c->out);
	if (t != NULL && table_rows(t) > 0)
		table_print(t, c->out, c->color);
	else
		fputs("no applications are configured\n", c->out);
	table_destroy(t);
	json_decref(state);
	return CLI_OK;
}

int cmd_show_history(struct cli *c, const struct cli_args *a)
{
	static const char *const first[] = {"version",   "time",  "user",
					    "transport", "edits", "comment"};
	const char *limit = cli_option(a, "limit");
	long long n = 50;
	json_t *result;
	int rc;

	if (limit != NULL && cli_number(limit, 1, 1000000, &n) != 0)
		return cli_fail(c, CLI_USAGE, "--limit takes a number from 1, not '%s'", limit);
	rc = cli_call(c, "history", json_pack("{s:I}", "limit", (json_int_t)n), &result);
	if (rc != CLI_OK)
		return rc;
	if (!cli_print_json(c, json_object_get(result, "versions"))) {
		json_t *versions = json_object_get(result, "versions"), *v;
		size_t i;

		json_array_foreach(versions, i, v)
			json_object_del(v, "hash"); // 64 digits: in --json only
		table_any(versions, first, sizeof(first) / sizeof(first[0]),
			  "nothing has been committed yet", c->out, c->color);
	}
	json_decref(result);
	return CLI_OK;
}

int cmd_show_alarms(struct cli *c, const struct cli_args *a)
{
	json_t *state, *alarms, *v;
	size_t i;
	int rc = fetch_state(c, &state);

	(void)a;
	if (rc != CLI_OK)
		return rc;
	alarms = json_object_get(state, "alarms");
	if (cli_print_json(c, alarms != NULL ? alarms : json_null())) {
		json_decref(state);
		return CLI_OK;
	}
	if (json_array_size(alarms) == 0)
		fputs("no alarms\n", c->out);
	else if (json_is_object(json_array_get(alarms, 0)))
		table_any(alarms, NULL, 0, "no alarms", c->out, c->color);
	else
		json_array_foreach(alarms, i, v) print_tree(v, c->out, 0);
	json_decref(state);
	return CLI_OK;
}

int cmd_show_sessions(struct cli *c, const struct cli_args *a)
{
	static const char *const first[] = {"session-id", "user", "transport", "source"};
	json_t *state, *locks;
	int rc = fetch_state(c, &state);

	(void)a;
	if (rc != CLI_OK)
		return rc;
	locks = json_object_get(state, "locks");
	if (c->json) {
		json_t *v = json_pack("{s:O?, s:O?}", "sessions",
				      json_object_get(state, "sessions"), "locks", locks);

		cli_print_json(c, v);
		json_decref(v);
	} else {
		table_any(json_object_get(state, "sessions"), first, 4, "no sessions", c->out,
			  c->color);
		if (json_array_size(locks) > 0) {
			fputs("\nlocks:\n", c->out);
			table_any(locks, NULL, 0, "", c->out, c->color);
		}
	}
	json_decref(state);
	return CLI_OK;
}
