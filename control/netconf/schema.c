// SPDX-License-Identifier: BSD-3-Clause
//
// schema - besides the modules of the list, those that NETCONF itself needs are implemented here:
// ietf-netconf-monitoring (get-schema, sessions) and ietf-yang-library, which libyang brings.

#include "control/netconf/schema.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FEATURES_MAX 16

// Load the module that a line of the list names; empty lines and comments are passed over.
static int load_line(struct ncd_schema *s, char *line, char *why, size_t why_size)
{
	const char *features[FEATURES_MAX + 1] = {NULL};
	char *save = NULL, *name, *word;
	unsigned n = 0;

	line[strcspn(line, "#\r\n")] = '\0';
	name = strtok_r(line, " \t", &save);
	if (name == NULL)
		return 0;
	while ((word = strtok_r(NULL, " \t", &save)) != NULL) {
		if (n == FEATURES_MAX) {
			snprintf(why, why_size, "%s: more than %d features", name, FEATURES_MAX);
			return -EINVAL;
		}
		features[n++] = word;
	}
	if (ly_ctx_load_module(s->ctx, name, NULL, features) == NULL) {
		const char *m = ly_errmsg(s->ctx);

		snprintf(why, why_size, "module %s: %s", name, m == NULL ? "cannot be loaded" : m);
		return -EINVAL;
	}
	return 0;
}

static int load_list(struct ncd_schema *s, FILE *f, char *why, size_t why_size)
{
	char *line = NULL;
	size_t cap = 0;
	int rc = 0;

	while (rc == 0 && getline(&line, &cap, f) >= 0)
		rc = load_line(s, line, why, why_size);
	free(line);
	return rc;
}

// FNV-1a over names and revisions: equal sets have equal ids, on every node.
static void hash_modules(struct ncd_schema *s)
{
	const struct lys_module *mod;
	uint64_t h = UINT64_C(0xcbf29ce484222325);
	uint32_t i = 0;

	while ((mod = ly_ctx_get_module_iter(s->ctx, &i)) != NULL) {
		const char *parts[] = {mod->name, mod->revision == NULL ? "" : mod->revision,
				       mod->implemented ? "i" : "-"};

		for (unsigned k = 0; k < 3; k++) {
			for (const char *p = parts[k]; *p != '\0'; p++)
				h = (h ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
		}
	}
	snprintf(s->content_id, sizeof(s->content_id), "%016" PRIx64, h);
}

int ncd_schema_load(struct ncd_schema *s, const char *const *dirs, unsigned count, char *why,
		    size_t why_size)
{
	FILE *list = NULL;
	char path[4096];
	int rc;

	*s = (struct ncd_schema){0};
	ly_log_options(LY_LOSTORE_LAST);
	if (ly_ctx_new(NULL, LY_CTX_DISABLE_SEARCHDIR_CWD, &s->ctx) != LY_SUCCESS) {
		snprintf(why, why_size, "libyang: no context");
		return -EINVAL;
	}
	for (unsigned i = 0; i < count; i++) {
		ly_ctx_set_searchdir(s->ctx, dirs[i]);
		snprintf(path, sizeof(path), "%s/ietf", dirs[i]);
		ly_ctx_set_searchdir(s->ctx, path);
		snprintf(path, sizeof(path), "%s/implemented", dirs[i]);
		if (list == NULL)
			list = fopen(path, "re");
	}
	if (list == NULL) {
		snprintf(why, why_size, "no list of modules (%s)", count == 0 ? "no folder" : path);
		ncd_schema_fini(s);
		return -ENOENT;
	}
	rc = load_list(s, list, why, why_size);
	fclose(list);
	if (rc == 0) {
		char monitoring[] = "ietf-netconf-monitoring";

		rc = load_line(s, monitoring, why, why_size);
	}
	if (rc < 0) {
		ncd_schema_fini(s);
		return rc;
	}
	hash_modules(s);
	return 0;
}

void ncd_schema_fini(struct ncd_schema *s)
{
	ly_ctx_destroy(s->ctx);
	s->ctx = NULL;
}

#define WITH_DEFAULTS                                                                              \
	"urn:ietf:params:netconf:capability:with-defaults:1.0?basic-mode=explicit"                 \
	"&also-supported=report-all,report-all-tagged,trim"

static const char *const standard[] = {
	"urn:ietf:params:netconf:base:1.0",
	"urn:ietf:params:netconf:base:1.1",
	"urn:ietf:params:netconf:capability:writable-running:1.0",
	"urn:ietf:params:netconf:capability:candidate:1.0",
	"urn:ietf:params:netconf:capability:rollback-on-error:1.0",
	"urn:ietf:params:netconf:capability:validate:1.0",
	"urn:ietf:params:netconf:capability:validate:1.1",
	"urn:ietf:params:netconf:capability:xpath:1.0",
	WITH_DEFAULTS,
};

static void one_module(const struct lys_module *mod, struct ncd_buf *b)
{
	const char *sep = "&features=";
	LY_ARRAY_COUNT_TYPE u;

	ncd_buf_fmt(b, "%s?module=%s", mod->ns, mod->name);
	if (mod->revision != NULL)
		ncd_buf_fmt(b, "&revision=%s", mod->revision);
	if (mod->parsed == NULL)
		return;
	LY_ARRAY_FOR(mod->parsed->features, u)
	{
		const char *name = mod->parsed->features[u].name;

		if (lys_feature_value(mod, name) != LY_SUCCESS)
			continue;
		ncd_buf_fmt(b, "%s%s", sep, name);
		sep = ",";
	}
}

void ncd_schema_capabilities(const struct ncd_schema *s, void (*fn)(void *user, const char *uri),
			     void *user)
{
	const struct lys_module *mod;
	struct ncd_buf b = {0};
	uint32_t i = 0;

	for (size_t k = 0; k < sizeof(standard) / sizeof(standard[0]); k++)
		fn(user, standard[k]);
	mod = ly_ctx_get_module_implemented(s->ctx, "ietf-yang-library");
	if (mod != NULL) {
		ncd_buf_fmt(&b,
			    "urn:ietf:params:netconf:capability:yang-library:1.1?revision=%s"
			    "&content-id=%s",
			    mod->revision, s->content_id);
		fn(user, b.data);
	}
	while ((mod = ly_ctx_get_module_iter(s->ctx, &i)) != NULL) {
		if (!mod->implemented || mod->parsed == NULL ||
		    mod->parsed->version == LYS_VERSION_1_1)
			continue;
		ncd_buf_reset(&b);
		one_module(mod, &b);
		if (!b.failed)
			fn(user, b.data);
	}
	ncd_buf_fini(&b);
}
