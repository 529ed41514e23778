// SPDX-License-Identifier: BSD-3-Clause
//
// php/parse - what would this text do if PHP ran it? A parser of statements and expressions (manual, "Language
// Reference"; cover grammar, precedence left out where it changes nothing) that works out constant texts,
// follows what the caller sends through variables, arguments and decodings, and notes what is called.
//
// No tree is built. Any bytes may come; time is linear in the text and bounded by `most` tokens, memory is
// this struct and the room for texts, depth is bounded.
//
//	expr.c   operators, calls, members        call.c   what a call does, by the function's name
//	stmt.c   statements, declarations         text.c   texts: escapes, interpolation, constant results
#pragma once

#include "dataplane/inspect/php/functions.h"
#include "dataplane/inspect/php/lex.h"

#define PHP_DEPTH      32
#define PHP_VARS       48
#define PHP_FUNCTIONS  16
#define PHP_ARGS       6
#define PHP_CODE_DEPTH 4 // text run as code within text run as code

// What was noted, bits of php.ops.
enum {
	PHP_OP_RUN = 1 << 0,       // a program of the system is run, by an argument that says which
	PHP_OP_RUN_BARE = 1 << 1,  // likewise, but the argument is a word, a number, or missing
	PHP_OP_EVAL = 1 << 2,      // text is run as PHP
	PHP_OP_EVAL_BARE = 1 << 3, // likewise
	PHP_OP_NAME_CALL = 1 << 4, // such a function is called by a text or a callback
	PHP_OP_VAR_CALL = 1 << 5,  // what a variable names is called
	PHP_OP_WRITE = 1 << 6,
	PHP_OP_READ = 1 << 7,
	PHP_OP_INFO = 1 << 8,
	PHP_OP_PRINT = 1 << 9,        // a value is shown: echo, print, var_dump ...
	PHP_OP_FUNCTION = 1 << 10,    // a function that only PHP has
	PHP_OP_SHARED = 1 << 11,      // a function of PHP that others have as well
	PHP_OP_NESTED = 1 << 12,      // the argument of one is the result of another
	PHP_OP_SUPER = 1 << 13,       // $_GET and its like, an element of it
	PHP_OP_VARVAR = 1 << 14,      // ${..}: a variable named by an expression
	PHP_OP_HIDDEN = 1 << 15,      // a name put together, escaped, or kept from its parentheses
	PHP_OP_INCLUDE = 1 << 16,     // a file is included
	PHP_OP_ECHO = 1 << 17,        // echo or print of a constant
	PHP_OP_SEMI = 1 << 18,        // a statement ends with a semicolon
	PHP_OP_SHARED_BARE = 1 << 19, // like SHARED, the argument a word or missing
	PHP_OP_DROP = 1 << 20,        // a file of code is written
	PHP_OP_DECODED = 1 << 21,     // what is run as code was encoded
	PHP_OP_CODE = 1 << 22,        // what only code has: an assignment, a declaration, a branch
	// What the caller sent ...
	PHP_OP_FLOW_RUN = 1 << 24,  // is run as a program
	PHP_OP_FLOW_EVAL = 1 << 25, // is run as PHP
	PHP_OP_FLOW_CALL =
		1 << 26, // says which function is called, or is given to one that is hidden
	PHP_OP_FLOW_INCLUDE = 1 << 27, // says which file is included
	PHP_OP_FLOW_WRITE = 1 << 28,   // is written to a file it names, or to a file of code
	PHP_OP_FLOW_ARG = 1 << 29,     // is given to what a variable names
};
#define PHP_OPS_FLOW                                                                               \
	(PHP_OP_FLOW_RUN | PHP_OP_FLOW_EVAL | PHP_OP_FLOW_CALL | PHP_OP_FLOW_INCLUDE |             \
	 PHP_OP_FLOW_WRITE | PHP_OP_FLOW_ARG)

enum {
	PHP_TAINT_USER = 1,    // what the caller sent
	PHP_TAINT_PARAM = 2,   // a parameter of the function that is read
	PHP_TAINT_SERVER = 4,  // $_SERVER, of which some elements are the caller's
	PHP_TAINT_GLOBALS = 8, // $GLOBALS, which has all others
};

enum php_value_kind {
	PHP_V_NONE, // of no known kind
	PHP_V_TEXT, // s, n: a constant text
	PHP_V_BARE, // a word without quotes, which PHP 7 took for a text
	PHP_V_NUMBER,
	PHP_V_VAR,
	PHP_V_CALL, // the result of a function of PHP
	PHP_V_CLOSURE,
};

enum {
	PHP_HOW_PIECES = 1,  // put together from texts, or escaped
	PHP_HOW_DECODED = 2, // the result of decoding
	PHP_HOW_PREFIX = 4,  // begins with a constant text
	PHP_HOW_PAREN = 8,   // in parentheses
	PHP_HOW_LIST = 16,   // an element of an array of constants
	PHP_HOW_OBJECT = 32, // an object that runs the function of that name
};

struct php_value {
	const uint8_t *s;
	size_t n;
	uint8_t kind, taint, how;
};

struct php_var {
	const uint8_t *name;
	size_t len;
	uint16_t scope;
	bool member; // of an object: $this->x
	struct php_value value;
};

// A function that the text declares.
struct php_own {
	const uint8_t *name;
	size_t len;
	uint32_t sinks; // PHP_OPS_FLOW that its parameters reach
	uint8_t gives;  // taint of its result
};

struct php_args {
	unsigned count;
	struct php_value v[PHP_ARGS];
	uint8_t taint;
	bool real;   // one is no bare word and no number
	bool nested; // one is the result of a function of PHP
	bool open;   // the text ends within them
};

struct php {
	struct php_lex lex;
	struct php_token tok; // the next one
	size_t most;          // tokens, of all that is read
	uint8_t *room;        // for texts
	size_t room_len, room_used;
	unsigned depth, code_depth;
	bool bad;               // a token that cannot be, or bounds reached
	bool member;            // what comes is a member of what was
	bool all_user;          // extract($_POST): any variable is the caller's
	size_t last;            // end of the last token that was taken
	uint32_t ops, ops_done; // ops_done: up to the last statement that was whole
	unsigned statements;    // that were whole
	size_t at, at_done;     // where the gravest op stands
	unsigned vars, owns;
	struct php_var var[PHP_VARS];
	struct php_own own[PHP_FUNCTIONS];
	int in_own; // index of the function that is read, -1: none
	uint16_t scope, scopes;
};

// room: may be NULL.
void php_begin(struct php *p, uint8_t *room, size_t room_len, size_t most);
// Reads statements from p[0] up to the end, ?> or an error; lex.at is after ?>. Variables stay.
void php_code(struct php *p, const uint8_t *text, size_t len);
// Likewise, what may follow an operand: .system('id')
void php_code_rest(struct php *p, const uint8_t *text, size_t len);
// A whole file: code between its tags. Errors are left behind: reading goes on at the next statement.
// Returns: number of tags with code.
unsigned php_file(struct php *p, const uint8_t *text, size_t len);

// ---- among the files of this folder --------------------------------------------------------------

void php_next(struct php *p);
void php_note(struct php *p, uint32_t ops, size_t at);
// p->depth is raised; false: too deep, or the work is done. php_leave() in any case.
bool php_enter(struct php *p);
void php_leave(struct php *p);

static inline bool php_is_op(const struct php *p, const char *op, size_t len)
{
	return p->tok.kind == PHP_T_OP && p->tok.len == len && p->tok.p[0] == (uint8_t)op[0] &&
	       (len < 2 || p->tok.p[1] == (uint8_t)op[1]) &&
	       (len < 3 || p->tok.p[2] == (uint8_t)op[2]);
}
static inline bool php_is(const struct php *p, char sign)
{
	return p->tok.kind == PHP_T_OP && p->tok.len == 1 && p->tok.sign == (uint8_t)sign;
}
bool php_take(struct php *p, char sign);
// The token is that keyword.
bool php_is_word(const struct php *p, const char *word);
bool php_text_is(const uint8_t *s, size_t n, const char *word); // case does not matter

// expr.c
struct php_value php_expr(struct php *p);
struct php_value php_rest(struct php *p, struct php_value v); // operators behind an operand
void php_args(struct php *p, struct php_args *a);             // from behind ( up to )

struct php_value php_join(struct php *p, struct php_value a, struct php_value b);

// stmt.c
void php_statement(struct php *p);
void php_function_rest(struct php *p, const uint8_t *name, size_t len, bool arrow);
void php_class_body(struct php *p);

// vars.c
struct php_value php_get(struct php *p, const uint8_t *name, size_t len, bool member);
void php_set(struct php *p, const uint8_t *name, size_t len, bool member, struct php_value v);
// An element of it by its key.
struct php_value php_element(struct php *p, struct php_value v, struct php_value key);
bool php_is_super(const uint8_t *name, size_t len); // $_GET and its like
struct php_own *php_own_find(struct php *p, const uint8_t *name, size_t len);

// call.c
struct php_value php_call(struct php *p, const uint8_t *name, size_t len, const struct php_args *a,
			  size_t at, uint8_t how);
struct php_value php_call_value(struct php *p, struct php_value callee, const struct php_args *a,
				size_t at);
void php_eval(struct php *p, struct php_value v, size_t at);
void php_include(struct php *p, struct php_value v, size_t at);
void php_backtick(struct php *p, const struct php_token *t);
void php_sink(struct php *p, uint8_t taint, uint32_t flow, size_t at);

// text.c
uint8_t *php_room(struct php *p, size_t n); // NULL: none is left
struct php_value php_text(struct php *p, const struct php_token *t);
// Constant result of a function of texts; kind NONE: not known.
struct php_value php_result(struct php *p, const struct php_function *f, const struct php_args *a);
