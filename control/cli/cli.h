// SPDX-License-Identifier: BSD-3-Clause
//
// cli - what every command of sluicectl works with: where the daemon is, how to print, one session.
//
// The daemon is reached by control/rpc/README.md alone. A command gets its words and options already
// checked against the command table (commands.h) and gives an exit code.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <jansson.h>

// Exit codes, documented in the man page.
enum cli_exit {
	CLI_OK = 0,
	CLI_REFUSED = 1,     // sluiced, or what it asked, said no
	CLI_USAGE = 2,       // the command line is wrong
	CLI_UNREACHABLE = 3, // no connection to sluiced, or no answer in time
	CLI_FAILED = 4,      // something else: a file, an answer that makes no sense
	CLI_DOCTOR_WARN = 5, // doctor: works, but something should be seen to
	CLI_DOCTOR_BAD = 6,  // doctor: something is broken
};

#define CLI_PATH 512

struct cli_rpc;
struct cli_schema;

struct cli {
	char run_dir[CLI_PATH];
	char lib_dir[CLI_PATH];
	const char *base;     // NULL: the installed places
	const char *instance; // app instance that short paths and queries mean
	unsigned timeout_s;
	bool json;    // answers as JSON
	bool color;   // terminal colours on out
	bool session; // several commands share this session
	FILE *out;
	struct cli_rpc *rpc;       // made by the first call
	struct cli_schema *schema; // made by the first short path
};

struct cli_command;

// The words of one command behind its name, and its options.
struct cli_args {
	const struct cli_command *command;
	int count;
	char **word;
	const char *opt[8]; // by place in the command's options: NULL, "" or the value
};

// Call a method of sluiced. params is taken over (NULL: none).
//
// Returns: CLI_OK with *result, which the caller gives back by json_decref; else another exit code,
//          the reason already printed.
int cli_call(struct cli *c, const char *method, json_t *params, json_t **result);

// As cli_call, but quiet: the error object (or NULL) is handed out instead of being printed.
int cli_try(struct cli *c, const char *method, json_t *params, json_t **result, json_t **error);

// Ask an app through sluiced (method app-query).
int cli_query(struct cli *c, const char *name, json_t *args, json_t **result);

// End the session.
void cli_hang_up(struct cli *c);

// Print an error object of JSON-RPC: "path: message" for each thing that is wrong, and a remedy.
void cli_print_error(struct cli *c, const json_t *error);

// "sluicectl: ..." on stderr. Returns: code, to be returned by the caller.
int cli_fail(struct cli *c, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

// In JSON mode print v and return true; else return false.
bool cli_print_json(struct cli *c, const json_t *v);

// The value of option name: NULL when not given, "" for a flag.
const char *cli_option(const struct cli_args *a, const char *name);

// A whole number between min and max. Returns: 0 or -EINVAL. Thread: any
int cli_number(const char *text, long long min, long long max, long long *out);
