// SPDX-License-Identifier: BSD-3-Clause
//
// A connection is a session: its user, its locks. Both end with it.

#include "control/rpc/rpc_priv.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GROUP_MAX 64

void session_timestamp(char *out, size_t size, time_t t)
{
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(out, size, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

struct session *session_create(struct rpc_server *server, uid_t uid)
{
	struct session *s = calloc(1, sizeof(*s));
	const struct passwd *pw;

	if (s == NULL)
		return NULL;
	s->server = server;
	do
		server->last_id++;
	while (server->last_id == 0 || session_find(server, server->last_id) != NULL);
	s->id = server->last_id;
	s->uid = uid;
	s->since = time(NULL);
	pw = getpwuid(uid);
	if (pw != NULL)
		snprintf(s->user, sizeof(s->user), "%s", pw->pw_name);
	else
		snprintf(s->user, sizeof(s->user), "%u", (unsigned)uid);
	snprintf(s->transport, sizeof(s->transport), "unix");
	s->next = server->sessions;
	server->sessions = s;
	server->session_count++;
	return s;
}

struct session *session_find(struct rpc_server *server, uint32_t id)
{
	for (struct session *s = server->sessions; s != NULL; s = s->next)
		if (s->id == id)
			return s;
	return NULL;
}

// The lock on the candidate falls with its session, and so does what that session left unfinished in
// it (RFC 6241 section 8.3.5.2): nobody else could have put anything there.
static void drop_locks(struct rpc_server *server, uint32_t id)
{
	for (int t = 0; t < TARGET_COUNT; t++) {
		if (server->lock[t] != id)
			continue;
		server->lock[t] = 0;
		if (t == TARGET_CANDIDATE && !ds_busy(server->conf.ds) &&
		    ds_candidate_changed(server->conf.ds)) {
			struct txn_result *r = calloc(1, sizeof(*r));

			if (r != NULL)
				(void)ds_discard(server->conf.ds, r);
			free(r);
		}
	}
}

void session_destroy(struct session *s)
{
	struct rpc_server *server = s->server;

	for (struct session **p = &server->sessions; *p != NULL; p = &(*p)->next)
		if (*p == s) {
			*p = s->next;
			server->session_count--;
			break;
		}
	if (s->call != NULL)
		s->call->session = NULL; // what has begun is ended, unanswered
	drop_locks(server, s->id);
	if (s->bev != NULL)
		bufferevent_free(s->bev);
	if (s->in != NULL)
		evbuffer_free(s->in);
	if (s->out != NULL)
		evbuffer_free(s->out);
	if (s->wake != NULL)
		event_free(s->wake);
	free(s);
}

struct access *server_access(struct rpc_server *s)
{
	struct access *a = NULL;

	if (s->access != NULL && s->access_version == ds_version(s->conf.ds))
		return s->access;
	if (access_create(ds_running(s->conf.ds)->root, &a) != 0)
		return s->access; // out of memory: the rules before
	access_destroy(s->access);
	s->access = a;
	s->access_version = ds_version(s->conf.ds);
	return a;
}

static int guard_allow(void *arg, const struct lyd_node *node, enum edit_access access)
{
	static const unsigned ops[] = {ACCESS_CREATE, ACCESS_UPDATE, ACCESS_DELETE};

	return access_node(arg, node, ops[access]) ? 0 : -EACCES;
}

void call_guard(struct call *call, struct edit_guard *guard, struct access_user *user)
{
	struct session *s = call->session;
	const char *groups[GROUP_MAX];
	gid_t gids[GROUP_MAX];
	const struct passwd *pw;
	struct access *a;
	int count = GROUP_MAX;
	size_t n = 0;

	*guard = (struct edit_guard){.allow = guard_allow, .arg = user};
	*user = (struct access_user){.bypass = s->uid == 0 && !s->named};
	if (user->bypass)
		return;
	a = server_access(call->server);
	// groups of the local user database, for users of this machine only
	if (!s->named && (pw = getpwuid(s->uid)) != NULL &&
	    getgrouplist(pw->pw_name, pw->pw_gid, gids, &count) >= 0)
		for (int i = 0; i < count && n < GROUP_MAX; i++) {
			const struct group *g = getgrgid(gids[i]);

			if (g != NULL && (groups[n] = strdup(g->gr_name)) != NULL)
				n++;
		}
	if (a == NULL || access_user_init(user, a, s->user, groups, n) != 0) {
		static const struct access *nothing;

		// no rules to be had: a user without any, under defaults that deny writing
		if (nothing == NULL) {
			struct access *made = NULL;

			if (access_create(NULL, &made) != 0)
				abort();
			nothing = made;
		}
		*user = (struct access_user){.access = nothing};
	}
	for (size_t i = 0; i < n; i++)
		free((char *)(uintptr_t)groups[i]);
}
