// SPDX-License-Identifier: BSD-3-Clause
//
// shell/programs - the words a command line may begin with, and what they do.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum program_kind {
	PROGRAM_NONE,
	PROGRAM_PROBE, // tells about the machine; takes no names
	PROGRAM_LIST,  // shows what files there are
	PROGRAM_READ,  // shows or turns what is in a file
	PROGRAM_NET,   // talks to another host
	PROGRAM_SHELL, // runs code that is given to it
	PROGRAM_RUN,   // runs another program
	PROGRAM_WAIT,  // takes its time
	PROGRAM_ECHO,
	PROGRAM_WRITE, // makes, changes or removes files
	PROGRAM_ADMIN, // changes the machine
};

#define PROGRAM_WORD 1 // is a word of prose, code or the name of a field as well
#define PROGRAM_WIN  2 // of Windows: case does not matter

struct program {
	const char *name;
	uint8_t len, kind, flags;
};

// Could a name begin with these two bytes? second: anything that is no letter, where the name is shorter.
bool program_begins(uint8_t first, uint8_t second);

// name: without directory; a version behind it (python3.9) and .exe are taken off. NULL: none
const struct program *program_find(const char *name, size_t len);
// A name with ? * and [..] in it. The first that it could stand for.
const struct program *program_glob(const char *pattern, size_t len);
