// SPDX-License-Identifier: BSD-3-Clause
//
// health - from single results to a verdict: `rise` good checks in a row mark a server up, `fall`
// failed ones mark it down. A server of which nothing is known yet needs the same runs.
//
//	           rise good in a row             fall bad in a row
//	UNKNOWN ------------------------> UP ------------------------> DOWN
//	   \--------- fall bad in a row -----------------------------^  |
//	                                  ^----- rise good in a row ----/
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/ctl/msg.h"

struct check_health {
	uint8_t health; // enum ctl_health
	bool good;      // last result
	uint16_t run;   // results in a row like the last one; stays at UINT16_MAX
};

// Count one result. rise and fall are 1 or more.
// Returns: true when the verdict has changed by it.
// Thread: control
bool check_health_note(struct check_health *h, bool good, uint16_t rise, uint16_t fall);
