// SPDX-License-Identifier: BSD-3-Clause
//
// lb_listen - see lb_listen.h.

#include "apps/lb/conf/lb_listen.h"

#include "apps/lb/conf/lb_build_priv.h"
#include "apps/lb/conf/lb_conf.h"
#include "dataplane/core/loop.h"
#include "dataplane/port/port.h"

#include <rte_log.h>

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

RTE_LOG_REGISTER(lb_listen_log, sluice.listen, NOTICE)
#define LOG(level, ...) rte_log(RTE_LOG_##level, lb_listen_log, "listen: " __VA_ARGS__)

bool lb_listeners_same(const struct lb_listeners *a, const struct lb_listeners *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return a->count == b->count && memcmp(a, b, lb_listeners_size(a)) == 0;
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct lb_listener));
}

// ---- addresses of services of any port (port 0 in each) ------------------------------------------

static void want(struct lb_listen *w, const struct ctl_service *r)
{
	struct lb_listener *v;

	if (r == NULL || r->port != 0 || r->addr.len != (r->addr.family == 4 ? 32 : 128))
		return;
	if ((w->count & (w->count - 1)) == 0) { // room is the next power of two
		v = realloc(w->want, (w->count == 0 ? 1 : w->count * 2) * sizeof(*v));
		if (v == NULL) {
			w->stale = true; // tried again
			return;
		}
		w->want = v;
	}
	v = &w->want[w->count++];
	*v = (struct lb_listener){.family = r->addr.family, .proto = r->proto};
	lb_build_fill_addr(v->addr, &r->addr);
}

static void read_services(struct lb_conf *c, bool prepare)
{
	struct lb_listen *w = &c->listen;
	struct lb_entry *e;

	w->count = 0;
	w->stale = prepare;
	LB_STORE_FOREACH(e, &c->store, CTL_REC_SERVICE)
	{
		want(w, (const void *)e->rec);
		if (prepare && e->touched)
			want(w, (const void *)e->next);
	}
	if (w->count > 0)
		qsort(w->want, w->count, sizeof(*w->want), compare);
}

static bool wanted(const struct lb_listen *w, const struct port_listener *s)
{
	struct lb_listener key = {.family = s->family, .proto = s->proto};

	memcpy(key.addr, s->addr, 16);
	return bsearch(&key, w->want, w->count, sizeof(key), compare) != NULL;
}

// ---- the set ------------------------------------------------------------------------------------

static void add(const struct lb_listen *w, struct lb_listeners *l, const struct port_listener *s)
{
	unsigned udp = s->proto == IPPROTO_UDP, ipv6 = s->family == 6;
	unsigned at = rte_be_to_cpu_16(s->port);
	uint64_t bit = UINT64_C(1) << at % 64;

	// A socket bound to a device hears what comes by that one: a loopback's or VRF's is no matter here.
	if (s->ifindex != 0 && port_by_ifindex(s->ifindex) == NULL)
		return;
	if (s->any && !s->connected) {
		l->any[udp][ipv6][at / 64] |= bit;
		return;
	}
	if (!wanted(w, s))
		return;
	l->some[udp][ipv6][at / 64] |= bit;
	l->single[l->count] =
		(struct lb_listener){.family = s->family, .proto = s->proto, .port = s->port};
	memcpy(l->single[l->count++].addr, s->addr, 16);
}

static struct lb_listeners *make(const struct lb_listen *w, const struct port_listener *s,
				 unsigned count)
{
	struct lb_listeners *l = calloc(1, sizeof(*l) + count * sizeof(l->single[0]));
	uint32_t unique = 0;

	if (l == NULL)
		return NULL;
	for (unsigned i = 0; i < count; i++)
		add(w, l, &s[i]);
	qsort(l->single, l->count, sizeof(l->single[0]), compare);
	for (uint32_t i = 0; i < l->count; i++)
		if (unique == 0 || compare(&l->single[unique - 1], &l->single[i]) != 0)
			l->single[unique++] = l->single[i];
	l->count = unique;
	return l;
}

void lb_listen_read(struct lb_conf *c, bool prepare)
{
	struct lb_listeners *l = NULL;
	struct port_listener *s = NULL;
	unsigned count = 0;
	int rc = 0;

	if (prepare || c->listen.stale)
		read_services(c, prepare);
	if (c->listen.count > 0) {
		rc = port_listeners(&s, &count);
		if (rc == 0 && (l = make(&c->listen, s, count)) == NULL)
			rc = -ENOMEM;
		free(s);
	}
	if (rc != 0) {
		if (rc != c->listen.failed)
			LOG(ERR,
			    "sockets of the kernel cannot be read: %s; services of any port take what "
			    "is new of them (tried again)\n",
			    strerror(-rc));
		c->listen.failed = rc;
		return;
	}
	c->listen.failed = 0;
	free(c->listeners);
	c->listeners = l;
}

static void on_time(struct loop *l, void *arg)
{
	struct lb_conf *c = arg;

	(void)l;
	if (c->listen.count == 0 && !c->listen.stale && c->listeners == NULL)
		return;
	lb_listen_read(c, c->store.open && c->listen.stale);
	lb_conf_publish_health(c); // tried again by the next turn
}

int lb_listen_start(struct lb_conf *c)
{
	return loop_add_timer(c->loop, LB_LISTEN_MS, LB_LISTEN_MS, on_time, c);
}

void lb_listen_fini(struct lb_conf *c)
{
	free(c->listeners);
	free(c->listen.want);
}
