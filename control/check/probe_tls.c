// SPDX-License-Identifier: BSD-3-Clause
//
// A TLS check is good when the handshake completes (RFC 8446 section 2, RFC 5246 section 7.3), with a
// certificate that is valid for the server name, or the address, where that is asked for. Then
// close_notify and a reset: nothing is asked of the protocol above.

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

#include "control/check/log.h"
#include "control/check/trust.h"

struct check_tls {
	struct check_prober *prober;
	struct check_target *target;
	int fd;
	bool connected;
	short waits; // EV_READ or EV_WRITE
	struct event *ev;
	SSL *ssl;
};

static void tls_free(struct check_tls *c)
{
	if (c->ev != NULL)
		event_free(c->ev);
	SSL_free(c->ssl);
	check_close_reset(c->fd);
	c->target->probe = NULL;
	free(c);
	ERR_clear_error();
}

static void finish(struct check_tls *c, struct check_result *r)
{
	struct check_prober *p = c->prober;
	struct check_target *t = c->target;

	r->latency_us = check_since_us(t);
	tls_free(c);
	check_probe_done(p, t, r);
}

// SNI holds names only (RFC 6066 section 3); an address is compared with those of the certificate.
static int set_name(SSL *ssl, const struct check_target *t)
{
	const char *name = t->check.server_name;
	struct in_addr ip;

	if (name[0] != '\0' && inet_pton(AF_INET, name, &ip) != 1)
		return SSL_set_tlsext_host_name(ssl, name) == 1 && SSL_set1_host(ssl, name) == 1
			       ? 0
			       : -ENOMEM;
	if (name[0] != '\0')
		return X509_VERIFY_PARAM_set1_ip(SSL_get0_param(ssl), (const uint8_t *)&ip, 4) == 1
			       ? 0
			       : -ENOMEM;
	return X509_VERIFY_PARAM_set1_ip(SSL_get0_param(ssl), t->addr.bytes,
					 t->addr.family == 4 ? 4 : 16) == 1
		       ? 0
		       : -ENOMEM;
}

static int start_tls(struct check_tls *c, SSL_CTX *ctx)
{
	c->ssl = SSL_new(ctx);
	if (c->ssl == NULL || SSL_set_fd(c->ssl, c->fd) != 1)
		return -ENOMEM;
	if ((c->target->check.flags & CTL_CHECK_F_VERIFY) != 0)
		SSL_set_verify(c->ssl, SSL_VERIFY_PEER, NULL);
	SSL_set_connect_state(c->ssl);
	return set_name(c->ssl, c->target);
}

static void error_reason(const struct check_tls *c, int error, struct check_result *r)
{
	long verdict = SSL_get_verify_result(c->ssl);
	int err = errno;
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
}

static void tls_event(evutil_socket_t fd, short what, void *arg);

// Returns: 0 or -ENOMEM.
static int wait_for(struct check_tls *c, short what)
{
	if (c->waits == what)
		return 0;
	event_del(c->ev);
	c->waits = what;
	if (event_assign(c->ev, c->prober->conf.base, c->fd, (short)(what | EV_PERSIST), tls_event,
			 c) != 0 ||
	    event_add(c->ev, NULL) != 0)
		return -ENOMEM;
	return 0;
}

static void handshake(struct check_tls *c)
{
	struct check_result r = {0};
	int n, error;

	ERR_clear_error();
	errno = 0;
	n = SSL_do_handshake(c->ssl);
	error = n == 1 ? SSL_ERROR_NONE : SSL_get_error(c->ssl, n);
	if ((error == SSL_ERROR_WANT_READ && wait_for(c, EV_READ) == 0) ||
	    (error == SSL_ERROR_WANT_WRITE && wait_for(c, EV_WRITE) == 0))
		return;
	if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
		r.local = true;
	} else if (error == SSL_ERROR_NONE) {
		r.ok = true;
		SSL_shutdown(c->ssl);
	} else {
		error_reason(c, error, &r);
	}
	finish(c, &r);
}

static void tls_event(evutil_socket_t fd, short what, void *arg)
{
	struct check_tls *c = arg;
	struct check_result r = {0};
	int err;

	(void)what;
	if (!c->connected) {
		err = check_connected(fd, c->target);
		if (err != 0) {
			check_errno_reason(&r, "connect", err);
			finish(c, &r);
			return;
		}
		c->connected = true;
	}
	handshake(c);
}

static bool tls_start(struct check_prober *p, struct check_target *t, struct check_result *r)
{
	const char *file = (t->check.flags & CTL_CHECK_F_VERIFY) != 0 ? t->check.ca_file : "";
	char why[CHECK_TRUST_WHY];
	SSL_CTX *ctx = check_trust_get(p->trust, file, t->started_us, why);
	struct check_tls *c;
	int fd;

	if (ctx == NULL) {
		snprintf(r->reason, sizeof(r->reason), "ca-file: %s", why);
		return true;
	}
	c = calloc(1, sizeof(*c));
	fd = c == NULL ? -ENOMEM : check_connect(t);
	if (fd < 0) {
		check_errno_reason(r, "connect", -fd);
		free(c);
		return true;
	}
	*c = (struct check_tls){.prober = p, .target = t, .fd = fd, .waits = EV_WRITE};
	c->ev = event_new(p->conf.base, fd, EV_WRITE | EV_PERSIST, tls_event, c);
	if (c->ev == NULL || start_tls(c, ctx) != 0 || event_add(c->ev, NULL) != 0) {
		tls_free(c);
		r->local = true;
		return true;
	}
	t->probe = c;
	return false;
}

static void tls_cancel(struct check_prober *p, struct check_target *t)
{
	(void)p;
	tls_free(t->probe);
}

static void tls_expire(const struct check_target *t, struct check_result *r)
{
	const struct check_tls *c = t->probe;

	if (c->connected)
		snprintf(r->reason, sizeof(r->reason), "timeout after %u ms in the TLS handshake",
			 t->check.timeout_ms);
}

const struct check_kind check_kind_tls = {
	.start = tls_start,
	.cancel = tls_cancel,
	.expire = tls_expire,
};
