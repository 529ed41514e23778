// SPDX-License-Identifier: BSD-3-Clause
//
// Methods about sessions: who speaks, passwords and keys for sluice-netconfd, locks.

#include "control/rpc/rpc_priv.h"

#include <crypt.h>
#include <errno.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

static const char *const lock_names[TARGET_COUNT] = {"running", "candidate"};

static void run_session(struct call *call)
{
	static const char *const known[] = {"user", "source", "transport", NULL};
	const char *user = NULL, *source = "", *transport = "netconf-ssh";
	struct session *s = call->session;

	if (!param_known(call, known) || !param_string(call, "user", true, &user) ||
	    !param_string(call, "source", false, &source) ||
	    !param_string(call, "transport", false, &transport))
		return;
	if (user[0] == '\0' || strlen(user) >= sizeof(s->user) ||
	    strlen(transport) >= sizeof(s->transport)) {
		reply_error(call, RPC_PARAMS, "user has 1 to 255, transport at most 63 bytes");
		return;
	}
	if (s->named) {
		reply_tag(call, "operation-failed", NULL, NULL,
			  "this session has its user already");
		return;
	}
	snprintf(s->user, sizeof(s->user), "%s", user);
	snprintf(s->transport, sizeof(s->transport), "%s", transport);
	snprintf(s->source, sizeof(s->source), "%s", source);
	s->named = true;
	reply_json(call, json_pack("{s:I}", "session-id", (json_int_t)s->id));
}

static void run_whoami(struct call *call)
{
	static const char *const known[] = {NULL};
	struct session *s = call->session;

	if (!param_known(call, known))
		return;
	reply_json(call, json_pack("{s:I, s:s, s:I}", "session-id", (json_int_t)s->id, "user",
				   s->user, "uid", (json_int_t)s->uid));
}

// A leaf of /ietf-system:system/authentication/user[name].
static struct lyd_node *system_user(struct call *call, const char *name)
{
	struct lyd_node *node, *up = NULL;

	LY_LIST_FOR (ds_running(call->server->conf.ds)->root, node)
		if (strcmp(node->schema->name, "system") == 0 &&
		    strcmp(node->schema->module->name, "ietf-system") == 0)
			up = node;
	LY_LIST_FOR (lyd_child(up), node)
		if (strcmp(node->schema->name, "authentication") == 0)
			break;
	LY_LIST_FOR (lyd_child(node), up)
		if (strcmp(up->schema->name, "user") == 0 &&
		    strcmp(lyd_get_value(lyd_child(up)), name) == 0)
			return up;
	return NULL;
}

static const char *leaf(const struct lyd_node *parent, const char *name)
{
	struct lyd_node *node;

	LY_LIST_FOR (lyd_child(parent), node)
		if (strcmp(node->schema->name, name) == 0)
			return lyd_get_value(node);
	return NULL;
}

static void verified(void *arg, int rc)
{
	struct call *call = arg;

	if (rc != 0 && rc != -EACCES && rc != -E2BIG) { // too long to be anybody's
		reply_tag(call, "operation-failed", NULL, NULL,
			  "the password cannot be checked: %s", strerror(-rc));
		return;
	}
	reply_json(call, json_pack("{s:b}", "ok", rc == 0));
}

static void run_authenticate(struct call *call)
{
	static const char *const known[] = {"user", "password", NULL};
	// An unknown user takes as long as a wrong password: nobody learns who exists.
	static const char nobody[] =
		"$6$rounds=5000$nobodynobody$"
		"Z8hZ6oP9r0M0o1zq1m2kq6u3v7m8w9x0y1z2A3B4C5D6E7F8G9H0I1J2K3L4M5N6O7P8Q9R0S1T2U3V4W5X6Y7";
	const char *user = NULL, *password = NULL, *hash;
	struct lyd_node *node;

	if (!param_known(call, known) || !param_string(call, "user", true, &user) ||
	    !param_string(call, "password", true, &password))
		return;
	node = system_user(call, user);
	hash = node != NULL ? leaf(node, "password") : NULL;
	if (call->server->conf.verify == NULL) {
		reply_tag(call, "operation-not-supported", NULL, NULL,
			  "no helper to check passwords");
		return;
	}
	if (hash == NULL || hash[0] != '$')
		hash = nobody;
	call->server->conf.verify(password, hash, verified, call);
}

static void run_authorized_keys(struct call *call)
{
	static const char *const known[] = {"user", NULL};
	const char *user = NULL;
	struct lyd_node *node, *key;
	json_t *keys;

	if (!param_known(call, known) || !param_string(call, "user", true, &user))
		return;
	keys = json_array();
	node = system_user(call, user);
	LY_LIST_FOR (lyd_child(node), key) {
		const char *algorithm, *data;

		if (strcmp(key->schema->name, "authorized-key") != 0)
			continue;
		algorithm = leaf(key, "algorithm");
		data = leaf(key, "key-data");
		if (algorithm != NULL && data != NULL)
			json_array_append_new(keys, json_pack("{s:s, s:s}", "algorithm", algorithm,
							      "key-data", data));
	}
	reply_json(call, json_pack("{s:o}", "keys", keys));
}

// ---- locks (RFC 6241 section 7.5)

bool lock_allows(struct call *call, enum target target)
{
	struct rpc_server *s = call->server;
	json_t *info;

	if (s->lock[target] == 0 || s->lock[target] == call->session->id)
		return true;
	info = json_pack("{s:I}", "session-id", (json_int_t)s->lock[target]);
	reply_tag(call, "in-use", NULL, info, "%s is locked by session %u", lock_names[target],
		  (unsigned)s->lock[target]);
	return false;
}

static void run_lock(struct call *call)
{
	static const char *const known[] = {"target", NULL};
	struct rpc_server *s = call->server;
	enum target target;

	if (!param_known(call, known) || !param_target(call, "target", TARGET_COUNT, &target))
		return;
	if (s->lock[target] != 0) {
		reply_tag(call, "lock-denied", NULL,
			  json_pack("{s:I}", "session-id", (json_int_t)s->lock[target]),
			  "%s is locked by session %u", lock_names[target],
			  (unsigned)s->lock[target]);
		return;
	}
	if (target == TARGET_CANDIDATE && ds_candidate_changed(s->conf.ds)) {
		uint32_t by = session_find(s, s->last_editor) != NULL ? s->last_editor : 0;

		reply_tag(call, "lock-denied", NULL,
			  json_pack("{s:I}", "session-id", (json_int_t)by),
			  "candidate holds changes that are neither committed nor discarded");
		return;
	}
	s->lock[target] = call->session->id;
	session_timestamp(s->lock_time[target], sizeof(s->lock_time[target]), time(NULL));
	reply_ok(call);
}

static void run_unlock(struct call *call)
{
	static const char *const known[] = {"target", NULL};
	struct rpc_server *s = call->server;
	enum target target;

	if (!param_known(call, known) || !param_target(call, "target", TARGET_COUNT, &target))
		return;
	if (s->lock[target] != call->session->id) {
		reply_tag(call, "operation-failed", NULL, NULL,
			  "this session does not hold the lock on %s", lock_names[target]);
		return;
	}
	s->lock[target] = 0;
	reply_ok(call);
}

static void run_kill_session(struct call *call)
{
	static const char *const known[] = {"session-id", NULL};
	json_int_t id = 0;
	struct session *other;

	if (!param_known(call, known) ||
	    !param_integer(call, "session-id", true, 1, UINT32_MAX, &id))
		return;
	other = session_find(call->server, (uint32_t)id);
	if (other == call->session) {
		reply_tag(call, "invalid-value", NULL, NULL, "a session cannot kill itself");
		return;
	}
	if (other == NULL) {
		reply_tag(call, "invalid-value", NULL, NULL, "there is no session %u",
			  (unsigned)id);
		return;
	}
	session_destroy(other);
	reply_ok(call);
}

const struct method ops_session[] = {
	{"session", "sluice", "session", METHOD_NETCONFD | METHOD_FREE, run_session},
	{"whoami", "sluice", "whoami", METHOD_FREE, run_whoami},
	{"authenticate", "sluice", "authenticate", METHOD_NETCONFD | METHOD_FREE, run_authenticate},
	{"authorized-keys", "sluice", "authorized-keys", METHOD_NETCONFD | METHOD_FREE,
	 run_authorized_keys},
	// Locks wait behind writers: what they promise must hold when the answer is there.
	{"lock", "ietf-netconf", "lock", METHOD_WRITES, run_lock},
	{"unlock", "ietf-netconf", "unlock", METHOD_WRITES, run_unlock},
	{"kill-session", "ietf-netconf", "kill-session", METHOD_WRITES, run_kill_session},
	{0},
};
