// SPDX-License-Identifier: BSD-3-Clause

#include "control/check/agent.h"

#include <string.h>
#include <strings.h>

#include "control/check/log.h"

struct word {
	const char *text;
	uint8_t set, clear;
};

static const struct word words[] = {
	{"up", 0, CTL_AGENT_DOWN},
	{"down", CTL_AGENT_DOWN, 0},
	{"fail", CTL_AGENT_DOWN, 0},
	{"stopped", CTL_AGENT_DOWN, 0},
	{"ready", 0, CTL_AGENT_DRAIN | CTL_AGENT_MAINT},
	{"drain", CTL_AGENT_DRAIN, CTL_AGENT_MAINT},
	{"maint", CTL_AGENT_MAINT, CTL_AGENT_DRAIN},
};

void check_agent_init(struct check_agent *a)
{
	*a = (struct check_agent){.percent = 100};
}

// "N%" of at most CTL_AGENT_PERCENT_MAX
static bool take_percent(struct check_agent *a, const char *word, size_t len)
{
	unsigned n = 0;

	if (len < 2 || len > 5 || word[len - 1] != '%')
		return false;
	for (size_t i = 0; i < len - 1; i++) {
		if (word[i] < '0' || word[i] > '9')
			return false;
		n = n * 10 + (unsigned)(word[i] - '0');
	}
	if (n > CTL_AGENT_PERCENT_MAX)
		return false;
	a->percent = (uint16_t)n;
	return true;
}

static bool take_word(struct check_agent *a, const char *word, size_t len)
{
	if (take_percent(a, word, len))
		return true;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strlen(words[i].text) != len || strncasecmp(words[i].text, word, len) != 0)
			continue;
		a->flags = (uint8_t)((a->flags & ~words[i].clear) | words[i].set);
		return true;
	}
	return false;
}

static bool is_gap(char c)
{
	return c == ' ' || c == '\t' || c == ',' || c == '\r';
}

static void take_text(struct check_agent *a, const char *text, size_t size)
{
	char copy[CHECK_AGENT_TEXT];

	while (size > 0 && is_gap(*text)) {
		text++;
		size--;
	}
	while (size > 0 && is_gap(text[size - 1]))
		size--;
	if (size > sizeof(copy) - 1)
		size = sizeof(copy) - 1;
	memcpy(copy, text, size);
	copy[size] = '\0';
	check_text(copy, a->text, sizeof(a->text));
}

bool check_agent_take(struct check_agent *a, const char *line, size_t size)
{
	struct check_agent n = {.flags = a->flags | CTL_AGENT_KNOWN, .percent = a->percent};
	bool known = false;
	size_t at = 0, from;

	while (at < size && line[at] != '#') {
		if (is_gap(line[at])) {
			at++;
			continue;
		}
		from = at;
		while (at < size && line[at] != '#' && !is_gap(line[at])) {
			if (line[at] < '!' || line[at] > '~')
				return false;
			at++;
		}
		known |= take_word(&n, line + from, at - from);
	}
	if (!known)
		return false;
	if (at < size)
		take_text(&n, line + at + 1, size - at - 1);
	*a = n;
	return true;
}
