// SPDX-License-Identifier: BSD-3-Clause
//
// flows - show flows and clear flow. The application looks through its tables in slices; an answer that
// is not complete says where to go on, so ten million flows come as several answers and a person sees one.

#include <stdlib.h>
#include <string.h>

#include "control/cli/commands.h"
#include "control/cli/print.h"
#include "control/cli/table.h"

#define PAGE_MAX 10000 // rows of one answer

static void flow_row(struct table *t, const json_t *f)
{
	char in[TABLE_TEXT], out[TABLE_TEXT], idle[TABLE_TEXT], age[TABLE_TEXT];
	const char *state = print_text(f, "state");

	table_cell(t, TABLE_PLAIN, "%s", print_text(f, "protocol"));
	table_cell(t, strcmp(state, "established") == 0 ? TABLE_GREEN : TABLE_PLAIN, "%s", state);
	table_cell(t, TABLE_PLAIN, "%s", print_text(f, "client"));
	table_cell(t, TABLE_PLAIN, "%s", print_text(f, "service"));
	table_cell(t, TABLE_DIM, "%s", print_text(f, "local"));
	table_cell(t, TABLE_PLAIN, "%s", print_text(f, "server"));
	table_cell(t, TABLE_PLAIN, "%s", print_text(f, "server-name"));
	if (print_count(f, "context") != 0)
		table_cell(t, TABLE_PLAIN, "%llu", (unsigned long long)print_count(f, "context"));
	else
		table_cell(t, TABLE_PLAIN, "%s", "");
	table_cell(t, TABLE_PLAIN, "%s", table_age(print_count(f, "age-ms") / 1000, age));
	table_cell(t, TABLE_PLAIN, "%s", table_age(print_count(f, "idle-ms") / 1000, idle));
	table_cell(t, TABLE_PLAIN, "%s", table_bytes(print_count(f, "in-octets"), in));
	table_cell(t, TABLE_PLAIN, "%s", table_bytes(print_count(f, "out-octets"), out));
}

static void print_flows(struct cli *c, const json_t *result)
{
	static const struct table_column columns[] = {
		{"PROTO", TABLE_LEFT},   {"STATE", TABLE_LEFT}, {"CLIENT", TABLE_LEFT},
		{"SERVICE", TABLE_LEFT}, {"LOCAL", TABLE_LEFT}, {"SERVER", TABLE_LEFT},
		{"NAME", TABLE_LEFT},    {"CTX", TABLE_RIGHT},  {"AGE", TABLE_RIGHT},
		{"IDLE", TABLE_RIGHT},   {"IN", TABLE_RIGHT},   {"OUT", TABLE_RIGHT},
	};
	const json_t *flows = json_object_get(result, "flows");
	struct table *t = table_create(columns, sizeof(columns) / sizeof(columns[0]));
	const char *next = print_text(result, "next");
	uint64_t total = print_count(result, "total");
	char n[TABLE_TEXT];
	json_t *f;
	size_t i;

	json_array_foreach(flows, i, f) flow_row(t, f);
	if (t != NULL && table_rows(t) > 0)
		table_print(t, c->out, c->color);
	if (total == 0 && next[0] == '\0')
		fputs("no flows\n", c->out);
	else if (total > json_array_size(flows) && next[0] != '\0')
		fprintf(c->out, "%zu of %s flows (--limit shows more; or go on by --after %s)\n",
			json_array_size(flows), table_count(total, n), next);
	else if (total > json_array_size(flows))
		fprintf(c->out, "%zu of %s flows (--limit shows more)\n", json_array_size(flows),
			table_count(total, n));
	else if (next[0] != '\0')
		fprintf(c->out, "there are more: go on by --after %s\n", next);
	table_destroy(t);
}

// The words of a filter as one text. Returns: CLI_OK or CLI_USAGE
static int filter_of(struct cli *c, const struct cli_args *a, char *filter, size_t size)
{
	size_t at = 0;

	filter[0] = '\0';
	for (int i = 0; i < a->count && at < size; i++)
		at += (size_t)snprintf(filter + at, size - at, "%s%s", i > 0 ? " " : "",
				       a->word[i]);
	return at >= size ? cli_fail(c, CLI_USAGE, "the filter is too long") : CLI_OK;
}

// ---- show flows ------------------------------------------------------------------------------

struct listing {
	const char *filter, *sort;
	uint64_t limit;
	const char *after;
	json_t *flows; // so far
	uint64_t total;
	char next[32]; // "": the end
};

static uint64_t sort_key(const char *sort, const json_t *f)
{
	if (strcmp(sort, "bytes") == 0)
		return print_count(f, "in-octets") + print_count(f, "out-octets");
	if (strcmp(sort, "packets") == 0)
		return print_count(f, "in-packets") + print_count(f, "out-packets");
	return print_count(f, strcmp(sort, "age") == 0 ? "age-ms" : "idle-ms");
}

// Both lists are sorted; the greatest `limit` of them stay.
static json_t *merge(const struct listing *l, json_t *a, json_t *b)
{
	json_t *out = json_array();
	size_t i = 0, k = 0;

	while (json_array_size(out) < l->limit &&
	       (i < json_array_size(a) || k < json_array_size(b))) {
		bool first =
			k >= json_array_size(b) ||
			(i < json_array_size(a) && sort_key(l->sort, json_array_get(a, i)) >=
							   sort_key(l->sort, json_array_get(b, k)));

		json_array_append(out, first ? json_array_get(a, i++) : json_array_get(b, k++));
	}
	json_decref(a);
	return out;
}

static int ask_page(struct cli *c, struct listing *l, json_t **page)
{
	uint64_t left = l->limit - json_array_size(l->flows);
	json_t *args;

	if (l->sort != NULL)
		left = l->limit;
	args = json_pack("{s:I, s:s, s:s*}", "limit",
			 (json_int_t)(left < PAGE_MAX ? left : PAGE_MAX), "filter", l->filter,
			 "sort", l->sort);
	if (l->next[0] != '\0')
		json_object_set_new(args, "next", json_string(l->next));
	return cli_query(c, "flows", args, page);
}

static int list_flows(struct cli *c, struct listing *l)
{
	bool more = true;

	while (more) {
		json_t *page, *rows;
		bool complete;
		int rc = ask_page(c, l, &page);

		if (rc != CLI_OK)
			return rc;
		rows = json_object_get(page, "flows");
		// A page that goes on from the rows of one before counts those again that came after.
		if (l->next[0] == '\0' || l->sort != NULL)
			l->total += print_count(page, "total");
		if (l->sort != NULL)
			l->flows = merge(l, l->flows, rows);
		else
			json_array_extend(l->flows, rows);
		complete = json_is_true(json_object_get(page, "complete"));
		snprintf(l->next, sizeof(l->next), "%s", print_text(page, "next"));
		json_decref(page);
		more = l->next[0] != '\0' &&
		       (l->sort != NULL ? !complete : json_array_size(l->flows) < l->limit);
	}
	if (l->sort != NULL)
		l->next[0] = '\0';
	if (l->total < json_array_size(l->flows))
		l->total = json_array_size(l->flows);
	return CLI_OK;
}

int cmd_show_flows(struct cli *c, const struct cli_args *a)
{
	static const char *const sorts[] = {"bytes", "packets", "age", "idle"};
	const char *limit = cli_option(a, "limit"), *after = cli_option(a, "after");
	struct listing l = {.sort = cli_option(a, "sort")};
	long long max = 50;
	char filter[512];
	bool known = l.sort == NULL;
	json_t *result;
	int rc;

	if (limit != NULL && cli_number(limit, 0, 100000, &max) != 0)
		return cli_fail(c, CLI_USAGE, "--limit takes 0 to 100000, not '%s'", limit);
	for (size_t i = 0; i < sizeof(sorts) / sizeof(sorts[0]); i++)
		known = known || strcmp(l.sort, sorts[i]) == 0;
	if (!known)
		return cli_fail(c, CLI_USAGE, "--sort takes bytes, packets, age or idle, not '%s'",
				l.sort);
	if (l.sort != NULL && max > PAGE_MAX)
		return cli_fail(c, CLI_USAGE, "sorted, --limit takes 0 to %d", PAGE_MAX);
	if (l.sort != NULL && after != NULL)
		return cli_fail(c, CLI_USAGE, "--after goes with the order of the tables alone");
	if (after != NULL && strlen(after) >= sizeof(l.next))
		return cli_fail(c, CLI_USAGE, "--after takes what a listing before gave");
	rc = filter_of(c, a, filter, sizeof(filter));
	if (rc != CLI_OK)
		return rc;
	l.filter = filter;
	l.limit = (uint64_t)max;
	l.flows = json_array();
	snprintf(l.next, sizeof(l.next), "%s", after != NULL ? after : "");
	rc = list_flows(c, &l);
	if (rc == CLI_OK) {
		result = json_pack("{s:I, s:O}", "total", (json_int_t)l.total, "flows", l.flows);
		if (l.next[0] != '\0')
			json_object_set_new(result, "next", json_string(l.next));
		if (!cli_print_json(c, result))
			print_flows(c, result);
		json_decref(result);
	}
	json_decref(l.flows);
	return rc;
}

// ---- clear flow ------------------------------------------------------------------------------

int cmd_clear_flow(struct cli *c, const struct cli_args *a)
{
	bool all = cli_option(a, "all") != NULL;
	char filter[512], next[32] = "", n[TABLE_TEXT];
	uint64_t ended = 0;
	json_t *result;
	int rc = filter_of(c, a, filter, sizeof(filter));

	if (rc != CLI_OK)
		return rc;
	if (all == (a->count > 0))
		return cli_fail(c, CLI_USAGE,
				all ? "clear flow takes words or --all, not both"
				    : "clear flow takes words that say which flows; --all ends "
				      "every one");
	do {
		json_t *params = json_pack("{s:s, s:b}", "instance", c->instance, "all", all);

		if (!all)
			json_object_set_new(params, "filter", json_string(filter));
		if (next[0] != '\0')
			json_object_set_new(params, "next", json_string(next));
		rc = cli_call(c, "clear-flows", params, &result);
		if (rc != CLI_OK) {
			if (ended > 0)
				fprintf(stderr, "%s flows were ended before\n",
					table_count(ended, n));
			return rc;
		}
		ended += print_count(result, "ended");
		snprintf(next, sizeof(next), "%s",
			 json_is_true(json_object_get(result, "complete"))
				 ? ""
				 : print_text(result, "next"));
		json_decref(result);
	} while (next[0] != '\0');
	result = json_pack("{s:I}", "ended", (json_int_t)ended);
	if (!cli_print_json(c, result))
		fprintf(c->out, "%s flow%s ended\n", table_count(ended, n), ended == 1 ? "" : "s");
	json_decref(result);
	return CLI_OK;
}
