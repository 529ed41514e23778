// SPDX-License-Identifier: BSD-3-Clause
//
// conf_fake - the control thread's side of sluice-lb with ports, workers and the loop faked, driven as the
// control link drives it: records, prepare, commit, abort, verdicts. Real are all files of lb_conf_src.
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include "apps/lb/conf/lb_conf.h"
#include "dataplane/port/port.h"
#include "tests/unit/dataplane/ctl/fake_loop.h"

extern struct fake_ports_and_workers {
	struct port *port[PORT_MAX];
	int open_error;
	unsigned opened, closed, vlans;
	struct port_steer steer[512];
	unsigned steers;
	unsigned prefixes;
	int table_error, reserve_error;
	unsigned tables, tables_closed;
	uint32_t table_size;
	uint32_t reserved_servers;
	unsigned cleared;
	uint32_t trial_service, trial_server;
	char path[256];
	struct lb_tcp_counters tcp[8];    // by server slot
	struct ctl_check check;           // beside the check proper
	struct port_listener listener[8]; // of the kernel
	unsigned listeners, listener_reads;
	int listener_error;
} fake;

enum { // ids
	UP = 10,
	SNAT = 20,
	LOCAL4 = 21,
	LOCAL6 = 22,
	WEB = 30,
	S1 = 41,
	S2 = 42,
	S3 = 43,
	SVC = 50
};

extern struct loop *conf_loop;
extern struct lb_conf lb;
extern struct ctl_ack conf_ack; // of the last prepare()
extern char conf_dir[64];       // run and flow directory

#define R(t, s, i)                                                                                 \
	{                                                                                          \
		.type = (t), .size = sizeof(s), .id = (i)                                          \
	}

// A flow of this client (10.0.0.x) in a table, as if its worker had made it.
void add_flow(struct flow_table *t, uint8_t client, uint8_t state, uint32_t packets);

// ---- records ----------------------------------------------------------------------------------

struct ctl_addr address(const char *text);
// A record, checked as the link does, into the transaction.
void put(const void *rec);
void put_settings(uint64_t flows);
void put_port(uint64_t id, const char *device, uint16_t mtu);
void put_local_pool(uint64_t id);
void put_local(uint64_t id, uint64_t pool, const char *a);
void put_pool(uint64_t id, uint8_t on_down, uint8_t check);
enum { POOL2 = 60, POOL3 = 61 }; // ids for pools beside WEB
void put_pool_as(uint64_t id, const char *name, uint64_t backup, uint32_t slow_start_ms,
		 uint32_t drain_ms);
void put_server(uint64_t id, const char *a, uint16_t weight, uint8_t admin);
void put_services(uint64_t id, const char *name, const char *a, uint8_t len, uint16_t port,
		  uint16_t port_max);
void put_service(uint64_t id, const char *name, const char *a, uint16_t port);
// All of a small configuration: port up, one local pool, pool web with two servers, service web.
void put_base(void);
// The steps of a transaction; commit() is prepare and commit, configure() all of it for put_base().
int prepare(void);
void begin(uint64_t base);
void commit(void);
void configure(void);
// Prepare is refused, about this record and field; then the abort.
void refuse(int err, uint16_t type, uint64_t id, const char *field);

// ---- what a worker sees -----------------------------------------------------------------------

const struct lb_snapshot *seen(void);
const struct lb_service *find_service(const char *a, uint16_t port);
uint8_t own_kind(const char *a);
uint32_t ref_of(uint64_t id);
const struct lb_server *server_of(uint64_t id);
// Ids of the servers that new flows of the service get, as a bit mask (bit id - S1).
unsigned picks(void);
// A checker's word on a server; published when it returns.
void verdict(uint64_t id, uint8_t health, const char *reason);

// ---- set-up -----------------------------------------------------------------------------------

// The process anew, in the same folder; setup() and teardown() do it for each test.
void init_conf(unsigned workers);
int setup(void **state);
void fini_conf(void);
int teardown(void **state);
