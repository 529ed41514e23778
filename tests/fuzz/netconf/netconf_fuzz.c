// SPDX-License-Identifier: BSD-3-Clause
//
// netconf_fuzz - what a NETCONF client sends, behind SSH: framing, hello, <config>, filters, paths.
//
// The first byte says which: 'f' end-of-message framing, 'c' chunks (both cut into pieces by the second
// byte), 'h' a hello, 'e' an edit, 's' a subtree filter on a small configuration, 'p' a path.
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "control/netconf/edit.h"
#include "control/netconf/error.h"
#include "control/netconf/filter.h"
#include "control/netconf/framing.h"
#include "control/netconf/monitor.h"
#include "control/netconf/path.h"
#include "control/netconf/print.h"
#include "control/netconf/session.h"
#include "control/netconf/xml.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct ncd_schema schema;

static const char *const config =
	"{\"sluice-lb:load-balancers\":{\"load-balancer\":[{\"name\":\"lb\",\"pools\":{\"pool\":["
	"{\"name\":\"p\",\"servers\":{\"server\":[{\"name\":\"s\",\"address\":\"10.0.0.1\",\"port\":80}]}}"
	"]}}]},\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"up\",\"type\":"
	"\"sluice-port:af-xdp\",\"sluice-port:port\":{\"owner\":\"lb\",\"prefix\":[\"10.0.0.0/8\"]}}]}}";

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *dirs[] = {SLUICE_TEST_YANG};
	char why[256];

	return ncd_schema_load(&schema, dirs, 1, why, sizeof(why)) == 0 ? 0 : (abort(), -1);
}

static void fuzz_framing(const char *data, size_t size, bool chunked)
{
	size_t step = (size_t)(uint8_t)data[0] + 1, at = 1, used;
	struct ncd_framing f;

	ncd_framing_init(&f, 4096);
	if (chunked)
		ncd_framing_set_chunked(&f);
	while (at < size) {
		size_t n = size - at < step ? size - at : step;
		enum ncd_frame_verdict v = ncd_framing_feed(&f, data + at, n, &used);

		assert(used <= n && f.msg.len <= 4096 + 6);
		if (v == NCD_FRAME_BAD || v == NCD_FRAME_TOO_BIG)
			break;
		assert(used > 0);
		at += used;
	}
	ncd_framing_fini(&f);
}

static void fuzz_hello(const char *data, size_t size)
{
	struct ncd_session s = {.schema = &schema};
	char why[256] = "";

	ncd_session_take_hello(&s, data, size, why, sizeof(why));
}

// Whatever is refused must come out as XML that our own reader takes.
static void check_errors(const json_t *errs)
{
	struct ncd_buf out = {0};
	xmlDocPtr doc;
	char why[256];

	ncd_buf_str(&out, "<rpc-reply>");
	ncd_error_to_xml(schema.ctx, errs, &out);
	ncd_buf_str(&out, "</rpc-reply>");
	if (ncd_xml_parse(out.data, out.len, &doc, why, sizeof(why)) != 0)
		abort();
	xmlFreeDoc(doc);
	ncd_buf_fini(&out);
}

static void fuzz_edit(xmlNodePtr root)
{
	json_t *errs = json_array();
	struct ncd_edit e;

	if (ncd_edit_from_xml(schema.ctx, root, true, &e, errs) == 0) {
		json_t *present = json_loads(config, 0, NULL);

		ncd_edit_fill(schema.ctx, &e, present, errs);
		json_decref(present);
		ncd_edit_fini(&e);
	} else {
		assert(json_array_size(errs) == 1);
	}
	check_errors(errs);
	json_decref(errs);
}

static void fuzz_filter(xmlNodePtr root)
{
	json_t *errs = json_array(), *paths = json_array(), *p;
	struct lyd_node *tree = NULL;
	struct ncd_buf out = {0};
	bool skipped;
	size_t i;

	lyd_parse_data_mem(schema.ctx, config, LYD_JSON, LYD_PARSE_ONLY | LYD_PARSE_STRICT, 0,
			   &tree);
	if (ncd_filter_paths(schema.ctx, root, ncd_monitor_modules, &skipped, paths, errs) == 0) {
		json_array_foreach(paths, i, p)
		{
			struct ly_set *set = NULL;

			// What we write must be XPath.
			if (lyd_find_xpath(tree, json_string_value(p), &set) != LY_SUCCESS)
				abort();
			ly_set_free(set, NULL);
		}
		ncd_filter_apply(schema.ctx, root, tree);
		ncd_print(tree, true, false, &out);
		assert(!out.failed);
	}
	check_errors(errs);
	ncd_buf_fini(&out);
	lyd_free_all(tree);
	json_decref(paths);
	json_decref(errs);
}

static void fuzz_path(const char *data, size_t size)
{
	char *text = strndup(data, size), *out = NULL, *bad = NULL;
	struct ncd_buf b = {0};
	xmlDocPtr doc;
	char why[256];

	if (text == NULL)
		return;
	ncd_path_to_xml(schema.ctx, text, "p", &b);
	ncd_buf_fini(&b);
	if (ncd_xml_parse("<f xmlns:slb=\"urn:sluice:yang:lb\"/>", 36, &doc, why, sizeof(why)) ==
	    0) {
		ncd_path_from_xml(schema.ctx, text, xmlDocGetRootElement(doc), &out, &bad);
		free(out);
		free(bad);
		xmlFreeDoc(doc);
	}
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *rest = (const char *)data + 1;
	char why[256];
	xmlDocPtr doc;

	if (size < 2)
		return 0;
	size--;
	switch (data[0]) {
	case 'f':
	case 'c':
		fuzz_framing(rest, size, data[0] == 'c');
		break;
	case 'h':
		fuzz_hello(rest, size);
		break;
	case 'p':
		fuzz_path(rest, size);
		break;
	case 'e':
	case 's':
		if (ncd_xml_parse(rest, size, &doc, why, sizeof(why)) != 0)
			break;
		if (data[0] == 'e')
			fuzz_edit(xmlDocGetRootElement(doc));
		else
			fuzz_filter(xmlDocGetRootElement(doc));
		xmlFreeDoc(doc);
		break;
	default:
		break;
	}
	return 0;
}
