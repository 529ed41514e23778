// SPDX-License-Identifier: BSD-3-Clause

#include "control/cli/schema.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <libyang/libyang.h>

#define FEATURE_MAX 32

struct cli_schema {
	struct ly_ctx *ctx;
	bool borrowed;
};

static void free_import(void *text, void *arg)
{
	(void)arg;
	free(text);
}

static LY_ERR import(const char *name, const char *revision, const char *submodule,
		     const char *submodule_revision, void *arg, LYS_INFORMAT *format,
		     const char **text, void (**free_text)(void *text, void *arg))
{
	json_t *params = json_pack("{s:s, s:s}", "identifier", submodule != NULL ? submodule : name,
				   "format", "yang");
	const char *rev = submodule != NULL ? submodule_revision : revision;
	json_t *result = NULL, *error = NULL;
	const char *schema;

	if (rev != NULL)
		json_object_set_new(params, "version", json_string(rev));
	if (cli_try(arg, "get-schema", params, &result, &error) != CLI_OK) {
		json_decref(error);
		return LY_ENOTFOUND;
	}
	schema = json_string_value(json_object_get(result, "schema"));
	*text = schema != NULL ? strdup(schema) : NULL;
	*format = LYS_IN_YANG;
	*free_text = free_import;
	json_decref(result);
	return *text != NULL ? LY_SUCCESS : LY_ENOTFOUND;
}

static int load_modules(struct cli *c, struct ly_ctx *ctx, const json_t *modules)
{
	size_t i;
	json_t *m;

	json_array_foreach(modules, i, m)
	{
		const char *feature[FEATURE_MAX + 1] = {NULL};
		const char *name = json_string_value(json_object_get(m, "name"));
		const char *revision = json_string_value(json_object_get(m, "revision"));
		const json_t *features = json_object_get(m, "features");

		if (name == NULL)
			continue;
		for (size_t f = 0; f < json_array_size(features) && f < FEATURE_MAX; f++)
			feature[f] = json_string_value(json_array_get(features, f));
		if (revision != NULL && revision[0] == '\0')
			revision = NULL;
		if (ly_ctx_load_module(ctx, name, revision, feature) == NULL)
			return cli_fail(c, CLI_FAILED,
					"the daemon's YANG module %s does not load: %s", name,
					ly_errmsg(ctx));
	}
	return CLI_OK;
}

int cli_schema_load(struct cli *c)
{
	json_t *result = NULL;
	struct ly_ctx *ctx = NULL;
	int rc;

	if (c->schema != NULL)
		return CLI_OK;
	rc = cli_call(c, "schemas", NULL, &result);
	if (rc != CLI_OK)
		return rc;
	ly_log_options(LY_LOSTORE_LAST);
	if (ly_ctx_new(NULL, LY_CTX_NO_YANGLIBRARY | LY_CTX_DISABLE_SEARCHDIRS, &ctx) !=
	    LY_SUCCESS) {
		json_decref(result);
		return cli_fail(c, CLI_FAILED, "libyang did not start");
	}
	ly_ctx_set_module_imp_clb(ctx, import, c);
	rc = load_modules(c, ctx, json_object_get(result, "modules"));
	json_decref(result);
	if (rc == CLI_OK && cli_schema_wrap(ctx, &c->schema) != 0)
		rc = cli_fail(c, CLI_FAILED, "out of memory");
	if (rc != CLI_OK)
		ly_ctx_destroy(ctx);
	else
		c->schema->borrowed = false;
	return rc;
}

int cli_schema_wrap(struct ly_ctx *ctx, struct cli_schema **out)
{
	struct cli_schema *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return -ENOMEM;
	s->ctx = ctx;
	s->borrowed = true;
	*out = s;
	return 0;
}

void cli_schema_free(struct cli *c)
{
	if (c->schema == NULL)
		return;
	if (!c->schema->borrowed)
		ly_ctx_destroy(c->schema->ctx);
	free(c->schema);
	c->schema = NULL;
}

const struct ly_ctx *cli_schema_ctx(const struct cli_schema *s)
{
	return s->ctx;
}
