// SPDX-License-Identifier: BSD-3-Clause
//
// help - usage, help and the manual page, all from the command table.

#include "control/cli/commands.h"

#include <ctype.h>
#include <string.h>

const struct cli_opt cli_global_opt[] = {
	{"base", "DIR",
	 "DIR/run and DIR/lib in place of /run/sluice and /var/lib/sluice "
	 "(environment: SLUICE_BASE)"},
	{"instance", "NAME", "application instance that is meant, default lb"},
	{"json", NULL, "answers, also refusals, as JSON"},
	{"timeout", "S", "seconds to wait for an answer, default 60"},
	{"color", "WHEN", "auto, always or never (environment: NO_COLOR)"},
	{"help", NULL, "this text"},
	{"version", NULL, "version of sluicectl"},
	{NULL, NULL, NULL},
};

static const struct {
	enum cli_exit code;
	const char *text;
} exits[] = {
	{CLI_OK, "done"},
	{CLI_REFUSED,
	 "refused by sluiced or an application; each reason is printed as path: message"},
	{CLI_USAGE, "the command line is wrong"},
	{CLI_UNREACHABLE, "sluiced cannot be reached, or did not answer in time"},
	{CLI_FAILED, "something else failed: a file, an answer that makes no sense"},
	{CLI_DOCTOR_WARN, "doctor: something should be seen to"},
	{CLI_DOCTOR_BAD, "doctor: something is broken"},
};

static void print_opts(const struct cli_opt *o, FILE *out)
{
	for (; o != NULL && o->name != NULL; o++) {
		char left[64];

		snprintf(left, sizeof(left), "--%s%s%s", o->name, o->value != NULL ? " " : "",
			 o->value != NULL ? o->value : "");
		fprintf(out, "  %-20s %s\n", left, o->help);
	}
}

void cli_usage(FILE *out)
{
	fputs("usage: sluicectl [OPTION...] [COMMAND [WORD...]]\n"
	      "Without a command: commands from the terminal or from standard input, in one session.\n\n",
	      out);
	for (size_t i = 0; i < cli_command_count; i++) {
		char left[64];

		snprintf(left, sizeof(left), "%s%s%s", cli_commands[i].name,
			 cli_commands[i].args[0] != '\0' ? " " : "", cli_commands[i].args);
		fprintf(out, strlen(left) > 30 ? "  %s\n  %-30s %s\n" : "  %-30s %s%s\n", left,
			strlen(left) > 30 ? "" : cli_commands[i].summary,
			strlen(left) > 30 ? cli_commands[i].summary : "");
	}
	fputs("\nOptions:\n", out);
	print_opts(cli_global_opt, out);
	fputs("\nPaths: service web port; pool web server s1 weight; port wan owner; or\n"
	      "/sluice-lb:load-balancers/load-balancer[name='lb']/services/service[name='web']/port.\n"
	      "'sluicectl help COMMAND' tells a command in full.\n",
	      out);
}

void cli_help(const struct cli_command *cmd, FILE *out)
{
	fprintf(out, "usage: sluicectl %s%s%s%s\n%c%s.\n", cmd->name,
		cmd->opt != NULL ? " [OPTION...]" : "", cmd->args[0] != '\0' ? " " : "", cmd->args,
		toupper((unsigned char)cmd->summary[0]), cmd->summary + 1);
	if (cmd->text[0] != '\0')
		fprintf(out, "%s\n", cmd->text);
	if (cmd->opt != NULL)
		fputc('\n', out);
	print_opts(cmd->opt, out);
}

int cmd_help(struct cli *c, const struct cli_args *a)
{
	const struct cli_command *cmd;
	size_t used;

	if (a->count == 0) {
		cli_usage(c->out);
		return CLI_OK;
	}
	cmd = cli_find(a->word, (size_t)a->count, &used);
	if (cmd == NULL)
		return cli_fail(c, CLI_USAGE, "there is no command '%s'", a->word[0]);
	cli_help(cmd, c->out);
	return CLI_OK;
}

// ---- manual page -----------------------------------------------------------------------------

// Text as mdoc takes it: backslashes spelt out, no line that begins like a request.
static void man_text(const char *s, FILE *out)
{
	if (*s == '.' || *s == '\'')
		fputs("\\&", out);
	for (; *s != '\0'; s++) {
		if (*s == '\\')
			fputs("\\e", out);
		else if (*s == '-')
			fputs("\\-", out);
		else if (*s == '.' && s[1] == ' ' && isupper((unsigned char)s[2])) {
			fputs(".\n", out); // each sentence on a line of its own
			s++;
		} else
			fputc(*s, out);
	}
}

static void man_opts(const struct cli_opt *o, FILE *out)
{
	for (; o != NULL && o->name != NULL; o++) {
		fprintf(out, ".It Fl Fl %s%s%s\n", o->name, o->value != NULL ? " Ar " : "",
			o->value != NULL ? o->value : "");
		man_text(o->help, out);
		fputs(".\n", out);
	}
}

static void man_command(const struct cli_command *cmd, FILE *out)
{
	fprintf(out, ".It Ic %s", cmd->name);
	if (cmd->args[0] != '\0')
		fprintf(out, " Ar %s", cmd->args);
	fputc('\n', out);
	fputc(toupper((unsigned char)cmd->summary[0]), out);
	man_text(cmd->summary + 1, out);
	fputs(".\n", out);
	if (cmd->text[0] != '\0') {
		man_text(cmd->text, out);
		fputc('\n', out);
	}
	if (cmd->opt != NULL) {
		fputs(".Bl -tag -width Ds -compact\n", out);
		man_opts(cmd->opt, out);
		fputs(".El\n", out);
	}
}

void cli_manual(FILE *out)
{
	fputs(".\\\" Generated from the command table of sluicectl; do not edit.\n"
	      ".Dd November 25, 2026\n.Dt SLUICECTL 8\n.Os\n"
	      ".Sh NAME\n.Nm sluicectl\n.Nd look at and configure Sluice\n"
	      ".Sh SYNOPSIS\n.Nm\n.Op Ar option ...\n.Op Ar command Op Ar word ...\n"
	      ".Sh DESCRIPTION\n.Nm\nspeaks with\n.Nm sluiced\nover its socket\n"
	      ".Pa /run/sluice/sluiced.sock .\n"
	      "Edits go into the candidate, which all sessions share; nothing is in force before\n"
	      ".Ic commit .\n.Pp\n"
	      "Without a command it reads commands: from a terminal with a prompt, history and\n"
	      "completion; else one a line from standard input, where it stops at the first that fails.\n"
	      "All of them share one session, so that a lock can be held.\n"
	      "Words with blanks are quoted with \\(aq or \\(dq; # begins a comment.\n.Pp\n"
	      "Options may stand anywhere on the command line:\n.Bl -tag -width Ds\n",
	      out);
	man_opts(cli_global_opt, out);
	fputs(".El\n.Sh COMMANDS\n.Bl -tag -width Ds\n", out);
	for (size_t i = 0; i < cli_command_count; i++)
		man_command(&cli_commands[i], out);
	fputs(".El\n.Sh PATHS\nA path is given in words; the key of a list stands behind its name:\n"
	      ".Bd -literal -offset indent\n"
	      "service web port\n"
	      "service/web/port\n"
	      "lb edge service web port      (instance edge)\n"
	      "pool web interval             (of its health\\-check)\n"
	      "server web s1 weight          (server s1 of pool web)\n"
	      "port wan owner                (of ietf\\-interfaces)\n"
	      "/sluice\\-lb:load\\-balancers/load\\-balancer[name=\\(aqlb\\(aq]/pools\n"
	      ".Ed\n.Pp\n"
	      "The first word is looked up in the load balancer of the instance, then at the top of the\n"
	      "schema, which is asked of\n.Nm sluiced .\n"
	      "A container may be left out where the name below it is unambiguous.\n"
	      ".Sh FILES\n.Bl -tag -width Ds\n"
	      ".It Pa ~/.sluicectl_history\nlines typed in interactive mode\n.El\n"
	      ".Sh EXIT STATUS\n.Bl -tag -width Ds\n",
	      out);
	for (size_t i = 0; i < sizeof(exits) / sizeof(exits[0]); i++)
		fprintf(out, ".It %d\n%s.\n", exits[i].code, exits[i].text);
	fputs(".El\n"
	      ".Sh EXAMPLES\n.Bd -literal -offset indent\n"
	      "sluicectl set pool web health\\-check type http path /health\n"
	      "sluicectl set server web s1 address 10.20.0.11 port 80 weight 2\n"
	      "sluicectl compare\n"
	      "sluicectl commit \\-\\-comment \\(aqthird web server\\(aq\n"
	      "sluicectl \\-\\-json show servers web\n"
	      ".Ed\n.Sh SEE ALSO\n.Xr sluice\\-checkd 8 ,\n"
	      ".Xr sluice\\-lb 8 ,\n.Xr sluice\\-netconfd 8 ,\n.Xr sluiced 8\n",
	      out);
}
