// SPDX-License-Identifier: BSD-3-Clause
//
// plan - which modules take part in a change and in which order.
//
// Every module sees every change and finds out by itself, from the diff, whether it has work: a module
// knows best which nodes of others it depends on. The order is that of registration: what others stand
// on comes first.

#include "control/txn/txn_priv.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

static const struct txn_module *plan[TXN_MODULE_MAX];
static unsigned plan_count;

int txn_register(const struct txn_module *m)
{
	if (!m->name || !m->check || !m->prepare || !m->commit || !m->abort || !m->state)
		return -EINVAL;
	for (unsigned i = 0; i < plan_count; i++) {
		if (strcmp(plan[i]->name, m->name) == 0)
			return -EEXIST;
	}
	if (plan_count == TXN_MODULE_MAX)
		return -ENOSPC;
	plan[plan_count++] = m;
	return 0;
}

void txn_plan_clear(void)
{
	plan_count = 0;
}

unsigned txn_plan_count(void)
{
	return plan_count;
}

const struct txn_module *txn_plan_get(unsigned i)
{
	return plan[i];
}
