// SPDX-License-Identifier: BSD-3-Clause
//
// xml - strict reading of one NETCONF message (RFC 6241 section 3: UTF-8, no document type).
//
// libxml2 does the parsing, with everything off that reaches beyond the message: no DTD, no entities
// but the five of XML, no network, no files, bounded depth. The tree it gives is walked by edit.c,
// filter.c and ops.c.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <libxml/tree.h>

#define NCD_NS_BASE       "urn:ietf:params:xml:ns:netconf:base:1.0"
#define NCD_NS_DEFAULTS   "urn:ietf:params:xml:ns:yang:ietf-netconf-with-defaults"
#define NCD_NS_TAGGED     "urn:ietf:params:xml:ns:netconf:default:1.0"
#define NCD_NS_MONITORING "urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring"
#define NCD_NS_YANG       "urn:ietf:params:xml:ns:yang:1"

// Parse one message.
//
// Returns: 0, and *out is a document with a root; free it with xmlFreeDoc
// Errors:  -EBADMSG  not well-formed, not UTF-8, an undeclared prefix, a DOCTYPE, nested too deep;
//                    why (NUL-terminated, plain text) says which
//          -ENOMEM   memory ran out
int ncd_xml_parse(const char *text, size_t len, xmlDocPtr *out, char *why, size_t why_size);

// The first child element of a node, the next sibling element; NULL when there is none.
xmlNodePtr ncd_xml_child(xmlNodePtr n);
xmlNodePtr ncd_xml_next(xmlNodePtr n);

// Namespace of an element or attribute, "" when it has none.
const char *ncd_xml_ns(const xmlNode *n);

// Local name.
const char *ncd_xml_name(const xmlNode *n);

bool ncd_xml_is(const xmlNode *n, const char *ns, const char *name);

// Text of an element that holds text only; comments and processing instructions are skipped, white
// space at both ends is cut off when trim is set.
//
// Returns: text to free(), or NULL: it has child elements (or memory ran out)
char *ncd_xml_text(const xmlNode *n, bool trim);

// True when there is text other than white space among the direct children.
bool ncd_xml_has_text(const xmlNode *n);

// Value of an attribute; free() it. NULL when absent. ns "" means no namespace.
char *ncd_xml_attr(const xmlNode *n, const char *ns, const char *name);
