// SPDX-License-Identifier: BSD-3-Clause
//
// lb_query - the questions of dataplane/ctl/msg.h that are no state: capture, trace, doctor here, the
// others in files of their own (lb_query.h).

#include "apps/lb/show/lb_query.h"
#include "dataplane/port/port.h"
#include "dataplane/trace/trace.h"

#include <bpf/libbpf.h>
#include <jansson.h>
#include <rte_eal.h>

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

int lb_query_fail(char **json, int err, const char *sentence)
{
	*json = strdup(sentence);
	return err;
}

// ---- capture and trace ------------------------------------------------------------------------

static int query_capture(struct lb_conf *c, json_t *args, char **json)
{
	const char *file = NULL, *filter = "";
	json_int_t limit = 0;
	int stop = 0, rc;
	char err[256] = "";

	(void)c;
	if (json_unpack(args, "{s?s, s?s, s?I, s?b}", "file", &file, "filter", &filter, "limit",
			&limit, "stop", &stop) != 0 ||
	    limit < 0 || (stop == 0 && file == NULL))
		return lb_query_fail(json, -EINVAL,
				     "give file (and filter, limit), or \"stop\": true");
	if (stop != 0)
		return asprintf(json, "{\"captured\":%llu}",
				(unsigned long long)trace_capture_stop()) < 0
			       ? -ENOMEM
			       : 0;
	rc = trace_capture_start(file, filter, (uint64_t)limit, err, sizeof(err));
	if (rc != 0)
		return lb_query_fail(json, rc, err[0] != '\0' ? err : strerror(-rc));
	*json = strdup("{\"captured\":0}");
	return *json == NULL ? -ENOMEM : 0;
}

// With a filter or a limit a trace begins; without, the packets traced so far are given.
static int query_trace(struct lb_conf *c, json_t *args, char **json)
{
	const char *filter = NULL;
	json_int_t limit = 0;
	char err[256] = "", *packets;
	int rc;

	(void)c;
	if (json_unpack(args, "{s?s, s?I}", "filter", &filter, "limit", &limit) != 0 || limit < 0 ||
	    limit > TRACE_PACKETS_MAX)
		return lb_query_fail(json, -EINVAL, "filter is a text, limit is within 1..1000");
	if (filter != NULL || limit > 0) {
		rc = trace_packets_start(filter != NULL ? filter : "",
					 limit == 0 ? 10 : (unsigned)limit, err, sizeof(err));
		if (rc != 0)
			return lb_query_fail(json, rc, err[0] != '\0' ? err : strerror(-rc));
	}
	packets = trace_packets_take();
	rc = packets == NULL || asprintf(json, "{\"running\":%s,\"packets\":%s}",
					 trace_packets_runs() ? "true" : "false", packets) < 0
		     ? -ENOMEM
		     : 0;
	free(packets);
	return rc;
}

// ---- doctor -----------------------------------------------------------------------------------

static void put_driver(struct lb_text *t, const struct port *p)
{
	struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
	struct ifreq r = {.ifr_data = (void *)&info};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || p->ifindex <= 0 || if_indextoname((unsigned)p->ifindex, r.ifr_name) == NULL ||
	    ioctl(fd, SIOCETHTOOL, &r) != 0)
		info.driver[0] = '\0';
	if (fd >= 0)
		close(fd);
	info.driver[sizeof(info.driver) - 1] = '\0';
	lb_text_string(t, "driver", info.driver);
}

static const char *xdp_mode(const struct port *p)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, o);

	if (p->kind != CTL_PORT_AF_XDP || p->ifindex <= 0 || bpf_xdp_query(p->ifindex, 0, &o) != 0)
		return "none";
	switch (o.attach_mode) {
	case XDP_ATTACHED_DRV:
		return "driver";
	case XDP_ATTACHED_SKB:
		return "generic";
	case XDP_ATTACHED_HW:
		return "offloaded";
	default:
		return "none";
	}
}

static void put_port_doctor(struct lb_text *t, const struct port *p)
{
	unsigned fds = 0;

	for (uint16_t q = 0; q < p->queues; q++)
		fds += port_queue_fd(p, q) >= 0;
	lb_text_open(t, NULL, '{');
	lb_text_string(t, "name", p->name);
	lb_text_string(t, "device", p->device);
	lb_text_bool(t, "present", atomic_load(&p->live));
	lb_text_bool(t, "up", atomic_load(&p->up));
	put_driver(t, p);
	lb_text_string(t, "xdp", xdp_mode(p));
	lb_text_number(t, "queues", p->queues);
	lb_text_number(t, "mtu", p->mtu);
	lb_text_bool(t, "fd", fds == p->queues && fds > 0);
	lb_text_open(t, "offload", '{');
	lb_text_bool(t, "rx-ip-checksum", p->rx_ip_cksum);
	lb_text_bool(t, "rx-l4-checksum", p->rx_l4_cksum);
	lb_text_bool(t, "tx-ip-checksum", p->tx_ip_cksum);
	lb_text_bool(t, "tx-l4-checksum", p->tx_l4_cksum);
	lb_text_bool(t, "vlan", p->vlan_offload);
	lb_text_close(t, '}');
	lb_text_close(t, '}');
}

static uint64_t huge_pages(const char *what)
{
	unsigned long long n = 0;
	char path[96];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-2048kB/%s_hugepages",
		 what);
	f = fopen(path, "re");
	if (f != NULL) {
		if (fscanf(f, "%llu", &n) != 1)
			n = 0;
		fclose(f);
	}
	return n;
}

static void put_limit(struct lb_text *t, const char *key, int resource)
{
	struct rlimit r;

	if (getrlimit(resource, &r) != 0)
		return;
	lb_text_open(t, key, '{');
	if (r.rlim_cur == RLIM_INFINITY)
		lb_text_string(t, "soft", "unlimited");
	else
		lb_text_number(t, "soft", r.rlim_cur);
	if (r.rlim_max == RLIM_INFINITY)
		lb_text_string(t, "hard", "unlimited");
	else
		lb_text_number(t, "hard", r.rlim_max);
	lb_text_close(t, '}');
}

static int query_doctor(struct lb_conf *c, json_t *args, char **json)
{
	struct lb_text t = {0};
	struct lb_entry *e;

	(void)args;
	lb_text_open(&t, NULL, '{');
	lb_text_open(&t, "ports", '[');
	for (unsigned i = 0; i < PORT_MAX; i++)
		if (port_get((uint16_t)i) != NULL)
			put_port_doctor(&t, port_get((uint16_t)i));
	LB_STORE_FOREACH(e, &c->store, CTL_REC_PORT)
	{
		const struct ctl_port *r = (const void *)e->rec;

		if (r == NULL || e->port != NULL)
			continue;
		lb_text_open(&t, NULL, '{');
		lb_text_string(&t, "name", r->name);
		lb_text_string(&t, "device", r->device);
		lb_text_bool(&t, "present", false);
		lb_text_bool(&t, "up", false);
		lb_text_close(&t, '}');
	}
	lb_text_close(&t, ']');
	lb_text_open(&t, "hugepages", '{');
	lb_text_number(&t, "total", huge_pages("nr"));
	lb_text_number(&t, "free", huge_pages("free"));
	lb_text_bool(&t, "in-use", rte_eal_has_hugepages() != 0);
	lb_text_close(&t, '}');
	put_limit(&t, "memlock", RLIMIT_MEMLOCK);
	put_limit(&t, "files", RLIMIT_NOFILE);
	put_limit(&t, "core", RLIMIT_CORE);
	lb_text_open(&t, "flow-table", '{');
	lb_text_number(&t, "entries", c->flow_size.all);
	lb_text_number(&t, "ipv6-entries", c->flow_size.ipv6);
	lb_text_string(&t, "directory", c->flow_dir);
	lb_text_number(&t, "memory-left-bytes", lb_check_memory(c->flow_dir));
	lb_text_close(&t, '}');
	lb_text_number(&t, "workers", c->workers);
	lb_text_number(&t, "uid", geteuid());
	lb_text_close(&t, '}');
	*json = lb_text_take(&t);
	return *json == NULL ? -ENOMEM : 0;
}

// ---- dispatch ---------------------------------------------------------------------------------

static int query_state(struct lb_conf *c, json_t *args, char **json)
{
	(void)args;
	return lb_state_json(c, json);
}

static int query_counters(struct lb_conf *c, json_t *args, char **json)
{
	(void)args;
	return lb_counters_json(c, json);
}

static const struct {
	const char *name;
	int (*fn)(struct lb_conf *c, json_t *args, char **json);
} queries[] = {
	{"state", query_state},      {"counters", query_counters},  {"flows", lb_query_flows},
	{"clear", lb_query_clear},   {"capture", query_capture},    {"trace", query_trace},
	{"doctor", query_doctor},    {"explain", lb_query_explain}, {"top", lb_query_top},
	{"active", lb_query_active},
};

int lb_query(struct lb_conf *c, const char *name, const char *args, char **json)
{
	json_t *a;
	int rc;

	*json = NULL;
	for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
		if (strcmp(name, queries[i].name) != 0)
			continue;
		a = args[0] == '\0' ? json_object()
				    : json_loads(args, JSON_REJECT_DUPLICATES, NULL);
		if (!json_is_object(a)) {
			json_decref(a);
			return lb_query_fail(json, -EINVAL, "arguments are no JSON object");
		}
		rc = queries[i].fn(c, a, json);
		json_decref(a);
		return rc;
	}
	return -ENOENT;
}
