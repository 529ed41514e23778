// SPDX-License-Identifier: BSD-3-Clause
//
// refusal - what an app says of a record, in the words of a refusal: path, tag, sentence. None of it is
// trusted: the path comes from our own records, the sentence is cleaned.

#include "control/net/net_priv.h"

#include <libyang/libyang.h>

#include <stdio.h>
#include <string.h>

const char *net_ack_tag(const struct ctl_ack *ack)
{
	static const char *const names[] = {"operation-failed", "operation-failed", "invalid-value",
					    "resource-denied",  "in-use",           "data-missing"};

	return ack->tag < sizeof(names) / sizeof(names[0]) ? names[ack->tag] : names[0];
}

void net_clean_text(const char *from, char *to, size_t size)
{
	size_t n = 0;

	for (; *from && n + 1 < size; from++)
		to[n++] = *from >= 0x20 && *from < 0x7f ? *from : '?';
	to[n] = '\0';
}

void net_ack_text(const struct net_inst *inst, const struct net_delta *d, const struct ctl_ack *ack,
		  char path[512], char text[512])
{
	char message[sizeof(ack->message)];

	net_clean_text(ack->message, message, sizeof(message));
	if (message[0])
		snprintf(text, 512, "%s", message);
	else
		snprintf(text, 512, "%s refuses the configuration: %s", inst->name,
			 strerror(-ack->result));
	if (!ack->rec_type || !net_path(d, inst, ack->rec_type, ack->rec_id, ack->field, path, 512))
		snprintf(path, 512, NET_SCHEMA_LB "[name='%s']", inst->name);
}
