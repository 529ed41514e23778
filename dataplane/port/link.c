// SPDX-License-Identifier: BSD-3-Clause
//
// What we ask of a kernel interface, by ioctl: it answers for the namespace of the process, while /sys
// shows the namespace it was mounted in.

#include "dataplane/port/port_priv.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if_arp.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static int ask(unsigned long request, const char *device, struct ifreq *ifr)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int rc;

	if (fd < 0)
		return -errno;
	snprintf(ifr->ifr_name, sizeof(ifr->ifr_name), "%s", device);
	rc = ioctl(fd, request, ifr) == 0 ? 0 : -errno;
	close(fd);
	return rc;
}

int port_link_get(const char *device, struct port_link *out)
{
	struct ethtool_channels ch = {.cmd = ETHTOOL_GCHANNELS};
	struct ifreq ifr;
	int rc;

	*out = (struct port_link){0};
	memset(&ifr, 0, sizeof(ifr));
	rc = ask(SIOCGIFINDEX, device, &ifr);
	if (rc != 0)
		return rc;
	out->ifindex = ifr.ifr_ifindex;
	rc = ask(SIOCGIFFLAGS, device, &ifr);
	if (rc != 0)
		return rc;
	out->flags = (unsigned short)ifr.ifr_flags;
	rc = ask(SIOCGIFMTU, device, &ifr);
	if (rc != 0)
		return rc;
	out->mtu = (unsigned)ifr.ifr_mtu;
	rc = ask(SIOCGIFHWADDR, device, &ifr);
	if (rc != 0)
		return rc;
	memcpy(out->mac.addr_bytes, ifr.ifr_hwaddr.sa_data, RTE_ETHER_ADDR_LEN);

	memset(&ifr, 0, sizeof(ifr));
	ifr.ifr_data = (void *)&ch;
	out->rx_queues = 1;
	if (ask(SIOCETHTOOL, device, &ifr) == 0 && ch.rx_count + ch.combined_count > 0)
		out->rx_queues = ch.rx_count + ch.combined_count;
	return 0;
}

int port_link_set_mtu(const char *device, unsigned mtu)
{
	struct ifreq ifr;

	memset(&ifr, 0, sizeof(ifr));
	ifr.ifr_mtu = (int)mtu;
	return ask(SIOCSIFMTU, device, &ifr);
}

int port_link_set_mac(const char *device, const struct rte_ether_addr *mac)
{
	struct ifreq ifr;

	memset(&ifr, 0, sizeof(ifr));
	ifr.ifr_hwaddr.sa_family = ARPHRD_ETHER;
	memcpy(ifr.ifr_hwaddr.sa_data, mac, sizeof(*mac));
	return ask(SIOCSIFHWADDR, device, &ifr);
}

int port_link_set_allmulti(const char *device, bool on)
{
	struct ifreq ifr;
	int rc;

	memset(&ifr, 0, sizeof(ifr));
	rc = ask(SIOCGIFFLAGS, device, &ifr);
	if (rc != 0 || ((ifr.ifr_flags & IFF_ALLMULTI) != 0) == on)
		return rc;
	ifr.ifr_flags = (short)(on ? ifr.ifr_flags | IFF_ALLMULTI : ifr.ifr_flags & ~IFF_ALLMULTI);
	return ask(SIOCSIFFLAGS, device, &ifr);
}

// /proc/sys/net, unlike /sys, shows the namespace of who looks.
int port_link_set_ipv6(const char *device, bool on)
{
	char path[80];
	FILE *f;
	int rc;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", device);
	f = fopen(path, "we");
	if (f == NULL)
		return errno == ENOENT ? 0 : -errno; // a kernel without IPv6
	rc = fputs(on ? "0" : "1", f) < 0 ? -EIO : 0;
	return fclose(f) == 0 ? rc : -errno;
}

int port_link_set_up(const char *device)
{
	struct ifreq ifr;
	int rc;

	memset(&ifr, 0, sizeof(ifr));
	rc = ask(SIOCGIFFLAGS, device, &ifr);
	if (rc != 0 || (ifr.ifr_flags & IFF_UP) != 0)
		return rc;
	ifr.ifr_flags |= IFF_UP;
	return ask(SIOCSIFFLAGS, device, &ifr);
}
