// SPDX-License-Identifier: BSD-3-Clause

#include "control/datastore/crc32c.h"

#include <stdbool.h>

#define POLYNOMIAL 0x82f63b78u // reflected

static uint32_t table[256];

static void make_table(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;

		for (int k = 0; k < 8; k++)
			c = (c >> 1) ^ ((c & 1) ? POLYNOMIAL : 0);
		table[i] = c;
	}
}

uint32_t crc32c(uint32_t crc, const void *data, size_t size)
{
	const uint8_t *p = data;

	if (table[1] == 0)
		make_table();
	crc = ~crc;
	while (size-- > 0)
		crc = (crc >> 8) ^ table[(crc ^ *p++) & 0xff];
	return ~crc;
}
