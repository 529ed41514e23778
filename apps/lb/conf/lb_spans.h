// SPDX-License-Identifier: BSD-3-Clause
//
// lb_spans - the part of a snapshot that finds services of port ranges, of any port and of prefixes
// (lb_match.c looks it up). Made anew whenever services change.
#pragma once

#include "apps/lb/lb.h"

struct lb_spans_clash {
	const struct lb_service *a, *b; // of one context, protocol and prefix
	bool partly; // their ranges overlap, none holds the other; else they are the same
};

// Ports of a service, host order, inclusive.
static inline void lb_service_ports(const struct lb_service *v, uint16_t *min, uint16_t *max)
{
	*min = rte_be_to_cpu_16(v->port);
	*max = v->port == 0 ? UINT16_MAX : rte_be_to_cpu_16(v->port_max);
}

// service[0 .. count - 1], count above 0: those that are not lb_service_exact(); sorted in place.
// Returns: 0 and *out, to be freed by free(); it borrows the services.
// Errors:  -ENOMEM; -EEXIST two of them clash: *clash says which
// Thread:  control
int lb_spans_create(const struct lb_service **service, uint32_t count, struct lb_spans **out,
		    struct lb_spans_clash *clash);

// The lengths of which set[family == 6][length] is true.
void lb_lengths_fill(struct lb_lengths *l, bool set[2][129]);
