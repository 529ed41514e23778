// SPDX-License-Identifier: BSD-3-Clause
//
// lb_filter - an operator's words for flows -> struct lb_flow_filter. All words must hold:
//
//	tcp udp syn established closing ipv4 ipv6
//	ENDPOINT            of any side: address, prefix, address:port, [address]:port
//	client= service= local= server=  with an ENDPOINT; service=NAME, server=NAME, server=POOL/NAME
//	port=N port=N-M     of any side
//	context=N
//	idle-min= idle-max= age-min= age-max=  with a time: 30, 30s, 500ms, 5m, 2h

#include "apps/lb/conf/lb_conf.h"
#include "apps/lb/show/lb_flows.h"
#include "apps/lb/show/lb_query.h"
#include "dataplane/core/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILTER_MAX 512
#define TIME_MAX_MS                                                                                \
	UINT64_C(36000000000) // stamps go round: more than half their range says nothing

static bool number(const char *s, const char *end, unsigned long max, unsigned long *out)
{
	unsigned long n = 0;

	if (s == end)
		return false;
	for (; s < end; s++) {
		if (*s < '0' || *s > '9')
			return false;
		n = n * 10 + (unsigned long)(*s - '0');
		if (n > max)
			return false;
	}
	*out = n;
	return true;
}

// N or N-M
static bool parse_ports(const char *s, struct lb_flow_word *w)
{
	const char *dash = strchr(s, '-'), *end = s + strlen(s);
	unsigned long min, max;

	if (!number(s, dash != NULL ? dash : end, 65535, &min) || min == 0)
		return false;
	max = min;
	if (dash != NULL && (!number(dash + 1, end, 65535, &max) || max < min))
		return false;
	w->port_min = (uint16_t)min;
	w->port_max = (uint16_t)max;
	return true;
}

bool lb_filter_endpoint(const char *text, struct lb_flow_word *w)
{
	char copy[80], *s = copy, *colon, *slash;
	unsigned long len;

	if (snprintf(copy, sizeof(copy), "%s", text) >= (int)sizeof(copy))
		return false;
	w->port_min = 0;
	w->port_max = 65535;
	colon = strrchr(s, ':');
	if (s[0] == '[') {
		char *end = strchr(s, ']');

		if (end == NULL || (end[1] != '\0' && end[1] != ':'))
			return false;
		if (end[1] == ':' && !parse_ports(end + 2, w))
			return false;
		*end = '\0';
		s++;
	} else if (colon != NULL && strchr(s, ':') == colon) {
		if (!parse_ports(colon + 1, w))
			return false;
		*colon = '\0';
	}
	w->family = strchr(s, ':') != NULL ? 6 : 4;
	w->len = w->family == 4 ? 32 : 128;
	slash = strchr(s, '/');
	if (slash != NULL) {
		if (!number(slash + 1, slash + strlen(slash), w->len, &len))
			return false;
		w->len = (uint8_t)len;
		*slash = '\0';
	}
	return inet_pton(w->family == 4 ? AF_INET : AF_INET6, s, w->addr) == 1;
}

static bool parse_time(const char *s, uint32_t *ticks)
{
	static const struct {
		const char *unit;
		uint64_t ms;
	} units[] = {{"", 1000}, {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
	const char *end = s + strspn(s, "0123456789");
	unsigned long n;

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(end, units[i].unit) != 0)
			continue;
		if (!number(s, end, 100000000, &n))
			return false;
		// Stamps go round: what is over half the clock's range cannot be told from the future.
		n = n * units[i].ms;
		if (n > TIME_MAX_MS)
			n = TIME_MAX_MS;
		*ticks = n == 0 ? 0 : clock_ms_to_ticks(n);
		return true;
	}
	return false;
}

// ---- names ------------------------------------------------------------------------------------

static bool add_ref(uint32_t *ref, unsigned *count, uint32_t r)
{
	if (r == 0 || *count == LB_FLOW_REFS)
		return false;
	ref[(*count)++] = r;
	return true;
}

static bool find_services(const struct lb_conf *c, const char *name, struct lb_flow_filter *f)
{
	const struct lb_entry *e;

	f->has_service = true;
	f->services = 0;
	LB_STORE_FOREACH(e, &c->store, CTL_REC_SERVICE)
	{
		const struct ctl_service *r = (const void *)e->rec;

		if (r != NULL && strcmp(r->name, name) == 0)
			return add_ref(f->service, &f->services, e->ref);
	}
	return false;
}

// NAME of any pool, or POOL/NAME.
static bool find_servers(const struct lb_conf *c, const char *name, struct lb_flow_filter *f)
{
	const char *slash = strchr(name, '/');
	const char *server = slash != NULL ? slash + 1 : name;
	const struct lb_entry *p;

	f->has_server = true;
	f->servers = 0;
	LB_STORE_FOREACH(p, &c->store, CTL_REC_POOL)
	{
		const struct ctl_pool *pool = (const void *)p->rec;

		if (pool == NULL ||
		    (slash != NULL && (strlen(pool->name) != (size_t)(slash - name) ||
				       strncmp(pool->name, name, (size_t)(slash - name)) != 0)))
			continue;
		for (uint32_t i = 0; i < p->members; i++) {
			const struct ctl_server *s = (const void *)p->member[i]->rec;

			if (s != NULL && strcmp(s->name, server) == 0 &&
			    !add_ref(f->server, &f->servers, p->member[i]->ref))
				return false;
		}
	}
	return f->servers > 0;
}

// ---- words ------------------------------------------------------------------------------------

static const struct {
	const char *text;
	uint8_t proto, states, family;
} fixed_words[] = {
	{"tcp", IPPROTO_TCP, 0, 0},
	{"udp", IPPROTO_UDP, 0, 0},
	{"syn", 0, 1 << FLOW_TCP_SYN, 0},
	{"established", 0, 1 << FLOW_TCP_ESTABLISHED, 0},
	{"closing", 0, 1 << FLOW_TCP_CLOSING, 0},
	{"ipv4", 0, 0, 4},
	{"ipv6", 0, 0, 6},
};

static const struct {
	const char *text;
	uint8_t side;
} side_names[] = {
	{"client=", LB_SIDE_CLIENT},
	{"service=", LB_SIDE_SERVICE},
	{"local=", LB_SIDE_LOCAL},
	{"server=", LB_SIDE_SERVER},
};

// Words of one kind may be given once; the same fixed word twice does no harm.
static bool fixed_word(const char *s, struct lb_flow_filter *f, bool *taken)
{
	for (size_t i = 0; i < sizeof(fixed_words) / sizeof(fixed_words[0]); i++) {
		if (strcmp(s, fixed_words[i].text) != 0)
			continue;
		*taken = true;
		if ((fixed_words[i].proto != 0 && f->proto != 0 &&
		     f->proto != fixed_words[i].proto) ||
		    (fixed_words[i].family != 0 && f->family != 0 &&
		     f->family != fixed_words[i].family))
			return false;
		if (fixed_words[i].proto != 0)
			f->proto = fixed_words[i].proto;
		if (fixed_words[i].family != 0)
			f->family = fixed_words[i].family;
		f->states |= fixed_words[i].states; // one of the states
		return true;
	}
	return true;
}

static bool time_word(const char *s, struct lb_flow_filter *f, bool *taken)
{
	const struct {
		const char *text;
		uint32_t *ticks;
	} names[] = {
		{"idle-min=", &f->idle_min},
		{"idle-max=", &f->idle_max},
		{"age-min=", &f->age_min},
		{"age-max=", &f->age_max},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t n = strlen(names[i].text);

		if (strncmp(s, names[i].text, n) != 0)
			continue;
		*taken = true;
		return parse_time(s + n, names[i].ticks);
	}
	return true;
}

static bool address_word(const struct lb_conf *c, const char *s, struct lb_flow_filter *f)
{
	struct lb_flow_word *w = &f->word[f->words];

	*w = (struct lb_flow_word){.sides = LB_SIDE_ANY};
	for (size_t i = 0; i < sizeof(side_names) / sizeof(side_names[0]); i++)
		if (strncmp(s, side_names[i].text, strlen(side_names[i].text)) == 0) {
			w->sides = side_names[i].side;
			s += strlen(side_names[i].text);
			break;
		}
	if (strncmp(s, "port=", 5) == 0 ? parse_ports(s + 5, w) : lb_filter_endpoint(s, w)) {
		f->words++;
		return true;
	}
	if (w->sides == LB_SIDE_SERVICE)
		return find_services(c, s, f);
	return w->sides == LB_SIDE_SERVER && find_servers(c, s, f);
}

static bool take_word(const struct lb_conf *c, const char *s, struct lb_flow_filter *f)
{
	bool taken = false;
	unsigned long n;

	if (!fixed_word(s, f, &taken) || (!taken && !time_word(s, f, &taken)))
		return false;
	if (taken)
		return true;
	if (strncmp(s, "context=", 8) == 0) {
		if (!number(s + 8, s + strlen(s), 65535, &n))
			return false;
		f->has_context = true;
		f->context = (uint16_t)n;
		return true;
	}
	return address_word(c, s, f);
}

int lb_filter_parse(const struct lb_conf *c, const char *text, struct lb_flow_filter *f,
		    unsigned *words, char **json)
{
	char copy[FILTER_MAX], *save = NULL;

	lb_flow_filter_init(f);
	*words = 0;
	if (snprintf(copy, sizeof(copy), "%s", text) >= (int)sizeof(copy))
		return lb_query_fail(json, -EINVAL, "filter is too long");
	for (char *s = strtok_r(copy, " ", &save); s != NULL; s = strtok_r(NULL, " ", &save)) {
		char why[128];

		if (++*words > LB_FLOW_WORDS)
			return lb_query_fail(json, -EINVAL, "filter has more than 8 words");
		snprintf(why, sizeof(why), "filter: '%.60s' is not understood", s);
		if (!take_word(c, s, f))
			return lb_query_fail(json, -EINVAL, why);
	}
	return 0;
}
