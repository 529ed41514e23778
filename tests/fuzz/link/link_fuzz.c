// SPDX-License-Identifier: BSD-3-Clause
//
// The daemon's end of the control link against any bytes an app may send: each input is the whole of what
// comes over a real socket after we connected. Once the HELLO in it is good, a transaction (seq 2, 3),
// a commit (4) and a query (5) are open, so that answers to them reach all of link.c.

#include "control/link/link.h"

#include <event2/event.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct event_base *base;
static char dir[] = "/dev/shm/sluice-link-fuzz-XXXXXX";
static struct sockaddr_un addr = {.sun_family = AF_UNIX};
static int listener = -1;
static struct link *current;
static int down;

static void on_ack(void *arg, int rc, const struct ctl_ack *ack)
{
	// What was handed on is well formed.
	if (rc == 0 && !ack)
		abort();
	if (ack && memchr(ack->message, 0, sizeof(ack->message)) == NULL)
		abort();
}

static void on_answer(void *arg, int rc, const char *json, size_t size)
{
	if (rc == 0 && strlen(json) != size)
		abort();
}

static void on_up(void *arg, uint64_t applied, const uint8_t datastore[16])
{
	struct ctl_rec rec = {.type = CTL_REC_POOL, .size = sizeof(rec), .id = 1};

	link_begin(current, applied, applied + 1);
	link_delete(current, rec.type, rec.id);
	link_prepare(current, applied + 1, 1000, on_ack, NULL);
	link_commit(current, applied + 1, 1000, on_ack, NULL);
	link_query(current, "state", NULL, 1000, on_answer, NULL);
}

static void on_down(void *arg, bool was_up, const char *why)
{
	down = 1;
	event_base_loopbreak(base);
}

static void on_event(void *arg, const struct ctl_event *e)
{
	if (memchr(e->message, 0, sizeof(e->message)) == NULL)
		abort();
}

static void clean_up(void)
{
	close(listener);
	unlink(addr.sun_path);
	rmdir(dir);
	event_base_free(base);
}

static void init(void)
{
	base = event_base_new();
	if (!base || !mkdtemp(dir))
		abort();
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/lb.ctl", dir);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || bind(listener, (struct sockaddr *)&addr, sizeof(addr)) != 0 ||
	    listen(listener, 4) != 0)
		abort();
	atexit(clean_up);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct link_ops ops = {on_up, on_down, on_event};
	struct link_conf conf = {
		.base = NULL, .run_dir = dir, .instance = "lb", .retry_min_ms = 60000};
	int fd;

	if (!base)
		init();
	conf.base = base;
	down = 0;
	if (size > 64 * 1024 || link_create(&conf, &ops, NULL, &current) != 0)
		return 0;
	event_base_loop(base, EVLOOP_NONBLOCK); // connects
	fd = accept(listener, NULL, NULL);
	if (fd < 0)
		abort();
	while (size > 0) {
		ssize_t n = send(fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n > 0) {
			data += n;
			size -= (size_t)n;
		}
		event_base_loop(base, EVLOOP_NONBLOCK);
		if (down)
			break;
	}
	shutdown(fd, SHUT_WR);
	while (!down)
		event_base_loop(base, EVLOOP_ONCE);
	close(fd);
	link_destroy(current);
	return 0;
}
