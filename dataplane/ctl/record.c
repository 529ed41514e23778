// SPDX-License-Identifier: BSD-3-Clause
//
// record - form check of every record of msg.h: sizes, string ends, reserved fields, enums, ranges.
//
// What can be said of a record alone is said here; what needs other records (references, duplicates,
// memory) is the app's business in prepare. The ranges are those of config/yang: a value that the
// model lets through is let through here, and no other.

#include "dataplane/ctl/server.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

// Fill *ack; returns err for `return fail(...)`.
static int __attribute__((format(printf, 4, 5)))
fail(struct ctl_ack *ack, int err, const char *field, const char *fmt, ...)
{
	va_list ap;

	ack->result = err;
	ack->tag = CTL_TAG_INVALID_VALUE;
	snprintf(ack->field, sizeof(ack->field), "%s", field);
	va_start(ap, fmt);
	vsnprintf(ack->message, sizeof(ack->message), fmt, ap);
	va_end(ap);
	return err;
}

static bool is_zero(const void *p, size_t n)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < n; i++)
		if (b[i] != 0)
			return false;
	return true;
}

#define RESERVED(ack, r, member)                                                                   \
	(is_zero(&(r)->member, sizeof((r)->member))                                                \
		 ? 0                                                                               \
		 : fail(ack, -EPROTO, "", "reserved field '" #member "' is not zero"))

// NUL-terminated, the rest zero.
static int check_bytes(struct ctl_ack *ack, const char *field, const char *s, size_t n)
{
	size_t len = strnlen(s, n);

	if (len == n)
		return fail(ack, -EPROTO, field, "string does not end inside its field");
	if (!is_zero(s + len, n - len))
		return fail(ack, -EPROTO, field, "bytes after the end of the string are not zero");
	return 0;
}

// Likewise, and nothing in it that would spoil a terminal or a log.
static int check_string(struct ctl_ack *ack, const char *field, const char *s, size_t n)
{
	int rc = check_bytes(ack, field, s, n);

	for (size_t i = 0; rc == 0 && s[i] != '\0'; i++)
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			return fail(ack, -EINVAL, field, "control character in the string");
	return rc;
}

static bool name_char(char c, bool first)
{
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
		return true;
	return !first && (c == '.' || c == '_' || c == '-');
}

// The `name` type of sluice-lb.yang.
static int check_name(struct ctl_ack *ack, const char *field, const char *s, size_t n)
{
	int rc = check_string(ack, field, s, n);

	if (rc != 0)
		return rc;
	if (s[0] == '\0')
		return fail(ack, -EINVAL, field, "is empty");
	for (size_t i = 0; s[i] != '\0'; i++)
		if (!name_char(s[i], i == 0))
			return fail(ack, -EINVAL, field,
				    "'%.63s' has a character that names may not have", s);
	return 0;
}

// Like check_name, at most max characters (a kernel interface name holds 15).
static int check_device(struct ctl_ack *ack, const char *field, const char *s, size_t n, size_t max)
{
	int rc = check_name(ack, field, s, n);

	if (rc == 0 && strlen(s) > max)
		rc = fail(ack, -EINVAL, field, "'%.31s' is longer than %zu characters", s, max);
	return rc;
}

static int check_path(struct ctl_ack *ack, const char *field, const char *s, size_t n)
{
	int rc = check_string(ack, field, s, n);

	if (rc == 0 && s[0] != '\0' && s[0] != '/')
		rc = fail(ack, -EINVAL, field, "'%.100s' is not an absolute path", s);
	return rc;
}

static int check_range(struct ctl_ack *ack, const char *field, uint64_t v, uint64_t min,
		       uint64_t max)
{
	if (v >= min && v <= max)
		return 0;
	return fail(ack, -EINVAL, field, "%llu is not within %llu..%llu", (unsigned long long)v,
		    (unsigned long long)min, (unsigned long long)max);
}

static int check_ref(struct ctl_ack *ack, const char *field, uint64_t id)
{
	return id != 0 ? 0 : fail(ack, -EPROTO, field, "reference to nothing (id 0)");
}

// The parts of an address that are form: family, length, padding.
static int check_addr_form(struct ctl_ack *ack, const char *field, const struct ctl_addr *a)
{
	int rc = RESERVED(ack, a, zero);

	if (rc != 0)
		return rc;
	if (a->family != 4 && a->family != 6)
		return fail(ack, -EPROTO, field, "address family %u", a->family);
	if (a->len > (a->family == 4 ? 32 : 128))
		return fail(ack, -EPROTO, field, "prefix length %u", a->len);
	if (a->family == 4 && !is_zero(a->bytes + 4, 12))
		return fail(ack, -EPROTO, field, "IPv4 address with more than four bytes");
	return 0;
}

// A unicast address that can stand on the wire (RFC 1122 section 3.2.1.3, RFC 4291 section 2.4).
static int check_addr(struct ctl_ack *ack, const char *field, const struct ctl_addr *a)
{
	const uint8_t *b = a->bytes;
	int rc = check_addr_form(ack, field, a);

	if (rc != 0)
		return rc;
	if (a->len != (a->family == 4 ? 32 : 128))
		return fail(ack, -EPROTO, field, "prefix length %u on an address", a->len);
	if (a->family == 4) {
		if (b[0] == 0 || b[0] == 127 || b[0] >= 224)
			return fail(ack, -EINVAL, field,
				    "%u.%u.%u.%u is not a unicast address that can be on the wire",
				    b[0], b[1], b[2], b[3]);
		return 0;
	}
	if (b[0] == 0xff || (is_zero(b, 15) && b[15] <= 1))
		return fail(ack, -EINVAL, field, "not a unicast address that can be on the wire");
	if (is_zero(b, 10) && b[10] == 0xff && b[11] == 0xff)
		return fail(ack, -EINVAL, field, "IPv4-mapped IPv6 address");
	if (b[0] == 0xfe && (b[1] & 0xc0) == 0x80)
		return fail(ack, -EINVAL, field, "link-local address");
	return 0;
}

static int check_settings(const struct ctl_settings *r, struct ctl_ack *ack)
{
	int rc;

	if (r->rec.id != 1)
		return fail(ack, -EPROTO, "", "settings have id 1");
	if ((rc = check_range(ack, "flow-table/size", r->flow_max, 1024, 1 << 28)) != 0 ||
	    (rc = check_range(ack, "flow-table/ipv6-size", r->flow_max6, 0, r->flow_max)) != 0 ||
	    (rc = check_range(ack, "timeouts/tcp-syn", r->tcp_syn_ms, 1000, 600000)) != 0 ||
	    (rc = check_range(ack, "timeouts/tcp-established", r->tcp_established_ms, 1000,
			      86400000)) != 0 ||
	    (rc = check_range(ack, "timeouts/tcp-closing", r->tcp_closing_ms, 100, 600000)) != 0 ||
	    (rc = check_range(ack, "timeouts/udp", r->udp_ms, 1000, 86400000)) != 0 ||
	    (rc = check_range(ack, "timeouts/restart-quiet", r->restart_quiet_ms, 0, 300000)) !=
		    0 ||
	    (rc = check_range(ack, "persistence-table/size", r->persistence_max, 1024, 1 << 24)) !=
		    0 ||
	    (rc = RESERVED(ack, r, zero)) != 0)
		return rc;
	return 0;
}

static int check_port_kind(const struct ctl_port *r, struct ctl_ack *ack)
{
	uint16_t allowed = 0;

	switch (r->kind) {
	case CTL_PORT_AF_XDP:
	case CTL_PORT_TAP:
		if (r->device[0] == '\0')
			return fail(ack, -EINVAL, "port/device", "a device is needed");
		if (r->path[0] != '\0' || r->path2[0] != '\0')
			return fail(ack, -EPROTO, "port/device", "path on a port of this kind");
		if (!is_zero(r->peer_mac, 6))
			return fail(ack, -EINVAL, "port/peer-mac",
				    "only point-to-point kinds have a fixed peer");
		break;
	case CTL_PORT_PCI:
	case CTL_PORT_BOND:
		if (r->device[0] == '\0')
			return fail(ack, -EINVAL, "port/tap", "a TAP is needed");
		if (r->member[0][0] == '\0')
			return fail(ack, -EINVAL,
				    r->kind == CTL_PORT_PCI ? "port/pci-address"
							    : "port/bond/member",
				    "a device is needed");
		if (r->path[0] != '\0' || r->path2[0] != '\0')
			return fail(ack, -EPROTO, "port/tap", "path on a port of this kind");
		if (!is_zero(r->peer_mac, 6))
			return fail(ack, -EINVAL, "port/peer-mac",
				    "only point-to-point kinds have a fixed peer");
		break;
	case CTL_PORT_MEMIF:
		allowed = CTL_PORT_F_MEMIF_SERVER | CTL_PORT_F_LINK;
		if (r->path[0] == '\0')
			return fail(ack, -EINVAL, "port/memif/socket", "a socket path is needed");
		if (strlen(r->path) > 107)
			return fail(ack, -EINVAL, "port/memif/socket",
				    "longer than 107 characters");
		break;
	case CTL_PORT_PCAP:
		allowed = CTL_PORT_F_PCAP_INFINITE;
		if (r->path[0] == '\0' && r->path2[0] == '\0')
			return fail(ack, -EINVAL, "port/pcap/rx-file",
				    "a file to read or to write is needed");
		break;
	case CTL_PORT_NULL:
	case CTL_PORT_RING:
		break;
	default:
		return fail(ack, -EPROTO, "type", "unknown port kind %u", r->kind);
	}
	if ((r->flags & ~allowed) != 0)
		return fail(ack, -EPROTO, "type", "flags 0x%x on a port of this kind", r->flags);
	if (r->kind != CTL_PORT_MEMIF && r->memif_id != 0)
		return fail(ack, -EPROTO, "port/memif/id", "memif id on a port of another kind");
	return 0;
}

// The name of a kernel interface, or a PCI address.
static int check_member(const struct ctl_port *r, unsigned i, struct ctl_ack *ack)
{
	const char *field = r->kind == CTL_PORT_PCI ? "port/pci-address" : "port/bond/member";
	const char *s = r->member[i];
	int rc = check_string(ack, field, s, sizeof(r->member[i]));

	if (rc != 0)
		return rc;
	for (const char *c = s; *c != '\0'; c++)
		if (!name_char(*c, c == s) && (*c != ':' || c == s))
			return fail(ack, -EINVAL, field, "'%.15s' is no device", s);
	for (unsigned k = 0; s[0] != '\0' && k < i; k++)
		if (strcmp(r->member[k], s) == 0)
			return fail(ack, -EINVAL, field, "'%.15s' is there twice", s);
	return 0;
}

static int check_members(const struct ctl_port *r, struct ctl_ack *ack)
{
	unsigned max = r->kind == CTL_PORT_PCI    ? 1
		       : r->kind == CTL_PORT_BOND ? CTL_BOND_MEMBERS
						  : 0;
	int rc;

	for (unsigned i = 0; i < CTL_BOND_MEMBERS; i++) {
		if ((rc = check_member(r, i, ack)) != 0)
			return rc;
		if (r->member[i][0] == '\0')
			continue;
		if (i >= max)
			return fail(ack, -EPROTO, "type", "member on a port of this kind");
		if (i > 0 && r->member[i - 1][0] == '\0')
			return fail(ack, -EPROTO, "port/bond/member", "member after the end");
	}
	if (r->kind != CTL_PORT_BOND)
		return r->bond_mode == 0 ? 0
					 : fail(ack, -EPROTO, "type", "bond mode on another kind");
	if (r->bond_mode < CTL_BOND_ACTIVE_BACKUP || r->bond_mode > CTL_BOND_LACP)
		return fail(ack, -EPROTO, "port/bond/mode", "unknown mode %u", r->bond_mode);
	return 0;
}

static bool no_addr(const struct ctl_addr *a)
{
	return is_zero((const uint8_t *)a, sizeof(*a));
}

// Own addresses of one end of a link.
static int check_own(const struct ctl_port *r, struct ctl_ack *ack)
{
	int rc;

	if ((r->flags & CTL_PORT_F_LINK) == 0)
		return no_addr(&r->own4) && no_addr(&r->own6)
			       ? 0
			       : fail(ack, -EPROTO, "type", "own address on a port of this kind");
	if (!no_addr(&r->own4) && (rc = check_addr(ack, "ipv4-address", &r->own4)) != 0)
		return rc;
	if (!no_addr(&r->own6) && (rc = check_addr(ack, "ipv6-address", &r->own6)) != 0)
		return rc;
	if ((!no_addr(&r->own4) && r->own4.family != 4) ||
	    (!no_addr(&r->own6) && r->own6.family != 6))
		return fail(ack, -EPROTO, "ipv4-address", "address of the other family");
	return 0;
}

static int check_port(const struct ctl_port *r, struct ctl_ack *ack)
{
	int rc;

	if ((rc = check_string(ack, "name", r->name, sizeof(r->name))) != 0 ||
	    (rc = check_members(r, ack)) != 0 || (rc = check_own(r, ack)) != 0 ||
	    (rc = check_path(ack, "port/memif/socket", r->path, sizeof(r->path))) != 0 ||
	    (rc = check_path(ack, "port/pcap/tx-file", r->path2, sizeof(r->path2))) != 0)
		return rc;
	if (r->name[0] == '\0')
		return fail(ack, -EINVAL, "name", "is empty");
	if (r->device[0] == '\0')
		rc = check_string(ack, "port/device", r->device, sizeof(r->device));
	else
		rc = check_device(ack, "port/device", r->device, sizeof(r->device), 15);
	if (rc != 0 || (rc = check_port_kind(r, ack)) != 0 ||
	    (rc = check_range(ack, "port/queues", r->queues, 0, 16)) != 0)
		return rc;
	if (r->mtu != 0 && (rc = check_range(ack, "port/mtu", r->mtu, 1280, 9600)) != 0)
		return rc;
	if (r->mac[0] & 1)
		return fail(ack, -EINVAL, "port/mac", "is a group address");
	if (r->peer_mac[0] & 1)
		return fail(ack, -EINVAL, "port/peer-mac", "is a group address");
	return 0;
}

static int check_vlan(const struct ctl_vlan *r, struct ctl_ack *ack)
{
	int rc;

	if ((rc = RESERVED(ack, r, zero)) != 0 || (rc = RESERVED(ack, r, zero2)) != 0 ||
	    (rc = check_ref(ack, "vid", r->port)) != 0 ||
	    (rc = check_range(ack, "vid", r->vid, 1, 4094)) != 0 ||
	    (rc = check_device(ack, "tap", r->tap, sizeof(r->tap), 15)) != 0)
		return rc;
	return 0;
}

static int check_prefix(const struct ctl_prefix *r, struct ctl_ack *ack)
{
	const struct ctl_addr *a = &r->prefix;
	int rc = check_ref(ack, "port/prefix", r->port);

	if (rc != 0 || (rc = check_addr_form(ack, "port/prefix", a)) != 0)
		return rc;
	for (unsigned bit = a->len; bit < 128; bit++)
		if (a->bytes[bit / 8] & (0x80 >> bit % 8))
			return fail(ack, -EINVAL, "port/prefix",
				    "bits are set beyond the prefix length %u", a->len);
	return 0;
}

static int check_local_pool(const struct ctl_local_pool *r, struct ctl_ack *ack)
{
	int rc;

	if ((rc = RESERVED(ack, r, zero)) != 0 ||
	    (rc = check_name(ack, "name", r->name, sizeof(r->name))) != 0 ||
	    (rc = check_range(ack, "port-min", r->port_min, 1, 65535)) != 0 ||
	    (rc = check_range(ack, "port-max", r->port_max, 1, 65535)) != 0)
		return rc;
	if (r->port_min > r->port_max)
		return fail(ack, -EINVAL, "port-min", "port-min %u is above port-max %u",
			    r->port_min, r->port_max);
	return 0;
}

static int check_local_address(const struct ctl_local_address *r, struct ctl_ack *ack)
{
	int rc = check_ref(ack, "address", r->local_pool);

	return rc != 0 ? rc : check_addr(ack, "address", &r->addr);
}

static int check_http(const struct ctl_check *c, struct ctl_ack *ack)
{
	int rc;

	if ((rc = check_range(ack, "health-check/http/status-min", c->status_min, 100, 599)) != 0 ||
	    (rc = check_range(ack, "health-check/http/status-max", c->status_max, 100, 599)) != 0)
		return rc;
	if (c->status_min > c->status_max)
		return fail(ack, -EINVAL, "health-check/http/status-min",
			    "status-min %u is above status-max %u", c->status_min, c->status_max);
	if (c->path[0] != '/')
		return fail(ack, -EINVAL, "health-check/http/path", "does not begin with '/'");
	for (const char *p = c->path; *p != '\0'; p++)
		if (*p < '!' || *p > '~')
			return fail(ack, -EINVAL, "health-check/http/path",
				    "character that a request target may not have");
	for (const char *p = c->host; *p != '\0'; p++)
		if (*p < '!' || *p > '~')
			return fail(ack, -EINVAL, "health-check/http/host",
				    "character that a host may not have");
	return 0;
}

static int check_tls(const struct ctl_check *c, struct ctl_ack *ack)
{
	if ((c->flags & ~CTL_CHECK_F_VERIFY) != 0)
		return fail(ack, -EPROTO, "health-check/tls/verify", "unknown flags 0x%x",
			    c->flags);
	if (strlen(c->server_name) > 253)
		return fail(ack, -EINVAL, "health-check/tls/server-name",
			    "longer than 253 characters");
	for (const char *p = c->server_name; *p != '\0'; p++)
		if (!name_char(*p, p == c->server_name) || *p == '_')
			return fail(ack, -EINVAL, "health-check/tls/server-name",
				    "character that a server name may not have");
	return 0;
}

static int check_udp(const struct ctl_check *c, struct ctl_ack *ack)
{
	int rc;

	if ((rc = check_range(ack, "health-check/udp/send", c->send_size, 0, sizeof(c->send))) !=
		    0 ||
	    (rc = check_range(ack, "health-check/udp/expect", c->expect_size, 0,
			      sizeof(c->expect))) != 0)
		return rc;
	if (!is_zero(c->send + c->send_size, sizeof(c->send) - c->send_size) ||
	    !is_zero(c->expect + c->expect_size, sizeof(c->expect) - c->expect_size))
		return fail(ack, -EPROTO, "health-check/udp/send", "bytes after the end");
	return 0;
}

// What watches a server beside its check; each is off where its first field is zero.
static int check_observers(const struct ctl_check *c, struct ctl_ack *ack)
{
	int rc;

	if ((c->agent_port != 0 && (rc = check_range(ack, "health-check/agent/interval",
						     c->agent_interval_ms, 100, 3600000)) != 0) ||
	    (c->passive_failures != 0 &&
	     ((rc = check_range(ack, "health-check/passive/failures", c->passive_failures, 1,
				1000)) != 0 ||
	      (rc = check_range(ack, "health-check/passive/hold", c->passive_hold_ms, 1000,
				3600000)) != 0)) ||
	    (c->damping_changes != 0 &&
	     ((rc = check_range(ack, "health-check/damping/changes", c->damping_changes, 2,
				1000)) != 0 ||
	      (rc = check_range(ack, "health-check/damping/window", c->damping_window_ms, 1000,
				3600000)) != 0 ||
	      (rc = check_range(ack, "health-check/damping/hold", c->damping_hold_ms, 1000,
				3600000)) != 0)))
		return rc;
	return 0;
}

static int check_check(const struct ctl_check *c, struct ctl_ack *ack)
{
	int rc;

	if (c->kind > CTL_CHECK_ICMP)
		return fail(ack, -EPROTO, "health-check/type", "unknown kind %u", c->kind);
	if ((rc = RESERVED(ack, c, zero)) != 0 ||
	    (rc = check_string(ack, "health-check/http/path", c->path, sizeof(c->path))) != 0 ||
	    (rc = check_string(ack, "health-check/http/host", c->host, sizeof(c->host))) != 0 ||
	    (rc = check_bytes(ack, "health-check/http/body-match", c->body, sizeof(c->body))) !=
		    0 ||
	    (rc = check_string(ack, "health-check/tls/server-name", c->server_name,
			       sizeof(c->server_name))) != 0 ||
	    (rc = check_path(ack, "health-check/tls/ca-file", c->ca_file, sizeof(c->ca_file))) !=
		    0 ||
	    (rc = check_observers(c, ack)) != 0)
		return rc;
	if (c->kind == CTL_CHECK_NONE)
		return 0;
	if ((rc = check_range(ack, "health-check/interval", c->interval_ms, 100, 3600000)) != 0 ||
	    (rc = check_range(ack, "health-check/timeout", c->timeout_ms, 10, c->interval_ms)) !=
		    0 ||
	    (rc = check_range(ack, "health-check/rise", c->rise, 1, 100)) != 0 ||
	    (rc = check_range(ack, "health-check/fall", c->fall, 1, 100)) != 0)
		return rc;
	if ((c->kind == CTL_CHECK_HTTP || c->kind == CTL_CHECK_HTTPS) &&
	    (rc = check_http(c, ack)) != 0)
		return rc;
	if ((rc = check_tls(c, ack)) != 0)
		return rc;
	return check_udp(c, ack);
}

static int check_pool(const struct ctl_pool *r, struct ctl_ack *ack)
{
	int rc;

	if ((rc = RESERVED(ack, r, zero)) != 0 ||
	    (rc = check_name(ack, "name", r->name, sizeof(r->name))) != 0 ||
	    (rc = check_range(ack, "min-available", r->min_available, 1, 1000000)) != 0 ||
	    (rc = check_range(ack, "slow-start", r->slow_start_ms, 0, 3600000)) != 0 ||
	    (rc = check_range(ack, "drain-timeout", r->drain_timeout_ms, 0, 86400000)) != 0)
		return rc;
	if (r->scheduler < CTL_SCHED_WRR || r->scheduler > CTL_SCHED_MAGLEV)
		return fail(ack, -EPROTO, "scheduler", "unknown scheduler %u", r->scheduler);
	if (r->hash_key != CTL_HASH_SOURCE && r->hash_key != CTL_HASH_SOURCE_PORT)
		return fail(ack, -EPROTO, "hash-key", "unknown value %u", r->hash_key);
	if (r->on_down != CTL_ON_DOWN_RESET && r->on_down != CTL_ON_DOWN_KEEP)
		return fail(ack, -EPROTO, "on-server-down", "unknown value %u", r->on_down);
	if (r->backup_pool == r->rec.id)
		return fail(ack, -EINVAL, "backup-pool", "a pool cannot be its own backup");
	return check_check(&r->check, ack);
}

static int check_server(const struct ctl_server *r, struct ctl_ack *ack)
{
	int rc;

	if ((rc = RESERVED(ack, r, zero)) != 0 || (rc = check_ref(ack, "name", r->pool)) != 0 ||
	    (rc = check_name(ack, "name", r->name, sizeof(r->name))) != 0 ||
	    (rc = check_addr(ack, "address", &r->addr)) != 0 ||
	    (rc = check_range(ack, "weight", r->weight, 0, 256)) != 0)
		return rc;
	if (r->admin < CTL_ADMIN_ENABLED || r->admin > CTL_ADMIN_DISABLED)
		return fail(ack, -EPROTO, "admin-state", "unknown value %u", r->admin);
	return 0;
}

// An address, or a prefix of which it is the first.
static int check_service_addr(const struct ctl_service *r, struct ctl_ack *ack)
{
	struct ctl_addr host = r->addr;
	unsigned max = r->addr.family == 4 ? 32 : 128;
	int rc = check_addr_form(ack, "address", &r->addr);

	if (rc != 0)
		return rc;
	if (r->addr.len == 0)
		return fail(ack, -EINVAL, "prefix-length", "a service of every address");
	for (unsigned bit = r->addr.len; bit < max; bit++)
		if (r->addr.bytes[bit / 8] & (0x80 >> bit % 8))
			return fail(ack, -EINVAL, "address",
				    "bits are set beyond the prefix length %u", r->addr.len);
	host.len = (uint8_t)max;
	return check_addr(ack, "address", &host);
}

static int check_service_ports(const struct ctl_service *r, struct ctl_ack *ack)
{
	uint16_t min = ntohs(r->port), max = ntohs(r->port_max);

	if (min == 0 && max != 0)
		return fail(ack, -EINVAL, "port-max", "port-max without a first port");
	if (max < min)
		return fail(ack, -EINVAL, "port-max", "port-max %u is below port %u", max, min);
	return 0;
}

static int check_service_options(const struct ctl_service *r, struct ctl_ack *ack)
{
	int rc;

	if (r->forwarding != CTL_FORWARD_FULLNAT && r->forwarding != CTL_FORWARD_NAT)
		return fail(ack, -EPROTO, "forwarding", "unknown mode %u", r->forwarding);
	if (r->forwarding == CTL_FORWARD_FULLNAT && r->local_pool == 0)
		return fail(ack, -EINVAL, "local-address-pool",
			    "fullnat needs a local address pool");
	if (r->proxy != CTL_PROXY_OFF && r->proxy != CTL_PROXY_V2)
		return fail(ack, -EPROTO, "proxy-protocol", "unknown value %u", r->proxy);
	if (r->proxy != CTL_PROXY_OFF &&
	    (r->proto != IPPROTO_TCP || r->forwarding != CTL_FORWARD_FULLNAT))
		return fail(ack, -EINVAL, "proxy-protocol",
			    "the PROXY protocol is for TCP services with fullnat");
	if (r->mss_max != 0 && (rc = check_range(ack, "mss-clamp", r->mss_max, 88, 9560)) != 0)
		return rc;
	if (r->mss_max != 0 && r->proto != IPPROTO_TCP)
		return fail(ack, -EINVAL, "mss-clamp", "mss-clamp is for TCP services");
	if (r->persist_ms == 0)
		return r->persist_len == 0 && r->persist_group == 0
			       ? 0
			       : fail(ack, -EPROTO, "persistence", "no timeout, but other values");
	if ((rc = check_range(ack, "persistence/timeout", r->persist_ms, 1000, 86400000)) != 0 ||
	    (rc = check_range(ack,
			      r->addr.family == 4 ? "persistence/ipv4-prefix-length"
						  : "persistence/ipv6-prefix-length",
			      r->persist_len, 1, r->addr.family == 4 ? 32 : 128)) != 0)
		return rc;
	return 0;
}

static int check_service(const struct ctl_service *r, struct ctl_ack *ack)
{
	int rc;

	if ((rc = RESERVED(ack, r, zero)) != 0 || (rc = check_ref(ack, "pool", r->pool)) != 0 ||
	    (rc = check_name(ack, "name", r->name, sizeof(r->name))) != 0 ||
	    (rc = check_service_addr(r, ack)) != 0 || (rc = check_service_ports(r, ack)) != 0)
		return rc;
	if (r->proto != IPPROTO_TCP && r->proto != IPPROTO_UDP)
		return fail(ack, -EINVAL, "protocol", "protocol %u is neither TCP nor UDP",
			    r->proto);
	if (r->enabled > 1)
		return fail(ack, -EPROTO, "enabled", "not a boolean: %u", r->enabled);
	return check_service_options(r, ack);
}

static const size_t record_size[] = {
	[CTL_REC_SETTINGS] = sizeof(struct ctl_settings),
	[CTL_REC_PORT] = sizeof(struct ctl_port),
	[CTL_REC_VLAN] = sizeof(struct ctl_vlan),
	[CTL_REC_PREFIX] = sizeof(struct ctl_prefix),
	[CTL_REC_LOCAL_POOL] = sizeof(struct ctl_local_pool),
	[CTL_REC_LOCAL_ADDRESS] = sizeof(struct ctl_local_address),
	[CTL_REC_POOL] = sizeof(struct ctl_pool),
	[CTL_REC_SERVER] = sizeof(struct ctl_server),
	[CTL_REC_SERVICE] = sizeof(struct ctl_service),
};

size_t ctl_record_size(uint16_t type)
{
	return type < sizeof(record_size) / sizeof(record_size[0]) ? record_size[type] : 0;
}

int ctl_record_check(const void *bytes, size_t size, struct ctl_ack *ack)
{
	union {
		struct ctl_rec rec;
		struct ctl_settings settings;
		struct ctl_port port;
		struct ctl_vlan vlan;
		struct ctl_prefix prefix;
		struct ctl_local_pool local_pool;
		struct ctl_local_address local_address;
		struct ctl_pool pool;
		struct ctl_server server;
		struct ctl_service service;
	} u;

	memset(ack, 0, sizeof(*ack));
	if (size < sizeof(u.rec) || size > sizeof(u))
		return fail(ack, -EPROTO, "", "record of %zu bytes", size);
	memcpy(&u, bytes, size); // the sender's bytes may lie at any alignment
	ack->rec_type = u.rec.type;
	ack->rec_id = u.rec.id;
	if (ctl_record_size(u.rec.type) == 0)
		return fail(ack, -EPROTO, "", "unknown record type %u", u.rec.type);
	if (u.rec.size != size || size != ctl_record_size(u.rec.type))
		return fail(ack, -EPROTO, "", "record of type %u has %zu bytes, says %u, needs %zu",
			    u.rec.type, size, u.rec.size, ctl_record_size(u.rec.type));
	if (u.rec.zero != 0)
		return fail(ack, -EPROTO, "", "reserved field 'zero' is not zero");
	if (u.rec.id == 0)
		return fail(ack, -EPROTO, "", "record with id 0");
	switch ((enum ctl_rec_type)u.rec.type) {
	case CTL_REC_SETTINGS:
		return check_settings(&u.settings, ack);
	case CTL_REC_PORT:
		return check_port(&u.port, ack);
	case CTL_REC_VLAN:
		return check_vlan(&u.vlan, ack);
	case CTL_REC_PREFIX:
		return check_prefix(&u.prefix, ack);
	case CTL_REC_LOCAL_POOL:
		return check_local_pool(&u.local_pool, ack);
	case CTL_REC_LOCAL_ADDRESS:
		return check_local_address(&u.local_address, ack);
	case CTL_REC_POOL:
		return check_pool(&u.pool, ack);
	case CTL_REC_SERVER:
		return check_server(&u.server, ack);
	case CTL_REC_SERVICE:
		return check_service(&u.service, ack);
	}
	return fail(ack, -EPROTO, "", "unknown record type %u", u.rec.type);
}
