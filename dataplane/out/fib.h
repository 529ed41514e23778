// SPDX-License-Identifier: BSD-3-Clause
//
// fib - the routes of the kernel as the mirror knows them, sorted, on the control thread. A look-up
// table (route.h) is built from them for each context.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/out/route.h"

#define FIB_PATH_MAX 32

// Which table: the lower one wins where both have the prefix.
enum fib_rank {
	FIB_RANK_PREFIX = 0, // prefixes of point-to-point ports, out_prefix_set()
	FIB_RANK_LOCAL = 1,
	FIB_RANK_MAIN = 2,
	FIB_RANK_DEFAULT = 3,
};

// One way to go. Zeroed before it is filled: paths are compared by memcmp.
struct fib_path {
	int ifindex;    // kernel's; negative: -1 - index of a point-to-point port
	uint8_t family; // of the gateway, 0 if there is none
	uint8_t weight; // 1 ..
	uint8_t dead;   // the kernel does not use it now
	uint8_t zero;
	uint8_t gateway[16];
	uint16_t mtu; // the route's own, 0: none
	uint16_t zero2;
};

struct fib_key { // in order of sorting
	uint8_t family;
	uint8_t addr[16]; // network order, IPv4 in the first four
	uint8_t len;
	uint8_t rank; // enum fib_rank
	uint8_t tos;
	uint8_t metric[4]; // network order, so that it sorts
};

struct fib_route {
	struct fib_key key;
	uint32_t epoch;
	bool alias;    // the kernel has more routes of this key: see again after a deletion
	uint8_t paths; // 0: leads nowhere (blackhole, unreachable, local, broadcast)
	struct fib_path path[];
};

enum fib_mode {
	FIB_REPLACE, // these are the paths now
	FIB_FRONT,   // likewise, but what was there stands behind and may come back
	FIB_JOIN,    // these too (IPv6 siblings)
	FIB_BEHIND,  // only if there is none yet (a route appended behind another)
};

struct fib;

// Errors: -ENOMEM. Thread: all functions control
int fib_create(struct fib **out);
void fib_destroy(struct fib *f);
uint32_t fib_count(const struct fib *f);

// The route of this very key, or NULL. Borrowed until the next change.
const struct fib_route *fib_get(const struct fib *f, const struct fib_key *key);

// Errors: -ENOMEM, -EINVAL prefix length
int fib_add(struct fib *f, const struct fib_key *key, const struct fib_path *path, unsigned paths,
	    enum fib_mode mode, uint32_t epoch);

// Remove these paths, all of the route when nothing is left or paths is 0.
// Returns: true if the kernel should be asked again what stands there now.
bool fib_del(struct fib *f, const struct fib_key *key, const struct fib_path *path, unsigned paths);

// Remove what no dump or event since `epoch` has named; rank PREFIX apart, or only that rank.
void fib_sweep(struct fib *f, uint32_t epoch, bool prefixes);

// In order: family, prefix, best first. fn returns false to stop.
void fib_walk(const struct fib *f, bool (*fn)(void *arg, const struct fib_route *r), void *arg);

// Build the look-up table. leaf() says where a route goes: the leaf, or -1 to look at the next best
// route of the same prefix. Errors: -ENOMEM
int fib_build(const struct fib *f, int (*leaf)(void *arg, const struct fib_route *r), void *arg,
	      struct route_table **out);
