// SPDX-License-Identifier: BSD-3-Clause

#include "control/cli/commands.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct cli_opt opt_all[] = {{"all", NULL, "also what is zero"}, {NULL, NULL, NULL}};
static const struct cli_opt opt_limit[] = {{"limit", "N", "at most N, default 50"},
					   {NULL, NULL, NULL}};
static const struct cli_opt opt_flows[] = {
	{"limit", "N", "at most N, default 50"},
	{"sort", "KEY", "the greatest first, by bytes, packets, age or idle"},
	{"after", "PLACE", "go on where a listing before ended"},
	{NULL, NULL, NULL},
};
static const struct cli_opt opt_clear[] = {
	{"all", NULL, "every flow"},
	{NULL, NULL, NULL},
};
static const struct cli_opt opt_explain[] = {
	{"context", "N", "context that the packet comes from, default 0"},
	{"port", "NAME", "the same, given by the port on which it comes"},
	{NULL, NULL, NULL},
};
static const struct cli_opt opt_top[] = {
	{"count", "N", "so many times, default until q or Ctrl-C; -n N is the same"},
	{"delay", "S", "seconds between, default 1"},
	{"sort", "KEY", "packets (default), octets, new-flows, active-flows or refused-flows"},
	{"limit", "N", "rows of services and of servers, default what fits"},
	{NULL, NULL, NULL},
};
static const struct cli_opt opt_source[] = {
	{"candidate", NULL, "the candidate in place of the running configuration"},
	{"defaults", NULL, "with default values"},
	{NULL, NULL, NULL},
};
static const struct cli_opt opt_get[] = {
	{"config", NULL, "configuration only, no state"},
	{"candidate", NULL, "configuration of the candidate"},
	{"defaults", NULL, "with default values"},
	{NULL, NULL, NULL},
};
static const struct cli_opt opt_edit[] = {
	{"replace", NULL, "the file becomes the whole configuration"},
	{NULL, NULL, NULL},
};
static const struct cli_opt opt_commit[] = {
	{"comment", "TEXT", "kept in the history"},
	{"require-all", NULL, "refuse when an application is away"},
	{"preview", NULL, "only say what would change, and which flows that would end"},
	{NULL, NULL, NULL},
};
static const struct cli_opt opt_rollback[] = {
	{"file", "FILE", "take the configuration of a JSON file, - for standard input"},
	{"commit", NULL, "commit at once"},
	{NULL, NULL, NULL},
};
static const struct cli_opt opt_capture[] = {
	{"filter", "FILTER", "only packets that match, as of pcap-filter(7)"},
	{"limit", "N", "end after N packets"},
	{"stop", NULL, "end the capture that runs"},
	{NULL, NULL, NULL},
};
static const struct cli_opt opt_trace[] = {
	{"filter", "FILTER", "only packets that match, as of pcap-filter(7)"},
	{"limit", "N", "packets to follow, default 10"},
	{"seconds", "S", "end after so long, default 10"},
	{NULL, NULL, NULL},
};
static const struct cli_opt opt_doctor[] = {
	{"device", "DEV", "look at this kernel interface, too"},
	{NULL, NULL, NULL},
};

const struct cli_command cli_commands[] = {
	{"show services", "[NAME]", "services: where clients come in, and how they are served", "",
	 NULL, 0, 1, cmd_show_services, false, false},
	{"show pools", "[NAME]", "pools: scheduler, health check, servers that are up", "", NULL, 0,
	 1, cmd_show_pools, false, false},
	{"show servers", "[POOL]", "servers: health, reason, share of new flows", "", NULL, 0, 1,
	 cmd_show_servers, false, false},
	{"show flows", "[WORD...]", "flows that live now",
	 "Only flows for which every WORD holds: tcp, udp, syn, established or closing (one of those "
	 "given), ipv4, ipv6, an ENDPOINT of any side, client=, service=, local= or server= with an "
	 "ENDPOINT, service=NAME, server=NAME or server=POOL/NAME, port=N or port=N-M of any side, "
	 "context=N, and idle-min=, idle-max=, age-min= or age-max= with a time (30, 500ms, 5m, 2h). An "
	 "ENDPOINT is an address, a prefix, address:port or [address]:port.",
	 opt_flows, 0, 8, cmd_show_flows, false, false},
	{"show ports", "", "network ports: owner, link, counters", "", NULL, 0, 0, cmd_show_ports,
	 false, false},
	{"show counters", "", "packets by worker and port, and whether they add up", "", NULL, 0, 0,
	 cmd_show_counters, false, false},
	{"show drops", "", "packets dropped, by reason", "", opt_all, 0, 0, cmd_show_drops, false,
	 false},
	{"show state", "", "the daemon: version, datastore, applications, locks",
	 "An application whose applied version differs from the intended one runs on an older "
	 "configuration; its error says why.",
	 NULL, 0, 0, cmd_show_state, false, false},
	{"show version", "", "the same as show state", "", NULL, 0, 0, cmd_show_state, false,
	 false},
	{"show sessions", "", "who is connected, and who holds a lock", "", NULL, 0, 0,
	 cmd_show_sessions, false, false},
	{"show history", "", "committed versions, newest first", "", opt_limit, 0, 0,
	 cmd_show_history, false, false},
	{"show alarms", "", "what needs a person", "", NULL, 0, 0, cmd_show_alarms, false, false},
	{"show config", "[PATH]", "the running configuration, or a part of it", "", opt_source, 0,
	 -1, cmd_show_config, true, false},
	{"get", "PATH", "configuration and state below a path",
	 "A path that ends in a leaf prints the bare value. A PATH with a leading slash that is no "
	 "instance path is sent as XPath.",
	 opt_get, 1, -1, cmd_get, true, false},
	{"set", "PATH [VALUE] [LEAF VALUE]...", "put values into the candidate",
	 "Behind an entry several leaves may follow, each with its value. A leaf-list gains the "
	 "value. An entry alone is made with its defaults. Nothing is in force before commit.",
	 NULL, 1, -1, cmd_set, true, false},
	{"delete", "PATH", "take an entry or a leaf out of the candidate", "", NULL, 1, -1,
	 cmd_delete, true, false},
	{"edit", "FILE|-", "merge a JSON file into the candidate",
	 "The file holds RFC 7951 JSON; nodes may carry operations as sluiced's RPC takes them.",
	 opt_edit, 1, 1, cmd_edit, false, false},
	{"compare", "[FROM TO]", "what the candidate would change",
	 "FROM and TO are running, candidate or a version; default: running and candidate.", NULL,
	 0, 2, cmd_compare, false, false},
	{"validate", "", "check the candidate", "", NULL, 0, 0, cmd_validate, false, false},
	{"commit", "", "make the candidate the running configuration", "", opt_commit, 0, 0,
	 cmd_commit, false, false},
	{"discard", "", "make the candidate equal to the running configuration", "", NULL, 0, 0,
	 cmd_discard, false, false},
	{"rollback", "[VERSION [PATH...]]", "put an earlier version into the candidate",
	 "With PATH only that part is taken back, the rest of the candidate stays. Nothing is in force "
	 "before commit.",
	 opt_rollback, 0, 16, cmd_rollback, false, false},
	{"lock", "[running|candidate]", "keep others from changing it (default: candidate)",
	 "A lock lives as long as its session. One command on the command line is a session of its "
	 "own, so its lock ends at once; hold one in interactive mode, or with all commands on "
	 "standard input.",
	 NULL, 0, 1, cmd_lock, false, false},
	{"unlock", "[running|candidate]", "give a lock of this session back", "", NULL, 0, 1,
	 cmd_unlock, false, false},
	{"capture", "[FILE]", "write packets to a pcapng file, as the application sees them",
	 "FILE is a plain name; the application writes it into its capture folder and never over a "
	 "file that is there.",
	 opt_capture, 0, 1, cmd_capture, false, false},
	{"trace", "", "follow single packets through the stages", "", opt_trace, 0, 0, cmd_trace,
	 false, false},
	{"clear flow", "[WORD...]", "end the flows that the words mean",
	 "WORDs as of show flows; 'tcp CLIENT SERVICE' is one flow. Both sides of a TCP connection are "
	 "reset as soon as they can be brought to say where they are, else when they speak the next "
	 "time. Asks for the right to change the instance.",
	 opt_clear, 0, 8, cmd_clear_flow, false, false},
	{"top", "[-n N]", "what goes on now: rates per second, how busy workers are, drops",
	 "Rates are of the last second (of longer with more than 50,000 servers), from the application.",
	 opt_top, 0, 2, cmd_top, false, false},
	{"explain", "PROTOCOL CLIENT SERVICE [context N|port NAME]",
	 "what becomes of a packet, and why",
	 "PROTOCOL is tcp or udp, CLIENT and SERVICE are address:port or [address]:port. Says which "
	 "service has it, of which pool, which server it would get and why, who else stands for it and "
	 "who does not, which worker owns it, from which local address, by which next hops, and whether "
	 "there is a flow already. Changes nothing.",
	 opt_explain, 3, 5, cmd_explain, false, false},
	{.name = "watch",
	 .args = "SECONDS COMMAND...",
	 .summary = "repeat a command until Ctrl-C",
	 .text = "",
	 .min = 2,
	 .max = -1,
	 .run = cmd_watch,
	 .whole = true},
	{"doctor", "", "look for what is wrong or missing on this machine, with the remedy",
	 "Works without sluiced, too. Exit status: 0 all is well, 5 something should be seen to, 6 "
	 "something is broken.",
	 opt_doctor, 0, 0, cmd_doctor, false, false},
	{"completion", "bash", "a script that completes sluicectl's words in the shell",
	 "Load it with: source <(sluicectl completion bash)", NULL, 1, 1, cmd_completion, false,
	 false},
	{"help", "[COMMAND]", "commands, or one of them in full", "", NULL, 0, 2, cmd_help, false,
	 false},
};
const size_t cli_command_count = sizeof(cli_commands) / sizeof(cli_commands[0]);

const struct cli_command *cli_find(char **word, size_t count, size_t *used)
{
	char two[128];

	for (size_t words = count < 2 ? count : 2; words > 0; words--) {
		snprintf(two, sizeof(two), "%s%s%s", word[0], words == 2 ? " " : "",
			 words == 2 ? word[1] : "");
		for (size_t i = 0; i < cli_command_count; i++) {
			if (strcmp(cli_commands[i].name, two) == 0) {
				*used = words;
				return &cli_commands[i];
			}
		}
	}
	return NULL;
}

const char *cli_option(const struct cli_args *a, const char *name)
{
	const struct cli_opt *o = a->command->opt;

	for (size_t i = 0; o != NULL && o[i].name != NULL; i++)
		if (strcmp(o[i].name, name) == 0)
			return a->opt[i];
	return NULL;
}

int cli_number(const char *text, long long min, long long max, long long *out)
{
	char *end;
	long long n;

	errno = 0;
	n = strtoll(text, &end, 10);
	if (end == text || *end != '\0' || errno != 0 || n < min || n > max)
		return -EINVAL;
	*out = n;
	return 0;
}

static int usage_error(struct cli *c, const struct cli_command *cmd, const char *what,
		       const char *word)
{
	return cli_fail(c, CLI_USAGE, "%s: %s%s%s%s ('sluicectl help %s' tells more)", cmd->name,
			what, word[0] != '\0' ? " '" : "", word, word[0] != '\0' ? "'" : "",
			cmd->name);
}

// Take the options out of the words. A word "--" ends them.
static int take_options(struct cli *c, struct cli_args *a)
{
	const struct cli_opt *o = a->command->opt;
	int kept = 0;

	for (int i = 0; i < a->count; i++) {
		const char *w = a->word[i], *eq;
		size_t len, k;

		if (strncmp(w, "--", 2) != 0) {
			a->word[kept++] = a->word[i];
			continue;
		}
		if (w[2] == '\0') {
			while (++i < a->count)
				a->word[kept++] = a->word[i];
			break;
		}
		eq = strchr(w, '=');
		len = eq != NULL ? (size_t)(eq - w - 2) : strlen(w + 2);
		for (k = 0; o != NULL && o[k].name != NULL; k++)
			if (strlen(o[k].name) == len && strncmp(o[k].name, w + 2, len) == 0)
				break;
		if (o == NULL || o[k].name == NULL)
			return usage_error(c, a->command, "there is no option", w);
		if (o[k].value == NULL)
			a->opt[k] = eq == NULL ? "" : NULL;
		else if (eq != NULL)
			a->opt[k] = eq + 1;
		else
			a->opt[k] = i + 1 < a->count ? a->word[++i] : NULL;
		if (a->opt[k] == NULL)
			return usage_error(c, a->command,
					   o[k].value == NULL ? "no value is taken by"
							      : "a value is missing for",
					   w);
	}
	a->count = kept;
	return CLI_OK;
}

int cli_run(struct cli *c, char **word, size_t count)
{
	struct cli_args a = {0};
	size_t used;
	int rc;

	a.command = cli_find(word, count, &used);
	if (a.command == NULL) {
		if (strcmp(word[0], "show") == 0)
			return cli_fail(
				c, CLI_USAGE,
				"show what? One of: services, pools, servers, flows, ports, "
				"counters, drops, state, version, sessions, history, alarms, "
				"config");
		return cli_fail(c, CLI_USAGE,
				"there is no command '%s' ('sluicectl help' lists them)", word[0]);
	}
	a.word = word + used;
	a.count = (int)(count - used);
	rc = a.command->whole ? CLI_OK : take_options(c, &a);
	if (rc != CLI_OK)
		return rc;
	if (a.count < a.command->min)
		return usage_error(c, a.command, "too few words, it takes", a.command->args);
	if (a.command->max >= 0 && a.count > a.command->max)
		return usage_error(c, a.command, "unexpected word", a.word[a.command->max]);
	return a.command->run(c, &a);
}
