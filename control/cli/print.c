// SPDX-License-Identifier: BSD-3-Clause

#include "control/cli/print.h"

#include "control/cli/table.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *bare(const char *name)
{
	const char *colon = strchr(name, ':');

	return colon != NULL ? colon + 1 : name;
}

char *print_scalar(const json_t *v, char *out, size_t size)
{
	char *text;

	if (json_is_string(v)) {
		snprintf(out, size, "%s", json_string_value(v));
	} else if (json_is_array(v) && json_array_size(v) == 1 &&
		   json_is_null(json_array_get(v, 0))) {
		out[0] = '\0'; // type empty
	} else {
		text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
		snprintf(out, size, "%s", text != NULL ? text : "");
		free(text);
	}
	for (char *p = out; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	return out;
}

static void member(const char *name, const json_t *v, FILE *out, unsigned indent)
{
	char text[4096];
	size_t i;
	json_t *e;

	if (json_is_object(v)) {
		fprintf(out, "%*s%s\n", (int)indent, "", bare(name));
		print_tree(v, out, indent + 2);
		return;
	}
	if (!json_is_array(v) || (json_array_size(v) == 1 && json_is_null(json_array_get(v, 0)))) {
		fprintf(out, "%*s%s %s\n", (int)indent, "", bare(name),
			print_scalar(v, text, sizeof(text)));
		return;
	}
	json_array_foreach(v, i, e)
	{
		const json_t *key = NULL;

		if (json_is_object(e))
			key = json_object_iter_value(json_object_iter(e));
		fprintf(out, "%*s%s %s\n", (int)indent, "", bare(name),
			print_scalar(json_is_object(e) ? key : e, text, sizeof(text)));
		if (!json_is_object(e))
			continue;
		for (void *m = json_object_iter_next(e, json_object_iter(e)); m != NULL;
		     m = json_object_iter_next(e, m))
			member(json_object_iter_key(m), json_object_iter_value(m), out, indent + 2);
	}
}

void print_tree(const json_t *v, FILE *out, unsigned indent)
{
	char text[4096];
	const char *name;
	json_t *m;

	if (json_is_array(v)) {
		member("-", v, out, indent);
		return;
	}
	if (!json_is_object(v)) {
		fprintf(out, "%*s%s\n", (int)indent, "", print_scalar(v, text, sizeof(text)));
		return;
	}
	json_object_foreach((json_t *)(uintptr_t)v, name, m) if (name[0] != '@')
		member(name, m, out, indent);
}

uint64_t print_number(const json_t *v)
{
	if (json_is_string(v))
		return strtoull(json_string_value(v), NULL, 10);
	if (json_is_real(v))
		return json_real_value(v) > 0 ? (uint64_t)json_real_value(v) : 0;
	return json_is_integer(v) && json_integer_value(v) > 0 ? (uint64_t)json_integer_value(v)
							       : 0;
}

const json_t *print_member(const json_t *o, const char *name)
{
	const json_t *v = json_object_get(o, name);
	const char *n;
	json_t *m;

	if (v != NULL || !json_is_object(o))
		return v;
	json_object_foreach((json_t *)(uintptr_t)o, n, m) if (strcmp(bare(n), name) == 0) return m;
	return NULL;
}

const char *print_rate(const json_t *state, const char *name, char *out)
{
	uint64_t n = print_count(print_member(state, "rates"), name);

	if (n == 0)
		out[0] = '\0';
	else
		table_count(n, out);
	return out;
}

const char *print_text(const json_t *o, const char *name)
{
	const char *s = json_string_value(print_member(o, name));

	return s != NULL ? s : "";
}

uint64_t print_count(const json_t *o, const char *name)
{
	return print_number(print_member(o, name));
}

long long print_since(const char *text)
{
	struct tm tm = {0};
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	long offset = 0;
	time_t then;

	if (end == NULL)
		return -1;
	if (*end == '.')
		end += 1 + strspn(end + 1, "0123456789");
	if (*end == '+' || *end == '-') {
		int h, m;

		if (sscanf(end + 1, "%2d:%2d", &h, &m) != 2)
			return -1;
		offset = (h * 60L + m) * (*end == '-' ? -60 : 60);
	}
	then = timegm(&tm);
	return (long long)(time(NULL) - then) + offset;
}

char *print_endpoint(const char *address, uint64_t port, char *out, size_t size)
{
	snprintf(out, size, strchr(address, ':') != NULL ? "[%s]:%llu" : "%s:%llu", address,
		 (unsigned long long)port);
	return out;
}
