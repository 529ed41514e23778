// SPDX-License-Identifier: BSD-3-Clause
//
// instances - which apps there are: one link (app.h) for every <run>/*.ctl, found by inotify as it
// appears and, should an event be lost or the folder be made anew, by a look once a second.
#pragma once

#include <stddef.h>

#include "control/check/app.h"

struct check_instances;

struct check_instances_conf {
	struct event_base *base;
	struct check_engine *engine;
	const char *run_dir;
	const char *const *names; // only these; NULL: all that appear
	size_t name_count;
};

// Errors: -ENOMEM, -ENAMETOOLONG, or what inotify gave. Thread: init
int check_instances_create(const struct check_instances_conf *conf, struct check_instances **out);
void check_instances_destroy(struct check_instances *in);

// Say in the log what is linked and checked. Thread: control
void check_instances_log(const struct check_instances *in);
