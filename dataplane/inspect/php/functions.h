// SPDX-License-Identifier: BSD-3-Clause
//
// php/functions - what a function of PHP does, by its name.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum php_kind {
	PHP_NONE,     // no function of PHP's
	PHP_RUN,      // programs of the system
	PHP_EVAL,     // text as PHP
	PHP_REGEX,    // replaces by a pattern, whose modifier e ran the result as PHP
	PHP_CALLBACK, // calls a function whose name it is given
	PHP_WRITE,    // changes files or sends mail
	PHP_OPEN,     // opens a file, tells what is in a folder
	PHP_READ,     // tells the content of a file or about it
	PHP_INFO,     // tells about the server
	PHP_PRINT,    // shows a value
	PHP_DECODE,   // undoes an encoding
	PHP_TEXT,     // works on texts and arrays
	PHP_CLEAN,    // its result is a number, a truth or quoted: nothing of its argument can run
	PHP_SOURCE,   // gives what the caller sent
	PHP_NET,      // connects to another host or a database
	PHP_CONFIG,   // the rest, settings among it
};

struct php_function {
	const char *name;
	uint8_t len, kind;
	bool only; // no other language has it
};

#define PHP_FUNCTION_MAX 40 // bytes of a name

// Case does not matter. NULL: none.
const struct php_function *php_function_find(const uint8_t *p, size_t len);
