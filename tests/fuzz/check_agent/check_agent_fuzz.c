// SPDX-License-Identifier: BSD-3-Clause
//
// check_agent_fuzz - any bytes as lines of an agent, one after the other: what comes of them goes into weights,
// the control link and logs.

#include "control/check/agent.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void check(const struct check_agent *a)
{
	must(a->percent <= CTL_AGENT_PERCENT_MAX);
	must((a->flags & CTL_AGENT_KNOWN) != 0 || a->flags == 0);
	must((a->flags & (CTL_AGENT_DRAIN | CTL_AGENT_MAINT)) !=
	     (CTL_AGENT_DRAIN | CTL_AGENT_MAINT));
	must(memchr(a->text, '\0', sizeof(a->text)) != NULL);
	for (const char *c = a->text; *c != '\0'; c++)
		must(*c >= ' ' && *c <= '~');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct check_agent a, before;

	check_agent_init(&a);
	while (size > 0) {
		const uint8_t *end = memchr(data, '\n', size);
		size_t len = end == NULL ? size : (size_t)(end - data);
		char *line = malloc(len + 1);

		memcpy(line, data, len);
		before = a;
		if (!check_agent_take(&a, line, len))
			must(memcmp(&before, &a, sizeof(a)) == 0);
		check(&a);
		free(line);
		data += len;
		size -= len;
		if (size > 0) {
			data++;
			size--;
		}
	}
	return 0;
}
