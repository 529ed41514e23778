// SPDX-License-Identifier: BSD-3-Clause
//
// shared - what the session processes tell each other: counters and the list of sessions, for
// ietf-netconf-monitoring (RFC 6022). Anonymous shared memory, made before the first fork.
//
// A session writes its own slot and the counters; a reader may meet half-written text, so texts are
// read with a bound and never as a format. Nothing here decides anything: a session that is taken
// over by a stranger can lie in it and no more.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct ncd_slot {
	_Atomic uint32_t id; // session id, 0: no NETCONF session (yet)
	atomic_bool counted; // the user is authenticated: counted in ncd_shared.authenticated
	atomic_uint in_rpcs;
	atomic_uint in_bad_rpcs;
	atomic_uint out_rpc_errors;
	int64_t login_time; // seconds since 1970
	char user[256];
	char source[64];
};

struct ncd_shared {
	int64_t start_time;
	atomic_uint in_sessions;
	atomic_uint in_bad_hellos;
	atomic_uint dropped_sessions;
	atomic_uint in_rpcs;
	atomic_uint in_bad_rpcs;
	atomic_uint out_rpc_errors;
	atomic_uint authenticated; // sessions past authentication, now
	unsigned max_sessions;
	unsigned slot_count;
	struct ncd_slot slots[];
};
