// SPDX-License-Identifier: BSD-3-Clause
//
// The link through a socketpair, with an app that only notes what it is told.

#include "dataplane/ctl/server.h"
#include "tests/unit/dataplane/ctl/fake_loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static char dir[64];
static struct loop *loop;
static struct ctl_link *server;

static struct {
	unsigned begun, upserts, deletes, prepared, committed, aborted, verdicts, restored;
	uint64_t in_force; // what commit said
	int refuse_prepare, refuse_upsert;
	uint64_t ids; // bit mask of records after commit
	uint64_t pending;
	size_t answer; // bytes of an answer
} app;

static int app_begin(void *arg, uint64_t base, uint64_t target)
{
	app.begun++;
	app.pending = base == 0 ? 0 : app.ids;
	return 0;
}

static int app_upsert(void *arg, const struct ctl_rec *rec, struct ctl_ack *ack)
{
	app.upserts++;
	if (app.refuse_upsert != 0) {
		strcpy(ack->field, "weight");
		strcpy(ack->message, "no");
		return app.refuse_upsert;
	}
	app.pending |= UINT64_C(1) << rec->id;
	return 0;
}

static int app_del(void *arg, uint16_t type, uint64_t id, struct ctl_ack *ack)
{
	app.deletes++;
	app.pending &= ~(UINT64_C(1) << id);
	return 0;
}

static int app_prepare(void *arg, uint64_t target, struct ctl_ack *ack)
{
	if (app.refuse_prepare != 0) {
		ack->tag = CTL_TAG_RESOURCE_DENIED;
		strcpy(ack->message, "full");
		return app.refuse_prepare;
	}
	app.prepared++;
	return 0;
}

static void app_commit(void *arg, uint64_t target)
{
	app.committed++;
	app.in_force = target;
	app.ids = app.pending;
}

static void app_abort(void *arg)
{
	app.aborted++;
}

static int app_query(void *arg, const char *name, const char *args, char **json)
{
	if (strcmp(name, "echo") == 0) {
		*json = strdup(args);
		return 0;
	}
	if (strcmp(name, "big") == 0) {
		*json = malloc(app.answer + 1);
		memset(*json, 'x', app.answer);
		(*json)[app.answer] = '\0';
		return 0;
	}
	return -ENOENT;
}

static int app_verdict(void *arg, const struct ctl_verdict *v)
{
	app.verdicts++;
	return v->server == 9 ? 0 : -ENOENT;
}

static void app_targets(void *arg, void (*emit)(void *, const struct ctl_target *), void *ctx)
{
	struct ctl_target t = {.rec = {.type = CTL_REC_SERVER, .size = sizeof(t), .id = 9}};

	emit(ctx, &t);
}

static struct ctl_pool pool_record(uint64_t id)
{
	struct ctl_pool p = {.rec = {.type = CTL_REC_POOL, .size = sizeof(p), .id = id},
			     .name = "web",
			     .scheduler = CTL_SCHED_WRR,
			     .hash_key = CTL_HASH_SOURCE_PORT,
			     .min_available = 1,
			     .on_down = CTL_ON_DOWN_RESET};
	return p;
}

static void app_records(void *arg, void (*emit)(void *, const struct ctl_rec *), void *ctx)
{
	for (uint64_t id = 1; id < 64; id++) {
		struct ctl_pool p = pool_record(id);

		if (app.ids & UINT64_C(1) << id)
			emit(ctx, &p.rec);
	}
}

static void app_privates(void *arg, void (*emit)(void *, const struct ctl_rec *), void *ctx)
{
	struct {
		struct ctl_rec rec;
		uint64_t value;
	} r = {.rec = {.type = CTL_REC_PRIVATE + 1, .size = sizeof(r), .id = 5}, .value = 77};

	emit(ctx, &r.rec);
}

static int app_restore(void *arg, const struct ctl_rec *rec)
{
	assert_int_equal(rec->id, 5);
	assert_int_equal(app.begun, 0); // before any transaction
	app.restored++;
	return 0;
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
	.records = app_records,
	.privates = app_privates,
	.restore = app_restore,
};

// ---- a peer -----------------------------------------------------------------------------------

static int connect_peer(void)
{
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	assert_int_equal(ctl_link_adopt(server, fd[0]), 0);
	return fd[1];
}

static size_t frame(uint8_t *out, uint16_t type, uint32_t seq, const void *payload, size_t size)
{
	struct ctl_hdr h = {.len = (uint32_t)((sizeof(h) + size + 7) & ~7u),
			    .type = type,
			    .seq = seq,
			    .size = (uint32_t)size};

	memset(out, 0, h.len);
	memcpy(out, &h, sizeof(h));
	if (size > 0)
		memcpy(out + sizeof(h), payload, size);
	return h.len;
}

static void say(int fd, uint16_t type, uint32_t seq, const void *payload, size_t size)
{
	uint8_t buf[4096];
	size_t n = frame(buf, type, seq, payload, size);

	assert_int_equal(send(fd, buf, n, MSG_NOSIGNAL), (ssize_t)n);
	fake_loop_settle(loop);
}

// The next message, its payload in *payload. Returns its type, 0: nothing there, -1: closed.
static int hear(int fd, struct ctl_hdr *h, void *payload, size_t size)
{
	static uint8_t buf[CTL_MSG_MAX];
	ssize_t n = recv(fd, h, sizeof(*h), MSG_DONTWAIT);

	if (n <= 0)
		return n == 0 || errno == ECONNRESET ? -1 : 0;
	assert_int_equal(n, sizeof(*h));
	assert_true(h->len <= CTL_MSG_MAX);
	for (size_t got = 0; got < h->len - sizeof(*h); got += (size_t)n) {
		n = recv(fd, buf + got, h->len - sizeof(*h) - got, MSG_DONTWAIT);
		if (n <= 0) {
			fake_loop_settle(loop);
			n = 0;
		}
	}
	if (payload != NULL)
		memcpy(payload, buf, size < h->size ? size : h->size);
	return h->type;
}

static struct ctl_ack hear_ack(int fd, uint32_t seq)
{
	struct ctl_ack a;
	struct ctl_hdr h;

	assert_int_equal(hear(fd, &h, &a, sizeof(a)), CTL_ACK);
	assert_int_equal(h.seq, seq);
	return a;
}

static int hello(uint16_t role)
{
	struct ctl_hello m = {
		.magic = CTL_MAGIC, .version = CTL_VERSION, .role = role, .instance = "lb"};
	int fd = connect_peer();
	struct ctl_hdr h;

	say(fd, CTL_HELLO, 1, &m, sizeof(m));
	assert_int_equal(hear(fd, &h, &m, sizeof(m)), CTL_HELLO);
	assert_int_equal(m.role, CTL_ROLE_APP);
	assert_int_equal(m.applied, ctl_link_applied(server));
	return fd;
}

static void say_version(int fd, uint16_t type, uint32_t seq, uint64_t version)
{
	struct ctl_version v = {version};

	say(fd, type, seq, &v, sizeof(v));
}

static void say_begin(int fd, uint64_t base, uint64_t target)
{
	struct ctl_begin b = {.base = base, .target = target, .datastore = "datastore-of-it"};

	say(fd, CTL_BEGIN, 2, &b, sizeof(b));
}

static void say_pool(int fd, uint64_t id)
{
	struct ctl_pool p = pool_record(id);

	say(fd, CTL_UPSERT, 3, &p, sizeof(p));
}

static void transact(int fd, uint64_t base, uint64_t target, uint64_t id)
{
	say_begin(fd, base, target);
	say_pool(fd, id);
	say_version(fd, CTL_PREPARE, 4, target);
	assert_int_equal(hear_ack(fd, 4).result, 0);
	say_version(fd, CTL_COMMIT, 5, target);
	assert_int_equal(hear_ack(fd, 5).result, 0);
}

// Refused with -EPROTO and closed; the server lives.
static void expect_end(int fd)
{
	struct ctl_ack a;
	struct ctl_hdr h;

	assert_int_equal(hear(fd, &h, &a, sizeof(a)), CTL_ACK);
	assert_int_equal(a.result, -EPROTO);
	assert_true(a.message[0] != '\0');
	assert_int_equal(hear(fd, &h, NULL, 0), -1);
	close(fd);
	fake_loop_settle(loop);
}

// ---- set-up -----------------------------------------------------------------------------------

static void start_server(void)
{
	struct ctl_link_conf conf = {
		.run_dir = dir, .lib_dir = dir, .instance = "lb", .control_uid = 12345};

	assert_int_equal(ctl_link_create(loop, &conf, &calls, &server), 0);
}

static int setup(void **state)
{
	memset(&app, 0, sizeof(app));
	snprintf(dir, sizeof(dir), "/dev/shm/sluice-unit-XXXXXX");
	if (mkdtemp(dir) == NULL || loop_create(&loop) != 0)
		return -1;
	start_server();
	return 0;
}

static int teardown(void **state)
{
	static const char *const files[] = {"lb.ctl", "lb.lock", "lb.snapshot", "lb.snapshot.bad"};
	char path[128];

	ctl_link_destroy(server);
	server = NULL;
	assert_int_equal(fake_loop_fds(loop), 0);
	loop_destroy(loop);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		unlink(path);
	}
	return rmdir(dir);
}

// ---- tests ------------------------------------------------------------------------------------

static void a_transaction_is_prepared_and_committed(void **state)
{
	int fd = hello(CTL_ROLE_CONTROL);

	transact(fd, 0, 7, 3);
	assert_int_equal(app.in_force, 7);
	assert_int_equal(ctl_link_applied(server), 7);
	assert_int_equal(app.ids, 1 << 3);
	transact(fd, 7, 8, 4);
	assert_int_equal(app.ids, 1 << 3 | 1 << 4);
	assert_true(ctl_link_connected(server));
	close(fd);
	fake_loop_settle(loop);
	assert_false(ctl_link_connected(server));
}

static void state_comes_back_after_a_restart(void **state)
{
	int fd = hello(CTL_ROLE_CONTROL);

	transact(fd, 0, 7, 3);
	transact(fd, 7, 8, 4);
	close(fd);
	ctl_link_destroy(server);
	memset(&app, 0, sizeof(app));
	start_server();
	assert_int_equal(ctl_link_applied(server), 8);
	assert_int_equal(app.ids, 1 << 3 | 1 << 4);
	assert_int_equal(app.restored, 1);
	assert_int_equal(app.committed, 1); // one transaction, however long the log
	fd = hello(CTL_ROLE_CONTROL);
	transact(fd, 8, 9, 5); // the datastore id came back too
	close(fd);
}

static void an_app_that_refuses_its_snapshot_starts_empty(void **state)
{
	int fd = hello(CTL_ROLE_CONTROL);
	char path[128];

	transact(fd, 0, 7, 3);
	close(fd);
	ctl_link_destroy(server);
	memset(&app, 0, sizeof(app));
	app.refuse_prepare = -ENOMEM;
	start_server();
	assert_int_equal(ctl_link_applied(server), 0);
	assert_int_equal(app.aborted, 1);
	snprintf(path, sizeof(path), "%s/lb.snapshot.bad", dir);
	assert_int_equal(access(path, F_OK), 0);
}

static void a_wrong_base_is_stale(void **state)
{
	int fd = hello(CTL_ROLE_CONTROL);
	struct ctl_begin b = {.base = 7, .target = 8, .datastore = "another-datast"};

	transact(fd, 0, 7, 3);
	say_begin(fd, 6, 8);
	say_pool(fd, 4);
	say_version(fd, CTL_PREPARE, 4, 8);
	assert_int_equal(hear_ack(fd, 4).result, -ESTALE);
	say(fd, CTL_BEGIN, 2, &b, sizeof(b)); // the right number of another datastore
	say_version(fd, CTL_PREPARE, 4, 8);
	assert_int_equal(hear_ack(fd, 4).result, -ESTALE);
	assert_int_equal(app.begun, 1);
	transact(fd, 0, 8, 4);
	assert_int_equal(app.ids, 1 << 4);
	close(fd);
}

static void a_refusal_leaves_the_state_and_names_the_record(void **state)
{
	int fd = hello(CTL_ROLE_CONTROL);
	struct ctl_ack a;

	transact(fd, 0, 7, 3);
	app.refuse_upsert = -EINVAL;
	say_begin(fd, 7, 8);
	say_pool(fd, 4);
	app.refuse_upsert = 0;
	say_pool(fd, 5); // not asked any more
	say_version(fd, CTL_PREPARE, 4, 8);
	a = hear_ack(fd, 4);
	assert_int_equal(a.result, -EINVAL);
	assert_int_equal(a.rec_type, CTL_REC_POOL);
	assert_int_equal(a.rec_id, 4);
	assert_string_equal(a.field, "weight");
	assert_int_equal(a.applied, 7);
	assert_int_equal(app.upserts, 2);
	assert_int_equal(app.aborted, 1);
	say_version(fd, CTL_ABORT, 5, 8); // nothing left to abort: fine
	assert_int_equal(hear_ack(fd, 5).result, 0);
	app.refuse_prepare = -ENOMEM;
	say_begin(fd, 7, 8);
	say_version(fd, CTL_PREPARE, 6, 8);
	a = hear_ack(fd, 6);
	assert_int_equal(a.result, -ENOMEM);
	assert_int_equal(a.tag, CTL_TAG_RESOURCE_DENIED);
	app.refuse_prepare = 0;
	transact(fd, 7, 8, 6);
	close(fd);
}

static void a_value_out_of_range_is_refused_at_prepare(void **state)
{
	int fd = hello(CTL_ROLE_CONTROL);
	struct ctl_pool p = pool_record(4);
	struct ctl_ack a;

	strcpy(p.name, "two words");
	say_begin(fd, 0, 8);
	say(fd, CTL_UPSERT, 3, &p, sizeof(p));
	say_version(fd, CTL_PREPARE, 4, 8);
	a = hear_ack(fd, 4);
	assert_int_equal(a.result, -EINVAL);
	assert_string_equal(a.field, "name");
	assert_int_equal(a.rec_id, 4);
	close(fd);
}

static void what_was_prepared_is_dropped_with_the_link(void **state)
{
	int fd = hello(CTL_ROLE_CONTROL);

	say_begin(fd, 0, 7);
	say_pool(fd, 3);
	say_version(fd, CTL_PREPARE, 4, 7);
	assert_int_equal(hear_ack(fd, 4).result, 0);
	close(fd);
	fake_loop_settle(loop);
	assert_int_equal(app.aborted, 1);
	assert_int_equal(ctl_link_applied(server), 0);
	fd = hello(CTL_ROLE_CONTROL);
	transact(fd, 0, 7, 3);
	close(fd);
}

static void a_newer_control_side_displaces_the_older(void **state)
{
	int old = hello(CTL_ROLE_CONTROL), fd;
	struct ctl_hdr h;

	say_begin(old, 0, 7);
	fd = hello(CTL_ROLE_CONTROL);
	assert_int_equal(app.aborted, 1);
	fake_loop_settle(loop);
	assert_int_equal(hear(old, &h, NULL, 0), -1);
	close(old);
	transact(fd, 0, 7, 3);
	close(fd);
}

static void a_transaction_that_stalls_is_dropped(void **state)
{
	int fd = hello(CTL_ROLE_CONTROL);
	struct ctl_hdr h;

	say_begin(fd, 0, 7);
	fake_loop_advance(loop, 29000);
	fake_loop_settle(loop);
	assert_int_equal(app.aborted, 0);
	fake_loop_advance(loop, 2500);
	fake_loop_settle(loop);
	fake_loop_advance(loop, 2500);
	assert_int_equal(app.aborted, 1);
	assert_int_equal(hear(fd, &h, NULL, 0), -1);
	close(fd);
}

static void a_peer_without_hello_is_dropped(void **state)
{
	int fd = connect_peer();
	struct ctl_hdr h;

	fake_loop_advance(loop, 4000);
	assert_int_equal(hear(fd, &h, NULL, 0), 0);
	fake_loop_advance(loop, 5000);
	assert_int_equal(hear(fd, &h, NULL, 0), -1);
	close(fd);
}

static void half_a_message_is_dropped_in_the_end(void **state)
{
	int fd = hello(CTL_ROLE_CONTROL);
	struct ctl_hdr h = {.len = 64, .type = CTL_QUERY, .size = 48};

	assert_int_equal(send(fd, &h, sizeof(h), 0), sizeof(h));
	fake_loop_settle(loop);
	fake_loop_advance(loop, 32000);
	assert_int_equal(hear(fd, &h, NULL, 0), -1);
	close(fd);
}

static void messages_may_come_byte_by_byte(void **state)
{
	struct ctl_query q = {.name = "echo"};
	uint8_t payload[64], buf[256];
	int fd = hello(CTL_ROLE_CONTROL);
	struct ctl_hdr h;
	size_t n;

	memcpy(payload, &q, sizeof(q));
	memcpy(payload + sizeof(q), "{\"a\":1}", 7);
	n = frame(buf, CTL_QUERY, 9, payload, sizeof(q) + 7);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(hear(fd, &h, NULL, 0), 0);
		assert_int_equal(send(fd, buf + i, 1, 0), 1);
		fake_loop_settle(loop);
	}
	memset(payload, 0, sizeof(payload));
	assert_int_equal(hear(fd, &h, payload, sizeof(payload)), CTL_ANSWER);
	assert_int_equal(h.seq, 9);
	assert_string_equal((char *)payload, "{\"a\":1}");
	close(fd);
}

static void a_long_answer_comes_in_parts(void **state)
{
	struct ctl_query q = {.name = "big"};
	int fd = hello(CTL_ROLE_CONTROL);
	size_t total = 0;
	struct ctl_hdr h;

	app.answer = 1000000;
	say(fd, CTL_QUERY, 9, &q, sizeof(q));
	do {
		fake_loop_settle(loop);
		assert_int_equal(hear(fd, &h, NULL, 0), CTL_ANSWER);
		assert_int_equal(h.seq, 9);
		total += h.size;
	} while (h.flags & CTL_F_MORE);
	assert_int_equal(total, app.answer);
	close(fd);
}

// A peer that asks and never reads gets no further questions read, and is dropped in the end.
static void a_peer_that_does_not_read_is_not_read(void **state)
{
	struct ctl_query q = {.name = "big"};
	int fd = hello(CTL_ROLE_CONTROL), other;
	uint8_t buf[256];
	size_t n = frame(buf, CTL_QUERY, 9, &q, sizeof(q));
	unsigned sent = 0;

	app.answer = 1 << 20;
	while (sent < 20000 && send(fd, buf, n, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)n) {
		fake_loop_settle(loop);
		sent++;
	}
	assert_true(sent < 20000);       // it was held back
	other = hello(CTL_ROLE_CHECKER); // others are served
	close(other);
	fake_loop_advance(loop, 32000);
	fake_loop_settle(loop);
	assert_false(ctl_link_connected(server));
	close(fd);
}

static void an_unknown_query_is_answered(void **state)
{
	struct ctl_query q = {.name = "nonsense"};
	int fd = hello(CTL_ROLE_CONTROL);

	say(fd, CTL_QUERY, 9, &q, sizeof(q));
	assert_int_equal(hear_ack(fd, 9).result, -ENOENT);
	close(fd);
}

static void checkers_get_targets_and_give_verdicts(void **state)
{
	struct ctl_verdict v = {.server = 9, .health = CTL_HEALTH_DOWN, .reason = "refused"};
	struct ctl_target t = {.rec = {.type = CTL_REC_SERVER, .size = sizeof(t), .id = 10}};
	int fd = hello(CTL_ROLE_CHECKER);
	struct ctl_hdr h;

	assert_int_equal(hear(fd, &h, &t, sizeof(t)), CTL_TARGET);
	assert_int_equal(t.rec.id, 9);
	assert_int_equal(hear(fd, &h, NULL, 0), CTL_TARGET_END);
	assert_true(ctl_link_has_checkers(server));
	say(fd, CTL_VERDICT, 5, &v, sizeof(v));
	v.server = 99; // gone a moment ago: no reason to end the link
	say(fd, CTL_VERDICT, 5, &v, sizeof(v));
	assert_int_equal(app.verdicts, 2);
	t.rec.id = 10;
	ctl_link_target(server, &t);
	ctl_link_target_del(server, 9);
	fake_loop_settle(loop);
	assert_int_equal(hear(fd, &h, &t, sizeof(t)), CTL_TARGET);
	assert_int_equal(t.rec.id, 10);
	assert_int_equal(hear(fd, &h, NULL, 0), CTL_TARGET_DEL);
	v.health = 3;
	say(fd, CTL_VERDICT, 5, &v, sizeof(v));
	expect_end(fd);
	assert_int_equal(app.verdicts, 2);
}

static void the_control_side_hears_events(void **state)
{
	struct ctl_event e = {.kind = CTL_EVENT_PORT, .severity = 4, .message = "port is gone"};
	int fd;
	struct ctl_hdr h;

	ctl_link_event(server, &e); // nobody there
	fd = hello(CTL_ROLE_CONTROL);
	ctl_link_event(server, &e);
	fake_loop_settle(loop);
	memset(&e, 0, sizeof(e));
	assert_int_equal(hear(fd, &h, &e, sizeof(e)), CTL_EVENT);
	assert_string_equal(e.message, "port is gone");
	close(fd);
}

static void broken_frames_end_the_connection(void **state)
{
	static const struct ctl_hdr bad[] = {
		{.len = 8, .type = CTL_ABORT, .size = 0},
		{.len = 0, .type = CTL_ABORT, .size = 0},
		{.len = 20, .type = CTL_ABORT, .size = 4},
		{.len = CTL_MSG_MAX + 8, .type = CTL_ABORT, .size = CTL_MSG_MAX - 8},
		{.len = UINT32_MAX, .type = CTL_ABORT, .size = UINT32_MAX},
		{.len = 24, .type = CTL_ABORT, .size = 9},
		{.len = 24, .type = CTL_ABORT, .size = 0},
		{.len = 16, .type = 0, .size = 0},
		{.len = 16, .type = CTL_EVENT + 1, .size = 0},
		{.len = 24, .type = CTL_ABORT, .size = 8, .flags = CTL_F_MORE},
	};
	struct ctl_hdr pad = {.len = 24, .type = CTL_QUERY, .size = 4};
	uint8_t buf[24] = {0};
	int fd;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		fd = hello(CTL_ROLE_CONTROL);
		assert_int_equal(send(fd, &bad[i], sizeof(bad[i]), 0), sizeof(bad[i]));
		fake_loop_settle(loop);
		expect_end(fd);
	}
	memcpy(buf, &pad, sizeof(pad));
	buf[23] = 1; // padding
	fd = hello(CTL_ROLE_CONTROL);
	assert_int_equal(send(fd, buf, sizeof(buf), 0), sizeof(buf));
	fake_loop_settle(loop);
	expect_end(fd);
	fd = hello(CTL_ROLE_CONTROL); // the server lives
	transact(fd, 0, 1, 1);
	close(fd);
}

static void messages_out_of_turn_end_the_connection(void **state)
{
	struct ctl_hello m = {.magic = CTL_MAGIC,
			      .version = CTL_VERSION,
			      .role = CTL_ROLE_CONTROL,
			      .instance = "lb"};
	struct ctl_version v = {7};
	struct ctl_ack a = {0};
	struct ctl_pool p = pool_record(3);
	struct ctl_rec del = {.type = CTL_REC_POOL, .size = sizeof(del), .id = 3};
	int fd;

	fd = connect_peer(); // no HELLO
	say(fd, CTL_ABORT, 1, &v, sizeof(v));
	expect_end(fd);
	fd = hello(CTL_ROLE_CONTROL); // two
	say(fd, CTL_HELLO, 1, &m, sizeof(m));
	expect_end(fd);
	fd = hello(CTL_ROLE_CONTROL);
	say(fd, CTL_COMMIT, 1, &v, sizeof(v));
	expect_end(fd);
	fd = hello(CTL_ROLE_CONTROL);
	say(fd, CTL_PREPARE, 1, &v, sizeof(v));
	expect_end(fd);
	fd = hello(CTL_ROLE_CONTROL);
	say(fd, CTL_UPSERT, 1, &p, sizeof(p));
	expect_end(fd);
	fd = hello(CTL_ROLE_CONTROL);
	say(fd, CTL_DELETE, 1, &del, sizeof(del));
	expect_end(fd);
	fd = hello(CTL_ROLE_CONTROL);
	say(fd, CTL_ACK, 1, &a, sizeof(a));
	expect_end(fd);
	fd = hello(CTL_ROLE_CONTROL);
	say_begin(fd, 0, 7);
	say_begin(fd, 0, 7);
	expect_end(fd);
	fd = hello(CTL_ROLE_CONTROL);
	say_begin(fd, 0, 7);
	say_version(fd, CTL_PREPARE, 1, 8);
	expect_end(fd);
	fd = hello(CTL_ROLE_CHECKER);
	assert_int_equal(recv(fd, &(char[2048]){0}, 2048, 0) > 0, 1);
	say_begin(fd, 0, 7);
	expect_end(fd);
	m.magic++;
	fd = connect_peer();
	say(fd, CTL_HELLO, 1, &m, sizeof(m));
	expect_end(fd);
	m.magic--;
	m.version++;
	fd = connect_peer();
	say(fd, CTL_HELLO, 1, &m, sizeof(m));
	expect_end(fd);
	m.version--;
	strcpy(m.instance, "other");
	fd = connect_peer();
	say(fd, CTL_HELLO, 1, &m, sizeof(m));
	expect_end(fd);
	assert_int_equal(app.begun, app.aborted);
}

static void a_second_process_of_the_instance_is_refused(void **state)
{
	struct ctl_link_conf conf = {.run_dir = dir, .lib_dir = dir, .instance = "lb"};
	struct ctl_link *second = NULL;

	assert_int_equal(ctl_link_create(loop, &conf, &calls, &second), -EADDRINUSE);
	assert_null(second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(a_transaction_is_prepared_and_committed),
		T(state_comes_back_after_a_restart),
		T(an_app_that_refuses_its_snapshot_starts_empty),
		T(a_wrong_base_is_stale),
		T(a_refusal_leaves_the_state_and_names_the_record),
		T(a_value_out_of_range_is_refused_at_prepare),
		T(what_was_prepared_is_dropped_with_the_link),
		T(a_newer_control_side_displaces_the_older),
		T(a_transaction_that_stalls_is_dropped),
		T(a_peer_without_hello_is_dropped),
		T(half_a_message_is_dropped_in_the_end),
		T(messages_may_come_byte_by_byte),
		T(a_long_answer_comes_in_parts),
		T(a_peer_that_does_not_read_is_not_read),
		T(an_unknown_query_is_answered),
		T(checkers_get_targets_and_give_verdicts),
		T(the_control_side_hears_events),
		T(broken_frames_end_the_connection),
		T(messages_out_of_turn_end_the_connection),
		T(a_second_process_of_the_instance_is_refused),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
