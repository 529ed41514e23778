// SPDX-License-Identifier: BSD-3-Clause
//
// All interfaces are kept, not only ours: when a foreign one goes down the kernel drops routes in
// silence, and the mirror has to notice.

#include "dataplane/out/link.h"

#include "dataplane/port/port.h"

#include <stdlib.h>
#include <string.h>

#define CHAINS      256
#define MTU_DEFAULT 1500

static struct out_link *chain[CHAINS];

static struct out_link **place(int ifindex)
{
	struct out_link **at = &chain[(unsigned)ifindex % CHAINS];

	while (*at != NULL && (*at)->ifindex != ifindex)
		at = &(*at)->next;
	return at;
}

static void map(struct out_link *l)
{
	const struct port *p = port_by_ifindex(l->ifindex), *parent;

	l->ours = false;
	if (p == NULL || p->point_to_point)
		return;
	if (p->parent != PORT_NONE) {
		parent = port_get(p->parent);
		if (parent == NULL)
			return;
		l->port = parent->index;
		l->vlan = p->parent_vlan;
		l->context = parent->context;
	} else if (p->view == PORT_VIEW_XDP) {
		l->port = p->index;
		l->vlan = 0;
		l->context = p->context;
	} else {
		return; // a TAP that is a wire of its own: its routes lead to us, not out
	}
	l->ours = true;
}

const struct out_link *out_link_find(int ifindex)
{
	const struct out_link *l = *place(ifindex);

	return l != NULL && l->ours ? l : NULL;
}

enum out_link_change out_link_says(int ifindex, bool up, uint32_t mtu, const uint8_t mac[6],
				   uint32_t epoch)
{
	struct out_link **at = place(ifindex), *l = *at;
	enum out_link_change change = OUT_LINK_SAME;

	if (l == NULL) {
		l = calloc(1, sizeof(*l));
		if (l == NULL)
			return OUT_LINK_SAME; // asked again at the next resync
		l->ifindex = ifindex;
		map(l);
		*at = l;
		change = OUT_LINK_UPDOWN;
	}
	if (l->up != up)
		change = OUT_LINK_UPDOWN;
	else if (change == OUT_LINK_SAME && l->ours &&
		 (l->mtu != mtu || (mac != NULL && memcmp(l->mac, mac, 6) != 0)))
		change = OUT_LINK_DETAIL;
	l->up = up;
	l->mtu = mtu;
	l->epoch = epoch;
	if (mac != NULL)
		memcpy(l->mac, mac, 6);
	return change;
}

void out_link_gone(int ifindex)
{
	struct out_link **at = place(ifindex), *l = *at;

	if (l == NULL)
		return;
	*at = l->next;
	free(l);
}

bool out_link_sweep(uint32_t epoch)
{
	bool any = false;

	for (unsigned i = 0; i < CHAINS; i++) {
		struct out_link **at = &chain[i];

		while (*at != NULL) {
			struct out_link *l = *at;

			if (l->epoch == epoch) {
				at = &l->next;
				continue;
			}
			*at = l->next;
			free(l);
			any = true;
		}
	}
	return any;
}

void out_link_ports_changed(void)
{
	for (unsigned i = 0; i < CHAINS; i++)
		for (struct out_link *l = chain[i]; l != NULL; l = l->next)
			map(l);
}

void out_link_reset(void)
{
	out_link_sweep(0); // no epoch is 0
}

static uint16_t mtu_of(uint32_t link, uint16_t port)
{
	uint32_t mtu = link == 0 || link > UINT16_MAX ? UINT16_MAX : link;

	if (port != 0 && port < mtu)
		mtu = port;
	return mtu == UINT16_MAX && link == 0 ? MTU_DEFAULT : (uint16_t)mtu;
}

void out_link_fill(int ifindex, struct nexthop *nh)
{
	const struct out_link *l = out_link_find(ifindex);
	const struct port *p;

	if (l == NULL)
		return;
	p = port_get(l->port);
	memcpy(nh->smac.addr_bytes, l->mac, 6);
	nh->mtu = mtu_of(l->mtu, p != NULL ? p->mtu : 0);
	nh->context = l->context;
}

void out_link_fill_peer(const struct port *p, struct nexthop *nh)
{
	// A TAP without a peer of its own ends in the kernel, whose end has the TAP's MAC.
	nh->dmac = rte_is_zero_ether_addr(&p->peer_mac) ? p->mac : p->peer_mac;
	nh->smac = p->mac;
	nh->mtu = mtu_of(0, p->mtu);
	nh->context = p->context;
	nh->state = NEXTHOP_RESOLVED;
}
