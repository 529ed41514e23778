// SPDX-License-Identifier: BSD-3-Clause

#include "control/check/health.h"

bool check_health_note(struct check_health *h, bool good, uint16_t rise, uint16_t fall)
{
	uint8_t before = h->health;

	if (h->run == 0 || h->good != good) {
		h->good = good;
		h->run = 1;
	} else if (h->run < UINT16_MAX) {
		h->run++;
	}
	if (h->run >= (good ? rise : fall))
		h->health = good ? CTL_HEALTH_UP : CTL_HEALTH_DOWN;
	return h->health != before;
}
