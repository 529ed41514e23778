// SPDX-License-Identifier: BSD-3-Clause
//
// Service and local addresses on the kernel's view of a port, by rtnetlink, so that the kernel answers
// ARP and neighbour discovery for them.
//
// They are set so that the kernel never picks them as a source address of its own: IPv4 with scope
// link, IPv6 deprecated (preferred lifetime 0), both as host prefixes. Together with our protocol number
// (IFA_PROTO) this is also how they are told from addresses that anybody else set, sluiced included:
// only such addresses are ever deleted.

#include "dataplane/port/port_priv.h"

#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ADDR_PROTO 92

#ifndef IFA_PROTO
#define IFA_PROTO 11
#endif

struct found {
	int ifindex;
	struct ctl_addr *addrs; // of ours
	unsigned count, room;
	int rc;
};

static struct mnl_socket *open_route(void)
{
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);

	if (nl != NULL && mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0) {
		mnl_socket_close(nl);
		nl = NULL;
	}
	return nl;
}

static int on_attr(const struct nlattr *a, void *arg)
{
	const struct nlattr **table = arg;

	if (mnl_attr_get_type(a) <= IFA_PROTO)
		table[mnl_attr_get_type(a)] = a;
	return MNL_CB_OK;
}

// Note the address of these attributes, 4 or 16 bytes.
static void keep(struct found *f, unsigned size, const struct nlattr *const *attr)
{
	const struct nlattr *a = attr[IFA_LOCAL] != NULL ? attr[IFA_LOCAL] : attr[IFA_ADDRESS];
	struct ctl_addr *c;

	if (a == NULL || mnl_attr_get_payload_len(a) != size)
		return;
	if (f->count == f->room) {
		unsigned room = f->room == 0 ? 64 : f->room * 2;

		c = realloc(f->addrs, room * sizeof(*c));
		if (c == NULL) {
			f->rc = -ENOMEM;
			return;
		}
		f->addrs = c;
		f->room = room;
	}
	c = &f->addrs[f->count++];
	*c = (struct ctl_addr){.family = size == 4 ? 4 : 6, .len = (uint8_t)(size * 8)};
	memcpy(c->bytes, mnl_attr_get_payload(a), size);
}

// Attributes of an address; is it one that we set?
static bool read_address(const struct nlmsghdr *h, const struct nlattr **attr, unsigned *size)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(h);

	*size = ifa->ifa_family == AF_INET ? 4 : 16;
	mnl_attr_parse(h, sizeof(*ifa), on_attr, attr);
	if (ifa->ifa_prefixlen != *size * 8 ||
	    (ifa->ifa_family == AF_INET ? ifa->ifa_scope != RT_SCOPE_LINK
					: (ifa->ifa_flags & IFA_F_DEPRECATED) == 0))
		return false;
	return attr[IFA_PROTO] != NULL && mnl_attr_get_u8(attr[IFA_PROTO]) == ADDR_PROTO;
}

static int on_addr(const struct nlmsghdr *h, void *arg)
{
	const struct nlattr *attr[IFA_PROTO + 1] = {NULL};
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(h);
	struct found *f = arg;
	unsigned size;

	if ((int)ifa->ifa_index == f->ifindex && read_address(h, attr, &size))
		keep(f, size, attr);
	return MNL_CB_OK;
}

// Send one request and read the answer(s) up to the end. Returns 0 or a negative errno.
static int talk(struct mnl_socket *nl, struct nlmsghdr *h, mnl_cb_t cb, void *arg)
{
	char buf[32768];
	ssize_t n;
	int rc;

	h->nlmsg_seq = (uint32_t)time(NULL);
	if (mnl_socket_sendto(nl, h, h->nlmsg_len) < 0)
		return -errno;
	do {
		n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		if (n < 0)
			return -errno;
		rc = mnl_cb_run(buf, (size_t)n, h->nlmsg_seq, mnl_socket_get_portid(nl), cb, arg);
		if (rc < 0)
			return -errno;
	} while (rc > 0);
	return 0;
}

// Dump all addresses.
static int dump(struct mnl_socket *nl, mnl_cb_t cb, void *arg)
{
	char buf[MNL_NLMSG_HDRLEN + 64];
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct ifaddrmsg *ifa;

	h->nlmsg_type = RTM_GETADDR;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	ifa = mnl_nlmsg_put_extra_header(h, sizeof(*ifa));
	ifa->ifa_family = AF_UNSPEC;
	return talk(nl, h, cb, arg);
}

static int list(struct mnl_socket *nl, struct found *f)
{
	int rc = dump(nl, on_addr, f);

	return rc != 0 ? rc : f->rc;
}

static int change(struct mnl_socket *nl, uint16_t type, int ifindex, const struct ctl_addr *c)
{
	unsigned size = c->family == 4 ? 4 : 16;
	char buf[MNL_NLMSG_HDRLEN + 256];
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct ifaddrmsg *ifa;
	int rc;

	h->nlmsg_type = type;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	if (type == RTM_NEWADDR)
		h->nlmsg_flags |= NLM_F_CREATE | NLM_F_EXCL;
	ifa = mnl_nlmsg_put_extra_header(h, sizeof(*ifa));
	ifa->ifa_family = c->family == 4 ? AF_INET : AF_INET6;
	ifa->ifa_prefixlen = (uint8_t)(size * 8);
	ifa->ifa_index = (uint32_t)ifindex;
	ifa->ifa_scope = c->family == 4 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
	mnl_attr_put(h, IFA_LOCAL, size, c->bytes);
	mnl_attr_put(h, IFA_ADDRESS, size, c->bytes);
	if (type == RTM_NEWADDR) {
		mnl_attr_put_u8(h, IFA_PROTO, ADDR_PROTO);
		if (c->family == 6) {
			struct ifa_cacheinfo ci = {.ifa_valid = UINT32_MAX, .ifa_prefered = 0};

			mnl_attr_put_u32(h, IFA_FLAGS, IFA_F_NODAD | IFA_F_NOPREFIXROUTE);
			mnl_attr_put(h, IFA_CACHEINFO, sizeof(ci), &ci);
		}
	}
	rc = talk(nl, h, NULL, NULL);
	if (rc == -EEXIST && type == RTM_NEWADDR)
		return 0; // ours already, or somebody else's: then it stays his
	if ((rc == -EADDRNOTAVAIL || rc == -ENODEV) && type == RTM_DELADDR)
		return 0;
	return rc;
}

static bool same(const struct ctl_addr *a, const struct ctl_addr *b)
{
	return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static bool contains(const struct ctl_addr *addrs, unsigned count, const struct ctl_addr *a)
{
	for (unsigned i = 0; i < count; i++)
		if (same(&addrs[i], a))
			return true;
	return false;
}

int addr_sync(int ifindex, const struct ctl_addr *addrs, unsigned count)
{
	struct mnl_socket *nl = open_route();
	struct found f = {.ifindex = ifindex};
	int rc, first = 0;

	if (nl == NULL)
		return -errno;
	rc = list(nl, &f);
	if (rc != 0)
		first = rc;
	for (unsigned i = 0; i < count; i++) {
		if (contains(f.addrs, f.count, &addrs[i]))
			continue;
		rc = change(nl, RTM_NEWADDR, ifindex, &addrs[i]);
		if (rc != 0 && first == 0)
			first = rc;
	}
	for (unsigned i = 0; i < f.count; i++) {
		if (contains(addrs, count, &f.addrs[i]))
			continue;
		rc = change(nl, RTM_DELADDR, ifindex, &f.addrs[i]);
		if (rc != 0 && first == 0)
			first = rc;
	}
	free(f.addrs);
	mnl_socket_close(nl);
	return first;
}

int addr_del(int ifindex, uint8_t family, const uint8_t *addr)
{
	struct ctl_addr want = {.family = family};
	struct mnl_socket *nl = open_route();
	struct found f = {.ifindex = ifindex};
	int rc;

	if (nl == NULL)
		return -errno;
	memcpy(want.bytes, addr, sizeof(want.bytes));
	rc = list(nl, &f);
	if (rc == 0 && contains(f.addrs, f.count, &want)) // else it is not ours to delete
		rc = change(nl, RTM_DELADDR, ifindex, &want);
	free(f.addrs);
	mnl_socket_close(nl);
	return rc;
}

// ---- the node's own ---------------------------------------------------------------------------

static int on_node_address(const struct nlmsghdr *h, void *arg)
{
	const struct nlattr *attr[IFA_PROTO + 1] = {NULL};
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(h);
	unsigned size = ifa->ifa_family == AF_INET ? 4 : 16;
	struct found *f = arg;

	if ((ifa->ifa_family != AF_INET && ifa->ifa_family != AF_INET6) ||
	    ifa->ifa_prefixlen >= size * 8)
		return MNL_CB_OK;
	mnl_attr_parse(h, sizeof(*ifa), on_attr, attr);
	keep(f, size, attr);
	return MNL_CB_OK;
}

int port_node_addresses(struct ctl_addr **out, unsigned *count)
{
	struct mnl_socket *nl = open_route();
	struct found f = {0};
	int rc;

	if (nl == NULL)
		return -errno;
	rc = dump(nl, on_node_address, &f);
	mnl_socket_close(nl);
	if (rc == 0)
		rc = f.rc;
	if (rc != 0) {
		free(f.addrs);
		return rc;
	}
	*out = f.addrs;
	*count = f.count;
	return 0;
}

struct found_nodes {
	struct addr_node *node;
	unsigned count, room;
	bool ours; // too
	int rc;
};

static int on_any_address(const struct nlmsghdr *h, void *arg)
{
	const struct nlattr *attr[IFA_PROTO + 1] = {NULL};
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(h);
	struct found_nodes *f = arg;
	struct found one = {0};
	struct addr_node *more;
	unsigned size;

	if ((ifa->ifa_family != AF_INET && ifa->ifa_family != AF_INET6) ||
	    (read_address(h, attr, &size) && !f->ours))
		return MNL_CB_OK;
	keep(&one, size, attr);
	if (one.count == 1 && f->count == f->room) {
		more = realloc(f->node, (f->room = f->room * 2 + 16) * sizeof(*more));
		if (more == NULL)
			one.rc = -ENOMEM;
		else
			f->node = more;
	}
	if (one.rc == 0 && one.count == 1)
		f->node[f->count++] = (struct addr_node){.addr = one.addrs[0],
							 .prefix = ifa->ifa_prefixlen,
							 .ifindex = (int)ifa->ifa_index};
	free(one.addrs);
	f->rc = one.rc;
	return one.rc == 0 ? MNL_CB_OK : MNL_CB_STOP;
}

static int all(struct addr_node **out, unsigned *count, bool ours)
{
	struct mnl_socket *nl = open_route();
	struct found_nodes f = {.ours = ours};
	int rc;

	if (nl == NULL)
		return -errno;
	rc = dump(nl, on_any_address, &f);
	mnl_socket_close(nl);
	if (rc == 0)
		rc = f.rc;
	if (rc != 0) {
		free(f.node);
		return rc;
	}
	*out = f.node;
	*count = f.count;
	return 0;
}

int addr_nodes(struct addr_node **out, unsigned *count)
{
	return all(out, count, false);
}

int addr_all(struct addr_node **out, unsigned *count)
{
	return all(out, count, true);
}

struct port_span {
	unsigned min, max; // none where min is over max
};

static bool is_in(const struct port_span *s, unsigned port)
{
	return port >= s->min && port <= s->max;
}

static struct port_span given_out(void)
{
	FILE *f = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
	struct port_span s = {1, 0};

	if (f != NULL && fscanf(f, "%u %u", &s.min, &s.max) != 2)
		s = (struct port_span){1, 0};
	if (f != NULL)
		fclose(f);
	return s;
}

// A file of /proc/net: one socket a line, address as 32-bit words of the machine, port, state. Returns: the first port
// (host order) of a socket that is of `ports` and not of `but`; 0: none.
static unsigned listens_in(const char *path, unsigned state, const struct ctl_addr *addr,
			   const struct port_span *ports, const struct port_span *but)
{
	FILE *f = fopen(path, "re");
	unsigned found = 0;
	char line[512];

	while (f != NULL && found == 0 && fgets(line, sizeof(line), f) != NULL) {
		uint32_t w[4] = {0};
		unsigned at, st;
		char hex[40];

		if (sscanf(line, " %*u: %32[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x", hex, &at, &st) !=
			    3 ||
		    st != state || !is_in(ports, at) || is_in(but, at))
			continue;
		if (sscanf(hex, "%8x%8x%8x%8x", &w[0], &w[1], &w[2], &w[3]) < 1)
			continue;
		// Any address; of the same family only where it is a certain one.
		if ((w[0] | w[1] | w[2] | w[3]) == 0 ||
		    (strlen(hex) == (addr->family == 4 ? 8 : 32) &&
		     memcmp(w, addr->bytes, addr->family == 4 ? 4 : 16) == 0))
			found = at;
	}
	if (f != NULL)
		fclose(f);
	return found;
}

uint16_t port_node_listens(const struct ctl_addr *addr, uint8_t proto, uint16_t min, uint16_t max)
{
	bool tcp = proto == IPPROTO_TCP;
	unsigned state = tcp ? 10 : 7; // LISTEN; UDP: not connected
	struct port_span ports = {ntohs(min), ntohs(max)}, but = {1, 0};
	unsigned port;

	// A UDP socket on one of the ports that the kernel gives out is most likely a question under way.
	if (!tcp && min != max)
		but = given_out();
	port = listens_in(tcp ? "/proc/net/tcp6" : "/proc/net/udp6", state, addr, &ports, &but);
	if (port == 0 && addr->family == 4)
		port = listens_in(tcp ? "/proc/net/tcp" : "/proc/net/udp", state, addr, &ports,
				  &but);
	return htons((uint16_t)port);
}
