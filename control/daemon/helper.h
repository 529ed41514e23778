// SPDX-License-Identifier: BSD-3-Clause
//
// helper - a forked process that keeps the rights sluiced gives up, and does a few fixed things with them
// (as OpenSSH's monitor does). It trusts nothing it is sent: every argument is checked there again.
//
// One SOCK_SEQPACKET message each way, little of it:
//	request  u32 id, u8 verb, then the arguments as NUL-ended strings
//	answer   u32 id, i32 result (0 or negative errno)
//
// Verbs: link-set IFNAME up|down; verify-password PASSWORD HASH (crypt(3)).
#pragma once

#include <sys/types.h>

struct event_base;
struct helper;

typedef void (*helper_done_fn)(void *arg, int rc);

// Fork it. Call before the rights are dropped and before the event loop exists.
// Returns: 0, *fd is ours; or negative errno
int helper_fork(int *fd, pid_t *pid);

// Start to talk to it. Returns: 0 or -ENOMEM; fd is the helper's then
int helper_create(struct event_base *base, int fd, struct helper **out);
void helper_destroy(struct helper *h);

// done is called once: with 0, the helper's refusal, -EPIPE when it is gone, -E2BIG before returning when
// the arguments are too long.
void helper_link_set(struct helper *h, const char *ifname, int up, helper_done_fn done, void *arg);
// -EACCES: the password is wrong
void helper_verify_password(struct helper *h, const char *password, const char *hash,
			    helper_done_fn done, void *arg);

// What the helper does with one request; for its tests. Returns 0 or negative errno.
int helper_do(const char *request, size_t size);
