// SPDX-License-Identifier: BSD-3-Clause
//
// apps - which app gets what, and when: its part of a transaction, or a resync from the store.
//
// An app that has version V of our datastore in force is brought to another by a delta if its records
// have not changed since V but by the delta itself, and by everything from base 0 otherwise. Who has no
// part in a change is told the new version alone, after the commit, so that its next delta fits.
//
//	up ---> applied == version? nothing : sync
//	sync:   BEGIN records PREPARE -> ACK 0 -> COMMIT       (applied = version when COMMIT is sent)
//	                              -> ACK error -> ABORT    (refused: alarm, tried again later)
//
// A transaction takes precedence: a sync that is being prepared for one of its apps is aborted, new ones
// wait until it is over. Whoever is away, hangs, or has refused the configuration before does not stop
// others (require-all does); a refusal of an app that was in step fails the change.

#include "control/net/net_priv.h"

#include "control/link/link.h"

#include <event2/event.h>
#include <libyang/libyang.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SYNC_MS        30000 // an app may take longer for everything than for one change
#define REFUSED_MIN_MS 5000  // pause before a refused configuration is tried again
#define REFUSED_MAX_MS 60000

enum role { ROLE_NONE, ROLE_CONNECTING, ROLE_PREPARING, ROLE_PREPARED, ROLE_AWAY, ROLE_LOST };
enum work { WORK_NONE, WORK_PREPARE, WORK_COMMIT };

struct net_app {
	struct net_inst *inst;
	struct link *link;
	bool up;
	bool told;    // has, or may have, a configuration of ours in force
	bool stray;   // found on the machine, not in the configuration (strays.c)
	bool dying;   // to be destroyed from the event loop
	bool refused; // its last resync
	bool was_delta;
	uint64_t applied; // version in force there, 0: none or of another datastore
	uint64_t changed; // its records are the same since this version
	enum work work;   // resync
	uint64_t work_target;
	enum role role; // in the transaction
	char why[160];  // why it is away
	bool said_away; // the alarm is raised; not yet where it failed before its change was committed
	char error_path[512];
	char error_message[512];
	struct event *again; // after a refusal
	unsigned again_ms;
};

static struct {
	struct event_base *base;
	struct event *sweep; // sync and reap, from the event loop
	char run_dir[96];
	uint8_t datastore[16];
	uint64_t version;
	unsigned deadline_ms;
	// the transaction
	bool active;
	const struct txn_change *change;
	struct net_delta *delta;
	txn_done_fn done;
	void *arg;
	bool sending; // calls are being made: do not finish from within
	uint64_t start_ms;
	struct txn_result result;
} net;

static void app_sync(struct net_app *app);
static void prepare_step(void);
static void commit_step(void);

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static unsigned left_ms(void)
{
	uint64_t spent = now_ms() - net.start_ms;

	return spent >= net.deadline_ms ? 1 : net.deadline_ms - (unsigned)spent;
}

static void sweep_soon(void)
{
	event_active(net.sweep, EV_TIMEOUT, 0);
}

uint64_t net_apps_version(void)
{
	return net.version;
}

struct link *net_app_link(const struct net_inst *inst)
{
	return inst->app && inst->app->up ? inst->app->link : NULL;
}

uint64_t net_app_applied(const struct net_inst *inst)
{
	return inst->app ? inst->app->applied : 0;
}

// ---- records to an app -----------------------------------------------------------------------

static bool item_is_of(const struct net_item *item, const struct net_inst *inst)
{
	const struct net_entry *e = item->new ? item->new : item->old;

	return e && e->inst == inst;
}

static bool delta_touches(const struct net_delta *d, const struct net_inst *inst)
{
	for (size_t i = 0; i < d->count; i++) {
		if (item_is_of(&d->item[i], inst))
			return true;
	}
	return false;
}

// Will there be a load-balancer entry once d is in the store?
static bool configured_after(const struct net_delta *d, const struct net_inst *inst)
{
	for (size_t i = 0; d && i < d->count; i++) {
		const struct net_entry *e = d->item[i].new ? d->item[i].new : d->item[i].old;

		if (e && e->inst == inst && e->rec->type == CTL_REC_SETTINGS)
			return d->item[i].new != NULL;
	}
	return inst->configured;
}

static void send_delta(struct net_app *app, const struct net_delta *d)
{
	for (size_t i = 0; d && i < d->count; i++) {
		const struct net_item *item = &d->item[i];

		if (!item_is_of(item, app->inst))
			continue;
		if (item->new && item->new->sent)
			link_upsert(app->link, item->new->rec);
		else if (item->old && item->old->sent)
			link_delete(app->link, item->old->rec->type, item->old->rec->id);
	}
}

static void send_all(struct net_app *app, const struct net_delta *d)
{
	struct ctl_settings settings;
	const struct net_entry *e;

	if (!configured_after(d, app->inst)) {
		net_default_settings(&settings);
		link_upsert(app->link, &settings.rec);
		return;
	}
	for (size_t i = 0; d && i < d->count; i++) {
		if (d->item[i].old)
			d->item[i].old->mark = d->mark; // a check in between may have taken it off
	}
	TAILQ_FOREACH(e, &app->inst->entries, next)
	{
		if (e->sent && !(d && e->mark == d->mark))
			link_upsert(app->link, e->rec);
	}
	for (size_t i = 0; d && i < d->count; i++) {
		if (item_is_of(&d->item[i], app->inst) && d->item[i].new && d->item[i].new->sent)
			link_upsert(app->link, d->item[i].new->rec);
	}
}

// BEGIN and records. d NULL: the store as it is.
static int send_change(struct net_app *app, const struct net_delta *d, uint64_t target, bool full)
{
	int rc;

	app->was_delta = !full && app->applied && app->applied >= app->changed &&
			 app->applied <= net.version && configured_after(d, app->inst);
	rc = link_begin(app->link, app->was_delta ? app->applied : 0, target);
	if (rc != 0)
		return rc;
	if (app->was_delta)
		send_delta(app, d);
	else
		send_all(app, d);
	return 0;
}

// ---- what an app refused ---------------------------------------------------------------------

static void app_fine(struct net_app *app)
{
	if (app->refused)
		net_alarm_clear(app->inst->name, "refused", NULL);
	app->refused = false;
	app->again_ms = REFUSED_MIN_MS;
	event_del(app->again);
	app->error_path[0] = app->error_message[0] = '\0';
}

static void app_refuses(struct net_app *app, const char *path, const char *text)
{
	struct timeval tv = {.tv_sec = app->again_ms / 1000,
			     .tv_usec = app->again_ms % 1000 * 1000};

	net_alarm_clear(app->inst->name, "refused", NULL);
	app->refused = true;
	snprintf(app->error_path, sizeof(app->error_path), "%s", path);
	snprintf(app->error_message, sizeof(app->error_message), "%s", text);
	net_alarm_raise(app->inst->name, "refused", 3, path, text);
	net_log("%s refuses version %llu, stays at %llu: %s: %s", app->inst->name,
		(unsigned long long)net.version, (unsigned long long)app->applied, path, text);
	event_add(app->again, &tv);
	app->again_ms = app->again_ms * 2 > REFUSED_MAX_MS ? REFUSED_MAX_MS : app->again_ms * 2;
}

// ---- resync ----------------------------------------------------------------------------------

static void on_sync_committed(void *arg, int rc, const struct ctl_ack *ack)
{
	struct net_app *app = arg;

	app->work = WORK_NONE;
	if (rc == 0 && ack->applied != app->work_target) {
		link_reset(app->link, "the app confirmed a version that it does not have in force");
		return;
	}
	if (rc != 0 && ack)
		link_reset(app->link, "the app refused to commit what it had prepared");
	if (rc == 0)
		sweep_soon();
}

static void on_sync_prepared(void *arg, int rc, const struct ctl_ack *ack)
{
	struct net_app *app = arg;
	char path[512], text[512];

	app->work = WORK_NONE;
	if (!ack)
		return; // the connection is lost: the next up starts anew
	if (rc == 0) {
		if (link_commit(app->link, app->work_target, SYNC_MS, on_sync_committed, app) ==
		    0) {
			app->work = WORK_COMMIT;
			app->told = true;
			app->applied = app->work_target;
			app_fine(app);
		}
		return;
	}
	link_abort(app->link, app->work_target, SYNC_MS);
	if (rc == -ESTALE && app->was_delta) {
		app->applied = 0; // then everything
		sweep_soon();
		return;
	}
	net_ack_text(app->inst, NULL, ack, path, text);
	app_refuses(app, path, text);
}

static bool app_retires(const struct net_app *app)
{
	return !app->inst->configured;
}

static void app_sync(struct net_app *app)
{
	if (app_retires(app) && (!app->told || (app->up && app->applied == net.version))) {
		app->dying = app->work == WORK_NONE && (!net.active || app->role == ROLE_NONE);
		return;
	}
	if (!app->up || app->work != WORK_NONE || net.active || app->applied == net.version ||
	    evtimer_pending(app->again, NULL))
		return;
	app->work_target = net.version;
	if (send_change(app, NULL, net.version, false) != 0)
		return;
	if (link_prepare(app->link, net.version, SYNC_MS, on_sync_prepared, app) == 0)
		app->work = WORK_PREPARE;
}

static void app_sync_stop(struct net_app *app)
{
	if (app->work == WORK_PREPARE) {
		link_abort(app->link, app->work_target, net.deadline_ms);
		app->work = WORK_NONE;
	}
}

static void on_again(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	app_sync(arg);
}

// ---- the link's side -------------------------------------------------------------------------

static void on_prepared(void *arg, int rc, const struct ctl_ack *ack);

static void app_prepare(struct net_app *app, bool full)
{
	app_sync_stop(app);
	if (send_change(app, net.delta, net.change->target, full) != 0 ||
	    link_prepare(app->link, net.change->target, left_ms(), on_prepared, app) != 0) {
		app->role = ROLE_AWAY;
		snprintf(app->why, sizeof(app->why), "the connection was lost");
		return;
	}
	app->role = ROLE_PREPARING;
}

static void on_up(void *arg, uint64_t applied, const uint8_t datastore[16])
{
	struct net_app *app = arg;
	bool ours = memcmp(datastore, net.datastore, sizeof(net.datastore)) == 0;

	app->up = true;
	app->work = WORK_NONE;
	app->applied = ours ? applied : 0;
	// What another datastore has set up is not ours to empty, unless it is configured here.
	if (applied && (ours || app->inst->configured))
		app->told = true;
	app->why[0] = '\0';
	app->said_away = false;
	event_del(app->again); // it may have been repaired
	// What it reported before may be over; what is not, it reports again.
	net_alarm_clear(app->inst->name, NULL, NULL);
	if (app->stray && !(ours && applied))
		app->told = false;
	net_log("%s is connected, version %llu%s in force", app->inst->name,
		(unsigned long long)applied, ours || !applied ? "" : " of another datastore");
	if (app->role == ROLE_CONNECTING) {
		app_prepare(app, false);
		prepare_step();
		return;
	}
	app_sync(app);
	if (app->dying)
		sweep_soon();
}

static void on_down(void *arg, bool was_up, const char *why)
{
	struct net_app *app = arg;
	char path[512], text[256];

	if (!app->stray && (was_up || !app->said_away || strcmp(app->why, why) != 0)) {
		bool news = was_up || strcmp(app->why, why) != 0;

		snprintf(app->why, sizeof(app->why), "%s", why);
		snprintf(text, sizeof(text), "%s is not connected: %s", app->inst->name, app->why);
		snprintf(path, sizeof(path), NET_SCHEMA_LB "[name='%s']", app->inst->name);
		if (news)
			net_log("%s", text);
		if (!app_retires(app) || app->told) {
			net_alarm_raise(app->inst->name, "away", 3, path, text);
			app->said_away = true;
		}
	}
	app->up = false;
	app->work = WORK_NONE;
	if (app->role == ROLE_CONNECTING) {
		app->role = ROLE_AWAY;
		prepare_step();
	} else if (app->role == ROLE_PREPARED) {
		app->role = ROLE_LOST; // what it prepared is dropped; said at commit
	}
	if (app_retires(app) && (!app->told || app->stray)) {
		app->told = false;
		sweep_soon();
	}
}

static void on_event(void *arg, const struct ctl_event *e)
{
	static const char *const kind[] = {"", "port", "health", "state"};
	char path[512] = "", text[sizeof(e->message)];
	struct net_app *app = arg;

	net_clean_text(e->message, text, sizeof(text));
	if (!e->rec_type ||
	    !net_path(NULL, app->inst, e->rec_type, e->rec_id, NULL, path, sizeof(path)))
		snprintf(path, sizeof(path), NET_SCHEMA_LB "[name='%s']", app->inst->name);
	if (e->severity <= 4)
		net_alarm_of_record(app->inst, kind[e->kind], e, path, text);
	else
		net_alarm_clear(app->inst->name, kind[e->kind], path);
}

// ---- apps come and go ------------------------------------------------------------------------

static void app_destroy(struct net_app *app)
{
	net_alarm_clear(app->inst->name, NULL, NULL);
	app->inst->app = NULL;
	link_destroy(app->link);
	if (app->again)
		event_free(app->again);
	free(app);
}

static struct net_app *app_get(struct net_inst *inst)
{
	static const struct link_ops ops = {.up = on_up, .down = on_down, .event = on_event};
	struct link_conf conf = {.base = net.base, .run_dir = net.run_dir, .instance = inst->name};
	struct net_app *app = inst->app;
	int rc;

	if (app) {
		app->dying = false;
		if (inst->configured)
			app->stray = false;
		return app;
	}
	app = calloc(1, sizeof(*app));
	if (!app)
		return NULL;
	memcpy(conf.datastore, net.datastore, sizeof(conf.datastore));
	app->inst = inst;
	app->changed = net.version;
	app->again_ms = REFUSED_MIN_MS;
	app->again = event_new(net.base, -1, 0, on_again, app);
	rc = app->again ? link_create(&conf, &ops, app, &app->link) : -ENOMEM;
	if (rc != 0) {
		net_log("no link to %s: %s", inst->name, strerror(-rc));
		if (app->again)
			event_free(app->again);
		free(app);
		return NULL;
	}
	inst->app = app;
	return app;
}

void net_apps_follow(void)
{
	struct net_inst *inst;

	TAILQ_FOREACH(inst, net_store_insts(), next)
	{
		if (inst->configured)
			app_get(inst);
	}
	sweep_soon();
}

void net_apps_stray(const char *name)
{
	struct net_inst *inst = net_store_inst(name);
	struct net_app *app;

	if (inst && inst->app)
		return;
	inst = net_store_inst_get(name);
	app = app_get(inst);
	if (!app)
		return;
	app->stray = app->told = true; // until it says what it has
}

static void on_sweep(evutil_socket_t fd, short what, void *arg)
{
	struct net_inst *inst;

	(void)fd;
	(void)what;
	(void)arg;
	TAILQ_FOREACH(inst, net_store_insts(), next)
	{
		if (inst->app)
			app_sync(inst->app);
		if (inst->app && inst->app->dying) {
			net_log("%s is no longer configured: link closed", inst->name);
			app_destroy(inst->app);
		}
	}
	if (!net.active)
		net_store_inst_tidy();
}

// ---- transaction: prepare --------------------------------------------------------------------

static void txn_end(void)
{
	struct net_inst *inst;

	TAILQ_FOREACH(inst, net_store_insts(), next)
	{
		if (inst->app)
			inst->app->role = ROLE_NONE;
	}
	net.active = false;
	net.change = NULL;
	net.delta = NULL;
	net_apps_follow();
}

// Last first.
static void abort_all(uint64_t target)
{
	struct net_inst *inst;

	TAILQ_FOREACH_REVERSE(inst, net_store_insts(), net_inst_list, next)
	{
		struct net_app *app = inst->app;

		if (!app || (app->role != ROLE_PREPARING && app->role != ROLE_PREPARED))
			continue;
		app->role = ROLE_NONE;
		link_abort(app->link, target, net.deadline_ms);
	}
}

static void finish(void)
{
	txn_done_fn done = net.done;

	net.done = NULL;
	if (done)
		done(net.arg, &net.result);
}

static void prepare_fail(void)
{
	abort_all(net.change->target);
	txn_end();
	finish();
}

static void on_prepared(void *arg, int rc, const struct ctl_ack *ack)
{
	struct net_app *app = arg;
	char path[512], text[512];

	if (rc == 0) {
		app->role = ROLE_PREPARED;
	} else if (!ack) {
		app->role = ROLE_AWAY;
		snprintf(app->why, sizeof(app->why), "%s",
			 rc == -ETIMEDOUT ? "it does not answer" : "the connection was lost");
	} else if (rc == -ESTALE && app->was_delta) {
		link_abort(app->link, net.change->target, net.deadline_ms);
		app->applied = 0;
		app_prepare(app, true);
	} else {
		link_abort(app->link, net.change->target, net.deadline_ms);
		net_ack_text(app->inst, net.delta, ack, path, text);
		if (app->refused && !net.change->require_all) {
			// It did not follow before this change either; the operator knows by the alarm.
			app->role = ROLE_NONE;
			app_refuses(app, path, text);
			txn_warn(&net.result, "%s still refuses its configuration: %.180s",
				 app->inst->name, text);
		} else {
			app->role = ROLE_NONE;
			txn_refuse(&net.result, rc, net_ack_tag(ack), NULL, path, "%s", text);
		}
	}
	prepare_step();
}

static void away_all(void)
{
	struct net_inst *inst;

	TAILQ_FOREACH(inst, net_store_insts(), next)
	{
		if (!inst->app || inst->app->role != ROLE_AWAY)
			continue;
		if (net.change->require_all) {
			char path[512];

			snprintf(path, sizeof(path), NET_SCHEMA_LB "[name='%s']", inst->name);
			txn_refuse(&net.result, -ENOTCONN, "operation-failed", "app-away", path,
				   "%s is not connected (%s), and the change requires all",
				   inst->name, inst->app->why);
		} else {
			txn_warn(&net.result,
				 "%s is not connected (%s): it takes the change when it "
				 "is back",
				 inst->name, inst->app->why);
		}
	}
}

static void prepare_step(void)
{
	struct net_inst *inst;

	if (net.sending || !net.done)
		return;
	if (net.result.result == 0) {
		TAILQ_FOREACH(inst, net_store_insts(), next)
		{
			if (inst->app && (inst->app->role == ROLE_CONNECTING ||
					  inst->app->role == ROLE_PREPARING))
				return;
		}
		away_all();
	}
	if (net.result.result != 0)
		prepare_fail();
	else
		finish();
}

void net_apps_prepare(const struct txn_change *c, struct net_delta *d, txn_done_fn done, void *arg)
{
	struct net_inst *inst;

	net.active = true;
	net.change = c;
	net.delta = d;
	net.done = done;
	net.arg = arg;
	net.start_ms = now_ms();
	memset(&net.result, 0, sizeof(net.result));
	net.sending = true;
	TAILQ_FOREACH(inst, net_store_insts(), next)
	{
		struct net_app *app;

		if (!delta_touches(d, inst))
			continue;
		app = app_get(inst);
		if (!app) {
			txn_refuse(&net.result, -ENOMEM, "resource-denied", NULL, "",
				   "no link to %s can be made", inst->name);
			break;
		}
		if (app->up && link_is_up(app->link)) {
			app_prepare(app, false);
		} else {
			app->role = ROLE_CONNECTING;
			link_kick(app->link);
		}
	}
	net.sending = false;
	prepare_step();
}

// ---- transaction: commit and abort -----------------------------------------------------------

static void on_committed(void *arg, int rc, const struct ctl_ack *ack)
{
	struct net_app *app = arg;

	app->role = ROLE_NONE;
	if (!ack)
		txn_warn(&net.result,
			 "%s was lost before it confirmed the change: it takes it when it "
			 "is back",
			 app->inst->name);
	else if (rc != 0 || ack->applied != net.change->target) {
		txn_warn(&net.result, "%s did not take what it had prepared: it is resynchronised",
			 app->inst->name);
		link_reset(app->link, "the app did not commit what it had prepared");
	}
	commit_step();
}

static void commit_step(void)
{
	struct net_inst *inst;

	if (net.sending)
		return;
	TAILQ_FOREACH(inst, net_store_insts(), next)
	{
		if (inst->app && inst->app->role == ROLE_PREPARED)
			return;
	}
	txn_end();
	finish();
}

static void warn_unserved(void *arg, const struct net_entry *service, uint16_t context)
{
	char path[160];

	(void)arg;
	net_entry_path(NULL, service, "context", path, sizeof(path));
	txn_warn(&net.result,
		 "%s: no port of %s is in context %u, so no packet reaches the service", path,
		 service->inst->name, context);
}

// The caller puts the delta into the store between the two.
void net_apps_commit(const struct txn_change *c, struct net_delta *d, txn_done_fn done, void *arg)
{
	struct net_inst *inst;

	memset(&net.result, 0, sizeof(net.result));
	net.done = done;
	net.arg = arg;
	net.start_ms = now_ms();
	net.sending = true;
	net.version = c->target;
	TAILQ_FOREACH(inst, net_store_insts(), next)
	{
		struct net_app *app = inst->app;

		if (!app || !delta_touches(d, inst))
			continue;
		app->changed = c->target;
		if (app->role == ROLE_PREPARED &&
		    link_commit(app->link, c->target, left_ms(), on_committed, app) == 0) {
			app->told = true;
			app->applied = c->target;
			app_fine(app);
			continue;
		}
		if (app->role == ROLE_PREPARED || app->role == ROLE_LOST)
			txn_warn(&net.result,
				 "%s was lost after it had prepared the change: it takes "
				 "it when it is back",
				 inst->name);
		app->role = ROLE_NONE;
	}
	net_delta_apply(d);
	net_contexts_unserved(d, warn_unserved, NULL);
	net_delta_keep(d);
	net_alarm_prune();
	net.sending = false;
	commit_step();
}

void net_apps_abort(void)
{
	if (!net.active)
		return;
	abort_all(net.change->target);
	net.done = NULL;
	txn_end();
}

// ---- start and end ---------------------------------------------------------------------------

int net_apps_init(const struct net_conf *conf, uint64_t version)
{
	memset(&net, 0, sizeof(net));
	if (snprintf(net.run_dir, sizeof(net.run_dir), "%s", conf->run_dir) >=
	    (int)sizeof(net.run_dir))
		return -ENAMETOOLONG;
	net.base = conf->base;
	memcpy(net.datastore, conf->datastore, sizeof(net.datastore));
	net.version = version;
	net.deadline_ms = conf->deadline_ms ? conf->deadline_ms : TXN_DEADLINE_S * 1000;
	net.sweep = event_new(conf->base, -1, 0, on_sweep, NULL);
	return net.sweep ? 0 : -ENOMEM;
}

void net_apps_fini(void)
{
	struct net_inst *inst;

	TAILQ_FOREACH(inst, net_store_insts(), next)
	{
		if (inst->app)
			app_destroy(inst->app);
	}
	if (net.sweep)
		event_free(net.sweep);
	memset(&net, 0, sizeof(net));
}

size_t net_apps(struct net_app_state *out, size_t max)
{
	struct net_inst *inst;
	size_t n = 0;

	TAILQ_FOREACH(inst, net_store_insts(), next)
	{
		const struct net_app *app = inst->app;

		if (!app || app->stray || n == max)
			continue;
		memset(&out[n], 0, sizeof(out[n]));
		snprintf(out[n].instance, sizeof(out[n].instance), "%s", inst->name);
		out[n].connected = app->up;
		out[n].applied = app->applied;
		out[n].intended = net.version;
		snprintf(out[n].error_path, sizeof(out[n].error_path), "%s", app->error_path);
		snprintf(out[n].error_message, sizeof(out[n].error_message), "%s",
			 app->error_message);
		n++;
	}
	return n;
}
