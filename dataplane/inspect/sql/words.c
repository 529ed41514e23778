// SPDX-License-Identifier: BSD-3-Clause
//
// Words of SQL are looked up among those of the same first letter.

#include "dataplane/inspect/sql/sql_priv.h"

#include <string.h>

static const struct sql_word_entry table[] = {
#define SQL_LETTER(letter)
#define SQL_WORD(text, flags, word) {text, W_##word, flags},
#include "dataplane/inspect/sql/words.def"
#undef SQL_WORD
#undef SQL_LETTER
};

// A byte for each word and a mark, of no size, for each letter: where a mark lies is how many words are
// before it.
#define JOIN(a, b)                  a##b
#define NAMED(a, b)                 JOIN(a, b)
#define SQL_LETTER(letter)          char letter_##letter[0];
#define SQL_WORD(text, flags, word) char NAMED(word_, __LINE__);
struct layout {
#include "dataplane/inspect/sql/words.def"
	char end[0];
};
#undef SQL_WORD
#undef SQL_LETTER

static const uint16_t first[] = {
#define SQL_LETTER(letter) offsetof(struct layout, letter_##letter),
#define SQL_WORD(text, flags, word)
#include "dataplane/inspect/sql/words.def"
#undef SQL_WORD
#undef SQL_LETTER
	offsetof(struct layout, end),
};

const struct sql_word_entry *sql_word_table(size_t *count)
{
	*count = sizeof(table) / sizeof(table[0]);
	return table;
}

const struct sql_word_entry *sql_word_find(const uint8_t *p, size_t len)
{
	char lower[SQL_WORD_MAX] = {0};
	uint8_t letter = (uint8_t)((p[0] | 0x20) - 'a');
	unsigned low, high;

	if (len >= SQL_WORD_MAX || len < 2 || letter > 25)
		return NULL;
	for (size_t i = 0; i < len; i++)
		lower[i] = (char)((uint8_t)(p[i] - 'A') < 26 ? p[i] | 0x20 : p[i]);
	low = first[letter];
	high = first[letter + 1];
	while (low < high) {
		unsigned middle = (low + high) / 2;
		int c = memcmp(lower, table[middle].text, len + 1);

		if (c == 0)
			return &table[middle];
		if (c < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}
