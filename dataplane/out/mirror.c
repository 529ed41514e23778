// SPDX-License-Identifier: BSD-3-Clause
//
// Netlink to tables to views. Two sockets: events of the kernel on one, dumps and requests on the
// other. Whatever the kernel does not announce (routes it drops in silence when a link goes down, an
// event buffer that ran over) is answered by dumping again and sweeping what was not named.
//
// What happened is published at most PUBLISH_MS later; a neighbour that has just resolved, at once.
// With a very large table the delay grows with the cost of a rebuild, so that this thread stays free.

#include "dataplane/out/mirror.h"

#include "dataplane/core/clock.h"
#include "dataplane/core/loop.h"
#include "dataplane/out/build.h"
#include "dataplane/out/link.h"
#include "dataplane/port/port.h"

#include <libmnl/libmnl.h>
#include <rte_log.h>

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define PUBLISH_MS     10
#define URGENT_GAP_NS  1000000ull // between two immediate publications
#define RESYNC_MS      50         // gather what belongs together before asking again
#define USED_NS        UINT64_C(60000000000)
#define ASK_GAP_NS     UINT64_C(900000000)
#define EVENT_BUFFER   (4 << 20)
#define PROTO_OURS     92 // IFA_PROTO of addresses that we put on the kernel's views
#define MESSAGE_BUFFER 65536

RTE_LOG_REGISTER_DEFAULT(out_logtype, NOTICE);
#define LOG(level, ...) rte_log(RTE_LOG_##level, (uint32_t)out_logtype, "out: " __VA_ARGS__)

void (*mirror_published)(void);

static struct {
	struct loop *loop;
	struct mnl_socket *events, *asks;
	struct neigh_table *neigh;
	struct fib *fib;
	struct build_address *address;
	unsigned addresses, address_room;
	struct out_routes *routes; // of the view in force
	uint32_t epoch, prefix_epoch;
	uint16_t generation, serial;
	bool dirty;        // the view differs
	bool routes_dirty; // the tables too
	bool moved;        // out_route() may answer otherwise
	bool urgent;       // a neighbour has resolved
	bool timer, resync_timer;
	uint64_t published_ns, build_ns;
	uint32_t seq;
	struct mirror_stats stats;
	uint8_t buffer[MESSAGE_BUFFER];
} m;

static void schedule(void);
static void resync_soon(void);

// ---- views ---------------------------------------------------------------------------------------

static void say_full(void)
{
	LOG(ERR, "no room for another next hop, %u are in use\n", neigh_count(m.neigh) - 1);
}

static uint16_t intern(uint8_t kind, uint16_t port, uint16_t vlan, uint8_t family,
		       const uint8_t addr[16])
{
	bool made;
	uint16_t i = neigh_intern(m.neigh, kind, port, vlan, family, addr, &made);

	if (i == 0 && m.stats.refused++ == 0)
		say_full();
	if (made) {
		m.dirty = true;
		m.moved = true;
	}
	return i;
}

void mirror_publish(void)
{
	uint64_t start = clock_monotonic_ns();
	struct out_routes *routes = m.routes;
	struct build_note note = {0};
	struct out_view *v;

	if (!m.dirty && !m.routes_dirty)
		return;
	if (m.routes_dirty) {
		routes = build_routes(m.neigh, m.fib, m.address, m.addresses, &note);
		if (note.refused != 0 && m.stats.refused == 0)
			say_full();
		m.stats.refused += note.refused;
		m.stats.table_bytes = note.table_bytes;
		if (routes == NULL) {
			LOG(ERR, "out of memory for %u routes: the old ones stay\n",
			    fib_count(m.fib));
			schedule();
			return;
		}
	}
	if (neigh_sweep(m.neigh, start > USED_NS ? start - USED_NS : 0) != 0)
		m.moved = true;
	v = build_view(m.neigh, m.address, m.addresses, routes);
	if (v == NULL) {
		if (routes != m.routes)
			build_routes_put(routes);
		LOG(ERR, "out of memory for a view: the old one stays\n");
		schedule();
		return;
	}
	if (m.moved || m.routes_dirty)
		m.generation = m.generation == UINT16_MAX ? 1 : m.generation + 1;
	v->generation = m.generation;
	v->serial = ++m.serial;
	if (routes != m.routes) {
		build_routes_put(m.routes); // ours; views hold their own
		m.routes = routes;
	}
	m.dirty = m.routes_dirty = m.moved = m.urgent = false;
	m.published_ns = clock_monotonic_ns();
	m.build_ns = m.published_ns - start;
	m.stats.views++;
	publish_swap(&out_view_published, v, build_view_destroy);
	if (mirror_published != NULL)
		mirror_published();
}

static void publish_timer(struct loop *l, void *arg)
{
	m.timer = false;
	mirror_publish();
	publish_reclaim();
}

// Publish soon; at once if a packet waits and the last time is not too near.
static void schedule(void)
{
	uint64_t after = PUBLISH_MS;

	if (m.loop == NULL || (!m.dirty && !m.routes_dirty))
		return;
	if (m.urgent && clock_monotonic_ns() - m.published_ns > URGENT_GAP_NS) {
		mirror_publish();
		return;
	}
	if (m.timer)
		return;
	if (m.routes_dirty && m.build_ns / 1000000 * 4 > after)
		after = m.build_ns / 1000000 * 4;
	m.timer = loop_add_timer(m.loop, m.urgent ? 1 : after, 0, publish_timer, NULL) > 0;
	if (!m.timer)
		mirror_publish();
}

// ---- what the kernel says -------------------------------------------------------------------------

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
	change = out_link_says(ifm->ifi_index,
			       nlh->nlmsg_type == RTM_NEWLINK && (ifm->ifi_flags & up) == up,
			       u32_of(tb[IFLA_MTU], 0), bytes_of(tb[IFLA_ADDRESS], 6), m.epoch);
	if (nlh->nlmsg_type == RTM_DELLINK)
		out_link_gone(ifm->ifi_index);
	if (change == OUT_LINK_SAME)
		return;
	m.dirty = true;
	if (change == OUT_LINK_UPDOWN) { // routes go in silence with their link
		m.routes_dirty = true;
		if (!dump)
			resync_soon();
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
	struct build_address a = {.epoch = m.epoch};
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
	for (i = 0; i < m.addresses; i++)
		if (m.address[i].ifindex == a.ifindex && memcmp(m.address[i].key, a.key, 17) == 0)
			break;
	if (nlh->nlmsg_type == RTM_DELADDR) {
		if (i < m.addresses) {
			m.routes_dirty |= m.address[i].ours;
			m.address[i] = m.address[--m.addresses];
			m.dirty = true;
		}
		if (!dump)
			resync_soon(); // routes with this source go in silence
		return;
	}
	if (i == m.addresses) {
		if (m.addresses == m.address_room) {
			unsigned room = m.address_room == 0 ? 64 : 2 * m.address_room;
			void *more = realloc(m.address, room * sizeof(a));

			if (more == NULL) {
				LOG(ERR, "out of memory for %u addresses\n", room);
				return;
			}
			m.address = more;
			m.address_room = room;
		}
		m.addresses++;
		m.dirty = true;
		m.routes_dirty |= a.ours;
	} else if (m.address[i].ours != a.ours) {
		m.dirty = m.routes_dirty = true;
	}
	m.address[i] = a;
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
		return (nlh->nlmsg_flags & NLM_F_REPLACE) && !dump      ? FIB_REPLACE
		       : dump && (old == NULL || old->epoch != m.epoch) ? FIB_REPLACE
									: FIB_JOIN;
	if (dump)
		return old != NULL && old->epoch == m.epoch ? FIB_BEHIND : FIB_REPLACE;
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
	m.routes_dirty = true;
	if (nlh->nlmsg_type == RTM_DELROUTE) {
		if (fib_del(m.fib, &key, path, n))
			resync_soon();
		return;
	}
	if (fib_add(m.fib, &key, path, n, mode_of(nlh, &key, dump, fib_get(m.fib, &key)),
		    m.epoch) != 0)
		LOG(ERR, "out of memory for a route, %u are held\n", fib_count(m.fib));
}

static int ask(int ifindex, uint8_t family, const uint8_t addr[16]);

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
		i = neigh_find(m.neigh, NEXTHOP_HOST, l->port, l->vlan, family, addr);
		if (i == 0)
			return;
		e = neigh_get(m.neigh, i);
		if (neigh_kernel_forgot(e) && e->used_ns != 0 && now - e->used_ns < USED_NS)
			ask(e->ifindex, family, addr);
		m.dirty = true;
		return;
	}
	i = intern(NEXTHOP_HOST, l->port, l->vlan, family, addr);
	if (i == 0)
		return;
	e = neigh_get(m.neigh, i);
	e->ifindex = ndm->ndm_ifindex;
	e->epoch = m.epoch;
	if (neigh_kernel_says(e, ndm->ndm_state, bytes_of(tb[NDA_LLADDR], 6))) {
		m.dirty = true;
		m.moved |= e->nh.state == NEXTHOP_FAILED; // groups go round it
		m.urgent |= e->nh.state == NEXTHOP_RESOLVED;
	}
}

void mirror_message(const struct nlmsghdr *nlh, bool dump)
{
	m.stats.events++;
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

// ---- sockets --------------------------------------------------------------------------------------

static int dump_message(const struct nlmsghdr *nlh, void *arg)
{
	mirror_message(nlh, true);
	return MNL_CB_OK;
}

// Ask for all objects of a kind and take them in. Errors: -EIO, -EAGAIN changed under our eyes
static int dump(uint16_t type, unsigned char family, size_t head)
{
	uint8_t request[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(request);
	uint8_t *body;
	int rc;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = ++m.seq;
	body = mnl_nlmsg_put_extra_header(nlh, head);
	body[0] = family; // the first byte of ifinfomsg, ifaddrmsg, rtmsg and ndmsg
	if (mnl_socket_sendto(m.asks, nlh, nlh->nlmsg_len) < 0)
		return -EIO;
	do {
		ssize_t n = mnl_socket_recvfrom(m.asks, m.buffer, sizeof(m.buffer));

		if (n < 0)
			return errno == EINTR ? -EAGAIN : -EIO;
		rc = mnl_cb_run(m.buffer, (size_t)n, m.seq, mnl_socket_get_portid(m.asks),
				dump_message, NULL);
		if (rc < 0 && errno == ESRCH)
			rc = MNL_CB_OK; // an answer to an earlier request
	} while (rc > MNL_CB_STOP);
	return rc == MNL_CB_STOP ? 0 : errno == EINTR ? -EAGAIN : -EIO;
}

static void drain(void)
{
	uint8_t scrap[4096];

	while (recv(mnl_socket_get_fd(m.asks), scrap, sizeof(scrap), MSG_DONTWAIT | MSG_TRUNC) > 0)
		;
}

int mirror_resync(void)
{
	static const struct {
		uint16_t type;
		unsigned char family;
		size_t head;
	} kinds[] = {
		{RTM_GETLINK, AF_UNSPEC, sizeof(struct ifinfomsg)},
		{RTM_GETADDR, AF_UNSPEC, sizeof(struct ifaddrmsg)},
		{RTM_GETROUTE, AF_INET, sizeof(struct rtmsg)},
		{RTM_GETROUTE, AF_INET6, sizeof(struct rtmsg)},
		{RTM_GETNEIGH, AF_UNSPEC, sizeof(struct ndmsg)},
	};

	drain();
	m.epoch++;
	m.stats.resyncs++;
	for (unsigned i = 0; i < RTE_DIM(kinds); i++) {
		int rc = -EAGAIN;

		for (int tries = 0; rc == -EAGAIN && tries < 5; tries++)
			rc = dump(kinds[i].type, kinds[i].family, kinds[i].head);
		if (rc != 0) {
			LOG(ERR, "dump %u of the kernel's state: %s\n", kinds[i].type,
			    strerror(-rc));
			drain();
			return -EIO;
		}
	}
	if (out_link_sweep(m.epoch))
		m.routes_dirty = true;
	for (unsigned i = 0; i < m.addresses;) {
		if (m.address[i].epoch == m.epoch)
			i++;
		else
			m.address[i] = m.address[--m.addresses];
	}
	fib_sweep(m.fib, m.epoch, false);
	for (uint32_t i = 1; i < neigh_count(m.neigh); i++) {
		struct neigh_entry *e = neigh_get(m.neigh, (uint16_t)i);

		if (e->kernel && e->epoch != m.epoch)
			neigh_kernel_forgot(e);
	}
	m.dirty = m.routes_dirty = true;
	return 0;
}

static void resync_timer(struct loop *l, void *arg)
{
	m.resync_timer = false;
	if (mirror_resync() != 0)
		resync_soon();
	schedule();
}

static void resync_soon(void)
{
	if (m.loop != NULL && !m.resync_timer)
		m.resync_timer = loop_add_timer(m.loop, RESYNC_MS, 0, resync_timer, NULL) > 0;
}

static int event_message(const struct nlmsghdr *nlh, void *arg)
{
	mirror_message(nlh, false);
	return MNL_CB_OK;
}

static void on_events(struct loop *l, int fd, uint32_t epoll_events, void *arg)
{
	for (int rounds = 0; rounds < 64; rounds++) {
		ssize_t n = recv(fd, m.buffer, sizeof(m.buffer), MSG_DONTWAIT);

		if (n > 0) {
			mnl_cb_run(m.buffer, (size_t)n, 0, 0, event_message, NULL);
			continue;
		}
		if (n < 0 && errno == ENOBUFS) {
			m.stats.overruns++;
			LOG(WARNING, "the kernel had more events than the socket holds: asking for "
				     "everything again\n");
			resync_soon();
			continue;
		}
		break;
	}
	schedule();
}

static int ask(int ifindex, uint8_t family, const uint8_t addr[16])
{
	uint8_t request[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(request);
	struct ndmsg *ndm;

	if (m.asks == NULL || ifindex <= 0)
		return -ENODEV;
	nlh->nlmsg_type = RTM_NEWNEIGH;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE;
	nlh->nlmsg_seq = ++m.seq;
	ndm = mnl_nlmsg_put_extra_header(nlh, sizeof(*ndm));
	ndm->ndm_family = family == 4 ? AF_INET : AF_INET6;
	ndm->ndm_ifindex = ifindex;
	ndm->ndm_state = NUD_NONE;
	ndm->ndm_flags = NTF_USE;
	mnl_attr_put(nlh, NDA_DST, family == 4 ? 4 : 16, addr);
	drain();
	m.stats.asked++;
	return mnl_socket_sendto(m.asks, nlh, nlh->nlmsg_len) < 0 ? -errno : 0;
}

void mirror_want(uint16_t nexthop, uint8_t family, const uint8_t addr[16])
{
	uint64_t now = clock_monotonic_ns();
	struct neigh_entry *e;

	if (nexthop == 0 || nexthop >= neigh_count(m.neigh))
		return;
	e = neigh_base(m.neigh, nexthop);
	if (e->nh.kind == NEXTHOP_GLEAN) {
		uint16_t i =
			neigh_find(m.neigh, NEXTHOP_HOST, e->nh.port, e->nh.vlan, family, addr);

		if (i == 0) { // the entry comes with the kernel's answer
			ask(e->ifindex, family, addr);
			return;
		}
		e = neigh_get(m.neigh, i);
	}
	if (e->nh.kind != NEXTHOP_HOST)
		return;
	e->used_ns = now;
	if (now - e->asked_ns < ASK_GAP_NS / 9)
		return;
	e->asked_ns = now;
	ask(e->ifindex, e->nh.family, e->nh.addr);
}

void mirror_confirm(const uint8_t *used, uint32_t count)
{
	uint64_t now = clock_monotonic_ns();

	for (uint32_t i = 1; i < count && i < neigh_count(m.neigh); i++) {
		struct neigh_entry *e = neigh_base(m.neigh, (uint16_t)i);

		if (!used[i] || e->nh.kind != NEXTHOP_HOST)
			continue;
		e->used_ns = now;
		if (e->kernel && (e->nud & (NUD_STALE | NUD_FAILED)) == 0)
			continue;
		if (now - e->asked_ns < ASK_GAP_NS)
			continue;
		e->asked_ns = now;
		ask(e->ifindex, e->nh.family, e->nh.addr);
	}
	publish_reclaim();
}

// ---- start and stop -------------------------------------------------------------------------------

int mirror_create(void)
{
	int rc = neigh_create(&m.neigh);

	if (rc == 0)
		rc = fib_create(&m.fib);
	if (rc != 0) {
		mirror_destroy();
		return rc;
	}
	m.generation = 0;
	m.dirty = m.routes_dirty = true;
	mirror_publish();
	if (publish_get(&out_view_published) == NULL) {
		mirror_destroy();
		return -ENOMEM;
	}
	return 0;
}

static struct mnl_socket *socket_open(unsigned groups)
{
	struct mnl_socket *s = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int size = EVENT_BUFFER, fd, on = 1;

	if (s == NULL)
		return NULL;
	fd = mnl_socket_get_fd(s);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) != 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	if (mnl_socket_bind(s, groups, MNL_SOCKET_AUTOPID) != 0) {
		mnl_socket_close(s);
		return NULL;
	}
	return s;
}

int mirror_start(struct loop *l)
{
	struct timeval limit = {.tv_sec = 5};
	int rc;

	m.events = socket_open(RTMGRP_LINK | RTMGRP_NEIGH | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE |
			       RTMGRP_IPV6_IFADDR | RTMGRP_IPV6_ROUTE);
	if (m.events != NULL)
		m.asks = socket_open(0);
	if (m.asks == NULL) {
		rc = errno == EPERM ? -EPERM : -EIO;
		LOG(ERR, "netlink socket: %s\n", strerror(errno));
		return rc;
	}
	setsockopt(mnl_socket_get_fd(m.asks), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	rc = mirror_resync();
	if (rc != 0)
		return rc;
	mirror_publish();
	m.loop = l;
	return loop_add_fd(l, mnl_socket_get_fd(m.events), EPOLLIN, on_events, NULL);
}

void mirror_destroy(void)
{
	if (m.events != NULL) {
		if (m.loop != NULL)
			loop_del_fd(m.loop, mnl_socket_get_fd(m.events));
		mnl_socket_close(m.events);
	}
	if (m.asks != NULL)
		mnl_socket_close(m.asks);
	publish_swap(&out_view_published, NULL, build_view_destroy);
	publish_drain();
	build_routes_put(m.routes);
	neigh_destroy(m.neigh);
	fib_destroy(m.fib);
	free(m.address);
	out_link_reset();
	memset(&m, 0, sizeof(m));
}

int mirror_prefix_set(const struct ctl_prefix *prefixes, unsigned count)
{
	m.prefix_epoch++;
	for (unsigned i = 0; i < count; i++) {
		const struct ctl_prefix *c = &prefixes[i];
		struct fib_key key = {
			.family = c->prefix.family, .len = c->prefix.len, .rank = FIB_RANK_PREFIX};
		struct fib_path path = {.weight = 1};
		int rc;

		for (uint16_t k = 0; k < PORT_MAX && path.ifindex == 0; k++) {
			const struct port *p = port_get(k);

			if (p != NULL && p->id == c->port && p->parent == PORT_NONE)
				path.ifindex = -1 - (int)k;
		}
		if (path.ifindex == 0)
			return -ENODEV;
		memcpy(key.addr, c->prefix.bytes, sizeof(key.addr));
		rc = fib_add(m.fib, &key, &path, 1, FIB_REPLACE, m.prefix_epoch);
		if (rc != 0)
			return rc;
	}
	fib_sweep(m.fib, m.prefix_epoch, true);
	m.routes_dirty = true;
	mirror_publish();
	return 0;
}

void mirror_ports_changed(void)
{
	out_link_ports_changed();
	if (m.asks != NULL && mirror_resync() != 0)
		resync_soon();
	m.dirty = m.routes_dirty = true;
	mirror_publish();
}

void mirror_stats(struct mirror_stats *out)
{
	*out = m.stats;
	out->routes = m.fib != NULL ? fib_count(m.fib) : 0;
	out->addresses = m.addresses;
	out->nexthops = 0;
	for (uint32_t i = 1; m.neigh != NULL && i < neigh_count(m.neigh); i++)
		out->nexthops += neigh_get(m.neigh, (uint16_t)i)->nh.state != NEXTHOP_NONE;
}

void mirror_walk(bool (*fn)(void *arg, const struct fib_route *r), void *arg)
{
	fib_walk(m.fib, fn, arg);
}
