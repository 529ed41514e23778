// SPDX-License-Identifier: BSD-3-Clause
//
// mirror_probe - the mirror of dataplane/out alone, on the interfaces named as arguments (each stands
// for an AF_XDP port; NAME/PARENT/VID is a TAP view of PARENT). Commands on standard input, one line of
// JSON each as answer:
//
//	route ADDR     what out_route() says, and the next hop
//	want ADDR      as a worker that holds a packet for ADDR
//	use INDEX...   as workers that have sent to these next hops since the last second
//	kernel ADDR    is it one of the kernel's own?
//	stats

#include "dataplane/core/loop.h"
#include "dataplane/out/mirror.h"
#include "dataplane/out/out.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

struct port *__wrap_port_get(uint16_t index);
struct port *__wrap_port_by_ifindex(int ifindex);

static struct port ports[8];
static unsigned port_count;
static const char *const states[] = {"none", "resolved", "pending", "failed"};
static const char *const kinds[] = {"none", "host", "glean", "peer", "group"};

struct port *__wrap_port_get(uint16_t index)
{
	return index < port_count ? &ports[index] : NULL;
}

struct port *__wrap_port_by_ifindex(int ifindex)
{
	for (unsigned i = 0; i < port_count; i++)
		if (ports[i].ifindex == ifindex)
			return &ports[i];
	return NULL;
}

static void add_port(char *arg)
{
	struct port *p = &ports[port_count];
	char *parent = strchr(arg, '/'), *vid = NULL;

	if (parent != NULL) {
		*parent++ = '\0';
		vid = strchr(parent, '/');
	}
	p->index = (uint16_t)port_count++;
	p->parent = p->shadow = PORT_NONE;
	p->kind = CTL_PORT_AF_XDP;
	p->view = PORT_VIEW_XDP;
	p->mtu = 1500;
	p->id = 100u + p->index;
	p->ifindex = (int)if_nametoindex(arg);
	snprintf(p->name, sizeof(p->name), "%s", arg);
	for (uint16_t i = 0; vid != NULL && i < p->index; i++) {
		if (strncmp(ports[i].name, parent, (size_t)(vid - parent)) != 0)
			continue;
		p->kind = CTL_PORT_TAP;
		p->view = PORT_VIEW_NONE;
		p->parent = i;
		p->parent_vlan = (uint16_t)strtoul(vid + 1, NULL, 10);
	}
}

static uint8_t parse(const char *text, uint8_t addr[16])
{
	memset(addr, 0, 16);
	if (inet_pton(AF_INET, text, addr) == 1)
		return 4;
	return inet_pton(AF_INET6, text, addr) == 1 ? 6 : 0;
}

static void say_route(uint8_t family, const uint8_t addr[16])
{
	const struct out_view *v = out_view_get();
	uint16_t i = out_route(v, 0, family, addr);
	const struct nexthop *nh = out_nexthop(v, i);
	char mac[RTE_ETHER_ADDR_FMT_SIZE], text[INET6_ADDRSTRLEN] = "";

	if (nh == NULL) {
		printf("{\"index\":0,\"generation\":%u}\n", out_view_generation(v));
		return;
	}
	rte_ether_format_addr(mac, sizeof(mac), &nh->dmac);
	for (char *c = mac; *c != 0; c++)
		*c = (char)tolower(*c);
	if (nh->family != 0)
		inet_ntop(nh->family == 4 ? AF_INET : AF_INET6, nh->addr, text, sizeof(text));
	printf("{\"index\":%u,\"generation\":%u,\"kind\":\"%s\",\"state\":\"%s\",\"port\":\"%s\","
	       "\"vlan\":%u,\"mtu\":%u,\"mac\":\"%s\",\"address\":\"%s\"}\n",
	       i, out_view_generation(v), kinds[nh->kind], states[nh->state], ports[nh->port].name,
	       nh->vlan, nh->mtu, mac, text);
}

static void say_stats(void)
{
	struct mirror_stats s;

	mirror_stats(&s);
	printf("{\"events\":%" PRIu64 ",\"resyncs\":%" PRIu64 ",\"overruns\":%" PRIu64
	       ",\"views\":%" PRIu64 ",\"asked\":%" PRIu64 ",\"routes\":%u,\"nexthops\":%u,"
	       "\"table-bytes\":%" PRIu64 "}\n",
	       s.events, s.resyncs, s.overruns, s.views, s.asked, s.routes, s.nexthops,
	       s.table_bytes);
}

static void command(char *line)
{
	static uint8_t used[UINT16_MAX + 1];
	char *save = NULL, *word = strtok_r(line, " \n", &save), *arg;
	uint8_t addr[16], family;

	arg = strtok_r(NULL, " \n", &save);
	family = arg != NULL ? parse(arg, addr) : 0;
	if (word == NULL) {
		printf("{}\n");
	} else if (strcmp(word, "route") == 0 && family != 0) {
		say_route(family, addr);
	} else if (strcmp(word, "want") == 0 && family != 0) {
		mirror_want(out_route(out_view_get(), 0, family, addr), family, addr);
		printf("{}\n");
	} else if (strcmp(word, "use") == 0) {
		memset(used, 0, sizeof(used));
		for (; arg != NULL; arg = strtok_r(NULL, " \n", &save))
			used[strtoul(arg, NULL, 10) & UINT16_MAX] = 1;
		mirror_confirm(used, UINT16_MAX);
		printf("{}\n");
	} else if (strcmp(word, "kernel") == 0 && family != 0) {
		printf("{\"kernel\":%s}\n",
		       out_kernel_address(out_view_get(), family, addr) ? "true" : "false");
	} else if (strcmp(word, "stats") == 0) {
		say_stats();
	} else {
		printf("{\"error\":\"unknown command\"}\n");
	}
	fflush(stdout);
}

static void on_input(struct loop *l, int fd, uint32_t events, void *arg)
{
	static char line[1024];
	static size_t n;
	char c;

	while (read(fd, &c, 1) == 1) { // lines are short and few
		if (c != '\n') {
			if (n + 1 < sizeof(line))
				line[n++] = c;
			continue;
		}
		line[n] = '\0';
		n = 0;
		command(line);
		return;
	}
	loop_stop(l);
}

int main(int argc, char **argv)
{
	struct loop *l;
	int rc = loop_create(&l);

	for (int i = 1; i < argc && port_count < 8; i++)
		add_port(argv[i]);
	if (rc == 0)
		rc = mirror_create();
	if (rc == 0)
		rc = mirror_start(l);
	if (rc == 0)
		rc = loop_add_fd(l, STDIN_FILENO, EPOLLIN, on_input, NULL);
	printf("{\"rc\":%d}\n", rc);
	fflush(stdout);
	if (rc == 0)
		loop_run(l);
	mirror_destroy();
	loop_destroy(l);
	return rc == 0 ? 0 : 1;
}
