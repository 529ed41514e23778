// SPDX-License-Identifier: BSD-3-Clause
//
// listen - the parent process: takes connections, forks a process for each, keeps their number in
// bounds.
//
// It reads nothing from a stranger. Connections that are not authenticated have places of their own:
// when these are full, the oldest of the address that holds most of them makes room, so that somebody
// who only opens connections cannot shut others out.
#pragma once

#include "control/netconf/ssh.h"

#define NCD_LISTEN_MAX 8

struct ncd_listen_conf {
	int fds[NCD_LISTEN_MAX]; // listening sockets
	unsigned fd_count;
	unsigned preauth_max;    // connections not yet authenticated
	struct ncd_ssh_conf ssh; // fd, slot and source are filled for each connection
};

// Open a listening TCP socket. An address with ':' is IPv6, and then IPv6 only.
// Returns: the descriptor
// Errors:  negative errno
int ncd_listen_open(const char *address, unsigned port);

// Serve until SIGTERM or SIGINT; then the sessions are ended and waited for.
// Returns: 0, or a negative errno when it cannot start
int ncd_listen_run(const struct ncd_listen_conf *conf);
