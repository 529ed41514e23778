// SPDX-License-Identifier: BSD-3-Clause
//
// error - refusals as people read them: place, reason, remedy.

#include <string.h>

#include "control/cli/cli.h"
#include "control/cli/print.h"
#include "control/cli/table.h"

// What to do about an error-tag of RFC 6241; NULL: the message says enough.
static const char *remedy(const char *tag)
{
	static const struct {
		const char *tag, *text;
	} known[] = {
		{"lock-denied", "another session holds a lock ('sluicectl show sessions')"},
		{"in-use", "it is locked or used ('sluicectl show sessions' shows locks)"},
		{"access-denied", "your user may not do this; the access rules (nacm) say who may"},
		{"data-exists", "it is there already; 'set' changes what is there"},
		{"resource-denied", "the machine lacks something ('sluicectl doctor' looks)"},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(known[i].tag, tag) == 0)
			return known[i].text;
	return NULL;
}

static void print_one(const json_t *e, const char *message)
{
	const char *path = print_text(e, "error-path"), *text = print_text(e, "error-message");
	const char *tag = print_text(e, "error-tag"), *help;
	char info[512] = "";
	const json_t *session = print_member(print_member(e, "error-info"), "session-id");

	// Session 0: no session holds the lock, the candidate holds changes (RFC 6241 section 7.5).
	help = session != NULL && print_number(session) == 0 ? "commit or discard them first"
							     : remedy(tag);
	if (session != NULL && print_number(session) != 0)
		snprintf(info, sizeof(info), " [session %llu]",
			 (unsigned long long)print_number(session));
	fprintf(stderr, "%s%s%s%s%s%s%s\n", path, path[0] != '\0' ? ": " : "",
		text[0] != '\0' ? text : message, tag[0] != '\0' ? " (" : "", tag,
		tag[0] != '\0' ? ")" : "", info);
	if (help != NULL)
		fprintf(stderr, "  %s\n", help);
}

void cli_print_error(struct cli *c, const json_t *error)
{
	const char *message = print_text(error, "message");
	json_t *data = json_object_get(error, "data"), *e;
	size_t i;

	fflush(c->out);
	if (c->json) {
		json_t *v = json_pack("{s:O}", "error", (json_t *)(uintptr_t)error);

		cli_print_json(c, v);
		json_decref(v);
	}
	if (json_is_array(data)) {
		json_array_foreach(data, i, e) print_one(e, message);
	} else {
		print_one(data, message[0] != '\0' ? message : "refused");
	}
}

bool cli_print_json(struct cli *c, const json_t *v)
{
	if (!c->json)
		return false;
	json_dumpf(v, c->out, JSON_INDENT(2) | JSON_ENCODE_ANY);
	fputc('\n', c->out);
	return true;
}
