// SPDX-License-Identifier: BSD-3-Clause
//
// strays - apps that run though the configuration does not name them. One that left the configuration while
// it was away, and comes back after the daemon was restarted, would serve its last good state for ever.
//
// Each socket (name and inode: a restarted app makes a new one) is asked once.

#include "control/net/net_priv.h"

#include <event2/event.h>

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STRAY_MAX                                                                                  \
	64 // sockets remembered; more than that are asked again and again, which is harmless

struct seen {
	char name[CTL_NAME];
	ino_t inode;
};

static struct {
	struct event *look;
	char run_dir[96];
	struct seen seen[STRAY_MAX];
	unsigned count, next;
} strays;

// NAME.ctl, NAME as the model has it.
static bool instance_of(const char *file, char name[CTL_NAME])
{
	static const char chars[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t len = strlen(file);

	if (len <= 4 || len - 4 >= CTL_NAME || strcmp(file + len - 4, ".ctl") != 0)
		return false;
	memcpy(name, file, len - 4);
	name[len - 4] = '\0';
	return strspn(name, chars) == len - 4 && !strchr("._-", name[0]);
}

static bool seen_before(const char *name, ino_t inode)
{
	struct seen *s;

	for (unsigned i = 0; i < strays.count; i++) {
		if (strays.seen[i].inode == inode && strcmp(strays.seen[i].name, name) == 0)
			return true;
	}
	s = &strays.seen[strays.next];
	strays.next = (strays.next + 1) % STRAY_MAX;
	if (strays.count < STRAY_MAX)
		strays.count++;
	snprintf(s->name, sizeof(s->name), "%s", name);
	s->inode = inode;
	return false;
}

static void on_look(evutil_socket_t fd, short what, void *arg)
{
	const struct net_inst *inst;
	char name[CTL_NAME];
	struct dirent *e;
	DIR *dir;

	(void)fd;
	(void)what;
	(void)arg;
	dir = opendir(strays.run_dir);
	if (!dir)
		return;
	while ((e = readdir(dir)) != NULL) {
		if (!instance_of(e->d_name, name))
			continue;
		inst = net_store_inst(name);
		if ((inst && inst->configured) || seen_before(name, e->d_ino))
			continue;
		net_apps_stray(name);
	}
	closedir(dir);
}

int net_strays_init(struct event_base *base, const char *run_dir, unsigned period_ms)
{
	struct timeval tv = {.tv_sec = period_ms / 1000, .tv_usec = period_ms % 1000 * 1000};

	memset(&strays, 0, sizeof(strays));
	snprintf(strays.run_dir, sizeof(strays.run_dir), "%s", run_dir);
	strays.look = event_new(base, -1, EV_PERSIST, on_look, NULL);
	if (!strays.look || event_add(strays.look, &tv) != 0)
		return -ENOMEM;
	event_active(strays.look, EV_TIMEOUT, 0);
	return 0;
}

void net_strays_fini(void)
{
	if (strays.look)
		event_free(strays.look);
	memset(&strays, 0, sizeof(strays));
}
