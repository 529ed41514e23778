// SPDX-License-Identifier: BSD-3-Clause
//
// port_probe - a small app for the lab's tests of ports: opens ports by the real API as told on its
// standard input, echoes UDP and ping, bridges VLANs to their TAPs, counts the rest.
//
//	port_probe INSTANCE RUN_DIR WORKERS [no-huge]
//
// One command a line, one JSON object as answer:
//	open NAME KIND DEVICE [key=value ...]    keys: queues mtu peer path path2 server infinite id to vlan=VID:TAP
//	close NAME
//	bridge FROM TO    (what FROM receives is sent on TO instead of echoed)
//	steer ENTRY ...    (the whole set) of
//		ADDR[+LEN]/PROTO/PORT[-MAX]  a service; nat=ADDR/PROTO/PORT[-MAX]  a NAT server; PORT any: all
//		local=ADDR/MIN/MAX
//	counters NAME
//	drop UID
//	caps          (of the control thread)
//	idle MS       (CPU time of worker 0 over MS milliseconds)
//	detach
//	leave         (planned end: nothing is closed)
//	quit

#include "dataplane/core/clock.h"
#include "dataplane/core/loop.h"
#include "dataplane/core/privs.h"
#include "dataplane/core/publish.h"
#include "dataplane/core/worker.h"
#include "dataplane/port/port.h"

#include <rte_ethdev.h>
#include <rte_icmp.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_udp.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

struct queue_source {
	uint16_t port;
	uint16_t queue;
};

// Written by the worker of the queue; one worker in all tests that read it.
static struct {
	uint64_t rx, echoed, tcp, other, lost;
	uint64_t queue_rx[PORT_QUEUE_MAX];
} seen[PORT_MAX];

static _Atomic uint16_t bridge_to[PORT_MAX]; // index + 1, 0: echo

static struct queue_source sources[PORT_MAX][PORT_QUEUE_MAX];

static bool echo(struct rte_mbuf *m, struct rte_ether_hdr *eth)
{
	struct rte_ipv4_hdr *ip = (void *)(eth + 1);
	struct rte_ether_addr mac = eth->src_addr;
	struct rte_icmp_hdr *icmp = (void *)(ip + 1);
	struct rte_udp_hdr *udp = (void *)(ip + 1);
	uint32_t addr = ip->src_addr, sum;
	uint16_t port;

	if (eth->ether_type != htons(RTE_ETHER_TYPE_IPV4) || rte_pktmbuf_data_len(m) < 42)
		return false;
	if (ip->next_proto_id == IPPROTO_UDP) {
		port = udp->src_port;
		udp->src_port = udp->dst_port;
		udp->dst_port = port;
	} else if (ip->next_proto_id == IPPROTO_ICMP &&
		   icmp->icmp_type == RTE_IP_ICMP_ECHO_REQUEST) {
		icmp->icmp_type = RTE_IP_ICMP_ECHO_REPLY;
		sum = icmp->icmp_cksum + htons(0x0800);
		icmp->icmp_cksum = (uint16_t)(sum + (sum >> 16));
	} else {
		return false;
	}
	ip->src_addr = ip->dst_addr;
	ip->dst_addr = addr;
	eth->src_addr = eth->dst_addr;
	eth->dst_addr = mac;
	return true;
}

static void send_or_lose(struct worker *w, const struct port *p, struct rte_mbuf *m)
{
	if (p != NULL && port_tx(p, w->index, &m, 1) == 1)
		return;
	if (p != NULL)
		seen[p->index].lost++;
	rte_pktmbuf_free(m);
}

static void one(struct worker *w, struct port *p, struct rte_mbuf *m)
{
	struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
	struct rte_ipv4_hdr *ip = (void *)(eth + 1);
	uint16_t vid, to = atomic_load(&bridge_to[p->index]);

	if (to != 0) {
		seen[p->index].other++;
		send_or_lose(w, port_get((uint16_t)(to - 1)), m);
		return;
	}
	if (p->parent != PORT_NONE) { // from the kernel's view: tag it
		m->vlan_tci = p->parent_vlan;
		if (rte_vlan_insert(&m) != 0) {
			rte_pktmbuf_free(m);
			return;
		}
		send_or_lose(w, port_get(p->parent), m);
		return;
	}
	if (eth->ether_type == htons(RTE_ETHER_TYPE_VLAN)) {
		rte_vlan_strip(m);
		vid = m->vlan_tci & 0xfff;
		for (unsigned i = 0; i < p->vlan_count; i++) {
			if (p->vlan[i].vid == vid) {
				seen[p->index].other++;
				send_or_lose(w, port_get(p->vlan[i].shadow), m);
				return;
			}
		}
		rte_pktmbuf_free(m);
		return;
	}
	if (echo(m, eth)) {
		seen[p->index].echoed++;
		send_or_lose(w, p, m);
		return;
	}
	if (eth->ether_type == htons(RTE_ETHER_TYPE_IPV4) && ip->next_proto_id == IPPROTO_TCP)
		seen[p->index].tcp++;
	else
		seen[p->index].other++;
	rte_pktmbuf_free(m);
}

static unsigned poll_queue(struct worker *w, void *arg)
{
	const struct queue_source *qs = arg;
	struct port *p = port_get(qs->port);
	struct rte_mbuf *m[PORT_BURST];
	uint16_t n;

	if (p == NULL)
		return 0;
	n = port_rx(p, qs->queue, m, PORT_BURST);
	seen[p->index].rx += n;
	seen[p->index].queue_rx[qs->queue] += n;
	for (uint16_t i = 0; i < n; i++)
		one(w, p, m[i]);
	return n;
}

static void rebuild(struct port *closing)
{
	static struct worker_sources set[WORKER_MAX];

	memset(set, 0, sizeof(set));
	for (uint16_t i = 0; i < PORT_MAX; i++) {
		struct port *p = port_get(i);

		if (p == NULL || p == closing || (closing != NULL && p->parent == closing->index) ||
		    !atomic_load(&p->live))
			continue;
		for (uint16_t q = 0; q < p->queues; q++) {
			struct worker_sources *s = &set[q % worker_count()];

			sources[i][q] = (struct queue_source){i, q};
			s->source[s->count++] = (struct worker_source){poll_queue, &sources[i][q],
								       port_queue_fd(p, q)};
		}
	}
	for (unsigned w = 0; w < worker_count(); w++)
		worker_set_sources(w, &set[w]);
}

static void on_changed(struct port *p, void *arg)
{
	rebuild(NULL);
	printf("{\"event\":\"%s\",\"live\":%d,\"up\":%d}\n", p->name, atomic_load(&p->live),
	       atomic_load(&p->up));
	fflush(stdout);
}

// ---- commands ------------------------------------------------------------------------------------

static struct port *find(const char *name)
{
	for (uint16_t i = 0; name != NULL && i < PORT_MAX; i++) {
		struct port *p = port_get(i);

		if (p != NULL && strcmp(p->name, name) == 0)
			return p;
	}
	return NULL;
}

static int answer(int rc, const struct port_error *err)
{
	printf("{\"rc\":%d,\"tag\":%u,\"field\":\"%s\",\"message\":\"%s\"}\n", rc, err->tag,
	       err->field, err->message);
	return rc;
}

static void do_open(char *rest)
{
	static const char *const kinds[] = {"", "af-xdp", "tap", "memif", "null", "ring", "pcap"};
	struct ctl_port conf = {.rec = {.type = CTL_REC_PORT, .size = sizeof(conf), .id = 1}};
	struct ctl_vlan vlans[16] = {0};
	struct port_error err = {0};
	unsigned vlan_count = 0;
	char *save, *t = strtok_r(rest, " ", &save);
	struct port *p = NULL, *to = NULL;
	int rc;

	snprintf(conf.name, sizeof(conf.name), "%s", t != NULL ? t : "");
	t = strtok_r(NULL, " ", &save);
	for (uint8_t k = 1; t != NULL && k < RTE_DIM(kinds); k++)
		if (strcmp(t, kinds[k]) == 0)
			conf.kind = k;
	t = strtok_r(NULL, " ", &save);
	snprintf(conf.device, sizeof(conf.device), "%s", t != NULL ? t : "");
	while ((t = strtok_r(NULL, " ", &save)) != NULL) {
		char *v = strchr(t, '=');

		if (v == NULL)
			continue;
		*v++ = '\0';
		if (strcmp(t, "queues") == 0)
			conf.queues = (uint16_t)strtoul(v, NULL, 10);
		else if (strcmp(t, "mtu") == 0)
			conf.mtu = (uint16_t)strtoul(v, NULL, 10);
		else if (strcmp(t, "id") == 0)
			conf.memif_id = (uint16_t)strtoul(v, NULL, 10);
		else if (strcmp(t, "peer") == 0)
			rte_ether_unformat_addr(v, (struct rte_ether_addr *)conf.peer_mac);
		else if (strcmp(t, "path") == 0)
			snprintf(conf.path, sizeof(conf.path), "%s", v);
		else if (strcmp(t, "path2") == 0)
			snprintf(conf.path2, sizeof(conf.path2), "%s", v);
		else if (strcmp(t, "to") == 0)
			to = find(v);
		else if (strcmp(t, "server") == 0)
			conf.flags |= CTL_PORT_F_MEMIF_SERVER;
		else if (strcmp(t, "infinite") == 0)
			conf.flags |= CTL_PORT_F_PCAP_INFINITE;
		else if (strcmp(t, "vlan") == 0 && vlan_count < 16) {
			vlans[vlan_count].vid = (uint16_t)strtoul(v, NULL, 10);
			snprintf(vlans[vlan_count++].tap, 16, "%s", strchr(v, ':') + 1);
		}
	}
	rc = port_open(&conf, vlans, vlan_count, &p, &err);
	if (rc == 0) {
		memset(&seen[p->index], 0, sizeof(seen[0]));
		atomic_store(&bridge_to[p->index], to != NULL ? (uint16_t)(to->index + 1) : 0);
		rebuild(NULL);
	}
	answer(rc, &err);
}

static void do_close(const char *name)
{
	struct port *p = find(name);
	struct port_error err = {0};

	if (p != NULL) {
		rebuild(p);
		publish_drain();
		port_close(p);
	}
	answer(p == NULL ? -ENOENT : 0, &err);
}

static void do_bridge(char *rest)
{
	char *save, *from = strtok_r(rest, " ", &save), *to = strtok_r(NULL, " ", &save);
	struct port *a = find(from), *b = find(to);
	struct port_error err = {0};

	if (a != NULL && b != NULL)
		atomic_store(&bridge_to[a->index], (uint16_t)(b->index + 1));
	answer(a != NULL && b != NULL ? 0 : -ENOENT, &err);
}

static bool read_addr(const char *text, struct ctl_addr *a)
{
	*a = (struct ctl_addr){.family = 4, .len = 32};
	if (inet_pton(AF_INET, text, a->bytes) == 1)
		return true;
	*a = (struct ctl_addr){.family = 6, .len = 128};
	return inet_pton(AF_INET6, text, a->bytes) == 1;
}

// "80", "80-90" or "any".
static void read_ports(const char *text, struct port_steer *s)
{
	char *end;

	s->port_max = UINT16_MAX;
	if (strcmp(text, "any") == 0)
		return;
	s->port_min = s->port_max = (uint16_t)strtoul(text, &end, 10);
	if (*end == '-')
		s->port_max = (uint16_t)strtoul(end + 1, NULL, 10);
}

static void do_steer(char *rest)
{
	static struct port_steer set[4096];
	struct port_error err = {0};
	char *save, *t;
	unsigned n = 0;

	memset(set, 0, sizeof(set));
	for (t = strtok_r(rest, " ", &save); t != NULL && n < 4096;
	     t = strtok_r(NULL, " ", &save)) {
		struct port_steer *s = &set[n];
		char *a, *b, *len;

		if (strncmp(t, "local=", 6) == 0)
			s->kind = PORT_STEER_LOCAL;
		else if (strncmp(t, "nat=", 4) == 0)
			s->kind = PORT_STEER_NAT;
		a = strchr(t, '=');
		t = a != NULL ? a + 1 : t;
		a = strchr(t, '/');
		b = a != NULL ? strchr(a + 1, '/') : NULL;
		if (b == NULL)
			continue;
		*a++ = *b++ = '\0';
		len = strchr(t, '+');
		if (len != NULL)
			*len++ = '\0';
		if (!read_addr(t, &s->addr))
			continue;
		if (len != NULL)
			s->addr.len = (uint8_t)strtoul(len, NULL, 10);
		if (s->kind == PORT_STEER_LOCAL) {
			s->port_min = (uint16_t)strtoul(a, NULL, 10);
			s->port_max = (uint16_t)strtoul(b, NULL, 10);
		} else {
			s->proto = strcmp(a, "tcp") == 0 ? IPPROTO_TCP : IPPROTO_UDP;
			read_ports(b, s);
		}
		n++;
	}
	answer(port_steer_set(set, n, &err), &err);
}

static void do_counters(const char *name)
{
	struct port *p = find(name);
	struct port_counters c;

	if (p == NULL) {
		printf("{\"rc\":%d}\n", -ENOENT);
		return;
	}
	port_counters(p, &c);
	printf("{\"rc\":0,\"seen\":%lu,\"passed\":%lu,\"redirected\":%lu,\"dropped\":%lu,\"rx\":%lu,"
	       "\"tx\":%lu,\"missed\":%lu,\"depth\":%u,\"app_rx\":%lu,\"echoed\":%lu,\"tcp\":%lu,\"other\":%lu,"
	       "\"lost\":%lu,\"queues\":%u,\"mtu\":%u,\"up\":%d,\"live\":%d,\"ifindex\":%d,\"fd\":%d,"
	       "\"queue_rx\":[",
	       c.xdp_seen, c.xdp_passed, c.xdp_redirected, c.xdp_dropped, c.rx_packets,
	       c.tx_packets, c.rx_missed, c.rx_depth, seen[p->index].rx, seen[p->index].echoed,
	       seen[p->index].tcp, seen[p->index].other, seen[p->index].lost, p->queues, p->mtu,
	       atomic_load(&p->up), atomic_load(&p->live), p->ifindex, port_queue_fd(p, 0));
	for (unsigned q = 0; q < p->queues; q++)
		printf("%s%lu", q > 0 ? "," : "", seen[p->index].queue_rx[q]);
	printf("]}\n");
}

static int thread_cpu(struct worker *w, void *arg)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	*(uint64_t *)arg = (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
	return 0;
}

static void do_idle(unsigned ms)
{
	uint64_t before = 0, after = 0, sleeps = worker_get(0)->sleeps,
		 start = clock_monotonic_ns();

	worker_call(0, thread_cpu, &before);
	usleep(ms * 1000);
	worker_call(0, thread_cpu, &after);
	printf("{\"rc\":0,\"percent\":%.2f,\"sleeps\":%lu}\n",
	       100.0 * (double)(after - before) / (double)(clock_monotonic_ns() - start),
	       worker_get(0)->sleeps - sleeps);
}

static void do_caps(void)
{
	cap_t caps = cap_get_proc();
	char *text = cap_to_text(caps, NULL);

	printf("{\"rc\":0,\"uid\":%u,\"caps\":\"%s\"}\n", getuid(), text);
	cap_free(text);
	cap_free(caps);
}

static void do_drop(const char *user)
{
	struct port_error err = {0};
	uid_t uid = 0;
	gid_t gid = 0;
	int rc = privs_user(user, &uid, &gid);

	answer(rc != 0 ? rc : privs_drop(uid, gid), &err);
}

static void command(struct loop *l, const char *instance, char *line)
{
	char *rest = strchr(line, ' ');
	struct port_error err = {0};

	if (rest != NULL)
		*rest++ = '\0';
	else
		rest = line + strlen(line);
	if (strcmp(line, "open") == 0)
		do_open(rest);
	else if (strcmp(line, "close") == 0)
		do_close(rest);
	else if (strcmp(line, "bridge") == 0)
		do_bridge(rest);
	else if (strcmp(line, "steer") == 0)
		do_steer(rest);
	else if (strcmp(line, "counters") == 0)
		do_counters(rest);
	else if (strcmp(line, "idle") == 0)
		do_idle((unsigned)strtoul(rest, NULL, 10));
	else if (strcmp(line, "caps") == 0)
		do_caps();
	else if (strcmp(line, "drop") == 0)
		do_drop(rest);
	else if (strcmp(line, "detach") == 0)
		answer(port_detach_left(instance), &err);
	else if (strcmp(line, "leave") == 0) {
		port_leave_all();
		_exit(0);
	} else if (strcmp(line, "quit") == 0)
		loop_stop(l);
	else
		printf("{\"rc\":%d}\n", -EINVAL);
	fflush(stdout);
}

static void on_stdin(struct loop *l, int fd, uint32_t epoll_events, void *arg)
{
	static char buf[1 << 18];
	static size_t have;
	ssize_t n = read(fd, buf + have, sizeof(buf) - 1 - have);
	char *end;

	if (n <= 0) {
		loop_stop(l);
		return;
	}
	have += (size_t)n;
	buf[have] = '\0';
	while ((end = memchr(buf, '\n', have)) != NULL) {
		*end++ = '\0';
		command(l, arg, buf);
		have -= (size_t)(end - buf);
		memmove(buf, end, have + 1);
	}
}

int main(int argc, char **argv)
{
	struct port_eal_conf conf = {0};
	struct port_error err = {0};
	uint64_t start = clock_monotonic_ns();
	struct loop *l;

	if (argc < 4) {
		fprintf(stderr, "port_probe INSTANCE RUN_DIR WORKERS [no-huge]\n");
		return 2;
	}
	conf.instance = argv[1];
	conf.run_dir = argv[2];
	conf.workers = (unsigned)strtoul(argv[3], NULL, 10);
	conf.no_huge = argc > 4;
	if (loop_create(&l) != 0)
		return 1;
	if (port_eal_init(&conf, &err) != 0 || port_init(argv[1]) != 0) {
		answer(-EIO, &err);
		return 1;
	}
	if (worker_init(conf.workers) != 0 || worker_start() != 0 ||
	    port_watch(l, on_changed, NULL) != 0 ||
	    loop_add_fd(l, 0, EPOLLIN, on_stdin, argv[1]) != 0)
		return 1;
	printf("{\"rc\":0,\"ready_ms\":%.1f}\n", (double)(clock_monotonic_ns() - start) / 1e6);
	fflush(stdout);
	loop_run(l);
	worker_stop();
	publish_drain();
	for (uint16_t i = 0; i < PORT_MAX; i++)
		if (port_get(i) != NULL)
			port_close(port_get(i));
	publish_drain();
	return 0;
}
