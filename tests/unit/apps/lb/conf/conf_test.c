// SPDX-License-Identifier: BSD-3-Clause
//
// Prepare, commit and abort of the balancer's configuration, verdicts, and what workers then see. Ports,
// tables and the loop are faked; the calls are those the control link makes.

#include "apps/lb/conf/lb_conf.h"
#include "apps/lb/health/lb_watch.h"
#include "apps/lb/show/lb_flows.h"
#include "apps/lb/worker/lb_priv.h"
#include "apps/lb/show/lb_rates.h"
#include "apps/lb/worker/lb_trial.h"
#include "dataplane/out/out.h"
#include "dataplane/port/port.h"
#include "tests/unit/dataplane/ctl/fake_loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// ---- fakes ------------------------------------------------------------------------------------

static struct {
	struct port *port[PORT_MAX];
	int open_error;
	unsigned opened, closed, vlans;
	struct port_steer steer[64];
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

int __wrap_port_open(const struct ctl_port *conf, const struct ctl_vlan *vlans, unsigned vlan_count,
		     struct port **out, struct port_error *err);
int __wrap_port_open(const struct ctl_port *conf, const struct ctl_vlan *vlans, unsigned vlan_count,
		     struct port **out, struct port_error *err)
{
	struct port *p;

	if (fake.open_error != 0) {
		*err = (struct port_error){.tag = CTL_TAG_IN_USE, .field = "port/device"};
		snprintf(err->message, sizeof(err->message), "no device '%s'", conf->device);
		return fake.open_error;
	}
	p = calloc(1, sizeof(*p));
	for (p->index = 0; fake.port[p->index] != NULL; p->index++)
		;
	fake.port[p->index] = p;
	p->queues = 1;
	p->parent = PORT_NONE;
	p->id = conf->rec.id;
	p->queue[0].fd = -1;
	strcpy(p->name, conf->name);
	atomic_store(&p->live, true);
	fake.opened++;
	fake.vlans = vlan_count;
	*out = p;
	return 0;
}

void __wrap_port_close(struct port *p);
void __wrap_port_close(struct port *p)
{
	fake.port[p->index] = NULL;
	fake.closed++;
	free(p);
}

struct port *__wrap_port_get(uint16_t index);
struct port *__wrap_port_get(uint16_t index)
{
	return index < PORT_MAX ? fake.port[index] : NULL;
}

int __wrap_port_listeners(struct port_listener **out, unsigned *count);
int __wrap_port_listeners(struct port_listener **out, unsigned *count)
{
	fake.listener_reads++;
	if (fake.listener_error != 0)
		return fake.listener_error;
	*out = malloc(sizeof(fake.listener));
	memcpy(*out, fake.listener, sizeof(fake.listener));
	*count = fake.listeners;
	return 0;
}

// Interface 7 is one of our ports.
struct port *__wrap_port_by_ifindex(int ifindex);
struct port *__wrap_port_by_ifindex(int ifindex)
{
	return ifindex == 7 ? fake.port[0] : NULL;
}

int __wrap_port_queue_fd(const struct port *p, uint16_t queue);
int __wrap_port_queue_fd(const struct port *p, uint16_t queue)
{
	return -1;
}

void __wrap_port_counters(const struct port *p, struct port_counters *out);
void __wrap_port_counters(const struct port *p, struct port_counters *out)
{
	*out = (struct port_counters){.rx_packets = 5};
}

int __wrap_port_steer_set(const struct port_steer *set, unsigned count, struct port_error *err);
int __wrap_port_steer_set(const struct port_steer *set, unsigned count, struct port_error *err)
{
	assert_true(count <= 64);
	if (count > 0)
		memcpy(fake.steer, set, count * sizeof(*set));
	fake.steers = count;
	return 0;
}

int __wrap_out_prefix_set(const struct ctl_prefix *prefixes, unsigned count);
int __wrap_out_prefix_set(const struct ctl_prefix *prefixes, unsigned count)
{
	fake.prefixes = count;
	return 0;
}

void __wrap_out_ports_changed(void);
void __wrap_out_ports_changed(void)
{
}

int __wrap_worker_set_sources(unsigned index, const struct worker_sources *sources);
int __wrap_worker_set_sources(unsigned index, const struct worker_sources *sources)
{
	return 0;
}

static void add_flow(struct flow_table *t, uint8_t client, uint8_t state, uint32_t packets)
{
	uint32_t i = flow_alloc(t, false);
	struct flow *f = flow_at(t, i);

	*f = (struct flow){.client = inet_addr("10.0.0.0") | htonl(client),
			   .client_port = htons(4000),
			   .service_addr = inet_addr("10.1.0.1"),
			   .service_port = htons(80),
			   .local = inet_addr("10.2.0.200"),
			   .local_port = htons((uint16_t)(30000 + client)),
			   .server_addr = inet_addr("10.2.0.1"),
			   .server_port = htons(8080),
			   .proto = state == FLOW_UDP ? IPPROTO_UDP : IPPROTO_TCP,
			   .context = client == 4 ? 7 : 0,
			   .state = state,
			   .last_seen = clock_ticks() - 100 * client,
			   .packets = {(uint16_t)packets, 1},
			   .bytes = {1000 - packets, 0}};
	t->cold[i].created = clock_ticks() - 1000 * client;
	assert_int_equal(flow_link(t, i, flow_hash_of(t, i, 0), flow_hash_of(t, i, FLOW_DIR_BIT),
				   clock_ticks()),
			 0);
}

// A worker with a table of its own that holds two flows (and no thread).
static struct lb_worker *fake_worker(void)
{
	const struct flow_conf conf = {.max = 64, .max6 = 16, .timeout = {1, 1, 1, 1, 1}};
	struct lb_worker *lw = aligned_alloc(64, sizeof(*lw));
	uint32_t taken;

	memset(lw, 0, sizeof(*lw));
	assert_int_equal(flow_table_open(&conf, clock_ticks(), &lw->table, &taken), 0);
	add_flow(lw->table, 2, FLOW_TCP_ESTABLISHED, 5);
	add_flow(lw->table, 3, FLOW_TCP_SYN, 9);
	return lw;
}

int lb_worker_create(const struct lb_worker_conf *conf, const struct publish *snapshot,
		     struct lb_worker **out, uint32_t *taken)
{
	if (fake.table_error != 0)
		return fake.table_error;
	assert_true(conf->flow.timeout[FLOW_TCP_SYN] > 1);
	snprintf(fake.path, sizeof(fake.path), "%s", conf->flow.path);
	fake.table_size = conf->flow.max;
	fake.tables++;
	*out = fake_worker();
	*taken = 3;
	return 0;
}

void lb_worker_destroy(struct lb_worker *lw)
{
	if (lw == NULL)
		return;
	fake.tables_closed++;
	flow_table_close(lw->table);
	free(lw);
}

void lb_worker_set_rss(struct lb_worker *lw, const struct flow_rss *rss)
{
}

void lb_worker_settle(struct lb_worker *const *lw, unsigned workers, uint64_t spread,
		      char *const *old, unsigned olds, struct lb_moved *result)
{
	memset(result, 0, sizeof(*result));
}

int lb_worker_reserve(struct lb_worker *lw, uint32_t servers, uint32_t services, uint32_t cursors)
{
	fake.reserved_servers = servers;
	return fake.reserve_error;
}

const struct lb_persist_counters *lb_worker_persist_counters(const struct lb_worker *lw)
{
	return NULL;
}

const struct lb_other_counters *lb_worker_others(const struct lb_worker *lw)
{
	return NULL;
}

const struct frag_counters *lb_worker_fragments(const struct lb_worker *lw)
{
	return NULL;
}

const struct lb_counters *lb_worker_server_counters(const struct lb_worker *lw, uint32_t slot)
{
	static const struct lb_counters c = {.new_flows = 5, .taken = 1, .ended_flows = 2};

	return &c;
}

const struct lb_tcp_counters *lb_worker_service_tcp(const struct lb_worker *lw, uint32_t slot)
{
	return NULL;
}

const struct lb_counters *lb_worker_service_counters(const struct lb_worker *lw, uint32_t slot)
{
	return NULL;
}

const struct lb_tcp_counters *lb_worker_server_tcp(const struct lb_worker *lw, uint32_t slot)
{
	return slot < 8 ? &fake.tcp[slot] : NULL;
}

// The owner worker's part of "explain": the first server of the first service, two hops.
int lb_trial_run(struct worker *w, void *arg)
{
	struct lb_trial *x = arg;

	x->owner = 0;
	x->service_ref = fake.trial_service;
	x->server_ref = fake.trial_server;
	x->local_found = true;
	x->local_port = 1234;
	memcpy(x->local, (uint8_t[]){10, 2, 0, 200}, 4);
	x->server_port = htons(8080);
	x->hop_found[0] = x->hop_found[1] = true;
	x->hop[0] = x->hop[1] = (struct nexthop){.state = NEXTHOP_RESOLVED, .kind = NEXTHOP_PEER};
	return 0;
}

// The owner worker's part of "clear": note what it is asked to end, and end it.
int lb_clear_flows(struct worker *w, void *arg)
{
	struct lb_clear *clear = arg;

	for (unsigned i = 0; i < clear->count; i++)
		if (lb_flow_holds(clear->lw, clear->filter, clear->index[i], clock_ticks())) {
			flow_delete(clear->lw->table, clear->index[i]);
			clear->ended++;
		}
	fake.cleared += clear->ended;
	return 0;
}

int __wrap_worker_call(unsigned index, int (*fn)(struct worker *w, void *arg), void *arg);
int __wrap_worker_call(unsigned index, int (*fn)(struct worker *w, void *arg), void *arg)
{
	assert_int_equal(index, 0);
	return fn(NULL, arg);
}

unsigned lb_rx_poll(struct worker *w, void *arg)
{
	return 0;
}

unsigned lb_age_poll(struct worker *w, void *arg)
{
	return 0;
}

unsigned lb_handover_poll(struct worker *w, void *arg)
{
	return 0;
}

// ---- records ----------------------------------------------------------------------------------

enum {
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

static struct loop *loop;
static struct lb_conf c;
static const struct ctl_app *calls = &lb_conf_calls;
static struct ctl_ack ack;
static char dir[64];

static struct ctl_addr addr(const char *text)
{
	struct ctl_addr a = {.family = strchr(text, ':') ? 6 : 4};

	a.len = a.family == 4 ? 32 : 128;
	assert_int_equal(inet_pton(a.family == 4 ? AF_INET : AF_INET6, text, a.bytes), 1);
	return a;
}

static void put(const void *rec)
{
	struct ctl_ack a;

	assert_int_equal(ctl_record_check(rec, ((const struct ctl_rec *)rec)->size, &a), 0);
	assert_int_equal(calls->upsert(&c, rec, &a), 0);
}

#define R(t, s, i)                                                                                 \
	{                                                                                          \
		.type = (t), .size = sizeof(s), .id = (i)                                          \
	}

static void put_settings(uint64_t flows)
{
	put(&(struct ctl_settings){.rec = R(CTL_REC_SETTINGS, struct ctl_settings, 1),
				   .flow_max = flows,
				   .flow_max6 = (uint32_t)flows,
				   .tcp_syn_ms = 30000,
				   .tcp_established_ms = 900000,
				   .tcp_closing_ms = 10000,
				   .udp_ms = 60000,
				   .persistence_max = 65536,
				   .restart_quiet_ms = 30000});
}

static void put_port(uint64_t id, const char *device, uint16_t mtu)
{
	struct ctl_port p = {
		.rec = R(CTL_REC_PORT, struct ctl_port, id), .kind = CTL_PORT_AF_XDP, .mtu = mtu};

	strcpy(p.name, device);
	strcpy(p.device, device);
	put(&p);
}

static void put_local_pool(uint64_t id)
{
	put(&(struct ctl_local_pool){.rec = R(CTL_REC_LOCAL_POOL, struct ctl_local_pool, id),
				     .name = "snat",
				     .port_min = 1024,
				     .port_max = 65535});
}

static void put_local(uint64_t id, uint64_t pool, const char *a)
{
	put(&(struct ctl_local_address){
		.rec = R(CTL_REC_LOCAL_ADDRESS, struct ctl_local_address, id),
		.local_pool = pool,
		.addr = addr(a)});
}

static void put_pool(uint64_t id, uint8_t on_down, uint8_t check)
{
	put(&(struct ctl_pool){.rec = R(CTL_REC_POOL, struct ctl_pool, id),
			       .name = "web",
			       .scheduler = CTL_SCHED_WRR,
			       .hash_key = CTL_HASH_SOURCE_PORT,
			       .min_available = 1,
			       .on_down = on_down,
			       .check = {.kind = check,
					 .interval_ms = 500,
					 .timeout_ms = 400,
					 .rise = 2,
					 .fall = 2,
					 .agent_port = fake.check.agent_port,
					 .agent_interval_ms = 1000,
					 .passive_failures = fake.check.passive_failures,
					 .passive_hold_ms = fake.check.passive_hold_ms,
					 .damping_changes = fake.check.damping_changes,
					 .damping_window_ms = 60000,
					 .damping_hold_ms = fake.check.damping_hold_ms}});
}

static void put_server(uint64_t id, const char *a, uint16_t weight, uint8_t admin)
{
	struct ctl_server s = {.rec = R(CTL_REC_SERVER, struct ctl_server, id),
			       .pool = WEB,
			       .addr = addr(a),
			       .port = htons(8080),
			       .weight = weight,
			       .admin = admin};

	snprintf(s.name, sizeof(s.name), "s%u", (unsigned)id);
	put(&s);
}

static void put_services(uint64_t id, const char *name, const char *a, uint8_t len, uint16_t port,
			 uint16_t port_max)
{
	struct ctl_service s = {.rec = R(CTL_REC_SERVICE, struct ctl_service, id),
				.pool = WEB,
				.local_pool = SNAT,
				.addr = addr(a),
				.port = htons(port),
				.port_max = htons(port_max),
				.forwarding = CTL_FORWARD_FULLNAT,
				.proto = IPPROTO_TCP,
				.enabled = 1};

	s.addr.len = len;
	strcpy(s.name, name);
	put(&s);
}

static void put_service(uint64_t id, const char *name, const char *a, uint16_t port)
{
	put_services(id, name, a, addr(a).len, port, port);
}

static void put_base(void)
{
	put_settings(4096);
	put_port(UP, "up", 0);
	put_local_pool(SNAT);
	put_local(LOCAL4, SNAT, "10.2.0.200");
	put_local(LOCAL6, SNAT, "fd20::200");
	put_pool(WEB, CTL_ON_DOWN_RESET, CTL_CHECK_TCP);
	put_server(S1, "10.2.0.1", 1, CTL_ADMIN_ENABLED);
	put_server(S2, "10.2.0.2", 1, CTL_ADMIN_ENABLED);
	put_service(SVC, "web", "10.1.0.1", 80);
}

static int prepare(void)
{
	memset(&ack, 0, sizeof(ack));
	return calls->prepare(&c, c.version + 1, &ack);
}

static void begin(uint64_t base)
{
	assert_int_equal(calls->begin(&c, base, c.version + 1), 0);
}

static void commit(void)
{
	uint64_t target = c.version + 1;

	if (prepare() != 0)
		print_error("%s: %s\n", ack.field, ack.message);
	assert_non_null(c.prepared);
	calls->commit(&c, target);
	assert_int_equal(c.version, target);
}

static void configure(void)
{
	begin(0);
	put_base();
	commit();
}

static void refuse(int err, uint16_t type, uint64_t id, const char *field)
{
	assert_int_equal(prepare(), err);
	assert_int_equal(ack.rec_type, type);
	assert_int_equal(ack.rec_id, id);
	assert_string_equal(ack.field, field);
	assert_true(ack.message[0] != '\0');
	assert_int_not_equal(ack.tag, CTL_TAG_NONE);
	calls->abort(&c);
}

// ---- what a worker sees -----------------------------------------------------------------------

static const struct lb_snapshot *seen(void)
{
	return publish_get(&c.published);
}

static const struct lb_service *find_service(const char *a, uint16_t port)
{
	const struct lb_snapshot *s = seen();
	struct ctl_addr x = addr(a);
	uint32_t i = lb_service_hash(0, IPPROTO_TCP, x.bytes, htons(port)) & s->service_mask;

	for (; s->service_hash[i] != NULL; i = (i + 1) & s->service_mask)
		if (memcmp(s->service_hash[i]->addr, x.bytes, 16) == 0 &&
		    s->service_hash[i]->port == htons(port))
			return s->service_hash[i];
	return NULL;
}

static uint8_t own_kind(const char *a)
{
	const struct lb_snapshot *s = seen();
	struct ctl_addr x = addr(a);
	uint32_t i = lb_own_hash(x.bytes) & s->own_mask;

	for (; s->own_hash[i] != NULL; i = (i + 1) & s->own_mask)
		if (memcmp(s->own_hash[i]->addr, x.bytes, 16) == 0)
			return s->own_hash[i]->kind;
	return 0;
}

static uint32_t ref_of(uint64_t id)
{
	const struct lb_entry *e = lb_store_live(&c.store, CTL_REC_SERVER, id, false);

	return e == NULL ? 0 : e->ref;
}

static const struct lb_server *server_of(uint64_t id)
{
	return lb_server_get(seen(), ref_of(id));
}

// Ids of the servers that new flows of the service get, as a bit mask (bit id - S1).
static unsigned picks(void)
{
	const struct lb_service *s = find_service("10.1.0.1", 80);
	uint32_t cursor = 0;
	unsigned mask = 0;

	for (unsigned i = 0; i < 64; i++) {
		struct lb_pick in = {.loads = &c.loads, .cursor = &cursor, .hash = i};
		uint32_t ref = s->pool->scheduler->pick(s->pool, &in);

		if (ref != LB_NONE)
			mask |= 1u << (lb_server_get(seen(), ref)->id - S1);
	}
	return mask;
}

static void verdict(uint64_t id, uint8_t health, const char *reason)
{
	struct ctl_verdict v = {.server = id, .health = health, .latency_us = 700};

	strcpy(v.reason, reason);
	calls->verdict(&c, &v);
	fake_loop_advance(loop, 10);
}

// ---- set-up -----------------------------------------------------------------------------------

static void init_conf(unsigned workers)
{
	struct lb_conf_args a = {.loop = loop,
				 .instance = "lb",
				 .run_dir = dir,
				 .flow_dir = dir,
				 .workers = workers};

	assert_int_equal(lb_conf_init(&c, &a), 0);
	lb_conf_linked(&c, NULL);
}

static int setup(void **state)
{
	memset(&fake, 0, sizeof(fake));
	snprintf(dir, sizeof(dir), "/dev/shm/sluice-unit-XXXXXX");
	if (mkdtemp(dir) == NULL || loop_create(&loop) != 0)
		return -1;
	init_conf(1);
	return 0;
}

static void fini_conf(void)
{
	lb_conf_fini(&c);
	for (unsigned i = 0; i < PORT_MAX; i++) {
		free(fake.port[i]);
		fake.port[i] = NULL;
	}
}

static int teardown(void **state)
{
	char path[128];

	fini_conf();
	loop_destroy(loop);
	snprintf(path, sizeof(path), "%s/lb.health", dir);
	unlink(path);
	return rmdir(dir);
}

// ---- tests ------------------------------------------------------------------------------------

static void an_empty_configuration_is_published_at_once(void **state)
{
	assert_non_null(seen());
	assert_int_equal(seen()->version, 0);
	assert_int_not_equal(seen()->serial, 0);
	assert_null(find_service("10.1.0.1", 80));
	assert_null(lb_server_get(seen(), 1u << LB_SLOT_BITS));
	assert_int_equal(fake.tables, 0); // no size known yet
}

static void a_commit_is_seen_whole(void **state)
{
	const struct lb_service *s;

	begin(0);
	put_base();
	assert_int_equal(prepare(), 0);
	assert_null(find_service("10.1.0.1", 80)); // nothing before the commit
	assert_int_equal(fake.opened, 1);
	calls->commit(&c, 1);
	s = find_service("10.1.0.1", 80);
	assert_non_null(s);
	assert_int_equal(s->enabled, 1);
	assert_int_equal(s->local->count4, 1);
	assert_int_equal(s->local->count6, 1);
	assert_int_equal(s->pool->available, 2);
	assert_int_equal(picks(), 3);
	assert_int_equal(server_of(S1)->takes_new, 1);
	assert_int_equal(server_of(S1)->alive, 1);
	assert_int_equal(own_kind("10.1.0.1"), LB_OWN_SERVICE);
	assert_int_equal(own_kind("10.2.0.200"), LB_OWN_LOCAL);
	assert_int_equal(own_kind("10.9.9.9"), 0);
	assert_int_equal(fake.steers, 3);
	assert_int_equal(fake.table_size, 4096);
	assert_non_null(strstr(fake.path, "/lb.w0.flows"));
	assert_int_equal(c.flows_taken, 3);
}

static void an_abort_leaves_no_trace(void **state)
{
	const struct lb_snapshot *before;
	uint32_t ref;

	configure();
	before = seen();
	ref = ref_of(S1);
	begin(c.version);
	put_server(S3, "10.2.0.3", 1, CTL_ADMIN_ENABLED);
	put_server(S1, "10.2.0.99", 5, CTL_ADMIN_ENABLED);
	put_port(11, "down", 0);
	assert_int_equal(calls->del(&c, CTL_REC_SERVER, S2, &ack), 0);
	assert_int_equal(prepare(), 0);
	assert_int_equal(fake.opened, 2);
	calls->abort(&c);
	assert_int_equal(fake.closed, 1);
	assert_ptr_equal(seen(), before);
	assert_int_equal(ref_of(S1), ref);
	assert_int_equal(ref_of(S3), 0);
	assert_int_equal(picks(), 3);
	begin(c.version);
	put_server(S3, "10.2.0.3", 1, CTL_ADMIN_ENABLED);
	commit();
	assert_int_equal(picks(), 7);
}

static void a_first_transaction_aborted_leaves_no_tables(void **state)
{
	begin(0);
	put_base();
	assert_int_equal(prepare(), 0);
	calls->abort(&c);
	assert_int_equal(fake.tables, 1);
	assert_int_equal(fake.tables_closed, 1);
	begin(0);
	put_base();
	put_settings(8192); // another size is no matter: nothing was in use
	commit();
	assert_int_equal(fake.table_size, 8192);
}

static void a_resync_of_the_same_changes_nothing(void **state)
{
	const struct lb_service *s;
	uint32_t ref;

	configure();
	s = find_service("10.1.0.1", 80);
	ref = ref_of(S1);
	begin(0);
	put_base();
	commit();
	assert_ptr_equal(find_service("10.1.0.1", 80), s); // shared with the snapshot before
	assert_int_equal(ref_of(S1), ref);
	assert_int_equal(fake.opened, 1);
	assert_int_equal(fake.closed, 0);
}

static void a_resync_deletes_what_it_does_not_send(void **state)
{
	uint32_t ref;

	configure();
	ref = ref_of(S2);
	begin(0);
	put_settings(4096);
	put_port(UP, "up", 0);
	put_local_pool(SNAT);
	put_local(LOCAL4, SNAT, "10.2.0.200");
	put_pool(WEB, CTL_ON_DOWN_RESET, CTL_CHECK_TCP);
	put_server(S1, "10.2.0.1", 1, CTL_ADMIN_ENABLED);
	put_service(SVC, "web", "10.1.0.1", 80);
	commit();
	assert_int_equal(ref_of(S2), 0);
	assert_null(lb_server_get(seen(), ref)); // its flows are stale
	assert_int_equal(picks(), 1);
	assert_int_equal(own_kind("fd20::200"), 0);
	begin(0);
	commit(); // everything goes
	assert_null(find_service("10.1.0.1", 80));
	assert_int_equal(fake.closed, 1);
	assert_int_equal(fake.steers, 0);
}

static void a_server_keeps_its_slot_until_its_address_changes(void **state)
{
	uint32_t ref;

	configure();
	ref = ref_of(S1);
	begin(c.version);
	put_server(S1, "10.2.0.1", 7, CTL_ADMIN_DRAIN);
	commit();
	assert_int_equal(ref_of(S1), ref);
	assert_int_equal(server_of(S1)->weight, 7);
	begin(c.version);
	put_server(S1, "10.2.0.77", 7, CTL_ADMIN_ENABLED);
	commit();
	assert_int_not_equal(ref_of(S1), ref);
	assert_null(lb_server_get(seen(), ref));
	assert_int_equal(server_of(S1)->addr[3], 77);
}

static void admin_states_and_weight(void **state)
{
	configure();
	begin(c.version);
	put_server(S1, "10.2.0.1", 1, CTL_ADMIN_DRAIN);
	commit();
	assert_int_equal(picks(), 2);
	assert_int_equal(server_of(S1)->alive, 1); // its flows go on
	begin(c.version);
	put_server(S1, "10.2.0.1", 1, CTL_ADMIN_DISABLED);
	commit();
	assert_int_equal(server_of(S1)->alive, 0);
	begin(c.version);
	put_pool(WEB, CTL_ON_DOWN_KEEP, CTL_CHECK_TCP);
	commit();
	assert_int_equal(server_of(S1)->alive, 1); // the pool says keep
	assert_int_equal(server_of(S1)->takes_new, 0);
	begin(c.version);
	put_server(S1, "10.2.0.1", 0, CTL_ADMIN_ENABLED);
	commit();
	assert_int_equal(picks(), 2);
	assert_int_equal(server_of(S1)->alive, 1);
}

static void a_verdict_is_published_without_a_transaction(void **state)
{
	uint64_t serial, version;

	configure();
	serial = seen()->serial;
	version = seen()->version;
	assert_int_equal(picks(), 3); // unknown counts as up
	verdict(S1, CTL_HEALTH_UP, "");
	assert_int_equal(seen()->serial, serial); // nothing changed for workers
	verdict(S1, CTL_HEALTH_DOWN, "connection refused");
	assert_int_equal(picks(), 2);
	assert_int_equal(server_of(S1)->alive, 0);
	assert_true(seen()->serial > serial);
	assert_int_equal(seen()->version, version);
	verdict(S2, CTL_HEALTH_DOWN, "timeout");
	assert_int_equal(picks(), 0);
	assert_int_equal(find_service("10.1.0.1", 80)->pool->available, 0);
	verdict(S1, CTL_HEALTH_UP, "");
	verdict(S2, CTL_HEALTH_UNKNOWN, "");
	assert_int_equal(picks(), 3);
	verdict(99, CTL_HEALTH_DOWN, "");
	assert_int_equal(c.unknown_verdicts, 1);
}

static void a_verdict_counts_only_where_a_check_is_configured(void **state)
{
	configure();
	verdict(S1, CTL_HEALTH_DOWN, "x");
	assert_int_equal(picks(), 2);
	begin(c.version);
	put_pool(WEB, CTL_ON_DOWN_RESET, CTL_CHECK_NONE);
	commit();
	assert_int_equal(picks(), 3);
	verdict(S2, CTL_HEALTH_DOWN, "x");
	assert_int_equal(picks(), 3);
}

static void a_verdict_between_prepare_and_commit_is_seen_before_and_after(void **state)
{
	uint64_t serial;

	configure();
	begin(c.version);
	put_server(S3, "10.2.0.3", 1, CTL_ADMIN_ENABLED);
	assert_int_equal(prepare(), 0);
	verdict(S1, CTL_HEALTH_DOWN, "gone");
	assert_int_equal(picks(), 2); // at once
	serial = seen()->serial;
	calls->commit(&c, c.version + 1);
	assert_int_equal(picks(), 6); // and the commit did not bring it back
	assert_true(seen()->serial > serial);
}

static void a_verdict_of_a_server_being_deleted_does_no_harm(void **state)
{
	struct ctl_verdict v = {.server = S1, .health = CTL_HEALTH_DOWN};

	configure();
	begin(c.version);
	assert_int_equal(calls->del(&c, CTL_REC_SERVER, S1, &ack), 0);
	assert_int_equal(prepare(), 0);
	calls->verdict(&c, &v);
	calls->commit(&c, c.version + 1);
	fake_loop_advance(loop, 10);
	assert_int_equal(picks(), 2);
}

static void verdicts_survive_a_restart(void **state)
{
	configure();
	verdict(S1, CTL_HEALTH_DOWN, "connection refused");
	verdict(S2, CTL_HEALTH_UP, "");
	fake_loop_advance(loop, 1000); // saved
	fini_conf();
	init_conf(1);
	configure();
	assert_int_equal(picks(), 2);
	assert_string_equal(lb_store_find(&c.store, CTL_REC_SERVER, S1)->verdict.reason,
			    "connection refused");
	assert_int_equal(lb_store_find(&c.store, CTL_REC_SERVER, S2)->verdict.health,
			 CTL_HEALTH_UP);
}

static void agent(uint64_t id, uint8_t flags, uint16_t percent)
{
	struct ctl_verdict v = {.server = id,
				.health = CTL_HEALTH_UP,
				.good = 1,
				.agent = flags | CTL_AGENT_KNOWN,
				.agent_percent = percent};

	calls->verdict(&c, &v);
	fake_loop_advance(loop, 10);
}

static void an_agent_has_a_say_in_weight_and_flows(void **state)
{
	fake.check.agent_port = 9;
	configure();
	begin(c.version);
	put_server(S1, "10.2.0.1", 100, CTL_ADMIN_ENABLED);
	commit();
	agent(S1, 0, 75);
	assert_int_equal(server_of(S1)->weight, 75);
	assert_int_equal(picks(), 3);
	agent(S1, CTL_AGENT_DRAIN, 75);
	assert_int_equal(picks(), 2);
	assert_int_equal(server_of(S1)->alive, 1);
	agent(S1, CTL_AGENT_MAINT, 75);
	assert_int_equal(picks(), 2);
	assert_int_equal(server_of(S1)->alive, 0);
	agent(S1, 0, 0);
	assert_int_equal(picks(), 2);
	assert_int_equal(server_of(S1)->alive, 1);
	agent(S1, CTL_AGENT_DOWN, 75);
	assert_int_equal(server_of(S1)->alive, 0);
	fake_loop_advance(loop, 1000); // saved
	fini_conf();
	init_conf(1);
	configure();
	assert_int_equal(picks(), 2); // what the agent said is kept
	agent(S1, 0, 1000);
	assert_int_equal(server_of(S1)->weight, 10);
	assert_int_equal(picks(), 3);
	fake.check.agent_port = 0;
	begin(c.version);
	put_pool(WEB, CTL_ON_DOWN_RESET, CTL_CHECK_TCP);
	commit();
	assert_int_equal(server_of(S1)->weight, 1);
}

static struct lb_tcp_counters *tcp_of(uint64_t id)
{
	return &fake.tcp[ref_of(id) & LB_SLOT_MASK];
}

static void look(void)
{
	fake_loop_advance(loop, LB_WATCH_MS);
	fake_loop_advance(loop, 10);
}

// As clients see it: so many failed connections in a row take a server out, a good check brings it back.
static void clients_connections_that_fail_mark_a_server(void **state)
{
	struct ctl_verdict good = {.server = S1, .health = CTL_HEALTH_UP, .good = 1};
	const struct lb_entry *e;

	fake.check.passive_failures = 5;
	fake.check.passive_hold_ms = 60000;
	configure();
	look();
	tcp_of(S1)->refused += 3;
	tcp_of(S1)->silent += 1;
	look();
	assert_int_equal(picks(), 3);
	tcp_of(S1)->silent += 1;
	look();
	assert_int_equal(picks(), 2);
	assert_int_equal(server_of(S1)->alive, 0);
	e = lb_store_find(&c.store, CTL_REC_SERVER, S1);
	assert_in_range(lb_health_held_until(&c, e), time(NULL) + 58, time(NULL) + 62);
	good.good = 0; // it is up as yet, but its last check failed
	calls->verdict(&c, &good);
	look();
	assert_int_equal(picks(), 2);
	good.good = 1;
	calls->verdict(&c, &good);
	look();
	assert_int_equal(picks(), 3);
	assert_int_equal(lb_health_held_until(&c, e), 0);
}

// What one client sees may be its own fault: a pool is not emptied by it.
static void the_last_server_is_never_marked_by_clients(void **state)
{
	fake.check.passive_failures = 5;
	fake.check.passive_hold_ms = 60000;
	configure();
	look();
	tcp_of(S1)->refused += 9;
	tcp_of(S2)->refused += 9;
	look();
	assert_int_equal(__builtin_popcount(picks()), 1);
	look();
	assert_int_equal(__builtin_popcount(picks()), 1);
}

static void a_mark_of_clients_ends_by_itself(void **state)
{
	fake.check.passive_failures = 5;
	fake.check.passive_hold_ms = 60000;
	configure();
	look();
	tcp_of(S1)->refused += 9;
	look();
	assert_int_equal(picks(), 2);
	lb_store_find(&c.store, CTL_REC_SERVER, S1)->verdict.watch->passive_until = 1;
	look();
	assert_int_equal(picks(), 3);
}

static void a_server_that_flaps_is_held_down(void **state)
{
	const struct lb_entry *e;
	char why[256];

	fake.check.damping_changes = 4;
	fake.check.damping_hold_ms = 60000;
	configure();
	verdict(S1, CTL_HEALTH_DOWN, "refused");
	verdict(S1, CTL_HEALTH_UP, "");
	verdict(S1, CTL_HEALTH_DOWN, "refused");
	verdict(S1, CTL_HEALTH_UP, "");
	assert_int_equal(picks(), 2);
	e = lb_store_find(&c.store, CTL_REC_SERVER, S1);
	lb_watch_reason(&e->verdict, &fake.check, why, sizeof(why));
	assert_non_null(strstr(why, "held down: it changed 4 times"));
	fake_loop_advance(loop, 1000); // saved
	fini_conf();
	init_conf(1);
	configure();
	assert_int_equal(picks(), 2); // a restart is no way out
	verdict(S1, CTL_HEALTH_UP, "");
	assert_int_equal(picks(), 2);
	fake.check.damping_changes = 0;
	begin(c.version);
	put_pool(WEB, CTL_ON_DOWN_RESET, CTL_CHECK_TCP);
	commit();
	assert_int_equal(picks(), 3);
}

static void a_check_without_a_port_is_refused(void **state)
{
	struct ctl_server s = {.rec = R(CTL_REC_SERVER, struct ctl_server, S1),
			       .pool = WEB,
			       .name = "s1",
			       .addr = addr("10.2.0.1"),
			       .weight = 1,
			       .admin = CTL_ADMIN_ENABLED};

	configure();
	begin(c.version);
	put(&s);
	refuse(-EINVAL, CTL_REC_SERVER, S1, "port");
	begin(c.version);
	put(&s);
	put_pool(WEB, CTL_ON_DOWN_RESET, CTL_CHECK_ICMP);
	commit();
	begin(c.version);
	put_pool(WEB, CTL_ON_DOWN_RESET, CTL_CHECK_UDP);
	refuse(-EINVAL, CTL_REC_SERVER, S1, "port");
}

static void a_spoilt_verdict_file_is_ignored(void **state)
{
	char path[128];
	FILE *f;

	configure();
	verdict(S1, CTL_HEALTH_DOWN, "x");
	fake_loop_advance(loop, 1000);
	fini_conf();
	snprintf(path, sizeof(path), "%s/lb.health", dir);
	f = fopen(path, "r+");
	assert_non_null(f);
	fseek(f, 30, SEEK_SET);
	fputc('!', f);
	fclose(f);
	init_conf(1);
	configure();
	assert_int_equal(picks(), 3);
}

// ---- what the kernel listens on -----------------------------------------------------------------

static void kernel_waits(const char *a, uint16_t port, int ifindex, bool connected)
{
	struct port_listener *l = &fake.listener[fake.listeners++];
	struct ctl_addr x = addr(a);

	*l = (struct port_listener){.family = x.family,
				    .proto = IPPROTO_TCP,
				    .any = strcmp(a, "0.0.0.0") == 0 || strcmp(a, "::") == 0,
				    .connected = connected,
				    .port = htons(port),
				    .ifindex = ifindex};
	memcpy(l->addr, x.bytes, 16);
}

// Of port: do workers believe that the kernel has it, on any address and on which single ones?
static bool any_has(uint16_t port, bool ipv6)
{
	const struct lb_listeners *l = seen()->listeners;

	return l != NULL && (l->any[0][ipv6][port / 64] >> port % 64 & 1) != 0;
}

static bool single_has(const char *a, uint16_t port)
{
	const struct lb_listeners *l = seen()->listeners;
	struct ctl_addr x = addr(a);

	for (uint32_t i = 0; l != NULL && i < l->count; i++)
		if (l->single[i].port == htons(port) && l->single[i].family == x.family &&
		    memcmp(l->single[i].addr, x.bytes, 16) == 0)
			return (l->some[0][x.family == 6][port / 64] >> port % 64 & 1) != 0;
	return false;
}

static void workers_are_told_what_the_kernel_waits_for(void **state)
{
	uint64_t serial;

	kernel_waits("0.0.0.0", 22, 0, false);
	configure();
	fake_loop_advance(loop, 2 * LB_LISTEN_MS);
	assert_null(seen()->listeners); // no service of any port: not asked for
	assert_int_equal(fake.listener_reads, 0);

	begin(c.version);
	put_service(SVC + 1, "any", "10.1.0.2", 0);
	commit();
	assert_true(any_has(22, false)); // at once
	assert_false(any_has(22, true));
	assert_false(any_has(23, false));

	serial = seen()->serial;
	kernel_waits("::", 23, 0, false);
	kernel_waits("10.1.0.2", 24, 0, false);
	kernel_waits("10.1.0.9", 25, 0, false); // no service of any port is there
	kernel_waits("0.0.0.0", 26, 99, false); // another device's
	kernel_waits("0.0.0.0", 27, 7, false);
	kernel_waits("10.1.0.2", 28, 0, true);
	fake_loop_advance(loop, LB_LISTEN_MS);
	assert_true(any_has(22, false) && any_has(23, true) && any_has(27, false));
	assert_false(any_has(26, false));
	assert_true(single_has("10.1.0.2", 24) && single_has("10.1.0.2", 28));
	assert_false(single_has("10.1.0.9", 25));
	assert_int_equal(seen()->serial, serial); // flows are not looked at again for it

	fake.listener_error = -EPERM; // what was known stays
	fake_loop_advance(loop, LB_LISTEN_MS);
	assert_true(any_has(22, false));
	fake.listener_error = 0;
	fake.listeners = 1;
	fake_loop_advance(loop, LB_LISTEN_MS);
	assert_true(any_has(22, false));
	assert_false(any_has(23, true) || single_has("10.1.0.2", 24));
	verdict(S1, CTL_HEALTH_DOWN, "x");
	assert_true(any_has(22, false));
	assert_true(seen()->serial > serial);
}

static void listeners_follow_services_of_a_transaction(void **state)
{
	configure();
	begin(c.version);
	put_service(SVC + 1, "any", "10.1.0.2", 0);
	commit();
	kernel_waits("10.1.0.3", 22, 0, false);
	kernel_waits("10.1.0.2", 23, 0, false);
	begin(c.version);
	put_service(SVC + 2, "any2", "10.1.0.3", 0);
	assert_int_equal(prepare(), 0);
	fake_loop_advance(loop, LB_LISTEN_MS); // between prepare and commit
	assert_true(single_has("10.1.0.2", 23));
	verdict(S1, CTL_HEALTH_DOWN, "x");
	calls->abort(&c);
	fake_loop_advance(loop, LB_LISTEN_MS);
	assert_true(single_has("10.1.0.2", 23));
	assert_false(single_has("10.1.0.3", 22));
	begin(c.version);
	put_service(SVC + 2, "any2", "10.1.0.3", 0);
	assert_int_equal(prepare(), 0);
	fake_loop_advance(loop, LB_LISTEN_MS);
	calls->commit(&c, c.version + 1);
	assert_true(single_has("10.1.0.2", 23) && single_has("10.1.0.3", 22));
	fake_loop_advance(loop, LB_LISTEN_MS);
	assert_true(single_has("10.1.0.2", 23) && single_has("10.1.0.3", 22));
	begin(c.version);
	assert_int_equal(calls->del(&c, CTL_REC_SERVICE, SVC + 1, &ack), 0);
	assert_int_equal(calls->del(&c, CTL_REC_SERVICE, SVC + 2, &ack), 0);
	commit();
	fake_loop_advance(loop, LB_LISTEN_MS);
	assert_null(seen()->listeners);
}

// ---- refusals ---------------------------------------------------------------------------------

// With two workers and RSS unknown, one has the even ports and one the odd ones.
static void local_pools_that_leave_a_worker_without_a_port_are_refused(void **state)
{
	struct ctl_local_pool narrow = {.rec = R(CTL_REC_LOCAL_POOL, struct ctl_local_pool, SNAT),
					.name = "snat",
					.port_min = 5000,
					.port_max = 5000};

	configure(); // one worker: any pool will do
	begin(c.version);
	put(&narrow);
	commit();
	fini_conf();
	init_conf(2);
	configure();
	begin(c.version);
	put(&narrow);
	refuse(-ERANGE, CTL_REC_LOCAL_POOL, SNAT, "port-max");
	narrow.port_max = 5001;
	begin(c.version);
	put(&narrow);
	commit();
	// The last good state of a node that had fewer workers is served all the same.
	fini_conf();
	init_conf(3);
	c.restoring = true;
	begin(0);
	put_base();
	put(&narrow);
	commit();
	c.restoring = false;
}

static void references_to_nothing_are_refused(void **state)
{
	configure();
	begin(c.version);
	assert_int_equal(calls->del(&c, CTL_REC_POOL, WEB, &ack), 0);
	assert_int_equal(prepare(), -ENOENT);
	assert_true(ack.rec_type == CTL_REC_SERVICE || ack.rec_type == CTL_REC_SERVER);
	assert_int_equal(ack.tag, CTL_TAG_DATA_MISSING);
	calls->abort(&c);
	begin(c.version);
	assert_int_equal(calls->del(&c, CTL_REC_LOCAL_POOL, SNAT, &ack), 0);
	assert_int_equal(calls->del(&c, CTL_REC_LOCAL_ADDRESS, LOCAL4, &ack), 0);
	assert_int_equal(calls->del(&c, CTL_REC_LOCAL_ADDRESS, LOCAL6, &ack), 0);
	refuse(-ENOENT, CTL_REC_SERVICE, SVC, "local-address-pool");
	begin(c.version);
	assert_int_equal(calls->del(&c, CTL_REC_SERVER, 999, &ack), -ENOENT);
	calls->abort(&c);
	assert_int_equal(picks(), 3);
}

// The span of ports that holds `port` of a prefix.
static uint64_t in_span(const char *a, uint8_t len, uint16_t port)
{
	const struct lb_spans *t = seen()->spans;
	struct ctl_addr x = addr(a);
	uint32_t i = lb_span_hash(0, IPPROTO_TCP, x.bytes, len) & t->mask, k = 0;

	while (t->hash[i]->len != len || memcmp(t->hash[i]->addr, x.bytes, 16) != 0)
		i = (i + 1) & t->mask;
	while (k + 1 < t->hash[i]->count && t->hash[i]->first[k + 1] <= port)
		k++;
	return t->hash[i]->service[k] == NULL ? 0 : t->hash[i]->service[k]->id;
}

static void services_of_ranges_and_prefixes_lie_in_spans(void **state)
{
	configure();
	assert_null(seen()->spans);
	assert_null(seen()->own_prefixes);
	begin(c.version);
	put_services(51, "range", "10.1.0.1", 32, 100, 200);
	put_services(52, "net", "10.1.0.0", 24, 80, 80);
	put_services(53, "any", "10.1.0.0", 24, 0, 0);
	commit();
	assert_non_null(find_service("10.1.0.1", 80)); // the one of one port stays where it was
	assert_int_equal(in_span("10.1.0.1", 32, 99), 0);
	assert_int_equal(in_span("10.1.0.1", 32, 100), 51);
	assert_int_equal(in_span("10.1.0.1", 32, 200), 51);
	assert_int_equal(in_span("10.1.0.1", 32, 201), 0);
	assert_int_equal(in_span("10.1.0.0", 24, 80), 52);
	assert_int_equal(in_span("10.1.0.0", 24, 81), 53);
	assert_int_equal(seen()->own_prefixes->count[0], 1);
	assert_int_equal(seen()->own_prefixes->len[0][0], 24);
	begin(c.version);
	assert_int_equal(calls->del(&c, CTL_REC_SERVICE, 51, &ack), 0);
	assert_int_equal(calls->del(&c, CTL_REC_SERVICE, 52, &ack), 0);
	assert_int_equal(calls->del(&c, CTL_REC_SERVICE, 53, &ack), 0);
	commit();
	assert_null(seen()->spans);
	assert_null(seen()->own_prefixes);
}

static void what_crosses_or_holds_local_addresses_is_refused(void **state)
{
	configure();
	begin(c.version);
	put_services(51, "range", "10.1.0.1", 32, 100, 200);
	commit();
	begin(c.version);
	put_services(52, "cross", "10.1.0.1", 32, 150, 250);
	refuse(-EEXIST, CTL_REC_SERVICE, 52, "port-max");
	assert_non_null(strstr(ack.message, "'range'"));
	begin(c.version);
	put_services(40, "cross", "10.1.0.1", 32, 50, 150); // sorted before the one that is there
	refuse(-EEXIST, CTL_REC_SERVICE, 40, "port-max");
	begin(c.version);
	put_services(52, "same", "10.1.0.1", 32, 100, 200);
	refuse(-EEXIST, CTL_REC_SERVICE, 52, "address");
	begin(c.version);
	put_services(52, "net", "10.2.0.0", 24, 80, 80);
	refuse(-EEXIST, CTL_REC_LOCAL_ADDRESS, LOCAL4, "address");
	begin(c.version);
	put_services(52, "inner", "10.1.0.1", 32, 150, 200);
	commit();
	assert_int_equal(in_span("10.1.0.1", 32, 149), 51);
	assert_int_equal(in_span("10.1.0.1", 32, 150), 52);
}

static void two_services_on_one_address_are_refused(void **state)
{
	configure();
	begin(c.version);
	put_service(51, "again", "10.1.0.1", 80);
	assert_int_equal(prepare(), -EEXIST);
	assert_string_equal(ack.field, "address");
	assert_non_null(strstr(ack.message, "again"));
	assert_non_null(strstr(ack.message, "web"));
	calls->abort(&c);
	begin(c.version);
	put_service(51, "again", "10.1.0.1", 81);
	commit();
	assert_non_null(find_service("10.1.0.1", 81));
}

static void families_must_agree(void **state)
{
	configure();
	begin(c.version);
	put_server(S3, "fd20::3", 1, CTL_ADMIN_ENABLED);
	refuse(-EINVAL, CTL_REC_SERVICE, SVC, "pool");
	begin(c.version);
	assert_int_equal(calls->del(&c, CTL_REC_LOCAL_ADDRESS, LOCAL4, &ack), 0);
	refuse(-EINVAL, CTL_REC_SERVICE, SVC, "local-address-pool");
	begin(c.version);
	put_service(51, "web6", "fd10::1", 80);
	refuse(-EINVAL, CTL_REC_SERVICE, 51, "pool");
	assert_int_equal(picks(), 3);
}

static void a_local_address_belongs_to_one_pool(void **state)
{
	configure();
	begin(c.version);
	put_local(23, SNAT, "10.2.0.200");
	assert_int_equal(prepare(), -EEXIST);
	assert_int_equal(ack.rec_type, CTL_REC_LOCAL_ADDRESS);
	calls->abort(&c);
}

static void a_port_that_does_not_open_is_refused(void **state)
{
	configure();
	fake.open_error = -ENODEV;
	begin(c.version);
	put_port(11, "ghost0", 0);
	refuse(-ENODEV, CTL_REC_PORT, 11, "port/device");
	assert_non_null(strstr(ack.message, "ghost0"));
	assert_int_equal(fake.closed, 0);
}

static void a_port_in_use_does_not_change(void **state)
{
	struct ctl_vlan v = {
		.rec = R(CTL_REC_VLAN, struct ctl_vlan, 60), .port = UP, .vid = 7, .tap = "v7"};

	configure();
	begin(c.version);
	put_port(UP, "up", 9000);
	refuse(-EBUSY, CTL_REC_PORT, UP, "port");
	begin(c.version);
	put(&v);
	refuse(-EBUSY, CTL_REC_VLAN, 60, "vid");
	begin(c.version);
	put_port(11, "up", 0);
	refuse(-EBUSY, CTL_REC_PORT, 11, "port/device");
	begin(c.version);
	assert_int_equal(calls->del(&c, CTL_REC_PORT, UP, &ack), 0);
	commit();
	assert_int_equal(fake.closed, 1);
	begin(c.version);
	put_port(UP, "up", 9000);
	put(&v);
	commit();
	assert_int_equal(fake.opened, 2);
	assert_int_equal(fake.vlans, 1);
}

static void a_table_that_does_not_fit_is_refused(void **state)
{
	begin(0);
	put_base();
	fake.table_error = -ENOMEM;
	refuse(-ENOMEM, CTL_REC_SETTINGS, 1, "flow-table/size");
	assert_int_equal(ack.tag, CTL_TAG_RESOURCE_DENIED);
	fake.table_error = 0;
	configure();
	begin(c.version);
	put_settings(1 << 28); // 47 GB: more than this machine's memory
	refuse(-ENOMEM, CTL_REC_SETTINGS, 1, "flow-table/size");
	begin(c.version);
	put_settings(8192); // waits for the next start
	commit();
	assert_int_equal(c.flow_size.all, 4096);
	assert_int_equal(c.flow_size.ipv6, 4096);
	assert_int_equal(c.flow_size_warned.all, 8192);
}

static void out_of_memory_for_counters_is_refused(void **state)
{
	configure();
	fake.reserve_error = -ENOMEM;
	begin(c.version);
	put_server(S3, "10.2.0.3", 1, CTL_ADMIN_ENABLED);
	assert_int_equal(prepare(), -ENOMEM);
	calls->abort(&c);
	assert_int_equal(picks(), 3);
}

// ---- restart ----------------------------------------------------------------------------------

static struct {
	uint8_t bytes[16384];
	size_t size;
} disk;

static void to_disk(void *ctx, const struct ctl_rec *rec)
{
	memcpy(disk.bytes + disk.size, rec, rec->size);
	disk.size += (rec->size + 7u) & ~7u;
}

static void from_disk(bool privates)
{
	for (size_t at = 0; at < disk.size;) {
		const struct ctl_rec *r = (const void *)(disk.bytes + at);

		if (privates && r->type >= CTL_REC_PRIVATE)
			assert_int_equal(calls->restore(&c, r), 0);
		if (!privates && r->type < CTL_REC_PRIVATE)
			put(r);
		at += (r->size + 7u) & ~7u;
	}
}

static void slots_come_back_after_a_restart(void **state)
{
	struct lb_conf_args a = {
		.loop = loop, .instance = "lb", .run_dir = dir, .flow_dir = dir, .workers = 1};
	uint32_t r1, r2, r3, service;

	configure();
	begin(c.version);
	put_server(S3, "10.2.0.3", 1, CTL_ADMIN_ENABLED);
	commit();
	r3 = ref_of(S3);
	begin(c.version);
	assert_int_equal(calls->del(&c, CTL_REC_SERVER, S3, &ack), 0);
	commit();
	r1 = ref_of(S1);
	r2 = ref_of(S2);
	service = find_service("10.1.0.1", 80)->ref;
	disk.size = 0;
	calls->records(&c, to_disk, NULL);
	fini_conf();

	assert_int_equal(lb_conf_init(&c, &a), 0);
	from_disk(true);
	fake.open_error = -ENODEV; // the interface is not there yet: no reason not to start
	begin(0);
	from_disk(false);
	commit();
	lb_conf_linked(&c, NULL);
	assert_int_equal(ref_of(S1), r1);
	assert_int_equal(ref_of(S2), r2);
	assert_int_equal(find_service("10.1.0.1", 80)->ref, service);
	assert_true(lb_ports_missing(&c));
	fake.open_error = 0;
	fake_loop_advance(loop, 1500);
	assert_false(lb_ports_missing(&c));
	begin(c.version);
	put_server(S3, "10.2.0.3", 1, CTL_ADMIN_ENABLED);
	commit();
	assert_int_not_equal(ref_of(S3), r3); // the old one's flows are not its
}

// ---- queries ----------------------------------------------------------------------------------

static json_t *ask(const char *name, const char *args)
{
	char *text = NULL;
	json_error_t e;
	json_t *j;

	assert_int_equal(calls->query(&c, name, args, &text), 0);
	j = json_loads(text, JSON_REJECT_DUPLICATES, &e);
	if (j == NULL)
		print_error("%s\n%s\n", e.text, text);
	assert_non_null(j);
	free(text);
	return j;
}

static void state_is_json_in_the_shape_of_the_model(void **state)
{
	const char *health, *active, *reason, *oper;
	int available;
	json_t *j;

	configure();
	verdict(S1, CTL_HEALTH_DOWN, "said \"no\"\\");
	j = ask("state", "{}");
	assert_int_equal(json_unpack(j, "{s:{s:[{s:{s:[{s:{s:[{s:{s:s,s:b,s:s,s:s}}]}}]}}]}}",
				     "sluice-lb:load-balancers", "load-balancer", "pools", "pool",
				     "servers", "server", "state", "health", &health, "available",
				     &available, "active-flows", &active, "reason", &reason),
			 0);
	assert_string_equal(health, "down");
	assert_false(available);
	assert_string_equal(active, "4");
	assert_string_equal(reason, "said \"no\"\\");
	assert_int_equal(json_unpack(j, "{s:{s:[{s:s}]}}", "ietf-interfaces:interfaces",
				     "interface", "oper-status", &oper),
			 0);
	assert_string_equal(oper, "down");
	json_decref(j);
}

static void a_slot_taken_again_counts_from_zero(void **state)
{
	struct lb_counters n;
	uint32_t slot;

	configure();
	slot = ref_of(S1) & LB_SLOT_MASK;
	n = lb_entry_counters(&c, lb_store_find(&c.store, CTL_REC_SERVER, S1));
	assert_int_equal(n.new_flows, 5);
	begin(c.version);
	assert_int_equal(calls->del(&c, CTL_REC_SERVER, S1, &ack), 0);
	commit();
	begin(c.version);
	put_server(S3, "10.2.0.3", 1, CTL_ADMIN_ENABLED);
	commit();
	assert_int_equal(ref_of(S3) & LB_SLOT_MASK, slot);
	n = lb_entry_counters(&c, lb_store_find(&c.store, CTL_REC_SERVER, S3));
	assert_int_equal(n.new_flows, 0);
	assert_int_equal(n.ended_flows, 0);
}

static json_int_t total_of(const char *query, const char *args, const char *member)
{
	json_t *j = ask(query, args);
	json_int_t n = json_integer_value(json_object_get(j, member));

	json_decref(j);
	return n;
}

static void flows_are_filtered(void **state)
{
	static const struct {
		const char *filter;
		int total;
	} cases[] = {
		{"", 2},
		{"tcp", 2},
		{"udp", 0},
		{"established", 1},
		{"established syn", 2}, // one of the states
		{"syn ipv4", 1},
		{"ipv6", 0},
		{"10.0.0.2", 1},
		{"10.0.0.2:4000", 1},
		{"10.0.0.2:80", 0},
		{"10.0.0.0/30", 2},
		{"10.0.0.2/31", 2},
		{"10.0.0.0/31", 0},
		{"client=0.0.0.0/0", 2},
		{"client=::/0", 0},
		{"port=8080", 2},
		{"port=8000-8100", 2},
		{"port=1-79", 0},
		{"server=10.2.0.1", 2},
		{"client=10.2.0.1", 0},
		{"local=10.2.0.0/16", 2},
		{"service=10.1.0.1:80 client=10.0.0.3", 1},
		{"tcp 10.0.0.2:4000 10.1.0.1:80", 1}, // a tuple
		{"[fd00::1]:80", 0},
		{"context=0", 2},
		{"context=7", 0},
		{"idle-min=4s", 1},
		{"idle-max=4000ms", 1},
		{"idle-min=1h", 0},
		{"age-min=40 age-max=2m", 1},
		{"age-max=999999h", 2},
	};
	static const char *const bad[] = {"nonsense",
					  "10.0.0",
					  "port=0",
					  "port=x",
					  "port=9-8",
					  "[fd00::1",
					  "10.0.0.1:99999",
					  "10.0.0.0/33",
					  "fd00::/129",
					  "10.0.0.0/",
					  "context=65536",
					  "context=",
					  "idle-min=x",
					  "age-max=5d",
					  "tcp udp",
					  "ipv4 ipv6",
					  "service=nobody",
					  "server=web/nobody",
					  "server=nobody/s41",
					  "a b c d e f g h i"};
	char args[128], *text;

	configure();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *j;

		snprintf(args, sizeof(args), "{\"filter\":\"%s\"}", cases[i].filter);
		j = ask("flows", args);
		assert_int_equal(json_integer_value(json_object_get(j, "total")), cases[i].total);
		assert_int_equal(json_array_size(json_object_get(j, "flows")), cases[i].total);
		assert_true(json_is_true(json_object_get(j, "complete")));
		assert_null(json_object_get(j, "next"));
		json_decref(j);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(args, sizeof(args), "{\"filter\":\"%s\"}", bad[i]);
		text = NULL;
		assert_int_equal(calls->query(&c, "flows", args, &text), -EINVAL);
		assert_non_null(text);
		free(text);
	}
}

// Names of servers and services stand for flows of their slot and generation, not for addresses.
static void flows_are_filtered_by_name(void **state)
{
	struct flow *f;
	uint32_t slot = 0;

	configure();
	assert_int_equal(total_of("flows", "{\"filter\":\"server=s41\"}", "total"), 0);
	for (; slot < 64; slot++) {
		f = flow_at(c.worker[0]->table, slot);
		if ((f->flags & FLOW_F_VALID) != 0)
			break;
	}
	f->server = ref_of(S1);
	f->service = lb_store_find(&c.store, CTL_REC_SERVICE, SVC)->ref;
	assert_int_equal(total_of("flows", "{\"filter\":\"server=s41\"}", "total"), 1);
	assert_int_equal(total_of("flows", "{\"filter\":\"server=web/s41 tcp\"}", "total"), 1);
	assert_int_equal(total_of("flows", "{\"filter\":\"server=s42\"}", "total"), 0);
	assert_int_equal(total_of("flows", "{\"filter\":\"service=web\"}", "total"), 1);
	f->server += UINT32_C(1) << LB_SLOT_BITS; // of an older one in the same slot
	assert_int_equal(total_of("flows", "{\"filter\":\"server=s41\"}", "total"), 0);
}

static void flows_are_sorted_and_paged(void **state)
{
	static const struct {
		const char *sort;
		int first; // local port, two more than that of 30000
	} cases[] = {{"bytes", 2}, {"packets", 3}, {"age", 3}, {"idle", 3}};
	char args[160], want[32];
	const char *next;
	json_t *j;

	configure();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (unsigned limit = 1; limit <= 3; limit++) {
			snprintf(args, sizeof(args), "{\"sort\":\"%s\",\"limit\":%u}",
				 cases[i].sort, limit);
			snprintf(want, sizeof(want), "10.2.0.200:%d", 30000 + cases[i].first);
			j = ask("flows", args);
			assert_int_equal(json_array_size(json_object_get(j, "flows")),
					 limit > 2 ? 2 : limit);
			assert_string_equal(
				json_string_value(json_object_get(
					json_array_get(json_object_get(j, "flows"), 0), "local")),
				want);
			assert_int_equal(json_integer_value(json_object_get(j, "total")), 2);
			json_decref(j);
		}
	}
	j = ask("flows", "{\"limit\":1,\"filter\":\"tcp\"}");
	assert_int_equal(json_integer_value(json_object_get(j, "total")), 2);
	next = json_string_value(json_object_get(j, "next"));
	assert_non_null(next);
	snprintf(args, sizeof(args), "{\"limit\":5,\"filter\":\"tcp\",\"next\":\"%s\"}", next);
	json_decref(j);
	j = ask("flows", args);
	assert_int_equal(json_array_size(json_object_get(j, "flows")), 1);
	assert_null(json_object_get(j, "next"));
	json_decref(j);
	j = ask("flows", "{\"next\":\"99:0\"}"); // a table that went: nothing is left
	assert_int_equal(json_array_size(json_object_get(j, "flows")), 0);
	json_decref(j);
}

static void flows_are_cleared_by_their_worker(void **state)
{
	static const char *const bad[] = {"{}", "{\"all\":true,\"filter\":\"tcp\"}",
					  "{\"filter\":\"\"}", "{\"filter\":\"x\"}",
					  "{\"al\":true}"};
	char *text;

	configure();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		text = NULL;
		assert_int_equal(calls->query(&c, "clear", bad[i], &text), -EINVAL);
		assert_non_null(text);
		free(text);
	}
	assert_int_equal(fake.cleared, 0);
	assert_int_equal(total_of("clear", "{\"filter\":\"tcp 10.0.0.3:4000\"}", "ended"), 1);
	assert_int_equal(total_of("flows", "{}", "total"), 1);
	assert_int_equal(total_of("clear", "{\"filter\":\"udp\"}", "ended"), 0);
	for (uint8_t i = 10; i < 50; i++)
		add_flow(c.worker[0]->table, i, FLOW_UDP, 1);
	assert_int_equal(total_of("clear", "{\"all\":true}", "ended"), 41);
	assert_int_equal(total_of("flows", "{\"filter\":\"ipv4\"}", "total"), 0);
}

static const char *text_of(const json_t *j, const char *member)
{
	return json_string_value(json_object_get(j, member));
}

static void a_tuple_is_explained(void **state)
{
	static const char tuple[] = "{\"protocol\":\"tcp\",\"client\":\"10.0.0.9:4000\","
				    "\"service\":\"10.1.0.1:80\"}";
	static const char *const bad[] = {
		"{}",
		"{\"protocol\":\"sctp\",\"client\":\"10.0.0.9:1\",\"service\":\"10.1.0.1:80\"}",
		"{\"protocol\":\"tcp\",\"client\":\"10.0.0.9\",\"service\":\"10.1.0.1:80\"}",
		"{\"protocol\":\"tcp\",\"client\":\"10.0.0.9:1-2\",\"service\":\"10.1.0.1:80\"}",
		"{\"protocol\":\"tcp\",\"client\":\"10.0.0.0/8\",\"service\":\"10.1.0.1:80\"}",
		"{\"protocol\":\"tcp\",\"client\":\"[fd00::1]:9\",\"service\":\"10.1.0.1:80\"}",
		"{\"protocol\":\"tcp\",\"client\":\"10.0.0.9:1\",\"service\":\"10.1.0.1:80\","
		"\"context\":65536}",
		"{\"protocol\":\"tcp\",\"client\":\"10.0.0.9:1\",\"service\":\"10.1.0.1:80\","
		"\"port\":\"nobody\"}",
		"{\"protocol\":\"tcp\",\"client\":\"10.0.0.9:1\",\"service\":\"10.1.0.1:80\","
		"\"port\":\"up\",\"context\":1}",
	};
	json_t *j, *pool, *s;
	char *text;

	configure();
	j = ask("explain", tuple);
	assert_string_equal(text_of(j, "verdict"),
			    "no service has this destination: the packet is the kernel's");
	// those that have the destination are listed, whichever the worker found
	assert_int_equal(json_array_size(json_object_get(j, "services")), 1);
	json_decref(j);
	fake.trial_service = lb_store_find(&c.store, CTL_REC_SERVICE, SVC)->ref;
	j = ask("explain", tuple);
	assert_string_equal(text_of(j, "verdict"),
			    "refused: no server of pool 'web' takes new flows");
	json_decref(j);
	fake.trial_server = ref_of(S1);
	verdict(S2, CTL_HEALTH_DOWN, "no answer");
	j = ask("explain", tuple);
	assert_string_equal(text_of(j, "verdict"), "a new flow to server 's41'");
	assert_string_equal(text_of(json_object_get(j, "new-flow"), "local"), "10.2.0.200:1234");
	pool = json_object_get(j, "pool");
	assert_string_equal(text_of(pool, "scheduler"), "weighted-round-robin");
	s = json_array_get(json_object_get(pool, "candidates"), 1);
	assert_string_equal(text_of(s, "name"), "s42");
	assert_string_equal(text_of(s, "reason"), "no answer");
	assert_true(json_is_true(
		json_object_get(json_array_get(json_object_get(pool, "candidates"), 0), "chosen")));
	json_decref(j);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		text = NULL;
		assert_int_equal(calls->query(&c, "explain", bad[i], &text), -EINVAL);
		assert_non_null(text);
		free(text);
	}
}

static void rates_are_of_the_last_interval(void **state)
{
	const struct lb_entry *e;
	struct lb_tcp_stats tcp;

	configure();
	fake.tcp[ref_of(S1) & LB_SLOT_MASK] = (struct lb_tcp_counters){
		.answered = 4, .syn_us = 4000, .again = {7, 8}, .syn_times = {[9] = 19, [12] = 1}};
	assert_int_equal(lb_rates_start(&c), 0);
	e = lb_store_find(&c.store, CTL_REC_SERVER, S1);
	assert_int_equal(lb_rates_tcp(&c, e).sum.answered, 0); // not looked at yet
	fake_loop_advance(loop, 10);
	tcp = lb_rates_tcp(&c, e);
	assert_int_equal(tcp.syn_us, 1000); // 4 of 4000 us in all
	assert_int_equal(tcp.syn_us_high, 1024);
	assert_int_equal(tcp.sum.again[0], 7);
	assert_int_equal(tcp.sum.again[1], 8);
	fake_loop_advance(loop, 1100); // nothing came meanwhile
	tcp = lb_rates_tcp(&c, e);
	assert_int_equal(tcp.syn_us, 0);
	assert_int_equal(tcp.again, 0);
	assert_int_equal(tcp.sum.answered, 4);
	assert_int_equal(lb_rates_of(&c, e).packets[0], 0);
	// another one in the slot begins at zero
	begin(c.version);
	assert_int_equal(calls->del(&c, CTL_REC_SERVER, S1, &ack), 0);
	commit();
	begin(c.version);
	put_server(S3, "10.2.0.3", 1, CTL_ADMIN_ENABLED);
	commit();
	fake_loop_advance(loop, 1100);
	tcp = lb_rates_tcp(&c, lb_store_find(&c.store, CTL_REC_SERVER, S3));
	assert_int_equal(tcp.sum.answered, 0);
	assert_int_equal(tcp.sum.again[0], 0);
}

static void hostile_arguments_are_refused(void **state)
{
	static const char *const bad[] = {"[]",
					  "1",
					  "{",
					  "nul",
					  "{\"limit\":-1}",
					  "{\"limit\":\"x\"}",
					  "{\"limit\":1e30}",
					  "{\"filter\":5}",
					  "{\"limit\":1,\"limit\":2}"};
	char *text;

	configure();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		text = NULL;
		assert_int_equal(calls->query(&c, "flows", bad[i], &text), -EINVAL);
		assert_non_null(text); // says why
		free(text);
	}
	text = NULL;
	assert_int_equal(calls->query(&c, "nonsense", "{}", &text), -ENOENT);
	json_decref(ask("counters", ""));
	json_decref(ask("doctor", "{}"));
}

// ---- schedulers, backup pools, slow start, drain, persistence -----------------------------------

enum { POOL2 = 60, POOL3 = 61 };

static void put_pool_as(uint64_t id, const char *name, uint64_t backup, uint32_t slow_start_ms,
			uint32_t drain_ms)
{
	struct ctl_pool p = {.rec = R(CTL_REC_POOL, struct ctl_pool, id),
			     .scheduler = CTL_SCHED_WRR,
			     .hash_key = CTL_HASH_SOURCE_PORT,
			     .min_available = 2,
			     .backup_pool = backup,
			     .slow_start_ms = slow_start_ms,
			     .drain_timeout_ms = drain_ms,
			     .on_down = CTL_ON_DOWN_RESET,
			     .check = {.kind = CTL_CHECK_TCP,
				       .interval_ms = 500,
				       .timeout_ms = 400,
				       .rise = 2,
				       .fall = 2}};

	strcpy(p.name, name);
	put(&p);
}

static const struct lb_pool *serving(void)
{
	return lb_pool_serving(seen(), find_service("10.1.0.1", 80)->pool);
}

static void a_backup_pool_serves_while_servers_lack(void **state)
{
	struct ctl_server s = {.rec = R(CTL_REC_SERVER, struct ctl_server, S3),
			       .pool = POOL2,
			       .name = "spare",
			       .addr = addr("10.2.0.3"),
			       .port = htons(8080),
			       .weight = 1,
			       .admin = CTL_ADMIN_ENABLED};

	configure();
	begin(c.version);
	put_pool_as(WEB, "web", POOL2, 0, 0);
	put_pool_as(POOL2, "spare", 0, 0, 0);
	put(&s);
	commit();
	assert_int_equal(serving()->id, WEB);
	verdict(S1, CTL_HEALTH_DOWN, "gone");
	assert_int_equal(serving()->id, POOL2); // fewer than two
	verdict(S3, CTL_HEALTH_DOWN, "gone");
	assert_int_equal(serving()->id, WEB); // nobody there: better one than none
	verdict(S2, CTL_HEALTH_DOWN, "gone");
	assert_int_equal(serving()->available, 0);
	verdict(S3, CTL_HEALTH_UP, "");
	assert_int_equal(serving()->id, POOL2); // one is enough where nothing stands behind
	verdict(S1, CTL_HEALTH_UP, "");
	verdict(S2, CTL_HEALTH_UP, "");
	assert_int_equal(serving()->id, WEB);
}

static void backup_pools_lead_in_no_circle_and_not_far(void **state)
{
	char name[8];

	configure();
	begin(c.version);
	put_pool_as(WEB, "web", POOL2, 0, 0);
	put_pool_as(POOL2, "two", POOL3, 0, 0);
	put_pool_as(POOL3, "three", WEB, 0, 0);
	refuse(-ELOOP, CTL_REC_POOL, WEB, "backup-pool");
	for (unsigned pools = LB_BACKUP_CHAIN; pools <= LB_BACKUP_CHAIN + 1; pools++) {
		begin(c.version);
		put_pool_as(WEB, "web", 100, 0, 0);
		for (unsigned i = 1; i < pools; i++) {
			snprintf(name, sizeof(name), "p%u", i);
			put_pool_as(99 + i, name, i + 1 < pools ? 100 + i : 0, 0, 0);
		}
		if (pools <= LB_BACKUP_CHAIN) {
			assert_int_equal(prepare(), 0);
			calls->abort(&c);
		} else {
			refuse(-ELOOP, CTL_REC_POOL, WEB, "backup-pool");
		}
	}
	begin(c.version);
	put_pool_as(WEB, "web", POOL3, 0, 0);
	refuse(-ENOENT, CTL_REC_POOL, WEB, "backup-pool");
}

static unsigned weight_of(uint64_t id)
{
	return server_of(id)->effective;
}

static void wait_ms(unsigned ms)
{
	for (unsigned i = 0; i < ms; i += 20) {
		usleep(20000); // slow start goes by the clock
		fake_loop_advance(loop, 20);
	}
}

static void a_server_that_comes_up_starts_slowly(void **state)
{
	unsigned last;

	configure();
	assert_int_equal(weight_of(S1),
			 LB_WEIGHT_UNIT); // a new pool: nobody could spare it
	begin(c.version);
	put_pool_as(WEB, "web", 0, 1000, 0);
	commit();
	assert_int_equal(weight_of(S1), LB_WEIGHT_UNIT); // was up
	begin(c.version);
	put_server(S3, "10.2.0.3", 4, CTL_ADMIN_ENABLED);
	assert_int_equal(prepare(), 0);
	calls->abort(&c); // never came
	wait_ms(200);
	begin(c.version);
	put_server(S3, "10.2.0.3", 4, CTL_ADMIN_ENABLED);
	commit();
	assert_int_equal(weight_of(S3), 4 * LB_WEIGHT_UNIT / 10);
	assert_int_equal(weight_of(S1), LB_WEIGHT_UNIT);
	verdict(S1, CTL_HEALTH_DOWN, "gone");
	last = weight_of(S3);
	for (unsigned i = 0; i < 6; i++) {
		wait_ms(100);
		assert_true(weight_of(S3) >= last);
		last = weight_of(S3);
	}
	assert_true(last > 4 * LB_WEIGHT_UNIT / 4 && last < 4 * LB_WEIGHT_UNIT);
	verdict(S1, CTL_HEALTH_UP, "");
	assert_int_equal(weight_of(S1), LB_WEIGHT_UNIT / 10);
	wait_ms(1300);
	assert_int_equal(weight_of(S3), 4 * LB_WEIGHT_UNIT);
	assert_int_equal(weight_of(S1), LB_WEIGHT_UNIT);
	assert_int_equal(c.timed.count, 0);
	// All down, then one up: it has to bear it all at once.
	verdict(S1, CTL_HEALTH_DOWN, "gone");
	verdict(S2, CTL_HEALTH_DOWN, "gone");
	verdict(S3, CTL_HEALTH_DOWN, "gone");
	verdict(S2, CTL_HEALTH_UP, "");
	assert_int_equal(weight_of(S2), LB_WEIGHT_UNIT);
	// Deleted in its slow start.
	verdict(S3, CTL_HEALTH_UP, "");
	begin(c.version);
	assert_int_equal(calls->del(&c, CTL_REC_SERVER, S3, &ack), 0);
	commit();
	wait_ms(300);
	assert_int_equal(c.timed.count, 0);
}

static void a_drain_ends_flows_at_its_deadline(void **state)
{
	struct flow_table *t;

	configure();
	begin(c.version);
	put_pool_as(WEB, "web", 0, 0, 300);
	put_server(S1, "10.2.0.1", 1, CTL_ADMIN_DRAIN);
	commit();
	t = c.worker[0]->table;
	for (uint8_t i = 60; i < 70; i++)
		add_flow(t, i, FLOW_UDP, 1);
	for (uint32_t i = 0; i < t->max; i++)
		t->flow[i].server = ref_of(i % 2 ? S1 : S2);
	assert_int_equal(picks(), 2);
	fake.cleared = 0;
	wait_ms(100);
	assert_int_equal(fake.cleared, 0);
	wait_ms(400);
	assert_int_equal(fake.cleared, 6); // its own: every second one
	fake.cleared = 0;
	wait_ms(300);
	assert_int_equal(fake.cleared, 0); // once
	begin(c.version);                  // out of the drain in time: nothing ends
	put_server(S1, "10.2.0.1", 1, CTL_ADMIN_ENABLED);
	put_server(S2, "10.2.0.2", 1, CTL_ADMIN_DRAIN);
	commit();
	begin(c.version);
	put_server(S2, "10.2.0.2", 1, CTL_ADMIN_ENABLED);
	commit();
	wait_ms(500);
	assert_int_equal(fake.cleared, 0);
	assert_int_equal(c.timed.count, 0);
}

static void the_persistence_table_comes_with_the_first_service_that_wants_it(void **state)
{
	struct ctl_service s = {.rec = R(CTL_REC_SERVICE, struct ctl_service, SVC),
				.pool = WEB,
				.local_pool = SNAT,
				.name = "web",
				.addr = addr("10.1.0.1"),
				.port = htons(80),
				.port_max = htons(80),
				.forwarding = CTL_FORWARD_FULLNAT,
				.proto = IPPROTO_TCP,
				.persist_ms = 60000,
				.persist_len = 24,
				.enabled = 1};
	char path[96];

	snprintf(path, sizeof(path), "%s/lb.persist", dir);
	configure();
	assert_null(seen()->persist);
	begin(c.version);
	put(&s);
	assert_int_equal(prepare(), 0);
	verdict(S1, CTL_HEALTH_DOWN, "gone"); // a snapshot of the state before
	assert_null(seen()->persist);
	calls->abort(&c);
	assert_null(c.persist);
	begin(c.version);
	put(&s);
	commit();
	assert_non_null(seen()->persist);
	assert_int_equal(find_service("10.1.0.1", 80)->persist_len, 24);
	assert_int_equal(access(path, F_OK), 0);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(an_empty_configuration_is_published_at_once),
		T(a_commit_is_seen_whole),
		T(an_abort_leaves_no_trace),
		T(a_first_transaction_aborted_leaves_no_tables),
		T(a_resync_of_the_same_changes_nothing),
		T(a_resync_deletes_what_it_does_not_send),
		T(a_server_keeps_its_slot_until_its_address_changes),
		T(admin_states_and_weight),
		T(a_verdict_is_published_without_a_transaction),
		T(a_verdict_counts_only_where_a_check_is_configured),
		T(a_verdict_between_prepare_and_commit_is_seen_before_and_after),
		T(a_verdict_of_a_server_being_deleted_does_no_harm),
		T(verdicts_survive_a_restart),
		T(an_agent_has_a_say_in_weight_and_flows),
		T(clients_connections_that_fail_mark_a_server),
		T(the_last_server_is_never_marked_by_clients),
		T(a_mark_of_clients_ends_by_itself),
		T(a_server_that_flaps_is_held_down),
		T(a_check_without_a_port_is_refused),
		T(a_spoilt_verdict_file_is_ignored),
		T(workers_are_told_what_the_kernel_waits_for),
		T(listeners_follow_services_of_a_transaction),
		T(local_pools_that_leave_a_worker_without_a_port_are_refused),
		T(references_to_nothing_are_refused),
		T(services_of_ranges_and_prefixes_lie_in_spans),
		T(what_crosses_or_holds_local_addresses_is_refused),
		T(two_services_on_one_address_are_refused),
		T(families_must_agree),
		T(a_local_address_belongs_to_one_pool),
		T(a_port_that_does_not_open_is_refused),
		T(a_port_in_use_does_not_change),
		T(a_table_that_does_not_fit_is_refused),
		T(out_of_memory_for_counters_is_refused),
		T(slots_come_back_after_a_restart),
		T(state_is_json_in_the_shape_of_the_model),
		T(a_slot_taken_again_counts_from_zero),
		T(flows_are_filtered),
		T(flows_are_filtered_by_name),
		T(flows_are_sorted_and_paged),
		T(flows_are_cleared_by_their_worker),
		T(a_backup_pool_serves_while_servers_lack),
		T(backup_pools_lead_in_no_circle_and_not_far),
		T(a_server_that_comes_up_starts_slowly),
		T(a_drain_ends_flows_at_its_deadline),
		T(the_persistence_table_comes_with_the_first_service_that_wants_it),
		T(a_tuple_is_explained),
		T(rates_are_of_the_last_interval),
		T(hostile_arguments_are_refused),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
