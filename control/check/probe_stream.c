// SPDX-License-Identifier: BSD-3-Clause
//
// Checks over a connection of their own that go beyond its handshake: TLS, HTTP, and HTTP over TLS. A dead
// server shall not hide behind a connection that lives.
//
//	CONNECT --TLS, HTTPS--> HANDSHAKE --HTTPS--> SEND --> RECEIVE --> good or not
//	   \--------------HTTP-----------------------^ \--TLS--> good
//
// A TLS check is good when the handshake completes (RFC 8446 section 2, RFC 5246 section 7.3) with a
// certificate that is valid for the server name, or the address, where that is asked for.
//
// An HTTP check is one GET: good when the whole answer, or its first CHECK_BODY_MAX bytes, arrived in time
// with a status in range and, if asked for, the string in the body (http_answer.h). Redirects are answers
// like any other. The connection is then reset: no state stays behind, whatever the rate of checks.

#include "control/check/probe_priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "control/check/http_answer.h"
#include "control/check/log.h"
#include "control/check/trust.h"

#define PIECE       16384 // bytes read at once
#define PIECES_MAX  8     // in one turn of the loop: other checks have a right to it too
#define REQUEST_MAX 896

enum stream_state { STREAM_CONNECT, STREAM_HANDSHAKE, STREAM_SEND, STREAM_RECEIVE };

struct check_stream {
	struct check_prober *prober;
	struct check_target *target;
	int fd;
	uint8_t state; // enum stream_state
	short waits;   // EV_READ or EV_WRITE
	struct event *ev;
	SSL *ssl; // NULL: none
	// HTTP
	uint16_t request_size, sent;
	char request[REQUEST_MAX];
	struct check_answer answer;
};

static void stream_free(struct check_stream *c)
{
	if (c->ev != NULL)
		event_free(c->ev);
	SSL_free(c->ssl);
	check_close_reset(c->fd);
	c->target->probe = NULL;
	free(c);
}

static void finish(struct check_stream *c, struct check_result *r)
{
	struct check_prober *p = c->prober;
	struct check_target *t = c->target;

	r->latency_us = check_since_us(t);
	stream_free(c);
	check_probe_done(p, t, r);
}

static void stream_event(evutil_socket_t fd, short what, void *arg);

// Go on when the connection can be read or written.
static void wait_for(struct check_stream *c, short what)
{
	struct check_result r = {.local = true};

	if (c->waits == what)
		return;
	event_del(c->ev);
	c->waits = what;
	if (event_assign(c->ev, c->prober->conf.base, c->fd, (short)(what | EV_PERSIST),
			 stream_event, c) != 0 ||
	    event_add(c->ev, NULL) != 0)
		finish(c, &r);
}

// ---- TLS --------------------------------------------------------------------------------------

static void tls_reason(const struct check_stream *c, int error, int err, struct check_result *r)
{
	long verdict = SSL_get_verify_result(c->ssl);
	char text[80];

	if (error == SSL_ERROR_SYSCALL && err != 0) {
		check_errno_reason(r, "TLS", err);
	} else if (error == SSL_ERROR_SYSCALL || error == SSL_ERROR_ZERO_RETURN ||
		   ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
		snprintf(r->reason, sizeof(r->reason), "TLS: connection closed in the handshake");
	} else if ((c->target->check.flags & CTL_CHECK_F_VERIFY) != 0 && verdict != X509_V_OK) {
		snprintf(r->reason, sizeof(r->reason), "TLS: certificate: %s",
			 X509_verify_cert_error_string(verdict));
	} else {
		snprintf(r->reason, sizeof(r->reason), "TLS: %s",
			 check_tls_error(text, sizeof(text)));
	}
	ERR_clear_error();
}

// Is it only to be waited for? It is, then.
static bool tls_waits(struct check_stream *c, int error)
{
	if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
		return false;
	wait_for(c, error == SSL_ERROR_WANT_READ ? EV_READ : EV_WRITE);
	return true;
}

// SNI holds names only (RFC 6066 section 3); an address is compared with those of the certificate.
static bool set_name(SSL *ssl, const struct check_target *t)
{
	const char *name = t->check.server_name;
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
	struct in_addr ip;

	if (name[0] == '\0')
		return X509_VERIFY_PARAM_set1_ip(param, t->addr.bytes,
						 t->addr.family == 4 ? 4 : 16) == 1;
	if (inet_pton(AF_INET, name, &ip) == 1)
		return X509_VERIFY_PARAM_set1_ip(param, (const uint8_t *)&ip, 4) == 1;
	// SSL_set_tlsext_host_name is a macro that drops const.
	return SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
			(void *)(uintptr_t)name) == 1 &&
	       SSL_set1_host(ssl, name) == 1;
}

static bool set_tls(struct check_stream *c, SSL_CTX *ctx)
{
	static const uint8_t http11[] = "\x08http/1.1";

	c->ssl = SSL_new(ctx);
	if (c->ssl == NULL || SSL_set_fd(c->ssl, c->fd) != 1 || !set_name(c->ssl, c->target))
		return false;
	if ((c->target->check.flags & CTL_CHECK_F_VERIFY) != 0)
		SSL_set_verify(c->ssl, SSL_VERIFY_PEER, NULL);
	SSL_set_connect_state(c->ssl);
	// Returns 0 when it is well.
	return c->target->check.kind != CTL_CHECK_HTTPS ||
	       SSL_set_alpn_protos(c->ssl, http11, sizeof(http11) - 1) == 0;
}

// ---- HTTP -------------------------------------------------------------------------------------

static bool has_http(const struct check_target *t)
{
	return t->check.kind == CTL_CHECK_HTTP || t->check.kind == CTL_CHECK_HTTPS;
}

// The request, its target and Host as configured; a Host that is not is the server name, or the address.
static bool set_request(struct check_stream *c)
{
	const struct check_target *t = c->target;
	bool tls = t->check.kind == CTL_CHECK_HTTPS;
	char ip[INET6_ADDRSTRLEN], host[sizeof(t->check.host) + 16], port[8] = "";
	int n;

	if (t->port != htons(tls ? 443 : 80))
		snprintf(port, sizeof(port), ":%u", ntohs(t->port));
	inet_ntop(t->addr.family == 4 ? AF_INET : AF_INET6, t->addr.bytes, ip, sizeof(ip));
	if (t->check.host[0] != '\0')
		snprintf(host, sizeof(host), "%s", t->check.host);
	else if (tls && t->check.server_name[0] != '\0')
		snprintf(host, sizeof(host), "%s%s", t->check.server_name, port);
	else
		snprintf(host, sizeof(host), t->addr.family == 4 ? "%s%s" : "[%s]%s", ip, port);
	n = snprintf(c->request, sizeof(c->request),
		     "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: sluice-checkd\r\nAccept: */*\r\n"
		     "Connection: close\r\n\r\n",
		     t->check.path, host);
	c->request_size = (uint16_t)n;
	check_answer_init(&c->answer, t->check.body);
	return n > 0 && (size_t)n < sizeof(c->request);
}

static void body_reason(const struct check_answer *a, struct check_result *r)
{
	char text[64];

	check_text(a->match.needle, text, sizeof(text));
	snprintf(r->reason, sizeof(r->reason), "body does not contain \"%s\"%s", text,
		 a->cut ? " in its first 64 KiB" : "");
}

// There is no more to come of the answer, or no more is wanted.
static void judge(struct check_stream *c, enum check_answer_is is)
{
	const struct ctl_check *want = &c->target->check;
	const struct check_answer *a = &c->answer;
	static const char *const text[] = {
		[CHECK_ANSWER_BAD] = "answer is not HTTP",
		[CHECK_ANSWER_LONG] = "answer's header is over 64 KiB",
		[CHECK_ANSWER_NONE] = "connection closed without an answer",
		[CHECK_ANSWER_PART] = "connection closed within the answer",
	};
	struct check_result r = {0};

	if (is != CHECK_ANSWER_DONE)
		snprintf(r.reason, sizeof(r.reason), "%s", text[is]);
	else if (a->status < want->status_min || a->status > want->status_max)
		snprintf(r.reason, sizeof(r.reason), "HTTP %u", a->status);
	else if (!a->match.found)
		body_reason(a, &r);
	else
		r.ok = true;
	finish(c, &r);
}

// ---- steps ------------------------------------------------------------------------------------

// The connection broke while the request or the answer was on its way.
static void broken(struct check_stream *c, const char *what, int error, int err)
{
	struct check_result r = {0};

	if (c->ssl != NULL && (error != SSL_ERROR_SYSCALL || err == 0))
		tls_reason(c, error, err, &r);
	else
		check_errno_reason(&r, what, err);
	finish(c, &r);
}

static void receive(struct check_stream *c)
{
	static char piece[PIECE]; // one thread
	enum check_answer_is is;
	int n, error = 0;

	for (unsigned i = 0; i < PIECES_MAX; i++) {
		ERR_clear_error();
		errno = 0;
		n = c->ssl != NULL ? SSL_read(c->ssl, piece, sizeof(piece))
				   : (int)recv(c->fd, piece, sizeof(piece), 0);
		if (n > 0) {
			is = check_answer_feed(&c->answer, piece, (size_t)n);
			if (is == CHECK_ANSWER_MORE)
				continue;
			judge(c, is);
			return;
		}
		if (c->ssl != NULL) {
			int err = errno;

			error = SSL_get_error(c->ssl, n);
			if (tls_waits(c, error))
				return;
			// Many servers close without a word of TLS.
			if (error == SSL_ERROR_ZERO_RETURN ||
			    (error == SSL_ERROR_SYSCALL && err == 0) ||
			    ERR_GET_REASON(ERR_peek_last_error()) ==
				    SSL_R_UNEXPECTED_EOF_WHILE_READING)
				n = 0;
			errno = err;
		}
		if (n == 0)
			judge(c, check_answer_end(&c->answer));
		else if (errno == EAGAIN || errno == EINTR)
			wait_for(c, EV_READ);
		else
			broken(c, "receive", error, errno);
		return;
	}
	// More may lie in the TLS layer, which the kernel knows nothing of: come again.
	if (c->ssl != NULL && SSL_pending(c->ssl) > 0)
		event_active(c->ev, EV_READ, 0);
}

static void send_request(struct check_stream *c)
{
	const char *from = c->request + c->sent;
	int size = c->request_size - c->sent, n, error = 0;

	ERR_clear_error();
	errno = 0;
	n = c->ssl != NULL ? SSL_write(c->ssl, from, size)
			   : (int)send(c->fd, from, (size_t)size, MSG_NOSIGNAL);
	if (n <= 0) {
		if (c->ssl != NULL) {
			int err = errno;

			error = SSL_get_error(c->ssl, n);
			if (tls_waits(c, error))
				return;
			errno = err;
		} else if (errno == EAGAIN || errno == EINTR) {
			wait_for(c, EV_WRITE);
			return;
		}
		broken(c, "send", error, errno);
		return;
	}
	c->sent = (uint16_t)(c->sent + n);
	if (c->sent < c->request_size) {
		wait_for(c, EV_WRITE);
		return;
	}
	c->state = STREAM_RECEIVE;
	wait_for(c, EV_READ);
}

static void handshake(struct check_stream *c)
{
	struct check_result r = {0};
	int n, err, error;

	ERR_clear_error();
	errno = 0;
	n = SSL_do_handshake(c->ssl);
	err = errno;
	error = n == 1 ? SSL_ERROR_NONE : SSL_get_error(c->ssl, n);
	if (tls_waits(c, error))
		return;
	if (error == SSL_ERROR_NONE && has_http(c->target)) {
		c->state = STREAM_SEND;
		send_request(c);
		return;
	}
	r.ok = error == SSL_ERROR_NONE;
	if (r.ok)
		SSL_shutdown(c->ssl);
	else
		tls_reason(c, error, err, &r);
	finish(c, &r);
}

static void connected(struct check_stream *c)
{
	struct check_result r = {0};
	int err = check_connected(c->fd, c->target);

	if (err != 0) {
		check_errno_reason(&r, "connect", err);
		finish(c, &r);
		return;
	}
	c->state = c->ssl != NULL ? STREAM_HANDSHAKE : STREAM_SEND;
	if (c->ssl != NULL)
		handshake(c);
	else
		send_request(c);
}

static void stream_event(evutil_socket_t fd, short what, void *arg)
{
	struct check_stream *c = arg;

	(void)fd;
	(void)what;
	switch (c->state) {
	case STREAM_CONNECT:
		connected(c);
		break;
	case STREAM_HANDSHAKE:
		handshake(c);
		break;
	case STREAM_SEND:
		send_request(c);
		break;
	case STREAM_RECEIVE:
		receive(c);
		break;
	}
}

// ---- life -------------------------------------------------------------------------------------

static SSL_CTX *context_of(struct check_prober *p, const struct check_target *t,
			   struct check_result *r)
{
	const char *file = (t->check.flags & CTL_CHECK_F_VERIFY) != 0 ? t->check.ca_file : "";
	char why[CHECK_TRUST_WHY];
	SSL_CTX *ctx = check_trust_get(p->trust, file, t->started_us, why);

	if (ctx == NULL)
		snprintf(r->reason, sizeof(r->reason), "ca-file: %s", why);
	return ctx;
}

static bool stream_start(struct check_prober *p, struct check_target *t, struct check_result *r)
{
	bool tls = t->check.kind != CTL_CHECK_HTTP;
	SSL_CTX *ctx = tls ? context_of(p, t, r) : NULL;
	struct check_stream *c;
	int fd;

	if (tls && ctx == NULL)
		return true;
	c = calloc(1, sizeof(*c));
	fd = c == NULL ? -ENOMEM : check_connect(t);
	if (fd < 0) {
		check_errno_reason(r, "connect", -fd);
		free(c);
		return true;
	}
	*c = (struct check_stream){.prober = p, .target = t, .fd = fd, .waits = EV_WRITE};
	c->ev = event_new(p->conf.base, fd, EV_WRITE | EV_PERSIST, stream_event, c);
	if (c->ev == NULL || (tls && !set_tls(c, ctx)) || (has_http(t) && !set_request(c)) ||
	    event_add(c->ev, NULL) != 0) {
		stream_free(c);
		r->local = true;
		return true;
	}
	t->probe = c;
	return false;
}

static void stream_cancel(struct check_prober *p, struct check_target *t)
{
	(void)p;
	stream_free(t->probe);
}

static void stream_expire(const struct check_target *t, struct check_result *r)
{
	const struct check_stream *c = t->probe;

	if (c->state == STREAM_HANDSHAKE)
		snprintf(r->reason, sizeof(r->reason), "timeout after %u ms in the TLS handshake",
			 t->check.timeout_ms);
	else if (c->state == STREAM_RECEIVE && c->answer.header > 0)
		snprintf(r->reason, sizeof(r->reason), "timeout after %u ms within the answer",
			 t->check.timeout_ms);
}

const struct check_kind check_kind_stream = {
	.start = stream_start,
	.cancel = stream_cancel,
	.expire = stream_expire,
};
