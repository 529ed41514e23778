// SPDX-License-Identifier: BSD-3-Clause
//
// alarm - the list of what is wrong now. Bounded: the oldest of the apps' own reports makes room, since
// an app could send any number of them.

#include "control/net/net_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ALARM_MAX 256

struct alarm {
	TAILQ_ENTRY(alarm) next;
	struct net_alarm a;
	uint16_t rec_type; // of the record it is about, 0: none
	uint64_t rec_id;
};

static TAILQ_HEAD(alarm_list, alarm) alarms = TAILQ_HEAD_INITIALIZER(alarms);
static unsigned count;

void net_log(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	fputs("net: ", stderr);
	vfprintf(stderr, format, ap);
	fputc('\n', stderr);
	va_end(ap);
}

static void drop(struct alarm *al)
{
	TAILQ_REMOVE(&alarms, al, next);
	count--;
	free(al);
}

void net_alarm_clear(const char *inst, const char *kind, const char *path)
{
	struct alarm *al = TAILQ_FIRST(&alarms), *next;

	for (; al; al = next) {
		next = TAILQ_NEXT(al, next);
		if (strcmp(al->a.instance, inst) == 0 && (!kind || strcmp(al->a.kind, kind) == 0) &&
		    (!path || strcmp(al->a.path, path) == 0))
			drop(al);
	}
}

void net_alarm_raise(const char *inst, const char *kind, unsigned severity, const char *path,
		     const char *message)
{
	struct alarm *al;

	net_alarm_clear(inst, kind, path);
	if (count == ALARM_MAX)
		drop(TAILQ_LAST(&alarms, alarm_list));
	al = calloc(1, sizeof(*al));
	if (!al)
		return;
	snprintf(al->a.instance, sizeof(al->a.instance), "%s", inst);
	snprintf(al->a.kind, sizeof(al->a.kind), "%s", kind);
	snprintf(al->a.path, sizeof(al->a.path), "%s", path);
	snprintf(al->a.message, sizeof(al->a.message), "%s", message);
	al->a.severity = severity;
	al->a.time = (int64_t)time(NULL);
	TAILQ_INSERT_HEAD(&alarms, al, next);
	count++;
}

void net_alarm_of_record(const struct net_inst *inst, const char *kind, const struct ctl_event *e,
			 const char *path, const char *message)
{
	struct alarm *al;

	net_alarm_raise(inst->name, kind, e->severity, path, message);
	al = TAILQ_FIRST(&alarms);
	if (!al || strcmp(al->a.path, path) != 0)
		return; // there was no memory for it
	al->rec_type = e->rec_type;
	al->rec_id = e->rec_id;
}

void net_alarm_prune(void)
{
	struct alarm *al = TAILQ_FIRST(&alarms), *next;
	const struct net_inst *inst;

	for (; al; al = next) {
		next = TAILQ_NEXT(al, next);
		if (!al->rec_type)
			continue;
		inst = net_store_inst(al->a.instance);
		if (!inst || !net_store_find(inst, al->rec_type, al->rec_id))
			drop(al);
	}
}

size_t net_alarms(struct net_alarm *out, size_t max)
{
	struct alarm *al;
	size_t n = 0;

	TAILQ_FOREACH(al, &alarms, next)
	{
		if (n == max)
			break;
		out[n++] = al->a;
	}
	return n;
}

void net_alarm_fini(void)
{
	while (!TAILQ_EMPTY(&alarms))
		drop(TAILQ_FIRST(&alarms));
}
