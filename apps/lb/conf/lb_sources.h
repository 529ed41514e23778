// SPDX-License-Identifier: BSD-3-Clause
//
// lb_sources - the servers that answer by way of this node, each with the ports it answers from: those of
// the pools of NAT services, and of the pools behind them. The steering program takes what they send
// (lb_ports.c), the worker knows by those of one TCP port what must not leave without its flow
// (struct lb_sources).
//
// All calls on the control thread.
#pragma once

#include "apps/lb/lb.h"
#include "apps/lb/conf/lb_store.h"

// Ports of a service in host order, all of them where it is one of any port.
void lb_service_ports(const struct ctl_service *r, uint16_t *min, uint16_t *max);

// Give each server of a service's pools to emit(): its address and the ports (host order) that clients of the service
// get answers from. next: of the transaction under way, as in lb_build_in. Stops at, and returns, the
// first value that is not 0.
int lb_sources_each(const struct lb_store *st, bool next, const struct ctl_service *service,
		    int (*emit)(void *ctx, const struct ctl_addr *addr, uint16_t min, uint16_t max),
		    void *ctx);
