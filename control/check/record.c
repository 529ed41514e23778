// SPDX-License-Identifier: BSD-3-Clause

#include "control/check/record.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int refuse(char *why, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int refuse(char *why, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, CHECK_WHY, fmt, ap);
	va_end(ap);
	return -EPROTO;
}

static bool all_zero(const void *bytes, size_t size)
{
	const uint8_t *b = bytes;

	for (size_t i = 0; i < size; i++)
		if (b[i] != 0)
			return false;
	return true;
}

// A string of an array: ended inside it, zero behind the end, bytes between first and last.
static bool text_ok(const char *s, size_t size, char first, char last)
{
	size_t len = strnlen(s, size);

	if (len == size || !all_zero(s + len, size - len))
		return false;
	for (size_t i = 0; i < len; i++)
		if (s[i] < first || s[i] > last)
			return false;
	return true;
}

// A YANG name of ours: [A-Za-z0-9][A-Za-z0-9._-]*
static bool name_ok(const char *s)
{
	if (s[0] == '\0' || !text_ok(s, CTL_NAME, '-', 'z'))
		return false;
	for (const char *c = s; *c != '\0'; c++) {
		bool alnum = (*c >= '0' && *c <= '9') || (*c >= 'a' && *c <= 'z') ||
			     (*c >= 'A' && *c <= 'Z');

		if (!alnum && (c == s || (*c != '.' && *c != '_' && *c != '-')))
			return false;
	}
	return true;
}

int check_msg_peek(const void *buf, size_t size, struct ctl_hdr *hdr, char *why)
{
	if (size < sizeof(*hdr))
		return 0;
	memcpy(hdr, buf, sizeof(*hdr));
	if (hdr->len < sizeof(*hdr) || hdr->len > CTL_MSG_MAX || hdr->len % 8 != 0)
		return refuse(why, "a message of %u bytes", hdr->len);
	if (hdr->size > hdr->len - sizeof(*hdr) || hdr->len - sizeof(*hdr) - hdr->size >= 8)
		return refuse(why, "payload of %u bytes in a message of %u", hdr->size, hdr->len);
	if (hdr->flags != 0)
		return refuse(why, "flags 0x%x", hdr->flags);
	return size < hdr->len ? 0 : (int)hdr->len;
}

int check_msg_padding(const void *msg, const struct ctl_hdr *hdr, char *why)
{
	size_t used = sizeof(*hdr) + hdr->size;

	if (!all_zero((const uint8_t *)msg + used, hdr->len - used))
		return refuse(why, "padding that is not zero");
	return 0;
}

int check_hello_check(const void *payload, size_t size, const char *instance, char *why)
{
	struct ctl_hello h;

	if (size != sizeof(h))
		return refuse(why, "a greeting of %zu bytes", size);
	memcpy(&h, payload, sizeof(h));
	if (h.magic != CTL_MAGIC)
		return refuse(why, "a greeting that is not of the control link");
	if (h.version != CTL_VERSION)
		return refuse(why, "version %u of the control link, we speak %u", h.version,
			      CTL_VERSION);
	if (h.role != CTL_ROLE_APP)
		return refuse(why, "role %u, not an app", h.role);
	if (!name_ok(h.instance))
		return refuse(why, "an instance name that is none");
	if (strcmp(h.instance, instance) != 0)
		return refuse(why, "instance '%s' at the socket of '%s'", h.instance, instance);
	return 0;
}

static int rec_check(const struct ctl_rec *rec, size_t size, char *why)
{
	if (rec->type != CTL_REC_SERVER)
		return refuse(why, "a target of record type %u", rec->type);
	if (rec->size != size)
		return refuse(why, "a record of %u bytes in a payload of %zu", rec->size, size);
	if (rec->zero != 0)
		return refuse(why, "reserved bytes that are not zero");
	if (rec->id == 0)
		return refuse(why, "a record without id");
	return 0;
}

static int addr_check(const struct ctl_addr *a, char *why)
{
	if (!((a->family == 4 && a->len == 32) || (a->family == 6 && a->len == 128)))
		return refuse(why, "address family %u with length %u", a->family, a->len);
	if (!all_zero(a->zero, sizeof(a->zero)) ||
	    (a->family == 4 && !all_zero(a->bytes + 4, sizeof(a->bytes) - 4)))
		return refuse(why, "reserved bytes of an address that are not zero");
	if (all_zero(a->bytes, sizeof(a->bytes)))
		return refuse(why, "the unspecified address");
	if ((a->family == 4 && a->bytes[0] >= 224) || (a->family == 6 && a->bytes[0] == 0xff))
		return refuse(why, "a multicast address");
	return 0;
}

static int http_check(const struct ctl_check *c, char *why)
{
	size_t len;

	if (c->status_min < 100 || c->status_max > 599 || c->status_min > c->status_max)
		return refuse(why, "status %u to %u", c->status_min, c->status_max);
	if (c->path[0] != '/' || !text_ok(c->path, sizeof(c->path), '!', '~'))
		return refuse(why, "a request target that is none");
	if (!text_ok(c->host, sizeof(c->host), '!', '~'))
		return refuse(why, "a host that is none");
	len = strnlen(c->body, sizeof(c->body));
	if (len == sizeof(c->body) || !all_zero(c->body + len, sizeof(c->body) - len))
		return refuse(why, "a body string without end");
	return 0;
}

// Letters, digits, dots and hyphens: it stands in a URL and in a ClientHello.
static bool server_name_ok(const char *s)
{
	if (!text_ok(s, sizeof(((struct ctl_check *)0)->server_name), '-', 'z'))
		return false;
	for (const char *c = s; *c != '\0'; c++) {
		bool alnum = (*c >= '0' && *c <= '9') || (*c >= 'a' && *c <= 'z') ||
			     (*c >= 'A' && *c <= 'Z');

		if (!alnum && (c == s || (*c != '.' && *c != '-')))
			return false;
	}
	return true;
}

static int tls_check(const struct ctl_check *c, char *why)
{
	if ((c->flags & ~CTL_CHECK_F_VERIFY) != 0)
		return refuse(why, "flags 0x%x of a check", c->flags);
	if (!server_name_ok(c->server_name))
		return refuse(why, "a server name that is none");
	if (!text_ok(c->ca_file, sizeof(c->ca_file), ' ', '~') ||
	    (c->ca_file[0] != '\0' && c->ca_file[0] != '/'))
		return refuse(why, "a file name that is none");
	return 0;
}

static int udp_check(const struct ctl_check *c, char *why)
{
	if (c->send_size > sizeof(c->send) || c->expect_size > sizeof(c->expect))
		return refuse(why, "%u bytes to send, %u to expect", c->send_size, c->expect_size);
	if (!all_zero(c->send + c->send_size, sizeof(c->send) - c->send_size) ||
	    !all_zero(c->expect + c->expect_size, sizeof(c->expect) - c->expect_size))
		return refuse(why, "bytes behind the end of a datagram");
	return 0;
}

static int times_check(const struct ctl_check *c, char *why)
{
	if (c->interval_ms < 100 || c->interval_ms > 3600000)
		return refuse(why, "interval of %u ms", c->interval_ms);
	if (c->timeout_ms < 10 || c->timeout_ms > c->interval_ms)
		return refuse(why, "timeout of %u ms at an interval of %u ms", c->timeout_ms,
			      c->interval_ms);
	if (c->rise < 1 || c->rise > 100 || c->fall < 1 || c->fall > 100)
		return refuse(why, "rise %u, fall %u", c->rise, c->fall);
	return 0;
}

static int check_check(const struct ctl_check *c, char *why)
{
	int rc;

	if (c->kind > CTL_CHECK_ICMP || (c->kind == CTL_CHECK_NONE && c->agent_port == 0))
		return refuse(why, "check kind %u", c->kind);
	if (c->zero != 0)
		return refuse(why, "reserved bytes of a check that are not zero");
	if (c->agent_port != 0 && (c->agent_interval_ms < 100 || c->agent_interval_ms > 3600000))
		return refuse(why, "agent's interval of %u ms", c->agent_interval_ms);
	rc = times_check(c, why);
	if (rc == 0 && (c->kind == CTL_CHECK_HTTP || c->kind == CTL_CHECK_HTTPS))
		rc = http_check(c, why);
	if (rc == 0 && (c->kind == CTL_CHECK_TLS || c->kind == CTL_CHECK_HTTPS))
		rc = tls_check(c, why);
	if (rc == 0 && c->kind == CTL_CHECK_UDP)
		rc = udp_check(c, why);
	return rc;
}

// What the kind of check does not use shall not tell targets apart: only what it does is taken over.
static struct ctl_check question(const struct ctl_check *c)
{
	struct ctl_check q = {
		.kind = c->kind,
		.interval_ms = c->interval_ms,
		.timeout_ms = c->timeout_ms,
		.rise = c->rise,
		.fall = c->fall,
	};

	if (c->kind == CTL_CHECK_HTTP || c->kind == CTL_CHECK_HTTPS) {
		q.status_min = c->status_min;
		q.status_max = c->status_max;
		memcpy(q.path, c->path, sizeof(q.path));
		memcpy(q.host, c->host, sizeof(q.host));
		memcpy(q.body, c->body, sizeof(q.body));
	}
	if (c->kind == CTL_CHECK_TLS || c->kind == CTL_CHECK_HTTPS) {
		q.flags = c->flags;
		memcpy(q.server_name, c->server_name, sizeof(q.server_name));
		memcpy(q.ca_file, c->ca_file, sizeof(q.ca_file));
	}
	if (c->kind == CTL_CHECK_UDP) {
		q.send_size = c->send_size;
		q.expect_size = c->expect_size;
		memcpy(q.send, c->send, sizeof(q.send));
		memcpy(q.expect, c->expect, sizeof(q.expect));
	}
	return q;
}

// The target that is the agent beside t, if it has one.
static bool agent_of(const struct ctl_target *t, struct ctl_target *out)
{
	uint32_t interval = t->check.agent_interval_ms;

	if (t->check.agent_port == 0)
		return false;
	*out = (struct ctl_target){
		.rec = t->rec,
		.addr = t->addr,
		.port = htons(t->check.agent_port),
		.check = {.kind = CHECK_KIND_AGENT,
			  .interval_ms = interval,
			  .timeout_ms = interval < CHECK_AGENT_MS ? interval : CHECK_AGENT_MS,
			  .rise = 1,
			  .fall = 1},
	};
	return true;
}

int check_target_check(const void *payload, size_t size, struct ctl_target *out,
		       struct ctl_target *agent, char *why)
{
	struct ctl_target t;
	int rc;

	if (size != sizeof(t))
		return refuse(why, "a target of %zu bytes", size);
	memcpy(&t, payload, sizeof(t));
	rc = rec_check(&t.rec, size, why);
	if (rc == 0 && (!name_ok(t.pool) || !name_ok(t.name)))
		rc = refuse(why, "a name that is none");
	if (rc == 0)
		rc = addr_check(&t.addr, why);
	if (rc == 0 && t.port == 0 && t.check.kind != CTL_CHECK_ICMP &&
	    t.check.kind != CTL_CHECK_NONE)
		rc = refuse(why, "port 0");
	if (rc == 0 && (t.zero != 0 || t.zero2 != 0))
		rc = refuse(why, "reserved bytes of a target that are not zero");
	if (rc == 0)
		rc = check_check(&t.check, why);
	if (rc != 0)
		return rc;
	if (!agent_of(&t, agent))
		memset(agent, 0, sizeof(*agent));
	if (t.check.kind == CTL_CHECK_ICMP || t.check.kind == CTL_CHECK_NONE)
		t.port = 0;
	t.check = question(&t.check);
	*out = t;
	return 0;
}

int check_target_del_check(const void *payload, size_t size, uint64_t *id, char *why)
{
	struct ctl_rec rec;
	int rc;

	if (size != sizeof(rec))
		return refuse(why, "a deletion of %zu bytes", size);
	memcpy(&rec, payload, sizeof(rec));
	rc = rec_check(&rec, size, why);
	if (rc == 0)
		*id = rec.id;
	return rc;
}

int check_ack_check(const void *payload, size_t size, struct ctl_ack *out, char *why)
{
	struct ctl_ack a;

	if (size != sizeof(a))
		return refuse(why, "an acknowledgement of %zu bytes", size);
	memcpy(&a, payload, sizeof(a));
	if (a.result > 0 || !text_ok(a.field, sizeof(a.field), ' ', '~') ||
	    strnlen(a.message, sizeof(a.message)) == sizeof(a.message))
		return refuse(why, "a malformed acknowledgement");
	*out = a;
	return 0;
}
