// SPDX-License-Identifier: BSD-3-Clause
//
// What sluice-checkd does with the bytes of an app: messages are cut out of the stream, judged, and good
// targets are subscribed to, changed and given up, under a fake prober. Whatever passes must keep the
// promises that the probes rely on.

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "control/check/record.h"
#include "control/check/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SUBS 8

static void must(bool ok)
{
	if (!ok)
		abort();
}

static bool fake_start(void *arg, struct check_target *t, struct check_result *r)
{
	uint64_t *n = arg;

	// A request is built of these without a further look.
	must(t->check.timeout_ms >= 10 && t->check.timeout_ms <= t->check.interval_ms);
	must(t->addr.family == 4 || t->addr.family == 6);
	must((t->port != 0) != (t->check.kind == CTL_CHECK_ICMP));
	must(t->check.kind != CTL_CHECK_NONE);
	must(t->check.send_size <= sizeof(t->check.send));
	must(t->check.expect_size <= sizeof(t->check.expect));
	if (t->check.kind == CTL_CHECK_TLS || t->check.kind == CTL_CHECK_HTTPS) {
		must(strpbrk(t->check.server_name, "/:@ \r\n") == NULL);
		must(strlen(t->check.ca_file) < sizeof(t->check.ca_file));
	}
	if (t->check.kind == CTL_CHECK_HTTP || t->check.kind == CTL_CHECK_HTTPS) {
		must(t->check.path[0] == '/' && strpbrk(t->check.path, " \r\n") == NULL);
		must(strpbrk(t->check.host, " \r\n") == NULL);
		must(strlen(t->check.body) < sizeof(t->check.body));
	}
	r->ok = ++*n % 3 != 0;
	return *n % 5 != 0;
}

static void fake_cancel(void *arg, struct check_target *t)
{
	(void)arg;
	(void)t;
}

static void fake_tell(void *arg, struct check_sub *sub, bool news)
{
	(void)arg;
	(void)news;
	must(sub->target != NULL);
}

static void fake_wake(void *arg)
{
	(void)arg;
}

static int take(const struct ctl_hdr *h, const uint8_t *payload, struct check_engine *e,
		struct check_sub *sub, uint64_t now_us, char *why)
{
	struct ctl_target t, agent;
	struct ctl_ack ack;
	uint64_t id;

	switch (h->type) {
	case CTL_HELLO:
		return check_hello_check(payload, h->size, "lb", why);
	case CTL_TARGET:
		if (check_target_check(payload, h->size, &t, &agent, why) != 0)
			return -1;
		if (agent.check.kind != CTL_CHECK_NONE &&
		    check_subscribe(e, &sub[SUBS + t.rec.id % SUBS], &agent, now_us) != 0)
			return -1;
		return t.check.kind == CTL_CHECK_NONE
			       ? 0
			       : check_subscribe(e, &sub[t.rec.id % SUBS], &t, now_us);
	case CTL_TARGET_DEL:
		if (check_target_del_check(payload, h->size, &id, why) != 0)
			return -1;
		check_unsubscribe(e, &sub[id % SUBS]);
		check_unsubscribe(e, &sub[SUBS + id % SUBS]);
		return 0;
	case CTL_ACK:
		return check_ack_check(payload, h->size, &ack, why);
	default:
		return -1;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t starts = 0, now_us = 1;
	const struct check_ops ops = {.start = fake_start,
				      .cancel = fake_cancel,
				      .tell = fake_tell,
				      .wake = fake_wake,
				      .arg = &starts};
	struct check_sub sub[2 * SUBS] = {0};
	struct check_engine *e;
	char why[CHECK_WHY];
	struct ctl_hdr h;
	int len;

	must(check_engine_create(&ops, 1, &e) == 0);
	while ((len = check_msg_peek(data, size, &h, why)) > 0) {
		if (check_msg_padding(data, &h, why) != 0 ||
		    take(&h, data + sizeof(h), e, sub, now_us, why) != 0)
			break;
		now_us += 700000;
		check_engine_run(e, now_us);
		data += len;
		size -= (size_t)len;
	}
	for (unsigned i = 0; i < 2 * SUBS; i++)
		check_unsubscribe(e, &sub[i]);
	must(check_engine_targets(e) == 0 && check_engine_running(e) == 0);
	check_engine_destroy(e);
	return 0;
}
