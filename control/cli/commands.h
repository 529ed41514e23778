// SPDX-License-Identifier: BSD-3-Clause
//
// commands - the one table of commands: dispatch, help, completion and the man page read it.
#pragma once

#include <stddef.h>
#include <stdio.h>

#include "control/cli/cli.h"

struct cli_opt {
	const char *name;  // without "--"; NULL ends the list
	const char *value; // what it takes, NULL: a flag
	const char *help;
};

struct cli_command {
	const char *name; // one word, or two ("show services")
	const char *args; // as usage shows them
	const char *summary;
	const char *text;          // more for the man page and `help COMMAND`; "" if nothing
	const struct cli_opt *opt; // NULL: none
	int min, max;              // words; max -1: no limit
	int (*run)(struct cli *c, const struct cli_args *a);
	bool path;  // its words are a path: completed from the schema
	bool whole; // it takes its words as they are, options too
};

extern const struct cli_command cli_commands[];
extern const size_t cli_command_count;

// The command that the words begin with; *used words name it. Returns: NULL when there is none
const struct cli_command *cli_find(char **word, size_t count, size_t *used);

// Run one command line of words. Returns: exit code
int cli_run(struct cli *c, char **word, size_t count);

// Usage of the program, of one command, and the manual page in mdoc(7).
void cli_usage(FILE *out);
void cli_help(const struct cli_command *cmd, FILE *out);
void cli_manual(FILE *out);

// What may stand next behind the words given: found is called for each that begins with prefix, some
// perhaps twice. Names of entries are asked of sluiced; without it there are none.
void cli_complete(struct cli *c, char **word, size_t n, const char *prefix,
		  void (*found)(void *arg, const char *name), void *arg);
// The same for a shell: one a line. The last word is the one being typed. Returns: exit code
int cli_complete_shell(struct cli *c, char **word, size_t n);

// Options of sluicectl itself.
extern const struct cli_opt cli_global_opt[];

// Commands line by line: readline on a terminal, else plain lines of standard input.
// Returns: exit code, without a terminal that of the first command that failed
int cli_interactive(struct cli *c);

// A JSON object of a file, - for standard input. Returns: exit code, the reason printed
int cli_load_file(struct cli *c, const char *name, json_t **out); // edit.c

// commands by file
int cmd_show_services(struct cli *c, const struct cli_args *a); // show_lb.c
int cmd_show_pools(struct cli *c, const struct cli_args *a);
int cmd_show_servers(struct cli *c, const struct cli_args *a);
int cmd_show_ports(struct cli *c, const struct cli_args *a); // show_ports.c
int cmd_show_flows(struct cli *c, const struct cli_args *a); // flows.c
int cmd_clear_flow(struct cli *c, const struct cli_args *a);
int cmd_show_counters(struct cli *c, const struct cli_args *a); // query.c
int cmd_show_drops(struct cli *c, const struct cli_args *a);
int cmd_explain(struct cli *c, const struct cli_args *a); // explain.c
int cmd_capture(struct cli *c, const struct cli_args *a);
int cmd_trace(struct cli *c, const struct cli_args *a);
int cmd_show_state(struct cli *c, const struct cli_args *a); // show_state.c
int cmd_show_history(struct cli *c, const struct cli_args *a);
int cmd_show_alarms(struct cli *c, const struct cli_args *a);
int cmd_show_sessions(struct cli *c, const struct cli_args *a);
int cmd_show_config(struct cli *c, const struct cli_args *a); // edit.c
int cmd_get(struct cli *c, const struct cli_args *a);
int cmd_set(struct cli *c, const struct cli_args *a);
int cmd_delete(struct cli *c, const struct cli_args *a);
int cmd_edit(struct cli *c, const struct cli_args *a);
int cmd_compare(struct cli *c, const struct cli_args *a); // commit.c
int cmd_commit(struct cli *c, const struct cli_args *a);
int cmd_discard(struct cli *c, const struct cli_args *a);
int cmd_validate(struct cli *c, const struct cli_args *a);
int cmd_rollback(struct cli *c, const struct cli_args *a);
int cmd_lock(struct cli *c, const struct cli_args *a);
int cmd_unlock(struct cli *c, const struct cli_args *a);
int cmd_top(struct cli *c, const struct cli_args *a);        // top.c
int cmd_watch(struct cli *c, const struct cli_args *a);      // watch.c
int cmd_doctor(struct cli *c, const struct cli_args *a);     // doctor.c
int cmd_completion(struct cli *c, const struct cli_args *a); // complete.c
int cmd_help(struct cli *c, const struct cli_args *a);       // help.c
