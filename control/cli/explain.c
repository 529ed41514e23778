// SPDX-License-Identifier: BSD-3-Clause
//
// explain - what becomes of a packet, as sentences; the application knows, its owner worker has tried it.

#include <string.h>

#include "control/cli/commands.h"
#include "control/cli/print.h"
#include "control/cli/table.h"

static void print_services(struct cli *c, const json_t *r)
{
	const char *chosen = print_text(r, "service");
	char a[96];
	json_t *s;
	size_t i;

	json_array_foreach(json_object_get(r, "services"), i, s)
	{
		bool is = json_is_true(json_object_get(s, "chosen"));
		bool v6 = strchr(print_text(s, "address"), ':') != NULL;

		snprintf(a, sizeof(a), v6 ? "[%s]:%s" : "%s:%s", print_text(s, "address"),
			 print_text(s, "port"));
		fprintf(c->out, "%-11s %s%s%s  %s%s%s\n", i == 0 ? "service" : "",
			table_escape(c->color, is ? TABLE_BOLD : TABLE_DIM), print_text(s, "name"),
			table_escape(c->color, TABLE_PLAIN), a,
			json_is_false(json_object_get(s, "enabled")) ? "  disabled" : "",
			is ? "" : "  (another one matches longer)");
	}
	if (chosen[0] == '\0' && json_array_size(json_object_get(r, "services")) == 0)
		fprintf(c->out, "%-11s none has this destination\n", "service");
}

static void print_candidates(struct cli *c, const json_t *pool)
{
	static const struct table_column columns[] = {
		{"", TABLE_LEFT},          {"SERVER", TABLE_LEFT}, {"ADDRESS", TABLE_LEFT},
		{"WEIGHT", TABLE_RIGHT},   {"HEALTH", TABLE_LEFT}, {"FLOWS", TABLE_RIGHT},
		{"NEW FLOWS", TABLE_LEFT},
	};
	struct table *t = table_create(columns, sizeof(columns) / sizeof(columns[0]));
	char n[TABLE_TEXT];
	json_t *s;
	size_t i;

	json_array_foreach(json_object_get(pool, "candidates"), i, s)
	{
		bool takes = json_is_true(json_object_get(s, "takes-new-flows"));

		table_cell(t, TABLE_GREEN, "%s",
			   json_is_true(json_object_get(s, "chosen")) ? "  >" : "   ");
		table_cell(t, TABLE_PLAIN, "%s", print_text(s, "name"));
		table_cell(t, TABLE_PLAIN, "%s", print_text(s, "address"));
		table_cell(t, TABLE_PLAIN, "%llu", (unsigned long long)print_count(s, "weight"));
		table_cell(t, TABLE_PLAIN, "%s", print_text(s, "health"));
		table_cell(t, TABLE_PLAIN, "%s", table_count(print_count(s, "active-flows"), n));
		table_cell(t, takes ? TABLE_GREEN : TABLE_YELLOW, "%s%s",
			   takes ? "yes" : "no: ", print_text(s, "reason"));
	}
	if (t != NULL && table_rows(t) > 0)
		table_print(t, c->out, c->color);
	table_destroy(t);
}

static void print_hop(struct cli *c, const char *what, const json_t *h)
{
	if (h == NULL)
		return;
	if (!json_is_true(json_object_get(h, "route"))) {
		fprintf(c->out, "%-11s no route\n", what);
		return;
	}
	fprintf(c->out, "%-11s port %s", what, print_text(h, "port"));
	if (json_object_get(h, "vlan") != NULL)
		fprintf(c->out, ", VLAN %llu", (unsigned long long)print_count(h, "vlan"));
	fprintf(c->out, ", via %s (%s), %s\n", print_text(h, "via"), print_text(h, "mac"),
		print_text(h, "state"));
}

static void print_explained(struct cli *c, const json_t *r)
{
	const json_t *pool = json_object_get(r, "pool"), *fresh = json_object_get(r, "new-flow");
	const json_t *flow = json_array_get(json_object_get(r, "flow"), 0);
	const json_t *persistence = json_object_get(r, "persistence");
	char age[TABLE_TEXT], idle[TABLE_TEXT];

	fprintf(c->out, "%s%s%s\n\n", table_escape(c->color, TABLE_BOLD), print_text(r, "verdict"),
		table_escape(c->color, TABLE_PLAIN));
	fprintf(c->out, "%-11s %llu\n", "context", (unsigned long long)print_count(r, "context"));
	fprintf(c->out, "%-11s %llu of %llu\n", "worker",
		(unsigned long long)print_count(r, "worker"),
		(unsigned long long)print_count(r, "workers"));
	print_services(c, r);
	if (flow != NULL)
		fprintf(c->out, "%-11s %s, to %s from %s, %s old, idle for %s\n", "flow",
			print_text(flow, "state"), print_text(flow, "server"),
			print_text(flow, "local"),
			table_age(print_count(flow, "age-ms") / 1000, age),
			table_age(print_count(flow, "idle-ms") / 1000, idle));
	if (pool != NULL)
		fprintf(c->out, "%-11s %s%s, %s, %llu of %llu servers take new flows\n", "pool",
			print_text(pool, "name"),
			json_is_true(json_object_get(pool, "backup")) ? " (a backup pool)" : "",
			print_text(pool, "scheduler"),
			(unsigned long long)print_count(pool, "take-new-flows"),
			(unsigned long long)print_count(pool, "servers"));
	if (persistence != NULL)
		fprintf(c->out, "%-11s %s\n", "persistence", print_text(persistence, "text"));
	if (fresh != NULL) {
		fprintf(c->out, "%-11s %s %s: %s%s\n", "server", print_text(fresh, "server"),
			print_text(fresh, "address"), print_text(fresh, "why"),
			flow != NULL ? " (a new flow would get it)" : "");
		if (json_object_get(fresh, "local") != NULL)
			fprintf(c->out, "%-11s %s (%s)\n", "from", print_text(fresh, "local"),
				print_text(fresh, "forwarding"));
	}
	print_hop(c, "to server", json_object_get(r, "to-server"));
	print_hop(c, "to client", json_object_get(r, "to-client"));
	if (pool != NULL) {
		fputc('\n', c->out);
		print_candidates(c, pool);
	}
}

int cmd_explain(struct cli *c, const struct cli_args *a)
{
	const char *context = cli_option(a, "context"), *port = cli_option(a, "port");
	long long n = 0;
	json_t *args, *result;
	int rc;

	if (a->count == 4)
		return cli_fail(c, CLI_USAGE, "behind the tuple comes context N or port NAME");
	if (a->count == 5 && strcmp(a->word[3], "context") == 0)
		context = a->word[4];
	else if (a->count == 5 && strcmp(a->word[3], "port") == 0)
		port = a->word[4];
	else if (a->count == 5)
		return cli_fail(c, CLI_USAGE,
				"behind the tuple comes context N or port NAME, not '%s'",
				a->word[3]);
	if (context != NULL && port != NULL)
		return cli_fail(c, CLI_USAGE, "a port has its context: give one of both");
	if (context != NULL && cli_number(context, 0, 65535, &n) != 0)
		return cli_fail(c, CLI_USAGE, "a context is 0 to 65535, not '%s'", context);
	args = json_pack("{s:s, s:s, s:s}", "protocol", a->word[0], "client", a->word[1], "service",
			 a->word[2]);
	if (port != NULL)
		json_object_set_new(args, "port", json_string(port));
	else
		json_object_set_new(args, "context", json_integer(n));
	rc = cli_query(c, "explain", args, &result);
	if (rc != CLI_OK)
		return rc;
	if (!cli_print_json(c, result))
		print_explained(c, result);
	json_decref(result);
	return CLI_OK;
}
