// SPDX-License-Identifier: BSD-3-Clause
//
// top - what is going on now, again and again: rates come from the application (query "top").

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "control/cli/commands.h"
#include "control/cli/print.h"
#include "control/cli/table.h"

static volatile sig_atomic_t stop;

static void on_interrupt(int sig)
{
	(void)sig;
	stop = 1;
}

// Bits per second, in decimal as links are sold.
static const char *bits(uint64_t octets, char *out)
{
	static const char *const unit[] = {"", " k", " M", " G", " T"};
	double n = (double)octets * 8;
	size_t u = 0;

	for (; n >= 1000 && u < 4; u++)
		n /= 1000;
	snprintf(out, TABLE_TEXT, u == 0 ? "%.0f%s" : "%.1f%s", n, unit[u]);
	return out;
}

static void rate_cells(struct table *t, const json_t *r)
{
	char n[TABLE_TEXT];
	uint64_t refused = print_count(r, "refused-flows");

	table_cell(t, TABLE_PLAIN, "%s", table_count(print_count(r, "active-flows"), n));
	table_cell(t, TABLE_PLAIN, "%s", table_count(print_count(r, "new-flows"), n));
	table_cell(t, refused > 0 ? TABLE_RED : TABLE_PLAIN, "%s", table_count(refused, n));
	table_cell(t, TABLE_PLAIN, "%s", table_count(print_count(r, "in-packets"), n));
	table_cell(t, TABLE_PLAIN, "%s", bits(print_count(r, "in-octets"), n));
	table_cell(t, TABLE_PLAIN, "%s", table_count(print_count(r, "out-packets"), n));
	table_cell(t, TABLE_PLAIN, "%s", bits(print_count(r, "out-octets"), n));
}

static void print_head(struct cli *c, const json_t *r)
{
	const json_t *all = json_object_get(r, "all");
	char when[32], a[TABLE_TEXT], b[TABLE_TEXT], d[TABLE_TEXT];
	time_t now = time(NULL);
	struct tm tm;

	strftime(when, sizeof(when), "%H:%M:%S", localtime_r(&now, &tm));
	fprintf(c->out, "%s%s  instance %s%s  %s flows of %s, %s new/s",
		table_escape(c->color, TABLE_BOLD), when, c->instance,
		table_escape(c->color, TABLE_PLAIN),
		table_count(print_count(all, "active-flows"), a),
		table_count(print_count(all, "flow-table-size"), b),
		table_count(print_count(all, "new-flows"), d));
	fprintf(c->out, ", in %s packets/s %sbit/s", table_count(print_count(all, "in-packets"), a),
		bits(print_count(all, "in-octets"), b));
	fprintf(c->out, ", out %s packets/s %sbit/s\n\n",
		table_count(print_count(all, "out-packets"), a),
		bits(print_count(all, "out-octets"), b));
}

static void print_workers(struct cli *c, const json_t *list)
{
	static const struct table_column columns[] = {
		{"WORKER", TABLE_RIGHT},     {"BUSY", TABLE_RIGHT},      {"", TABLE_LEFT},
		{"RECEIVED/s", TABLE_RIGHT}, {"FORWARD/s", TABLE_RIGHT}, {"DROPPED/s", TABLE_RIGHT},
		{"FLOWS", TABLE_RIGHT},
	};
	struct table *t = table_create(columns, sizeof(columns) / sizeof(columns[0]));
	char n[TABLE_TEXT], bar[40];
	json_t *w;
	size_t i;

	json_array_foreach(list, i, w)
	{
		uint64_t busy = print_count(w, "busy-permille");
		enum table_color color = busy > 900   ? TABLE_RED
					 : busy > 700 ? TABLE_YELLOW
						      : TABLE_GREEN;

		table_cell(t, TABLE_PLAIN, "%llu", (unsigned long long)print_count(w, "index"));
		table_cell(t, color, "%llu.%llu %%", (unsigned long long)(busy / 10),
			   (unsigned long long)(busy % 10));
		table_cell(t, color, "%s", table_bar(busy, 1000, false, bar, sizeof(bar)));
		table_cell(t, TABLE_PLAIN, "%s", table_count(print_count(w, "received"), n));
		table_cell(t, TABLE_PLAIN, "%s", table_count(print_count(w, "forwarded"), n));
		table_cell(t, print_count(w, "dropped") > 0 ? TABLE_YELLOW : TABLE_PLAIN, "%s",
			   table_count(print_count(w, "dropped"), n));
		table_cell(t, TABLE_PLAIN, "%s", table_count(print_count(w, "active-flows"), n));
	}
	if (t != NULL && table_rows(t) > 0)
		table_print(t, c->out, c->color);
	table_destroy(t);
}

static void print_ports(struct cli *c, const json_t *list)
{
	static const struct table_column columns[] = {
		{"PORT", TABLE_LEFT},           {"LINK", TABLE_LEFT},
		{"IN PACKETS/s", TABLE_RIGHT},  {"IN BIT/s", TABLE_RIGHT},
		{"OUT PACKETS/s", TABLE_RIGHT}, {"OUT BIT/s", TABLE_RIGHT},
		{"MISSED/s", TABLE_RIGHT},
	};
	struct table *t = table_create(columns, sizeof(columns) / sizeof(columns[0]));
	char n[TABLE_TEXT];
	json_t *p;
	size_t i;

	json_array_foreach(list, i, p)
	{
		bool up = json_is_true(json_object_get(p, "up"));

		table_cell(t, TABLE_PLAIN, "%s", print_text(p, "name"));
		table_cell(t, up ? TABLE_GREEN : TABLE_RED, "%s", up ? "up" : "down");
		table_cell(t, TABLE_PLAIN, "%s", table_count(print_count(p, "in-packets"), n));
		table_cell(t, TABLE_PLAIN, "%s", bits(print_count(p, "in-octets"), n));
		table_cell(t, TABLE_PLAIN, "%s", table_count(print_count(p, "out-packets"), n));
		table_cell(t, TABLE_PLAIN, "%s", bits(print_count(p, "out-octets"), n));
		table_cell(t, print_count(p, "missed") > 0 ? TABLE_RED : TABLE_PLAIN, "%s",
			   table_count(print_count(p, "missed"), n));
	}
	if (t != NULL && table_rows(t) > 0) {
		fputc('\n', c->out);
		table_print(t, c->out, c->color);
	}
	table_destroy(t);
}

static void print_rates(struct cli *c, const json_t *list, const char *title, bool pool)
{
	const struct table_column columns[] = {
		{pool ? "POOL" : "", TABLE_LEFT}, {title, TABLE_LEFT},
		{"FLOWS", TABLE_RIGHT},           {"NEW/s", TABLE_RIGHT},
		{"REFUSED/s", TABLE_RIGHT},       {"IN PACKETS/s", TABLE_RIGHT},
		{"IN BIT/s", TABLE_RIGHT},        {"OUT PACKETS/s", TABLE_RIGHT},
		{"OUT BIT/s", TABLE_RIGHT},
	};
	struct table *t = table_create(columns, sizeof(columns) / sizeof(columns[0]));
	json_t *r;
	size_t i;

	json_array_foreach(list, i, r)
	{
		table_cell(t, TABLE_PLAIN, "%s", print_text(r, "pool"));
		table_cell(t, TABLE_PLAIN, "%s", print_text(r, "name"));
		rate_cells(t, r);
	}
	if (t != NULL && table_rows(t) > 0) {
		fputc('\n', c->out);
		table_print(t, c->out, c->color);
	}
	table_destroy(t);
}

static void print_drops(struct cli *c, const json_t *list)
{
	static const struct table_column columns[] = {
		{"DROPS", TABLE_LEFT}, {"PACKETS/s", TABLE_RIGHT}, {"SINCE START", TABLE_RIGHT}};
	struct table *t = table_create(columns, sizeof(columns) / sizeof(columns[0]));
	char n[TABLE_TEXT];
	json_t *d;
	size_t i;

	json_array_foreach(list, i, d)
	{
		table_cell(t, TABLE_PLAIN, "%s", print_text(d, "reason"));
		table_cell(t, print_count(d, "packets") > 0 ? TABLE_YELLOW : TABLE_PLAIN, "%s",
			   table_count(print_count(d, "packets"), n));
		table_cell(t, TABLE_PLAIN, "%s", table_count(print_count(d, "total"), n));
	}
	if (t != NULL && table_rows(t) > 0) {
		fputc('\n', c->out);
		table_print(t, c->out, c->color);
	}
	table_destroy(t);
}

static void print_top(struct cli *c, const json_t *r)
{
	print_head(c, r);
	print_workers(c, json_object_get(r, "workers"));
	print_ports(c, json_object_get(r, "ports"));
	print_rates(c, json_object_get(r, "services"), "SERVICE", false);
	print_rates(c, json_object_get(r, "servers"), "SERVER", true);
	print_drops(c, json_object_get(r, "drops"));
}

// Rows of services and servers that fit the terminal, 10 where it is none.
static long long rows_that_fit(struct cli *c)
{
	struct winsize w;

	if (ioctl(fileno(c->out), TIOCGWINSZ, &w) != 0 || w.ws_row < 30)
		return 10;
	return (w.ws_row - 16) / 2;
}

// Wait, or until q is typed.
static void wait_for_next(double seconds)
{
	struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
	char key;

	if (poll(&p, isatty(STDIN_FILENO) ? 1 : 0, (int)(seconds * 1000)) == 1 &&
	    read(STDIN_FILENO, &key, 1) == 1 && (key == 'q' || key == 'Q'))
		stop = 1;
}

static int run(struct cli *c, const char *sort, long long rows, double delay, long long rounds)
{
	bool screen = isatty(fileno(c->out)) && !c->json && rounds != 1;
	int rc = CLI_OK;

	for (long long i = 0; !stop && rc == CLI_OK && (rounds == 0 || i < rounds); i++) {
		json_t *r;

		if (i > 0)
			wait_for_next(delay);
		if (stop)
			break;
		rc = cli_query(c, "top",
			       json_pack("{s:I, s:s}", "limit", (json_int_t)rows, "sort", sort),
			       &r);
		if (rc != CLI_OK)
			break;
		if (screen)
			fputs("\033[H\033[2J", c->out);
		else if (i > 0 && !c->json)
			fputc('\n', c->out);
		if (!cli_print_json(c, r))
			print_top(c, r);
		fflush(c->out);
		json_decref(r);
	}
	return rc;
}

int cmd_top(struct cli *c, const struct cli_args *a)
{
	const char *sort = cli_option(a, "sort"), *delay = cli_option(a, "delay");
	const char *limit = cli_option(a, "limit"), *count = cli_option(a, "count");
	struct sigaction act = {.sa_handler = on_interrupt}, old;
	long long rows = rows_that_fit(c), rounds = 0;
	double seconds = 1;
	char *end;
	int rc;

	if (a->count == 2 && strcmp(a->word[0], "-n") == 0)
		count = a->word[1];
	else if (a->count != 0)
		return cli_fail(c, CLI_USAGE, "top takes -n N and options, not '%s'", a->word[0]);
	if (limit != NULL && cli_number(limit, 0, 1000, &rows) != 0)
		return cli_fail(c, CLI_USAGE, "--limit takes 0 to 1000, not '%s'", limit);
	if (count != NULL && cli_number(count, 1, 1000000, &rounds) != 0)
		return cli_fail(c, CLI_USAGE, "-n takes a number from 1, not '%s'", count);
	if (delay != NULL) {
		seconds = strtod(delay, &end);
		if (end == delay || *end != '\0' || !(seconds >= 0.1 && seconds <= 3600))
			return cli_fail(c, CLI_USAGE, "--delay takes 0.1 to 3600 seconds, not '%s'",
					delay);
	}
	stop = 0;
	sigaction(SIGINT, &act, &old);
	rc = run(c, sort != NULL ? sort : "packets", rows, seconds, rounds);
	sigaction(SIGINT, &old, NULL);
	return rc;
}
