// SPDX-License-Identifier: BSD-3-Clause
//
// complete - what may stand next on a command line: commands and options of the one table, paths of the
// schema, names of entries as the running configuration has them. Used by readline in interactive mode and,
// by `sluicectl --complete`, by the shell.

#include <stdlib.h>
#include <string.h>

#include <libyang/libyang.h>

#include "control/cli/commands.h"
#include "control/cli/path.h"
#include "control/cli/schema.h"

struct offer {
	const char *prefix;
	void (*found)(void *arg, const char *name);
	void *arg;
};

static void give(const struct offer *o, const char *name)
{
	if (strncmp(name, o->prefix, strlen(o->prefix)) == 0)
		o->found(o->arg, name);
}

static void commands(const struct offer *o, char **word, size_t n)
{
	for (size_t i = 0; i < cli_command_count; i++) {
		const char *name = cli_commands[i].name;
		const char *second = strchr(name, ' ');
		char first[64];

		snprintf(first, sizeof(first), "%.*s",
			 (int)(second != NULL ? second - name : (long)strlen(name)), name);
		if (n == 0)
			give(o, first);
		if (n == 1 && second != NULL && strcmp(first, word[0]) == 0)
			give(o, second + 1);
	}
}

static void options(const struct offer *o, const struct cli_opt *opt)
{
	char name[64];

	for (; opt != NULL && opt->name != NULL; opt++) {
		snprintf(name, sizeof(name), "--%s", opt->name);
		give(o, name);
	}
}

// ---- names of entries ------------------------------------------------------------------------

// Values of member `key` of the entries of each list called `list`, at any depth.
static void names_in(const struct offer *o, const json_t *v, const char *list, const char *key,
		     const char *before)
{
	const char *name, *colon;
	char text[160];
	json_t *sub, *e;
	size_t i;

	if (json_is_array(v)) {
		json_array_foreach(v, i, sub) names_in(o, sub, list, key, before);
		return;
	}
	json_object_foreach((json_t *)(uintptr_t)v, name, sub)
	{
		colon = strchr(name, ':');
		if (strcmp(colon != NULL ? colon + 1 : name, list) == 0 && json_is_array(sub)) {
			json_array_foreach(sub, i, e)
			{
				const char *s = json_string_value(json_object_get(e, key));

				if (s == NULL)
					continue;
				snprintf(text, sizeof(text), "%s%s", before, s);
				give(o, text);
			}
		}
		if (json_is_object(sub) || json_is_array(sub))
			names_in(o, sub, list, key, before);
	}
}

// Keys of the list at this path, as running has them. Without a daemon there are none.
static void names(const struct offer *o, struct cli *c, const char *path, const char *list,
		  const char *key, const char *before)
{
	json_t *result = NULL, *error = NULL;
	char leaf[600];

	snprintf(leaf, sizeof(leaf), "%s/%s", path, key);
	if (cli_try(c, "get-config", json_pack("{s:s, s:[s]}", "source", "running", "paths", leaf),
		    &result, &error) == CLI_OK)
		names_in(o, json_object_get(result, "config"), list, key, before);
	json_decref(result);
	json_decref(error);
}

static void names_of_lb(const struct offer *o, struct cli *c, const char *container,
			const char *list, const char *before)
{
	char path[512];

	snprintf(path, sizeof(path), "/sluice-lb:load-balancers/load-balancer[name='%s']/%s/%s",
		 c->instance, container, list);
	names(o, c, path, list, "name", before);
}

// A path whose last word is a list wants one of its keys next.
static void path_words_next(const struct offer *o, struct cli *c, char **word, size_t n)
{
	struct cli_path p = {.count = 0};
	char error[PATH_ERROR], *text;
	size_t used = 0;

	if (cli_schema_load(c) != CLI_OK)
		return;
	path_complete(c->schema, c->instance, word, n, o->prefix, o->found, o->arg);
	if (n > 0 && n <= 2 && strcmp(word[0], "server") == 0) { // server POOL NAME
		char container[200];

		snprintf(container, sizeof(container), "pools/pool[name='%.63s']/servers",
			 n == 2 ? word[1] : "");
		if (n == 1)
			names_of_lb(o, c, "pools", "pool", "");
		else if (strpbrk(word[1], "'[]") == NULL)
			names_of_lb(o, c, container, "server", "");
		return;
	}
	if (n == 0 || path_words(c->schema, c->instance, word, n, &p, &used, error) != 0)
		return;
	text = used == n && path_is_list(&p) ? path_text(&p) : NULL;
	if (text != NULL)
		for (const struct lysc_node *k = lysc_node_child(path_end(&p)); k != NULL;
		     k = k->next)
			if (lysc_is_key(k)) {
				names(o, c, text, path_end_name(&p), k->name, "");
				break;
			}
	free(text);
	path_free(&p);
}

// ---- words of single commands ----------------------------------------------------------------

static void flow_words(const struct offer *o, struct cli *c)
{
	static const char *const word[] = {
		"tcp",      "udp",       "syn",       "established", "closing", "ipv4",
		"ipv6",     "client=",   "service=",  "local=",      "server=", "port=",
		"context=", "idle-min=", "idle-max=", "age-min=",    "age-max="};

	for (size_t i = 0; i < sizeof(word) / sizeof(word[0]); i++)
		give(o, word[i]);
	if (strncmp(o->prefix, "service=", 8) == 0)
		names_of_lb(o, c, "services", "service", "service=");
	if (strncmp(o->prefix, "server=", 7) == 0)
		names_of_lb(o, c, "pools/pool/servers", "server", "server=");
}

static void command_words(const struct offer *o, struct cli *c, const struct cli_command *cmd,
			  char **word, size_t n)
{
	const char *name = cmd->name;

	if (strcmp(name, "show services") == 0 && n == 0)
		names_of_lb(o, c, "services", "service", "");
	else if ((strcmp(name, "show pools") == 0 || strcmp(name, "show servers") == 0) && n == 0)
		names_of_lb(o, c, "pools", "pool", "");
	else if (strcmp(name, "show flows") == 0 || strcmp(name, "clear flow") == 0)
		flow_words(o, c);
	else if (strcmp(name, "explain") == 0 && n == 0) {
		give(o, "tcp");
		give(o, "udp");
	} else if (strcmp(name, "explain") == 0 && n == 3) {
		give(o, "context");
		give(o, "port");
	} else if (strcmp(name, "explain") == 0 && n == 4 && strcmp(word[3], "port") == 0)
		names(o, c, "/ietf-interfaces:interfaces/interface", "interface", "name", "");
	else if (strcmp(name, "lock") == 0 || strcmp(name, "unlock") == 0 ||
		 strcmp(name, "compare") == 0) {
		give(o, "running");
		give(o, "candidate");
	} else if (strcmp(name, "help") == 0)
		commands(o, word, n);
	else if (strcmp(name, "completion") == 0)
		give(o, "bash");
}

void cli_complete(struct cli *c, char **word, size_t n, const char *prefix,
		  void (*found)(void *arg, const char *name), void *arg)
{
	const struct offer o = {prefix, found, arg};
	const struct cli_command *cmd;
	size_t used = 0;

	commands(&o, word, n);
	cmd = n > 0 ? cli_find(word, n, &used) : NULL;
	if (n == 0 && prefix[0] == '-')
		options(&o, cli_global_opt);
	if (cmd == NULL)
		return;
	if (prefix[0] == '-')
		options(&o, cmd->opt);
	else if (strcmp(cmd->name, "watch") == 0 && n > used + 1)
		cli_complete(c, word + used + 1, n - used - 1, prefix, found, arg);
	else if (cmd->path)
		path_words_next(&o, c, word + used, n - used);
	else
		command_words(&o, c, cmd, word + used, n - used);
}

// ---- the shell -------------------------------------------------------------------------------

struct said {
	FILE *out;
	json_t *names; // as members: each is said once
};

static void say(void *arg, const char *name)
{
	struct said *s = arg;

	if (json_object_get(s->names, name) != NULL)
		return;
	json_object_set_new(s->names, name, json_true());
	fprintf(s->out, "%s\n", name);
}

// The words behind `sluicectl`, the last of which is being typed. Nothing is said about what fails: a shell
// asks this while its user types.
int cli_complete_shell(struct cli *c, char **word, size_t n)
{
	struct said said = {.out = c->out};

	if (n == 0)
		return CLI_OK;
	if (freopen("/dev/null", "w", stderr) == NULL)
		return CLI_FAILED;
	c->timeout_s = 2;
	said.names = json_object();
	cli_complete(c, word, n - 1, word[n - 1], say, &said);
	json_decref(said.names);
	return CLI_OK;
}

// Bash parts words at '=' and ':'; what stands before is taken off the answers again.
static const char bash_script[] =
	"# bash completion of sluicectl; load it with: source <(sluicectl completion bash)\n"
	"_sluicectl()\n"
	"{\n"
	"\tlocal line=${COMP_LINE:0:COMP_POINT} IFS=$'\\n' word cur answers\n"
	"\tlocal -a words\n"
	"\tIFS=' ' read -r -a words <<<\"$line\"\n"
	"\t[[ $line == *' ' ]] && words+=('')\n"
	"\tcur=${words[${#words[@]} - 1]}\n"
	"\tmapfile -t answers < <(\"${words[0]}\" --complete -- \"${words[@]:1}\" 2>/dev/null)\n"
	"\tCOMPREPLY=()\n"
	"\tlocal before=${cur%\"${cur##*[=:]}\"}\n"
	"\tfor word in \"${answers[@]}\"; do\n"
	"\t\tCOMPREPLY+=(\"${word#\"$before\"}\")\n"
	"\tdone\n"
	"\t[[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace\n"
	"\treturn 0\n"
	"}\n"
	"complete -F _sluicectl sluicectl\n";

int cmd_completion(struct cli *c, const struct cli_args *a)
{
	if (strcmp(a->word[0], "bash") != 0)
		return cli_fail(c, CLI_USAGE, "completion is there for bash, not for '%s'",
				a->word[0]);
	fputs(bash_script, c->out);
	return CLI_OK;
}
