// SPDX-License-Identifier: BSD-3-Clause
//
// doctor_device - a kernel interface as an AF_XDP port meets it: driver, queues, offloads, and on veth
// the other end, whose unfinished checksums would reach the wire.

#include <dirent.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/cli/doctor.h"

static int ethtool(const char *device, void *data)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), rc;
	struct ifreq ifr = {.ifr_data = data};

	if (fd < 0)
		return -errno;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%.15s", device);
	rc = ioctl(fd, SIOCETHTOOL, &ifr) == 0 ? 0 : -errno;
	close(fd);
	return rc;
}

// An on-off setting: 1, 0, or -errno.
static int setting(const char *device, uint32_t cmd)
{
	struct ethtool_value v = {.cmd = cmd};
	int rc = ethtool(device, &v);

	return rc != 0 ? rc : v.data != 0;
}

static unsigned rx_queues(const char *device)
{
	char path[128];
	unsigned n = 0;
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/class/net/%s/queues", device);
	dir = opendir(path);
	while (dir != NULL && (e = readdir(dir)) != NULL)
		n += strncmp(e->d_name, "rx-", 3) == 0;
	if (dir != NULL)
		closedir(dir);
	return n;
}

// ---- rtnetlink: peer, its namespace, XDP program ------------------------------------------------

struct link {
	unsigned index;
	char name[IFNAMSIZ];
	int peer;        // IFLA_LINK, 0: none
	bool elsewhere;  // the peer is in another network namespace
	uint32_t xdp_id; // 0: no program
};

static void parse_xdp(struct rtattr *nest, struct link *l)
{
	struct rtattr *a = RTA_DATA(nest);
	int len = RTA_PAYLOAD(nest);

	for (; RTA_OK(a, len); a = RTA_NEXT(a, len))
		if ((a->rta_type & NLA_TYPE_MASK) == IFLA_XDP_PROG_ID)
			memcpy(&l->xdp_id, RTA_DATA(a), sizeof(l->xdp_id));
}

static void parse_link(struct nlmsghdr *h, struct link *l)
{
	struct ifinfomsg *i = NLMSG_DATA(h);
	struct rtattr *a = IFLA_RTA(i);
	int len = IFLA_PAYLOAD(h);

	memset(l, 0, sizeof(*l));
	l->index = (unsigned)i->ifi_index;
	for (; RTA_OK(a, len); a = RTA_NEXT(a, len)) {
		switch (a->rta_type & NLA_TYPE_MASK) {
		case IFLA_IFNAME:
			snprintf(l->name, sizeof(l->name), "%s", (const char *)RTA_DATA(a));
			break;
		case IFLA_LINK:
			memcpy(&l->peer, RTA_DATA(a), sizeof(l->peer));
			break;
		case IFLA_LINK_NETNSID:
			l->elsewhere = true;
			break;
		case IFLA_XDP:
			parse_xdp(a, l);
			break;
		}
	}
}

// Call fn for every interface of this namespace.
static int each_link(void (*fn)(void *arg, const struct link *l), void *arg)
{
	struct {
		struct nlmsghdr h;
		struct ifinfomsg i;
	} ask = {
		.h = {.nlmsg_len = sizeof(ask),
		      .nlmsg_type = RTM_GETLINK,
		      .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
		.i = {.ifi_family = AF_UNSPEC},
	};
	static char buf[65536] __attribute__((aligned(NLMSG_ALIGNTO)));
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	bool done = false;

	if (fd < 0)
		return -errno;
	if (send(fd, &ask, sizeof(ask), 0) < 0)
		done = true;
	while (!done) {
		ssize_t got = recv(fd, buf, sizeof(buf), 0);
		int n = (int)got;

		if (got <= 0)
			break;
		for (struct nlmsghdr *h = (struct nlmsghdr *)buf; NLMSG_OK(h, (unsigned)n);
		     h = NLMSG_NEXT(h, n)) {
			struct link l;

			if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR) {
				done = true;
				break;
			}
			parse_link(h, &l);
			fn(arg, &l);
		}
	}
	close(fd);
	return 0;
}

struct wanted {
	const char *name;
	struct link link;
	bool found;
};

static void pick(void *arg, const struct link *l)
{
	struct wanted *w = arg;

	if (strcmp(l->name, w->name) == 0) {
		w->link = *l;
		w->found = true;
	}
}

// ---- findings --------------------------------------------------------------------------------

static void veth(struct doctor *d, const char *device, const struct link *l, const char *subject)
{
	char peer[IFNAMSIZ] = "", remedy[160];
	int tx;

	if (l->elsewhere || l->peer == 0 || if_indextoname((unsigned)l->peer, peer) == NULL) {
		snprintf(
			remedy, sizeof(remedy),
			"in the namespace of the other end: ethtool -K DEV tx off (and tso, gso, gro)");
		doctor_say(
			d, DOCTOR_NOTE, subject, remedy,
			"veth: its other end is in another namespace and cannot be looked at; with tx "
			"offload on there, TCP and UDP arrive with unfinished checksums and are lost");
		return;
	}
	tx = setting(peer, ETHTOOL_GTXCSUM);
	snprintf(remedy, sizeof(remedy), "ethtool -K %s tx off tso off gso off gro off", peer);
	if (tx == 1)
		doctor_say(d, DOCTOR_BAD, subject, remedy,
			   "veth: its other end %s has tx offload on: TCP and UDP arrive with "
			   "unfinished checksums and are lost",
			   peer);
	else
		doctor_say(d, DOCTOR_OK, subject, "",
			   "veth: the other end %s finishes its checksums", peer);
	(void)device;
}

static void offloads(struct doctor *d, const char *device, bool is_veth, const char *subject)
{
	static const struct {
		const char *name, *key;
		uint32_t cmd;
	} look[] = {
		{"tx checksums", "tx", ETHTOOL_GTXCSUM},
		{"tso", "tso", ETHTOOL_GTSO},
		{"gso", "gso", ETHTOOL_GGSO},
		{"gro", "gro", ETHTOOL_GGRO},
	};
	char on[128] = "", keys[64] = "", remedy[160];

	for (size_t i = 0; i < sizeof(look) / sizeof(look[0]); i++) {
		if (setting(device, look[i].cmd) != 1)
			continue;
		snprintf(on + strlen(on), sizeof(on) - strlen(on), "%s%s",
			 on[0] != '\0' ? ", " : "", look[i].name);
		snprintf(keys + strlen(keys), sizeof(keys) - strlen(keys), " %s off", look[i].key);
	}
	snprintf(remedy, sizeof(remedy), "ethtool -K %s%s", device, keys);
	if (on[0] == '\0')
		doctor_say(d, DOCTOR_OK, subject, "", "checksum and segmentation offloads are off");
	else if (is_veth)
		doctor_say(d, DOCTOR_WARN, subject, remedy,
			   "on: %s; what the kernel sends here leaves with unfinished checksums",
			   on);
	else
		doctor_say(d, DOCTOR_NOTE, subject, "", "offloads on, done by the card: %s", on);
}

void doctor_device(struct doctor *d, const char *device, const char *why)
{
	struct ethtool_drvinfo drv = {.cmd = ETHTOOL_GDRVINFO};
	struct wanted w = {.name = device};
	char subject[64], path[128], state[32] = "";
	unsigned queues;
	bool is_veth;

	snprintf(subject, sizeof(subject), "device %.40s", device);
	each_link(pick, &w);
	if (!w.found) {
		doctor_say(d, DOCTOR_BAD, subject,
			   "plug it in, rename it, or look in the network namespace of the app",
			   "%s, but there is no such interface here", why);
		return;
	}
	is_veth = ethtool(device, &drv) == 0 && strcmp(drv.driver, "veth") == 0;
	snprintf(path, sizeof(path), "/sys/class/net/%.40s/operstate", device);
	doctor_read(path, state, sizeof(state));
	queues = rx_queues(device);
	doctor_say(d, DOCTOR_OK, subject, "", "driver %s, link %s, %u receive queue%s%s",
		   drv.driver[0] != '\0' ? drv.driver : "unknown",
		   state[0] != '\0' ? state : "unknown", queues, queues == 1 ? "" : "s",
		   w.link.xdp_id != 0 ? ", an XDP program is attached" : "");
	if (strcmp(state, "down") == 0)
		doctor_say(d, DOCTOR_WARN, subject, "ip link set it up, and look at the cable",
			   "the link is down");
	offloads(d, device, is_veth, subject);
	if (is_veth)
		veth(d, device, &w.link, subject);
}

struct xdp_list {
	struct doctor *d;
	const char *const *seen;
	size_t count;
	char name[64][IFNAMSIZ];
	size_t names;
};

static void collect_xdp(void *arg, const struct link *l)
{
	struct xdp_list *x = arg;

	if (l->xdp_id == 0 || x->names == 64)
		return;
	for (size_t i = 0; i < x->count; i++)
		if (strcmp(x->seen[i], l->name) == 0)
			return;
	snprintf(x->name[x->names++], IFNAMSIZ, "%s", l->name);
}

void doctor_xdp_devices(struct doctor *d, const char *const *seen, size_t count)
{
	struct xdp_list x = {.d = d, .seen = seen, .count = count};

	each_link(collect_xdp, &x);
	for (size_t i = 0; i < x.names; i++)
		doctor_device(d, x.name[i], "it has an XDP program");
}
