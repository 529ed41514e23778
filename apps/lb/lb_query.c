// SPDX-License-Identifier: BSD-3-Clause
//
// lb_query - the questions of dataplane/ctl/msg.h that are no state: flows, capture, trace, doctor.
//
// The filter of "flows" is words, all of which must hold: an address (client, service, local or server),
// tcp, udp, syn, established, closing, ipv4, ipv6, or key=value with key one of client, service, local,
// server (address, or address:port, [address]:port), port (any of the four).

#include "apps/lb/lb_conf.h"
#include "apps/lb/lb_text.h"
#include "dataplane/core/clock.h"
#include "dataplane/port/port.h"
#include "dataplane/trace/trace.h"

#include <bpf/libbpf.h>
#include <jansson.h>
#include <rte_eal.h>

#include <arpa/inet.h>
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

#define FLOWS_MAX  100000
#define WORDS_MAX  8
#define FILTER_MAX 512

// A sentence as the reason of an error.
static int fail(char **json, int err, const char *sentence)
{
	*json = strdup(sentence);
	return err;
}

// ---- flows ------------------------------------------------------------------------------------

enum word_kind { WORD_PROTO, WORD_STATE, WORD_FAMILY, WORD_ADDRESS, WORD_PORT };
enum side { SIDE_CLIENT = 1, SIDE_SERVICE = 2, SIDE_LOCAL = 4, SIDE_SERVER = 8, SIDE_ANY = 15 };

struct word {
	enum word_kind kind;
	uint8_t value; // protocol, state, family
	uint8_t family;
	uint8_t sides;
	uint8_t addr[16];
	rte_be16_t port; // 0: any
};

static const struct {
	const char *text;
	struct word word;
} fixed_words[] = {
	{"tcp", {.kind = WORD_PROTO, .value = IPPROTO_TCP}},
	{"udp", {.kind = WORD_PROTO, .value = IPPROTO_UDP}},
	{"syn", {.kind = WORD_STATE, .value = FLOW_TCP_SYN}},
	{"established", {.kind = WORD_STATE, .value = FLOW_TCP_ESTABLISHED}},
	{"closing", {.kind = WORD_STATE, .value = FLOW_TCP_CLOSING}},
	{"ipv4", {.kind = WORD_FAMILY, .value = 4}},
	{"ipv6", {.kind = WORD_FAMILY, .value = 6}},
};

static const struct {
	const char *text;
	uint8_t sides;
} side_names[] = {
	{"client=", SIDE_CLIENT},
	{"service=", SIDE_SERVICE},
	{"local=", SIDE_LOCAL},
	{"server=", SIDE_SERVER},
};

static bool parse_port(const char *s, rte_be16_t *port)
{
	char *end;
	unsigned long n = strtoul(s, &end, 10);

	if (end == s || *end != '\0' || n == 0 || n > 65535)
		return false;
	*port = htons((uint16_t)n);
	return true;
}

// addr, v4:port or [v6]:port
static bool parse_endpoint(char *s, struct word *w)
{
	char *colon = strrchr(s, ':');

	w->kind = WORD_ADDRESS;
	if (s[0] == '[') {
		char *end = strchr(s, ']');

		if (end == NULL || (end[1] != '\0' && end[1] != ':'))
			return false;
		if (end[1] == ':' && !parse_port(end + 2, &w->port))
			return false;
		*end = '\0';
		s++;
	} else if (colon != NULL && strchr(s, ':') == colon) {
		if (!parse_port(colon + 1, &w->port))
			return false;
		*colon = '\0';
	}
	w->family = strchr(s, ':') != NULL ? 6 : 4;
	return inet_pton(w->family == 4 ? AF_INET : AF_INET6, s, w->addr) == 1;
}

static bool parse_word(char *s, struct word *w)
{
	*w = (struct word){.sides = SIDE_ANY};
	for (size_t i = 0; i < sizeof(fixed_words) / sizeof(fixed_words[0]); i++)
		if (strcmp(s, fixed_words[i].text) == 0) {
			*w = fixed_words[i].word;
			return true;
		}
	if (strncmp(s, "port=", 5) == 0) {
		w->kind = WORD_PORT;
		return parse_port(s + 5, &w->port);
	}
	for (size_t i = 0; i < sizeof(side_names) / sizeof(side_names[0]); i++)
		if (strncmp(s, side_names[i].text, strlen(side_names[i].text)) == 0) {
			w->sides = side_names[i].sides;
			s += strlen(side_names[i].text);
			break;
		}
	return parse_endpoint(s, w);
}

static bool word_holds(const struct word *w, const struct lb_flow_info *f)
{
	const uint8_t *addr[] = {f->client, f->service, f->local, f->server};
	rte_be16_t port[] = {f->client_port, f->service_port, f->local_port, f->server_port};

	if (w->kind == WORD_PROTO)
		return f->proto == w->value;
	if (w->kind == WORD_STATE)
		return f->state == w->value;
	if (w->kind == WORD_FAMILY)
		return f->family == w->value;
	for (unsigned i = 0; i < 4; i++) {
		if (!(w->sides & 1 << i) || (w->port != 0 && w->port != port[i]))
			continue;
		if (w->kind == WORD_PORT ||
		    (w->family == f->family &&
		     memcmp(w->addr, addr[i], w->family == 4 ? 4 : 16) == 0))
			return true;
	}
	return false;
}

struct flow_walk {
	struct lb_conf *c;
	struct lb_text text;
	struct word word[WORDS_MAX];
	unsigned words;
	uint64_t limit, shown, matched;
};

static void put_endpoint(struct lb_text *t, const char *key, uint8_t family, const uint8_t *addr,
			 rte_be16_t port)
{
	char s[INET6_ADDRSTRLEN];

	inet_ntop(family == 4 ? AF_INET : AF_INET6, addr, s, sizeof(s));
	lb_text_format(t, key, family == 4 ? "%s:%u" : "[%s]:%u", s, ntohs(port));
}

static const char *server_name(const struct lb_conf *c, uint32_t ref)
{
	const struct lb_server *s = lb_server_get(&c->snap->pub, ref);
	const struct lb_entry *e =
		s == NULL ? NULL : lb_store_find(&c->store, CTL_REC_SERVER, s->id);

	return e == NULL || e->rec == NULL
		       ? ""
		       : ((const struct ctl_server *)(const void *)e->rec)->name;
}

static const char *service_name(const struct lb_conf *c, uint32_t ref)
{
	const struct lb_snapshot *p = &c->snap->pub;
	uint32_t slot = ref & LB_SLOT_MASK;
	const struct lb_service *s = slot / LB_CHUNK < p->service_chunks
					     ? p->service[slot / LB_CHUNK][slot % LB_CHUNK]
					     : NULL;
	const struct lb_entry *e = s == NULL || s->ref != ref
					   ? NULL
					   : lb_store_find(&c->store, CTL_REC_SERVICE, s->id);

	return e == NULL || e->rec == NULL
		       ? ""
		       : ((const struct ctl_service *)(const void *)e->rec)->name;
}

static uint64_t ticks_to_ms(uint32_t ticks)
{
	return ((uint64_t)ticks << CLOCK_TICK_SHIFT) / 1000000;
}

static void put_flow(struct flow_walk *w, const struct lb_flow_info *f)
{
	static const char *const state[FLOW_STATE_COUNT] = {"free", "syn", "established", "closing",
							    "udp"};
	struct lb_text *t = &w->text;

	lb_text_open(t, NULL, '{');
	lb_text_string(t, "protocol", f->proto == IPPROTO_TCP ? "tcp" : "udp");
	lb_text_string(t, "state", f->state < FLOW_STATE_COUNT ? state[f->state] : "?");
	put_endpoint(t, "client", f->family, f->client, f->client_port);
	put_endpoint(t, "service", f->family, f->service, f->service_port);
	put_endpoint(t, "local", f->family, f->local, f->local_port);
	put_endpoint(t, "server", f->family, f->server, f->server_port);
	lb_text_string(t, "service-name", service_name(w->c, f->service_ref));
	lb_text_string(t, "server-name", server_name(w->c, f->server_ref));
	lb_text_number(t, "context", f->context);
	lb_text_number(t, "idle-ms", ticks_to_ms(f->idle_ticks));
	lb_text_number(t, "age-ms", ticks_to_ms(f->age_ticks));
	lb_text_number(t, "in-packets", f->packets[FLOW_TO_SERVER]);
	lb_text_number(t, "in-octets", f->bytes[FLOW_TO_SERVER]);
	lb_text_number(t, "out-packets", f->packets[FLOW_TO_CLIENT]);
	lb_text_number(t, "out-octets", f->bytes[FLOW_TO_CLIENT]);
	lb_text_close(t, '}');
}

static bool on_flow(void *ctx, const struct lb_flow_info *f)
{
	struct flow_walk *w = ctx;

	for (unsigned i = 0; i < w->words; i++)
		if (!word_holds(&w->word[i], f))
			return true;
	w->matched++;
	if (w->shown < w->limit) {
		w->shown++;
		put_flow(w, f);
	}
	return w->words > 0 || w->shown < w->limit; // without a filter `total` is known already
}

static int parse_filter(struct flow_walk *w, const char *filter, char **json)
{
	char copy[FILTER_MAX], *save = NULL;

	if (snprintf(copy, sizeof(copy), "%s", filter) >= (int)sizeof(copy))
		return fail(json, -EINVAL, "filter is too long");
	for (char *s = strtok_r(copy, " ", &save); s != NULL; s = strtok_r(NULL, " ", &save)) {
		char text[128];

		if (w->words == WORDS_MAX)
			return fail(json, -EINVAL, "filter has more than 8 words");
		snprintf(text, sizeof(text), "filter: '%.60s' is not understood", s);
		if (!parse_word(s, &w->word[w->words++]))
			return fail(json, -EINVAL, text);
	}
	return 0;
}

static int query_flows(struct lb_conf *c, json_t *args, char **json)
{
	struct flow_walk w = {.c = c, .limit = 100};
	const char *filter = "";
	json_int_t limit = 100;
	uint64_t total = 0;
	int rc;

	if (json_unpack(args, "{s?I, s?s}", "limit", &limit, "filter", &filter) != 0)
		return fail(json, -EINVAL, "limit is a number, filter is a text");
	if (limit < 0 || limit > FLOWS_MAX)
		return fail(json, -EINVAL, "limit is not within 0..100000");
	w.limit = (uint64_t)limit;
	rc = parse_filter(&w, filter, json);
	if (rc != 0)
		return rc;
	lb_text_open(&w.text, NULL, '{');
	lb_text_open(&w.text, "flows", '[');
	for (unsigned i = 0; i < c->workers; i++) {
		if (c->worker[i] == NULL)
			continue;
		total += lb_worker_flow_count(c->worker[i]);
		lb_worker_flows(c->worker[i], on_flow, &w);
	}
	lb_text_close(&w.text, ']');
	lb_text_number(&w.text, "total", w.words > 0 ? w.matched : total);
	lb_text_close(&w.text, '}');
	*json = lb_text_take(&w.text);
	return *json == NULL ? -ENOMEM : 0;
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
		return fail(json, -EINVAL, "give file (and filter, limit), or \"stop\": true");
	if (stop != 0)
		return asprintf(json, "{\"captured\":%llu}",
				(unsigned long long)trace_capture_stop()) < 0
			       ? -ENOMEM
			       : 0;
	rc = trace_capture_start(file, filter, (uint64_t)limit, err, sizeof(err));
	if (rc != 0)
		return fail(json, rc, err[0] != '\0' ? err : strerror(-rc));
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
		return fail(json, -EINVAL, "filter is a text, limit is within 1..1000");
	if (filter != NULL || limit > 0) {
		rc = trace_packets_start(filter != NULL ? filter : "",
					 limit == 0 ? 10 : (unsigned)limit, err, sizeof(err));
		if (rc != 0)
			return fail(json, rc, err[0] != '\0' ? err : strerror(-rc));
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
	{"state", query_state},     {"counters", query_counters}, {"flows", query_flows},
	{"capture", query_capture}, {"trace", query_trace},       {"doctor", query_doctor},
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
			return fail(json, -EINVAL, "arguments are no JSON object");
		}
		rc = queries[i].fn(c, a, json);
		json_decref(a);
		return rc;
	}
	return -ENOENT;
}
