// SPDX-License-Identifier: BSD-3-Clause
//
// lb_match - which service a packet to us is for: the longest match. First the address, longest prefix
// before shorter; on one prefix the narrowest range of ports, so one port before a range before any port. A
// service that has the address but not the port is none: a shorter prefix may have it.
//
// Services of one port on one address are one probe of a hash. Only where there is none, and there are
// others at all, each prefix length that occurs costs a probe more, and its ranges a binary search.
//
// Any port of an address leaves out the ports that sockets of the kernel wait for there: no service has them,
// shorter prefixes neither.

#include "apps/lb/worker/lb_priv.h"

#include <netinet/in.h>
#include <stdlib.h>

static const struct lb_service *in_span(const struct lb_span *p, uint16_t port)
{
	uint32_t low = 0, high = p->count; // first[low] <= port < first[high]

	while (high - low > 1) {
		uint32_t mid = low + (high - low) / 2;

		if (p->first[mid] <= port)
			low = mid;
		else
			high = mid;
	}
	return p->service[low];
}

static __rte_noinline const struct lb_service *in_spans(const struct lb_spans *t, uint16_t context,
							uint8_t family, uint8_t proto,
							const uint8_t full[16], uint16_t port)
{
	const uint8_t *len = t->lengths.len[family == 6];

	for (unsigned n = t->lengths.count[family == 6]; n > 0; n--, len++) {
		const struct lb_service *v;
		uint8_t masked[16];
		uint32_t i;

		lb_mask_address(masked, full, *len);
		for (i = lb_span_hash(context, proto, masked, *len) & t->mask; t->hash[i] != NULL;
		     i = (i + 1) & t->mask) {
			const struct lb_span *p = t->hash[i];

			if (p->len == *len && p->proto == proto && p->family == family &&
			    p->context == context && memcmp(p->addr, masked, 16) == 0) {
				v = in_span(p, port);
				if (v != NULL)
					return v;
				break;
			}
		}
	}
	return NULL;
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct lb_listener));
}

// Does a socket of the kernel wait for packets to this address and port? full: 16 bytes
static __rte_noinline bool kernel_listens(const struct lb_listeners *l, uint8_t family,
					  uint8_t proto, const uint8_t full[16], rte_be16_t port)
{
	unsigned udp = proto == IPPROTO_UDP, ipv6 = family == 6, at = rte_be_to_cpu_16(port);
	struct lb_listener key = {.family = family, .proto = proto, .port = port};

	if ((l->any[udp][ipv6][at / 64] >> at % 64 & 1) != 0)
		return true;
	if ((l->some[udp][ipv6][at / 64] >> at % 64 & 1) == 0)
		return false;
	memcpy(key.addr, full, 16);
	return bsearch(&key, l->single, l->count, sizeof(key), compare) != NULL;
}

const struct lb_service *lb_match_address(const struct lb_snapshot *s, uint16_t context,
					  uint8_t family, uint8_t proto, const uint8_t *addr,
					  rte_be16_t port)
{
	const struct lb_service *v;
	uint8_t full[16] = {0};
	uint32_t i;

	if (family == 4)
		memcpy(full, addr, 4);
	else
		memcpy(full, addr, 16);
	for (i = lb_service_hash(context, proto, full, port) & s->service_mask;
	     s->service_hash[i] != NULL; i = (i + 1) & s->service_mask) {
		v = s->service_hash[i];
		if (v->port == port && v->proto == proto && v->family == family &&
		    v->context == context && memcmp(v->addr, full, 16) == 0)
			return v;
	}
	if (likely(s->spans == NULL))
		return NULL;
	v = in_spans(s->spans, context, family, proto, full, rte_be_to_cpu_16(port));
	if (v != NULL && s->listeners != NULL && lb_service_any_port(v) &&
	    kernel_listens(s->listeners, family, proto, full, port))
		return NULL;
	return v;
}

const struct lb_service *lb_match(const struct lb_snapshot *s, const struct port *port,
				  const uint8_t *ip, const struct parse_info *pi)
{
	return lb_match_address(s, port->context, pi->flags & PARSE_IPV4 ? 4 : 6, pi->proto,
				lb_destination(ip, pi), pi->dport);
}

// ---- addresses of ours --------------------------------------------------------------------------

static const struct lb_own_address *own_at(const struct lb_snapshot *s, uint16_t context,
					   uint8_t family, const uint8_t addr[16], uint8_t len)
{
	uint32_t i;

	for (i = lb_own_hash(addr) & s->own_mask; s->own_hash[i] != NULL;
	     i = (i + 1) & s->own_mask) {
		const struct lb_own_address *o = s->own_hash[i];

		if (o->family == family && o->len == len && memcmp(o->addr, addr, 16) == 0 &&
		    ((o->kind & LB_OWN_LOCAL) != 0 || o->context == context))
			return o;
	}
	return NULL;
}

const struct lb_own_address *lb_own_find(const struct lb_snapshot *s, uint16_t context,
					 uint8_t family, const uint8_t *addr)
{
	const struct lb_lengths *l = s->own_prefixes;
	const struct lb_own_address *o;
	uint8_t full[16] = {0}, masked[16];

	memcpy(full, addr, family == 4 ? 4 : 16);
	o = own_at(s, context, family, full, family == 4 ? 32 : 128);
	if (o != NULL || likely(l == NULL))
		return o;
	for (unsigned i = 0; i < l->count[family == 6]; i++) {
		uint8_t len = l->len[family == 6][i];

		lb_mask_address(masked, full, len);
		o = own_at(s, context, family, masked, len);
		if (o != NULL)
			return o;
	}
	return NULL;
}
