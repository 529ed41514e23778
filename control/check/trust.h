// SPDX-License-Identifier: BSD-3-Clause
//
// trust - OpenSSL contexts for checks, one for each file of trusted certificates: reading those for every
// handshake would cost more than the handshake.
//
// A file is looked at again once a second and read anew when it has changed. One that can no longer be
// read leaves what it held in force (a file lost by mistake shall not take all servers down); one that
// never could be read has no context: a check that is to verify cannot, and fails with the reason.
#pragma once

#include <stdint.h>

#include <openssl/ssl.h>

#define CHECK_TRUST_MAX 256 // different files
#define CHECK_TRUST_WHY 96

struct check_trust;

// Errors: -ENOMEM. Thread: init
int check_trust_create(struct check_trust **out);
void check_trust_destroy(struct check_trust *tr);

// The context of a file; "": of the certificates that the system trusts. Verification is off in it: the
// connection turns it on.
// Returns: it, good until the next call; NULL with why (CHECK_TRUST_WHY bytes).
// Thread: control
SSL_CTX *check_trust_get(struct check_trust *tr, const char *file, uint64_t now_us, char *why);

// The last error of OpenSSL in words, printable; the queue is emptied. Returns: out.
const char *check_tls_error(char *out, size_t size);
