// SPDX-License-Identifier: BSD-3-Clause
//
// What is refused: made once, then read by all workers.

#include "dataplane/inspect/inspect_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define THRESHOLD_BALANCED 50
#define THRESHOLD_STRICT   30
#define ALL_CLASSES        ((UINT64_C(1) << INSPECT_CLASSES) - 1)

static int copy(const char *text, char **out)
{
	*out = text != NULL ? strdup(text) : NULL;
	return text == NULL || *out != NULL ? 0 : -ENOMEM;
}

static int take_exception(struct exception *e, const struct inspect_exception *x)
{
	int rc = copy(x->site, &e->site);

	if (rc == 0)
		rc = copy(x->path, &e->path);
	if (rc == 0)
		rc = copy(x->parameter, &e->parameter);
	e->classes = x->class == INSPECT_CLASSES ? ALL_CLASSES : UINT64_C(1) << x->class;
	return rc;
}

static bool is_valid(const struct inspect_conf *c)
{
	for (unsigned i = 0; i < INSPECT_CLASSES; i++)
		if (c->threshold[i] > 100)
			return false;
	for (uint32_t i = 0; i < c->exceptions; i++)
		if (c->exception[i].class > INSPECT_CLASSES)
			return false;
	return c->level <= INSPECT_STRICT;
}

int inspect_policy_create(const struct inspect_conf *conf, struct inspect_policy **out)
{
	uint8_t level = conf->level == INSPECT_STRICT ? THRESHOLD_STRICT : THRESHOLD_BALANCED;
	struct inspect_policy *p;
	int rc;

	if (!is_valid(conf))
		return -EINVAL;
	rc = router_create();
	if (rc != 0)
		return rc;
	p = calloc(1, sizeof(*p) + conf->exceptions * sizeof(p->exception[0]));
	if (p == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < INSPECT_CLASSES; i++) {
		p->threshold[i] = conf->threshold[i] != 0 ? conf->threshold[i] : level;
		p->off |= (uint64_t)conf->off[i] << i;
	}
	p->no_router = conf->no_router;
	for (; rc == 0 && p->exceptions < conf->exceptions; p->exceptions++)
		rc = take_exception(&p->exception[p->exceptions], &conf->exception[p->exceptions]);
	if (rc != 0) {
		inspect_policy_destroy(p);
		return rc;
	}
	*out = p;
	return 0;
}

void inspect_policy_destroy(struct inspect_policy *p)
{
	if (p == NULL)
		return;
	for (uint32_t i = 0; i < p->exceptions; i++) {
		free(p->exception[i].site);
		free(p->exception[i].path);
		free(p->exception[i].parameter);
	}
	free(p);
}

// ---- exceptions ----------------------------------------------------------------------------------

static bool is_site(struct http_bytes host, const char *site)
{
	size_t len = strlen(site);

	return host.len >= len && strncasecmp((const char *)host.p, site, len) == 0 &&
	       (host.len == len || host.p[len] == ':');
}

static bool begins(struct http_bytes b, const char *prefix)
{
	size_t len = strlen(prefix);

	return b.len >= len && memcmp(b.p, prefix, len) == 0;
}

void policy_match_request(struct inspect *in)
{
	const struct http_field *host = http_field_find(in->head, "host");
	struct http_bytes site = host != NULL ? host->value : (struct http_bytes){NULL, 0};

	in->matchings = 0;
	for (uint32_t i = 0; i < in->policy->exceptions; i++) {
		const struct exception *e = &in->policy->exception[i];

		if ((e->site == NULL || is_site(site, e->site)) &&
		    (e->path == NULL || begins(in->head->target, e->path)) &&
		    in->matchings < sizeof(in->matching) / sizeof(in->matching[0]))
			in->matching[in->matchings++] = i;
	}
}

uint64_t policy_off(const struct inspect *in, struct http_bytes parameter)
{
	uint64_t off = 0;

	for (uint32_t i = 0; i < in->matchings; i++) {
		const struct exception *e = &in->policy->exception[in->matching[i]];

		if (e->parameter == NULL || (strlen(e->parameter) == parameter.len &&
					     memcmp(e->parameter, parameter.p, parameter.len) == 0))
			off |= e->classes;
	}
	return off;
}
