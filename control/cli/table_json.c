// SPDX-License-Identifier: BSD-3-Clause
//
// table_json - a table of JSON objects whose members are not known beforehand.

#include <string.h>

#include "control/cli/print.h"
#include "control/cli/table.h"

#define ANY_MAX 24 // columns; what an app adds beyond is left to --json

void table_any(const json_t *rows, const char *const *first, size_t firsts, const char *empty,
	       FILE *out, bool color)
{
	struct table_column column[ANY_MAX] = {0};
	char title[ANY_MAX][40];
	const char *name[ANY_MAX];
	size_t n = 0, i, k;
	struct table *t;
	json_t *row, *v;
	const char *key;

	for (k = 0; k < firsts && n < ANY_MAX; k++)
		name[n++] = first[k];
	json_array_foreach(rows, i, row)
	{
		json_object_foreach(row, key, v)
		{
			for (k = 0; k < n && strcmp(name[k], key) != 0; k++)
				;
			if (k == n && n < ANY_MAX)
				name[n++] = key;
		}
	}
	if (json_array_size(rows) == 0 || n == 0) {
		fprintf(out, "%s\n", empty);
		return;
	}
	for (k = 0; k < n; k++) {
		snprintf(title[k], sizeof(title[k]), "%s", name[k]);
		for (char *p = title[k]; *p != '\0'; p++)
			*p = *p >= 'a' && *p <= 'z' ? (char)(*p - 32) : *p;
		column[k].title = title[k];
		column[k].align = TABLE_LEFT;
		if (json_is_number(json_object_get(json_array_get(rows, 0), name[k])))
			column[k].align = TABLE_RIGHT;
	}
	t = table_create(column, n);
	json_array_foreach(rows, i, row)
	{
		for (k = 0; k < n; k++) {
			char text[512];

			v = json_object_get(row, name[k]);
			table_cell(t, TABLE_PLAIN, "%s",
				   v != NULL ? print_scalar(v, text, sizeof(text)) : "");
		}
	}
	table_print(t, out, color);
	table_destroy(t);
}
