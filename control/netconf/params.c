// SPDX-License-Identifier: BSD-3-Clause
//
// params - see the table of each operation in ops.c.

#include "control/netconf/params.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/netconf/buf.h"
#include "control/netconf/error.h"
#include "control/netconf/xml.h"

static void add_path(struct ncd_buf *out, xmlNodePtr n)
{
	const char *ns = ncd_xml_ns(n), *mod = "ietf-netconf:";

	if (n->parent != NULL && n->parent->type == XML_ELEMENT_NODE)
		add_path(out, n->parent);
	if (strcmp(ns, NCD_NS_DEFAULTS) == 0)
		mod = "ietf-netconf-with-defaults:";
	else if (strcmp(ns, NCD_NS_MONITORING) == 0)
		mod = "ietf-netconf-monitoring:";
	else if (strcmp(ns, NCD_NS_BASE) != 0)
		mod = ""; // a stranger's namespace has no prefix we could write
	ncd_buf_fmt(out, "/%s%s", mod, ncd_xml_name(n));
}

int ncd_params_refuse(xmlNodePtr n, const char *tag, json_t *info, json_t *errs, const char *text)
{
	struct ncd_buf path = {0};

	add_path(&path, n);
	ncd_error(errs, "protocol", tag, path.data, info, "%s", text);
	ncd_buf_fini(&path);
	return -EINVAL;
}

static json_t *element_info(xmlNodePtr n)
{
	return json_pack("{s:s}", "bad-element", ncd_xml_name(n));
}

static int unknown_element(xmlNodePtr n, json_t *errs)
{
	const char *ns = ncd_xml_ns(n);

	if (strcmp(ns, NCD_NS_BASE) != 0 && strcmp(ns, NCD_NS_DEFAULTS) != 0 &&
	    strcmp(ns, NCD_NS_MONITORING) != 0)
		return ncd_params_refuse(n, "unknown-namespace",
					 json_pack("{s:s, s:s}", "bad-element", ncd_xml_name(n),
						   "bad-namespace", ns),
					 errs, "a parameter of a namespace not known here");
	return ncd_params_refuse(n, "unknown-element", element_info(n), errs,
				 "not a parameter here, or of a capability not announced");
}

static int no_attributes(xmlNodePtr n, json_t *errs)
{
	if (n->properties == NULL)
		return 0;
	return ncd_params_refuse(n, "unknown-attribute",
				 json_pack("{s:s, s:s}", "bad-attribute",
					   (const char *)n->properties->name, "bad-element",
					   ncd_xml_name(n)),
				 errs, "unknown attribute");
}

int ncd_params_read(xmlNodePtr op, struct ncd_param *p, json_t *errs)
{
	int rc = no_attributes(op, errs);

	if (rc == 0 && ncd_xml_has_text(op))
		rc = ncd_params_refuse(op, "bad-element", element_info(op), errs,
				       "text where only parameters may stand");
	for (xmlNodePtr c = ncd_xml_child(op); rc == 0 && c != NULL; c = ncd_xml_next(c)) {
		struct ncd_param *q = p;

		while (q->name != NULL && !ncd_xml_is(c, q->ns, q->name))
			q++;
		if (q->name == NULL)
			rc = unknown_element(c, errs);
		else if (q->node != NULL)
			rc = ncd_params_refuse(c, "bad-element", element_info(c), errs,
					       "the parameter is given twice");
		else
			q->node = c;
	}
	for (; rc == 0 && p->name != NULL; p++) {
		if (p->required && p->node == NULL)
			rc = ncd_params_refuse(op, "missing-element",
					       json_pack("{s:s}", "bad-element", p->name), errs,
					       "a parameter is missing");
	}
	return rc;
}

const char *ncd_store_name(enum ncd_store store)
{
	return store == NCD_RUNNING ? "running" : store == NCD_CANDIDATE ? "candidate" : NULL;
}

int ncd_params_store(xmlNodePtr param, enum ncd_store *store, xmlNodePtr *inline_node, json_t *errs)
{
	xmlNodePtr c = ncd_xml_child(param);
	int rc = no_attributes(param, errs);

	if (rc != 0)
		return rc;
	if (c == NULL)
		return ncd_params_refuse(param, "missing-element", element_info(param), errs,
					 "no datastore is named");
	if (ncd_xml_next(c) != NULL)
		return ncd_params_refuse(ncd_xml_next(c), "bad-element",
					 element_info(ncd_xml_next(c)), errs,
					 "more than one datastore is named");
	if (ncd_xml_is(c, NCD_NS_BASE, "config") && inline_node != NULL) {
		*store = NCD_INLINE;
		*inline_node = c;
		return 0;
	}
	if (ncd_xml_is(c, NCD_NS_BASE, "running"))
		*store = NCD_RUNNING;
	else if (ncd_xml_is(c, NCD_NS_BASE, "candidate"))
		*store = NCD_CANDIDATE;
	else
		return unknown_element(c, errs);
	if (ncd_xml_child(c) != NULL || ncd_xml_has_text(c))
		return ncd_params_refuse(c, "bad-element", element_info(c), errs,
					 "the name of a datastore is an empty element");
	return no_attributes(c, errs);
}

int ncd_params_text(xmlNodePtr param, char **text, json_t *errs)
{
	int rc = no_attributes(param, errs);

	if (rc != 0)
		return rc;
	*text = ncd_xml_text(param, true);
	if (*text == NULL)
		return ncd_params_refuse(param, "bad-element", element_info(param), errs,
					 "a value is expected, not elements");
	return 0;
}

int ncd_params_word(xmlNodePtr param, const char *const *words, const char **word, json_t *errs)
{
	char *text;
	int rc;

	*word = words[0];
	if (param == NULL)
		return 0;
	rc = ncd_params_text(param, &text, errs);
	if (rc != 0)
		return rc;
	while (*words != NULL && strcmp(*words, text) != 0)
		words++;
	free(text);
	*word = *words;
	if (*words == NULL)
		return ncd_params_refuse(param, "invalid-value", NULL, errs,
					 "not one of the values defined");
	return 0;
}
