// SPDX-License-Identifier: BSD-3-Clause
//
// link - a link of sluice-port.yang as two ports: a memif pair, each end a record of its owner.
//
// Both ends go out in one transaction, as all records do. Socket, role and MAC addresses are nobody's
// choice: <run>/link-NAME.memif, end a makes it; addresses are of the name, locally administered. An
// end reaches the other end's addresses and what its own prefixes say.

#include "control/net/net_priv.h"

#include <libyang/libyang.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct end {
	enum net_schema container, owner, context, address4, address6, prefix;
	const char *letter;
};

static const struct end ends[2] = {
	{NS_LINK_A, NS_LINK_A_OWNER, NS_LINK_A_CONTEXT, NS_LINK_A_ADDRESS4, NS_LINK_A_ADDRESS6,
	 NS_LINK_A_PREFIX, "a"},
	{NS_LINK_B, NS_LINK_B_OWNER, NS_LINK_B_CONTEXT, NS_LINK_B_ADDRESS4, NS_LINK_B_ADDRESS6,
	 NS_LINK_B_PREFIX, "b"},
};

static char run[96];

int net_link_init(const char *run_dir)
{
	return snprintf(run, sizeof(run), "%s", run_dir) >= (int)sizeof(run) ? -ENAMETOOLONG : 0;
}

static void put_mac(uint8_t mac[6], const char *name, unsigned end)
{
	uint64_t id = net_id(CTL_REC_PORT, "link", name, "mac");

	mac[0] = 0x02; // locally administered, unicast
	for (unsigned i = 1; i < 5; i++)
		mac[i] = (uint8_t)(id >> (8 * i));
	mac[5] = (uint8_t)(0xa + end);
}

static void put_prefix(struct net_out *o, const char *owner, const char *name, const struct end *e,
		       uint64_t port, const struct lyd_node *at, const char *text)
{
	struct ctl_prefix p = {.rec = {.type = CTL_REC_PREFIX, .size = sizeof(p)}, .port = port};

	p.rec.id = net_id(CTL_REC_PREFIX, name, e->letter, text);
	if (net_addr_parse(text, &p.prefix))
		net_out_put(o, owner, true, &p.rec);
	else
		net_refuse(o, at, e->prefix, "invalid-value", NULL, "%s is not a prefix", text);
}

// What end e reaches: the other end, and its own list.
static void map_prefixes(struct net_out *o, const struct lyd_node *link, const char *owner,
			 const char *name, unsigned end, uint64_t port)
{
	const struct end *e = &ends[end], *other = &ends[!end];
	const char *addr[2] = {net_text(link, other->address4), net_text(link, other->address6)};
	const struct lyd_node *n;

	for (unsigned i = 0; i < 2; i++)
		if (addr[i])
			put_prefix(o, owner, name, e, port, link, addr[i]);
	LY_LIST_FOR (lyd_child(net_node(link, e->container)), n) {
		if (n->schema == net_schema(e->prefix))
			put_prefix(o, owner, name, e, port, link, lyd_get_value(n));
	}
}

static void put_own(struct net_out *o, const struct lyd_node *link, enum net_schema s,
		    struct ctl_addr *a)
{
	const char *text = net_text(link, s);

	if (text)
		net_put_address(o, link, s, text, a);
}

static void map_end(struct net_out *o, const struct lyd_node *link, const char *name, unsigned end)
{
	const struct end *e = &ends[end];
	const char *owner = net_text(link, e->owner);
	struct ctl_port p = {
		.rec = {.type = CTL_REC_PORT, .size = sizeof(p)},
		.kind = CTL_PORT_MEMIF,
		.flags = CTL_PORT_F_LINK | (end == 0 ? CTL_PORT_F_MEMIF_SERVER : 0),
	};

	if (!owner) {
		net_refuse(o, link, e->owner, "data-missing", NULL,
			   "end %s of link '%s' needs the application that owns it", e->letter,
			   name);
		return;
	}
	p.rec.id = net_id(CTL_REC_PORT, "link", name, e->letter);
	snprintf(p.name, sizeof(p.name), "%s", name);
	snprintf(p.path, sizeof(p.path), "%s/link-%s.memif", run, name);
	if (strlen(p.path) > 107)
		net_refuse(
			o, link, NS_LINK_NAME, "invalid-value", NULL,
			"the socket of link '%s' would have a path longer than 107 bytes: give it a "
			"shorter name",
			name);
	p.context = (uint16_t)net_number(link, e->context, 0);
	p.mtu = (uint16_t)net_number(link, NS_LINK_MTU, 0);
	put_mac(p.mac, name, end);
	put_mac(p.peer_mac, name, !end);
	put_own(o, link, e->address4, &p.own4);
	put_own(o, link, e->address6, &p.own6);
	net_out_put(o, owner, true, &p.rec);
	map_prefixes(o, link, owner, name, end, p.rec.id);
}

void net_map_link(struct net_out *o, const struct lyd_node *link)
{
	const char *name = net_text(link, NS_LINK_NAME);
	const char *a = net_text(link, NS_LINK_A_OWNER), *b = net_text(link, NS_LINK_B_OWNER);

	if (a && b && strcmp(a, b) == 0)
		net_refuse(o, link, NS_LINK_B_OWNER, "invalid-value", NULL,
			   "a link joins two applications; both ends of '%s' are of %s", name, a);
	map_end(o, link, name, 0);
	map_end(o, link, name, 1);
}
