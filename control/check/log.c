// SPDX-License-Identifier: BSD-3-Clause

#include "control/check/log.h"

#include <stdarg.h>
#include <stdio.h>

static enum check_level level_most = CHECK_NOTICE;

void check_log_level(enum check_level most)
{
	level_most = most;
}

void check_log(enum check_level level, const char *fmt, ...)
{
	static const char *const name[] = {
		[CHECK_ERR] = "error",
		[CHECK_WARNING] = "warning",
		[CHECK_NOTICE] = "notice",
		[CHECK_INFO] = "info",
	};
	char line[1024];
	va_list ap;

	if (level > level_most)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	fprintf(stderr, "sluice-checkd: %s: %s\n", name[level], line);
}

char *check_text(const char *from, char *out, size_t size)
{
	size_t i;

	for (i = 0; i + 1 < size && from[i] != '\0'; i++)
		out[i] = from[i] >= ' ' && from[i] <= '~' ? from[i] : '?';
	out[i] = '\0';
	return out;
}
