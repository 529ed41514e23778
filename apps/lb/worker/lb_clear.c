// SPDX-License-Identifier: BSD-3-Clause
//
// lb_clear - an operator ends flows: the owner worker's part.
//
// A reset must carry the number that its receiver expects next (RFC 5961 section 3), which nobody in the
// middle knows of a silent connection. So both ends are asked: a segment out of their window makes them
// say where they are (RFC 9293 section 3.10.7.4), and that is turned into the reset. The flow stays
// meanwhile, marked FLOW_F_CLEARED and never verified, so that all its packets come to lb_cleared() and
// none of any other flow does.

#include "apps/lb/show/lb_flows.h"
#include "apps/lb/worker/lb_priv.h"

#include <netinet/in.h>

#include <rte_ip.h>
#include <rte_tcp.h>

#include "dataplane/flow/state.h"

#define ASK_WINDOW 1024 // nobody should believe it, but if so, no harm

static uint32_t any_number(const struct lb_worker *lw, uint32_t index)
{
	return flow_steer_mix(lw->table->seed[1] ^ ((uint64_t)lw->serial << 32) ^ index);
}

static void fill_ip(struct rte_mbuf *m, const struct lb_worker *lw, uint32_t index,
		    enum flow_dir dir)
{
	const struct flow *f = flow_at(lw->table, index);
	const struct flow_key6 *k = &lw->table->key6[index];
	struct rte_ipv4_hdr *v4 = rte_pktmbuf_mtod_offset(m, void *, RTE_ETHER_HDR_LEN);
	struct rte_ipv6_hdr *v6 = (void *)v4;

	if ((f->flags & FLOW_F_IPV6) == 0) {
		*v4 = (struct rte_ipv4_hdr){
			.version_ihl = RTE_IPV4_VHL_DEF,
			.total_length = RTE_BE16(sizeof(*v4) + sizeof(struct rte_tcp_hdr)),
			.fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG),
			.time_to_live = 64,
			.next_proto_id = IPPROTO_TCP,
			.src_addr = dir == FLOW_TO_SERVER ? f->local : f->service_addr,
			.dst_addr = dir == FLOW_TO_SERVER ? f->server_addr : f->client,
		};
		return;
	}
	*v6 = (struct rte_ipv6_hdr){
		.vtc_flow = RTE_BE32(UINT32_C(6) << 28),
		.payload_len = RTE_BE16(sizeof(struct rte_tcp_hdr)),
		.proto = IPPROTO_TCP,
		.hop_limits = 64,
	};
	memcpy(&v6->src_addr, dir == FLOW_TO_SERVER ? k->local : k->service_addr, 16);
	memcpy(&v6->dst_addr, dir == FLOW_TO_SERVER ? k->server_addr : k->client, 16);
}

// A segment of the other side's that this side cannot believe, so that it answers.
static void ask(struct lb_worker *lw, struct worker *w, uint32_t index, enum flow_dir dir,
		struct rte_mempool *pool)
{
	const struct flow *f = flow_at(lw->table, index);
	bool ipv6 = (f->flags & FLOW_F_IPV6) != 0;
	size_t ip_len = ipv6 ? sizeof(struct rte_ipv6_hdr) : sizeof(struct rte_ipv4_hdr);
	struct rte_mbuf *m = pool == NULL ? NULL : rte_pktmbuf_alloc(pool);
	struct rte_tcp_hdr *tcp;
	uint8_t *frame;

	if (m == NULL)
		return; // it is reset when it speaks the next time
	frame = (uint8_t *)rte_pktmbuf_append(
		m, (uint16_t)(RTE_ETHER_HDR_LEN + ip_len + sizeof(*tcp)));
	if (frame == NULL) {
		rte_pktmbuf_free(m);
		return;
	}
	memset(frame, 0, RTE_ETHER_HDR_LEN);
	frame[12] = ipv6 ? 0x86 : 0x08;
	frame[13] = ipv6 ? 0xdd : 0x00;
	fill_ip(m, lw, index, dir);
	tcp = (void *)(frame + RTE_ETHER_HDR_LEN + ip_len);
	*tcp = (struct rte_tcp_hdr){
		.src_port = dir == FLOW_TO_SERVER ? f->local_port : f->service_port,
		.dst_port = dir == FLOW_TO_SERVER ? f->server_port : f->client_port,
		.sent_seq = any_number(lw, index ^ (uint32_t)dir << 31),
		.recv_ack = any_number(lw, ~index),
		.data_off = sizeof(*tcp) << 2,
		.tcp_flags = TCP_ACK,
		.rx_win = RTE_BE16(ASK_WINDOW),
	};
	if (ipv6) {
		tcp->cksum = rte_ipv6_udptcp_cksum((void *)(frame + RTE_ETHER_HDR_LEN), tcp);
	} else {
		struct rte_ipv4_hdr *v4 = (void *)(frame + RTE_ETHER_HDR_LEN);

		v4->hdr_checksum = rte_ipv4_cksum(v4);
		tcp->cksum = rte_ipv4_udptcp_cksum(v4, tcp);
	}
	out_made(w, m,
		 out_route(out_view_get(), f->context, ipv6 ? 6 : 4,
			   ipv6 ? (const void *)(frame + RTE_ETHER_HDR_LEN + 24)
				: (const void *)(frame + RTE_ETHER_HDR_LEN + 16)));
}

int lb_clear_flows(struct worker *w, void *arg)
{
	struct lb_clear *c = arg;
	struct lb_worker *lw = c->lw;

	for (unsigned i = 0; i < c->count; i++) {
		uint32_t index = c->index[i];
		struct flow *f = flow_at(lw->table, index);

		if (!lb_flow_holds(lw, c->filter, index, clock_ticks()) ||
		    (f->flags & FLOW_F_CLEARED) != 0)
			continue;
		c->ended++;
		if (f->proto != IPPROTO_TCP) {
			lb_flow_end(lw, index);
			continue;
		}
		f->flags = (uint16_t)((f->flags & ~(FLOW_F_RST_CLIENT | FLOW_F_RST_SERVER)) |
				      FLOW_F_CLEARED);
		f->view_generation = 0;
		f->state = FLOW_TCP_CLOSING;
		f->last_seen = clock_ticks();
		flow_refile(lw->table, index, f->last_seen);
		ask(lw, w, index, FLOW_TO_CLIENT, c->pool);
		ask(lw, w, index, FLOW_TO_SERVER, c->pool);
	}
	return 0;
}

bool lb_cleared(struct lb_worker *lw, struct worker *w, struct rte_mbuf *m,
		const struct parse_info *pi, uint32_t ref)
{
	const uint16_t both = FLOW_F_RST_CLIENT | FLOW_F_RST_SERVER;
	struct flow *f = flow_at(lw->table, ref);
	bool client = (ref & FLOW_DIR_BIT) == 0, gone = (pi->tcp_flags & TCP_RST) != 0;

	if (client && flow_tcp_is_syn(pi->tcp_flags)) { // a new connection of the same tuple
		lb_flow_end(lw, ref);
		return false;
	}
	f->flags |= client ? FLOW_F_RST_CLIENT : FLOW_F_RST_SERVER;
	if ((f->flags & both) == both)
		lb_flow_end(lw, ref);
	if (!gone && answer_reset(m, pi))
		out_answer(w, m);
	else
		out_drop(w, m, DROP_STALE_FLOW);
	return true;
}
