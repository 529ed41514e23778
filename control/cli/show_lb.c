// SPDX-License-Identifier: BSD-3-Clause
//
// show_lb - services, pools and servers of one instance, from configuration and state together.

#include <langinfo.h>
#include <stdlib.h>
#include <string.h>

#include "control/cli/commands.h"
#include "control/cli/print.h"
#include "control/cli/table.h"

// The load balancer's container, or a message. *data owns what *lb points into.
static int fetch(struct cli *c, const char *below, json_t **data, const json_t **lb)
{
	char path[256];
	json_t *result;
	int rc;

	snprintf(path, sizeof(path), "/sluice-lb:load-balancers/load-balancer[name='%s']%s",
		 c->instance, below);
	rc = cli_call(c, "get",
		      json_pack("{s:[s], s:s}", "paths", path, "with-defaults", "report-all"),
		      &result);
	if (rc != CLI_OK)
		return rc;
	*data = result;
	*lb = json_array_get(json_object_get(json_object_get(json_object_get(result, "data"),
							     "sluice-lb:load-balancers"),
					     "load-balancer"),
			     0);
	return CLI_OK;
}

static const json_t *list_of(const json_t *o, const char *container, const char *list)
{
	return json_object_get(json_object_get(o, container), list);
}

// For --json: the list itself, or of it the entry that was asked for.
static bool as_json(struct cli *c, const json_t *list, const char *name)
{
	json_t *out, *e;
	size_t i;

	if (!c->json)
		return false;
	out = json_array();
	json_array_foreach(list, i, e) if (name == NULL || strcmp(print_text(e, "name"), name) == 0)
		json_array_append(out, e);
	cli_print_json(c, out);
	json_decref(out);
	return true;
}

static int none(struct cli *c, const char *what, const char *name)
{
	if (name != NULL)
		return cli_fail(c, CLI_REFUSED, "instance %s has no %s '%s'", c->instance, what,
				name);
	if (!c->json)
		fprintf(c->out, "instance %s has no %ss\n", c->instance, what);
	return CLI_OK;
}

static bool utf8(void)
{
	return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

// ---- servers ---------------------------------------------------------------------------------

struct tally {
	unsigned total, up, down, out; // out: drained or disabled
	uint64_t new_flows, active, weight;
};

static void tally_pool(const json_t *pool, struct tally *t)
{
	json_t *s;
	size_t i;

	memset(t, 0, sizeof(*t));
	json_array_foreach(list_of(pool, "servers", "server"), i, s)
	{
		const json_t *state = json_object_get(s, "state");
		const char *health = print_text(state, "health");

		t->total++;
		t->new_flows += print_count(state, "new-flows");
		t->active += print_count(state, "active-flows");
		t->weight += print_count(s, "weight");
		if (strcmp(print_text(s, "admin-state"), "enabled") != 0)
			t->out++;
		else if (strcmp(health, "down") == 0)
			t->down++;
		else
			t->up++;
	}
}

static enum table_color servers_color(const struct tally *t)
{
	if (t->up == 0)
		return TABLE_RED;
	return t->up < t->total ? TABLE_YELLOW : TABLE_GREEN;
}

static enum table_color health_color(const char *health)
{
	if (strcmp(health, "up") == 0)
		return TABLE_GREEN;
	return strcmp(health, "down") == 0 ? TABLE_RED : TABLE_DIM;
}

// The weight; where slow start or an agent make another of it "that/configured".
static void weight_cell(struct table *t, const json_t *s, const json_t *state)
{
	unsigned long long weight = print_count(s, "weight");
	const char *now = print_text(state, "effective-weight");
	bool available = json_is_true(json_object_get(state, "available"));

	if (now[0] == '\0' || !available || strtod(now, NULL) == (double)weight)
		table_cell(t, TABLE_PLAIN, "%llu", weight);
	else
		table_cell(t, TABLE_YELLOW, "%g/%llu", strtod(now, NULL), weight);
}

// Why it is down, until when it is held, and what its agent says.
static void reason_cell(struct table *t, const json_t *state)
{
	const char *until = print_text(state, "held-until"), *agent = print_text(state, "agent");
	const char *reason = print_text(state, "reason");

	table_cell(t, reason[0] != '\0' ? TABLE_RED : TABLE_DIM, "%s%s%s%s%s%s", reason,
		   until[0] != '\0' ? ", until " : "", until,
		   agent[0] != '\0' && reason[0] != '\0' ? "; " : "",
		   agent[0] != '\0' ? "agent says " : "", agent);
}

// What TCP shows: time from SYN to SYN-ACK, segments sent again.
static void tcp_cells(struct table *t, const json_t *state)
{
	const json_t *tcp = json_object_get(state, "tcp");
	uint64_t us = print_count(tcp, "syn-time");
	uint64_t again =
		print_count(tcp, "in-retransmissions") + print_count(tcp, "out-retransmissions");
	char n[TABLE_TEXT];

	if (us == 0)
		us = print_count(tcp, "syn-time-p95");
	table_cell(t, TABLE_PLAIN, "%s", us != 0 ? table_us(us, n) : "");
	table_cell(t, TABLE_PLAIN, "%s", again != 0 ? table_count(again, n) : "");
}

static void server_row(struct table *t, const char *pool, const json_t *s, const struct tally *all)
{
	const json_t *state = json_object_get(s, "state");
	const char *health = print_text(state, "health"), *admin = print_text(s, "admin-state");
	char a[96], bar[40], n[TABLE_TEXT], m[TABLE_TEXT], share[TABLE_TEXT], age[TABLE_TEXT] = "";
	char latency[TABLE_TEXT] = "";
	uint64_t new_flows = print_count(state, "new-flows");
	long long since = print_since(print_text(state, "last-change"));

	if (since >= 0)
		table_age((uint64_t)since, age);
	if (json_object_get(state, "check-latency") != NULL)
		table_us(print_count(state, "check-latency"), latency);
	table_cell(t, TABLE_PLAIN, "%s", pool);
	table_cell(t, TABLE_PLAIN, "%s", print_text(s, "name"));
	table_cell(t, TABLE_PLAIN, "%s",
		   print_endpoint(print_text(s, "address"), print_count(s, "port"), a, sizeof(a)));
	weight_cell(t, s, state);
	table_cell(t, strcmp(admin, "enabled") == 0 ? TABLE_PLAIN : TABLE_YELLOW, "%s", admin);
	table_cell(t, health_color(health), "%s", health[0] != '\0' ? health : "-");
	table_cell(t, TABLE_PLAIN, "%s", age);
	table_cell(t, TABLE_PLAIN, "%s", latency);
	table_cell(t, TABLE_PLAIN, "%s", table_count(print_count(state, "active-flows"), n));
	table_cell(t, TABLE_PLAIN, "%s", table_count(new_flows, m));
	table_cell(t, TABLE_PLAIN, "%s", print_rate(state, "new-flows", m));
	table_cell(t, TABLE_PLAIN, "%s", table_share(new_flows, all->new_flows, share));
	table_cell(t, TABLE_DIM, "%s",
		   table_bar(new_flows, all->new_flows, utf8(), bar, sizeof(bar)));
	tcp_cells(t, state);
	reason_cell(t, state);
}

int cmd_show_servers(struct cli *c, const struct cli_args *a)
{
	static const struct table_column columns[] = {
		{"POOL", TABLE_LEFT},    {"SERVER", TABLE_LEFT},   {"ADDRESS", TABLE_LEFT},
		{"WEIGHT", TABLE_RIGHT}, {"ADMIN", TABLE_LEFT},    {"HEALTH", TABLE_LEFT},
		{"SINCE", TABLE_RIGHT},  {"CHECK", TABLE_RIGHT},   {"FLOWS", TABLE_RIGHT},
		{"NEW", TABLE_RIGHT},    {"NEW/s", TABLE_RIGHT},   {"SHARE", TABLE_RIGHT},
		{"", TABLE_LEFT},        {"SYN-ACK", TABLE_RIGHT}, {"AGAIN", TABLE_RIGHT},
		{"REASON", TABLE_LEFT},
	};
	const char *name = a->count > 0 ? a->word[0] : NULL;
	json_t *data, *pool, *s;
	struct table *t;
	const json_t *lb, *pools;
	size_t i, j, seen = 0;
	int rc = fetch(c, "/pools", &data, &lb);

	if (rc != CLI_OK)
		return rc;
	pools = list_of(lb, "pools", "pool");
	t = table_create(columns, sizeof(columns) / sizeof(columns[0]));
	json_array_foreach(pools, i, pool)
	{
		const char *pool_name = print_text(pool, "name");
		struct tally all;

		if (name != NULL && strcmp(name, pool_name) != 0)
			continue;
		seen++;
		tally_pool(pool, &all);
		json_array_foreach(list_of(pool, "servers", "server"), j, s)
			server_row(t, pool_name, s, &all);
	}
	if (name != NULL && seen == 0)
		rc = none(c, "pool", name);
	else if (!as_json(c, pools, name)) {
		if (table_rows(t) == 0)
			rc = none(c, "server", NULL);
		else
			table_print(t, c->out, c->color);
	}
	table_destroy(t);
	json_decref(data);
	return rc;
}

// ---- pools -----------------------------------------------------------------------------------

static void check_text_of(const json_t *check, char *out, size_t size)
{
	const char *type = print_text(check, "type");
	char every[TABLE_TEXT];

	if (type[0] == '\0' || strcmp(type, "none") == 0) {
		snprintf(out, size, "none");
		return;
	}
	snprintf(out, size, "%s%s%s each %s", type, strncmp(type, "http", 4) == 0 ? " " : "",
		 strncmp(type, "http", 4) == 0 ? print_text(json_object_get(check, "http"), "path")
					       : "",
		 table_ms(print_count(check, "interval"), every));
}

int cmd_show_pools(struct cli *c, const struct cli_args *a)
{
	static const struct table_column columns[] = {
		{"POOL", TABLE_LEFT},      {"SCHEDULER", TABLE_LEFT}, {"CHECK", TABLE_LEFT},
		{"RISE/FALL", TABLE_LEFT}, {"UP", TABLE_RIGHT},       {"OUT", TABLE_RIGHT},
		{"WHEN DOWN", TABLE_LEFT}, {"FLOWS", TABLE_RIGHT},    {"NEW", TABLE_RIGHT},
	};
	const char *name = a->count > 0 ? a->word[0] : NULL;
	json_t *data, *pool;
	const json_t *lb, *pools;
	struct table *t;
	size_t i;
	int rc = fetch(c, "/pools", &data, &lb);

	if (rc != CLI_OK)
		return rc;
	pools = list_of(lb, "pools", "pool");
	t = table_create(columns, sizeof(columns) / sizeof(columns[0]));
	json_array_foreach(pools, i, pool)
	{
		const json_t *check = json_object_get(pool, "health-check");
		char text[320], n[TABLE_TEXT];
		struct tally all;

		if (name != NULL && strcmp(name, print_text(pool, "name")) != 0)
			continue;
		tally_pool(pool, &all);
		check_text_of(check, text, sizeof(text));
		table_cell(t, TABLE_PLAIN, "%s", print_text(pool, "name"));
		table_cell(t, TABLE_PLAIN, "%s", print_text(pool, "scheduler"));
		table_cell(t, strcmp(text, "none") == 0 ? TABLE_DIM : TABLE_PLAIN, "%s", text);
		if (strcmp(text, "none") == 0)
			table_cell(t, TABLE_PLAIN, "%s", "");
		else
			table_cell(t, TABLE_PLAIN, "%llu/%llu",
				   (unsigned long long)print_count(check, "rise"),
				   (unsigned long long)print_count(check, "fall"));
		table_cell(t, servers_color(&all), "%u of %u", all.up, all.total);
		if (all.out > 0)
			table_cell(t, TABLE_YELLOW, "%u", all.out);
		else
			table_cell(t, TABLE_PLAIN, "%s", "");
		table_cell(t, TABLE_PLAIN, "%s", print_text(pool, "on-server-down"));
		table_cell(t, TABLE_PLAIN, "%s", table_count(all.active, n));
		table_cell(t, TABLE_PLAIN, "%s", table_count(all.new_flows, n));
	}
	if (table_rows(t) == 0)
		rc = none(c, "pool", name);
	if (rc == CLI_OK && !as_json(c, pools, name) && table_rows(t) > 0)
		table_print(t, c->out, c->color);
	table_destroy(t);
	json_decref(data);
	return rc;
}

// ---- services --------------------------------------------------------------------------------

static const json_t *find_pool(const json_t *lb, const char *name)
{
	json_t *pool;
	size_t i;

	json_array_foreach(list_of(lb, "pools", "pool"), i,
			   pool) if (strcmp(print_text(pool, "name"), name) == 0) return pool;
	return NULL;
}

static void service_row(struct table *t, const json_t *lb, const json_t *s)
{
	const json_t *state = json_object_get(s, "state");
	bool enabled = !json_is_false(json_object_get(s, "enabled"));
	char a[96], n[TABLE_TEXT];
	struct tally all;

	tally_pool(find_pool(lb, print_text(s, "pool")), &all);
	table_cell(t, TABLE_PLAIN, "%s", print_text(s, "name"));
	table_cell(t, TABLE_PLAIN, "%s",
		   print_endpoint(print_text(s, "address"), print_count(s, "port"), a, sizeof(a)));
	table_cell(t, TABLE_PLAIN, "%s", print_text(s, "protocol"));
	table_cell(t, TABLE_YELLOW, "%s", enabled ? "" : "disabled");
	table_cell(t, TABLE_PLAIN, "%s", print_text(s, "pool"));
	table_cell(t, servers_color(&all), "%u of %u", all.up, all.total);
	table_cell(t, TABLE_PLAIN, "%s", table_count(print_count(state, "active-flows"), n));
	table_cell(t, TABLE_PLAIN, "%s", table_count(print_count(state, "new-flows"), n));
	table_cell(t, print_count(state, "refused-flows") > 0 ? TABLE_RED : TABLE_PLAIN, "%s",
		   table_count(print_count(state, "refused-flows"), n));
	table_cell(t, TABLE_PLAIN, "%s", table_bytes(print_count(state, "in-octets"), n));
	table_cell(t, TABLE_PLAIN, "%s", table_bytes(print_count(state, "out-octets"), n));
	table_cell(t, TABLE_PLAIN, "%s", print_rate(state, "new-flows", n));
	table_cell(t, TABLE_PLAIN, "%s", print_rate(state, "in-packets", n));
	table_cell(t, TABLE_PLAIN, "%s", print_rate(state, "out-packets", n));
	tcp_cells(t, state);
}

int cmd_show_services(struct cli *c, const struct cli_args *a)
{
	static const struct table_column columns[] = {
		{"SERVICE", TABLE_LEFT}, {"ADDRESS", TABLE_LEFT}, {"PROTO", TABLE_LEFT},
		{"STATE", TABLE_LEFT},   {"POOL", TABLE_LEFT},    {"SERVERS UP", TABLE_RIGHT},
		{"FLOWS", TABLE_RIGHT},  {"NEW", TABLE_RIGHT},    {"REFUSED", TABLE_RIGHT},
		{"IN", TABLE_RIGHT},     {"OUT", TABLE_RIGHT},    {"NEW/s", TABLE_RIGHT},
		{"IN/s", TABLE_RIGHT},   {"OUT/s", TABLE_RIGHT},  {"SYN-ACK", TABLE_RIGHT},
		{"AGAIN", TABLE_RIGHT},
	};
	const char *name = a->count > 0 ? a->word[0] : NULL;
	json_t *data, *s;
	const json_t *lb, *services;
	struct table *t;
	size_t i;
	int rc = fetch(c, "", &data, &lb);

	if (rc != CLI_OK)
		return rc;
	services = list_of(lb, "services", "service");
	t = table_create(columns, sizeof(columns) / sizeof(columns[0]));
	json_array_foreach(services, i,
			   s) if (name == NULL || strcmp(name, print_text(s, "name")) == 0)
		service_row(t, lb, s);
	if (table_rows(t) == 0)
		rc = none(c, "service", name);
	if (rc == CLI_OK && !as_json(c, services, name) && table_rows(t) > 0)
		table_print(t, c->out, c->color);
	table_destroy(t);
	json_decref(data);
	return rc;
}
