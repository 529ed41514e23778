// SPDX-License-Identifier: BSD-3-Clause
//
// ssh - libssh's server side with one event loop: client, sluiced and signals.
//
// Until hello is done alarm() bounds everything, blocking calls of libssh included: SIGALRM ends the
// process. After that the client may be idle as long as it likes (TCP keep-alive finds dead ones), but
// not slow in taking a reply.

#include "control/netconf/ssh.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include <libssh/callbacks.h>
#include <libssh/server.h>

#include "control/netconf/framing.h"
#include "control/netconf/rpc.h"
#include "control/netconf/session.h"

#define AUTH_RPC_MS    10000
#define WRONG_SECONDS  1 // wait after a wrong password
#define USER_MAX       255
#define FLUSH_MS       1000
#define WRITE_BYTES    ((size_t)64 << 10)
#define GOOD_BYE_MS    100
#define GOOD_BYE_TURNS 10

struct connection {
	const struct ncd_ssh_conf *conf;
	ssh_session ssh;
	ssh_channel channel;
	ssh_event event;
	struct ncd_rpc *rpc;
	struct ncd_session session;
	struct ncd_buf in; // from the client, not yet framed
	char user[USER_MAX + 1];
	uint32_t session_id;
	unsigned attempts;
	bool authenticated;
	bool subsystem; // "netconf" was asked for on the channel
	bool eof;       // the client sends no more
	bool over;      // end as soon as possible
	const char *reason;
};

// Levels are those of syslog: <3> error, <5> notice, <6> information.
#define log_at(c, level, fmt, ...)                                                                 \
	fprintf(stderr, "<" #level ">netconf: %s: " fmt "\n", (c)->conf->source, ##__VA_ARGS__)

static void finish(struct connection *c, const char *reason)
{
	if (!c->over)
		c->reason = reason;
	c->over = true;
}

// ---- authentication ------------------------------------------------------------------------------

// Calls before `session` are on the connection that will be the session's.
static int auth_call(struct connection *c, const char *method, json_t *params, json_t **result)
{
	json_t *errs;
	int rc = 0;

	if (params == NULL)
		return -EINVAL; // the user name or password is no UTF-8
	if (c->rpc == NULL)
		rc = ncd_rpc_connect(c->conf->rpc_path, &c->rpc);
	if (rc < 0) {
		json_decref(params);
		log_at(c, 3, "sluiced cannot be reached (%s): nobody can log in", strerror(-rc));
		return rc;
	}
	errs = json_array();
	rc = ncd_rpc_call(c->rpc, method, params, AUTH_RPC_MS, c->conf->fd, result, errs);
	if (rc == -EREMOTEIO) {
		const char *text = json_string_value(
			json_object_get(json_array_get(errs, 0), "error-message"));

		log_at(c, 5, "%s refused by sluiced: %s", method, text == NULL ? "?" : text);
	} else if (rc < 0) {
		ncd_rpc_close(c->rpc);
		c->rpc = NULL;
		log_at(c, 3, "%s: sluiced: %s", method, strerror(-rc));
	}
	json_decref(errs);
	return rc;
}

// The user is who he says: make the RPC connection his session.
static bool open_session(struct connection *c, const char *user)
{
	struct ncd_shared *sh = c->conf->shared;
	json_t *result = NULL;
	json_int_t id;

	if (atomic_fetch_add(&sh->authenticated, 1) >= sh->max_sessions) {
		atomic_fetch_sub(&sh->authenticated, 1);
		log_at(c, 4, "%u sessions are open: no more are taken", sh->max_sessions);
		finish(c, "too many sessions");
		return false;
	}
	// The parent takes the count back when this process has ended.
	atomic_store(&c->conf->slot->counted, true);
	if (auth_call(c, "session",
		      json_pack("{s:s, s:s, s:s}", "user", user, "source", c->conf->source,
				"transport", "netconf-ssh"),
		      &result) < 0) {
		finish(c, "sluiced took no session");
		return false;
	}
	id = json_integer_value(json_object_get(result, "session-id"));
	json_decref(result);
	if (id <= 0 || id > UINT32_MAX) {
		log_at(c, 3, "sluiced gave no session id");
		finish(c, "sluiced gave no session id");
		return false;
	}
	c->session_id = (uint32_t)id;
	c->authenticated = true;
	snprintf(c->user, sizeof(c->user), "%s", user);
	return true;
}

static bool user_allowed(struct connection *c, const char *user)
{
	return !c->authenticated && !c->over && user[0] != '\0' && strlen(user) <= USER_MAX;
}

static int failed(struct connection *c, const char *user, const char *how)
{
	// The name is a stranger's: its length is bounded, and control characters are not logged.
	char text[64];

	snprintf(text, sizeof(text), "%s", user);
	for (char *p = text; *p != '\0'; p++) {
		if ((unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7f)
			*p = '?';
	}
	log_at(c, 5, "user '%s': %s refused", text, how);
	if (++c->attempts >= NCD_AUTH_ATTEMPTS)
		finish(c, "too many attempts");
	return SSH_AUTH_DENIED;
}

static int on_password(ssh_session ssh, const char *user, const char *password, void *data)
{
	struct connection *c = data;
	json_t *result = NULL;
	bool ok = false;

	if (user_allowed(c, user) &&
	    auth_call(c, "authenticate",
		      json_pack("{s:s, s:s}", "user", user, "password", password), &result) == 0)
		ok = json_is_true(json_object_get(result, "ok"));
	json_decref(result);
	if (!ok) {
		sleep(WRONG_SECONDS);
		return failed(c, user, "password");
	}
	return open_session(c, user) ? SSH_AUTH_SUCCESS : SSH_AUTH_DENIED;
}

static bool key_listed(const json_t *keys, ssh_key key)
{
	char *blob = NULL;
	bool found = false;
	json_t *k;
	size_t i;

	if (ssh_pki_export_pubkey_base64(key, &blob) != SSH_OK)
		return false;
	// The blob names its own algorithm (RFC 4253 section 6.6), so it alone decides.
	json_array_foreach(keys, i, k)
	{
		const char *have = json_string_value(json_object_get(k, "key-data"));

		found = found || (have != NULL && strcmp(have, blob) == 0);
	}
	ssh_string_free_char(blob);
	return found;
}

static int on_pubkey(ssh_session ssh, const char *user, struct ssh_key_struct *key, char state,
		     void *data)
{
	struct connection *c = data;
	json_t *result = NULL;
	bool ok = false;

	// The first question is without a signature: would this key do? It counts as no attempt
	// where it would, or a client with many keys would never come to the right one; and as one
	// where it would not, or keys could be asked for without end.
	if (state != SSH_PUBLICKEY_STATE_NONE && state != SSH_PUBLICKEY_STATE_VALID)
		return failed(c, user, "signature");
	if (user_allowed(c, user) &&
	    auth_call(c, "authorized-keys", json_pack("{s:s}", "user", user), &result) == 0)
		ok = key_listed(json_object_get(result, "keys"), key);
	json_decref(result);
	if (!ok)
		return failed(c, user, "key");
	if (state == SSH_PUBLICKEY_STATE_NONE)
		return SSH_AUTH_SUCCESS;
	return open_session(c, user) ? SSH_AUTH_SUCCESS : SSH_AUTH_DENIED;
}

// ---- channel -------------------------------------------------------------------------------------

static int on_subsystem(ssh_session ssh, ssh_channel channel, const char *name, void *data)
{
	struct connection *c = data;

	if (c->subsystem || strcmp(name, "netconf") != 0)
		return SSH_ERROR;
	c->subsystem = true;
	return SSH_OK;
}

static int on_data(ssh_session ssh, ssh_channel channel, void *bytes, uint32_t len, int is_stderr,
		   void *data)
{
	struct connection *c = data;

	if (is_stderr || c->over)
		return (int)len; // extended data has no meaning in NETCONF
	if (c->in.len + len > NCD_BACKLOG_MAX) {
		finish(c, "client sends without reading");
		return (int)len;
	}
	ncd_buf_add(&c->in, bytes, len);
	if (c->in.failed)
		finish(c, "out of memory");
	return (int)len;
}

// The client has nothing more to say; what it said is still answered.
static void on_eof(ssh_session ssh, ssh_channel channel, void *data)
{
	((struct connection *)data)->eof = true;
}

static void on_close(ssh_session ssh, ssh_channel channel, void *data)
{
	finish(data, "client closed");
}

static ssh_channel on_channel_open(ssh_session ssh, void *data)
{
	static struct ssh_channel_callbacks_struct cb;
	struct connection *c = data;

	if (!c->authenticated || c->channel != NULL)
		return NULL; // one NETCONF session in one SSH connection
	cb = (struct ssh_channel_callbacks_struct){
		.userdata = c,
		.channel_data_function = on_data,
		.channel_eof_function = on_eof,
		.channel_close_function = on_close,
		.channel_subsystem_request_function = on_subsystem,
	};
	ssh_callbacks_init(&cb);
	c->channel = ssh_channel_new(ssh);
	if (c->channel != NULL)
		ssh_set_channel_callbacks(c->channel, &cb);
	return c->channel;
}

// ---- event loop ----------------------------------------------------------------------------------

// Between calls sluiced has nothing to say: readable means that it closed the connection, because the
// session was killed or because it stopped. Either way the locks are gone and so is the session.
static int on_rpc_readable(socket_t fd, int revents, void *data)
{
	finish(data, "ended by sluiced (killed, or sluiced stopped)");
	return 0;
}

static int on_signal(socket_t fd, int revents, void *data)
{
	finish(data, "server stops");
	return 0;
}

// One turn of the loop. Returns: false when the connection is over
static bool turn(struct connection *c, int timeout_ms)
{
	if (ssh_event_dopoll(c->event, timeout_ms) == SSH_ERROR &&
	    (ssh_get_status(c->ssh) & (SSH_CLOSED | SSH_CLOSED_ERROR)) != 0)
		finish(c, "connection lost");
	if ((ssh_get_status(c->ssh) & (SSH_CLOSED | SSH_CLOSED_ERROR)) != 0)
		finish(c, "connection lost");
	return !c->over;
}

static int64_t now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

// Give what libssh holds to the kernel, so that it never holds more than one piece.
static bool flush(struct connection *c, int64_t deadline)
{
	for (;;) {
		int rc = ssh_blocking_flush(c->ssh, FLUSH_MS);

		if (rc == SSH_OK)
			return true;
		if (rc == SSH_ERROR)
			finish(c, "connection lost");
		else if (now_s() > deadline)
			finish(c, "client takes no data");
		if (!turn(c, 0))
			return false;
	}
}

// Send; waits for a slow client, but not for ever, and notices meanwhile that the session was killed.
static void send_bytes(struct connection *c, const char *data, size_t len)
{
	int64_t deadline = now_s() + NCD_WRITE_SECONDS;

	while (len > 0 && !c->over) {
		uint32_t window = ssh_channel_window_size(c->channel);
		size_t n = len < WRITE_BYTES ? len : WRITE_BYTES;
		int done = 0;

		n = n < window ? n : window;
		if (n > 0)
			done = ssh_channel_write(c->channel, data, (uint32_t)n);
		if (done < 0)
			finish(c, "connection lost");
		else if (done == 0)
			turn(c, FLUSH_MS); // the window is shut
		else if (!flush(c, deadline))
			return;
		if (done > 0) {
			data += done;
			len -= (size_t)done;
			deadline = now_s() + NCD_WRITE_SECONDS;
		} else if (now_s() > deadline) {
			finish(c, "client takes no data");
		}
	}
}

static void send_message(struct connection *c, bool chunked, const struct ncd_buf *msg)
{
	struct ncd_buf framed = {0};

	ncd_framing_wrap(chunked, msg->data, msg->len, &framed);
	if (framed.failed)
		finish(c, "out of memory");
	else
		send_bytes(c, framed.data, framed.len);
	ncd_buf_fini(&framed);
}

// Locks are free before the client reads that its session is closed; and a last reply goes out though
// sluiced may be gone.
static void leave_sluiced(struct connection *c)
{
	if (c->rpc == NULL)
		return;
	ssh_event_remove_fd(c->event, ncd_rpc_fd(c->rpc));
	ncd_rpc_close(c->rpc);
	c->rpc = NULL;
	c->session.rpc = NULL;
}

static void take_message(struct connection *c, struct ncd_framing *f, bool *greeted)
{
	struct ncd_buf reply = {0};
	char why[256] = "";

	if (!*greeted) {
		if (ncd_session_take_hello(&c->session, f->msg.data, f->msg.len, why, sizeof(why)) <
		    0) {
			atomic_fetch_add(&c->conf->shared->in_bad_hellos, 1);
			log_at(c, 5, "session %u: bad hello: %s", c->session_id, why);
			finish(c, "bad hello");
			return;
		}
		*greeted = true;
		alarm(0);
		if (c->session.base11)
			ncd_framing_set_chunked(f);
		return;
	}
	ncd_session_message(&c->session, f->msg.data == NULL ? "" : f->msg.data, f->msg.len,
			    &reply);
	if (c->session.end)
		leave_sluiced(c);
	if (reply.len > 0 && !reply.failed)
		send_message(c, c->session.base11, &reply);
	ncd_buf_fini(&reply);
	if (c->session.end)
		finish(c, "closed");
}

// Frame what has come and do what it says.
static void take_input(struct connection *c, struct ncd_framing *f, bool *greeted)
{
	struct ncd_buf in = c->in; // while replies are sent more may come into c->in
	struct ncd_buf reply = {0};
	size_t at = 0, used;

	c->in = (struct ncd_buf){0};
	while (!c->over && at < in.len) {
		enum ncd_frame_verdict v = ncd_framing_feed(f, in.data + at, in.len - at, &used);

		at += used;
		if (v == NCD_FRAME_MESSAGE) {
			take_message(c, f, greeted);
		} else if (v == NCD_FRAME_BAD) {
			log_at(c, 5, "session %u: not NETCONF framing", c->session_id);
			finish(c, "bad framing");
		} else if (v == NCD_FRAME_TOO_BIG) {
			log_at(c, 5, "session %u: message over %zu bytes", c->session_id,
			       c->conf->message_max);
			if (*greeted) {
				ncd_session_too_big(&c->session, &reply);
				if (reply.len > 0)
					send_message(c, c->session.base11, &reply);
			}
			finish(c, "message too big");
		}
	}
	ncd_buf_fini(&reply);
	ncd_buf_fini(&in);
}

static void serve_session(struct connection *c)
{
	struct ncd_slot *slot = c->conf->slot;
	struct ncd_framing f;
	struct ncd_buf hello = {0};
	bool greeted = false;

	c->session = (struct ncd_session){.schema = c->conf->schema,
					  .rpc = c->rpc,
					  .shared = c->conf->shared,
					  .slot = slot,
					  .client_fd = c->conf->fd,
					  .id = c->session_id};
	snprintf(slot->user, sizeof(slot->user), "%s", c->user);
	snprintf(slot->source, sizeof(slot->source), "%s", c->conf->source);
	slot->login_time = time(NULL);
	atomic_store(&slot->id, c->session_id);
	atomic_fetch_add(&c->conf->shared->in_sessions, 1);

	ncd_framing_init(&f, c->conf->message_max);
	ncd_session_hello(&c->session, &hello);
	send_message(c, false, &hello);
	ncd_buf_fini(&hello);
	while (!c->over) {
		// Input that came while a reply was being sent is there without a further event.
		if (c->in.len > 0)
			take_input(c, &f, &greeted);
		else if (c->eof)
			finish(c, "client closed");
		else
			turn(c, 60000);
	}
	if (!c->session.end)
		atomic_fetch_add(&c->conf->shared->dropped_sessions, 1);
	ncd_framing_fini(&f);
}

// ---- set-up --------------------------------------------------------------------------------------

static bool start_ssh(struct connection *c, ssh_bind bind)
{
	bool no = false;

	ssh_bind_options_set(bind, SSH_BIND_OPTIONS_PROCESS_CONFIG, &no); // not sshd's business
	for (unsigned i = 0; i < c->conf->hostkey_count; i++) {
		if (ssh_bind_options_set(bind, SSH_BIND_OPTIONS_IMPORT_KEY,
					 ssh_key_dup(c->conf->hostkeys[i])) != SSH_OK)
			return false;
	}
	c->ssh = ssh_new();
	return c->ssh != NULL && ssh_bind_accept_fd(bind, c->ssh, c->conf->fd) == SSH_OK;
}

static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

// From the first byte to the NETCONF subsystem.
static void log_in(struct connection *c)
{
	bool watched = false;

	ssh_set_auth_methods(c->ssh, SSH_AUTH_METHOD_PASSWORD | SSH_AUTH_METHOD_PUBLICKEY);
	if (ssh_handle_key_exchange(c->ssh) != SSH_OK) {
		finish(c, "key exchange failed");
		return;
	}
	ssh_set_blocking(c->ssh, 0);
	ssh_event_add_session(c->event, c->ssh);
	while (!c->over && !c->subsystem) {
		turn(c, 1000);
		if (c->authenticated && !watched) {
			ssh_event_add_fd(c->event, ncd_rpc_fd(c->rpc), POLLIN, on_rpc_readable, c);
			watched = true;
		}
	}
}

static void say_good_bye(struct connection *c)
{
	if (c->channel != NULL && ssh_channel_is_open(c->channel)) {
		ssh_channel_send_eof(c->channel);
		ssh_channel_request_send_exit_status(c->channel, c->session.end ? 0 : 1);
		ssh_channel_close(c->channel);
	}
	if (c->ssh == NULL || !ssh_is_connected(c->ssh))
		return;
	ssh_blocking_flush(c->ssh, FLUSH_MS);
	// A client that sees the channel close leaves by itself; one of OpenSSH takes a disconnect
	// message that comes with it for a failure.
	for (int i = 0; c->channel != NULL && i < GOOD_BYE_TURNS && ssh_is_connected(c->ssh) &&
			(ssh_get_status(c->ssh) & (SSH_CLOSED | SSH_CLOSED_ERROR)) == 0;
	     i++)
		ssh_event_dopoll(c->event, GOOD_BYE_MS);
	if (ssh_is_connected(c->ssh))
		ssh_disconnect(c->ssh);
}

int ncd_ssh_serve(const struct ncd_ssh_conf *conf)
{
	struct connection c = {.conf = conf};
	struct ssh_server_callbacks_struct cb = {
		.userdata = &c,
		.auth_password_function = on_password,
		.auth_pubkey_function = on_pubkey,
		.channel_open_request_session_function = on_channel_open,
	};
	ssh_bind bind = ssh_bind_new();
	int signals = open_signals();

	alarm(conf->grace_s);
	c.event = ssh_event_new();
	if (bind == NULL || c.event == NULL || signals < 0 || !start_ssh(&c, bind)) {
		log_at(&c, 3, "cannot start SSH: %s",
		       bind == NULL ? "memory" : ssh_get_error(bind));
		finish(&c, "no SSH");
	} else {
		ssh_callbacks_init(&cb);
		ssh_set_server_callbacks(c.ssh, &cb);
		ssh_event_add_fd(c.event, signals, POLLIN, on_signal, &c);
		log_in(&c);
	}
	if (!c.over) {
		log_at(&c, 6, "session %u: user '%s'", c.session_id, c.user);
		serve_session(&c);
	}
	log_at(&c, 6, "session %u: end: %s", c.session_id, c.reason);
	leave_sluiced(&c);
	alarm(5); // a client that does not take the good-bye is not waited for
	say_good_bye(&c);
	if (c.event != NULL) {
		ssh_event_remove_fd(c.event, signals);
		if (c.ssh != NULL)
			ssh_event_remove_session(c.event, c.ssh);
		ssh_event_free(c.event);
	}
	ssh_free(c.ssh); // its channels as well; ssh_disconnect() may have freed them already
	ssh_bind_free(bind);
	ncd_buf_fini(&c.in);
	close(signals);
	return c.session.end ? 0 : 1;
}
