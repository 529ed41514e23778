// SPDX-License-Identifier: BSD-3-Clause
//
// txn - walks the plan (plan.c): one module after another, each with a deadline.
//
// A call to a module is a struct call of its own on the heap. It is freed by whoever is later, the
// module's done or the deadline, so a done that comes too late finds its call marked dead and touches
// nothing of the transaction that follows.

#include "control/txn/txn_priv.h"

#include <event2/event.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum step { STEP_IDLE, STEP_PREPARE, STEP_PREPARED, STEP_COMMIT, STEP_ABORT };

struct call {
	bool dead;
};

static struct {
	enum step step;
	struct event_base *base;
	const struct txn_change *change;
	txn_done_fn done;
	void *arg;
	unsigned index; // module that works now
	struct call *call;
	struct event *timer;
	struct txn_result result;
} txn;

static unsigned deadline_ms = (TXN_DEADLINE_S + 2) * 1000;

static void prepare_next(void);
static void commit_next(void);
static void abort_next(void);

void txn_set_deadline(unsigned ms)
{
	deadline_ms = ms ? ms : (TXN_DEADLINE_S + 2) * 1000;
}

int txn_refuse(struct txn_result *r, int rc, const char *tag, const char *app_tag, const char *path,
	       const char *format, ...)
{
	struct txn_error *e;
	va_list ap;

	if (r->result == 0)
		r->result = rc ? rc : -EINVAL;
	if (r->error_count == TXN_ERROR_MAX)
		return r->result;
	e = &r->error[r->error_count++];
	e->tag = tag;
	e->app_tag = app_tag;
	snprintf(e->path, sizeof(e->path), "%s", path ? path : "");
	va_start(ap, format);
	vsnprintf(e->message, sizeof(e->message), format, ap);
	va_end(ap);
	return r->result;
}

void txn_warn(struct txn_result *r, const char *format, ...)
{
	va_list ap;

	if (r->warning_count == TXN_WARNING_MAX)
		return;
	va_start(ap, format);
	vsnprintf(r->warning[r->warning_count++], sizeof(r->warning[0]), format, ap);
	va_end(ap);
}

// Add what a module found to the whole.
static void result_add(struct txn_result *to, const struct txn_result *from)
{
	for (unsigned i = 0; i < from->error_count && to->error_count < TXN_ERROR_MAX; i++)
		to->error[to->error_count++] = from->error[i];
	for (unsigned i = 0; i < from->warning_count && to->warning_count < TXN_WARNING_MAX; i++)
		memcpy(to->warning[to->warning_count++], from->warning[i], sizeof(to->warning[0]));
	if (from->result != 0 && to->result == 0)
		to->result = from->result;
	if (to->result != 0 && to->error_count == 0)
		txn_refuse(to, to->result, "operation-failed", NULL, "", "the change failed: %s",
			   strerror(-to->result));
}

int txn_check(const struct txn_change *c, struct txn_result *r)
{
	memset(r, 0, sizeof(*r));
	for (unsigned i = 0; i < txn_plan_count(); i++) {
		int rc = txn_plan_get(i)->check(c, r);

		if (rc != 0 && r->error_count == 0)
			txn_refuse(r, rc, "operation-failed", NULL, "",
				   "module %s refuses the change: %s", txn_plan_get(i)->name,
				   strerror(-rc));
		if (rc != 0 && r->result == 0)
			r->result = rc;
	}
	return r->result;
}

// The transaction's present step is over: answer the caller.
static void finish(enum step next)
{
	txn_done_fn done = txn.done;

	txn.step = next;
	txn.done = NULL;
	if (next == STEP_IDLE)
		txn.change = NULL;
	done(txn.arg, &txn.result);
}

static void call_end(void)
{
	txn.call = NULL;
	if (txn.timer)
		event_del(txn.timer);
}

static void on_done(void *arg, const struct txn_result *r)
{
	struct call *call = arg;

	if (call->dead) {
		free(call);
		return;
	}
	free(call);
	call_end();
	switch (txn.step) {
	case STEP_PREPARE:
		result_add(&txn.result, r);
		if (r->result == 0) {
			txn.index++;
			prepare_next();
			return;
		}
		txn.step = STEP_ABORT;
		abort_next();
		return;
	case STEP_COMMIT:
		// Past the commit point: what a module calls an error is at most a warning.
		for (unsigned i = 0; i < r->warning_count; i++)
			txn_warn(&txn.result, "%s", r->warning[i]);
		for (unsigned i = 0; i < r->error_count; i++)
			txn_warn(&txn.result, "%.250s", r->error[i].message);
		txn.index++;
		commit_next();
		return;
	case STEP_ABORT:
		abort_next();
		return;
	default:
		return;
	}
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	const struct txn_module *m = txn_plan_get(txn.index);

	(void)fd;
	(void)what;
	(void)arg;
	txn.call->dead = true;
	call_end();
	switch (txn.step) {
	case STEP_PREPARE:
		txn_refuse(&txn.result, -ETIMEDOUT, "operation-failed", NULL, "",
			   "module %s did not prepare the change in time", m->name);
		txn.step = STEP_ABORT;
		txn.index++; // the silent module is aborted too
		abort_next();
		return;
	case STEP_COMMIT:
		txn_warn(&txn.result, "module %s has not yet confirmed the change", m->name);
		txn.index++;
		commit_next();
		return;
	case STEP_ABORT:
		txn_warn(&txn.result, "module %s has not yet confirmed that it dropped the change",
			 m->name);
		abort_next();
		return;
	default:
		return;
	}
}

static void call_module(void (*fn)(const struct txn_change *, txn_done_fn, void *))
{
	struct timeval tv = {.tv_sec = deadline_ms / 1000, .tv_usec = deadline_ms % 1000 * 1000};
	struct call *call = calloc(1, sizeof(*call));

	if (!call)
		abort(); // a few bytes: the machine is lost, and the journal is whole
	txn.call = call;
	if (txn.timer)
		event_add(txn.timer, &tv);
	fn(txn.change, on_done, call);
}

static void prepare_next(void)
{
	if (txn.index == txn_plan_count()) {
		finish(STEP_PREPARED);
		return;
	}
	call_module(txn_plan_get(txn.index)->prepare);
}

static void commit_next(void)
{
	if (txn.index == txn_plan_count()) {
		finish(STEP_IDLE);
		return;
	}
	call_module(txn_plan_get(txn.index)->commit);
}

static void abort_next(void)
{
	if (txn.index == 0) {
		finish(STEP_IDLE);
		return;
	}
	txn.index--;
	call_module(txn_plan_get(txn.index)->abort);
}

static void refuse_now(txn_done_fn done, void *arg, int rc, const char *tag, const char *message)
{
	struct txn_result *r = calloc(1, sizeof(*r));

	if (!r)
		abort();
	txn_refuse(r, rc, tag, NULL, "", "%s", message);
	done(arg, r);
	free(r);
}

void txn_prepare(struct event_base *base, const struct txn_change *c, txn_done_fn done, void *arg)
{
	if (txn.step != STEP_IDLE) {
		refuse_now(done, arg, -EBUSY, "in-use", "another change is being made");
		return;
	}
	if (!txn.timer || txn.base != base) {
		if (txn.timer)
			event_free(txn.timer);
		txn.base = base;
		txn.timer = event_new(base, -1, 0, on_deadline, NULL);
		if (!txn.timer) {
			refuse_now(done, arg, -ENOMEM, "resource-denied", "out of memory");
			return;
		}
	}
	txn.change = c;
	txn.done = done;
	txn.arg = arg;
	txn.index = 0;
	txn.step = STEP_PREPARE;
	if (txn_check(c, &txn.result) != 0) {
		finish(STEP_IDLE);
		return;
	}
	prepare_next();
}

// Is this change prepared, so that it can be ended? If not, the caller is told.
static bool go_on(const struct txn_change *c, txn_done_fn done, void *arg)
{
	if (txn.step != STEP_PREPARED || txn.change != c) {
		refuse_now(done, arg, -EINVAL, "operation-failed", "this change is not prepared");
		return false;
	}
	memset(&txn.result, 0, sizeof(txn.result));
	txn.done = done;
	txn.arg = arg;
	return true;
}

void txn_commit(const struct txn_change *c, txn_done_fn done, void *arg)
{
	if (!go_on(c, done, arg))
		return;
	txn.index = 0;
	txn.step = STEP_COMMIT;
	commit_next();
}

void txn_abort(const struct txn_change *c, txn_done_fn done, void *arg)
{
	if (!go_on(c, done, arg))
		return;
	txn.index = txn_plan_count();
	txn.step = STEP_ABORT;
	abort_next();
}

// ---- state: any number of collections at once, each an object of its own ---------------------

struct collect {
	struct lyd_node **tree;
	txn_done_fn done;
	void *arg;
	unsigned index;
	struct txn_result result;
};

static void collect_next(struct collect *c);

static void on_state(void *arg, const struct txn_result *r)
{
	struct collect *c = arg;

	for (unsigned i = 0; i < r->warning_count; i++)
		txn_warn(&c->result, "%s", r->warning[i]);
	for (unsigned i = 0; i < r->error_count; i++)
		txn_warn(&c->result, "%.250s", r->error[i].message);
	c->index++;
	collect_next(c);
}

static void collect_next(struct collect *c)
{
	if (c->index == txn_plan_count()) {
		c->done(c->arg, &c->result);
		free(c);
		return;
	}
	txn_plan_get(c->index)->state(c->tree, on_state, c);
}

void txn_state(struct lyd_node **tree, txn_done_fn done, void *arg)
{
	struct collect *c = calloc(1, sizeof(*c));

	if (!c) {
		refuse_now(done, arg, -ENOMEM, "resource-denied", "out of memory");
		return;
	}
	c->tree = tree;
	c->done = done;
	c->arg = arg;
	collect_next(c);
}

void txn_unregister_all(void)
{
	txn_plan_clear();
	if (txn.timer)
		event_free(txn.timer);
	if (txn.call)
		txn.call->dead = true;
	memset(&txn, 0, sizeof(txn));
}
