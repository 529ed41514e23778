// SPDX-License-Identifier: BSD-3-Clause

#include "control/check/app.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

#include "control/check/log.h"
#include "control/check/probe.h"
#include "control/check/record.h"
#include "control/check/target.h"

#define OUTPUT_HIGH (64 * 1024) // bytes waiting for the app above which verdicts stay with us
#define HELLO_MS    2000        // for the app's greeting
#define FAST_US     (10 * UINT64_C(1000000))
#define BACKOFF_MAX 10000

enum app_state { APP_AWAY, APP_GREETING, APP_LINKED };

// One server of the app.
enum sub_role { SUB_CHECK, SUB_AGENT };

struct server {
	struct check_sub sub;   // SUB_CHECK; no target: nothing is checked but the agent
	struct check_sub agent; // SUB_AGENT; no target: there is none
	struct check_app *app;
	uint64_t id;
	char pool[CTL_NAME], name[CTL_NAME];
	uint64_t link;    // number of the connection that named it last
	uint64_t sent_us; // last verdict on this connection, 0: none
	uint8_t logged;   // health the log knows
	uint8_t agent_logged;
	bool asked; // the app wants to know now: the next result is told
	bool dirty;
	struct server *next_hash, *next_dirty, **prev_dirty;
};

struct check_app {
	struct check_app_conf conf;
	char instance[CTL_NAME];
	struct sockaddr_un addr;
	enum app_state state;
	struct bufferevent *bev;
	struct event *timer; // retry, or limit of the greeting
	uint64_t link;       // connections made so far
	uint64_t away_us;    // since when
	uint32_t backoff_ms; // after a broken rule of the protocol; 0: none
	int last_errno;      // of connect(), to log each cause once
	bool full_logged;

	struct server **bucket;
	size_t bucket_count, count;
	struct server *dirty, **dirty_tail;
	uint32_t seq;
};

// ---- servers ---------------------------------------------------------------------------------

static struct server *server_of(struct check_sub *sub)
{
	size_t at = sub->role == SUB_AGENT ? offsetof(struct server, agent)
					   : offsetof(struct server, sub);

	return (struct server *)((char *)sub - at);
}

static uint8_t health_of(const struct server *s)
{
	return s->sub.target == NULL ? CTL_HEALTH_UNKNOWN : s->sub.target->health.health;
}

static uint8_t agent_of(const struct server *s)
{
	return s->agent.target == NULL ? 0 : s->agent.target->agent.flags;
}

static bool is_known(const struct server *s)
{
	return health_of(s) != CTL_HEALTH_UNKNOWN || agent_of(s) != 0;
}

static size_t slot(const struct check_app *a, uint64_t id)
{
	return (size_t)((id * UINT64_C(0x9e3779b97f4a7c15)) >> 20) & (a->bucket_count - 1);
}

static struct server *server_find(const struct check_app *a, uint64_t id)
{
	struct server *s = a->bucket[slot(a, id)];

	while (s != NULL && s->id != id)
		s = s->next_hash;
	return s;
}

static int servers_grow(struct check_app *a)
{
	size_t old_count = a->bucket_count;
	struct server **old = a->bucket, *next;
	size_t size = old_count == 0 ? 64 : old_count * 2;
	struct server **bucket = calloc(size, sizeof(struct server *));

	if (bucket == NULL)
		return -ENOMEM;
	a->bucket = bucket;
	a->bucket_count = size;
	for (size_t i = 0; i < old_count; i++) {
		for (struct server *s = old[i]; s != NULL; s = next) {
			next = s->next_hash;
			s->next_hash = bucket[slot(a, s->id)];
			bucket[slot(a, s->id)] = s;
		}
	}
	free(old);
	return 0;
}

static struct server *server_get(struct check_app *a, uint64_t id)
{
	struct server *s = server_find(a, id);

	if (s != NULL)
		return s;
	if (a->count >= a->bucket_count && servers_grow(a) != 0)
		return NULL;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return NULL;
	s->app = a;
	s->id = id;
	s->agent.role = SUB_AGENT;
	s->next_hash = a->bucket[slot(a, id)];
	a->bucket[slot(a, id)] = s;
	a->count++;
	return s;
}

static void dirty_del(struct server *s)
{
	struct check_app *a = s->app;

	if (!s->dirty)
		return;
	s->dirty = false;
	*s->prev_dirty = s->next_dirty;
	if (s->next_dirty != NULL)
		s->next_dirty->prev_dirty = s->prev_dirty;
	else
		a->dirty_tail = s->prev_dirty;
}

static void dirty_add(struct server *s)
{
	struct check_app *a = s->app;

	if (s->dirty)
		return;
	s->dirty = true;
	s->next_dirty = NULL;
	s->prev_dirty = a->dirty_tail;
	*a->dirty_tail = s;
	a->dirty_tail = &s->next_dirty;
}

static void server_drop(struct server *s)
{
	struct check_app *a = s->app;
	struct server **p = &a->bucket[slot(a, s->id)];

	check_unsubscribe(a->conf.engine, &s->sub);
	check_unsubscribe(a->conf.engine, &s->agent);
	dirty_del(s);
	while (*p != s)
		p = &(*p)->next_hash;
	*p = s->next_hash;
	a->count--;
	free(s);
}

// Forget what this connection has not named; link 0: everything.
static void servers_sweep(struct check_app *a, uint64_t link)
{
	struct server *next;

	for (size_t i = 0; i < a->bucket_count; i++) {
		for (struct server *s = a->bucket[i]; s != NULL; s = next) {
			next = s->next_hash;
			if (link == 0 || s->link != link)
				server_drop(s);
		}
	}
}

// ---- what we say -----------------------------------------------------------------------------

static void say(struct check_app *a, uint16_t type, const void *payload, size_t size)
{
	struct evbuffer *out = bufferevent_get_output(a->bev);
	static const uint8_t zero[8];
	size_t padded = (size + 7) & ~(size_t)7;
	struct ctl_hdr hdr = {
		.len = (uint32_t)(sizeof(hdr) + padded),
		.type = type,
		.seq = ++a->seq,
		.size = (uint32_t)size,
	};

	evbuffer_add(out, &hdr, sizeof(hdr));
	evbuffer_add(out, payload, size);
	evbuffer_add(out, zero, padded - size);
}

static void say_verdict(struct check_app *a, struct server *s, uint64_t now_us)
{
	const struct check_target *t = s->sub.target, *agent = s->agent.target;
	struct ctl_verdict v = {
		.server = s->id,
		.health = health_of(s),
		.agent = agent_of(s),
		.agent_percent = agent == NULL ? 100 : agent->agent.percent,
	};

	if (t != NULL) {
		v.good = t->count > 0 && t->health.good;
		v.latency_us = t->latency_us;
		snprintf(v.reason, sizeof(v.reason), "%s", t->reason);
	}
	if (v.health != CTL_HEALTH_DOWN && (v.agent & (CTL_AGENT_DOWN | CTL_AGENT_MAINT)) != 0)
		snprintf(v.reason, sizeof(v.reason), "agent: %s%s%s",
			 (v.agent & CTL_AGENT_MAINT) != 0 ? "maint" : "down",
			 agent->agent.text[0] != '\0' ? ": " : "", agent->agent.text);
	say(a, CTL_VERDICT, &v, sizeof(v));
	s->sent_us = now_us;
}

// Hand over the verdicts that wait, as far as the app reads them.
static void flush_dirty(struct check_app *a)
{
	uint64_t now_us = check_now_us();

	while (a->state == APP_LINKED && a->dirty != NULL &&
	       evbuffer_get_length(bufferevent_get_output(a->bev)) < OUTPUT_HIGH) {
		struct server *s = a->dirty;

		dirty_del(s);
		if (is_known(s))
			say_verdict(a, s, now_us);
	}
}

static void log_change(struct server *s)
{
	const struct check_target *t = s->sub.target;
	char ip[INET6_ADDRSTRLEN], reason[CHECK_REASON];
	int family = t->addr.family == 4 ? AF_INET : AF_INET6;

	s->logged = t->health.health;
	inet_ntop(family, t->addr.bytes, ip, sizeof(ip));
	if (t->health.health == CTL_HEALTH_UP)
		check_log(CHECK_NOTICE,
			  "%s: pool %s server %s (%s port %u) is up, check took %u us",
			  s->app->instance, s->pool, s->name, ip, ntohs(t->port), t->latency_us);
	else
		check_log(CHECK_WARNING, "%s: pool %s server %s (%s port %u) is down: %s",
			  s->app->instance, s->pool, s->name, ip, ntohs(t->port),
			  check_text(t->reason, reason, sizeof(reason)));
}

static void log_agent(struct server *s)
{
	const struct check_agent *g = &s->agent.target->agent;

	s->agent_logged = g->flags;
	check_log(CHECK_NOTICE, "%s: pool %s server %s: its agent says %s%s%u %%%s%s",
		  s->app->instance, s->pool, s->name, (g->flags & CTL_AGENT_DOWN) ? "down, " : "",
		  (g->flags & CTL_AGENT_MAINT)   ? "maint, "
		  : (g->flags & CTL_AGENT_DRAIN) ? "drain, "
						 : "",
		  g->percent, g->text[0] != '\0' ? ": " : "", g->text);
}

void check_app_tell(struct check_sub *sub, bool news)
{
	struct server *s = server_of(sub);
	struct check_app *a = s->app;

	if (!is_known(s))
		return;
	if (sub->role == SUB_CHECK && health_of(s) != s->logged)
		log_change(s);
	if (sub->role == SUB_AGENT && agent_of(s) != s->agent_logged)
		log_agent(s);
	if (a->state != APP_LINKED || s->link != a->link)
		return; // told when the app has come back and named it
	news |= sub->role == SUB_CHECK && s->asked;
	if (sub->role == SUB_CHECK)
		s->asked = false;
	if (news || check_now_us() - s->sent_us >= CHECK_FRESH_S * UINT64_C(1000000)) {
		dirty_add(s);
		flush_dirty(a);
	}
}

// ---- what the app says -----------------------------------------------------------------------

// Subscribe to what is to be asked, or to nothing.
static int follow(struct check_app *a, struct check_sub *sub, const struct ctl_target *t)
{
	if (t->check.kind != CTL_CHECK_NONE)
		return check_subscribe(a->conf.engine, sub, t, check_now_us());
	check_unsubscribe(a->conf.engine, sub);
	return 0;
}

static int take_target(struct check_app *a, const void *payload, size_t size, char *why)
{
	const struct check_target *before;
	struct ctl_target t, agent;
	struct server *s;
	int rc;

	rc = check_target_check(payload, size, &t, &agent, why);
	if (rc != 0)
		return rc;
	s = server_get(a, t.rec.id);
	before = s == NULL ? NULL : s->sub.target;
	rc = s == NULL ? -ENOMEM : follow(a, &s->sub, &t);
	if (rc == 0)
		rc = follow(a, &s->agent, &agent);
	if (rc != 0) {
		if (!a->full_logged)
			check_log(CHECK_ERR,
				  "%s: pool %s server %s cannot be checked: %s (said once)",
				  a->instance, t.pool, t.name, strerror(-rc));
		a->full_logged = true;
		if (s != NULL)
			server_drop(s);
		return 0;
	}
	memcpy(s->pool, t.pool, sizeof(s->pool));
	memcpy(s->name, t.name, sizeof(s->name));
	// Named again as it was: the app has a doubt. What is known is what it has; look anew and tell.
	s->asked = s->link == a->link && before != NULL && before == s->sub.target;
	if (s->asked)
		check_engine_soon(a->conf.engine, &s->sub, check_now_us());
	s->link = a->link;
	if (s->asked)
		return 0;
	s->sent_us = 0;
	if (is_known(s))
		dirty_add(s);
	return 0;
}

static int take_message(struct check_app *a, const struct ctl_hdr *hdr, const void *payload,
			char *why)
{
	struct ctl_ack ack;
	char text[256];
	uint64_t id;
	int rc;

	if ((a->state == APP_GREETING) != (hdr->type == CTL_HELLO) && hdr->type != CTL_ACK) {
		snprintf(why, CHECK_WHY, "message type %u at the wrong time", hdr->type);
		return -EPROTO;
	}
	switch (hdr->type) {
	case CTL_HELLO:
		rc = check_hello_check(payload, hdr->size, a->instance, why);
		if (rc != 0)
			return rc;
		a->state = APP_LINKED;
		event_del(a->timer);
		check_log(CHECK_INFO, "%s: linked", a->instance);
		return 0;
	case CTL_TARGET:
		return take_target(a, payload, hdr->size, why);
	case CTL_TARGET_DEL:
		rc = check_target_del_check(payload, hdr->size, &id, why);
		if (rc == 0 && server_find(a, id) != NULL)
			server_drop(server_find(a, id));
		return rc;
	case CTL_TARGET_END:
		if (hdr->size != 0) {
			snprintf(why, CHECK_WHY, "an end of targets with %u bytes", hdr->size);
			return -EPROTO;
		}
		servers_sweep(a, a->link);
		a->backoff_ms = 0;
		check_log(CHECK_NOTICE, "%s: %zu servers to check", a->instance, a->count);
		return 0;
	case CTL_ACK:
		rc = check_ack_check(payload, hdr->size, &ack, why);
		if (rc == 0 && ack.result != 0)
			check_log(CHECK_WARNING, "%s: the app refused a message of ours: %s",
				  a->instance, check_text(ack.message, text, sizeof(text)));
		return rc;
	default:
		snprintf(why, CHECK_WHY, "message type %u", hdr->type);
		return -EPROTO;
	}
}

// ---- the connection --------------------------------------------------------------------------

static void retry_in(struct check_app *a, uint32_t ms)
{
	struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	evtimer_add(a->timer, &tv);
}

static void retry(struct check_app *a)
{
	uint32_t ms = CHECK_RETRY_SLOW;

	if (a->backoff_ms != 0)
		ms = a->backoff_ms;
	else if (check_now_us() - a->away_us < FAST_US)
		ms = CHECK_RETRY_FAST;
	retry_in(a, ms);
}

static void disconnect(struct check_app *a)
{
	if (a->bev != NULL)
		bufferevent_free(a->bev);
	a->bev = NULL;
	a->state = APP_AWAY;
	a->away_us = check_now_us();
	while (a->dirty != NULL)
		dirty_del(a->dirty);
	retry(a);
}

// The app broke a rule: come back later and later, it may have been replaced by then.
static void refuse(struct check_app *a, const char *why)
{
	check_log(CHECK_ERR, "%s: link closed, the app sent %s", a->instance, why);
	a->backoff_ms = a->backoff_ms == 0 ? CHECK_RETRY_SLOW : a->backoff_ms * 2;
	if (a->backoff_ms > BACKOFF_MAX)
		a->backoff_ms = BACKOFF_MAX;
	disconnect(a);
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct evbuffer *in = bufferevent_get_input(bev);
	struct check_app *a = arg;
	char why[CHECK_WHY];
	struct ctl_hdr hdr;
	uint8_t *msg;
	int len;

	for (;;) {
		struct ctl_hdr head = {0};
		ev_ssize_t have = evbuffer_copyout(in, &head, sizeof(head));

		if (have < (ev_ssize_t)sizeof(head))
			break;
		len = check_msg_peek(&head, sizeof(head), &hdr, why);
		if (len < 0) {
			refuse(a, why);
			return;
		}
		if (evbuffer_get_length(in) < hdr.len)
			break;
		msg = evbuffer_pullup(in, hdr.len);
		if (msg == NULL || check_msg_padding(msg, &hdr, why) != 0 ||
		    take_message(a, &hdr, msg + sizeof(hdr), why) != 0) {
			refuse(a, msg == NULL ? "more than memory holds" : why);
			return;
		}
		evbuffer_drain(in, hdr.len);
	}
	flush_dirty(a);
}

static void on_write(struct bufferevent *bev, void *arg)
{
	(void)bev;
	flush_dirty(arg);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	struct check_app *a = arg;

	(void)bev;
	if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) {
		check_log(CHECK_NOTICE, "%s: the app went away; its %zu servers are checked on",
			  a->instance, a->count);
		disconnect(a);
	}
}

static void greet(struct check_app *a)
{
	struct ctl_hello h = {
		.magic = CTL_MAGIC,
		.version = CTL_VERSION,
		.role = CTL_ROLE_CHECKER,
	};

	memcpy(h.instance, a->instance, sizeof(h.instance));
	a->state = APP_GREETING;
	a->link++;
	a->last_errno = 0;
	say(a, CTL_HELLO, &h, sizeof(h));
	retry_in(a, HELLO_MS);
}

static void log_cause(struct check_app *a, int err)
{
	if (err == a->last_errno)
		return;
	a->last_errno = err;
	if (err == ENOENT || err == ECONNREFUSED) // not there yet, or just killed
		check_log(CHECK_INFO, "%s: not running (%s)", a->instance, strerror(err));
	else
		check_log(CHECK_ERR, "%s: cannot connect to %s: %s", a->instance, a->addr.sun_path,
			  strerror(err));
}

static void try_connect(struct check_app *a)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&a->addr, sizeof(a->addr)) != 0) {
		log_cause(a, errno);
		goto err_close;
	}
	a->bev = bufferevent_socket_new(a->conf.base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (a->bev == NULL)
		goto err_close;
	bufferevent_setcb(a->bev, on_read, on_write, on_event, a);
	bufferevent_setwatermark(a->bev, EV_READ, 0, 2 * CTL_MSG_MAX);
	bufferevent_setwatermark(a->bev, EV_WRITE, OUTPUT_HIGH / 2, 0);
	bufferevent_enable(a->bev, EV_READ | EV_WRITE);
	greet(a);
	return;

err_close:
	if (fd >= 0)
		close(fd);
	retry(a);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct check_app *a = arg;

	(void)fd;
	(void)what;
	if (a->state == APP_GREETING)
		refuse(a, "no greeting within 2 s");
	else if (a->state == APP_AWAY)
		try_connect(a);
	if (a->state == APP_AWAY && a->count > 0 &&
	    check_now_us() - a->away_us > CHECK_GRACE_S * UINT64_C(1000000)) {
		check_log(CHECK_NOTICE, "%s: away for %u s, its servers are no longer checked",
			  a->instance, CHECK_GRACE_S);
		servers_sweep(a, 0);
	}
}

// ---- life ------------------------------------------------------------------------------------

int check_app_create(const struct check_app_conf *conf, struct check_app **out)
{
	struct check_app *a = calloc(1, sizeof(*a));
	int n;

	if (a == NULL)
		return -ENOMEM;
	a->conf = *conf;
	a->addr.sun_family = AF_UNIX;
	n = snprintf(a->addr.sun_path, sizeof(a->addr.sun_path), "%s/%s.ctl", conf->run_dir,
		     conf->instance);
	if (n < 0 || (size_t)n >= sizeof(a->addr.sun_path) ||
	    strlen(conf->instance) >= sizeof(a->instance)) {
		free(a);
		return -ENAMETOOLONG;
	}
	snprintf(a->instance, sizeof(a->instance), "%s", conf->instance);
	a->conf.instance = a->instance;
	a->dirty_tail = &a->dirty;
	a->away_us = check_now_us();
	a->timer = evtimer_new(conf->base, on_timer, a);
	if (a->timer == NULL || servers_grow(a) != 0) {
		check_app_destroy(a);
		return -ENOMEM;
	}
	try_connect(a);
	*out = a;
	return 0;
}

void check_app_destroy(struct check_app *a)
{
	if (a == NULL)
		return;
	servers_sweep(a, 0);
	if (a->bev != NULL)
		bufferevent_free(a->bev);
	if (a->timer != NULL)
		event_free(a->timer);
	free(a->bucket);
	free(a);
}

const char *check_app_instance(const struct check_app *a)
{
	return a->instance;
}

void check_app_poke(struct check_app *a)
{
	if (a->state != APP_AWAY)
		return;
	a->backoff_ms = 0;
	a->away_us = a->count > 0 ? a->away_us : check_now_us();
	try_connect(a);
}

bool check_app_forgotten(const struct check_app *a)
{
	return !a->conf.wanted && a->state == APP_AWAY && a->count == 0 &&
	       access(a->addr.sun_path, F_OK) != 0;
}

size_t check_app_targets(const struct check_app *a)
{
	return a->count;
}

bool check_app_connected(const struct check_app *a)
{
	return a->state == APP_LINKED;
}
