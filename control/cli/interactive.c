// SPDX-License-Identifier: BSD-3-Clause
//
// interactive - commands line by line in one session: with readline on a terminal, else plain lines.

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <readline/history.h>
#include <readline/readline.h>

#include "control/cli/commands.h"

#define WORD_MAX 128

// Take a line apart in place: blanks part words, '...' and "..." keep them, \ keeps one character, #
// at the start of a word begins a comment. Returns: words, -1 for a quote without end or too many
static int split(char *line, char **word, int max)
{
	char *in = line, *out = line;
	int n = 0;

	for (;;) {
		char quote = '\0';

		while (*in == ' ' || *in == '\t' || *in == '\n' || *in == '\r')
			in++;
		if (*in == '\0' || *in == '#')
			return n;
		if (n == max)
			return -1;
		word[n++] = out;
		for (; *in != '\0' && (quote != '\0' || strchr(" \t\n\r", *in) == NULL); in++) {
			if (quote == '\0' && (*in == '\'' || *in == '"'))
				quote = *in;
			else if (quote != '\0' && *in == quote)
				quote = '\0';
			else if (*in == '\\' && quote != '\'' && in[1] != '\0')
				*out++ = *++in;
			else
				*out++ = *in;
		}
		if (quote != '\0')
			return -1;
		if (*in != '\0')
			in++;
		*out++ = '\0';
	}
}

// A path of brackets and quotes shall come through as typed: only words that begin with a quote or
// hold blanks are unquoted by split(), so [name='web'] is kept by this.
static void keep_predicates(char *line)
{
	bool inside = false;

	for (char *p = line; *p != '\0'; p++) {
		if (*p == '[')
			inside = true;
		else if (*p == ']')
			inside = false;
		else if (inside && (*p == '\'' || *p == '"'))
			*p = *p == '\'' ? '\001' : '\002';
	}
}

static void restore_predicates(char *word)
{
	for (; *word != '\0'; word++) {
		if (*word == '\001')
			*word = '\'';
		else if (*word == '\002')
			*word = '"';
	}
}

static int run_line(struct cli *c, char *line, bool *leave)
{
	char *word[WORD_MAX];
	int n;

	keep_predicates(line);
	n = split(line, word, WORD_MAX);
	if (n < 0)
		return cli_fail(c, CLI_USAGE, "a quote is not closed, or there are too many words");
	if (n == 0)
		return CLI_OK;
	for (int i = 0; i < n; i++)
		restore_predicates(word[i]);
	if (strcmp(word[0], "exit") == 0 || strcmp(word[0], "quit") == 0) {
		*leave = true;
		return CLI_OK;
	}
	return cli_run(c, word, (size_t)n);
}

// ---- completion ------------------------------------------------------------------------------

static struct cli *completing;
static char **candidate;
static size_t candidates, candidate_room;

static void offer(void *arg, const char *name)
{
	(void)arg;
	for (size_t i = 0; i < candidates; i++)
		if (strcmp(candidate[i], name) == 0)
			return;
	if (candidates == candidate_room) {
		size_t room = candidate_room == 0 ? 32 : candidate_room * 2;
		char **more = realloc(candidate, room * sizeof(*more));

		if (more == NULL)
			return;
		candidate = more;
		candidate_room = room;
	}
	candidate[candidates] = strdup(name);
	if (candidate[candidates] != NULL)
		candidates++;
}

static char *next_candidate(const char *text, int state)
{
	static size_t at;

	(void)text;
	if (state == 0)
		at = 0;
	return at < candidates ? candidate[at++] : NULL; // readline frees it
}

static char **complete(const char *text, int start, int end)
{
	char *line = strndup(rl_line_buffer, (size_t)start), *word[WORD_MAX];
	int n;

	(void)end;
	rl_attempted_completion_over = 1; // never file names
	candidates = 0;
	n = line != NULL ? split(line, word, WORD_MAX) : -1;
	if (n >= 0)
		cli_complete(completing, word, (size_t)n, text, offer, NULL);
	free(line);
	return candidates > 0 ? rl_completion_matches(text, next_candidate) : NULL;
}

static int terminal(struct cli *c)
{
	char history[CLI_PATH], *line;
	const char *home = getenv("HOME");
	bool leave = false;
	int rc = CLI_OK;

	completing = c;
	rl_readline_name = "sluicectl";
	rl_attempted_completion_function = complete;
	rl_completer_word_break_characters = " \t\n\"'"; // client=... is one word
	snprintf(history, sizeof(history), "%s/.sluicectl_history", home != NULL ? home : "");
	if (home != NULL)
		read_history(history);
	stifle_history(1000);
	while (!leave && (line = readline("sluice> ")) != NULL) {
		if (line[0] != '\0')
			add_history(line);
		rc = run_line(c, line, &leave);
		fflush(c->out);
		free(line);
	}
	if (!leave)
		fputc('\n', c->out);
	if (home != NULL)
		write_history(history);
	free(candidate);
	candidate = NULL;
	candidate_room = 0;
	return leave ? CLI_OK : rc;
}

int cli_interactive(struct cli *c)
{
	bool leave = false;
	char *line = NULL;
	size_t size = 0;
	unsigned n = 0;
	int rc = CLI_OK;

	c->session = true;
	if (isatty(STDIN_FILENO))
		return terminal(c);
	while (!leave && rc == CLI_OK && getline(&line, &size, stdin) >= 0) {
		n++;
		rc = run_line(c, line, &leave);
		fflush(c->out);
	}
	if (rc != CLI_OK)
		fprintf(stderr, "sluicectl: stopped at line %u of standard input\n", n);
	free(line);
	return rc;
}
