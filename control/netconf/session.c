// SPDX-License-Identifier: BSD-3-Clause
//
// session - the envelope of messages; what is inside <rpc> is for ops.c.

#include "control/netconf/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/netconf/error.h"
#include "control/netconf/ops.h"
#include "control/netconf/xml.h"

#define BASE_10        "urn:ietf:params:netconf:base:1.0"
#define BASE_11        "urn:ietf:params:netconf:base:1.1"
#define MESSAGE_ID_MAX 4095 // RFC 6241 appendix B, messageIdType

#define PROLOGUE "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"

static void one_capability(void *user, const char *uri)
{
	struct ncd_buf *out = user;

	ncd_buf_str(out, "<capability>");
	ncd_buf_xml(out, uri);
	ncd_buf_str(out, "</capability>");
}

void ncd_session_hello(const struct ncd_session *s, struct ncd_buf *out)
{
	ncd_buf_str(out, PROLOGUE "<hello xmlns=\"" NCD_NS_BASE "\"><capabilities>");
	ncd_schema_capabilities(s->schema, one_capability, out);
	ncd_buf_fmt(out, "</capabilities><session-id>%u</session-id></hello>", s->id);
}

static int read_capabilities(struct ncd_session *s, xmlNodePtr list, bool *base10)
{
	for (xmlNodePtr c = ncd_xml_child(list); c != NULL; c = ncd_xml_next(c)) {
		char *uri;

		if (!ncd_xml_is(c, NCD_NS_BASE, "capability"))
			return -EBADMSG;
		uri = ncd_xml_text(c, true);
		if (uri == NULL)
			return -EBADMSG;
		*base10 = *base10 || strcmp(uri, BASE_10) == 0;
		s->base11 = s->base11 || strcmp(uri, BASE_11) == 0;
		free(uri);
	}
	return 0;
}

int ncd_session_take_hello(struct ncd_session *s, const char *msg, size_t len, char *why,
			   size_t why_size)
{
	bool base10 = false, seen = false;
	xmlDocPtr doc;
	xmlNodePtr root;
	int rc = ncd_xml_parse(msg, len, &doc, why, why_size);

	if (rc < 0)
		return -EBADMSG;
	root = xmlDocGetRootElement(doc);
	if (!ncd_xml_is(root, NCD_NS_BASE, "hello")) {
		snprintf(why, why_size, "the first message is no hello");
		rc = -EBADMSG;
	}
	for (xmlNodePtr c = ncd_xml_child(root); rc == 0 && c != NULL; c = ncd_xml_next(c)) {
		if (ncd_xml_is(c, NCD_NS_BASE, "session-id")) {
			snprintf(why, why_size, "a client must not send a session-id");
			rc = -EBADMSG;
		} else if (ncd_xml_is(c, NCD_NS_BASE, "capabilities") && !seen) {
			seen = true;
			rc = read_capabilities(s, c, &base10);
			if (rc < 0)
				snprintf(why, why_size, "not a list of capabilities");
		} else {
			snprintf(why, why_size, "an element that hello does not have");
			rc = -EBADMSG;
		}
	}
	if (rc == 0 && !base10 && !s->base11) {
		snprintf(why, why_size, "no base version in common");
		rc = -EBADMSG;
	}
	xmlFreeDoc(doc);
	return rc;
}

static void count(struct ncd_session *s, bool bad)
{
	if (s->shared == NULL)
		return;
	atomic_fetch_add(bad ? &s->shared->in_bad_rpcs : &s->shared->in_rpcs, 1);
	if (s->slot != NULL)
		atomic_fetch_add(bad ? &s->slot->in_bad_rpcs : &s->slot->in_rpcs, 1);
}

// Attributes and prefixes of <rpc> come back in <rpc-reply> as they were (RFC 6241 section 4.1).
static void echo_attributes(xmlNodePtr rpc, struct ncd_buf *out)
{
	for (const xmlNs *ns = rpc->nsDef; ns != NULL; ns = ns->next) {
		if (ns->prefix == NULL)
			continue;
		ncd_buf_fmt(out, " xmlns:%s=\"", (const char *)ns->prefix);
		ncd_buf_xml(out, ns->href == NULL ? "" : (const char *)ns->href);
		ncd_buf_str(out, "\"");
	}
	for (const xmlAttr *a = rpc->properties; a != NULL; a = a->next) {
		char *value = ncd_xml_text((const xmlNode *)a, false);

		if (value == NULL)
			continue;
		ncd_buf_str(out, " ");
		if (a->ns != NULL && a->ns->prefix != NULL)
			ncd_buf_fmt(out, "%s:", (const char *)a->ns->prefix);
		ncd_buf_fmt(out, "%s=\"", (const char *)a->name);
		ncd_buf_xml(out, value);
		ncd_buf_str(out, "\"");
		free(value);
	}
}

static void write_reply(struct ncd_session *s, xmlNodePtr rpc, const struct ncd_buf *body,
			const json_t *errs, struct ncd_buf *reply)
{
	ncd_buf_str(reply, PROLOGUE "<rpc-reply xmlns=\"" NCD_NS_BASE "\"");
	if (rpc != NULL)
		echo_attributes(rpc, reply);
	ncd_buf_str(reply, ">");
	if (json_array_size(errs) > 0) {
		ncd_error_to_xml(s->schema->ctx, errs, reply);
		if (s->shared != NULL) {
			atomic_fetch_add(&s->shared->out_rpc_errors, 1);
			if (s->slot != NULL)
				atomic_fetch_add(&s->slot->out_rpc_errors, 1);
		}
	} else if (body != NULL && body->len > 0) {
		ncd_buf_add(reply, body->data, body->len);
	} else {
		ncd_buf_str(reply, "<ok/>");
	}
	ncd_buf_str(reply, "</rpc-reply>");
	if (reply->failed)
		s->end = true; // nothing sensible can be said any more
}

static json_t *bad_element(xmlNodePtr n)
{
	return json_pack("{s:s}", "bad-element", ncd_xml_name(n));
}

// Check the envelope. Returns: the operation element, or NULL with an error in errs
static xmlNodePtr open_envelope(xmlNodePtr rpc, json_t *errs)
{
	char *id = ncd_xml_attr(rpc, "", "message-id");
	xmlNodePtr op = ncd_xml_child(rpc);

	if (id == NULL) {
		ncd_error(errs, "rpc", "missing-attribute", "/ietf-netconf:rpc",
			  json_pack("{s:s, s:s}", "bad-attribute", "message-id", "bad-element",
				    "rpc"),
			  "rpc has no message-id");
		return NULL;
	}
	if (strlen(id) > MESSAGE_ID_MAX)
		ncd_error(errs, "rpc", "bad-attribute", "/ietf-netconf:rpc",
			  json_pack("{s:s, s:s}", "bad-attribute", "message-id", "bad-element",
				    "rpc"),
			  "message-id is longer than %d", MESSAGE_ID_MAX);
	else if (ncd_xml_has_text(rpc))
		ncd_error(errs, "rpc", "bad-element", "/ietf-netconf:rpc", bad_element(rpc),
			  "text where the operation should stand");
	else if (op == NULL)
		ncd_error(errs, "protocol", "missing-element", "/ietf-netconf:rpc",
			  bad_element(rpc), "rpc holds no operation");
	else if (ncd_xml_next(op) != NULL)
		ncd_error(errs, "protocol", "unknown-element", "/ietf-netconf:rpc",
			  bad_element(ncd_xml_next(op)), "rpc holds more than one operation");
	free(id);
	return json_array_size(errs) > 0 ? NULL : op;
}

static void take_rpc(struct ncd_session *s, xmlNodePtr root, struct ncd_buf *reply)
{
	struct ncd_buf body = {0};
	json_t *errs = json_array();
	xmlNodePtr op = NULL;
	int rc;

	if (strcmp(ncd_xml_ns(root), NCD_NS_BASE) != 0)
		ncd_error(errs, "rpc", "unknown-namespace", NULL,
			  json_pack("{s:s, s:s}", "bad-element", ncd_xml_name(root),
				    "bad-namespace", ncd_xml_ns(root)),
			  "not a message of NETCONF");
	else if (strcmp(ncd_xml_name(root), "rpc") != 0)
		ncd_error(errs, "rpc", "unknown-element", NULL, bad_element(root),
			  "only rpc is expected here");
	else
		op = open_envelope(root, errs);
	count(s, op == NULL);
	if (op != NULL) {
		rc = ncd_op_run(s, op, &body, errs);
		if (rc == -EPIPE) {
			s->end = true; // the client is gone: nobody to answer
			goto out;
		}
		if (rc < 0 && json_array_size(errs) == 0)
			ncd_error(errs, "application", "operation-failed", NULL, NULL, "%s",
				  strerror(-rc));
		if (body.failed && json_array_size(errs) == 0)
			ncd_error(errs, "application", "resource-denied", NULL, NULL,
				  "the reply needs more memory than a session may use");
	}
	write_reply(s, op == NULL && strcmp(ncd_xml_name(root), "rpc") != 0 ? NULL : root, &body,
		    errs, reply);
out:
	ncd_buf_fini(&body);
	json_decref(errs);
}

// RFC 6241 section 3 and appendix A: base 1.1 has malformed-message, a 1.0 client would not know it,
// and the session must end.
static void malformed(struct ncd_session *s, const char *tag, const char *why,
		      struct ncd_buf *reply)
{
	json_t *errs;

	count(s, true);
	if (!s->base11 && strcmp(tag, "malformed-message") == 0) {
		s->end = true;
		return;
	}
	errs = json_array();
	ncd_error(errs, "rpc", tag, NULL, NULL, "%s", why);
	write_reply(s, NULL, NULL, errs, reply);
	json_decref(errs);
}

void ncd_session_message(struct ncd_session *s, const char *msg, size_t len, struct ncd_buf *reply)
{
	char why[256] = "";
	xmlDocPtr doc;
	int rc = ncd_xml_parse(msg, len, &doc, why, sizeof(why));

	if (rc < 0) {
		malformed(s, rc == -ENOMEM ? "resource-denied" : "malformed-message", why, reply);
		return;
	}
	take_rpc(s, xmlDocGetRootElement(doc), reply);
	xmlFreeDoc(doc);
}

void ncd_session_too_big(struct ncd_session *s, struct ncd_buf *reply)
{
	malformed(s, "too-big", "the message is longer than this server takes", reply);
	s->end = true;
}
