// SPDX-License-Identifier: BSD-3-Clause
//
// sluicectl - the operator's command line. A client of sluiced's RPC socket like any other.

#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/cli/commands.h"
#include "control/cli/schema.h"

#define TIMEOUT_S 60 // a commit may wait 10 s for each of prepare and commit

struct global {
	const char *base, *instance, *timeout, *color;
	bool json, help, version, manual, complete;
};

// One option of ours at argv[*at]? Returns: 1 taken, 0 not ours, -1 its value is missing
static int take(struct global *g, int argc, char **argv, int *at)
{
	const struct {
		const char *name;
		const char **value;
		bool *flag;
	} known[] = {
		{"--base", &g->base, NULL},         {"--instance", &g->instance, NULL},
		{"--timeout", &g->timeout, NULL},   {"--color", &g->color, NULL},
		{"--json", NULL, &g->json},         {"--help", NULL, &g->help},
		{"--version", NULL, &g->version},   {"--man", NULL, &g->manual},
		{"--complete", NULL, &g->complete},
	};
	const char *w = argv[*at];

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		size_t len = strlen(known[i].name);

		if (known[i].flag != NULL && strcmp(w, known[i].name) == 0) {
			*known[i].flag = true;
			return 1;
		}
		if (known[i].value == NULL || strncmp(w, known[i].name, len) != 0)
			continue;
		if (w[len] == '=') {
			*known[i].value = w + len + 1;
			return 1;
		}
		if (w[len] == '\0') {
			if (*at + 1 == argc)
				return -1;
			*known[i].value = argv[++*at];
			return 1;
		}
	}
	return 0;
}

// Take our options out of the words; what is left is the command with its own.
static int parse(struct cli *c, struct global *g, int *argc, char **argv)
{
	bool ended = false; // by "--": what follows is no option of ours
	int kept = 0;

	for (int i = 1; i < *argc; i++) {
		int rc = ended ? 0 : take(g, *argc, argv, &i);

		if (rc < 0)
			return cli_fail(c, CLI_USAGE, "%s: its value is missing", argv[i]);
		if (rc > 0)
			continue;
		ended = ended || strcmp(argv[i], "--") == 0;
		argv[kept++] = argv[i];
	}
	*argc = kept;
	return CLI_OK;
}

static int apply(struct cli *c, const struct global *g)
{
	long long n = TIMEOUT_S;

	c->json = g->json;
	c->instance = g->instance != NULL ? g->instance : "lb";
	if (g->timeout != NULL && cli_number(g->timeout, 1, 86400, &n) != 0)
		return cli_fail(c, CLI_USAGE, "--timeout takes 1 to 86400 seconds, not '%s'",
				g->timeout);
	c->timeout_s = (unsigned)n;
	if (strlen(c->instance) > 63 || c->instance[0] == '\0' ||
	    strspn(c->instance,
		   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") !=
		    strlen(c->instance))
		return cli_fail(c, CLI_USAGE, "'%s' is no instance name", c->instance);
	if (g->color == NULL || strcmp(g->color, "auto") == 0)
		c->color = isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL;
	else if (strcmp(g->color, "always") == 0)
		c->color = true;
	else if (strcmp(g->color, "never") != 0)
		return cli_fail(c, CLI_USAGE, "--color takes auto, always or never, not '%s'",
				g->color);
	c->base = g->base != NULL ? g->base : getenv("SLUICE_BASE");
	if (c->base != NULL && strlen(c->base) > CLI_PATH - 8)
		return cli_fail(c, CLI_USAGE, "--base is too long");
	if (c->base != NULL) {
		snprintf(c->run_dir, sizeof(c->run_dir), "%.*s/run", CLI_PATH - 8, c->base);
		snprintf(c->lib_dir, sizeof(c->lib_dir), "%.*s/lib", CLI_PATH - 8, c->base);
	} else {
		snprintf(c->run_dir, sizeof(c->run_dir), "/run/sluice");
		snprintf(c->lib_dir, sizeof(c->lib_dir), "/var/lib/sluice");
	}
	return CLI_OK;
}

// sluicectl --complete -- WORD...: the words behind `sluicectl`, among them options of ours.
static int complete(struct cli *c, const struct global *outer, char **argv, size_t argc)
{
	struct global g = {.base = outer->base, .instance = outer->instance};
	size_t kept = 0;

	for (size_t i = argc > 0 && strcmp(argv[0], "--") == 0 ? 1 : 0; i < argc; i++) {
		int at = (int)i, rc = i + 1 < argc ? take(&g, (int)argc - 1, argv, &at) : 0;

		if (rc < 0)
			return CLI_OK; // its value is being typed
		if (rc == 0)
			argv[kept++] = argv[i];
		i = (size_t)at;
	}
	(void)apply(c, &g);
	c->json = false;
	return cli_complete_shell(c, argv, kept);
}

int main(int argc, char **argv)
{
	struct cli c = {.out = stdout};
	struct global g = {0};
	int rc;

	setlocale(LC_CTYPE, "");
	signal(SIGPIPE, SIG_IGN);
	rc = parse(&c, &g, &argc, argv);
	if (rc == CLI_OK)
		rc = apply(&c, &g);
	if (rc != CLI_OK)
		return rc;
	if (g.manual)
		cli_manual(stdout);
	else if (g.version)
		puts("sluicectl " SLUICE_VERSION);
	else if (g.complete)
		rc = complete(&c, &g, argv, (size_t)argc);
	else if (g.help && argc > 0)
		rc = cmd_help(&c, &(struct cli_args){.count = argc, .word = argv});
	else if (g.help)
		cli_usage(stdout);
	else if (argc == 0)
		rc = cli_interactive(&c);
	else
		rc = cli_run(&c, argv, (size_t)argc);
	cli_schema_free(&c);
	cli_hang_up(&c);
	if (fflush(stdout) != 0 && rc == CLI_OK)
		rc = CLI_FAILED;
	return rc;
}
