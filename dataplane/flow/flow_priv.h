// SPDX-License-Identifier: BSD-3-Clause
//
// What table.c, age.c and shm.c share of one another.
#pragma once

#include "dataplane/flow/table.h"

#define FLOW_WHEEL_SHIFT 2                    // a slot is 4 ticks: 67 ms
#define FLOW_WHEEL_SLOTS (UINT32_C(1) << 14)  // 1100 s; a longer timeout is filed anew on the way
#define FLOW_WHEEL_HEAD  UINT32_C(0x80000000) // in flow_cold.prev: first of the slot in the low bits

// table.c
bool flow_bucket_put(struct flow_table *t, uint64_t hash, uint32_t ref); // false: no room
void flow_bucket_take(struct flow_table *t, uint64_t hash, uint32_t ref);
void flow_delete_hashed(struct flow_table *t, uint32_t index, uint64_t hash_client,
			uint64_t hash_server); // no longer in the wheel

// age.c
void flow_wheel_add(struct flow_table *t, uint32_t index, uint32_t now);
void flow_wheel_del(struct flow_table *t, uint32_t index);
