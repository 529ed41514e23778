// SPDX-License-Identifier: BSD-3-Clause
//
// Values that are the name of a class, and names that are a path to one.

#include "dataplane/inspect/java/object.h"

#include <string.h>
#include <strings.h>

#define PATH_LEN_MAX 160

static bool is_word(uint8_t c)
{
	return ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
	       c == '$' || c == '-';
}

static bool is_name_place(uint8_t place)
{
	return place == PLACE_QUERY_NAME || place == PLACE_FORM_NAME || place == PLACE_JSON_KEY ||
	       place == PLACE_COOKIE_NAME || place == PLACE_HEADER_NAME;
}

// ---- names of classes ----------------------------------------------------------------------------

// Names with dots, all of it; also as the JVM writes it: Lpackage.Class; [package.Class
static bool is_dotted(const uint8_t *p, size_t len)
{
	bool dot = true, any = false;

	for (size_t i = 0; i < len; i++) {
		if (p[i] == '.') {
			if (dot)
				return false;
			dot = any = true;
		} else if (!is_word(p[i])) {
			return false;
		} else {
			dot = false;
		}
	}
	return any && !dot;
}

// The last part of a path: /a/b/@type
static struct http_bytes leaf(struct http_bytes name)
{
	const uint8_t *slash = name.len > 0 ? memrchr(name.p, '/', name.len) : NULL;

	if (slash == NULL)
		return name;
	return (struct http_bytes){slash + 1, name.len - (uint32_t)(slash + 1 - name.p)};
}

static bool is_leaf(struct http_bytes name, const char *text)
{
	return name.len == strlen(text) && memcmp(name.p, text, name.len) == 0;
}

// Libraries that make an object of any class that stands behind these keys.
static bool names_type(struct http_bytes name)
{
	name = leaf(name);
	return is_leaf(name, "@type") || is_leaf(name, "@class") || is_leaf(name, "javaClass") ||
	       is_leaf(name, "@c");
}

// Packages of data alone: what a sender may well name.
static bool is_data_package(const char *p, size_t len)
{
	static const char *const packages[] = {"java.util.", "java.math.", "java.sql.",
					       "java.time."};

	for (size_t i = 0; i < sizeof(packages) / sizeof(packages[0]); i++)
		if (len > strlen(packages[i]) && memcmp(p, packages[i], strlen(packages[i])) == 0)
			return true;
	return false;
}

static void judge_class(struct inspect *in, const struct inspect_node *n)
{
	const uint8_t *p = n->p;
	size_t len = n->len;
	enum class_kind kind;

	while (len > 0 && (*p == 'L' || *p == '[') && p[len - 1] == ';') {
		p++;
		len--;
	}
	while (len > 0 && p[len - 1] == ';')
		len--;
	if (len > 0 && *p == '[') {
		p++;
		len--;
	}
	if (len < 6 || len > PATH_LEN_MAX || !is_dotted(p, len))
		return;
	kind = java_class_kind((const char *)p, len);
	switch (kind) {
	case CLASS_GADGET:
		inspect_evidence(in, n, RULE_OBJECT_GADGET, 0, n->len);
		break;
	case CLASS_TOOL:
		inspect_evidence(in, n, RULE_OBJECT_TOOL, 0, n->len);
		break;
	case CLASS_PLAIN:
		inspect_evidence(in, n, RULE_OBJECT_PLAIN, 0, n->len);
		break;
	case CLASS_PACKAGE:
		inspect_evidence(in, n, RULE_OBJECT_PACKAGE, 0, n->len);
		break;
	default:
		break;
	}
	if (kind != CLASS_NONE && kind != CLASS_OTHER && is_name_place(n->place))
		inspect_evidence(in, n, RULE_OBJECT_NAME, 0, n->len);
	if (kind == CLASS_OTHER && names_type(n->name) && !is_data_package((const char *)p, len))
		inspect_evidence(in, n, RULE_OBJECT_TYPE, 0, n->len);
}

// ---- paths of properties -------------------------------------------------------------------------

// Names between dots and brackets: class.module.classLoader, a[class][classLoader], class['module']
static size_t part(const uint8_t *p, size_t len, size_t i, size_t *from)
{
	while (i < len &&
	       (p[i] == '.' || p[i] == '[' || p[i] == ']' || p[i] == '\'' || p[i] == '"'))
		i++;
	*from = i;
	while (i < len && is_word(p[i]))
		i++;
	return i;
}

static bool is_part(const uint8_t *p, size_t len, const char *text)
{
	return len == strlen(text) && strncasecmp((const char *)p, text, len) == 0;
}

static void judge_path(struct inspect *in, const struct inspect_node *n)
{
	bool class = false;
	size_t i = 0, from;

	while (i < n->len) {
		size_t to = part(n->p, n->len, i, &from);

		if (to == from)
			return;
		if (class && (is_part(n->p + from, to - from, "module") ||
			      is_part(n->p + from, to - from, "classLoader") ||
			      is_part(n->p + from, to - from, "protectionDomain"))) {
			inspect_evidence(in, n, RULE_JAVA_PROPERTY, 0, n->len);
			return;
		}
		class = is_part(n->p + from, to - from, "class");
		i = to;
	}
}

// ---- YAML ----------------------------------------------------------------------------------------

// !!package.Class [..] makes an object in SnakeYAML; !!str and its like are YAML's own.
static void judge_yaml(struct inspect *in, const struct inspect_node *n)
{
	const uint8_t *p = n->p, *end = p + n->len, *from;

	while ((p = bytes_find2(p, (size_t)(end - p), '!', '!')) != NULL) {
		p += 2;
		for (from = p; p < end && (is_word(*p) || *p == '.'); p++)
			;
		if (!is_dotted(from, (size_t)(p - from)))
			continue;
		while (p < end && *p == ' ')
			p++;
		if (p == end || memchr("[{\"'\n", *p, 5) == NULL)
			continue;
		if (java_class_kind((const char *)from, (size_t)(p - from)) >= CLASS_OTHER)
			inspect_evidence(in, n, RULE_OBJECT_YAML, (size_t)(from - n->p), 32);
	}
}

// ---- XStream -------------------------------------------------------------------------------------

// <x serialization="custom">, <dynamic-proxy>: what XStream writes only for objects with code of their own.
static void judge_xml(struct inspect *in, const struct inspect_node *n)
{
	struct http_bytes last = leaf(n->name);

	if (n->place == PLACE_XML_ATTRIBUTE && is_leaf(last, "@serialization") && n->len == 6 &&
	    memcmp(n->p, "custom", 6) == 0)
		inspect_evidence(in, n, RULE_OBJECT_XSTREAM, 0, n->len);
	if (n->name.len > 14 && memmem(n->name.p, n->name.len, "/dynamic-proxy", 14) != NULL)
		inspect_evidence(in, n, RULE_OBJECT_XSTREAM, 0, n->len);
}

static void run(struct inspect *in, const struct inspect_node *n)
{
	if ((n->set & BYTES(BANG)) != 0)
		judge_yaml(in, n);
	if ((n->set & (BYTES(DOT) | BYTES(LBRACKET))) == 0)
		return;
	if (is_name_place(n->place))
		judge_path(in, n);
	if ((n->set & (BYTES(SPACE) | BYTES(SLASH) | BYTES(COLON))) == 0 &&
	    n->len <= PATH_LEN_MAX + 8)
		judge_class(in, n);
}

const struct inspect_analyser inspect_java_object = {
	.name = "java-object",
	.any = BYTES(DOT) | BYTES(LBRACKET) | BYTES(BANG),
	.least = 6,
	.run = run,
};

const struct inspect_analyser inspect_java_xml = {
	.name = "java-xml",
	.places = UINT64_C(1) << PLACE_XML_ATTRIBUTE | UINT64_C(1) << PLACE_XML_TEXT,
	.run = judge_xml,
};
