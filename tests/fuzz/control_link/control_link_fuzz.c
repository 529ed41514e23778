// SPDX-License-Identifier: BSD-3-Clause
//
// Hostile bytes on the control link: the whole server over a socketpair, with an app that accepts what
// is well formed and looks at every byte of it.
//
// Input: 1 byte (bit 0: a good HELLO as control side comes first, bit 1: as checker, bits 2..: size of
// the pieces in which the rest arrives, 0 = whole), then the bytes of the peer.

#include "dataplane/ctl/server.h"
#include "tests/unit/dataplane/ctl/fake_loop.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_log.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct loop *loop;
static struct ctl_link *server;
static char dir[64];
static bool open_txn;
static volatile unsigned sum; // so that no read is optimised away

static void touch(const void *p, size_t n)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < n; i++)
		sum += b[i];
}

static void must(bool ok)
{
	if (!ok)
		abort();
}

static int app_begin(void *arg, uint64_t base, uint64_t target)
{
	must(!open_txn && target != 0);
	open_txn = target % 7 != 0;
	return open_txn ? 0 : -ENOMEM;
}

static int app_upsert(void *arg, const struct ctl_rec *rec, struct ctl_ack *ack)
{
	must(open_txn && rec->id != 0 && rec->size == ctl_record_size(rec->type));
	touch(rec, rec->size);
	return rec->id % 13 == 0 ? -EINVAL : 0;
}

static int app_del(void *arg, uint16_t type, uint64_t id, struct ctl_ack *ack)
{
	must(open_txn && ctl_record_size(type) != 0);
	return id % 13 == 0 ? -ENOENT : 0;
}

static int app_prepare(void *arg, uint64_t target, struct ctl_ack *ack)
{
	must(open_txn);
	return target % 11 == 0 ? -ENOMEM : 0;
}

static void app_commit(void *arg, uint64_t target)
{
	must(open_txn);
	open_txn = false;
}

static void app_abort(void *arg)
{
	must(open_txn);
	open_txn = false;
}

static int app_query(void *arg, const char *name, const char *args, char **json)
{
	touch(name, strlen(name));
	*json = strdup(args);
	return *json == NULL ? -ENOMEM : name[0] == 'x' ? -EINVAL : 0;
}

static int app_verdict(void *arg, const struct ctl_verdict *v)
{
	must(v->health <= CTL_HEALTH_DOWN);
	touch(v->reason, strlen(v->reason));
	return v->server % 2 ? 0 : -ENOENT;
}

static void app_targets(void *arg, void (*emit)(void *, const struct ctl_target *), void *ctx)
{
	struct ctl_target t = {.rec = {.type = CTL_REC_SERVER, .size = sizeof(t), .id = 9}};

	emit(ctx, &t);
}

static const struct ctl_app calls = {
	.begin = app_begin,
	.upsert = app_upsert,
	.del = app_del,
	.prepare = app_prepare,
	.commit = app_commit,
	.abort = app_abort,
	.query = app_query,
	.verdict = app_verdict,
	.targets = app_targets,
};

static void clean_up(void)
{
	static const char *const files[] = {"lb.ctl", "lb.lock", "lb.snapshot", "lb.snapshot.new"};
	char path[128];

	ctl_link_destroy(server);
	loop_destroy(loop);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		unlink(path);
	}
	rmdir(dir);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct ctl_link_conf conf = {.run_dir = dir, .lib_dir = dir, .instance = "lb"};

	rte_log_set_global_level(RTE_LOG_EMERG);
	snprintf(dir, sizeof(dir), "/dev/shm/sluice-fuzz-XXXXXX");
	must(mkdtemp(dir) != NULL && loop_create(&loop) == 0);
	must(ctl_link_create(loop, &conf, &calls, &server) == 0);
	atexit(clean_up);
	return 0;
}

// What the server says must be well framed.
static void drain(int fd)
{
	static uint8_t buf[65536];

	while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		fake_loop_settle(loop);
}

static void feed(int fd, const uint8_t *data, size_t size, size_t piece)
{
	while (size > 0) {
		size_t n = piece == 0 || piece > size ? size : piece;
		ssize_t sent = send(fd, data, n, MSG_DONTWAIT | MSG_NOSIGNAL);

		fake_loop_settle(loop);
		drain(fd);
		if (sent < 0 && errno == EAGAIN)
			continue;
		if (sent <= 0)
			return; // closed: it had enough
		data += sent;
		size -= (size_t)sent;
	}
}

static void say_hello(int fd, uint16_t role)
{
	struct {
		struct ctl_hdr h;
		struct ctl_hello m;
	} x = {
		.h = {.len = sizeof(x), .type = CTL_HELLO, .seq = 1, .size = sizeof(x.m)},
		.m = {.magic = CTL_MAGIC, .version = CTL_VERSION, .role = role, .instance = "lb"},
	};

	feed(fd, (const uint8_t *)&x, sizeof(x), 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd[2];

	if (size == 0)
		return 0;
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd) == 0);
	must(ctl_link_adopt(server, fd[0]) == 0);
	if (data[0] & 1)
		say_hello(fd[1], CTL_ROLE_CONTROL);
	else if (data[0] & 2)
		say_hello(fd[1], CTL_ROLE_CHECKER);
	feed(fd[1], data + 1, size - 1, data[0] >> 2);
	close(fd[1]);
	fake_loop_settle(loop);
	must(!open_txn); // dropped with its link
	must(!ctl_link_connected(server) && !ctl_link_has_checkers(server));
	must(fake_loop_fds(loop) == 1); // the listener
	return 0;
}
