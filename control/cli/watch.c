// SPDX-License-Identifier: BSD-3-Clause
//
// watch - a command again and again.

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "control/cli/commands.h"

static volatile sig_atomic_t stop;

static void on_interrupt(int sig)
{
	(void)sig;
	stop = 1;
}

int cmd_watch(struct cli *c, const struct cli_args *a)
{
	struct sigaction act = {.sa_handler = on_interrupt}, old;
	struct timespec pause;
	double seconds;
	char *end, **copy;
	int rc = CLI_OK;

	seconds = strtod(a->word[0], &end);
	if (*end != '\0' || !(seconds >= 0.1 && seconds <= 86400))
		return cli_fail(c, CLI_USAGE, "watch: '%s' is not between 0.1 and 86400 seconds",
				a->word[0]);
	if (strcmp(a->word[1], "watch") == 0)
		return cli_fail(c, CLI_USAGE, "watch watches no watch");
	copy = calloc((size_t)a->count, sizeof(*copy));
	if (copy == NULL)
		return cli_fail(c, CLI_FAILED, "out of memory");
	pause.tv_sec = (time_t)seconds;
	pause.tv_nsec = (long)((seconds - (double)pause.tv_sec) * 1e9);
	stop = 0;
	sigaction(SIGINT, &act, &old);
	while (!stop && rc == CLI_OK) {
		if (isatty(fileno(c->out)) && !c->json)
			fputs("\033[H\033[2J", c->out);
		memcpy(copy, a->word,
		       (size_t)a->count * sizeof(*copy)); // commands move their words
		rc = cli_run(c, copy + 1, (size_t)a->count - 1);
		fflush(c->out);
		if (!stop && rc == CLI_OK)
			nanosleep(&pause, NULL);
	}
	sigaction(SIGINT, &old, NULL);
	free(copy);
	return rc;
}
