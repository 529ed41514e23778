// SPDX-License-Identifier: BSD-3-Clause
//
// check - the form of what an app sends (msg.h), before link.c looks at its meaning.

#include "control/link/link_check.h"

#include <string.h>

static bool all_zero(const void *p, size_t size)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < size; i++) {
		if (b[i] != 0)
			return false;
	}
	return true;
}

// A string that ends inside its array and is followed by zeros only.
static bool string_ok(const char *s, size_t size)
{
	size_t len = strnlen(s, size);

	return len < size && all_zero(s + len, size - len);
}

const char *link_check_header(const struct ctl_hdr *h)
{
	if (h->len < sizeof(*h) || h->len > CTL_MSG_MAX || h->len % 8 != 0)
		return "a message of impossible length";
	if (h->size > h->len - sizeof(*h) || h->len - sizeof(*h) - h->size >= 8)
		return "a message whose payload does not fit its length";
	switch (h->type) {
	case CTL_HELLO:
		return h->flags                              ? "flags on a HELLO"
		       : h->size != sizeof(struct ctl_hello) ? "a HELLO of wrong size"
							     : NULL;
	case CTL_ACK:
		return h->flags                            ? "flags on an ACK"
		       : h->size != sizeof(struct ctl_ack) ? "an ACK of wrong size"
							   : NULL;
	case CTL_EVENT:
		return h->flags                              ? "flags on an EVENT"
		       : h->size != sizeof(struct ctl_event) ? "an EVENT of wrong size"
							     : NULL;
	case CTL_ANSWER:
		return (h->flags & ~CTL_F_MORE) ? "unknown flags on an ANSWER" : NULL;
	default:
		return "a message of a type that an app does not send";
	}
}

static const char *check_hello(const struct ctl_hello *p, const char *instance)
{
	if (p->magic != CTL_MAGIC)
		return "something that is not the control link";
	if (p->version != CTL_VERSION)
		return "another version of the control link; install the same release of both";
	if (p->role != CTL_ROLE_APP)
		return "a HELLO of a peer that is no app";
	if (!string_ok(p->instance, sizeof(p->instance)))
		return "a HELLO with a damaged name";
	if (strcmp(p->instance, instance) != 0)
		return "a HELLO of another instance";
	return NULL;
}

static const char *check_ack(const struct ctl_ack *p)
{
	if (p->result > 0 || p->result < -4095)
		return "an ACK whose result is no error number";
	if (p->tag > CTL_TAG_DATA_MISSING)
		return "an ACK with an unknown tag";
	if (p->rec_type > CTL_REC_SERVICE)
		return "an ACK about an unknown kind of record";
	if (!string_ok(p->field, sizeof(p->field)) || !string_ok(p->message, sizeof(p->message)))
		return "an ACK with a damaged string";
	return NULL;
}

static const char *check_event(const struct ctl_event *p)
{
	if (p->kind < CTL_EVENT_PORT || p->kind > CTL_EVENT_STATE)
		return "an EVENT of unknown kind";
	if (p->severity > 7)
		return "an EVENT of unknown severity";
	if (p->rec_type > CTL_REC_SERVICE)
		return "an EVENT about an unknown kind of record";
	if (!all_zero(p->zero, sizeof(p->zero)))
		return "an EVENT with reserved bytes set";
	if (!string_ok(p->message, sizeof(p->message)))
		return "an EVENT with a damaged string";
	return NULL;
}

const char *link_check_message(const void *msg, bool first, const char *instance)
{
	const struct ctl_hdr *h = msg;
	const uint8_t *payload = (const uint8_t *)msg + sizeof(*h);

	if (!all_zero(payload + h->size, h->len - sizeof(*h) - h->size))
		return "padding that is not zero";
	if (first != (h->type == CTL_HELLO))
		return first ? "something else before its HELLO" : "a second HELLO";
	switch (h->type) {
	case CTL_HELLO:
		return check_hello((const struct ctl_hello *)payload, instance);
	case CTL_ACK:
		return check_ack((const struct ctl_ack *)payload);
	case CTL_EVENT:
		return check_event((const struct ctl_event *)payload);
	default:
		return memchr(payload, 0, h->size) ? "an ANSWER with a NUL in its text" : NULL;
	}
}
