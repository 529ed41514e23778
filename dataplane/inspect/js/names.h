// SPDX-License-Identifier: BSD-3-Clause
//
// js/names - identifiers that mean something to the parser: keywords, and what a browser or Node.js
// gives to every program.
#pragma once

#include <stddef.h>
#include <stdint.h>

enum js_name {
	JS_N_OTHER,
#define JS_NAME(sym, text)
#define JS_MEANING(sym, text) JS_N_##sym,
#include "dataplane/inspect/js/names.def"
#undef JS_NAME
#undef JS_MEANING
	JS_NAMES
};

// What an identifier means; case matters. JS_N_OTHER: nothing to us
enum js_name js_name_find(const uint8_t *p, size_t len);
