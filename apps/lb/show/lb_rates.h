// SPDX-License-Identifier: BSD-3-Clause
//
// lb_rates - rates per second of services, servers, ports, workers and drops over the last interval, for
// whoever asks.
//
// A round looks at every counter once a second, LB_RATES_SLICE slots a turn: with very many servers a
// round takes longer, and so does their interval. Each slot has its own times, so rates are right all
// the same.
//
// All calls on the control thread.
#pragma once

#include "apps/lb/conf/lb_conf.h"
#include "dataplane/port/port.h"

#define LB_RATES_SLICE 2048

struct lb_rates {
	uint32_t new_flows, refused;
	uint64_t packets[2], bytes[2]; // by enum flow_dir
};

// Of a server or service since it got its slot.
struct lb_tcp_sum {
	uint64_t again[2], resets[2]; // by enum flow_dir
	uint64_t answered, refused, silent;
	uint64_t syn_us;
};

struct lb_tcp_stats {
	struct lb_tcp_sum sum;
	uint32_t syn_us;      // mean of the last interval, 0: none
	uint32_t syn_us_high; // 19 of 20 no longer, since the start; 0: none
	uint32_t again;       // per second
};

struct lb_port_rates {
	uint64_t rx_packets, rx_bytes, rx_missed, tx_packets, tx_bytes;
};

struct lb_worker_rates {
	uint64_t received, forwarded, dropped;
	uint16_t busy_permille;
};

// Start to look. Until two rounds are over all rates are 0. Errors: -ENOMEM
int lb_rates_start(struct lb_conf *c);
void lb_rates_stop(struct lb_conf *c);

struct lb_rates lb_rates_of(const struct lb_conf *c, const struct lb_entry *e); // server, service
struct lb_tcp_stats lb_rates_tcp(const struct lb_conf *c, const struct lb_entry *e);
struct lb_port_rates lb_rates_of_port(const struct lb_conf *c, const struct port *p);
struct lb_worker_rates lb_rates_of_worker(const struct lb_conf *c, unsigned worker);
uint64_t lb_rates_of_drop(const struct lb_conf *c, unsigned reason);
