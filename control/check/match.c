// SPDX-License-Identifier: BSD-3-Clause

#include "control/check/match.h"

#include <string.h>

void check_match_init(struct check_match *m, const char *needle)
{
	uint8_t k = 0;

	memset(m, 0, sizeof(*m));
	m->len = (uint8_t)strnlen(needle, CHECK_MATCH_MAX - 1);
	memcpy(m->needle, needle, m->len);
	m->found = m->len == 0;
	for (uint8_t i = 1; i < m->len; i++) {
		while (k > 0 && m->needle[i] != m->needle[k])
			k = m->fail[k - 1];
		if (m->needle[i] == m->needle[k])
			k++;
		m->fail[i] = k;
	}
}

bool check_match_feed(struct check_match *m, const char *data, size_t size)
{
	for (size_t i = 0; i < size && !m->found; i++) {
		while (m->at > 0 && data[i] != m->needle[m->at])
			m->at = m->fail[m->at - 1];
		if (data[i] == m->needle[m->at])
			m->at++;
		m->found = m->at == m->len;
	}
	return m->found;
}
