// SPDX-License-Identifier: BSD-3-Clause
//
// Messages of a kernel that we play ourselves, and what a worker then sees in the view. Ports:
// 0 = "up", AF_XDP, ifindex 10; 1 = "down", AF_XDP, ifindex 11, with VLAN 100 seen by the kernel as TAP
// port 2, ifindex 12; 3 = a memif, no interface; 4 = "other", context 9, ifindex 14.

#include "dataplane/out/mirror.h"
#include "dataplane/out/out.h"

#include <libmnl/libmnl.h>

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define UP    10
#define DOWN  11
#define VLAN  12
#define OTHER 14
#define ALIEN 99

struct port *__wrap_port_get(uint16_t index);
struct port *__wrap_port_by_ifindex(int ifindex);
uint16_t __wrap_port_tx(const struct port *p, unsigned worker, struct rte_mbuf **pkts, uint16_t n);

static struct port ports[5];

struct port *__wrap_port_get(uint16_t index)
{
	return index < 5 ? &ports[index] : NULL;
}

struct port *__wrap_port_by_ifindex(int ifindex)
{
	for (unsigned i = 0; i < 5; i++)
		if (ifindex != 0 && ports[i].ifindex == ifindex)
			return &ports[i];
	return NULL;
}

uint16_t __wrap_port_tx(const struct port *p, unsigned worker, struct rte_mbuf **pkts, uint16_t n)
{
	return n;
}

static const uint8_t mac[6] = {2, 0, 0, 0, 0, 1}, mac2[6] = {2, 0, 0, 0, 0, 2},
		     own[6] = {2, 0, 0, 0, 9, 9};

static union {
	struct nlmsghdr nlh;
	uint8_t room[2048];
} u;

static void *start(uint16_t type, uint16_t flags, size_t head)
{
	memset(&u, 0, sizeof(u));
	mnl_nlmsg_put_header(u.room);
	u.nlh.nlmsg_type = type;
	u.nlh.nlmsg_flags = flags;
	return mnl_nlmsg_put_extra_header(&u.nlh, head);
}

static void send_it(void)
{
	mirror_message(&u.nlh, false);
	mirror_publish();
}

static void put_addr(uint16_t attr, const char *text)
{
	uint8_t a[16];
	bool six = strchr(text, ':') != NULL;

	assert_int_equal(inet_pton(six ? AF_INET6 : AF_INET, text, a), 1);
	mnl_attr_put(&u.nlh, attr, six ? 16 : 4, a);
}

static void link_is(int ifindex, bool up, uint32_t mtu)
{
	struct ifinfomsg *i = start(RTM_NEWLINK, 0, sizeof(*i));

	i->ifi_index = ifindex;
	i->ifi_flags = up ? IFF_UP | IFF_RUNNING : IFF_UP; // no carrier
	mnl_attr_put_u32(&u.nlh, IFLA_MTU, mtu);
	mnl_attr_put(&u.nlh, IFLA_ADDRESS, 6, own);
	send_it();
}

static struct rtmsg *route_head(bool add, uint16_t flags, const char *dst, unsigned len,
				uint8_t type)
{
	bool six = strchr(dst, ':') != NULL;
	struct rtmsg *r = start(add ? RTM_NEWROUTE : RTM_DELROUTE, flags, sizeof(*r));

	r->rtm_family = six ? AF_INET6 : AF_INET;
	r->rtm_dst_len = (uint8_t)len;
	r->rtm_table = RT_TABLE_MAIN;
	r->rtm_type = type;
	if (len != 0)
		put_addr(RTA_DST, dst);
	return r;
}

static void route(bool add, const char *dst, unsigned len, const char *gw, int oif, uint32_t metric)
{
	route_head(add, NLM_F_CREATE, dst, len, RTN_UNICAST);
	if (gw != NULL)
		put_addr(RTA_GATEWAY, gw);
	mnl_attr_put_u32(&u.nlh, RTA_OIF, (uint32_t)oif);
	mnl_attr_put_u32(&u.nlh, RTA_PRIORITY, metric);
	send_it();
}

static void hop(const char *gw, int oif, uint8_t weight)
{
	struct rtnexthop *nh = (struct rtnexthop *)mnl_nlmsg_get_payload_tail(&u.nlh);
	uint8_t a[16];
	bool six = strchr(gw, ':') != NULL;
	struct nlattr *at;

	inet_pton(six ? AF_INET6 : AF_INET, gw, a);
	memset(nh, 0, sizeof(*nh));
	nh->rtnh_ifindex = oif;
	nh->rtnh_hops = weight - 1;
	at = (struct nlattr *)(nh + 1);
	at->nla_type = RTA_GATEWAY;
	at->nla_len = (uint16_t)(4 + (six ? 16 : 4));
	memcpy(at + 1, a, six ? 16 : 4);
	nh->rtnh_len = (uint16_t)(sizeof(*nh) + at->nla_len);
	u.nlh.nlmsg_len += nh->rtnh_len;
}

static void neighbour(uint16_t type, const char *addr, int ifindex, uint16_t nud, const uint8_t *ll)
{
	bool six = strchr(addr, ':') != NULL;
	struct ndmsg *n = start(type, 0, sizeof(*n));

	n->ndm_family = six ? AF_INET6 : AF_INET;
	n->ndm_ifindex = ifindex;
	n->ndm_state = nud;
	put_addr(NDA_DST, addr);
	if (ll != NULL)
		mnl_attr_put(&u.nlh, NDA_LLADDR, 6, ll);
	send_it();
}

static uint16_t look(uint16_t context, const char *addr)
{
	uint8_t a[16];
	bool six = strchr(addr, ':') != NULL;

	inet_pton(six ? AF_INET6 : AF_INET, addr, a);
	return out_route(out_view_get(), context, six ? 6 : 4, a);
}

static const struct nexthop *hop_of(const char *addr)
{
	return out_nexthop(out_view_get(), look(0, addr));
}

static int setup(void **state)
{
	memset(ports, 0, sizeof(ports));
	for (uint16_t i = 0; i < 5; i++) {
		ports[i].index = i;
		ports[i].parent = PORT_NONE;
		ports[i].shadow = PORT_NONE;
		ports[i].view = PORT_VIEW_XDP;
		ports[i].kind = CTL_PORT_AF_XDP;
		ports[i].mtu = 1500;
		ports[i].id = 100u + i;
	}
	ports[0].ifindex = UP;
	ports[1].ifindex = DOWN;
	ports[2].ifindex = VLAN;
	ports[2].kind = CTL_PORT_TAP;
	ports[2].view = PORT_VIEW_NONE;
	ports[2].parent = 1;
	ports[2].parent_vlan = 100;
	ports[3].kind = CTL_PORT_MEMIF;
	ports[3].view = PORT_VIEW_NONE;
	ports[3].point_to_point = true;
	memcpy(&ports[3].peer_mac, mac2, 6);
	memcpy(&ports[3].mac, own, 6);
	ports[4].ifindex = OTHER;
	ports[4].context = 9;
	assert_int_equal(mirror_create(), 0);
	link_is(UP, true, 1500);
	link_is(DOWN, true, 1400);
	link_is(VLAN, true, 1500);
	link_is(OTHER, true, 1500);
	link_is(ALIEN, true, 1500);
	return 0;
}

static int teardown(void **state)
{
	mirror_destroy();
	return 0;
}

static void a_neighbour_on_a_link_is_a_glean_until_the_kernel_knows_it(void **state)
{
	const struct nexthop *nh;
	uint16_t generation, first;

	route(true, "10.0.0.0", 24, NULL, UP, 0);
	nh = hop_of("10.0.0.7");
	assert_non_null(nh);
	assert_int_equal(nh->kind, NEXTHOP_GLEAN);
	assert_int_equal(nh->state, NEXTHOP_PENDING);
	assert_int_equal(nh->port, 0);
	generation = out_view_generation(out_view_get());

	neighbour(RTM_NEWNEIGH, "10.0.0.7", UP, NUD_REACHABLE, mac);
	assert_int_not_equal(out_view_generation(out_view_get()), generation);
	nh = hop_of("10.0.0.7");
	assert_int_equal(nh->kind, NEXTHOP_HOST);
	assert_int_equal(nh->state, NEXTHOP_RESOLVED);
	assert_memory_equal(&nh->dmac, mac, 6);
	assert_memory_equal(&nh->smac, own, 6);
	assert_int_equal(nh->mtu, 1500);
	assert_int_equal(hop_of("10.0.0.8")->kind, NEXTHOP_GLEAN);

	// a change of state alone leaves indices and generation as they are
	first = look(0, "10.0.0.7");
	generation = out_view_generation(out_view_get());
	neighbour(RTM_NEWNEIGH, "10.0.0.7", UP, NUD_STALE, mac);
	neighbour(RTM_NEWNEIGH, "10.0.0.7", UP, NUD_REACHABLE, mac2);
	assert_int_equal(look(0, "10.0.0.7"), first);
	assert_int_equal(out_view_generation(out_view_get()), generation);
	assert_memory_equal(&hop_of("10.0.0.7")->dmac, mac2, 6);

	neighbour(RTM_NEWNEIGH, "10.0.0.7", UP, NUD_FAILED, NULL);
	assert_int_equal(hop_of("10.0.0.7")->state, NEXTHOP_FAILED);
	neighbour(RTM_DELNEIGH, "10.0.0.7", UP, NUD_FAILED, NULL);
	assert_int_equal(hop_of("10.0.0.7")->kind, NEXTHOP_GLEAN);
}

static void the_longest_prefix_and_the_lowest_metric_win(void **state)
{
	neighbour(RTM_NEWNEIGH, "10.0.0.1", UP, NUD_REACHABLE, mac);
	neighbour(RTM_NEWNEIGH, "10.1.0.1", DOWN, NUD_REACHABLE, mac2);
	route(true, "0.0.0.0", 0, "10.0.0.1", UP, 100);
	assert_int_equal(hop_of("8.8.8.8")->port, 0);
	route(true, "8.8.0.0", 16, "10.1.0.1", DOWN, 0);
	assert_int_equal(hop_of("8.8.8.8")->port, 1);
	assert_int_equal(hop_of("8.8.8.8")->mtu, 1400);
	assert_int_equal(hop_of("8.9.8.8")->port, 0);
	route(true, "0.0.0.0", 0, "10.1.0.1", DOWN, 50);
	assert_int_equal(hop_of("8.9.8.8")->port, 1);
	route(false, "0.0.0.0", 0, "10.1.0.1", DOWN, 50);
	assert_int_equal(hop_of("8.9.8.8")->port, 0);
	route(false, "0.0.0.0", 0, "10.0.0.1", UP, 100);
	assert_int_equal(look(0, "8.9.8.8"), 0);
	assert_int_equal(hop_of("8.8.8.8")->port, 1);
}

static void what_leads_nowhere_is_no_route(void **state)
{
	route(true, "0.0.0.0", 0, "10.0.0.1", UP, 0);
	assert_int_not_equal(look(0, "10.9.0.1"), 0);
	route_head(true, NLM_F_CREATE, "10.9.0.0", 16, RTN_BLACKHOLE);
	send_it();
	assert_int_equal(look(0, "10.9.0.1"), 0);
	route_head(true, NLM_F_CREATE, "fd00::", 8, RTN_UNREACHABLE);
	send_it();
	assert_int_equal(look(0, "fd00::1"), 0);
	route(true, "10.8.0.0", 16, "192.168.0.1", ALIEN,
	      0); // out of an interface that is not ours
	assert_int_equal(look(0, "10.8.0.1"), 0);
	route_head(false, 0, "10.9.0.0", 16, RTN_BLACKHOLE);
	send_it();
	assert_int_not_equal(look(0, "10.9.0.1"), 0);
}

static void the_vlan_view_of_the_kernel_stands_for_the_tagged_port(void **state)
{
	const struct nexthop *nh;

	route(true, "10.100.0.0", 24, NULL, VLAN, 0);
	neighbour(RTM_NEWNEIGH, "10.100.0.5", VLAN, NUD_REACHABLE, mac);
	nh = hop_of("10.100.0.5");
	assert_int_equal(nh->port, 1);
	assert_int_equal(nh->vlan, 100);
	assert_int_equal(nh->state, NEXTHOP_RESOLVED);
}

static void equal_paths_share_the_destinations_by_weight(void **state)
{
	unsigned to[2] = {0, 0}, moved = 0;
	uint16_t before[400];
	struct nlattr *nest;
	char text[32];

	neighbour(RTM_NEWNEIGH, "10.0.0.1", UP, NUD_REACHABLE, mac);
	neighbour(RTM_NEWNEIGH, "10.1.0.1", DOWN, NUD_REACHABLE, mac2);
	route_head(true, NLM_F_CREATE, "20.0.0.0", 8, RTN_UNICAST);
	nest = mnl_attr_nest_start(&u.nlh, RTA_MULTIPATH);
	hop("10.0.0.1", UP, 3);
	hop("10.1.0.1", DOWN, 1);
	mnl_attr_nest_end(&u.nlh, nest);
	send_it();
	for (unsigned i = 0; i < 400; i++) {
		snprintf(text, sizeof(text), "20.0.%u.%u", i / 250, i % 250);
		before[i] = look(0, text);
		assert_int_equal(out_nexthop(out_view_get(), before[i])->kind, NEXTHOP_HOST);
		to[out_nexthop(out_view_get(), before[i])->port]++;
	}
	assert_in_range(to[0], 260, 340); // three in four
	// one fails: its destinations go to the other, the rest stays where it is
	neighbour(RTM_NEWNEIGH, "10.1.0.1", DOWN, NUD_FAILED, NULL);
	for (unsigned i = 0; i < 400; i++) {
		snprintf(text, sizeof(text), "20.0.%u.%u", i / 250, i % 250);
		assert_int_equal(out_nexthop(out_view_get(), look(0, text))->port, 0);
		moved += look(0, text) != before[i];
	}
	assert_int_equal(moved, to[1]);
	route_head(false, 0, "20.0.0.0", 8, RTN_UNICAST);
	send_it();
	assert_int_equal(look(0, "20.0.0.1"), 0);
}

static void ipv6_siblings_join_and_leave_one_by_one(void **state)
{
	unsigned to[2] = {0, 0};
	char text[32];

	neighbour(RTM_NEWNEIGH, "fe80::1", UP, NUD_REACHABLE, mac);
	neighbour(RTM_NEWNEIGH, "fe80::1", DOWN, NUD_REACHABLE, mac2);
	route(true, "2001:db8::", 32, "fe80::1", UP, 1024);
	route(true, "2001:db8::", 32, "fe80::1", DOWN, 1024);
	for (unsigned i = 0; i < 200; i++) {
		snprintf(text, sizeof(text), "2001:db8::%x", i);
		to[hop_of(text)->port]++;
	}
	assert_true(to[0] > 50 && to[1] > 50);
	route(false, "2001:db8::", 32, "fe80::1", UP, 1024);
	for (unsigned i = 0; i < 200; i++) {
		snprintf(text, sizeof(text), "2001:db8::%x", i);
		assert_int_equal(hop_of(text)->port, 1);
	}
	route(false, "2001:db8::", 32, "fe80::1", DOWN, 1024);
	assert_int_equal(look(0, "2001:db8::1"), 0);
}

static void contexts_do_not_see_each_others_routes(void **state)
{
	route(true, "10.50.0.0", 16, NULL, OTHER, 0);
	assert_int_equal(look(0, "10.50.0.1"), 0);
	assert_int_not_equal(look(9, "10.50.0.1"), 0);
	assert_int_equal(look(77, "10.50.0.1"), 0);
	route(true, "0.0.0.0", 0, "10.0.0.1", UP, 0);
	assert_int_equal(look(9, "1.1.1.1"), 0);
	assert_int_equal(hop_of("10.50.0.1")->port, 0);
}

static void a_link_that_goes_down_takes_its_routes_along(void **state)
{
	route(true, "10.0.0.0", 8, NULL, UP, 0);
	route(true, "10.0.0.0", 8, NULL, DOWN, 10);
	assert_int_equal(hop_of("10.0.0.7")->port, 0);
	link_is(UP, false, 1500);
	assert_int_equal(hop_of("10.0.0.7")->port, 1);
	link_is(UP, true, 9000);
	assert_int_equal(hop_of("10.0.0.7")->port, 0);
	assert_int_equal(hop_of("10.0.0.7")->mtu, 1500); // the port's own stays the bound
}

static void prefixes_of_point_to_point_ports_need_no_neighbour(void **state)
{
	struct ctl_prefix p[2] = {0};
	const struct nexthop *nh;

	p[0].port = 103;
	p[0].prefix = (struct ctl_addr){.family = 4, .len = 8, .bytes = {30}};
	p[1].port = 103;
	p[1].prefix = (struct ctl_addr){.family = 6, .len = 16, .bytes = {0xfd, 0x30}};
	assert_int_equal(mirror_prefix_set(p, 2), 0);
	nh = hop_of("30.1.2.3");
	assert_int_equal(nh->kind, NEXTHOP_PEER);
	assert_int_equal(nh->state, NEXTHOP_RESOLVED);
	assert_int_equal(nh->port, 3);
	assert_memory_equal(&nh->dmac, mac2, 6);
	assert_int_equal(hop_of("fd30::1")->port, 3);
	route(true, "30.0.0.0", 8, "10.0.0.1", UP, 0); // what is configured goes before
	assert_int_equal(hop_of("30.1.2.3")->port, 3);
	p[0].port = 55;
	assert_int_equal(mirror_prefix_set(p, 1), -ENODEV);
	assert_int_equal(hop_of("30.1.2.3")->port, 3);
	assert_int_equal(mirror_prefix_set(p, 0), 0);
	assert_int_equal(hop_of("30.1.2.3")->port, 0);
	assert_int_equal(look(0, "fd30::1"), 0);
}

static void addresses_we_put_there_for_services_are_not_the_kernels(void **state)
{
	struct ifaddrmsg *a;
	uint8_t addr[16] = {10, 0, 0, 1}, service[16] = {10, 0, 0, 100};
	const uint16_t look_port = ports[0].index;
	const uint8_t *at;

	a = start(RTM_NEWADDR, 0, sizeof(*a));
	a->ifa_family = AF_INET;
	a->ifa_prefixlen = 24;
	a->ifa_index = UP;
	put_addr(IFA_LOCAL, "10.0.0.1");
	send_it();
	a = start(RTM_NEWADDR, 0, sizeof(*a));
	a->ifa_family = AF_INET;
	a->ifa_prefixlen = 32;
	a->ifa_index = UP;
	put_addr(IFA_LOCAL, "10.0.0.100");
	mnl_attr_put_u8(&u.nlh, IFA_PROTO, 92);
	send_it();
	assert_true(out_kernel_address(out_view_get(), 4, addr));
	assert_false(out_kernel_address(out_view_get(), 4, service));
	assert_false(out_kernel_address(out_view_get(), 6, addr));
	// Which one is on a port: neither a service's nor one of another port, VLAN or family.
	at = out_port_address(out_view_get(), look_port, 0, 4);
	assert_non_null(at);
	assert_memory_equal(at, addr, 4);
	assert_null(out_port_address(out_view_get(), look_port, 7, 4));
	assert_null(out_port_address(out_view_get(), (uint16_t)(look_port + 1), 0, 4));
	assert_null(out_port_address(out_view_get(), look_port, 0, 6));
	a = start(RTM_NEWADDR, 0, sizeof(*a));
	a->ifa_family = AF_INET6;
	a->ifa_prefixlen = 64;
	a->ifa_index = UP;
	put_addr(IFA_ADDRESS, "fe80::1");
	send_it();
	assert_null(out_port_address(out_view_get(), look_port, 0, 6)); // of the link alone
	a = start(RTM_DELADDR, 0, sizeof(*a));
	a->ifa_family = AF_INET;
	a->ifa_prefixlen = 24;
	a->ifa_index = UP;
	put_addr(IFA_LOCAL, "10.0.0.1");
	send_it();
	assert_false(out_kernel_address(out_view_get(), 4, addr));
}

static void local_address(bool add, const char *addr, bool by_sluice)
{
	struct ifaddrmsg *a = start(add ? RTM_NEWADDR : RTM_DELADDR, 0, sizeof(*a));

	a->ifa_family = AF_INET;
	a->ifa_prefixlen = 32;
	a->ifa_index = DOWN;
	put_addr(IFA_LOCAL, addr);
	if (by_sluice)
		mnl_attr_put_u8(&u.nlh, IFA_PROTO, 92);
	send_it();
	route_head(add, NLM_F_CREATE, addr, 32, RTN_LOCAL)->rtm_table = RT_TABLE_LOCAL;
	mnl_attr_put_u32(&u.nlh, RTA_OIF, DOWN);
	send_it();
}

// The other end of a link has addresses that its process put on this node, which both share.
static void a_prefix_of_a_link_holds_what_sluice_put_on_the_node(void **state)
{
	struct ctl_prefix p[2] = {0};

	p[0].port = p[1].port = 103;
	p[0].prefix = (struct ctl_addr){.family = 4, .len = 16, .bytes = {30, 1}};
	p[1].prefix = (struct ctl_addr){.family = 4, .len = 25, .bytes = {30, 1, 2}};
	assert_int_equal(mirror_prefix_set(p, 2), 0);
	local_address(true, "30.1.2.3", true);
	local_address(true, "30.1.3.3", true);
	local_address(true, "30.1.2.4", false);
	local_address(true, "30.2.0.1", true);
	assert_int_equal(hop_of("30.1.2.3")->port, 3);
	assert_int_equal(hop_of("30.1.3.3")->port, 3); // behind the inner prefix, in the outer one
	assert_int_equal(look(0, "30.1.2.4"), 0);      // the node's own: an operator put it there
	assert_int_equal(look(0, "30.2.0.1"), 0);      // in no prefix
	assert_int_equal(look(9, "30.1.2.3"), 0);      // the link is of another context
	route(true, "30.1.2.0", 26, NULL, UP,
	      0); // a longer route of the kernel's is a longer match
	assert_int_equal(hop_of("30.1.2.3")->port, 0);
	route(false, "30.1.2.0", 26, NULL, UP, 0);
	assert_int_equal(mirror_prefix_set(p, 0), 0);
	assert_int_equal(look(0, "30.1.2.3"), 0);
}

static void route_with_mtu(const char *dst, unsigned len, const char *gw, int oif, uint32_t mtu)
{
	struct nlattr *nest;

	route_head(true, NLM_F_CREATE | NLM_F_REPLACE, dst, len, RTN_UNICAST);
	if (gw != NULL)
		put_addr(RTA_GATEWAY, gw);
	mnl_attr_put_u32(&u.nlh, RTA_OIF, (uint32_t)oif);
	nest = mnl_attr_nest_start(&u.nlh, RTA_METRICS);
	mnl_attr_put_u32(&u.nlh, RTAX_ADVMSS, 900);
	mnl_attr_put_u32(&u.nlh, RTAX_MTU, mtu);
	mnl_attr_nest_end(&u.nlh, nest);
	send_it();
}

// Two routes by one gateway differ in their MTU alone.
static void a_routes_own_mtu_is_the_next_hops_for_that_route(void **state)
{
	route(true, "40.0.0.0", 8, "10.0.0.1", UP, 0);
	route_with_mtu("40.1.0.0", 16, "10.0.0.1", UP, 1300);
	route_with_mtu("fd40::", 16, "fd10::1", UP, 1290);
	route_with_mtu("50.0.0.0", 8, NULL, DOWN, 9000); // no more than the link carries
	assert_int_equal(hop_of("40.1.0.1")->state, NEXTHOP_PENDING);
	neighbour(RTM_NEWNEIGH, "10.0.0.1", UP, NUD_REACHABLE, mac);
	neighbour(RTM_NEWNEIGH, "fd10::1", UP, NUD_REACHABLE, mac);
	assert_int_equal(hop_of("40.2.0.1")->mtu, 1500);
	assert_int_equal(hop_of("40.1.0.1")->mtu, 1300);
	assert_int_equal(hop_of("40.1.0.1")->kind, NEXTHOP_HOST);
	assert_int_equal(hop_of("40.1.0.1")->state, NEXTHOP_RESOLVED);
	assert_memory_equal(&hop_of("40.1.0.1")->dmac, mac, 6);
	assert_int_equal(hop_of("fd40::1")->mtu, 1290);
	assert_int_equal(hop_of("50.0.0.1")->mtu, 1400);
	neighbour(RTM_NEWNEIGH, "10.0.0.1", UP, NUD_STALE, mac2); // the copy follows
	assert_memory_equal(&hop_of("40.1.0.1")->dmac, mac2, 6);
	link_is(UP, true, 1280);
	assert_int_equal(hop_of("40.1.0.1")->mtu, 1280);
	link_is(UP, true, 1500);
	route_with_mtu("40.1.0.0", 16, "10.0.0.1", UP, 1350);
	assert_int_equal(hop_of("40.1.0.1")->mtu, 1350);

	// On a link the neighbours are many: the link itself stands for them.
	route_with_mtu("60.0.0.0", 8, NULL, UP, 1310);
	neighbour(RTM_NEWNEIGH, "60.0.0.7", UP, NUD_REACHABLE, mac);
	assert_int_equal(hop_of("60.0.0.7")->kind, NEXTHOP_GLEAN);
	assert_int_equal(hop_of("60.0.0.7")->mtu, 1310);
	route(false, "60.0.0.0", 8, NULL, UP, 0);
	route(true, "60.0.0.0", 8, NULL, UP, 0);
	assert_int_equal(hop_of("60.0.0.7")->kind, NEXTHOP_HOST);
	assert_int_equal(hop_of("60.0.0.7")->mtu, 1500);
}

// Cut messages and attributes of the wrong size change nothing and read nothing beyond their end.
static void short_and_odd_messages_are_passed_over(void **state)
{
	uint16_t serial;

	route(true, "10.0.0.0", 24, NULL, UP, 0);
	serial = out_view_get()->serial;
	for (uint16_t type = RTM_NEWLINK; type <= RTM_GETNEIGH; type++) {
		start(type, 0, 1);
		send_it();
	}
	start(RTM_NEWNEIGH, 0, sizeof(struct ndmsg));
	((struct ndmsg *)mnl_nlmsg_get_payload(&u.nlh))->ndm_family = AF_INET;
	((struct ndmsg *)mnl_nlmsg_get_payload(&u.nlh))->ndm_ifindex = UP;
	mnl_attr_put_u8(&u.nlh, NDA_DST, 1); // an address of one byte
	send_it();
	assert_int_equal(out_view_get()->serial, serial);
	route_head(true, NLM_F_CREATE, "20.0.0.0", 8, RTN_UNICAST);
	mnl_attr_put_u32(&u.nlh, RTA_MULTIPATH, 0xffffffff); // shorter than a next hop
	send_it();
	assert_int_equal(look(0, "20.0.0.1"), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_neighbour_on_a_link_is_a_glean_until_the_kernel_knows_it),
		TEST(the_longest_prefix_and_the_lowest_metric_win),
		TEST(what_leads_nowhere_is_no_route),
		TEST(the_vlan_view_of_the_kernel_stands_for_the_tagged_port),
		TEST(equal_paths_share_the_destinations_by_weight),
		TEST(ipv6_siblings_join_and_leave_one_by_one),
		TEST(contexts_do_not_see_each_others_routes),
		TEST(a_link_that_goes_down_takes_its_routes_along),
		TEST(prefixes_of_point_to_point_ports_need_no_neighbour),
		TEST(addresses_we_put_there_for_services_are_not_the_kernels),
		TEST(a_prefix_of_a_link_holds_what_sluice_put_on_the_node),
		TEST(a_routes_own_mtu_is_the_next_hops_for_that_route),
		TEST(short_and_odd_messages_are_passed_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
