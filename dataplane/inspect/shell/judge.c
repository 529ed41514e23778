// SPDX-License-Identifier: BSD-3-Clause
//
// How dangerous a command is, and how sure it is that it is one: a program's name is also a word of prose,
// so its arguments must be such as that program takes, and no words of prose.

#include "dataplane/inspect/shell/shell_priv.h"

#include <string.h>

static bool is_word(const struct sh_command *c)
{
	return (c->program->flags & PROGRAM_WORD) != 0 && !c->path && !c->run &&
	       (c->name_flags & (WORD_PIECES | WORD_ANSI)) == 0;
}

static bool has_expansion(const struct sh_command *c)
{
	return (c->flags & (WORD_VAR | WORD_SUBST | WORD_ARITH | WORD_IFS | WORD_SLICE)) != 0;
}

// Arguments that prose has not.
static unsigned solid(const struct sh_command *c)
{
	return c->options + c->paths + c->hosts + c->secrets + c->roots +
	       (has_expansion(c) ? 1 : 0) + (c->from_text || c->to_file ? 1 : 0);
}

static bool is_prose(const struct sh_command *c)
{
	return c->plain >= 3 || (c->plain > 0 && c->plain >= solid(c) + 1 + (is_word(c) ? 0 : 1)) ||
	       (is_word(c) && c->first_plain && c->plain > 1);
}

static struct shell_grade grade(enum inspect_rule rule, enum shell_strength strength)
{
	return (struct shell_grade){rule, strength};
}

static struct shell_grade nothing(void)
{
	return grade(RULE_SHELL_WORD, SHELL_NONE);
}

static struct shell_grade run_or_word(const struct sh_command *c)
{
	return is_word(c) ? grade(RULE_SHELL_WORD, SHELL_WEAK) : grade(RULE_SHELL_RUN, SHELL_FAIR);
}

static struct shell_grade probe(const struct sh_command *c)
{
	if (c->plain > 0 && solid(c) == 0)
		return is_word(c) || c->plain > 1 ? nothing() : grade(RULE_SHELL_WORD, SHELL_WEAK);
	if (c->odd > 0 && solid(c) == 0)
		return nothing();
	if (solid(c) > 0)
		return c->options + c->roots > 0 || !is_word(c)
			       ? grade(RULE_SHELL_RUN, SHELL_FAIR)
			       : grade(RULE_SHELL_WORD, SHELL_WEAK);
	return c->numbers > 0 && is_word(c) ? nothing() : run_or_word(c);
}

static struct shell_grade list(const struct sh_command *c)
{
	if (c->args > 0 && c->names == c->args &&
	    (strcmp(c->program->name, "which") == 0 || strcmp(c->program->name, "whereis") == 0))
		return grade(RULE_SHELL_RUN, SHELL_FAIR);
	if (c->plain > 0 && solid(c) == 0)
		return nothing();
	if (c->roots > 0)
		return grade(RULE_SHELL_READ, SHELL_STRONG);
	if (solid(c) > 0)
		return grade(RULE_SHELL_RUN, SHELL_FAIR);
	return c->numbers + c->odd > 0 ? nothing() : run_or_word(c);
}

static struct shell_grade reads(const struct sh_command *c)
{
	if (c->roots > 0)
		return grade(RULE_SHELL_READ, SHELL_STRONG);
	if (c->paths > 0 || c->from_text)
		return grade(RULE_SHELL_RUN, SHELL_FAIR);
	if (c->options > 0)
		return grade(RULE_SHELL_RUN, SHELL_FAIR);
	return has_expansion(c) && c->args > 0 ? grade(RULE_SHELL_RUN, SHELL_FAIR) : nothing();
}

static struct shell_grade net(const struct sh_command *c)
{
	if (c->code && c->paths > 0) // nc -e /bin/sh
		return grade(RULE_SHELL_CODE, SHELL_STRONG);
	if (c->hosts > 0 || (c->options > 0 && has_expansion(c)))
		return grade(RULE_SHELL_NET, SHELL_STRONG);
	if (has_expansion(c) || c->options > 0)
		return grade(RULE_SHELL_RUN, SHELL_FAIR);
	return nothing();
}

static struct shell_grade interprets(const struct sh_command *c)
{
	if (c->code && c->args > 1)
		return grade(RULE_SHELL_CODE, SHELL_STRONG);
	if (c->from_text ||
	    (c->odd > 0 && (c->flags & WORD_QUOTED) != 0 && !is_word(c))) // awk 'program'
		return grade(RULE_SHELL_CODE, SHELL_STRONG);
	if (c->paths + c->hosts > 0 || (c->options > 0 && !is_word(c)) || has_expansion(c))
		return grade(RULE_SHELL_RUN, SHELL_FAIR);
	if (c->args == 0)
		return grade(RULE_SHELL_WORD, SHELL_WEAK);
	return nothing();
}

static struct shell_grade writes(const struct sh_command *c)
{
	if (c->paths + c->roots > 0 && c->args > 0)
		return is_word(c) && c->roots == 0 && c->options == 0
			       ? grade(RULE_SHELL_RUN, SHELL_FAIR)
			       : grade(RULE_SHELL_WRITE, SHELL_STRONG);
	if (c->options > 0)
		return grade(RULE_SHELL_RUN, SHELL_FAIR);
	return has_expansion(c) && c->args > 0 ? grade(RULE_SHELL_RUN, SHELL_FAIR) : nothing();
}

static struct shell_grade echoes(const struct sh_command *c)
{
	if ((c->flags & WORD_ARITH) != 0)
		return grade(RULE_SHELL_COMPUTE, SHELL_STRONG);
	if (c->to_file)
		return grade(RULE_SHELL_WRITE, SHELL_STRONG);
	if (has_expansion(c))
		return grade(RULE_SHELL_RUN, SHELL_FAIR);
	if (c->args == 1 || (c->flags & WORD_QUOTED) != 0)
		return grade(RULE_SHELL_WORD, SHELL_WEAK);
	return nothing();
}

static struct shell_grade administers(const struct sh_command *c)
{
	if (solid(c) > 0)
		return c->options + c->roots > 0 || !is_word(c)
			       ? grade(RULE_SHELL_RUN, SHELL_FAIR)
			       : grade(RULE_SHELL_WORD, SHELL_WEAK);
	if (c->plain > 2 || c->numbers > 0)
		return nothing();
	if (c->args == 0)
		return run_or_word(c);
	return is_word(c) ? nothing() : grade(RULE_SHELL_RUN, SHELL_FAIR);
}

// What it runs is none of the vocabulary.
static struct shell_grade wraps(const struct sh_command *c)
{
	if (c->args == 0)
		return strcmp(c->program->name, "env") == 0 ? grade(RULE_SHELL_WORD, SHELL_WEAK)
							    : nothing();
	if ((c->options > 0 && c->plain == 0) || c->scripts > 0)
		return grade(RULE_SHELL_RUN, SHELL_FAIR);
	return nothing();
}

static struct shell_grade by_kind(const struct sh_command *c)
{
	switch (c->program->kind) {
	case PROGRAM_PROBE:
		return probe(c);
	case PROGRAM_LIST:
		return list(c);
	case PROGRAM_READ:
		return reads(c);
	case PROGRAM_NET:
		return net(c);
	case PROGRAM_SHELL:
		return interprets(c);
	case PROGRAM_WAIT:
		return c->numbers > 0 && c->plain <= (c->options > 0)
			       ? grade(RULE_SHELL_WAIT, SHELL_STRONG)
			       : nothing();
	case PROGRAM_ECHO:
		return echoes(c);
	case PROGRAM_WRITE:
		return writes(c);
	case PROGRAM_RUN:
		return wraps(c);
	default:
		return administers(c);
	}
}

struct shell_grade shell_judge(const struct sh_command *c)
{
	struct shell_grade g;

	if (c->devtcp)
		return grade(RULE_SHELL_REVERSE, SHELL_STRONG);
	if (is_prose(c))
		return nothing();
	if (c->secrets > 0)
		return grade(RULE_SHELL_READ, SHELL_STRONG);
	g = by_kind(c);
	// who takes a name to pieces or writes it with wildcards means it
	if (g.strength < SHELL_FAIR && c->plain < 2 &&
	    ((c->name_flags & (WORD_PIECES | WORD_ANSI)) != 0 ||
	     (c->path && (c->name_flags & WORD_GLOB) != 0)))
		return grade(RULE_SHELL_RUN, SHELL_FAIR);
	return g;
}
