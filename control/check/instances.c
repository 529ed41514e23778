// SPDX-License-Identifier: BSD-3-Clause

#include "control/check/instances.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <event2/event.h>

#include "control/check/log.h"
#include "dataplane/ctl/msg.h"

#define APP_MAX 64 // instances at once

struct check_instances {
	struct check_instances_conf conf;
	struct check_app *app[APP_MAX];
	size_t count;
	int inotify_fd;
	int watch; // -1: none, the folder is not there
	struct event *readable, *tick;
	bool full_logged;
};

// "<instance>.ctl": the instance into out, or false.
static bool instance_of(const char *file, char *out, size_t size)
{
	size_t len = strlen(file);

	if (len <= 4 || len - 4 >= size || strcmp(file + len - 4, ".ctl") != 0 || file[0] == '.')
		return false;
	memcpy(out, file, len - 4);
	out[len - 4] = '\0';
	return true;
}

static int add(struct check_instances *in, const char *name)
{
	struct check_app_conf conf = {
		.base = in->conf.base,
		.engine = in->conf.engine,
		.run_dir = in->conf.run_dir,
		.instance = name,
		.wanted = in->conf.name_count > 0,
	};
	int rc;

	if (in->count == APP_MAX) {
		if (!in->full_logged)
			check_log(CHECK_ERR, "more than %u instances; %s is not served", APP_MAX,
				  name);
		in->full_logged = true;
		return -ENOSPC;
	}
	rc = check_app_create(&conf, &in->app[in->count]);
	if (rc == 0)
		in->count++;
	return rc;
}

// A socket's file is there; new says it has just appeared.
static void seen(struct check_instances *in, const char *file, bool new)
{
	char name[CTL_NAME];

	if (!instance_of(file, name, sizeof(name)))
		return;
	for (size_t i = 0; i < in->count; i++) {
		if (strcmp(check_app_instance(in->app[i]), name) == 0) {
			if (new)
				check_app_poke(in->app[i]);
			return;
		}
	}
	if (in->conf.name_count == 0)
		add(in, name);
}

static void scan(struct check_instances *in)
{
	DIR *d = opendir(in->conf.run_dir);
	struct dirent *e;

	if (d == NULL)
		return;
	while ((e = readdir(d)) != NULL)
		seen(in, e->d_name, false);
	closedir(d);
}

static void watch(struct check_instances *in)
{
	if (in->watch < 0)
		in->watch = inotify_add_watch(in->inotify_fd, in->conf.run_dir,
					      IN_CREATE | IN_MOVED_TO | IN_ATTRIB | IN_ONLYDIR);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	struct check_instances *in = arg;
	ssize_t n;

	(void)what;
	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		for (char *p = buf; p < buf + n;) {
			const struct inotify_event *e = (const struct inotify_event *)p;

			if (e->mask & IN_IGNORED) // folder gone; the tick looks for a new one
				in->watch = -1;
			else if (e->mask & IN_Q_OVERFLOW)
				scan(in);
			else if (e->len > 0)
				seen(in, e->name, true);
			p += sizeof(*e) + e->len;
		}
	}
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct check_instances *in = arg;

	(void)fd;
	(void)what;
	watch(in);
	scan(in);
	for (size_t i = 0; i < in->count;) {
		if (!check_app_forgotten(in->app[i])) {
			i++;
			continue;
		}
		check_app_destroy(in->app[i]);
		in->app[i] = in->app[--in->count];
		in->full_logged = false;
	}
}

int check_instances_create(const struct check_instances_conf *conf, struct check_instances **out)
{
	static const struct timeval second = {.tv_sec = 1};
	struct check_instances *in = calloc(1, sizeof(*in));
	int rc = -ENOMEM;

	if (in == NULL)
		return -ENOMEM;
	in->conf = *conf;
	in->watch = -1;
	in->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (in->inotify_fd < 0) {
		rc = -errno;
		goto err_destroy;
	}
	in->readable = event_new(conf->base, in->inotify_fd, EV_READ | EV_PERSIST, on_readable, in);
	in->tick = event_new(conf->base, -1, EV_PERSIST, on_tick, in);
	if (in->readable == NULL || in->tick == NULL || event_add(in->readable, NULL) != 0 ||
	    event_add(in->tick, &second) != 0)
		goto err_destroy;
	for (size_t i = 0; i < conf->name_count; i++) {
		rc = add(in, conf->names[i]);
		if (rc != 0)
			goto err_destroy;
	}
	watch(in);
	scan(in);
	*out = in;
	return 0;

err_destroy:
	check_instances_destroy(in);
	return rc;
}

void check_instances_destroy(struct check_instances *in)
{
	if (in == NULL)
		return;
	for (size_t i = 0; i < in->count; i++)
		check_app_destroy(in->app[i]);
	if (in->readable != NULL)
		event_free(in->readable);
	if (in->tick != NULL)
		event_free(in->tick);
	if (in->inotify_fd >= 0)
		close(in->inotify_fd);
	free(in);
}

void check_instances_log(const struct check_instances *in)
{
	for (size_t i = 0; i < in->count; i++)
		check_log(CHECK_NOTICE, "%s: %s, %zu servers", check_app_instance(in->app[i]),
			  check_app_connected(in->app[i]) ? "linked" : "away",
			  check_app_targets(in->app[i]));
}
