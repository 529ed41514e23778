// SPDX-License-Identifier: BSD-3-Clause
//
// monitor - made anew for each question; it is asked seldom.

#include "control/netconf/monitor.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/netconf/xml.h"

#define ROOT "/ietf-netconf-monitoring:netconf-state"

const char *const ncd_monitor_modules[] = {"ietf-netconf-monitoring", "ietf-yang-library", NULL};

static void put(struct lyd_node *root, const char *path, const char *value)
{
	// A value that does not fit its type is left out: state is told as far as it is known.
	lyd_new_path(root, NULL, path, value, LYD_NEW_PATH_UPDATE, NULL);
}

static void put_number(struct lyd_node *root, const char *path, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	put(root, path, text);
}

static void put_time(struct lyd_node *root, const char *path, int64_t at)
{
	time_t t = (time_t)at;
	char text[32];
	struct tm tm;

	if (gmtime_r(&t, &tm) != NULL &&
	    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) > 0)
		put(root, path, text);
}

static void one_capability(void *user, const char *uri)
{
	put(user, ROOT "/capabilities/capability", uri);
}

static const json_t *lock_of(const json_t *locks, const char *store)
{
	json_t *l;
	size_t i;

	json_array_foreach(locks, i, l)
	{
		const char *name = json_string_value(json_object_get(l, "target"));

		if (name != NULL && strcmp(name, store) == 0)
			return l;
	}
	return NULL;
}

static void put_store(struct lyd_node *root, const char *name, const json_t *locks)
{
	const json_t *lock = lock_of(locks, name), *id, *since;
	char path[160];

	snprintf(path, sizeof(path), ROOT "/datastores/datastore[name='%s']", name);
	put(root, path, NULL);
	id = json_object_get(lock, "session-id");
	if (!json_is_integer(id))
		return;
	snprintf(path, sizeof(path),
		 ROOT "/datastores/datastore[name='%s']/locks/global-lock/locked-by-session", name);
	put_number(root, path, (uint64_t)json_integer_value(id));
	since = json_object_get(lock, "time");
	snprintf(path, sizeof(path),
		 ROOT "/datastores/datastore[name='%s']/locks/global-lock/locked-time", name);
	if (json_is_string(since))
		put(root, path, json_string_value(since));
	else
		put_time(root, path, time(NULL));
}

static void put_schemas(struct lyd_node *root, const struct ly_ctx *ctx)
{
	const struct lys_module *mod;
	uint32_t i = 0;
	char at[256], path[300];

	while ((mod = ly_ctx_get_module_iter(ctx, &i)) != NULL) {
		snprintf(at, sizeof(at),
			 ROOT "/schemas/schema[identifier='%s'][version='%s']"
			      "[format='ietf-netconf-monitoring:yang']",
			 mod->name, mod->revision == NULL ? "" : mod->revision);
		put(root, at, NULL);
		snprintf(path, sizeof(path), "%s/namespace", at);
		put(root, path, mod->ns);
		snprintf(path, sizeof(path), "%s/location", at);
		put(root, path, "NETCONF");
	}
}

// Texts in a slot are another process's: copied with a bound, checked by the type of the leaf.
static void put_session(struct lyd_node *root, const struct ncd_slot *slot)
{
	char at[96], path[160], text[sizeof(slot->user)];
	uint32_t id = atomic_load(&slot->id);

	if (id == 0)
		return;
	snprintf(at, sizeof(at), ROOT "/sessions/session[session-id='%u']", id);
	snprintf(path, sizeof(path), "%s/transport", at);
	put(root, path, "ietf-netconf-monitoring:netconf-ssh");
	snprintf(path, sizeof(path), "%s/username", at);
	snprintf(text, sizeof(text), "%.*s", (int)sizeof(slot->user) - 1, slot->user);
	put(root, path, text);
	snprintf(path, sizeof(path), "%s/source-host", at);
	snprintf(text, sizeof(text), "%.*s", (int)sizeof(slot->source) - 1, slot->source);
	put(root, path, text);
	snprintf(path, sizeof(path), "%s/login-time", at);
	put_time(root, path, slot->login_time);
	snprintf(path, sizeof(path), "%s/in-rpcs", at);
	put_number(root, path, atomic_load(&slot->in_rpcs));
	snprintf(path, sizeof(path), "%s/in-bad-rpcs", at);
	put_number(root, path, atomic_load(&slot->in_bad_rpcs));
	snprintf(path, sizeof(path), "%s/out-rpc-errors", at);
	put_number(root, path, atomic_load(&slot->out_rpc_errors));
	snprintf(path, sizeof(path), "%s/out-notifications", at);
	put_number(root, path, 0);
}

static void put_statistics(struct lyd_node *root, struct ncd_shared *sh)
{
	put_time(root, ROOT "/statistics/netconf-start-time", sh->start_time);
	put_number(root, ROOT "/statistics/in-bad-hellos", atomic_load(&sh->in_bad_hellos));
	put_number(root, ROOT "/statistics/in-sessions", atomic_load(&sh->in_sessions));
	put_number(root, ROOT "/statistics/dropped-sessions", atomic_load(&sh->dropped_sessions));
	put_number(root, ROOT "/statistics/in-rpcs", atomic_load(&sh->in_rpcs));
	put_number(root, ROOT "/statistics/in-bad-rpcs", atomic_load(&sh->in_bad_rpcs));
	put_number(root, ROOT "/statistics/out-rpc-errors", atomic_load(&sh->out_rpc_errors));
	put_number(root, ROOT "/statistics/out-notifications", 0);
}

struct lyd_node *ncd_monitor_data(const struct ncd_session *s, const json_t *locks)
{
	struct lyd_node *root = NULL, *library = NULL;
	const struct ly_ctx *ctx = s->schema->ctx;

	if (lyd_new_path(NULL, ctx, ROOT, NULL, 0, &root) != LY_SUCCESS)
		return NULL;
	ncd_schema_capabilities(s->schema, one_capability, root);
	put_store(root, "running", locks);
	put_store(root, "candidate", locks);
	put_schemas(root, ctx);
	if (s->shared != NULL) {
		for (unsigned i = 0; i < s->shared->slot_count; i++)
			put_session(root, &s->shared->slots[i]);
		put_statistics(root, s->shared);
	}
	if (ly_ctx_get_yanglib_data(ctx, &library, "%s", s->schema->content_id) != LY_SUCCESS)
		return root;
	while (library != NULL) {
		struct lyd_node *next = library->next;

		lyd_unlink_tree(library);
		lyd_insert_sibling(root, library, &root);
		library = next;
	}
	return root;
}
