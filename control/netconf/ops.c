// SPDX-License-Identifier: BSD-3-Clause
//
// ops - section numbers are those of RFC 6241.
//
// Nothing is decided here that sluiced decides: locks, access, validity, commit. What is here is the
// form of requests and answers, filters, and the few refusals that need no datastore.

#include "control/netconf/ops.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/netconf/edit.h"
#include "control/netconf/error.h"
#include "control/netconf/filter.h"
#include "control/netconf/monitor.h"
#include "control/netconf/params.h"
#include "control/netconf/path.h"
#include "control/netconf/print.h"
#include "control/netconf/rpc.h"
#include "control/netconf/xml.h"

#define READ_MS       60000 // a look at data
#define GAP_PATHS_MAX 256   // leaves to delete that are asked for one by one
#define CHANGE_MS                                                                                  \
	120000 // an edit or commit: apps have 10 s to prepare, large trees take their time

struct request {
	struct ncd_session *s;
	xmlNodePtr op;
	struct ncd_buf *body;
	json_t *errs;
};

static int call(const struct request *q, const char *method, json_t *params, int timeout_ms,
		json_t **result)
{
	struct ncd_session *s = q->s;
	int rc = ncd_rpc_call(s->rpc, method, params, timeout_ms, s->client_fd, result, q->errs);

	if (rc == 0 || rc == -EREMOTEIO)
		return rc;
	if (rc == -EMSGSIZE)
		return ncd_error(q->errs, "application", "too-big", NULL, NULL,
				 "the request is longer than sluiced takes");
	// The locks fell with the connection; to go on would let the client believe it has them.
	s->end = true;
	if (rc == -EPIPE)
		return rc;
	ncd_error(q->errs, "application", "operation-failed", NULL, NULL,
		  rc == -ETIMEDOUT ? "sluiced does not answer; the session ends"
				   : "the connection to sluiced is lost; the session ends");
	return rc;
}

// A call whose answer is just "it is done".
static int call_ok(const struct request *q, const char *method, json_t *params, int timeout_ms)
{
	json_t *result = NULL, *warnings, *w;
	size_t i;
	int rc = call(q, method, params, timeout_ms, &result);

	// NETCONF has no place for a warning beside <ok/> that clients would not take for an error;
	// what is wrong stays visible as an alarm.
	warnings = json_object_get(result, "warnings");
	json_array_foreach(warnings, i, w)
	{
		if (json_is_string(w))
			fprintf(stderr, "<4>netconf: session %u: %s: warning: %s\n", q->s->id,
				method, json_string_value(w));
	}
	json_decref(result);
	return rc;
}

// ---- get, get-config (7.1, 7.7, 8.9; RFC 6243) -------------------------------------------------

static const char *const with_defaults_words[] = {"explicit", "trim", "report-all",
						  "report-all-tagged", NULL};

struct query {
	bool state;           // get, not get-config
	const char *source;   // of get-config
	const char *defaults; // with-defaults
	xmlNodePtr subtree;   // a subtree filter, or NULL
	char *xpath;          // an XPath filter with module names, or NULL
	json_t *paths;        // for sluiced; NULL: everything
	bool ask;             // sluiced has something to say
	bool own;             // our own state may be selected
};

static int bad_filter(xmlNodePtr f, const char *tag, const char *attr, json_t *errs,
		      const char *text)
{
	return ncd_params_refuse(
		f, tag, json_pack("{s:s, s:s}", "bad-attribute", attr, "bad-element", "filter"),
		errs, text);
}

static int read_xpath(const struct request *r, xmlNodePtr f, struct query *q)
{
	char *select = ncd_xml_attr(f, "", "select"), *bad = NULL;
	int rc;

	if (select == NULL)
		return bad_filter(f, "missing-attribute", "select", r->errs,
				  "an XPath filter has its expression in select");
	rc = ncd_path_from_xml(r->s->schema->ctx, select, f, &q->xpath, &bad);
	free(select);
	if (rc == -ENOKEY) {
		rc = ncd_params_refuse(
			f, "unknown-namespace",
			json_pack("{s:s, s:s}", "bad-element", "filter", "bad-namespace", bad),
			r->errs, "a prefix in select leads to no module");
		free(bad);
		return rc;
	}
	if (rc < 0)
		return rc;
	// Our own state is asked only where the expression may mean it, for making it costs.
	q->own = q->state &&
		 (strstr(q->xpath, "netconf-state") != NULL ||
		  strstr(q->xpath, "yang-library") != NULL ||
		  strstr(q->xpath, "modules-state") != NULL || strstr(q->xpath, "//") != NULL ||
		  strchr(q->xpath, '*') != NULL || strstr(q->xpath, "node()") != NULL);
	q->ask = strchr(q->xpath, '|') != NULL ||
		 (strncmp(q->xpath, "/ietf-netconf-monitoring:", 25) != 0 &&
		  strncmp(q->xpath, "/ietf-yang-library:", 19) != 0);
	q->paths = json_pack("[s]", q->xpath);
	return 0;
}

static int read_filter(const struct request *r, xmlNodePtr f, struct query *q)
{
	const struct ly_ctx *ctx = r->s->schema->ctx;
	char *type;
	bool xpath, skipped = false;
	int rc;

	q->ask = true;
	q->own = q->state;
	if (f == NULL)
		return 0;
	for (const xmlAttr *a = f->properties; a != NULL; a = a->next) {
		const char *ns = a->ns == NULL ? "" : (const char *)a->ns->href;

		// `type` is often sent in the namespace of NETCONF, and is taken so (4.3's examples).
		if ((strcmp((const char *)a->name, "type") != 0 ||
		     (ns[0] != '\0' && strcmp(ns, NCD_NS_BASE) != 0)) &&
		    (strcmp((const char *)a->name, "select") != 0 || ns[0] != '\0'))
			return bad_filter(f, "unknown-attribute", (const char *)a->name, r->errs,
					  "unknown attribute");
	}
	type = ncd_xml_attr(f, "", "type");
	if (type == NULL)
		type = ncd_xml_attr(f, NCD_NS_BASE, "type");
	xpath = type != NULL && strcmp(type, "xpath") == 0;
	rc = type == NULL || xpath || strcmp(type, "subtree") == 0 ? 0 : -EINVAL;
	free(type);
	if (rc < 0)
		return bad_filter(f, "bad-attribute", "type", r->errs,
				  "a filter is of type subtree or xpath");
	if (xpath)
		return read_xpath(r, f, q);
	q->subtree = f;
	q->paths = json_array();
	rc = ncd_filter_paths(ctx, f, ncd_monitor_modules, &skipped, q->paths, r->errs);
	q->ask = json_array_size(q->paths) > 0;
	q->own = q->state && skipped;
	return rc;
}

// What sluiced has, as a tree. Returns: 0, and *tree may be NULL for nothing
static int fetch(const struct request *r, const struct query *q, struct lyd_node **tree)
{
	json_t *params = json_pack("{s:s}", "with-defaults", q->defaults), *result;
	char *text;
	int rc;

	if (q->paths != NULL)
		json_object_set(params, "paths", q->paths);
	if (!q->state)
		json_object_set_new(params, "source", json_string(q->source));
	rc = call(r, q->state ? "get" : "get-config", params, READ_MS, &result);
	if (rc < 0)
		return rc;
	text = json_dumps(json_object_get(result, q->state ? "data" : "config"), JSON_COMPACT);
	json_decref(result);
	if (text == NULL ||
	    lyd_parse_data_mem(r->s->schema->ctx, text, LYD_JSON, LYD_PARSE_ONLY | LYD_PARSE_STRICT,
			       0, tree) != LY_SUCCESS) {
		const char *why = ly_errmsg(r->s->schema->ctx);

		fprintf(stderr, "<3>netconf: session %u: data of sluiced: %s\n", r->s->id,
			text == NULL ? "missing" : (why == NULL ? "not parsed" : why));
		rc = ncd_error(r->errs, "application", "operation-failed", NULL, NULL,
			       "the data that sluiced sent is not of our models");
	}
	free(text);
	return rc;
}

static void mark_xpath(const char *xpath, struct lyd_node *tree)
{
	struct ly_set *set = NULL;

	// An expression that is wrong is refused by sluiced; for our own part it selects nothing.
	if (tree == NULL || lyd_find_xpath(tree, xpath, &set) != LY_SUCCESS)
		return;
	for (uint32_t i = 0; i < set->count; i++) {
		struct lyd_node *n = set->dnodes[i];

		n->priv = NCD_MARK_WHOLE;
		for (n = lyd_parent(n); n != NULL && n->priv == NULL; n = lyd_parent(n))
			n->priv = NCD_MARK_PART;
	}
	ly_set_free(set, NULL);
}

static int print_own(const struct request *r, const struct query *q)
{
	struct lyd_node *own;
	json_t *state = NULL;
	int rc = call(r, "state", NULL, READ_MS, &state);

	if (rc == -EREMOTEIO)
		json_array_clear(r->errs); // who may not see sluiced's state still sees ours
	else if (rc < 0)
		return rc;
	own = ncd_monitor_data(r->s, json_object_get(state, "locks"));
	json_decref(state);
	if (own == NULL)
		return ncd_error(r->errs, "application", "resource-denied", NULL, NULL,
				 "out of memory");
	if (q->subtree != NULL)
		ncd_filter_apply(r->s->schema->ctx, q->subtree, own);
	else if (q->xpath != NULL)
		mark_xpath(q->xpath, own);
	ncd_print(own, q->subtree != NULL || q->xpath != NULL, false, r->body);
	lyd_free_all(own);
	return 0;
}

static int run_query(const struct request *r, struct query *q, xmlNodePtr filter,
		     xmlNodePtr defaults)
{
	struct lyd_node *tree = NULL;
	int rc = ncd_params_word(defaults, with_defaults_words, &q->defaults, r->errs);

	if (rc == 0)
		rc = read_filter(r, filter, q);
	if (rc == 0 && q->ask)
		rc = fetch(r, q, &tree);
	ncd_buf_str(r->body, "<data>");
	if (rc == 0) {
		if (q->subtree != NULL)
			ncd_filter_apply(r->s->schema->ctx, q->subtree, tree);
		ncd_print(tree, q->subtree != NULL, strcmp(q->defaults, "report-all-tagged") == 0,
			  r->body);
		if (q->own)
			rc = print_own(r, q);
	}
	ncd_buf_str(r->body, "</data>");
	lyd_free_all(tree);
	json_decref(q->paths);
	free(q->xpath);
	return rc;
}

static int op_get(const struct request *r)
{
	struct ncd_param p[] = {{NCD_NS_BASE, "filter", false, NULL},
				{NCD_NS_DEFAULTS, "with-defaults", false, NULL},
				{NULL, NULL, false, NULL}};
	struct query q = {.state = true};
	int rc = ncd_params_read(r->op, p, r->errs);

	return rc != 0 ? rc : run_query(r, &q, p[0].node, p[1].node);
}

static int op_get_config(const struct request *r)
{
	struct ncd_param p[] = {{NCD_NS_BASE, "source", true, NULL},
				{NCD_NS_BASE, "filter", false, NULL},
				{NCD_NS_DEFAULTS, "with-defaults", false, NULL},
				{NULL, NULL, false, NULL}};
	struct query q = {.state = false};
	enum ncd_store source;
	int rc = ncd_params_read(r->op, p, r->errs);

	if (rc == 0)
		rc = ncd_params_store(p[0].node, &source, NULL, r->errs);
	if (rc != 0)
		return rc;
	q.source = ncd_store_name(source);
	return run_query(r, &q, p[1].node, p[2].node);
}

// ---- edit-config (7.2) and its kin ---------------------------------------------------------------

// Ask for the values of leaves that are to be deleted and came without.
static int fill_gaps(const struct request *r, const char *target, struct ncd_edit *e)
{
	json_t *paths, *params, *result;
	int rc;

	if (e->gap_count == 0)
		return 0;
	params = json_pack("{s:s}", "source", target);
	if (e->gap_count <= GAP_PATHS_MAX) { // else it is cheaper, and allowed, to ask for all
		paths = json_array();
		for (size_t i = 0; i < e->gap_count; i++)
			json_array_append_new(paths, json_string(e->gaps[i].path));
		json_object_set_new(params, "paths", paths);
	}
	rc = call(r, "get-config", params, READ_MS, &result);
	if (rc < 0)
		return rc;
	rc = ncd_edit_fill(r->s->schema->ctx, e, json_object_get(result, "config"), r->errs);
	json_decref(result);
	return rc;
}

static int op_edit_config(const struct request *r)
{
	static const char *const operations[] = {"merge", "replace", "none", NULL};
	static const char *const tests[] = {"test-then-set", "set", "test-only", NULL};
	static const char *const on_error[] = {"stop-on-error", "continue-on-error",
					       "rollback-on-error", NULL};
	struct ncd_param p[] = {{NCD_NS_BASE, "target", true, NULL},
				{NCD_NS_BASE, "default-operation", false, NULL},
				{NCD_NS_BASE, "test-option", false, NULL},
				{NCD_NS_BASE, "error-option", false, NULL},
				{NCD_NS_BASE, "config", true, NULL},
				{NULL, NULL, false, NULL}};
	const char *operation, *test, *error;
	enum ncd_store target;
	struct ncd_edit e;
	json_t *params;
	int rc = ncd_params_read(r->op, p, r->errs);

	if (rc == 0)
		rc = ncd_params_store(p[0].node, &target, NULL, r->errs);
	if (rc == 0)
		rc = ncd_params_word(p[1].node, operations, &operation, r->errs);
	if (rc == 0)
		rc = ncd_params_word(p[2].node, tests, &test, r->errs);
	if (rc == 0)
		rc = ncd_params_word(p[3].node, on_error, &error, r->errs);
	if (rc == 0)
		rc = ncd_edit_from_xml(r->s->schema->ctx, p[4].node, true, &e, r->errs);
	if (rc != 0)
		return rc;
	rc = fill_gaps(r, ncd_store_name(target), &e);
	if (rc == 0) {
		params = json_pack("{s:s, s:O, s:s, s:s, s:s}", "target", ncd_store_name(target),
				   "config", e.config, "default-operation", operation,
				   "test-option", test, "error-option", error);
		rc = call_ok(r, "edit-config", params, CHANGE_MS);
	}
	ncd_edit_fini(&e);
	return rc;
}

// copy-config with-defaults (RFC 6243 section 4.4): what is copied is the source as it is reported in
// that mode.
static int copy_reported(const struct request *r, enum ncd_store source, enum ncd_store target,
			 const char *mode)
{
	json_t *result, *params = json_pack("{s:s, s:s}", "source", ncd_store_name(source),
					    "with-defaults", mode);
	int rc = call(r, "get-config", params, READ_MS, &result);

	if (rc < 0)
		return rc;
	params = json_pack("{s:s, s:O}", "target", ncd_store_name(target), "config",
			   json_object_get(result, "config"));
	json_decref(result);
	if (params == NULL)
		return -ENOMEM;
	return call_ok(r, "copy-config", params, CHANGE_MS);
}

static int copy_inline(const struct request *r, xmlNodePtr config, enum ncd_store target)
{
	struct ncd_edit e;
	int rc = ncd_edit_from_xml(r->s->schema->ctx, config, false, &e, r->errs);

	if (rc != 0)
		return rc;
	rc = call_ok(r, "copy-config",
		     json_pack("{s:s, s:O}", "target", ncd_store_name(target), "config", e.config),
		     CHANGE_MS);
	ncd_edit_fini(&e);
	return rc;
}

static int op_copy_config(const struct request *r)
{
	static const char *const modes[] = {"explicit", "trim", "report-all", NULL};
	struct ncd_param p[] = {{NCD_NS_BASE, "target", true, NULL},
				{NCD_NS_BASE, "source", true, NULL},
				{NCD_NS_DEFAULTS, "with-defaults", false, NULL},
				{NULL, NULL, false, NULL}};
	enum ncd_store target, source;
	xmlNodePtr config = NULL;
	const char *mode;
	int rc = ncd_params_read(r->op, p, r->errs);

	if (rc == 0)
		rc = ncd_params_store(p[0].node, &target, NULL, r->errs);
	if (rc == 0)
		rc = ncd_params_store(p[1].node, &source, &config, r->errs);
	if (rc == 0)
		rc = ncd_params_word(p[2].node, modes, &mode, r->errs);
	if (rc != 0)
		return rc;
	if (source == NCD_INLINE)
		return copy_inline(r, config, target);
	if (source == target)
		return ncd_params_refuse(p[1].node, "invalid-value", NULL, r->errs,
					 "source and target are the same datastore");
	if (strcmp(mode, "explicit") != 0)
		return copy_reported(r, source, target, mode);
	return call_ok(r, "copy-config",
		       json_pack("{s:s, s:s}", "source", ncd_store_name(source), "target",
				 ncd_store_name(target)),
		       CHANGE_MS);
}

// The datastore of an operation that has no other parameter.
static int only_target(const struct request *r, enum ncd_store *target)
{
	struct ncd_param p[] = {{NCD_NS_BASE, "target", true, NULL}, {NULL, NULL, false, NULL}};
	int rc = ncd_params_read(r->op, p, r->errs);

	return rc != 0 ? rc : ncd_params_store(p[0].node, target, NULL, r->errs);
}

// 7.4: running cannot be deleted, and what could be (startup, a URL) is not announced.
static int op_delete_config(const struct request *r)
{
	enum ncd_store target;
	int rc = only_target(r, &target);

	if (rc != 0)
		return rc;
	return ncd_params_refuse(r->op, "operation-not-supported", NULL, r->errs,
				 target == NCD_RUNNING
					 ? "running cannot be deleted"
					 : "candidate cannot be deleted: use discard-changes");
}

static int op_validate(const struct request *r)
{
	struct ncd_param p[] = {{NCD_NS_BASE, "source", true, NULL}, {NULL, NULL, false, NULL}};
	enum ncd_store source;
	xmlNodePtr config = NULL;
	struct ncd_edit e;
	int rc = ncd_params_read(r->op, p, r->errs);

	if (rc == 0)
		rc = ncd_params_store(p[0].node, &source, &config, r->errs);
	if (rc != 0)
		return rc;
	if (source != NCD_INLINE)
		return call_ok(r, "validate", json_pack("{s:s}", "source", ncd_store_name(source)),
			       CHANGE_MS);
	rc = ncd_edit_from_xml(r->s->schema->ctx, config, false, &e, r->errs);
	if (rc != 0)
		return rc;
	rc = call_ok(r, "validate", json_pack("{s:O}", "config", e.config), CHANGE_MS);
	ncd_edit_fini(&e);
	return rc;
}

// ---- candidate, locks, sessions -----------------------------------------------------------------

static int without_params(const struct request *r)
{
	struct ncd_param none[] = {{NULL, NULL, false, NULL}};

	return ncd_params_read(r->op, none, r->errs);
}

static int op_commit(const struct request *r)
{
	int rc = without_params(r);

	return rc != 0 ? rc : call_ok(r, "commit", NULL, CHANGE_MS);
}

static int op_discard(const struct request *r)
{
	int rc = without_params(r);

	return rc != 0 ? rc : call_ok(r, "discard", NULL, CHANGE_MS);
}

static int lock_or_unlock(const struct request *r, const char *method)
{
	enum ncd_store target;
	int rc = only_target(r, &target);

	if (rc != 0)
		return rc;
	return call_ok(r, method, json_pack("{s:s}", "target", ncd_store_name(target)), READ_MS);
}

static int op_lock(const struct request *r)
{
	return lock_or_unlock(r, "lock");
}

static int op_unlock(const struct request *r)
{
	return lock_or_unlock(r, "unlock");
}

static int op_close_session(const struct request *r)
{
	int rc = without_params(r);

	r->s->end = r->s->end || rc == 0;
	return rc;
}

static int op_kill_session(const struct request *r)
{
	struct ncd_param p[] = {{NCD_NS_BASE, "session-id", true, NULL}, {NULL, NULL, false, NULL}};
	uint64_t id = 0;
	char *text, *end;
	int rc = ncd_params_read(r->op, p, r->errs);

	if (rc == 0)
		rc = ncd_params_text(p[0].node, &text, r->errs);
	if (rc != 0)
		return rc;
	errno = 0;
	if (text[0] >= '0' && text[0] <= '9')
		id = strtoull(text, &end, 10);
	if (id == 0 || id > UINT32_MAX || errno != 0 || *end != '\0')
		rc = ncd_params_refuse(p[0].node, "invalid-value", NULL, r->errs,
				       "a session id is a number from 1");
	else if (id == r->s->id) // 7.9
		rc = ncd_params_refuse(p[0].node, "invalid-value", NULL, r->errs,
				       "a session cannot kill itself: use close-session");
	else
		rc = call_ok(r, "kill-session", json_pack("{s:I}", "session-id", (json_int_t)id),
			     READ_MS);
	free(text);
	return rc;
}

// ---- get-schema (RFC 6022 section 3.1) -----------------------------------------------------------

// A module that only we implement, or that is built into libyang.
static char *own_schema(const struct request *r, const char *name, const char *revision)
{
	const struct ly_ctx *ctx = r->s->schema->ctx;
	const struct lys_module *mod = revision[0] == '\0'
					       ? ly_ctx_get_module_implemented(ctx, name)
					       : ly_ctx_get_module(ctx, name, revision);
	char *text = NULL;

	if (mod == NULL && revision[0] == '\0')
		mod = ly_ctx_get_module_latest(ctx, name);
	if (mod == NULL || lys_print_mem(&text, mod, LYS_OUT_YANG, 0) != LY_SUCCESS)
		return NULL;
	return text;
}

static int print_schema(const struct request *r, const char *name, const char *revision)
{
	json_t *result = NULL,
	       *params = json_pack("{s:s, s:s}", "identifier", name, "format", "yang");
	const char *text;
	char *own = NULL;
	int rc;

	if (params == NULL)
		return -ENOMEM;
	if (revision[0] != '\0')
		json_object_set_new(params, "version", json_string(revision));
	rc = call(r, "get-schema", params, READ_MS, &result);
	text = json_string_value(json_object_get(result, "schema"));
	if (rc == -EREMOTEIO) {
		own = own_schema(r, name, revision);
		text = own;
		if (own != NULL)
			json_array_clear(r->errs);
	} else if (rc < 0) {
		return rc;
	}
	if (text != NULL) {
		ncd_buf_str(r->body, "<data xmlns=\"" NCD_NS_MONITORING "\">");
		ncd_buf_xml(r->body, text);
		ncd_buf_str(r->body, "</data>");
	} else if (json_array_size(r->errs) == 0) {
		ncd_error(r->errs, "application", "operation-failed", NULL, NULL,
			  "sluiced sent no schema");
	}
	free(own);
	json_decref(result);
	return json_array_size(r->errs) > 0 ? -EINVAL : 0;
}

static int check_format(const struct request *r, xmlNodePtr n)
{
	char *text = NULL, *colon;
	xmlNsPtr ns;
	bool yang;
	int rc;

	if (n == NULL)
		return 0;
	rc = ncd_params_text(n, &text, r->errs);
	if (rc != 0)
		return rc;
	colon = strchr(text, ':');
	if (colon != NULL) {
		*colon = '\0';
		ns = xmlSearchNs(n->doc, n, (const xmlChar *)text);
		yang = strcmp(colon + 1, "yang") == 0 && ns != NULL &&
		       strcmp((const char *)ns->href, NCD_NS_MONITORING) == 0;
	} else {
		yang = strcmp(text, "yang") == 0;
	}
	free(text);
	if (yang)
		return 0;
	return ncd_params_refuse(n, "invalid-value", NULL, r->errs,
				 "schemas are here in the format yang only");
}

static int op_get_schema(const struct request *r)
{
	struct ncd_param p[] = {{NCD_NS_MONITORING, "identifier", true, NULL},
				{NCD_NS_MONITORING, "version", false, NULL},
				{NCD_NS_MONITORING, "format", false, NULL},
				{NULL, NULL, false, NULL}};
	char *name = NULL, *revision = NULL;
	int rc = ncd_params_read(r->op, p, r->errs);

	if (rc == 0)
		rc = ncd_params_text(p[0].node, &name, r->errs);
	if (rc == 0 && p[1].node != NULL)
		rc = ncd_params_text(p[1].node, &revision, r->errs);
	if (rc == 0)
		rc = check_format(r, p[2].node);
	if (rc == 0)
		rc = print_schema(r, name, revision == NULL ? "" : revision);
	free(name);
	free(revision);
	return rc;
}

// ---- the table -----------------------------------------------------------------------------------

static const struct {
	const char *ns;
	const char *name;
	int (*run)(const struct request *r);
} operations[] = {
	{NCD_NS_BASE, "get", op_get},
	{NCD_NS_BASE, "get-config", op_get_config},
	{NCD_NS_BASE, "edit-config", op_edit_config},
	{NCD_NS_BASE, "copy-config", op_copy_config},
	{NCD_NS_BASE, "delete-config", op_delete_config},
	{NCD_NS_BASE, "validate", op_validate},
	{NCD_NS_BASE, "commit", op_commit},
	{NCD_NS_BASE, "discard-changes", op_discard},
	{NCD_NS_BASE, "lock", op_lock},
	{NCD_NS_BASE, "unlock", op_unlock},
	{NCD_NS_BASE, "close-session", op_close_session},
	{NCD_NS_BASE, "kill-session", op_kill_session},
	{NCD_NS_MONITORING, "get-schema", op_get_schema},
};

int ncd_op_run(struct ncd_session *s, xmlNodePtr op, struct ncd_buf *body, json_t *errs)
{
	const struct request r = {.s = s, .op = op, .body = body, .errs = errs};
	const char *ns = ncd_xml_ns(op);

	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
		if (ncd_xml_is(op, operations[i].ns, operations[i].name))
			return operations[i].run(&r);
	}
	if (ly_ctx_get_module_implemented_ns(s->schema->ctx, ns) == NULL)
		return ncd_params_refuse(op, "unknown-namespace",
					 json_pack("{s:s, s:s}", "bad-element", ncd_xml_name(op),
						   "bad-namespace", ns),
					 errs, "no module has this namespace");
	return ncd_params_refuse(op, "operation-not-supported", NULL, errs,
				 "no such operation here");
}
