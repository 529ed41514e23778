// SPDX-License-Identifier: BSD-3-Clause
//
// query - what is asked of the app itself, through sluiced: counters, drops, capture, trace.

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "control/cli/commands.h"
#include "control/cli/print.h"
#include "control/cli/table.h"

#define ACROSS_MAX 16 // workers or ports side by side

// ---- counters --------------------------------------------------------------------------------

// Every packet received ends in one of these; the counters are read while workers run, so a few may be
// under way.
static void print_balance(struct cli *c, const json_t *sum)
{
	static const char *const part[] = {"forwarded", "answered", "to-kernel",
					   "held",      "dropped",  "handed-over"};
	uint64_t received = print_count(sum, "received"), ended = 0;
	char n[TABLE_TEXT];

	for (size_t i = 0; i < sizeof(part) / sizeof(part[0]); i++)
		ended += print_count(sum, part[i]);
	if (received == ended)
		fputs("received = forwarded + answered + to-kernel + held + dropped + handed-over\n",
		      c->out);
	else
		fprintf(c->out,
			"%s packets %s than forwarded + answered + to-kernel + held + dropped + handed-over\n",
			table_count(received > ended ? received - ended : ended - received, n),
			received > ended ? "more received" : "fewer received");
}

static void print_sum(struct cli *c, const json_t *sum)
{
	const char *name;
	char n[TABLE_TEXT];
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)sum, name, v)
	{
		if (json_is_boolean(v))
			fprintf(c->out, "%-18s %s\n", name, json_is_true(v) ? "yes" : "NO");
		else
			fprintf(c->out, "%-18s %16s\n", name, table_count(print_number(v), n));
	}
	print_balance(c, sum);
}

static void print_detail(struct cli *c, const json_t *detail)
{
	const char *name;
	char n[TABLE_TEXT];
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)detail, name, v)
		fprintf(c->out, "%-30s %16s\n", name, table_count(print_number(v), n));
}

// Counters down, workers or ports across.
static void print_across(struct cli *c, const json_t *list, const char *what, const char *title)
{
	struct table_column column[ACROSS_MAX + 1] = {{what, TABLE_LEFT}};
	char head[ACROSS_MAX][64], n[TABLE_TEXT], text[64];
	size_t count = json_array_size(list), i;
	const char *name;
	struct table *t;
	json_t *e, *v;

	if (count > ACROSS_MAX)
		count = ACROSS_MAX; // the rest in --json
	for (i = 0; i < count; i++) {
		e = json_array_get(list, i);
		snprintf(head[i], sizeof(head[i]), "%s%s%.40s", title, title[0] != '\0' ? " " : "",
			 print_scalar(json_object_get(e, title[0] != '\0' ? "index" : "name"), text,
				      sizeof(text)));
		column[i + 1] = (struct table_column){head[i], TABLE_RIGHT};
	}
	t = table_create(column, count + 1);
	json_object_foreach(json_array_get(list, 0), name, v)
	{
		if (strcmp(name, "index") == 0 || strcmp(name, "name") == 0)
			continue;
		table_cell(t, TABLE_PLAIN, "%s", name);
		for (i = 0; i < count; i++) {
			e = json_object_get(json_array_get(list, i), name);
			if (json_is_integer(e))
				table_cell(t, TABLE_PLAIN, "%s", table_count(print_number(e), n));
			else
				table_cell(t, TABLE_PLAIN, "%s",
					   e != NULL ? print_scalar(e, text, sizeof(text)) : "-");
		}
	}
	if (count > 0 && t != NULL)
		table_print(t, c->out, c->color);
	else
		fprintf(c->out, "no %ss\n", what);
	table_destroy(t);
}

int cmd_show_counters(struct cli *c, const struct cli_args *a)
{
	json_t *result;
	int rc = cli_query(c, "counters", NULL, &result);

	(void)a;
	if (rc != CLI_OK)
		return rc;
	if (!cli_print_json(c, result)) {
		print_across(c, json_object_get(result, "worker"), "WORKER", "worker");
		fputc('\n', c->out);
		print_across(c, json_object_get(result, "port"), "PORT", "");
		fputs("\nSUM\n", c->out);
		print_sum(c, json_object_get(result, "sum"));
		fputs("\nDETAIL\n", c->out);
		print_detail(c, json_object_get(result, "detail"));
	}
	json_decref(result);
	return CLI_OK;
}

static int by_packets(const void *a, const void *b)
{
	const json_t *const *x = a, *const *y = b;
	uint64_t nx = print_count(*x, "packets"), ny = print_count(*y, "packets");

	return nx < ny ? 1 : nx > ny ? -1 : 0;
}

static void print_drops(struct cli *c, json_t *const *row, size_t count, bool all)
{
	static const struct table_column columns[] = {
		{"REASON", TABLE_LEFT},
		{"PACKETS", TABLE_RIGHT},
		{"SHARE", TABLE_RIGHT},
		{"", TABLE_LEFT},
	};
	struct table *t = table_create(columns, 4);
	uint64_t total = 0;
	char n[TABLE_TEXT], share[TABLE_TEXT], bar[40];

	for (size_t i = 0; i < count; i++)
		total += print_count(row[i], "packets");
	for (size_t i = 0; i < count; i++) {
		uint64_t packets = print_count(row[i], "packets");

		if (packets == 0 && !all)
			continue;
		table_cell(t, TABLE_PLAIN, "%s", print_text(row[i], "reason"));
		table_cell(t, TABLE_PLAIN, "%s", table_count(packets, n));
		table_cell(t, TABLE_PLAIN, "%s", table_share(packets, total, share));
		table_cell(t, TABLE_DIM, "%s", table_bar(packets, total, false, bar, sizeof(bar)));
	}
	if (t != NULL && table_rows(t) > 0)
		table_print(t, c->out, c->color);
	else
		fputs("nothing has been dropped\n", c->out);
	table_destroy(t);
}

int cmd_show_drops(struct cli *c, const struct cli_args *a)
{
	json_t *result, *list, *v, **row;
	const char *name;
	size_t count, i;
	int rc = cli_query(c, "counters", NULL, &result);

	if (rc != CLI_OK)
		return rc;
	list = json_array();
	json_object_foreach(json_object_get(result, "drop"), name, v)
		json_array_append_new(list, json_pack("{s:s, s:I}", "reason", name, "packets",
						      (json_int_t)print_number(v)));
	if (!cli_print_json(c, list)) {
		count = json_array_size(list);
		row = calloc(count + 1, sizeof(json_t *));
		for (i = 0; row != NULL && i < count; i++)
			row[i] = json_array_get(list, i);
		if (row != NULL) {
			qsort(row, count, sizeof(json_t *), by_packets);
			print_drops(c, row, count, cli_option(a, "all") != NULL);
		}
		free(row);
	}
	json_decref(list);
	json_decref(result);
	return CLI_OK;
}

// ---- capture and trace -----------------------------------------------------------------------

static volatile sig_atomic_t interrupted;

static void on_interrupt(int sig)
{
	(void)sig;
	interrupted = 1;
}

// {"filter": .., "limit": ..} from the options.
static int packet_args(struct cli *c, const struct cli_args *a, long long fallback, json_t **args)
{
	const char *limit = cli_option(a, "limit"), *filter = cli_option(a, "filter");
	long long n = fallback;

	if (limit != NULL && cli_number(limit, 1, 100000000, &n) != 0)
		return cli_fail(c, CLI_USAGE, "--limit takes a number from 1, not '%s'", limit);
	*args = json_object();
	if (n > 0)
		json_object_set_new(*args, "limit", json_integer(n));
	json_object_set_new(*args, "filter", json_string(filter != NULL ? filter : ""));
	return CLI_OK;
}

int cmd_capture(struct cli *c, const struct cli_args *a)
{
	bool stop = cli_option(a, "stop") != NULL;
	char n[TABLE_TEXT];
	json_t *args, *result;
	int rc;

	if (stop == (a->count == 1))
		return cli_fail(c, CLI_USAGE, "capture takes the name of a file, or --stop");
	if (stop) {
		args = json_pack("{s:b}", "stop", 1);
	} else {
		rc = packet_args(c, a, 0, &args);
		if (rc != CLI_OK)
			return rc;
		json_object_set_new(args, "file", json_string(a->word[0]));
	}
	rc = cli_query(c, "capture", args, &result);
	if (rc != CLI_OK)
		return rc;
	if (!cli_print_json(c, result)) {
		if (stop)
			fprintf(c->out, "%s packets captured\n",
				table_count(print_count(result, "captured"), n));
		else
			fprintf(c->out, "capturing; 'sluicectl capture --stop' ends it\n");
	}
	json_decref(result);
	return CLI_OK;
}

// One line a packet: when, where, what; then its way, and how it left.
static void print_packet(struct cli *c, const json_t *p)
{
	uint64_t ns = print_count(p, "time-ns");
	const char *out_port = print_text(p, "out-port");
	time_t s = (time_t)(ns / 1000000000);
	char when[32], text[64];
	struct tm tm;
	json_t *stage;
	size_t i;

	strftime(when, sizeof(when), "%H:%M:%S", localtime_r(&s, &tm));
	fprintf(c->out, "%s.%06llu  worker %llu  %s%s%s  %s, %llu bytes\n", when,
		(unsigned long long)(ns / 1000 % 1000000),
		(unsigned long long)print_count(p, "worker"), table_escape(c->color, TABLE_BOLD),
		print_text(p, "port"), table_escape(c->color, TABLE_PLAIN), print_text(p, "packet"),
		(unsigned long long)print_count(p, "length"));
	fputs("    ", c->out);
	json_array_foreach(json_object_get(p, "stages"), i, stage)
	{
		const json_t *detail = json_object_get(stage, "detail");

		fprintf(c->out, "%s%s", i > 0 ? " > " : "", print_text(stage, "stage"));
		if (detail != NULL)
			fprintf(c->out, " %s", print_scalar(detail, text, sizeof(text)));
	}
	fprintf(c->out, " = %s\n", print_text(p, "verdict"));
	if (out_port[0] != '\0')
		fprintf(c->out, "    out %s  %s\n", out_port, print_text(p, "out-packet"));
}

// Ask for what has been traced since the last time, until there are enough, or time or patience ends.
int cmd_trace(struct cli *c, const struct cli_args *a)
{
	static const struct timespec pause = {.tv_nsec = 200 * 1000000};
	struct sigaction act = {.sa_handler = on_interrupt}, old;
	const char *seconds = cli_option(a, "seconds");
	json_t *args, *result, *all = json_array(), *p;
	long long limit, max_s = 10;
	time_t end;
	int rc = packet_args(c, a, 10, &args);

	if (rc == CLI_OK && seconds != NULL && cli_number(seconds, 1, 86400, &max_s) != 0)
		rc = cli_fail(c, CLI_USAGE, "--seconds takes 1 to 86400, not '%s'", seconds);
	if (rc != CLI_OK)
		goto out;
	limit = (long long)print_count(args, "limit");
	end = time(NULL) + max_s;
	interrupted = 0;
	sigaction(SIGINT, &act, &old);
	for (;;) {
		size_t i;

		rc = cli_query(c, "trace", args, &result);
		args = NULL;
		if (rc != CLI_OK)
			break;
		json_array_foreach(json_object_get(result, "packets"), i, p)
		{
			if (!c->json)
				print_packet(c, p);
			json_array_append(all, p);
		}
		json_decref(result);
		fflush(c->out);
		if (interrupted || (long long)json_array_size(all) >= limit || time(NULL) >= end)
			break;
		nanosleep(&pause, NULL);
		args = json_object();
	}
	sigaction(SIGINT, &old, NULL);
	if (rc == CLI_OK && !cli_print_json(c, all) && json_array_size(all) == 0)
		fprintf(c->out, "no packet matched in %lld s\n", max_s);
out:
	json_decref(all);
	return rc;
}
