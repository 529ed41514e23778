// SPDX-License-Identifier: BSD-3-Clause
//
// lb_fields - see lb_fields.h.

#include "apps/lb/show/lb_fields.h"

#include "apps/lb/show/lb_rates.h"
#include "dataplane/frag/frag.h"

#include <string.h>

void lb_fields_of_counters(const struct lb_counters *n, struct lb_field f[LB_COUNTER_FIELDS])
{
	memcpy(f,
	       (const struct lb_field[LB_COUNTER_FIELDS]){
		       {"new-flows", n->new_flows, false},
		       {"active-flows", lb_active_flows(n), false},
		       {"refused-flows", n->refused, false},
		       {"in-packets", n->packets[FLOW_TO_SERVER], false},
		       {"in-octets", n->bytes[FLOW_TO_SERVER], false},
		       {"out-packets", n->packets[FLOW_TO_CLIENT], false},
		       {"out-octets", n->bytes[FLOW_TO_CLIENT], false},
	       },
	       sizeof(struct lb_field) * LB_COUNTER_FIELDS);
}

void lb_fields_of_rates(const struct lb_rates *r, struct lb_field f[LB_RATE_FIELDS])
{
	memcpy(f,
	       (const struct lb_field[LB_RATE_FIELDS]){
		       {"new-flows", r->new_flows, true},
		       {"refused-flows", r->refused, true},
		       {"in-packets", r->packets[FLOW_TO_SERVER], true},
		       {"in-octets", r->bytes[FLOW_TO_SERVER], true},
		       {"out-packets", r->packets[FLOW_TO_CLIENT], true},
		       {"out-octets", r->bytes[FLOW_TO_CLIENT], true},
	       },
	       sizeof(struct lb_field) * LB_RATE_FIELDS);
}

void lb_fields_of_tcp(const struct lb_tcp_sum *s, struct lb_field f[LB_TCP_FIELDS])
{
	memcpy(f,
	       (const struct lb_field[LB_TCP_FIELDS]){
		       {"syn-answered", s->answered, false},
		       {"syn-refused", s->refused, false},
		       {"syn-unanswered", s->silent, false},
		       {"in-retransmissions", s->again[FLOW_TO_SERVER], false},
		       {"out-retransmissions", s->again[FLOW_TO_CLIENT], false},
		       {"in-resets", s->resets[FLOW_TO_SERVER], false},
		       {"out-resets", s->resets[FLOW_TO_CLIENT], false},
	       },
	       sizeof(struct lb_field) * LB_TCP_FIELDS);
}

void lb_fields_of_others(const struct lb_conf *c, struct lb_field f[LB_OTHER_FIELDS])
{
	struct lb_other_counters o = {0};
	struct frag_counters g = {0};

	for (unsigned w = 0; w < c->workers; w++) {
		const struct lb_other_counters *n =
			c->worker[w] == NULL ? NULL : lb_worker_others(c->worker[w]);
		const struct frag_counters *fr =
			c->worker[w] == NULL ? NULL : lb_worker_fragments(c->worker[w]);

		if (n == NULL || fr == NULL)
			continue;
		o.icmp_passed += n->icmp_passed;
		o.too_big += n->too_big;
		o.expired += n->expired;
		o.mss_clamped += n->mss_clamped;
		o.fragments += n->fragments;
		o.routed += n->routed;
		o.nat_lost += n->nat_lost;
		o.proxy_written += n->proxy_written;
		o.proxy_repeated += n->proxy_repeated;
		g.datagrams += fr->datagrams;
		g.completed += fr->completed;
		g.open += fr->open;
		g.held += fr->held;
		g.held_bytes += fr->held_bytes;
	}
	memcpy(f,
	       (const struct lb_field[LB_OTHER_FIELDS]){
		       {"icmp-errors-passed", o.icmp_passed, false},
		       {"too-big-answered", o.too_big, false},
		       {"hop-limit-answered", o.expired, false},
		       {"mss-clamped", o.mss_clamped, false},
		       {"routed", o.routed, false},
		       {"nat-lost", o.nat_lost, false},
		       {"fragments-forwarded", o.fragments, false},
		       {"fragment-datagrams", g.datagrams, false},
		       {"fragment-datagrams-completed", g.completed, false},
		       {"fragment-datagrams-open", g.open, true},
		       {"fragments-held", g.held, true},
		       {"fragment-octets-held", g.held_bytes, true},
		       {"proxy-headers", o.proxy_written, false},
		       {"proxy-headers-repeated", o.proxy_repeated, false},
	       },
	       sizeof(struct lb_field) * LB_OTHER_FIELDS);
}
