// SPDX-License-Identifier: BSD-3-Clause
//
// Sockets, lines, calls, and the queue of those that write.

#include "control/rpc/rpc_priv.h"

#include <event2/listener.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define READ_MAX (256 * 1024)

static void session_run(struct session *s);

const struct method *method_find(const char *name)
{
	static const struct method *const tables[] = {ops_session, ops_config, ops_read,
						      ops_schema};

	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
		for (const struct method *m = tables[i]; m->name != NULL; m++)
			if (strcmp(m->name, name) == 0)
				return m;
	return NULL;
}

// ---- calls

static void call_free(struct call *call)
{
	if (call->free_data != NULL)
		call->free_data(call->data);
	json_decref(call->params);
	free(call->id);
	free(call);
}

static bool may_call(struct call *call)
{
	const struct method *m = call->method;
	struct session *s = call->session;
	struct access_user user;
	struct edit_guard guard;
	bool yes;

	if ((m->flags & METHOD_NETCONFD) && s->uid != call->server->conf.netconfd_uid) {
		reply_tag(call, "access-denied", NULL, NULL, "%s is for sluice-netconfd alone",
			  m->name);
		return false;
	}
	if (m->flags & METHOD_FREE)
		return true;
	call_guard(call, &guard, &user);
	yes = access_exec(&user, m->module, m->rpc, strcmp(m->rpc, "kill-session") == 0);
	access_user_fini(&user);
	if (!yes) {
		call->server->denied_operations++;
		reply_tag(call, "access-denied", NULL, NULL, "%s may not call %s", s->user,
			  m->name);
	}
	return yes;
}

static void call_start(struct call *call)
{
	if (may_call(call))
		call->method->run(call);
}

static void run_queue(evutil_socket_t fd, short what, void *arg)
{
	struct rpc_server *s = arg;
	struct call *call;

	(void)fd;
	(void)what;
	while (s->queue != NULL && !ds_busy(s->conf.ds)) {
		call = s->queue;
		s->queue = call->next;
		if (s->queue == NULL)
			s->queue_tail = &s->queue;
		call->next = NULL;
		if (call->session == NULL)
			call_free(call); // nobody waits for it, and it has not begun
		else
			call_start(call);
	}
}

void server_kick_queue(struct rpc_server *s)
{
	if (s->queue != NULL)
		event_active(s->queue_event, 0, 0);
}

static void call_enter(struct call *call)
{
	struct rpc_server *s = call->server;

	if ((call->method->flags & METHOD_WRITES) && (ds_busy(s->conf.ds) || s->queue != NULL)) {
		*s->queue_tail = call;
		s->queue_tail = &call->next;
		return;
	}
	call_start(call);
}

// The answer is out (or there is none to give): on to the next line.
static void call_end(struct call *call)
{
	struct session *s = call->session;

	if (s != NULL) {
		s->call = NULL;
		if (!s->in_loop)
			event_active(s->wake, 0, 0);
	}
	call_free(call);
}

static void send_line(struct session *s, const char *head, const char *body, const char *tail)
{
	struct evbuffer *out = s->bev != NULL ? bufferevent_get_output(s->bev) : s->out;

	evbuffer_add(out, head, strlen(head));
	if (body != NULL)
		evbuffer_add(out, body, strlen(body));
	evbuffer_add(out, tail, strlen(tail));
}

void reply_text(struct call *call, const char *json)
{
	char head[1024 + 64];

	if (call->session != NULL && call->id != NULL) {
		snprintf(head, sizeof(head),
			 "{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":", call->id);
		send_line(call->session, head, json, "}\n");
	}
	call_end(call);
}

void reply_send_error(struct call *call, json_t *error)
{
	char head[1024 + 64];
	char *text = json_dumps(error, JSON_COMPACT);

	if (call->session != NULL && call->id != NULL) {
		snprintf(head, sizeof(head), "{\"jsonrpc\":\"2.0\",\"id\":%s,\"error\":", call->id);
		send_line(call->session, head,
			  text != NULL ? text : "{\"code\":-32603,\"message\":\"out of memory\"}",
			  "}\n");
	}
	free(text);
	json_decref(error);
	call_end(call);
}

void reply_raw_error(struct session *s, const char *id, int code, const char *message)
{
	json_t *text = json_string(message);
	char *body = text != NULL ? json_dumps(text, JSON_ENCODE_ANY) : NULL;
	char head[1024 + 128];

	snprintf(head, sizeof(head),
		 "{\"jsonrpc\":\"2.0\",\"id\":%s,\"error\":{\"code\":%d,\"message\":",
		 id != NULL ? id : "null", code);
	send_line(s, head, body != NULL ? body : "\"\"", "}}\n");
	free(body);
	json_decref(text);
}

// ---- requests

static char *id_text(const json_t *id)
{
	char *text;

	if (!json_is_string(id) && !json_is_number(id))
		return NULL;
	text = json_dumps(id, JSON_ENCODE_ANY | JSON_COMPACT);
	if (text != NULL && strlen(text) > 1024) {
		free(text);
		return NULL;
	}
	return text;
}

static void take_request(struct session *s, json_t *req)
{
	json_t *id, *params, *version, *name;
	const struct method *m;
	struct call *call;
	char *id_json = NULL;

	if (!json_is_object(req)) {
		reply_raw_error(s, NULL, RPC_REQUEST,
				json_is_array(req) ? "batches are not taken"
						   : "not a request object");
		return;
	}
	id = json_object_get(req, "id");
	if (id != NULL) {
		id_json = id_text(id);
		if (id_json == NULL) {
			reply_raw_error(s, NULL, RPC_REQUEST,
					"id must be a number or a string, 1 KiB at most");
			return;
		}
	}
	version = json_object_get(req, "jsonrpc");
	name = json_object_get(req, "method");
	params = json_object_get(req, "params");
	if (!json_is_string(version) || strcmp(json_string_value(version), "2.0") != 0) {
		reply_raw_error(s, id_json, RPC_REQUEST, "jsonrpc must be \"2.0\"");
	} else if (!json_is_string(name)) {
		reply_raw_error(s, id_json, RPC_REQUEST, "method must be a string");
	} else if (params != NULL && !json_is_object(params)) {
		if (id_json != NULL)
			reply_raw_error(s, id_json, RPC_PARAMS, "params must be an object");
	} else if ((m = method_find(json_string_value(name))) == NULL) {
		if (id_json != NULL)
			reply_raw_error(s, id_json, RPC_METHOD, "no such method");
	} else {
		call = calloc(1, sizeof(*call));
		if (call == NULL) {
			reply_raw_error(s, id_json, -32603, "out of memory");
		} else {
			call->server = s->server;
			call->session = s;
			call->method = m;
			call->id = id_json;
			id_json = NULL;
			call->params = params != NULL ? json_incref(params) : json_object();
			s->call = call;
			call_enter(call);
		}
	}
	free(id_json);
}

static void take_line(struct session *s, const char *line, size_t size)
{
	json_error_t err;
	json_t *req;
	char text[256];

	req = json_loadb(line, size, JSON_REJECT_DUPLICATES, &err);
	if (req == NULL) {
		snprintf(text, sizeof(text), "not JSON: %.160s", err.text);
		reply_raw_error(s, NULL, RPC_PARSE, text);
		s->closing = true;
		return;
	}
	take_request(s, req);
	json_decref(req);
}

// Length of the first line, without its end; -1: not there yet.
static ssize_t find_line(struct session *s, struct evbuffer *in)
{
	struct evbuffer_ptr from, at;
	size_t have = evbuffer_get_length(in);

	if (have <= s->scanned)
		return -1;
	evbuffer_ptr_set(in, &from, s->scanned, EVBUFFER_PTR_SET);
	at = evbuffer_search(in, "\n", 1, &from);
	if (at.pos < 0) {
		s->scanned = have;
		return -1;
	}
	return at.pos;
}

// Bytes of lines that are not whole yet, of all sessions of the uid: one user must not fill the memory with
// many sessions that each stay below RPC_LINE_MAX.
static bool holds_too_much(const struct session *s, size_t mine)
{
	const struct rpc_server *server = s->server;
	size_t all = mine, max = RPC_HALF_UID;

	if (mine <= RPC_HALF_FREE)
		return false;
	if (s->uid == 0 || s->uid == server->conf.netconfd_uid)
		max = RPC_HALF_TRUSTED; // who speaks for many
	for (const struct session *o = server->sessions; o != NULL; o = o->next)
		if (o != s && o->uid == s->uid && o->bev != NULL)
			all += evbuffer_get_length(bufferevent_get_input(o->bev));
	return all > max;
}

static void session_run(struct session *s)
{
	struct evbuffer *in = s->bev != NULL ? bufferevent_get_input(s->bev) : s->in;

	s->in_loop = true;
	while (s->call == NULL && !s->closing) {
		ssize_t n = find_line(s, in);
		char *line;

		if ((n < 0 && evbuffer_get_length(in) > RPC_LINE_MAX) ||
		    n > (ssize_t)RPC_LINE_MAX) {
			reply_raw_error(s, NULL, RPC_PARSE, "the line is longer than 64 MiB");
			s->closing = true;
			break;
		}
		if (n < 0 && holds_too_much(s, evbuffer_get_length(in))) {
			reply_raw_error(s, NULL, RPC_PARSE,
					"the sessions of this user hold too many unfinished lines");
			s->closing = true;
			break;
		}
		if (n < 0)
			break;
		s->scanned = 0;
		line = (char *)evbuffer_pullup(in, n + 1);
		if (line == NULL) {
			s->closing = true;
			break;
		}
		if (n > 0) // an empty line is no request
			take_line(s, line, (size_t)n);
		evbuffer_drain(in, (size_t)n + 1);
	}
	s->in_loop = false;
	if (s->bev == NULL)
		return;
	if (s->closing) {
		evbuffer_drain(in, evbuffer_get_length(in));
		bufferevent_disable(s->bev, EV_READ);
		if (evbuffer_get_length(bufferevent_get_output(s->bev)) == 0)
			session_destroy(s);
	} else if (s->call != NULL) {
		bufferevent_disable(s->bev, EV_READ); // what else comes waits in the socket
	} else {
		bufferevent_enable(s->bev, EV_READ);
	}
}

static void on_read(struct bufferevent *bev, void *arg)
{
	(void)bev;
	session_run(arg);
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	session_run(arg);
}

static void on_written(struct bufferevent *bev, void *arg)
{
	struct session *s = arg;

	if (s->closing && evbuffer_get_length(bufferevent_get_output(bev)) == 0)
		session_destroy(s);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	struct session *s = arg;

	(void)bev;
	if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR | BEV_EVENT_TIMEOUT))
		session_destroy(s);
}

// Nobody but root and sluice-netconfd can take so many sessions that none is left for others.
static bool has_room(const struct rpc_server *server, uid_t uid)
{
	unsigned mine = 0;

	if (server->session_count >= RPC_SESSION_MAX)
		return false;
	if (uid == 0 || uid == server->conf.netconfd_uid)
		return true;
	for (const struct session *s = server->sessions; s != NULL; s = s->next)
		mine += s->uid == uid;
	return mine < RPC_SESSION_UID;
}

static void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa, int len,
		      void *arg)
{
	struct rpc_server *server = arg;
	struct ucred peer;
	socklen_t size = sizeof(peer);
	struct session *s;

	(void)l;
	(void)sa;
	(void)len;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 ||
	    !has_room(server, peer.uid)) {
		close(fd);
		return;
	}
	s = session_create(server, peer.uid);
	if (s == NULL) {
		close(fd);
		return;
	}
	s->bev = bufferevent_socket_new(server->conf.base, fd,
					BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	s->wake = event_new(server->conf.base, -1, 0, on_wake, s);
	if (s->bev == NULL || s->wake == NULL) {
		if (s->bev == NULL)
			close(fd);
		session_destroy(s);
		return;
	}
	bufferevent_set_max_single_read(s->bev, READ_MAX);
	bufferevent_setcb(s->bev, on_read, on_written, on_event, s);
	bufferevent_enable(s->bev, EV_READ | EV_WRITE);
}

// ---- life

static int listen_at(const char *path, int *out)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd, rc;

	if (strlen(path) >= sizeof(sa.sun_path))
		return -ENAMETOOLONG;
	memcpy(sa.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0 || errno == EAGAIN) {
		close(fd);
		return -EADDRINUSE;
	}
	if (errno == ECONNREFUSED)
		(void)unlink(path);
	close(fd);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0 || listen(fd, SOMAXCONN) != 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	*out = fd;
	return 0;
}

int rpc_create(const struct rpc_conf *conf, struct rpc_server **out)
{
	struct rpc_server *s = calloc(1, sizeof(*s));
	int rc, fd = -1;

	if (s == NULL)
		return -ENOMEM;
	s->conf = *conf;
	s->queue_tail = &s->queue;
	s->access_version = UINT64_MAX;
	s->queue_event = event_new(conf->base, -1, 0, run_queue, s);
	if (s->queue_event == NULL) {
		rc = -ENOMEM;
		goto err;
	}
	if (conf->socket_path != NULL) {
		snprintf(s->path, sizeof(s->path), "%s", conf->socket_path);
		rc = listen_at(conf->socket_path, &fd);
		if (rc != 0) {
			s->path[0] = '\0'; // not ours to remove
			goto err;
		}
		if ((conf->socket_gid != (gid_t)-1 &&
		     chown(conf->socket_path, (uid_t)-1, conf->socket_gid) != 0) ||
		    chmod(conf->socket_path, 0660) != 0) {
			rc = -errno;
			close(fd);
			goto err;
		}
		s->listener =
			evconnlistener_new(conf->base, on_accept, s, LEV_OPT_CLOSE_ON_FREE, 0, fd);
		if (s->listener == NULL) {
			close(fd);
			rc = -ENOMEM;
			goto err;
		}
	}
	*out = s;
	return 0;

err:
	rpc_destroy(s);
	return rc;
}

void rpc_destroy(struct rpc_server *s)
{
	if (s == NULL)
		return;
	if (s->listener != NULL)
		evconnlistener_free(s->listener);
	while (s->sessions != NULL)
		session_destroy(s->sessions);
	while (s->queue != NULL) {
		struct call *call = s->queue;

		s->queue = call->next;
		call_free(call);
	}
	if (s->queue_event != NULL)
		event_free(s->queue_event);
	access_destroy(s->access);
	if (s->path[0] != '\0')
		(void)unlink(s->path);
	free(s);
}

char *rpc_feed(struct rpc_server *server, uid_t uid, const char *data, size_t size)
{
	struct session *s = session_create(server, uid);
	char *text = NULL;
	size_t n;

	if (s == NULL)
		return NULL;
	s->in = evbuffer_new();
	s->out = evbuffer_new();
	s->wake = event_new(server->conf.base, -1, 0, on_wake, s);
	if (s->in != NULL && s->out != NULL && s->wake != NULL &&
	    evbuffer_add(s->in, data, size) == 0) {
		session_run(s);
		// answers that come by way of the loop
		for (int i = 0; i < 16 && (s->call != NULL || server->queue != NULL); i++)
			event_base_loop(server->conf.base, EVLOOP_NONBLOCK);
		n = evbuffer_get_length(s->out);
		text = malloc(n + 1);
		if (text != NULL) {
			evbuffer_remove(s->out, text, n);
			text[n] = '\0';
		}
	}
	session_destroy(s);
	return text;
}
