// SPDX-License-Identifier: BSD-3-Clause
//
// lb_fields - counters and their names, once for all who show them: the state, `counters`, `top`, and, with '_'
// for '-', rte_telemetry. Thread: control.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "apps/lb/lb.h"

struct lb_conf;
struct lb_rates;
struct lb_tcp_sum;

struct lb_field {
	const char *name;
	uint64_t value;
	bool gauge; // 32 bits, of now
};

// Of a server or service.
#define LB_COUNTER_FIELDS 7
void lb_fields_of_counters(const struct lb_counters *n, struct lb_field f[LB_COUNTER_FIELDS]);
// Per second.
#define LB_RATE_FIELDS 6
void lb_fields_of_rates(const struct lb_rates *r, struct lb_field f[LB_RATE_FIELDS]);
#define LB_TCP_FIELDS 7
void lb_fields_of_tcp(const struct lb_tcp_sum *s, struct lb_field f[LB_TCP_FIELDS]);
// What happened beside the plain packets of flows, all workers together.
#define LB_OTHER_FIELDS 14
void lb_fields_of_others(const struct lb_conf *c, struct lb_field f[LB_OTHER_FIELDS]);
