// SPDX-License-Identifier: BSD-3-Clause
//
// lb_conf - the configuration of sluice-lb: the five calls of the control link (struct ctl_app), and what
// the control thread knows. Files of this side:
//
//	lb_conf.c    the order of a change       lb_store.c   records in force and in the transaction
//	lb_check.c   references and limits       lb_slots.c   slots and generations
//	lb_tables.c  flow and persistence tables lb_ports.c   ports, sources of the workers, steering
//	lb_build.c   the snapshot for workers: lb_hash.c its hashes, lb_spans.c prefixes and ranges
//	lb_listen.c  what the kernel listens on  lb_timed.c   slow starts and drains
//
// beside them lb_move.c (flows to their owners at a start) and lb_persist_file.c, ../health/ (verdicts, kept
// over a restart) and ../show/ (what operators see).
//
// Everything here runs on the control thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apps/lb/lb.h"
#include "apps/lb/conf/lb_build.h"
#include "apps/lb/conf/lb_listen.h"
#include "apps/lb/sched/lb_load.h"
#include "apps/lb/conf/lb_slots.h"
#include "apps/lb/conf/lb_store.h"
#include "apps/lb/conf/lb_timed.h"
#include "dataplane/core/publish.h"
#include "dataplane/core/worker.h"
#include "dataplane/ctl/server.h"

#define LB_PRIVATE_SERVER_SLOT  (CTL_REC_PRIVATE + 1)
#define LB_PRIVATE_SERVICE_SLOT (CTL_REC_PRIVATE + 2)
#define LB_FLOW_SIZE_DEFAULT    1048576 // of sluice-lb.yang
#define LB_PERSIST_SIZE_DEFAULT 65536   // likewise

struct loop;
struct lb_health_file;

// How the workers take what RSS does (--rss).
enum lb_rss_mode {
	LB_RSS_AUTO,    // as the devices say, where one does
	LB_RSS_KNOWN,   // tests: every port with several queues spreads by the usual key, evenly
	LB_RSS_WRONG,   // tests: likewise thought, but the queues are polled by other workers
	LB_RSS_UNKNOWN, // devices are not asked
};

struct lb_flow_size { // entries, all workers together
	uint64_t all;
	uint64_t ipv6; // of which IPv6 at most
};

struct lb_conf {
	struct loop *loop;
	struct ctl_link *link; // NULL while the last good snapshot is loaded
	const char *instance, *run_dir, *flow_dir;
	unsigned workers;
	uint32_t start_ticks;
	uint64_t start_time; // seconds since the epoch

	struct lb_store store;
	struct lb_slots server_slots, service_slots, pool_index, local_index;
	struct publish published; // struct lb_snapshot, never NULL
	struct lb_snap *snap;     // the published one
	struct lb_snap *prepared;
	uint64_t version, serial;
	bool restoring; // the last good snapshot: a port that is not there yet is no error

	struct lb_loads loads;                      // flows of each server
	struct lb_persist *persist;                 // NULL until a service wants it
	uint32_t persist_size, persist_size_warned; // clients
	bool persist_made_now;
	struct lb_timed timed;                // slow starts and drains
	struct lb_worker *worker[WORKER_MAX]; // NULL until the first configuration says how large
	struct lb_flow_size flow_size;        // of the tables in use
	struct lb_flow_size flow_size_warned;
	uint32_t flows_taken; // over from the process before us
	bool tables_made_now, flows_settled;

	struct lb_listen listen;
	struct lb_listeners *listeners; // as read last; NULL: none. The published one is a copy

	struct lb_rx *rx; // sources of the workers
	enum lb_rss_mode rss_mode;
	struct flow_rss *rss; // NULL: not known
	bool rss_decided;     // once, before the first source: flows live where it put them

	struct lb_flow_job *flow_jobs; // walks under way (lb_flows.c)
	int flow_timer;
	struct lb_rate_table *rates;   // lb_rates.c; NULL: not looked at
	struct rte_mempool *made_pool; // of packets the app makes itself; NULL in tests

	struct lb_entry **dirty; // servers whose verdict changed, not yet published
	uint32_t dirty_count, dirty_capacity;
	int health_timer, health_save_timer, port_timer;
	bool health_unsaved;
	struct lb_health_file *old_verdicts; // of the process before us
	uint64_t unknown_verdicts;
};

struct lb_conf_args {
	struct loop *loop;
	const char *instance, *run_dir, *flow_dir; // borrowed for the life of the conf
	unsigned workers;
	enum lb_rss_mode rss_mode;
};

// An empty configuration is published at once. Errors: -ENOMEM
int lb_conf_init(struct lb_conf *c, const struct lb_conf_args *args);
// Workers are stopped. Ports stay as they are (port_leave_all).
void lb_conf_fini(struct lb_conf *c);

// The calls of the control link, without arg: copy it and set arg to the struct lb_conf.
extern const struct ctl_app lb_conf_calls;

// Give the link, once it is there.
void lb_conf_linked(struct lb_conf *c, struct ctl_link *link);

void lb_conf_event(struct lb_conf *c, uint32_t kind, uint32_t severity,
		   const struct lb_entry *about, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

// Publish what verdicts and listeners changed. Errors: -ENOMEM (tried again by a timer)
int lb_conf_publish_health(struct lb_conf *c);

// ---- lb_check.c ------------------------------------------------------------------------------

// Fill *ack; returns err.
int lb_refuse(struct ctl_ack *ack, int err, uint16_t tag, const struct lb_entry *e,
	      const char *field, const char *fmt, ...) __attribute__((format(printf, 6, 7)));
// Do all references of the state after the transaction lead somewhere? Errors: -ENOENT with *ack
int lb_check_references(const struct lb_store *s, struct ctl_ack *ack);
// Member lists of the pools the transaction touches. Errors: -ENOMEM
int lb_check_members(struct lb_store *s);
void lb_check_members_drop(struct lb_store *s, bool take);
// Backup pools lead in no circle and not far. Errors: -ELOOP with *ack
int lb_check_backups(const struct lb_store *s, struct ctl_ack *ack);
// Families of services, their servers and local addresses agree. Errors: -EINVAL with *ack
int lb_check_families(const struct lb_store *s, struct ctl_ack *ack);
// Has every worker a port of each local pool that is new or changed? Errors: -ERANGE with *ack
int lb_check_locals(const struct lb_conf *c, struct ctl_ack *ack);
// An event for each local pool in force of which a worker has no port: with other workers or devices than when it
// was accepted.
void lb_check_locals_report(struct lb_conf *c);
// Is there a port to check wherever a check needs one? Errors: -EINVAL with *ack
int lb_check_targets(const struct lb_store *s, struct ctl_ack *ack);
// Would the transaction take an address from the node itself: a local address that is one of its own, a
// service where a socket of the node waits? Errors: -EADDRINUSE with *ack
int lb_check_node(const struct lb_store *s, struct ctl_ack *ack);
// Memory that a new flow table may take now, behind dir.
uint64_t lb_check_memory(const char *dir);

// ---- lb_tables.c -----------------------------------------------------------------------------

// Make the tables that the transaction needs and that are not there. Errors: -ENOMEM and those of open(2), *ack
// filled where it is known for what
int lb_tables_prepare(struct lb_conf *c, struct ctl_ack *ack);
void lb_tables_abort(struct lb_conf *c);
// What was made stays; a log line and an event for sizes that wait for the next start.
void lb_tables_commit(struct lb_conf *c);
// No worker reads them any more.
void lb_tables_close(struct lb_conf *c);
// Name of the i-th file of flows that wait to be moved; malloc'ed, NULL: out of memory.
#define LB_OLD_FILES (2 * WORKER_MAX)
char *lb_tables_old_file(const struct lb_conf *c, unsigned i);

// ---- lb_ports.c ------------------------------------------------------------------------------

// Open what the transaction adds. Errors: those of port_open, -EBUSY for a change that cannot be made
// while the port is in use; *ack filled
int lb_ports_prepare(struct lb_conf *c, struct ctl_ack *ack);
void lb_ports_abort(struct lb_conf *c);
// After the records are in force: sources, prefixes, steering; then close what went.
enum {
	LB_PORTS_SOURCES = 1,
	LB_PORTS_PREFIXES = 2,
	LB_PORTS_STEER = 4,
	LB_PORTS_SERVERS = 8, // servers changed: those of NAT services are steered
};
void lb_ports_commit(struct lb_conf *c, unsigned what, struct port *const *gone,
		     unsigned gone_count);
bool lb_ports_missing(const struct lb_conf *c);
// Try to open ports that failed at start.
void lb_ports_retry(struct lb_conf *c);
// Sources of all workers anew, without the ports in `gone`. Errors: -ENOMEM, -EINVAL
int lb_ports_sources(struct lb_conf *c, struct port *const *gone, unsigned gone_count);
void lb_ports_steer(struct lb_conf *c);

// ---- lb_health.c -----------------------------------------------------------------------------

// Its flags or weight changed: it is part of the next publication. Errors: -ENOMEM
int lb_health_dirty(struct lb_conf *c, struct lb_entry *server);
#define LB_WATCH_MS 500 // how often workers' counters and holds are looked at

// Begin to look. Returns: a timer's id, or -ENOMEM
int lb_health_start(struct lb_conf *c);
// Milliseconds of the clock of struct lb_watch.
uint64_t lb_health_now_ms(void);
// What is watched of a server, made if it is not there; NULL: no memory.
struct lb_watch *lb_health_watch(struct lb_entry *server);
// Until when it is held down, seconds since the epoch; 0: it is not, or the hold is about to end.
uint64_t lb_health_held_until(const struct lb_conf *c, const struct lb_entry *server);
int lb_health_verdict(struct lb_conf *c, const struct ctl_verdict *v);
void lb_health_report(struct lb_conf *c); // an event for every server that is down
void lb_health_targets(struct lb_conf *c, void (*emit)(void *ctx, const struct ctl_target *t),
		       void *ctx);
// Tell checkers what the transaction changes. Before the records are in force / for a server
void lb_health_tell(struct lb_conf *c, struct lb_entry *server);
void lb_health_load(struct lb_conf *c);
void lb_health_adopt(struct lb_conf *c,
		     struct lb_entry *server); // a verdict of the process before us
void lb_health_forget_file(struct lb_conf *c);
void lb_health_save(struct lb_conf *c);

// ---- lb_state.c, lb_query.c ------------------------------------------------------------------

int lb_query(struct lb_conf *c, const char *name, const char *args, char **json);
int lb_state_json(struct lb_conf *c, char **json);
int lb_counters_json(struct lb_conf *c, char **json);
struct lb_persist_counters;
// Of all workers; added: entries of the table that hold a client, expired ones nobody replaced yet included.
void lb_persist_sum(const struct lb_conf *c, struct lb_persist_counters *sum);
// The weight by which a server gets new flows now, in hundredths. takes_new: lb_server_flags().
unsigned lb_effective_weight(const struct lb_conf *c, const struct lb_entry *server,
			     bool takes_new);
void lb_telemetry_init(struct lb_conf *c);
// Counters of a server or service, all workers together, since it got its slot.
struct lb_counters lb_entry_counters(const struct lb_conf *c, const struct lb_entry *e);
// Start them at zero: its slot may have counted for another before. Thread: control
void lb_entry_counters_start(const struct lb_conf *c, struct lb_entry *e);
