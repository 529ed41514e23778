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

// An address that packets can be sent from and to (RFC 1122 section 3.2.1.3, RFC 4291 section 2.4).
static bool put_address(struct net_out *o, const struct lyd_node *entry, enum net_schema s,
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
		if (put_address(o, n, NS_LPOOL_ADDRESS, lyd_get_value(n), &a.addr))
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

static void map_check(struct net_out *o, const struct lyd_node *pool, struct ctl_check *c)
{
	const char *type = net_text(pool, NS_CHECK_TYPE);

	c->kind = strcmp(type, "http") == 0  ? CTL_CHECK_HTTP
		  : strcmp(type, "tcp") == 0 ? CTL_CHECK_TCP
					     : CTL_CHECK_NONE;
	c->port = (uint16_t)net_number(pool, NS_CHECK_PORT, 0);
	c->interval_ms = (uint32_t)net_number(pool, NS_CHECK_INTERVAL, 0);
	c->timeout_ms = (uint32_t)net_number(pool, NS_CHECK_TIMEOUT, 0);
	c->rise = (uint16_t)net_number(pool, NS_CHECK_RISE, 0);
	c->fall = (uint16_t)net_number(pool, NS_CHECK_FALL, 0);
	if (c->timeout_ms > c->interval_ms)
		net_refuse(o, pool, NS_CHECK_TIMEOUT, "invalid-value", NULL,
			   "timeout is longer than interval");
	if (c->kind != CTL_CHECK_HTTP)
		return;
	c->status_min = (uint16_t)net_number(pool, NS_HTTP_MIN, 0);
	c->status_max = (uint16_t)net_number(pool, NS_HTTP_MAX, 0);
	if (c->status_min > c->status_max)
		net_refuse(o, pool, NS_HTTP_MIN, "invalid-value", NULL,
			   "status-min is above status-max");
	put_string(o, pool, NS_HTTP_PATH, c->path, sizeof(c->path));
	put_string(o, pool, NS_HTTP_HOST, c->host, sizeof(c->host));
	put_string(o, pool, NS_HTTP_BODY, c->body, sizeof(c->body));
}

void net_map_pool(struct net_out *o, const char *inst, const struct lyd_node *pool)
{
	const char *name = net_text(pool, NS_POOL_NAME);
	const char *on_down = net_text(pool, NS_POOL_ON_DOWN);
	struct ctl_pool p = {
		.rec = {.type = CTL_REC_POOL, .size = sizeof(p)},
		.scheduler = CTL_SCHED_WRR, // the only one of the model
	};

	p.rec.id = net_id(CTL_REC_POOL, inst, name, NULL);
	put_name(p.name, name);
	p.on_down = strcmp(on_down, "keep") == 0 ? CTL_ON_DOWN_KEEP : CTL_ON_DOWN_RESET;
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
	if (s.port == 0)
		net_refuse(o, server, NS_SERVER_PORT, "data-missing", NULL,
			   "server %s needs a port", name);
	if (put_address(o, server, NS_SERVER_ADDRESS, net_text(server, NS_SERVER_ADDRESS), &s.addr))
		net_out_put(o, inst, true, &s.rec);
}

void net_map_service(struct net_out *o, const char *inst, const struct lyd_node *service)
{
	const char *protocol = net_text(service, NS_SERVICE_PROTOCOL);
	const char *lpool = net_text(service, NS_SERVICE_LPOOL);
	const char *name = net_text(service, NS_SERVICE_NAME);
	const char *pool = net_text(service, NS_SERVICE_POOL);
	struct ctl_service s = {
		.rec = {.type = CTL_REC_SERVICE, .size = sizeof(s)},
		.port = htons((uint16_t)net_number(service, NS_SERVICE_PORT, 0)),
		.enabled = net_true(service, NS_SERVICE_ENABLED),
		.context = (uint16_t)net_number(service, NS_SERVICE_CONTEXT, 0),
	};
	const struct {
		enum net_schema s;
		bool missing;
	} must[] = {
		{NS_SERVICE_PORT, s.port == 0},
		{NS_SERVICE_PROTOCOL, !protocol},
		{NS_SERVICE_POOL, !pool},
		{NS_SERVICE_LPOOL, !lpool},
	};
	bool whole = true;

	for (size_t i = 0; i < sizeof(must) / sizeof(must[0]); i++) {
		if (!must[i].missing)
			continue;
		net_refuse(o, service, must[i].s, "data-missing", NULL, "service %s needs %s", name,
			   net_schema(must[i].s)->name);
		whole = false;
	}
	if (!put_address(o, service, NS_SERVICE_ADDRESS, net_text(service, NS_SERVICE_ADDRESS),
			 &s.addr) ||
	    !whole)
		return;
	s.rec.id = net_id(CTL_REC_SERVICE, inst, name, NULL);
	s.pool = net_id(CTL_REC_POOL, inst, pool, NULL);
	s.local_pool = net_id(CTL_REC_LOCAL_POOL, inst, lpool, NULL);
	s.proto = strcmp(protocol, "udp") == 0 ? IPPROTO_UDP : IPPROTO_TCP;
	put_name(s.name, name);
	net_out_put(o, inst, true, &s.rec);
}
