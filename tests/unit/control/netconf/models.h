// SPDX-License-Identifier: BSD-3-Clause
//
// models - the schema from the source tree, loaded once for a test program.
#pragma once

#include <stdio.h>
#include <string.h>

#include "control/netconf/schema.h"
#include "control/netconf/xml.h"

static struct ncd_schema models;

static int load_models(void **state)
{
	const char *dirs[] = {SLUICE_TEST_YANG};
	char why[256] = "";

	if (ncd_schema_load(&models, dirs, 1, why, sizeof(why)) != 0) {
		fprintf(stderr, "%s\n", why);
		return -1;
	}
	return 0;
}

static int free_models(void **state)
{
	ncd_schema_fini(&models);
	return 0;
}

// Parse XML of the test; it is well-formed, or the test is wrong.
static inline xmlDocPtr parse(const char *text)
{
	xmlDocPtr doc = NULL;
	char why[256] = "";

	if (ncd_xml_parse(text, strlen(text), &doc, why, sizeof(why)) != 0) {
		fprintf(stderr, "%s: %s\n", text, why);
		return NULL;
	}
	return doc;
}
