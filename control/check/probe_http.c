// SPDX-License-Identifier: BSD-3-Clause
//
// An HTTP check is one GET over a connection of its own (a dead server shall not hide behind a
// connection that lives): good when the whole answer, or its first CHECK_BODY_MAX bytes, arrived in
// time with a status in range and, if asked for, the string in the body. Redirects are answers like
// any other; proxies of the environment are not used.
//
// HTTPS is the same over TLS, with the certificate checked where that is asked for (trust.h).
//
// libcurl's multi interface on our event loop: it names sockets and one timer, we report events.

#include "control/check/probe_priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <curl/curl.h>
#include <event2/event.h>

#include "control/check/log.h"
#include "control/check/match.h"
#include "control/check/trust.h"

#define SPARE_MAX 256 // handles kept for the next check

// One handle and what hangs on it; kept and used again.
struct check_http {
	struct check_prober *prober;
	struct check_target *target;
	CURL *easy;
	struct curl_slist *headers;
	struct check_match match;
	size_t header;  // bytes of it seen
	size_t body;    // bytes of it seen
	bool cut;       // enough seen, we ended the transfer ourselves
	int socket_err; // errno of socket(), 0 if none
	SSL_CTX *trust; // HTTPS
	struct curl_slist *connect_to;
	char error[CURL_ERROR_SIZE];
	struct check_http *next;
};

struct check_http_pool {
	struct check_prober *prober;
	CURLM *multi;
	struct event *timer;
	struct check_http *spare;
	size_t spare_count;
};

// ---- libcurl on libevent ---------------------------------------------------------------------

static void finish(struct check_http_pool *h);

static void socket_event(evutil_socket_t fd, short what, void *arg)
{
	struct check_http_pool *h = arg;
	int still, flags = 0;

	if (what & EV_READ)
		flags |= CURL_CSELECT_IN;
	if (what & EV_WRITE)
		flags |= CURL_CSELECT_OUT;
	curl_multi_socket_action(h->multi, fd, flags, &still);
	finish(h);
}

static void timer_event(evutil_socket_t fd, short what, void *arg)
{
	struct check_http_pool *h = arg;
	int still;

	(void)fd;
	(void)what;
	curl_multi_socket_action(h->multi, CURL_SOCKET_TIMEOUT, 0, &still);
	finish(h);
}

static int on_timer(CURLM *multi, long timeout_ms, void *arg)
{
	struct check_http_pool *h = arg;
	struct timeval tv = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};

	(void)multi;
	if (timeout_ms < 0)
		return evtimer_del(h->timer);
	return evtimer_add(h->timer, &tv);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	struct check_http_pool *h = arg;
	struct event *ev = socket_arg;
	short kind = EV_PERSIST;

	(void)easy;
	if (ev != NULL)
		event_free(ev);
	if (what == CURL_POLL_REMOVE) {
		curl_multi_assign(h->multi, fd, NULL);
		return 0;
	}
	if (what & CURL_POLL_IN)
		kind |= EV_READ;
	if (what & CURL_POLL_OUT)
		kind |= EV_WRITE;
	ev = event_new(h->prober->conf.base, fd, kind, socket_event, h);
	if (ev != NULL && event_add(ev, NULL) != 0) {
		event_free(ev);
		ev = NULL;
	}
	curl_multi_assign(h->multi, fd, ev);
	return ev == NULL ? -1 : 0;
}

static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
	struct check_http *c = arg;
	int fd = socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);

	(void)purpose;
	if (fd < 0) {
		c->socket_err = errno;
		return CURL_SOCKET_BAD;
	}
	return fd;
}

static size_t on_header(char *data, size_t one, size_t size, void *arg)
{
	struct check_http *c = arg;

	(void)data;
	(void)one;
	c->header += size;
	return c->header <= CHECK_HEADER_MAX ? size : 0; // 0 ends the transfer
}

static size_t on_body(char *data, size_t one, size_t size, void *arg)
{
	struct check_http *c = arg;
	size_t take = size < CHECK_BODY_MAX - c->body ? size : CHECK_BODY_MAX - c->body;

	(void)one; // 1
	check_match_feed(&c->match, data, take);
	c->body += take;
	if (c->body < CHECK_BODY_MAX && !(c->match.len > 0 && c->match.found))
		return size;
	c->cut = true;
	return 0; // ends the transfer
}

// ---- verdict ---------------------------------------------------------------------------------

static void body_reason(const struct check_http *c, struct check_result *r)
{
	char text[64];

	check_text(c->match.needle, text, sizeof(text));
	snprintf(r->reason, sizeof(r->reason), "body does not contain \"%s\"%s", text,
		 c->cut ? " in its first 64 KiB" : "");
}

static void tls_reason(const struct check_http *c, struct check_result *r)
{
	const char *text = c->error, *last = strrchr(text, ':');
	char copy[80];

	// "error:0A000410:SSL routines::handshake failure": its last part is for people.
	if (strncmp(text, "error:", 6) == 0 && last != NULL && last[1] != '\0')
		text = last + 1;
	check_text(text[0] != '\0' ? text : "handshake failed", copy, sizeof(copy));
	snprintf(r->reason, sizeof(r->reason), "TLS: %s", copy);
}

static void error_reason(struct check_http *c, CURLcode code, struct check_result *r)
{
	long err = 0;

	curl_easy_getinfo(c->easy, CURLINFO_OS_ERRNO, &err);
	switch (code) {
	case CURLE_WRITE_ERROR:
		snprintf(r->reason, sizeof(r->reason), "answer's header is over 64 KiB");
		break;
	case CURLE_COULDNT_CONNECT:
		if (c->socket_err != 0)
			err = c->socket_err;
		check_errno_reason(r, "connect", err != 0 ? (int)err : ECONNREFUSED);
		break;
	case CURLE_GOT_NOTHING:
		snprintf(r->reason, sizeof(r->reason), "connection closed without an answer");
		break;
	case CURLE_PARTIAL_FILE:
		snprintf(r->reason, sizeof(r->reason), "connection closed within the answer");
		break;
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_WEIRD_SERVER_REPLY:
		snprintf(r->reason, sizeof(r->reason), "answer is not HTTP");
		break;
	case CURLE_OUT_OF_MEMORY:
		r->local = true;
		break;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
		tls_reason(c, r);
		break;
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
		if (err != 0) {
			check_errno_reason(r, code == CURLE_SEND_ERROR ? "send" : "receive",
					   (int)err);
			break;
		}
		snprintf(r->reason, sizeof(r->reason), "connection broke");
		break;
	default:
		snprintf(r->reason, sizeof(r->reason), "HTTP: %s", curl_easy_strerror(code));
	}
}

static void judge(struct check_http *c, CURLcode code, struct check_result *r)
{
	const struct ctl_check *want = &c->target->check;
	long status = 0;

	r->latency_us = check_since_us(c->target);
	curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
	if (code != CURLE_OK && !c->cut)
		error_reason(c, code, r);
	else if (status < want->status_min || status > want->status_max)
		snprintf(r->reason, sizeof(r->reason), "HTTP %ld", status);
	else if (!c->match.found)
		body_reason(c, r);
	else
		r->ok = true;
}

static void release(struct check_http_pool *h, struct check_http *c)
{
	curl_multi_remove_handle(h->multi, c->easy);
	curl_slist_free_all(c->headers);
	curl_slist_free_all(c->connect_to);
	c->headers = c->connect_to = NULL;
	SSL_CTX_free(c->trust);
	c->trust = NULL;
	c->target->probe = NULL;
	c->target = NULL;
	if (h->spare_count >= SPARE_MAX) {
		curl_easy_cleanup(c->easy);
		free(c);
		return;
	}
	curl_easy_reset(c->easy);
	c->next = h->spare;
	h->spare = c;
	h->spare_count++;
}

static void finish(struct check_http_pool *h)
{
	struct check_result r;
	struct check_target *t;
	struct check_http *c;
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(h->multi, &left)) != NULL) {
		CURLcode code = m->data.result;

		if (m->msg != CURLMSG_DONE)
			continue;
		c = NULL;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &c);
		memset(&r, 0, sizeof(r));
		t = c->target;
		judge(c, code, &r);
		release(h, c);
		check_probe_done(h->prober, t, &r);
	}
}

// ---- a request -------------------------------------------------------------------------------

static struct check_http *take(struct check_http_pool *h)
{
	struct check_http *c = h->spare;
	CURL *easy;

	if (c != NULL) {
		h->spare = c->next;
		h->spare_count--;
		easy = c->easy;
	} else {
		c = malloc(sizeof(*c));
		easy = curl_easy_init();
		if (c == NULL || easy == NULL) {
			free(c);
			curl_easy_cleanup(easy);
			return NULL;
		}
	}
	*c = (struct check_http){.prober = h->prober, .easy = easy};
	return c;
}

static int set_headers(struct check_http *c, const char *host)
{
	char line[sizeof(((struct ctl_check *)0)->host) + 8];
	struct curl_slist *l;

	snprintf(line, sizeof(line), "Host: %s", host);
	l = curl_slist_append(NULL, "Connection: close");
	if (l == NULL)
		return -ENOMEM;
	c->headers = l;
	if (host[0] != '\0' && curl_slist_append(l, line) == NULL)
		return -ENOMEM;
	return 0;
}

// The URL, whose host is the server name of TLS or else the address; no name is ever resolved.
static int set_url(struct check_http *c, const struct check_target *t)
{
	bool tls = t->check.kind == CTL_CHECK_HTTPS, named = tls && t->check.server_name[0] != '\0';
	char ip[INET6_ADDRSTRLEN], addr[INET6_ADDRSTRLEN + 2], to[INET6_ADDRSTRLEN + 16];
	char url[sizeof(t->check.server_name) + 24];

	inet_ntop(t->addr.family == 4 ? AF_INET : AF_INET6, t->addr.bytes, ip, sizeof(ip));
	snprintf(addr, sizeof(addr), t->addr.family == 4 ? "%s" : "[%s]", ip);
	snprintf(url, sizeof(url), "%s://%s:%u/", tls ? "https" : "http",
		 named ? t->check.server_name : addr, ntohs(t->port));
	if (named) {
		snprintf(to, sizeof(to), "::%s:%u", addr, ntohs(t->port));
		c->connect_to = curl_slist_append(NULL, to);
		if (c->connect_to == NULL ||
		    curl_easy_setopt(c->easy, CURLOPT_CONNECT_TO, c->connect_to) != CURLE_OK)
			return -ENOMEM;
	}
	return curl_easy_setopt(c->easy, CURLOPT_URL, url) == CURLE_OK ? 0 : -ENOMEM;
}

static CURLcode on_ssl(CURL *easy, void *ctx, void *arg)
{
	struct check_http *c = arg;

	(void)easy;
	SSL_CTX_set1_cert_store(ctx, SSL_CTX_get_cert_store(c->trust));
	return CURLE_OK;
}

// Returns: 0, -ENOMEM, or -EACCES with r->reason
static int set_tls(struct check_http *c, const struct check_target *t, struct check_result *r)
{
	bool verify = (t->check.flags & CTL_CHECK_F_VERIFY) != 0;
	char why[CHECK_TRUST_WHY];
	CURL *e = c->easy;

	curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, verify ? 1L : 0L);
	curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, verify ? 2L : 0L);
	curl_easy_setopt(e, CURLOPT_SSL_SESSIONID_CACHE, 0L);
	curl_easy_setopt(e, CURLOPT_CAINFO, NULL); // the files are read by trust.c
	curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
	// It would keep the first connection's certificates, which are ours, for all that follow.
	curl_easy_setopt(e, CURLOPT_CA_CACHE_TIMEOUT, 0L);
	if (!verify)
		return 0;
	c->trust = check_trust_get(c->prober->trust, t->check.ca_file, t->started_us, why);
	if (c->trust == NULL) {
		snprintf(r->reason, sizeof(r->reason), "ca-file: %s", why);
		return -EACCES;
	}
	SSL_CTX_up_ref(c->trust);
	if (curl_easy_setopt(e, CURLOPT_SSL_CTX_FUNCTION, on_ssl) != CURLE_OK ||
	    curl_easy_setopt(e, CURLOPT_SSL_CTX_DATA, c) != CURLE_OK)
		return -ENOMEM;
	return 0;
}

static int set_request(struct check_http *c, const struct check_target *t, struct check_result *r)
{
	CURL *e = c->easy;
	CURLcode rc;
	int err;

	if (set_headers(c, t->check.host) != 0 || set_url(c, t) != 0)
		return -ENOMEM;
	if (t->check.kind == CTL_CHECK_HTTPS && (err = set_tls(c, t, r)) != 0)
		return err;
	check_match_init(&c->match, t->check.body);
	// as given: no dot segments taken out, no fragment cut off
	rc = curl_easy_setopt(e, CURLOPT_REQUEST_TARGET, t->check.path);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(e, CURLOPT_PROXY, "");
	if (rc != CURLE_OK)
		return -ENOMEM;
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(e, CURLOPT_HTTP09_ALLOWED, 0L);
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(e, CURLOPT_USERAGENT, "sluice-checkd");
	curl_easy_setopt(e, CURLOPT_HTTPHEADER, c->headers);
	curl_easy_setopt(e, CURLOPT_FORBID_REUSE, 1L);
	curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, 1L);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_NOPROGRESS, 1L);
	curl_easy_setopt(e, CURLOPT_BUFFERSIZE, 16384L);
	curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, on_open);
	curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, c);
	curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(e, CURLOPT_HEADERDATA, c);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, c);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, c->error);
	curl_easy_setopt(e, CURLOPT_PRIVATE, c);
	// Time is the engine's, which may have reasons to give more of it.
	curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, 0L);
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)INT32_MAX);
	return 0;
}

static bool http_start(struct check_prober *p, struct check_target *t, struct check_result *r)
{
	struct check_http *c = take(p->http);
	int rc;

	r->local = true;
	if (c == NULL)
		return true;
	c->target = t;
	t->probe = c;
	rc = set_request(c, t, r);
	if (rc == 0 && curl_multi_add_handle(p->http->multi, c->easy) == CURLM_OK) {
		r->local = false;
		return false;
	}
	r->local = rc != -EACCES;
	release(p->http, c);
	return true;
}

static void http_cancel(struct check_prober *p, struct check_target *t)
{
	release(p->http, t->probe);
}

static void http_expire(const struct check_target *t, struct check_result *r)
{
	const struct check_http *c = t->probe;

	if (c->header > 0)
		snprintf(r->reason, sizeof(r->reason), "timeout after %u ms within the answer",
			 t->check.timeout_ms);
}

const struct check_kind check_kind_http = {
	.start = http_start,
	.cancel = http_cancel,
	.expire = http_expire,
};

int check_http_pool_create(struct check_prober *p, struct check_http_pool **out)
{
	struct check_http_pool *h = calloc(1, sizeof(*h));

	if (h == NULL)
		return -ENOMEM;
	h->prober = p;
	h->timer = evtimer_new(p->conf.base, timer_event, h);
	h->multi = curl_multi_init();
	if (h->timer == NULL || h->multi == NULL) {
		check_http_pool_destroy(h);
		return -EIO;
	}
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
	curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
	curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, 1L);
	*out = h;
	return 0;
}

void check_http_pool_destroy(struct check_http_pool *h)
{
	struct check_http *next;

	if (h == NULL)
		return;
	for (struct check_http *c = h->spare; c != NULL; c = next) {
		next = c->next;
		curl_easy_cleanup(c->easy);
		free(c);
	}
	if (h->multi != NULL)
		curl_multi_cleanup(h->multi);
	if (h->timer != NULL)
		event_free(h->timer);
	free(h);
}
