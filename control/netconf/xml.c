// SPDX-License-Identifier: BSD-3-Clause
//
// xml - libxml2 set up for strangers' input.
//
// XML_PARSE_HUGE is never set: the library's own bounds stay in force (256 levels, 10 MB a text
// node). The DOCTYPE is refused where it begins, before anything in it is read.

#include "control/netconf/xml.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libxml/parser.h>
#include <libxml/xmlerror.h>

static void refuse_doctype(void *user, const xmlChar *name, const xmlChar *external,
			   const xmlChar *system)
{
	xmlParserCtxtPtr ctxt = user;

	ctxt->_private = ctxt; // a mark for the caller: this was the reason
	xmlStopParser(ctxt);
}

static void quiet(void *user, const char *msg, ...)
{
	// The error is taken from the context; nothing a stranger sends is written to the log.
}

// A one-line reason, without the line feed that libxml2 puts at its end.
static void reason(xmlParserCtxtPtr ctxt, char *why, size_t size)
{
	xmlErrorPtr e = xmlCtxtGetLastError(ctxt);

	if (ctxt->_private != NULL)
		snprintf(why, size, "a document type declaration is not allowed");
	else if (e != NULL && e->message != NULL)
		snprintf(why, size, "line %d: %s", e->line, e->message);
	else
		snprintf(why, size, "not well-formed XML");
	for (char *p = why; *p != '\0'; p++) {
		if ((unsigned char)*p < 0x20)
			*p = p[1] == '\0' ? '\0' : ' ';
		else if ((unsigned char)*p >= 0x7f)
			*p = '?'; // the message may quote bytes that are no UTF-8
	}
}

int ncd_xml_parse(const char *text, size_t len, xmlDocPtr *out, char *why, size_t why_size)
{
	const int options = XML_PARSE_NONET | XML_PARSE_NODICT | XML_PARSE_COMPACT;
	xmlParserCtxtPtr ctxt;
	xmlDocPtr doc;
	int rc = 0;

	if (len == 0 || len > INT32_MAX || memchr(text, '\0', len) != NULL) {
		snprintf(why, why_size, len == 0 ? "empty message" : "a NUL byte in the message");
		return -EBADMSG;
	}
	ctxt = xmlNewParserCtxt();
	if (ctxt == NULL)
		return -ENOMEM;
	ctxt->_private = NULL;
	ctxt->sax->internalSubset = refuse_doctype;
	ctxt->sax->error = quiet;
	ctxt->sax->fatalError = quiet;
	ctxt->sax->warning = quiet;
	ctxt->sax->serror = NULL;
	doc = xmlCtxtReadMemory(ctxt, text, (int)len, NULL, "UTF-8", options);
	if (ctxt->errNo == XML_ERR_NO_MEMORY) {
		snprintf(why, why_size, "the message needs more memory than a session may use");
		rc = -ENOMEM;
	} else if (doc == NULL || !ctxt->wellFormed || !ctxt->nsWellFormed ||
		   ctxt->_private != NULL || doc->intSubset != NULL ||
		   xmlDocGetRootElement(doc) == NULL) {
		reason(ctxt, why, why_size);
		rc = -EBADMSG;
	}
	if (rc == 0)
		*out = doc;
	else if (doc != NULL)
		xmlFreeDoc(doc);
	xmlFreeParserCtxt(ctxt);
	return rc;
}

static xmlNodePtr element_from(xmlNodePtr n)
{
	while (n != NULL && n->type != XML_ELEMENT_NODE)
		n = n->next;
	return n;
}

xmlNodePtr ncd_xml_child(xmlNodePtr n)
{
	return element_from(n->children);
}

xmlNodePtr ncd_xml_next(xmlNodePtr n)
{
	return element_from(n->next);
}

const char *ncd_xml_ns(const xmlNode *n)
{
	return n->ns == NULL || n->ns->href == NULL ? "" : (const char *)n->ns->href;
}

const char *ncd_xml_name(const xmlNode *n)
{
	return (const char *)n->name;
}

bool ncd_xml_is(const xmlNode *n, const char *ns, const char *name)
{
	return strcmp(ncd_xml_name(n), name) == 0 && strcmp(ncd_xml_ns(n), ns) == 0;
}

static bool is_text(const xmlNode *n)
{
	return n->type == XML_TEXT_NODE || n->type == XML_CDATA_SECTION_NODE;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

char *ncd_xml_text(const xmlNode *n, bool trim)
{
	size_t len = 0, at = 0, start = 0;
	char *s;

	for (const xmlNode *c = n->children; c != NULL; c = c->next) {
		if (is_text(c))
			len += strlen((const char *)c->content);
		else if (c->type != XML_COMMENT_NODE && c->type != XML_PI_NODE)
			return NULL;
	}
	s = malloc(len + 1);
	if (s == NULL)
		return NULL;
	for (const xmlNode *c = n->children; c != NULL; c = c->next) {
		if (is_text(c)) {
			size_t part = strlen((const char *)c->content);

			memcpy(s + at, c->content, part);
			at += part;
		}
	}
	if (trim) {
		while (at > 0 && is_space(s[at - 1]))
			at--;
		while (start < at && is_space(s[start]))
			start++;
		memmove(s, s + start, at - start);
		at -= start;
	}
	s[at] = '\0';
	return s;
}

bool ncd_xml_has_text(const xmlNode *n)
{
	for (const xmlNode *c = n->children; c != NULL; c = c->next) {
		if (c->type == XML_ENTITY_REF_NODE)
			return true;
		if (!is_text(c))
			continue;
		for (const char *p = (const char *)c->content; *p != '\0'; p++) {
			if (!is_space(*p))
				return true;
		}
	}
	return false;
}

char *ncd_xml_attr(const xmlNode *n, const char *ns, const char *name)
{
	for (const xmlAttr *a = n->properties; a != NULL; a = a->next) {
		const char *ans = a->ns == NULL ? "" : (const char *)a->ns->href;

		if (strcmp((const char *)a->name, name) == 0 && strcmp(ans, ns) == 0)
			return ncd_xml_text((const xmlNode *)a, false);
	}
	return NULL;
}
