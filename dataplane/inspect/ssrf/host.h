// SPDX-License-Identifier: BSD-3-Clause
//
// ssrf/host - the host of a URL: which network an address belongs to, and whether it is written as people
// write it (WHATWG URL, sections 3.5 and 4.4; inet_aton(3)).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum host_network {
	HOST_PUBLIC,
	HOST_PRIVATE,  // RFC 1918, RFC 4193, link-local
	HOST_SELF,     // the machine itself
	HOST_METADATA, // what tells a cloud's machine who it is
};

struct host {
	enum host_network network;
	bool address; // no name
	bool odd;     // written as hardly anybody writes an address
	bool rebound; // a name of a service that resolves to the address in it, or to the machine itself
};

// p: as it stands in a URL, IPv6 in brackets. Any bytes.
void host_read(const uint8_t *p, size_t len, struct host *h);
