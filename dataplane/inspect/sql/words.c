// SPDX-License-Identifier: BSD-3-Clause

#include "dataplane/inspect/sql/sql_priv.h"

#define WORD_MAX 32

static const struct sql_word_entry table[] = {
#define SQL_WORD(text, flags, word) {text, flags, W_##word},
#include "dataplane/inspect/sql/words.def"
#undef SQL_WORD
};

const struct sql_word_entry *sql_word_table(size_t *count)
{
	*count = sizeof(table) / sizeof(table[0]);
	return table;
}

static int compare(const uint8_t *lower, size_t len, const char *text)
{
	for (size_t i = 0; i < len; i++)
		if (lower[i] != (uint8_t)text[i])
			return lower[i] < (uint8_t)text[i] ? -1 : 1;
	return text[len] == '\0' ? 0 : -1;
}

const struct sql_word_entry *sql_word_find(const uint8_t *p, size_t len)
{
	size_t low = 0, high = sizeof(table) / sizeof(table[0]);
	uint8_t lower[WORD_MAX];

	if (len > WORD_MAX || len < 2)
		return NULL;
	for (size_t i = 0; i < len; i++)
		lower[i] = (uint8_t)(p[i] - 'A') < 26 ? p[i] | 0x20 : p[i];
	while (low < high) {
		size_t middle = (low + high) / 2;
		int c = compare(lower, len, table[middle].text);

		if (c == 0)
			return &table[middle];
		if (c < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}
