// SPDX-License-Identifier: BSD-3-Clause
//
// hostkey - the key by which clients know this server.
#pragma once

#include <stddef.h>

#include <libssh/libssh.h>

// Read a private key (PEM, PKCS#8 or OpenSSH form; no passphrase). With create set, a missing file is
// made first: Ed25519, mode 0600, written aside and renamed, so that it is there whole or not at all.
//
// Returns: 0, *out to be freed with ssh_key_free
// Errors:  negative errno; why says what and on which file. -EPERM: group or others may read the file
int ncd_hostkey_load(const char *path, int create, ssh_key *out, char *why, size_t why_size);
