// SPDX-License-Identifier: BSD-3-Clause
//
// agent - what the agent of a server says of it: one line of words, as haproxy's agent-check has them.
//
//	line  = word *( 1*( SP / TAB / "," ) word ) [ "#" text ] ( LF / CR LF / end of the connection )
//	word  = N "%"                    weight, in percent of the configured one (0 .. 1000)
//	      | "up" | "down" | "fail" | "stopped"      whether it works
//	      | "ready" | "drain" | "maint"             what is wanted of it
//	      | "maxconn:" N                            of no meaning here
//
// Words are those of any case; a word of none of these is passed over, a line without any known word is
// no answer. text says why, for operators. A line speaks of what it names: a weight leaves `drain` as it
// is; ready ends drain and maint, up ends down.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/ctl/msg.h"

#define CHECK_KIND_AGENT 200 // beside enum ctl_check_kind, never on the wire: ask an agent
#define CHECK_AGENT_LINE 256 // bytes, line end included; more is refused
#define CHECK_AGENT_TEXT 80

struct check_agent {
	uint8_t flags;               // enum ctl_agent_flag; 0: it has never spoken
	uint16_t percent;            // 100 until it says otherwise
	char text[CHECK_AGENT_TEXT]; // behind '#', printable ASCII
};

// What an agent that has said nothing yet means.
void check_agent_init(struct check_agent *a);

// Take one line (without its end; size bytes, any) into *a.
// Returns: true, *a is what is in force from now on; false: no answer of an agent, *a untouched.
// Thread: any
bool check_agent_take(struct check_agent *a, const char *line, size_t size);
