// SPDX-License-Identifier: BSD-3-Clause
//
// script/expr - what would this expression reach if a server evaluated it? One lexer and one descent for
// the languages that expressions of the C family are written in: OGNL, SpEL, EL, MVEL, Groovy, FreeMarker,
// Velocity, Jinja, Twig, Smarty, Angular, Python, Ruby. They share operands, members, calls, indices and
// operators; where they differ the union is taken, since nobody knows which of them is behind.
//
// No tree is built: operands give a small value (a constant text, a path of names, anything else), and what
// an operation touches is noted as bits. Any bytes may come; time is linear, depth is bounded.
//
// Thread: any, no state is kept
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What an expression touches, bits of expr_verdict.ops.
enum {
	EXPR_RUN = 1 << 0,        // starts a process, by a name that says so by itself
	EXPR_RUN_WORD = 1 << 1,   // calls exec(), start(), execute(): others have such too
	EXPR_EVAL = 1 << 2,       // has a text evaluated as code
	EXPR_REFLECT = 1 << 3,    // Java's reflection, class loaders
	EXPR_CLASS = 1 << 4,      // getClass(), .class, constructor: the door to it
	EXPR_DUNDER = 1 << 5,     // Python's insides: __class__, __globals__
	EXPR_TYPE = 1 << 6,       // a class of a platform by its full name
	EXPR_STATIC = 1 << 7,     // T(..), @..@..
	EXPR_NEW = 1 << 8,        // a constructor
	EXPR_OGNL = 1 << 9,       // what OGNL guards itself with
	EXPR_RESPONSE = 1 << 10,  // the response that is being written
	EXPR_FILE = 1 << 11,      // opens a file
	EXPR_ENGINE = 1 << 12,    // insides of a template engine
	EXPR_NODE = 1 << 13,      // modules of Node.js
	EXPR_FUNCTION = 1 << 14,  // constructor.constructor: a function made of a text
	EXPR_SCOPE = 1 << 15,     // objects a server puts into scope: request, session, config
	EXPR_IMPORT = 1 << 16,    // loads a module
	EXPR_GADGET = 1 << 17,    // a class of use to attackers only
	EXPR_RUBY = 1 << 18,      // what only Ruby has: Kernel, const_get, %x, backticks
	EXPR_PYTHON = 1 << 19,    // modules and built-ins of Python
	EXPR_PHP = 1 << 20,       // functions of PHP named by a text
	EXPR_JAVA = 1 << 21,      // what only Java's platform has: Runtime, execute() of a text
	EXPR_NODE_FACT = 1 << 22, // process.env and its like
	EXPR_LOOP = 1 << 23,      // while (constant)
	// Shape:
	EXPR_CALL = 1 << 24,
	EXPR_MEMBER = 1 << 25,
	EXPR_ARITH = 1 << 26,    // of constants
	EXPR_CONSTANT = 1 << 27, // a comparison of constants, or one as a condition
	EXPR_STRING = 1 << 28,
	EXPR_ASSIGN = 1 << 29,
	EXPR_NAME = 1 << 30,
};
#define EXPR_JAVA_OPS                                                                              \
	(EXPR_REFLECT | EXPR_TYPE | EXPR_STATIC | EXPR_OGNL | EXPR_RESPONSE | EXPR_GADGET |        \
	 EXPR_JAVA)
#define EXPR_GRAVE                                                                                 \
	(EXPR_RUN | EXPR_EVAL | EXPR_REFLECT | EXPR_DUNDER | EXPR_TYPE | EXPR_STATIC | EXPR_OGNL | \
	 EXPR_ENGINE | EXPR_NODE | EXPR_FUNCTION | EXPR_GADGET)

enum expr_goal {
	EXPR_MARKED,    // one expression, up to what cannot go on
	EXPR_STATEMENT, // a tag of a template: words in front, {% if x %}, <% for x in y %>
	EXPR_PROGRAM,   // statements, to the end
};

struct expr_verdict {
	uint32_t ops;
	uint32_t used; // bytes before what could not go on
	uint32_t at;   // where the gravest operation stands
	uint16_t tokens;
	uint16_t calls;
	uint16_t names; // names that mean nothing here
	bool failed;    // at something that cannot be
	bool deep;      // too deep to tell
	bool open;      // ended within a string
	bool loose;     // operands stand side by side, as in Handlebars and prose
};

// At most EXPR_BYTES_MAX bytes are read.
#define EXPR_BYTES_MAX 8192
void expr_judge(const uint8_t *p, size_t len, enum expr_goal goal, struct expr_verdict *out);

// ---- names ---------------------------------------------------------------------------------------

enum {
	NAME_ROOT = 1,     // counts where it stands first
	NAME_MEMBER = 2,   // as a member
	NAME_CALLED = 4,   // only if it is called
	NAME_TEXT = 8,     // also as a constant text that is handed on or indexes
	NAME_TYPE = 16,    // a class, behind a package
	NAME_ALONE = 32,   // and without one
	NAME_BUILTIN = 64, // ?name of FreeMarker
	NAME_VAR = 128,    // as #name
	NAME_PATH = 256,   // a whole path of names: process.env
};

struct expr_name {
	const char *text;
	uint8_t len;
	uint16_t roles;
	uint32_t ops;
};

// What a name means; case matters. NULL: nothing
const struct expr_name *expr_name_find(const char *p, size_t len);
// A dotted path that begins with a package of a Java platform.
bool expr_is_platform(const char *path, size_t len);
// What a dotted path names: ops of its class. 0: nothing that is known
uint32_t expr_class_ops(const char *path, size_t len);
