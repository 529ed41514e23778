// SPDX-License-Identifier: BSD-3-Clause
//
// shell/sh - words and simple commands of sh and bash (POSIX XCU chapter 2, bash's additions) and, where
// their words are spelled differently, of cmd.exe. A word comes as the shell would have it: quotes removed,
// what expands to nothing gone, and told how much was done to it.
//
//	text:  c'a't  c\at  ca$@t  ca``t  c^at  $'\x63at'  {cat,..}  cat${IFS}..   ->  "cat", WORD_PIECES
//	flags: what in it only the shell knows: variables, substitutions, globs
#pragma once

#include "dataplane/inspect/shell/programs.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SH_WORD_MAX 96

enum {
	WORD_QUOTED = 1,  // quotes or a backslash
	WORD_PIECES = 2,  // within the word: c'a't
	WORD_GLOB = 4,    // ? * [..]
	WORD_VAR = 8,     // $x ${x} %x%
	WORD_SUBST = 16,  // $(..) `..` <(..)
	WORD_ARITH = 32,  // $((..))
	WORD_IFS = 64,    // $IFS ended it
	WORD_SLICE = 128, // %x:~1,2% ${x:1:2}
	WORD_ANSI = 256,  // $'..'
	WORD_LONG = 512,  // text was cut
};

#define SH_COMMAND_MAX 768

struct sh_word {
	size_t from, to; // in the text
	uint32_t flags;
	size_t len;
	char text[SH_WORD_MAX]; // unquoted, not zero-terminated
};

struct sh {
	const uint8_t *p;
	size_t len;
	size_t at;   // where reading goes on
	size_t work; // bytes read so far, over all commands
	size_t most; // of one command that are read; 0: SH_COMMAND_MAX
	bool plus;   // + is a blank: the text has none, and was put into a URL twice
	bool brace;  // within {a,b}: , ends a word
};

bool sh_is_keyword(const char *p, size_t len); // of those a command follows
// The next word; false: a separator or the end comes first.
bool sh_word(struct sh *s, struct sh_word *w);
void sh_blanks(struct sh *s);

struct sh_command {
	size_t from, to; // from its name to its separator
	uint8_t end;     // the separator: ; | & \n ) ` or 0 for the end of the text
	const struct program *program;
	bool path;      // named by its path
	uint32_t flags; // of all words
	uint32_t name_flags;
	bool keyword;      // then, do, else: a compound command
	unsigned assigned; // x=y in front
	unsigned args;
	unsigned options; // -x --x /x
	unsigned paths;   // have a separator, or are files by their ending
	unsigned roots;   // begin at a root of a system: /etc /var C:
	unsigned secrets; // are files of the system
	unsigned hosts;   // names with dots, addresses, URLs
	unsigned numbers;
	unsigned scripts; // of those, programs by their ending
	unsigned names;   // words that name programs
	unsigned plain;   // letters only: words of prose
	unsigned odd;     // anything else
	bool code;        // an option that takes code: -c -e -enc
	bool devtcp;      // /dev/tcp/host/port
	bool first_plain; // the first argument is a word of prose
	bool to_file;     // > file
	bool tag;         // no redirection but a tag of HTML: </p>
	bool from_text;   // <<< or <
	bool run;         // RUN: what it runs is a program as well, and is `program` now
};

// A simple command at s->at. false: what stands there is no program. At most s->most bytes are read.
bool sh_command(struct sh *s, struct sh_command *c);
