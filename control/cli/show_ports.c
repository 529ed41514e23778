// SPDX-License-Identifier: BSD-3-Clause
//
// show_ports - ietf-interfaces with sluice-port, configuration and state together.

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "control/cli/commands.h"
#include "control/cli/print.h"
#include "control/cli/table.h"

// "m0 carries, m1 no link"
static void member_cell(struct table *t, const json_t *state)
{
	char text[256] = "";
	bool down = false;
	const json_t *m;
	size_t i, at = 0;

	json_array_foreach(print_member(state, "member"), i, m)
	{
		bool link = json_is_true(print_member(m, "link"));
		bool carries = json_is_true(print_member(m, "carries"));

		down |= !link;
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s%s", i > 0 ? ", " : "",
				       print_text(m, "name"),
				       !link     ? " no link"
				       : carries ? " carries"
						 : " waits");
		if (at >= sizeof(text))
			break;
	}
	table_cell(t, down ? TABLE_RED : TABLE_PLAIN, "%s", text);
}

static void port_row(struct table *t, const json_t *i)
{
	const json_t *port = print_member(i, "port"), *state = print_member(i, "port-state");
	const json_t *stats = print_member(i, "statistics");
	const char *oper = print_text(i, "oper-status"), *type = print_text(i, "type");
	const char *device = print_text(port, "device");
	const json_t *connected = print_member(state, "owner-connected");
	char n[TABLE_TEXT];

	if (strchr(type, ':') != NULL)
		type = strchr(type, ':') + 1;
	table_cell(t, TABLE_PLAIN, "%s", print_text(i, "name"));
	table_cell(t, TABLE_PLAIN, "%s", type);
	table_cell(t, TABLE_PLAIN, "%s",
		   device[0] != '\0' || port == NULL ? device : print_text(i, "name"));
	table_cell(t, json_is_false(connected) ? TABLE_RED : TABLE_PLAIN, "%s%s",
		   print_text(port, "owner"), json_is_false(connected) ? " (away)" : "");
	if (json_is_false(print_member(i, "enabled")))
		table_cell(t, TABLE_YELLOW, "disabled");
	else
		table_cell(t, strcmp(oper, "up") == 0 ? TABLE_GREEN : TABLE_RED, "%s", oper);
	table_cell(t, TABLE_PLAIN, "%s", print_text(i, "phys-address"));
	table_cell(t, TABLE_PLAIN, "%s", table_bytes(print_count(stats, "in-octets"), n));
	table_cell(t, TABLE_PLAIN, "%s", table_bytes(print_count(stats, "out-octets"), n));
	table_cell(t, TABLE_PLAIN, "%s", print_rate(state, "in-packets", n));
	table_cell(t, TABLE_PLAIN, "%s", print_rate(state, "out-packets", n));
	table_cell(t, print_count(state, "rx-missed") > 0 ? TABLE_RED : TABLE_PLAIN, "%s",
		   table_count(print_count(state, "rx-missed"), n));
	table_cell(t, TABLE_PLAIN, "%s", table_count(print_count(state, "xdp-redirected"), n));
	table_cell(t, TABLE_PLAIN, "%s", table_count(print_count(state, "xdp-passed"), n));
	table_cell(t, TABLE_PLAIN, "%s", print_text(state, "offloads"));
	member_cell(t, state);
	table_cell(t, TABLE_YELLOW, "%s",
		   json_is_false(print_member(state, "wakeup")) ? "cannot sleep" : "");
}

int cmd_show_ports(struct cli *c, const struct cli_args *a)
{
	static const struct table_column columns[] = {
		{"PORT", TABLE_LEFT},       {"TYPE", TABLE_LEFT},     {"DEVICE", TABLE_LEFT},
		{"OWNER", TABLE_LEFT},      {"LINK", TABLE_LEFT},     {"MAC", TABLE_LEFT},
		{"IN", TABLE_RIGHT},        {"OUT", TABLE_RIGHT},     {"IN/s", TABLE_RIGHT},
		{"OUT/s", TABLE_RIGHT},     {"MISSED", TABLE_RIGHT},  {"TO APP", TABLE_RIGHT},
		{"TO KERNEL", TABLE_RIGHT}, {"OFFLOADS", TABLE_LEFT}, {"MEMBERS", TABLE_LEFT},
		{"IDLE", TABLE_LEFT},
	};
	json_t *result, *list, *i;
	struct table *t;
	size_t at;
	int rc;

	(void)a;
	rc = cli_call(c, "get",
		      json_pack("{s:[s], s:s}", "paths", "/ietf-interfaces:interfaces",
				"with-defaults", "report-all"),
		      &result);
	if (rc != CLI_OK)
		return rc;
	list = json_object_get(
		json_object_get(json_object_get(result, "data"), "ietf-interfaces:interfaces"),
		"interface");
	if (c->json) {
		json_t *v = list != NULL ? json_incref(list) : json_array();

		cli_print_json(c, v);
		json_decref(v);
	} else if (json_array_size(list) == 0) {
		fputs("no ports are configured\n", c->out);
	} else {
		t = table_create(columns, sizeof(columns) / sizeof(columns[0]));
		json_array_foreach(list, at, i) port_row(t, i);
		table_print(t, c->out, c->color);
		table_destroy(t);
	}
	json_decref(result);
	return CLI_OK;
}
