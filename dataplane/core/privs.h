// SPDX-License-Identifier: BSD-3-Clause
//
// privs - giving up root, for good, once the first ports are up.
//
// What is kept on the calling (control) thread, because adding or recovering a port needs it:
// CAP_NET_ADMIN (attach XDP, TAP, addresses, nft), CAP_NET_RAW (AF_XDP sockets), CAP_BPF (programs,
// maps), CAP_IPC_LOCK (packet memory of AF_XDP beyond the memlock limit). Worker and helper threads
// keep nothing: the kernel's capabilities belong to a thread, and setresuid clears those of the others.
#pragma once

#include <sys/types.h>

// Find a user by name or by number (a number needs no passwd entry; its group is the same number then).
// Errors: -ENOENT no such user, -EINVAL. Thread: init
int privs_user(const char *user, uid_t *uid, gid_t *gid);

// Become uid/gid without supplementary groups, keep the four capabilities on this thread only, set
// no_new_privs. What happens if we are not root: nothing is changed if we already are that user
// (capabilities beyond the four are still dropped); else -EPERM.
// uid 0 is refused by -EINVAL: that would keep root.
// Errors: -EPERM, -EINVAL; the caller exits, half-dropped is not a state to run in.
// Thread: control, after the other threads were made
int privs_drop(uid_t uid, gid_t gid);

// Give path (a directory or file) to the user, so that it can be used after the drop.
// Symbolic links are not followed. Errors: negative errno of open and fchown. Thread: init
int privs_give(const char *path, uid_t uid, gid_t gid);
