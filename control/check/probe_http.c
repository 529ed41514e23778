// SPDX-License-Identifier: BSD-3-Clause
//
// An HTTP check is one GET over a connection of its own (a dead server shall not hide behind a
// connection that lives): good when the whole answer, or its first CHECK_BODY_MAX bytes, arrived in
// time with a status in range and, if asked for, the string in the body. Redirects are answers like
// any other; proxies of the environment are not used.
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
		r->local = check_errno_local((int)err);
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
	c->headers = NULL;
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

static int set_request(struct check_http *c, const struct check_target *t)
{
	char host[INET6_ADDRSTRLEN], url[INET6_ADDRSTRLEN + 24];
	CURL *e = c->easy;
	CURLcode rc;

	if (t->addr.family == 4) {
		inet_ntop(AF_INET, t->addr.bytes, host, sizeof(host));
		snprintf(url, sizeof(url), "http://%s:%u/", host, ntohs(t->port));
	} else {
		inet_ntop(AF_INET6, t->addr.bytes, host, sizeof(host));
		snprintf(url, sizeof(url), "http://[%s]:%u/", host, ntohs(t->port));
	}
	if (set_headers(c, t->check.host) != 0)
		return -ENOMEM;
	check_match_init(&c->match, t->check.body);
	rc = curl_easy_setopt(e, CURLOPT_URL, url);
	if (rc == CURLE_OK) // as given: no dot segments taken out, no fragment cut off
		rc = curl_easy_setopt(e, CURLOPT_REQUEST_TARGET, t->check.path);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(e, CURLOPT_PROXY, "");
	if (rc != CURLE_OK)
		return -ENOMEM;
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http");
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
	curl_easy_setopt(e, CURLOPT_PRIVATE, c);
	// The engine's own limit comes first; this one only keeps libcurl from waiting longer.
	curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)t->check.timeout_ms + 1000);
	return 0;
}

bool check_http_start(struct check_prober *p, struct check_target *t, struct check_result *r)
{
	struct check_http *c = take(p->http);

	r->local = true;
	if (c == NULL)
		return true;
	c->target = t;
	t->probe = c;
	if (set_request(c, t) != 0 || curl_multi_add_handle(p->http->multi, c->easy) != CURLM_OK) {
		release(p->http, c);
		return true;
	}
	return false;
}

void check_http_cancel(struct check_prober *p, struct check_target *t)
{
	release(p->http, t->probe);
}

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
