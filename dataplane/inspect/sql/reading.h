// SPDX-License-Identifier: BSD-3-Clause
//
// sql/reading - a value read as SQL in one of the places where it may have been put, and what speaks for an
// attack then. judge.c makes points of what the grammar noted.
#pragma once

#include "dataplane/inspect/node.h"
#include "dataplane/inspect/sql/sql_priv.h"

enum sql_context {
	CONTEXT_VALUE,     // a number, a name: what follows goes on
	CONTEXT_CLAUSE,    // what came before it is an operand
	CONTEXT_STRING,    // inside quotes
	CONTEXT_WORD,      // a word that is no SQL, and SQL behind it
	CONTEXT_STATEMENT, // a statement of its own
};

// Points of a reading from which it is an attack, and from which it is worth telling the strict level.
#define SQL_SURE  50
#define SQL_DOUBT 30

#define SQL_RULES_MAX 32

struct sql_reading {
	struct sql s;
	enum sql_context context;
	uint8_t quote;
	uint8_t first; // kind of its first token, but for CONTEXT_STRING and CONTEXT_WORD
	uint32_t from; // where SQL begins
	bool number;   // CONTEXT_VALUE: the operand is a number
	unsigned rules, points;
	uint16_t rule[SQL_RULES_MAX];
};

// From what is in s to rules and points.
void sql_judge(struct sql_reading *r);
// SQL up to some place only, but what was read takes no second look: a query within, and a deed. Only
// these are left to be judged then.
bool sql_is_broken_attack(struct sql_reading *r);
