// SPDX-License-Identifier: BSD-3-Clause
//
// template/marker - where a text hands over to an expression: ${..} {{..}} {%..%} <%..%> #set(..) ...
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum marker_kind {
	MARKER_NONE,
	MARKER_SIGN,      // ${ #{ %{ *{ @{ ~{, and $\A{
	MARKER_DOUBLE,    // {{
	MARKER_TAG,       // {% ..%}
	MARKER_PERCENT,   // <% ..%>
	MARKER_BRACE,     // {
	MARKER_DIRECTIVE, // <#assign x=..>, [#..]
	MARKER_VELOCITY,  // #set(..)
	MARKER_DOLLAR,    // $name.
	MARKER_AT,        // @(
	MARKER_PERL,      // @{[
};

struct marker {
	uint8_t kind; // enum marker_kind
	uint8_t sign; // of MARKER_SIGN
	size_t from;  // of the marker
	size_t text;  // of what is in it
	const char *close;
};

// A marker that begins at i, which is one of the signs below, or that i is a part of.
#define MARKER_SIGNS "{<#$@["
bool marker_at(const uint8_t *p, size_t len, size_t i, struct marker *m);
