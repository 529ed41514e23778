// SPDX-License-Identifier: BSD-3-Clause
//
// lb - the entries of a load balancer (sluice-lb.yang) as records for its process.
//
// The rules of the model that hold inside one entry are checked again here: a record that breaks one
// would be taken by the app for a broken peer.

#include "control/net/net_priv.h"

#include <libyang/libyang.h>

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

// Copy a name of ours; the pattern of the model keeps it short.
static void put_name(char to[CTL_NAME], const char *name)
{
	snprintf(to, CTL_NAME, "%s", name ? name : "");
}

bool net_put_address(struct net_out *o, const struct lyd_node *entry, enum net_schema s,
		     const char *text, struct ctl_addr *out)
{
	static const uint8_t zero[16], mapped[12] = {[10] = 0xff, [11] = 0xff};
	const char *wrong = NULL;

	if (!text || !net_addr_parse(text, out)) {
		net_refuse(o, entry, s, text ? "invalid-value" : "data-missing", NULL,
			   "an address is needed here");
		return false;
	}
	if (memcmp(out->bytes, zero, 16) == 0)
		wrong = "the unspecified address";
	else if (out->family == 4)
		wrong = out->bytes[0] == 127                          ? "a loopback address"
			: out->bytes[0] >= 224 && out->bytes[0] < 240 ? "a multicast address"
			: out->bytes[0] == 0 || out->bytes[0] >= 240  ? "not an address of a host"
								      : NULL;
	else
		wrong = out->bytes[0] == 0xff ? "a multicast address"
			: memcmp(out->bytes, zero, 15) == 0 && out->bytes[15] == 1
				? "a loopback address"
			: memcmp(out->bytes, mapped, 12) == 0
				? "an IPv4 address in IPv6 form; write it as IPv4"
			: out->bytes[0] == 0xfe && (out->bytes[1] & 0xc0) == 0x80
				? "a link-local address"
				: NULL;
	if (wrong)
		net_refuse(o, entry, s, "invalid-value", NULL, "%s is %s", text, wrong);
	return true;
}

// lb NULL: all by default.
static void settings_of(const struct lyd_node *lb, struct ctl_settings *out)
{
	uint64_t flows = net_number(lb, NS_FLOW_SIZE, 0);

	*out = (struct ctl_settings){
		.rec = {.type = CTL_REC_SETTINGS, .size = sizeof(*out), .id = 1},
		.flow_max = flows,
		.flow_max6 = (uint32_t)net_number(lb, NS_FLOW_SIZE6, flows),
		.tcp_syn_ms = (uint32_t)net_number(lb, NS_T_SYN, 0),
		.tcp_established_ms = (uint32_t)net_number(lb, NS_T_ESTABLISHED, 0),
		.tcp_closing_ms = (uint32_t)net_number(lb, NS_T_CLOSING, 0),
		.udp_ms = (uint32_t)net_number(lb, NS_T_UDP, 0),
		.restart_quiet_ms = (uint32_t)net_number(lb, NS_T_QUIET, 0),
		.persistence_max = (uint32_t)net_number(lb, NS_PERSIST_SIZE, 0),
	};
}

void net_default_settings(struct ctl_settings *out)
{
	settings_of(NULL, out);
}

void net_map_settings(struct net_out *o, const char *inst, const struct lyd_node *lb)
{
	struct ctl_settings s;

	settings_of(lb, &s);
	net_out_put(o, inst, true, &s.rec);
}

void net_map_local_pool(struct net_out *o, const char *inst, const struct lyd_node *lpool)
{
	const char *name = net_text(lpool, NS_LPOOL_NAME);
	struct ctl_local_pool p = {
		.rec = {.type = CTL_REC_LOCAL_POOL, .size = sizeof(p)},
		.port_min = (uint16_t)net_number(lpool, NS_LPOOL_MIN, 0),
		.port_max = (uint16_t)net_number(lpool, NS_LPOOL_MAX, 0),
	};
	const struct lyd_node *n;
	unsigned count = 0;

	p.rec.id = net_id(CTL_REC_LOCAL_POOL, inst, name, NULL);
	put_name(p.name, name);
	if (p.port_min > p.port_max)
		net_refuse(o, lpool, NS_LPOOL_MIN, "invalid-value", NULL,
			   "port-min is above port-max");
	net_out_put(o, inst, true, &p.rec);
	LY_LIST_FOR (lyd_child(lpool), n) {
		struct ctl_local_address a = {
			.rec = {.type = CTL_REC_LOCAL_ADDRESS, .size = sizeof(a)},
			.local_pool = p.rec.id,
		};

		if (n->schema != net_schema(NS_LPOOL_ADDRESS))
			continue;
		count++;
		a.rec.id = net_id(CTL_REC_LOCAL_ADDRESS, inst, name, lyd_get_value(n));
		if (net_put_address(o, n, NS_LPOOL_ADDRESS, lyd_get_value(n), &a.addr))
			net_out_put(o, inst, true, &a.rec);
	}
	if (count == 0)
		net_refuse(o, lpool, NS_LPOOL_ADDRESS, "operation-failed", "too-few-elements",
			   "a local address pool needs an address");
}

static void put_string(struct net_out *o, const struct lyd_node *pool, enum net_schema s, char *to,
		       size_t size)
{
	const char *text = net_text(pool, s);

	if (!text)
		return;
	if (strlen(text) >= size)
		net_refuse(o, pool, s, "invalid-value", NULL, "%s has at most %zu bytes",
			   net_schema(s)->name, size - 1);
	else
		snprintf(to, size, "%s", text);
}

// The value of an enumeration as its place in a list of names; a record has it one or so further.
static unsigned place_of(const char *text, const char *const *names, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (strcmp(text, names[i]) == 0)
			return i;
	return 0; // cannot be: libyang knows the same names
}

// base64 of a leaf of type binary (RFC 4648 section 4); libyang holds it checked.
static uint16_t put_binary(const struct lyd_node *pool, enum net_schema s, uint8_t *to, size_t size)
{
	const struct lyd_node *n = net_node(pool, s);
	struct lyd_value_binary *v = NULL;
	struct lyd_value value;

	if (!n)
		return 0;
	value = ((const struct lyd_node_term *)n)->value; // LYD_VALUE_GET drops const
	LYD_VALUE_GET(&value, v);
	if (!v || v->size > size)
		return 0; // cannot be: the model has the same limits
	memcpy(to, v->data, v->size);
	return (uint16_t)v->size;
}

// What stands beside the check, whatever its kind.
static void map_observers(const struct lyd_node *pool, struct ctl_check *c)
{
	if (net_node(pool, NS_AGENT)) {
		c->agent_port = (uint16_t)net_number(pool, NS_AGENT_PORT, 0);
		c->agent_interval_ms = (uint32_t)net_number(pool, NS_AGENT_INTERVAL, 0);
	}
	if (net_node(pool, NS_PASSIVE)) {
		c->passive_failures = (uint16_t)net_number(pool, NS_PASSIVE_FAILURES, 0);
		c->passive_hold_ms = (uint32_t)net_number(pool, NS_PASSIVE_HOLD, 0);
	}
	if (net_node(pool, NS_DAMPING)) {
		c->damping_changes = (uint16_t)net_number(pool, NS_DAMPING_CHANGES, 0);
		c->damping_window_ms = (uint32_t)net_number(pool, NS_DAMPING_WINDOW, 0);
		c->damping_hold_ms = (uint32_t)net_number(pool, NS_DAMPING_HOLD, 0);
	}
}

static void map_http(struct net_out *o, const struct lyd_node *pool, struct ctl_check *c)
{
	c->status_min = (uint16_t)net_number(pool, NS_HTTP_MIN, 0);
	c->status_max = (uint16_t)net_number(pool, NS_HTTP_MAX, 0);
	if (c->status_min > c->status_max)
		net_refuse(o, pool, NS_HTTP_MIN, "invalid-value", NULL,
			   "status-min is above status-max");
	put_string(o, pool, NS_HTTP_PATH, c->path, sizeof(c->path));
	put_string(o, pool, NS_HTTP_HOST, c->host, sizeof(c->host));
	put_string(o, pool, NS_HTTP_BODY, c->body, sizeof(c->body));
}

static void map_tls(struct net_out *o, const struct lyd_node *pool, struct ctl_check *c)
{
	if (net_true(pool, NS_TLS_VERIFY))
		c->flags |= CTL_CHECK_F_VERIFY;
	put_string(o, pool, NS_TLS_NAME, c->server_name, sizeof(c->server_name));
	put_string(o, pool, NS_TLS_CA, c->ca_file, sizeof(c->ca_file));
}

static void map_check(struct net_out *o, const struct lyd_node *pool, struct ctl_check *c)
{
	static const char *const kinds[] = {"none", "tcp", "http", "https", "tls", "udp", "icmp"};

	c->kind = (uint8_t)place_of(net_text(pool, NS_CHECK_TYPE), kinds, 7); // enum ctl_check_kind
	c->port = (uint16_t)net_number(pool, NS_CHECK_PORT, 0);
	c->interval_ms = (uint32_t)net_number(pool, NS_CHECK_INTERVAL, 0);
	c->timeout_ms = (uint32_t)net_number(pool, NS_CHECK_TIMEOUT, 0);
	c->rise = (uint16_t)net_number(pool, NS_CHECK_RISE, 0);
	c->fall = (uint16_t)net_number(pool, NS_CHECK_FALL, 0);
	if (c->timeout_ms > c->interval_ms)
		net_refuse(o, pool, NS_CHECK_TIMEOUT, "invalid-value", NULL,
			   "timeout is longer than interval");
	map_observers(pool, c);
	if (c->kind == CTL_CHECK_HTTP || c->kind == CTL_CHECK_HTTPS)
		map_http(o, pool, c);
	if (c->kind == CTL_CHECK_TLS || c->kind == CTL_CHECK_HTTPS)
		map_tls(o, pool, c);
	if (c->kind == CTL_CHECK_UDP) {
		c->send_size = put_binary(pool, NS_UDP_SEND, c->send, sizeof(c->send));
		c->expect_size = put_binary(pool, NS_UDP_EXPECT, c->expect, sizeof(c->expect));
	}
}

void net_map_pool(struct net_out *o, const char *inst, const struct lyd_node *pool)
{
	const char *name = net_text(pool, NS_POOL_NAME);
	static const char *const schedulers[] = {
		"weighted-round-robin",
		"round-robin",
		"least-connections",
		"weighted-least-connections",
		"power-of-two-choices",
		"source-hash",
		"maglev",
	};
	const char *on_down = net_text(pool, NS_POOL_ON_DOWN);
	const char *backup = net_text(pool, NS_POOL_BACKUP);
	struct ctl_pool p = {
		.rec = {.type = CTL_REC_POOL, .size = sizeof(p)},
		.slow_start_ms = (uint32_t)net_number(pool, NS_POOL_SLOW_START, 0),
		.drain_timeout_ms = (uint32_t)net_number(pool, NS_POOL_DRAIN, 0),
		.min_available = (uint32_t)net_number(pool, NS_POOL_MIN_AVAILABLE, 0),
	};

	p.rec.id = net_id(CTL_REC_POOL, inst, name, NULL);
	put_name(p.name, name);
	p.on_down = strcmp(on_down, "keep") == 0 ? CTL_ON_DOWN_KEEP : CTL_ON_DOWN_RESET;
	p.scheduler = (uint8_t)(CTL_SCHED_WRR +
				place_of(net_text(pool, NS_POOL_SCHEDULER), schedulers, 7));
	p.hash_key = strcmp(net_text(pool, NS_POOL_HASH_KEY), "source-address") == 0
			     ? CTL_HASH_SOURCE
			     : CTL_HASH_SOURCE_PORT;
	if (backup)
		p.backup_pool = net_id(CTL_REC_POOL, inst, backup, NULL);
	if (p.backup_pool == p.rec.id)
		net_refuse(o, pool, NS_POOL_BACKUP, "invalid-value", NULL,
			   "a pool cannot be its own backup");
	map_check(o, pool, &p.check);
	net_out_put(o, inst, true, &p.rec);
}

void net_map_server(struct net_out *o, const char *inst, const char *pool,
		    const struct lyd_node *server)
{
	const char *name = net_text(server, NS_SERVER_NAME);
	const char *admin = net_text(server, NS_SERVER_ADMIN);
	struct ctl_server s = {
		.rec = {.type = CTL_REC_SERVER, .size = sizeof(s)},
		.port = htons((uint16_t)net_number(server, NS_SERVER_PORT, 0)),
		.weight = (uint16_t)net_number(server, NS_SERVER_WEIGHT, 0),
	};

	s.rec.id = net_id(CTL_REC_SERVER, inst, pool, name);
	s.pool = net_id(CTL_REC_POOL, inst, pool, NULL);
	put_name(s.name, name);
	s.admin = strcmp(admin, "drain") == 0      ? CTL_ADMIN_DRAIN
		  : strcmp(admin, "disabled") == 0 ? CTL_ADMIN_DISABLED
						   : CTL_ADMIN_ENABLED;
	if (!net_text(server, NS_SERVER_PORT))
		net_refuse(o, server, NS_SERVER_PORT, "data-missing", NULL,
			   "server %s needs a port", name);
	if (net_put_address(o, server, NS_SERVER_ADDRESS, net_text(server, NS_SERVER_ADDRESS),
			    &s.addr))
		net_out_put(o, inst, true, &s.rec);
}

// A prefix is a service of all its addresses; bits beyond it are no part of the record.
static void put_service_prefix(struct net_out *o, const struct lyd_node *service,
			       struct ctl_addr *a)
{
	unsigned max = a->family == 4 ? 32 : 128;
	unsigned len = (unsigned)net_number(service, NS_SERVICE_PREFIX_LEN, max);

	if (len > max) {
		net_refuse(o, service, NS_SERVICE_PREFIX_LEN, "invalid-value", NULL,
			   "an IPv4 prefix has at most 32 bits");
		return;
	}
	for (unsigned bit = len; bit < max; bit++) {
		if ((a->bytes[bit / 8] & (0x80 >> bit % 8)) == 0)
			continue;
		net_refuse(o, service, NS_SERVICE_ADDRESS, "invalid-value", NULL,
			   "bits are set beyond the prefix length %u", len);
		return;
	}
	a->len = (uint8_t)len;
}

static void put_service_ports(struct net_out *o, const struct lyd_node *service,
			      struct ctl_service *s)
{
	uint16_t min = (uint16_t)net_number(service, NS_SERVICE_PORT, 0);
	uint16_t max = (uint16_t)net_number(service, NS_SERVICE_PORT_MAX, min);

	if (max < min || (min == 0 && max != 0))
		net_refuse(o, service, NS_SERVICE_PORT_MAX, "invalid-value", NULL,
			   min == 0 ? "port-max without a first port" : "port-max is below port");
	s->port = htons(min);
	s->port_max = htons(max);
}

static void put_persistence(const char *inst, const struct lyd_node *service, struct ctl_service *s)
{
	const char *group = net_text(service, NS_PERSIST_GROUP);

	if (!net_node(service, NS_PERSIST))
		return;
	s->persist_ms = (uint32_t)net_number(service, NS_PERSIST_TIMEOUT, 0);
	s->persist_len = (uint8_t)net_number(
		service, s->addr.family == 4 ? NS_PERSIST_LEN4 : NS_PERSIST_LEN6, 0);
	if (group)
		s->persist_group = net_id(CTL_REC_SERVICE, inst, "group", group);
}

// What the forwarding mode allows.
static void check_forwarding(struct net_out *o, const struct lyd_node *service,
			     const struct ctl_service *s)
{
	if (s->proxy != CTL_PROXY_OFF &&
	    (s->proto != IPPROTO_TCP || s->forwarding != CTL_FORWARD_FULLNAT))
		net_refuse(o, service, NS_SERVICE_PROXY, "invalid-value", NULL,
			   "the PROXY protocol is for TCP services with fullnat");
	if (s->mss_max != 0 && s->proto != IPPROTO_TCP)
		net_refuse(o, service, NS_SERVICE_MSS, "invalid-value", NULL,
			   "mss-clamp is for TCP services");
}

void net_map_service(struct net_out *o, const char *inst, const struct lyd_node *service)
{
	const char *protocol = net_text(service, NS_SERVICE_PROTOCOL);
	const char *lpool = net_text(service, NS_SERVICE_LPOOL);
	const char *name = net_text(service, NS_SERVICE_NAME);
	const char *pool = net_text(service, NS_SERVICE_POOL);
	bool nat = strcmp(net_text(service, NS_SERVICE_FORWARDING), "nat") == 0;
	struct ctl_service s = {
		.rec = {.type = CTL_REC_SERVICE, .size = sizeof(s)},
		.enabled = net_true(service, NS_SERVICE_ENABLED),
		.context = (uint16_t)net_number(service, NS_SERVICE_CONTEXT, 0),
		.forwarding = nat ? CTL_FORWARD_NAT : CTL_FORWARD_FULLNAT,
		.proxy = strcmp(net_text(service, NS_SERVICE_PROXY), "v2") == 0 ? CTL_PROXY_V2
										: CTL_PROXY_OFF,
		.mss_max = (uint16_t)net_number(service, NS_SERVICE_MSS, 0),
	};
	const struct {
		enum net_schema s;
		bool missing;
	} must[] = {
		{NS_SERVICE_PORT, !net_text(service, NS_SERVICE_PORT)},
		{NS_SERVICE_PROTOCOL, !protocol},
		{NS_SERVICE_POOL, !pool},
		{NS_SERVICE_LPOOL, !lpool && !nat},
	};
	bool whole = true;

	for (size_t i = 0; i < sizeof(must) / sizeof(must[0]); i++) {
		if (!must[i].missing)
			continue;
		net_refuse(o, service, must[i].s, "data-missing", NULL, "service %s needs %s", name,
			   net_schema(must[i].s)->name);
		whole = false;
	}
	if (!net_put_address(o, service, NS_SERVICE_ADDRESS, net_text(service, NS_SERVICE_ADDRESS),
			     &s.addr) ||
	    !whole)
		return;
	s.rec.id = net_id(CTL_REC_SERVICE, inst, name, NULL);
	s.pool = net_id(CTL_REC_POOL, inst, pool, NULL);
	if (lpool)
		s.local_pool = net_id(CTL_REC_LOCAL_POOL, inst, lpool, NULL);
	s.proto = strcmp(protocol, "udp") == 0 ? IPPROTO_UDP : IPPROTO_TCP;
	put_name(s.name, name);
	put_service_prefix(o, service, &s.addr);
	put_service_ports(o, service, &s);
	put_persistence(inst, service, &s);
	check_forwarding(o, service, &s);
	net_out_put(o, inst, true, &s.rec);
}
