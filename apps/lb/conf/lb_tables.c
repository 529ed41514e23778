// SPDX-License-Identifier: BSD-3-Clause
//
// lb_tables - the flow tables and the persistence table in the life of a change: made aside in prepare,
// closed again by an abort, and after a commit a word about sizes that wait for the next start.
//
// The flow tables are made when the first configuration says how large they are. A later change of
// the size takes effect at the next start, since flows cannot be moved under traffic: state shows the
// size in use, an event and the log say that they differ.

#include "apps/lb/conf/lb_conf.h"

#include "apps/lb/worker/lb_persist.h"
#include "dataplane/core/clock.h"

#include <rte_log.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

RTE_LOG_REGISTER(lb_tables_log, sluice.tables, NOTICE)
#define LOG(level, ...) rte_log(RTE_LOG_##level, lb_tables_log, "conf: " __VA_ARGS__)

// ---- flow tables --------------------------------------------------------------------------------

static struct lb_flow_size wanted_size(const struct lb_conf *c, const struct lb_entry **about)
{
	const struct lb_entry *e = lb_store_live(&c->store, CTL_REC_SETTINGS, 1, true);
	const struct ctl_settings *r;

	*about = e;
	if (e == NULL)
		return (struct lb_flow_size){LB_FLOW_SIZE_DEFAULT, LB_FLOW_SIZE_DEFAULT};
	r = (const void *)lb_entry_rec(e, true);
	return (struct lb_flow_size){r->flow_max, r->flow_max6};
}

static uint32_t size_per_worker(const struct lb_conf *c, uint64_t size)
{
	return (uint32_t)((size + c->workers - 1) / c->workers);
}

static uint64_t table_bytes(const struct lb_conf *c, struct lb_flow_size size)
{
	return flow_table_bytes(size_per_worker(c, size.all), size_per_worker(c, size.ipv6)) *
	       c->workers;
}

static int refuse_size(const struct lb_conf *c, const struct lb_entry *e, struct lb_flow_size size,
		       struct ctl_ack *ack)
{
	return lb_refuse(ack, -ENOMEM, CTL_TAG_RESOURCE_DENIED, e, "flow-table/size",
			 "a flow table of %llu entries takes %llu MiB, %llu MiB are there",
			 (unsigned long long)size.all,
			 (unsigned long long)(table_bytes(c, size) >> 20),
			 (unsigned long long)(lb_check_memory(c->flow_dir) >> 20));
}

static void close_tables(struct lb_conf *c)
{
	for (unsigned w = 0; w < c->workers; w++) {
		lb_worker_destroy(c->worker[w]);
		c->worker[w] = NULL;
	}
}

static int open_table(struct lb_conf *c, unsigned w, struct lb_flow_size size)
{
	struct lb_worker_conf conf = {
		.flow = {.max = size_per_worker(c, size.all),
			 .max6 = size_per_worker(c, size.ipv6)},
		.index = w,
		.loads = &c->loads,
	};
	uint32_t taken = 0;
	char *path;
	int rc;

	if (asprintf(&path, "%s/%s.w%u.flows", c->flow_dir, c->instance, w) < 0)
		return -ENOMEM;
	conf.flow.path = path;
	lb_build_timeouts(&c->store, true, conf.flow.timeout);
	rc = lb_worker_create(&conf, &c->published, &c->worker[w], &taken);
	if (rc != 0)
		LOG(ERR, "flow table %s: %s\n", path, strerror(-rc));
	c->flows_taken += taken;
	free(path);
	return rc;
}

char *lb_tables_old_file(const struct lb_conf *c, unsigned i)
{
	char *path;

	return asprintf(&path, "%s/%s.old%u.flows", c->flow_dir, c->instance, i) < 0 ? NULL : path;
}

// Files of tables that are not as ours will be: their flows are moved once it is known to whom (lb_move.c). Until
// then they have another name, which a kill does not undo.
static void put_aside(const struct lb_conf *c, struct lb_flow_size size)
{
	unsigned free_name = 0;

	for (unsigned w = 0; w < WORKER_MAX; w++) {
		char *path, *old = NULL;

		if (asprintf(&path, "%s/%s.w%u.flows", c->flow_dir, c->instance, w) < 0)
			return;
		if (access(path, F_OK) == 0 &&
		    (w >= c->workers || !flow_file_fits(path, size_per_worker(c, size.all),
							size_per_worker(c, size.ipv6)))) {
			do {
				free(old);
				old = lb_tables_old_file(c, free_name++);
			} while (old != NULL && access(old, F_OK) == 0 && free_name < LB_OLD_FILES);
			if (old != NULL && rename(path, old) != 0)
				LOG(ERR, "flow table %s cannot be put aside: %s\n", path,
				    strerror(errno));
		}
		free(old);
		free(path);
	}
}

// There is no memory for new tables beside the old ones. Returns: true if some is free now.
static bool drop_old(struct lb_conf *c)
{
	bool dropped = false;

	for (unsigned i = 0; i < LB_OLD_FILES; i++) {
		char *path = lb_tables_old_file(c, i);

		dropped = (path != NULL && unlink(path) == 0) || dropped;
		free(path);
	}
	if (!dropped)
		return false;
	LOG(ERR, "no memory for the new flow tables beside the old ones: flows are lost\n");
	lb_conf_event(
		c, CTL_EVENT_STATE, 3, NULL,
		"no memory for flow tables of another size beside the old ones: the flows of the "
		"process before are lost");
	return true;
}

static int open_tables(struct lb_conf *c, struct ctl_ack *ack)
{
	const struct lb_entry *e;
	struct lb_flow_size size = wanted_size(c, &e);
	int rc = 0;

	c->flows_taken = 0;
	put_aside(c, size);
	for (unsigned w = 0; rc == 0 && w < c->workers; w++)
		rc = open_table(c, w, size);
	if (rc == -ENOMEM && drop_old(c)) {
		close_tables(c);
		c->flows_taken = 0;
		rc = 0;
		for (unsigned w = 0; rc == 0 && w < c->workers; w++)
			rc = open_table(c, w, size);
	}
	if (rc == 0) {
		c->tables_made_now = true;
		c->flow_size = size;
		return 0;
	}
	close_tables(c);
	if (rc == -ENOMEM)
		return refuse_size(c, e, size, ack);
	return lb_refuse(ack, rc, CTL_TAG_RESOURCE_DENIED, e, "flow-table/size",
			 "the flow table behind %s cannot be opened: %s", c->flow_dir,
			 strerror(-rc));
}

static int prepare_flow_tables(struct lb_conf *c, struct ctl_ack *ack)
{
	const struct lb_entry *e;
	struct lb_flow_size size = wanted_size(c, &e);
	uint64_t have = table_bytes(c, c->flow_size), need = table_bytes(c, size);

	if (c->worker[0] == NULL)
		return open_tables(c, ack);
	if (need > have && need - have > lb_check_memory(c->flow_dir))
		return refuse_size(c, e, size, ack);
	return 0;
}

static bool same_size(struct lb_flow_size a, struct lb_flow_size b)
{
	return a.all == b.all && a.ipv6 == b.ipv6;
}

static void warn_size(struct lb_conf *c)
{
	const struct lb_entry *e;
	struct lb_flow_size size = wanted_size(c, &e);

	if (same_size(size, c->flow_size) || same_size(size, c->flow_size_warned))
		return;
	c->flow_size_warned = size;
	LOG(WARNING,
	    "flow table: %llu entries (%llu IPv6) are in use, %llu (%llu) are configured; the change takes "
	    "effect at the next start\n",
	    (unsigned long long)c->flow_size.all, (unsigned long long)c->flow_size.ipv6,
	    (unsigned long long)size.all, (unsigned long long)size.ipv6);
	lb_conf_event(
		c, CTL_EVENT_STATE, 4, e,
		"flow-table/size %llu (IPv6 %llu) takes effect at the next start of sluice-lb; "
		"%llu entries (%llu) are in use",
		(unsigned long long)size.all, (unsigned long long)size.ipv6,
		(unsigned long long)c->flow_size.all, (unsigned long long)c->flow_size.ipv6);
}

// ---- persistence table --------------------------------------------------------------------------

static uint32_t wanted_persist(const struct lb_conf *c, const struct lb_entry **about)
{
	const struct lb_entry *e = lb_store_live(&c->store, CTL_REC_SETTINGS, 1, true);

	*about = e;
	return e == NULL ? LB_PERSIST_SIZE_DEFAULT
			 : ((const struct ctl_settings *)lb_entry_rec(e, true))->persistence_max;
}

static bool wants_persist(const struct lb_conf *c)
{
	const struct lb_entry *e;

	LB_STORE_TOUCHED(e, &c->store)
	if (e->type == CTL_REC_SERVICE && e->next != NULL &&
	    ((const struct ctl_service *)e->next)->persist_ms != 0)
		return true;
	return false;
}

// The persistence table is made when the first service wants it, as large as is said then.
static int prepare_persist(struct lb_conf *c, struct ctl_ack *ack)
{
	const struct lb_entry *e;
	uint32_t size = wanted_persist(c, &e);
	char *path;
	int rc;

	if (c->persist != NULL || !wants_persist(c))
		return 0;
	if (lb_persist_bytes(size) > lb_check_memory(c->flow_dir))
		return lb_refuse(ack, -ENOMEM, CTL_TAG_RESOURCE_DENIED, e, "persistence-table/size",
				 "a persistence table of %u clients takes %llu MiB, %llu MiB are "
				 "there",
				 size, (unsigned long long)(lb_persist_bytes(size) >> 20),
				 (unsigned long long)(lb_check_memory(c->flow_dir) >> 20));
	if (asprintf(&path, "%s/%s.persist", c->flow_dir, c->instance) < 0)
		return -ENOMEM;
	rc = lb_persist_open(path, size, clock_ticks(), &c->persist);
	if (rc != 0)
		rc = lb_refuse(ack, rc, CTL_TAG_RESOURCE_DENIED, e, "persistence-table/size",
			       "the persistence table %s cannot be opened: %s", path,
			       strerror(-rc));
	else
		c->persist_made_now = true;
	c->persist_size = c->persist_size_warned = size;
	free(path);
	return rc;
}

static void warn_persist(struct lb_conf *c)
{
	const struct lb_entry *e;
	uint32_t size = wanted_persist(c, &e);

	if (c->persist == NULL || size == c->persist_size || size == c->persist_size_warned)
		return;
	c->persist_size_warned = size;
	LOG(WARNING,
	    "persistence table: room for %u clients is in use, %u is configured; the change takes "
	    "effect at the next start, which then remembers nobody\n",
	    c->persist_size, size);
	lb_conf_event(
		c, CTL_EVENT_STATE, 4, e,
		"persistence-table/size %u takes effect at the next start of sluice-lb (which "
		"then remembers nobody); %u is in use",
		size, c->persist_size);
}

// ---- the calls of lb_conf.c ---------------------------------------------------------------------

int lb_tables_prepare(struct lb_conf *c, struct ctl_ack *ack)
{
	int rc = prepare_flow_tables(c, ack);

	return rc != 0 ? rc : prepare_persist(c, ack);
}

void lb_tables_abort(struct lb_conf *c)
{
	if (c->tables_made_now) {
		close_tables(c);
		c->tables_made_now = false;
	}
	if (c->persist_made_now) {
		lb_persist_close(c->persist);
		c->persist = NULL;
		c->persist_made_now = false;
	}
}

void lb_tables_commit(struct lb_conf *c)
{
	c->tables_made_now = c->persist_made_now = false;
	warn_size(c);
	warn_persist(c);
}

void lb_tables_close(struct lb_conf *c)
{
	close_tables(c);
	lb_persist_close(c->persist);
}
