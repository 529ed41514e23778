// SPDX-License-Identifier: BSD-3-Clause
//
// Messages of the kernel to the tables of mirror.c: links, addresses, routes, neighbours. What a message has
// changed is noted in `mirror` and published by mirror.c.

#include "dataplane/out/mirror_priv.h"

#include "dataplane/core/clock.h"

#include <libmnl/libmnl.h>

#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define PROTO_OURS 92 // IFA_PROTO of addresses that we put on the kernel's views

static uint16_t intern(uint8_t kind, uint16_t port, uint16_t vlan, uint8_t family,
		       const uint8_t addr[16])
{
	bool made;
	uint16_t i = neigh_intern(mirror.neigh, kind, port, vlan, family, addr, &made);

	if (i == 0 && mirror.stats.refused++ == 0)
		mirror_say_full();
	if (made) {
		mirror.dirty = true;
		mirror.moved = true;
	}
	return i;
}

static int attribute(const struct nlattr *a, void *arg)
{
	const struct nlattr **tb = arg;
	unsigned type = mnl_attr_get_type(a);

	if (type < 64)
		tb[type] = a;
	return MNL_CB_OK;
}

static const uint8_t *bytes_of(const struct nlattr *a, unsigned size)
{
	return a != NULL && mnl_attr_get_payload_len(a) == size ? mnl_attr_get_payload(a) : NULL;
}

static uint32_t u32_of(const struct nlattr *a, uint32_t other)
{
	uint32_t v;

	if (a == NULL || mnl_attr_get_payload_len(a) < sizeof(v))
		return other;
	memcpy(&v, mnl_attr_get_payload(a), sizeof(v));
	return v;
}

static bool sized(const struct nlmsghdr *nlh, size_t size)
{
	return mnl_nlmsg_get_payload_len(nlh) >= size;
}

static void on_link(const struct nlmsghdr *nlh, bool dump)
{
	const struct ifinfomsg *ifm = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[64] = {NULL};
	const unsigned up = IFF_UP | IFF_RUNNING; // a link without carrier is no way out either
	enum out_link_change change;

	if (!sized(nlh, sizeof(*ifm)) || ifm->ifi_family != AF_UNSPEC)
		return;
	mnl_attr_parse(nlh, sizeof(*ifm), attribute, tb);
	change = out_link_says(
		ifm->ifi_index, nlh->nlmsg_type == RTM_NEWLINK && (ifm->ifi_flags & up) == up,
		u32_of(tb[IFLA_MTU], 0), bytes_of(tb[IFLA_ADDRESS], 6), mirror.epoch);
	if (nlh->nlmsg_type == RTM_DELLINK)
		out_link_gone(ifm->ifi_index);
	if (change == OUT_LINK_SAME)
		return;
	mirror.dirty = true;
	if (change == OUT_LINK_UPDOWN) { // routes go in silence with their link
		mirror.routes_dirty = true;
		if (!dump)
			mirror_resync_soon();
	}
}

static bool multicast(uint8_t family, const uint8_t *addr)
{
	return family == 4 ? addr[0] >= 224 : addr[0] == 0xff;
}

static uint8_t family_of(unsigned char af)
{
	return af == AF_INET ? 4 : af == AF_INET6 ? 6 : 0;
}

static void on_address(const struct nlmsghdr *nlh, bool dump)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[64] = {NULL}, *at;
	struct build_address a = {.epoch = mirror.epoch};
	const uint8_t *bytes;
	unsigned i, size;

	if (!sized(nlh, sizeof(*ifa)) || family_of(ifa->ifa_family) == 0)
		return;
	mnl_attr_parse(nlh, sizeof(*ifa), attribute, tb);
	size = ifa->ifa_family == AF_INET ? 4 : 16;
	at = tb[IFA_LOCAL] != NULL ? tb[IFA_LOCAL] : tb[IFA_ADDRESS];
	bytes = bytes_of(at, size);
	if (bytes == NULL)
		return;
	a.ifindex = (int)ifa->ifa_index;
	a.key[0] = family_of(ifa->ifa_family);
	memcpy(a.key + 1, bytes, size);
	if (tb[IFA_PROTO] != NULL && mnl_attr_get_payload_len(tb[IFA_PROTO]) >= 1)
		a.ours = mnl_attr_get_u8(tb[IFA_PROTO]) == PROTO_OURS &&
			 ifa->ifa_prefixlen == size * 8;
	for (i = 0; i < mirror.addresses; i++)
		if (mirror.address[i].ifindex == a.ifindex &&
		    memcmp(mirror.address[i].key, a.key, 17) == 0)
			break;
	if (nlh->nlmsg_type == RTM_DELADDR) {
		if (i < mirror.addresses) {
			mirror.routes_dirty |= mirror.address[i].ours;
			mirror.address[i] = mirror.address[--mirror.addresses];
			mirror.dirty = true;
		}
		if (!dump)
			mirror_resync_soon(); // routes with this source go in silence
		return;
	}
	if (i == mirror.addresses) {
		if (mirror.addresses == mirror.address_room) {
			unsigned room = mirror.address_room == 0 ? 64 : 2 * mirror.address_room;
			void *more = realloc(mirror.address, room * sizeof(a));

			if (more == NULL) {
				LOG(ERR, "out of memory for %u addresses\n", room);
				return;
			}
			mirror.address = more;
			mirror.address_room = room;
		}
		mirror.addresses++;
		mirror.dirty = true;
		mirror.routes_dirty |= a.ours;
	} else if (mirror.address[i].ours != a.ours) {
		mirror.dirty = mirror.routes_dirty = true;
	}
	mirror.address[i] = a;
}

static bool gateway(struct fib_path *p, const struct nlattr *via, const struct nlattr *gw,
		    uint8_t family)
{
	const struct nlattr *a = via != NULL ? via : gw;
	const uint8_t *bytes;
	unsigned size;

	if (a == NULL)
		return true;
	if (via != NULL) {
		const struct rtvia *v = mnl_attr_get_payload(via);

		if (mnl_attr_get_payload_len(via) < sizeof(*v))
			return false;
		family = family_of((unsigned char)v->rtvia_family);
		size = family == 4 ? 4 : 16;
		if (family == 0 || mnl_attr_get_payload_len(via) < sizeof(*v) + size)
			return false;
		memcpy(p->gateway, v->rtvia_addr, size);
	} else {
		size = family == 4 ? 4 : 16;
		bytes = bytes_of(gw, size);
		if (bytes == NULL)
			return false;
		memcpy(p->gateway, bytes, size);
	}
	p->family = family;
	return true;
}

static unsigned multipath(const struct nlattr *a, uint8_t family, struct fib_path *path)
{
	const uint8_t *at = mnl_attr_get_payload(a);
	size_t left = mnl_attr_get_payload_len(a), step;
	struct rtnexthop nh;
	unsigned n = 0;

	for (; n < FIB_PATH_MAX && left >= sizeof(nh); at += step, left -= step) {
		const struct nlattr *tb[64] = {NULL};
		struct fib_path *p = &path[n];

		memcpy(&nh, at, sizeof(nh));
		if (nh.rtnh_len < sizeof(nh) || nh.rtnh_len > left)
			break;
		step = NLMSG_ALIGN((size_t)nh.rtnh_len);
		if (step > left)
			step = left;
		mnl_attr_parse_payload(at + sizeof(nh), nh.rtnh_len - sizeof(nh), attribute, tb);
		memset(p, 0, sizeof(*p));
		p->ifindex = nh.rtnh_ifindex;
		p->weight = nh.rtnh_hops == 255 ? 255 : (uint8_t)(nh.rtnh_hops + 1);
		p->dead = (nh.rtnh_flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN)) != 0;
		if (gateway(p, tb[RTA_VIA], tb[RTA_GATEWAY], family))
			n++;
	}
	return n;
}

static int rank_of(uint32_t table)
{
	switch (table) {
	case RT_TABLE_LOCAL:
		return FIB_RANK_LOCAL;
	case RT_TABLE_MAIN:
		return FIB_RANK_MAIN;
	case RT_TABLE_DEFAULT:
		return FIB_RANK_DEFAULT;
	}
	return -1; // policy routing is not followed
}

static enum fib_mode mode_of(const struct nlmsghdr *nlh, const struct fib_key *key, bool dump,
			     const struct fib_route *old)
{
	if (key->family == 6)
		return (nlh->nlmsg_flags & NLM_F_REPLACE) && !dump           ? FIB_REPLACE
		       : dump && (old == NULL || old->epoch != mirror.epoch) ? FIB_REPLACE
									     : FIB_JOIN;
	if (dump)
		return old != NULL && old->epoch == mirror.epoch ? FIB_BEHIND : FIB_REPLACE;
	if (nlh->nlmsg_flags & NLM_F_REPLACE)
		return FIB_REPLACE;
	return nlh->nlmsg_flags & NLM_F_APPEND ? FIB_BEHIND : old != NULL ? FIB_FRONT : FIB_REPLACE;
}

// A route's own MTU, 0: none.
static uint16_t mtu_of(const struct nlattr *metrics)
{
	const struct nlattr *tb[64] = {NULL};
	uint32_t mtu;

	if (metrics == NULL)
		return 0;
	mnl_attr_parse_nested(metrics, attribute, tb);
	mtu = u32_of(tb[RTAX_MTU], 0);
	return mtu < UINT16_MAX ? (uint16_t)mtu : 0;
}

static void on_route(const struct nlmsghdr *nlh, bool dump)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[64] = {NULL};
	struct fib_path path[FIB_PATH_MAX];
	struct fib_key key = {0};
	uint32_t metric;
	unsigned n = 0;
	int rank;

	if (!sized(nlh, sizeof(*rtm)) || family_of(rtm->rtm_family) == 0 ||
	    (rtm->rtm_flags & RTM_F_CLONED))
		return;
	mnl_attr_parse(nlh, sizeof(*rtm), attribute, tb);
	rank = rank_of(u32_of(tb[RTA_TABLE], rtm->rtm_table));
	if (rank < 0 || rtm->rtm_type == RTN_THROW)
		return;
	key.family = family_of(rtm->rtm_family);
	key.len = rtm->rtm_dst_len;
	key.rank = (uint8_t)rank;
	key.tos = rtm->rtm_tos;
	metric = htonl(u32_of(tb[RTA_PRIORITY], 0));
	memcpy(key.metric, &metric, 4);
	if (tb[RTA_DST] != NULL) {
		unsigned size = key.family == 4 ? 4 : 16;

		if (bytes_of(tb[RTA_DST], size) == NULL)
			return;
		memcpy(key.addr, mnl_attr_get_payload(tb[RTA_DST]), size);
	}
	// Link-local is per link, and never the way of a packet that we forward.
	if (key.family == 6 &&
	    (key.addr[0] == 0xff || (key.addr[0] == 0xfe && key.addr[1] == 0x80)))
		return;
	if (rtm->rtm_type == RTN_UNICAST) {
		if (tb[RTA_MULTIPATH] != NULL) {
			n = multipath(tb[RTA_MULTIPATH], key.family, path);
		} else if (tb[RTA_OIF] != NULL) {
			memset(path, 0, sizeof(path[0]));
			path[0].ifindex = (int)u32_of(tb[RTA_OIF], 0);
			path[0].weight = 1;
			path[0].dead = (rtm->rtm_flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN)) != 0;
			n = gateway(&path[0], tb[RTA_VIA], tb[RTA_GATEWAY], key.family);
		}
	}
	for (unsigned i = 0; i < n; i++)
		path[i].mtu = mtu_of(tb[RTA_METRICS]);
	mirror.routes_dirty = true;
	if (nlh->nlmsg_type == RTM_DELROUTE) {
		if (fib_del(mirror.fib, &key, path, n))
			mirror_resync_soon();
		return;
	}
	if (fib_add(mirror.fib, &key, path, n, mode_of(nlh, &key, dump, fib_get(mirror.fib, &key)),
		    mirror.epoch) != 0)
		LOG(ERR, "out of memory for a route, %u are held\n", fib_count(mirror.fib));
}

static void on_neighbour(const struct nlmsghdr *nlh, bool dump)
{
	const struct ndmsg *ndm = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[64] = {NULL};
	const struct out_link *l;
	uint64_t now = clock_monotonic_ns();
	struct neigh_entry *e;
	uint8_t addr[16] = {0}, family;
	const uint8_t *dst;
	uint16_t i;

	if (!sized(nlh, sizeof(*ndm)))
		return;
	family = family_of(ndm->ndm_family);
	if (family == 0 || (ndm->ndm_flags & NTF_PROXY))
		return;
	mnl_attr_parse(nlh, sizeof(*ndm), attribute, tb);
	dst = bytes_of(tb[NDA_DST], family == 4 ? 4 : 16);
	l = out_link_find(ndm->ndm_ifindex);
	if (dst == NULL || l == NULL || multicast(family, dst))
		return;
	memcpy(addr, dst, family == 4 ? 4 : 16);
	if (nlh->nlmsg_type == RTM_DELNEIGH) {
		i = neigh_find(mirror.neigh, NEXTHOP_HOST, l->port, l->vlan, family, addr);
		if (i == 0)
			return;
		e = neigh_get(mirror.neigh, i);
		if (neigh_kernel_forgot(e) && e->used_ns != 0 && now - e->used_ns < MIRROR_USED_NS)
			mirror_ask(e->ifindex, family, addr);
		mirror.dirty = true;
		return;
	}
	i = intern(NEXTHOP_HOST, l->port, l->vlan, family, addr);
	if (i == 0)
		return;
	e = neigh_get(mirror.neigh, i);
	e->ifindex = ndm->ndm_ifindex;
	e->epoch = mirror.epoch;
	if (neigh_kernel_says(e, ndm->ndm_state, bytes_of(tb[NDA_LLADDR], 6))) {
		mirror.dirty = true;
		mirror.moved |= e->nh.state == NEXTHOP_FAILED; // groups go round it
		mirror.urgent |= e->nh.state == NEXTHOP_RESOLVED;
	}
}

void mirror_message(const struct nlmsghdr *nlh, bool dump)
{
	mirror.stats.events++;
	switch (nlh->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		on_link(nlh, dump);
		break;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		on_address(nlh, dump);
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		on_route(nlh, dump);
		break;
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		on_neighbour(nlh, dump);
		break;
	}
}
