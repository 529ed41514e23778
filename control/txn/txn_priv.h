// SPDX-License-Identifier: BSD-3-Clause
//
// txn_priv - the plan that txn.c walks and plan.c keeps.
#pragma once

#include "control/txn/txn.h"

// The modules of a transaction in the order in which they prepare and commit; aborts go backwards.
unsigned txn_plan_count(void);
const struct txn_module *txn_plan_get(unsigned i);
void txn_plan_clear(void);
