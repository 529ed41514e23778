// SPDX-License-Identifier: BSD-3-Clause
//
// contexts - services that no packet reaches: no port of their application is in their context. That is no error:
// ports may come in the next change. Who commits or looks at a change beforehand is told.

#include "control/net/net_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WORD (sizeof(unsigned long) * 8)

struct carried {
	const struct net_inst *inst;
	bool any;
	unsigned long context[65536 / WORD];
};

static void look(struct carried *c, const struct net_inst *inst)
{
	const struct net_entry *e;

	if (c->inst == inst)
		return;
	memset(c, 0, sizeof(*c));
	c->inst = inst;
	TAILQ_FOREACH(e, &inst->entries, next)
	{
		const struct ctl_port *p = (const struct ctl_port *)e->rec;

		if (e->rec->type != CTL_REC_PORT || !e->sent)
			continue;
		c->any = true;
		c->context[p->context / WORD] |= 1UL << p->context % WORD;
	}
}

// An application without any port has only begun to be configured; so no word about context 0, the default.
static bool is_lost(const struct carried *c, uint16_t context)
{
	return (c->any || context != 0) &&
	       (c->context[context / WORD] & 1UL << context % WORD) == 0;
}

typedef void (*tell_fn)(void *arg, const struct net_entry *service, uint16_t context);

// Services that the change brings; they are marked, so that nobody is told twice.
static void brought(const struct net_delta *d, struct carried *c, tell_fn tell, void *arg)
{
	for (size_t i = 0; i < d->count; i++) {
		struct net_entry *e = d->item[i].new;
		uint16_t context;

		if (!e || e->rec->type != CTL_REC_SERVICE)
			continue;
		context = ((const struct ctl_service *)e->rec)->context;
		e->mark = d->mark;
		look(c, e->inst);
		if (is_lost(c, context))
			tell(arg, e, context);
	}
}

// Services that were there, in the context of a port that goes or changes.
static void left(const struct net_delta *d, const struct net_entry *port, struct carried *c,
		 tell_fn tell, void *arg)
{
	uint16_t context = ((const struct ctl_port *)port->rec)->context;
	struct net_entry *e;

	look(c, port->inst);
	if (!is_lost(c, context))
		return;
	TAILQ_FOREACH(e, &port->inst->entries, next)
	{
		if (e->rec->type != CTL_REC_SERVICE || e->mark == d->mark ||
		    ((const struct ctl_service *)e->rec)->context != context)
			continue;
		e->mark = d->mark;
		tell(arg, e, context);
	}
}

static bool matters(const struct net_item *i)
{
	return (i->new && i->new->rec->type == CTL_REC_SERVICE) ||
	       (i->old && i->old->rec->type == CTL_REC_PORT);
}

static void unmark(const struct net_delta *d, const struct net_inst *inst)
{
	struct net_entry *e;

	TAILQ_FOREACH(e, &inst->entries, next)
	if (e->mark == d->mark)
		e->mark = 0;
}

int net_contexts_unserved(const struct net_delta *d, tell_fn tell, void *arg)
{
	struct carried *c;
	size_t i = 0;

	while (i < d->count && !matters(&d->item[i]))
		i++;
	if (i == d->count)
		return 0;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	brought(d, c, tell, arg);
	for (; i < d->count; i++) {
		const struct net_entry *old = d->item[i].old;

		if (old && old->sent && old->rec->type == CTL_REC_PORT)
			left(d, old, c, tell, arg);
	}
	// Marks are for entries that a change takes out.
	for (i = 0; i < d->count; i++) {
		if (d->item[i].new)
			d->item[i].new->mark = 0;
		if (d->item[i].old && d->item[i].old->rec->type == CTL_REC_PORT)
			unmark(d, d->item[i].old->inst);
	}
	free(c);
	return 0;
}
