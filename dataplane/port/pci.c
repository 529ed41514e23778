// SPDX-License-Identifier: BSD-3-Clause
//
// A network device taken over from the kernel by its PCI address, through vfio-pci. DPDK says no more than
// that it did not work, so what an operator can put right is looked at first, in sysfs.

#include "dataplane/port/port_priv.h"

#include "dataplane/core/worker.h"

#include <rte_dev.h>
#include <rte_ethdev.h>

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEVICES "/sys/bus/pci/devices/"

bool pci_is_address(const char *text)
{
	static const char form[] = "xxxx:xx:xx.7";

	for (size_t i = 0; i < sizeof(form) - 1; i++) {
		unsigned char c = (unsigned char)text[i];
		bool good = form[i] == 'x'   ? isxdigit(c) && !isupper(c)
			    : form[i] == '7' ? c >= '0' && c <= '7'
					     : c == (unsigned char)form[i];

		if (!good)
			return false;
	}
	return text[sizeof(form) - 1] == '\0';
}

// Last part of what a link below the device points to; "" if there is none.
static void link_name(const char *address, const char *link, char *out, size_t size)
{
	char path[80], target[256];
	const char *slash;
	ssize_t n;

	snprintf(path, sizeof(path), DEVICES "%s/%s", address, link);
	n = readlink(path, target, sizeof(target) - 1);
	target[n < 0 ? 0 : n] = '\0';
	slash = strrchr(target, '/');
	snprintf(out, size, "%.*s", (int)size - 1, slash != NULL ? slash + 1 : target);
}

static void first_line(const char *address, const char *file, char *out, size_t size)
{
	char path[80];
	FILE *f;

	snprintf(path, sizeof(path), DEVICES "%s/%s", address, file);
	out[0] = '\0';
	f = fopen(path, "re");
	if (f == NULL)
		return;
	if (fgets(out, (int)size, f) != NULL)
		out[strcspn(out, "\n")] = '\0';
	fclose(f);
}

static int check_iommu(const char *address, const char *field, struct port_error *err)
{
	char group[32], name[32], path[48];

	link_name(address, "iommu_group", group, sizeof(group));
	first_line(address, "iommu_group/name", name, sizeof(name));
	if (group[0] == '\0' || strcmp(name, "vfio-noiommu") == 0)
		return port_fail(
			err, -ENODEV, CTL_TAG_OPERATION_FAILED, field,
			"PCI device '%s' is behind no IOMMU, and without one it could write "
			"to all memory: switch the IOMMU on in the firmware and on the "
			"kernel's command line",
			address);
	snprintf(path, sizeof(path), "/dev/vfio/%s", group);
	if (access(path, R_OK | W_OK) != 0)
		return port_fail(
			err, -EBUSY, CTL_TAG_OPERATION_FAILED, field,
			"PCI device '%s': '%s' cannot be opened: %s; it has to belong to the "
			"user of this process",
			address, path, strerror(errno));
	return 0;
}

int pci_address_check(const char *address, const char *field, struct port_error *err)
{
	char path[64], driver[64], class[16];

	if (!pci_is_address(address))
		return port_fail(err, -EINVAL, CTL_TAG_INVALID_VALUE, field,
				 "'%s' is no PCI address such as 0000:03:00.0", address);
	snprintf(path, sizeof(path), DEVICES "%s", address);
	if (access(path, F_OK) != 0)
		return port_fail(err, -ENODEV, CTL_TAG_INVALID_VALUE, field,
				 "no PCI device '%s' on this machine", address);
	first_line(address, "class", class, sizeof(class));
	if (strncmp(class, "0x02", 4) != 0)
		return port_fail(err, -EINVAL, CTL_TAG_INVALID_VALUE, field,
				 "PCI device '%s' is no network device (class %s)", address, class);
	link_name(address, "driver", driver, sizeof(driver));
	if (strcmp(driver, "vfio-pci") != 0)
		return port_fail(err, -EBUSY, CTL_TAG_IN_USE, field,
				 "PCI device '%s' is bound to %s%s, not to vfio-pci: 'driverctl "
				 "set-override %s vfio-pci' takes it from the kernel",
				 address, driver[0] != '\0' ? "the kernel driver " : "no driver",
				 driver, address);
	return check_iommu(address, field, err);
}

int pci_check(struct port_slot *s, struct port_error *err)
{
	const struct ctl_port *c = &s->conf;

	if (c->mtu > 9600)
		return port_fail(err, -EINVAL, CTL_TAG_INVALID_VALUE, "mtu", "9600 is the most");
	if (c->queues > PORT_QUEUE_MAX)
		return port_fail(err, -EINVAL, CTL_TAG_INVALID_VALUE, "queues", "%u are the most",
				 PORT_QUEUE_MAX);
	s->p.view = PORT_VIEW_SHADOW;
	return pci_address_check(c->member[0], "pci-address", err);
}

// What the device has, where the configuration does not say.
static int settle(struct port_slot *s, uint16_t id, struct port_error *err)
{
	const struct ctl_port *c = &s->conf;
	struct rte_eth_dev_info info;
	unsigned most;
	int rc = rte_eth_dev_info_get(id, &info);

	if (rc == 0 && c->mtu == 0)
		rc = rte_eth_dev_get_mtu(id, &s->p.mtu);
	else
		s->p.mtu = c->mtu;
	memcpy(&s->p.mac, c->mac, sizeof(s->p.mac));
	if (rc == 0 && rte_is_zero_ether_addr(&s->p.mac))
		rc = rte_eth_macaddr_get(id, &s->p.mac);
	if (rc != 0)
		return port_fail(err, -EIO, CTL_TAG_OPERATION_FAILED, "pci-address",
				 "'%s' does not say what it is: %s", c->member[0], strerror(-rc));
	if (s->p.mtu < info.min_mtu || s->p.mtu > info.max_mtu)
		return port_fail(err, -EINVAL, CTL_TAG_INVALID_VALUE, "mtu",
				 "%u: '%s' carries %u to %u", s->p.mtu, c->member[0], info.min_mtu,
				 info.max_mtu);
	most = RTE_MIN(RTE_MIN(info.max_rx_queues, info.max_tx_queues), PORT_QUEUE_MAX);
	if (c->queues > most)
		return port_fail(err, -EINVAL, CTL_TAG_INVALID_VALUE, "queues",
				 "'%s' has %u queues at most", c->member[0], most);
	s->p.queues = (uint16_t)(c->queues != 0 ? c->queues : RTE_MIN(most, worker_count()));
	s->p.tx_shared = s->p.queues < worker_count();
	return 0;
}

int pci_bring_up(struct port_slot *s, struct port_error *err)
{
	const char *address = s->conf.member[0];
	uint16_t id;
	int rc;

	snprintf(s->vdev[0], sizeof(s->vdev[0]), "%s", address);
	rc = rte_eal_hotplug_add("pci", address, "");
	if (rc == 0)
		rc = rte_eth_dev_get_port_by_name(address, &id);
	if (rc != 0)
		return port_fail(err, -EIO, CTL_TAG_OPERATION_FAILED, "pci-address",
				 "'%s' cannot be taken over: %s; the log has what VFIO and the "
				 "driver said",
				 address, strerror(rc < 0 ? -rc : rc));
	rc = settle(s, id, err);
	if (rc == 0)
		rc = port_pool_make(s, s->p.queues * PORT_QUEUE_MBUFS - 1u, err);
	if (rc != 0)
		return rc;
	if (!rte_is_zero_ether_addr((const struct rte_ether_addr *)s->conf.mac) &&
	    rte_eth_dev_default_mac_addr_set(id, &s->p.mac) != 0)
		return port_fail(err, -EINVAL, CTL_TAG_INVALID_VALUE, "mac",
				 "'%s' does not let its address be set", address);
	struct port_device d = {.name = address, .queues = s->p.queues, .bus = "pci"};
	rc = vdev_start(s, &d, err);
	// Which groups the kernel has joined on the TAP is not followed.
	if (rc == 0 && rte_eth_allmulticast_enable(id) != 0 && rte_eth_promiscuous_enable(id) != 0)
		PORT_LOG(WARNING, "%s: '%s' takes no multicast\n", s->p.name, address);
	return rc;
}
