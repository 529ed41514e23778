// SPDX-License-Identifier: BSD-3-Clause
//
// shell_priv - what the files of this folder share.
#pragma once

#include "dataplane/inspect/node.h"
#include "dataplane/inspect/shell/sh.h"

enum shell_strength {
	SHELL_NONE,
	SHELL_WEAK,   // might as well be prose
	SHELL_FAIR,   // a command line, of no great harm
	SHELL_STRONG, // one that reads, writes, connects, runs code
};

struct shell_grade {
	enum inspect_rule rule;
	enum shell_strength strength;
};

struct shell_grade shell_judge(const struct sh_command *c);

// windows.c: the statements of cmd.exe that begin with a word of their own: for, if.
void shell_judge_batch(struct inspect *in, const struct inspect_node *n, size_t i);
// powershell.c
void shell_judge_powershell(struct inspect *in, const struct inspect_node *n);
// A short name of a cmdlet at i, where a command may begin.
void shell_judge_alias(struct inspect *in, const struct inspect_node *n, size_t i);
// forms.c: what is no simple command: functions in variables (CVE-2014-6271), fork bombs, server-side includes.
void shell_judge_forms(struct inspect *in, const struct inspect_node *n);
