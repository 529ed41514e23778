// SPDX-License-Identifier: BSD-3-Clause
//
// Texts of a record. Frames are foreign bytes: each field is measured before it is read.

#include "dataplane/trace/record.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const stage_name[] = {
	[TRACE_RX] = "rx",
	[TRACE_PARSE] = "parse",
	[TRACE_FLOW_HIT] = "flow-hit",
	[TRACE_FLOW_NEW] = "flow-new",
	[TRACE_SERVICE] = "service",
	[TRACE_FORWARD] = "forward",
	[TRACE_ANSWER] = "answer",
	[TRACE_PUNT] = "to-kernel",
	[TRACE_HOLD] = "hold",
	[TRACE_DROP] = "drop",
	[TRACE_HAND_OVER] = "hand-over",
};

static const char *name_of(uint8_t stage)
{
	return stage < sizeof(stage_name) / sizeof(stage_name[0]) && stage_name[stage] != NULL
		       ? stage_name[stage]
		       : "?";
}

static enum drop_reason reason_of(uint32_t detail)
{
	return detail < DROP_COUNT ? (enum drop_reason)detail : DROP_NONE;
}

void record_comment(const struct trace_record *r, char *text, unsigned size)
{
	unsigned at = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < r->stages && at < size; i++) {
		const char *comma = i == 0 ? "" : ", ";
		enum drop_reason why = reason_of(r->detail[i]);
		int n;

		if (r->stage[i] == TRACE_DROP)
			n = snprintf(text + at, size - at, "%sdrop %s: %s", comma, drop_name(why),
				     drop_text(why));
		else if (r->detail[i] != 0)
			n = snprintf(text + at, size - at, "%s%s %" PRIu32, comma,
				     name_of(r->stage[i]), r->detail[i]);
		else
			n = snprintf(text + at, size - at, "%s%s", comma, name_of(r->stage[i]));
		at += n > 0 ? (unsigned)n : 0;
	}
}

static const char *proto_name(uint8_t proto)
{
	switch (proto) {
	case IPPROTO_TCP:
		return "tcp";
	case IPPROTO_UDP:
		return "udp";
	case IPPROTO_ICMP:
		return "icmp";
	case IPPROTO_ICMPV6:
		return "icmpv6";
	}
	return NULL;
}

static uint16_t be16(const uint8_t *b)
{
	return (uint16_t)(b[0] << 8 | b[1]);
}

void record_summary(const uint8_t *frame, unsigned captured, char *text, unsigned size)
{
	char from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN], proto[16];
	unsigned l3 = 14, l4, vlan = 0;
	uint16_t type;
	bool first = true;
	uint8_t number;
	const char *name;

	if (captured < 14) {
		snprintf(text, size, "frame of %u bytes", captured);
		return;
	}
	type = be16(frame + 12);
	if (type == 0x8100 && captured >= 18) {
		vlan = be16(frame + 14) & 0xfff;
		type = be16(frame + 16);
		l3 = 18;
	}
	if (type == 0x0800 && captured >= l3 + 20) {
		inet_ntop(AF_INET, frame + l3 + 12, from, sizeof(from));
		inet_ntop(AF_INET, frame + l3 + 16, to, sizeof(to));
		number = frame[l3 + 9];
		first = (be16(frame + l3 + 6) & 0x1fff) == 0;
		l4 = l3 + (frame[l3] & 15) * 4u;
	} else if (type == 0x86dd && captured >= l3 + 40) {
		inet_ntop(AF_INET6, frame + l3 + 8, from, sizeof(from));
		inet_ntop(AF_INET6, frame + l3 + 24, to, sizeof(to));
		number = frame[l3 + 6];
		l4 = l3 + 40;
	} else {
		snprintf(text, size, "ether type 0x%04x", type);
		return;
	}
	name = proto_name(number);
	if (name == NULL) {
		snprintf(proto, sizeof(proto), "proto %u", number);
		name = proto;
	}
	if (first && (number == IPPROTO_TCP || number == IPPROTO_UDP) && captured >= l4 + 4)
		snprintf(text, size, "%s.%u > %s.%u %s", from, be16(frame + l4), to,
			 be16(frame + l4 + 2), name);
	else
		snprintf(text, size, "%s > %s %s", from, to, name);
	if (vlan != 0) {
		unsigned n = (unsigned)strnlen(text, size);

		snprintf(text + n, size - n, " vlan %u", vlan);
	}
}

// Names of ports come from configuration: letters, digits and a few marks; the rest is left out.
static void put_name(FILE *f, const char *name)
{
	for (; *name != '\0'; name++)
		if (*name >= ' ' && *name != '"' && *name != '\\' && *name != 0x7f)
			fputc(*name, f);
}

static void put_stages(FILE *f, const struct trace_record *r)
{
	fputs("\"stages\":[", f);
	for (unsigned i = 0; i < r->stages; i++) {
		fprintf(f, "%s{\"stage\":\"%s\"", i == 0 ? "" : ",", name_of(r->stage[i]));
		if (r->stage[i] == TRACE_DROP)
			fprintf(f, ",\"reason\":\"%s\",\"text\":\"%s\"",
				drop_name(reason_of(r->detail[i])),
				drop_text(reason_of(r->detail[i])));
		else if (r->detail[i] != 0)
			fprintf(f, ",\"detail\":%" PRIu32, r->detail[i]);
		fputc('}', f);
	}
	fputs("],", f);
}

static void put_hex(FILE *f, const char *key, const uint8_t *bytes, unsigned n)
{
	fprintf(f, "\"%s\":\"", key);
	for (unsigned i = 0; i < n; i++)
		fprintf(f, "%02x", bytes[i]);
	fputc('"', f);
}

char *record_json(const struct trace_record *r, const char *port, const char *out_port)
{
	char summary[160], *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	if (f == NULL)
		return NULL;
	fprintf(f, "{\"time-ns\":%" PRIu64 ",\"worker\":%u,\"port\":\"", r->time_ns, r->worker);
	put_name(f, port);
	record_summary(r->frame, r->captured, summary, sizeof(summary));
	fprintf(f, "\",\"length\":%" PRIu32 ",\"packet\":\"%s\",", r->length, summary);
	put_stages(f, r);
	fprintf(f, "\"verdict\":\"%s\",",
		r->stages != 0 ? name_of(r->stage[r->stages - 1]) : "unknown");
	if (r->out_captured != 0) {
		record_summary(r->out_frame, r->out_captured, summary, sizeof(summary));
		fputs("\"out-port\":\"", f);
		put_name(f, out_port);
		fprintf(f, "\",\"out-packet\":\"%s\",", summary);
		put_hex(f, "out-bytes", r->out_frame, r->out_captured);
		fputc(',', f);
	}
	put_hex(f, "bytes", r->frame, r->captured);
	fputc('}', f);
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
