// SPDX-License-Identifier: BSD-3-Clause
//
// Fakes of ports and workers, and the records and steps of a transaction.

#include "tests/unit/apps/lb/conf/conf_fake.h"

#include "apps/lb/show/lb_flows.h"
#include "apps/lb/worker/lb_priv.h"
#include "apps/lb/worker/lb_trial.h"
#include "dataplane/out/out.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// ---- fakes ------------------------------------------------------------------------------------

struct fake_ports_and_workers fake;

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
	assert_true(count <= RTE_DIM(fake.steer));
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

void add_flow(struct flow_table *t, uint8_t client, uint8_t state, uint32_t packets)
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

struct loop *conf_loop;
struct lb_conf lb;
struct ctl_ack conf_ack;
char conf_dir[64];

struct ctl_addr address(const char *text)
{
	struct ctl_addr a = {.family = strchr(text, ':') ? 6 : 4};

	a.len = a.family == 4 ? 32 : 128;
	assert_int_equal(inet_pton(a.family == 4 ? AF_INET : AF_INET6, text, a.bytes), 1);
	return a;
}

void put(const void *rec)
{
	struct ctl_ack a;

	assert_int_equal(ctl_record_check(rec, ((const struct ctl_rec *)rec)->size, &a), 0);
	assert_int_equal(lb_conf_calls.upsert(&lb, rec, &a), 0);
}

void put_settings(uint64_t flows)
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

void put_port(uint64_t id, const char *device, uint16_t mtu)
{
	struct ctl_port p = {
		.rec = R(CTL_REC_PORT, struct ctl_port, id), .kind = CTL_PORT_AF_XDP, .mtu = mtu};

	strcpy(p.name, device);
	strcpy(p.device, device);
	put(&p);
}

void put_local_pool(uint64_t id)
{
	put(&(struct ctl_local_pool){.rec = R(CTL_REC_LOCAL_POOL, struct ctl_local_pool, id),
				     .name = "snat",
				     .port_min = 1024,
				     .port_max = 65535});
}

void put_local(uint64_t id, uint64_t pool, const char *a)
{
	put(&(struct ctl_local_address){
		.rec = R(CTL_REC_LOCAL_ADDRESS, struct ctl_local_address, id),
		.local_pool = pool,
		.addr = address(a)});
}

void put_pool(uint64_t id, uint8_t on_down, uint8_t check)
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

void put_server(uint64_t id, const char *a, uint16_t weight, uint8_t admin)
{
	struct ctl_server s = {.rec = R(CTL_REC_SERVER, struct ctl_server, id),
			       .pool = WEB,
			       .addr = address(a),
			       .port = htons(8080),
			       .weight = weight,
			       .admin = admin};

	snprintf(s.name, sizeof(s.name), "s%u", (unsigned)id);
	put(&s);
}

void put_pool_as(uint64_t id, const char *name, uint64_t backup, uint32_t slow_start_ms,
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

void put_services(uint64_t id, const char *name, const char *a, uint8_t len, uint16_t port,
		  uint16_t port_max)
{
	struct ctl_service s = {.rec = R(CTL_REC_SERVICE, struct ctl_service, id),
				.pool = WEB,
				.local_pool = SNAT,
				.addr = address(a),
				.port = htons(port),
				.port_max = htons(port_max),
				.forwarding = CTL_FORWARD_FULLNAT,
				.proto = IPPROTO_TCP,
				.enabled = 1};

	s.addr.len = len;
	strcpy(s.name, name);
	put(&s);
}

void put_service(uint64_t id, const char *name, const char *a, uint16_t port)
{
	put_services(id, name, a, address(a).len, port, port);
}

void put_base(void)
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

int prepare(void)
{
	memset(&conf_ack, 0, sizeof(conf_ack));
	return lb_conf_calls.prepare(&lb, lb.version + 1, &conf_ack);
}

void begin(uint64_t base)
{
	assert_int_equal(lb_conf_calls.begin(&lb, base, lb.version + 1), 0);
}

void commit(void)
{
	uint64_t target = lb.version + 1;

	if (prepare() != 0)
		print_error("%s: %s\n", conf_ack.field, conf_ack.message);
	assert_non_null(lb.prepared);
	lb_conf_calls.commit(&lb, target);
	assert_int_equal(lb.version, target);
}

void configure(void)
{
	begin(0);
	put_base();
	commit();
}

void refuse(int err, uint16_t type, uint64_t id, const char *field)
{
	assert_int_equal(prepare(), err);
	assert_int_equal(conf_ack.rec_type, type);
	assert_int_equal(conf_ack.rec_id, id);
	assert_string_equal(conf_ack.field, field);
	assert_true(conf_ack.message[0] != '\0');
	assert_int_not_equal(conf_ack.tag, CTL_TAG_NONE);
	lb_conf_calls.abort(&lb);
}

// ---- what a worker sees -----------------------------------------------------------------------

const struct lb_snapshot *seen(void)
{
	return publish_get(&lb.published);
}

const struct lb_service *find_service(const char *a, uint16_t port)
{
	const struct lb_snapshot *s = seen();
	struct ctl_addr x = address(a);
	uint32_t i = lb_service_hash(0, IPPROTO_TCP, x.bytes, htons(port)) & s->service_mask;

	for (; s->service_hash[i] != NULL; i = (i + 1) & s->service_mask)
		if (memcmp(s->service_hash[i]->addr, x.bytes, 16) == 0 &&
		    s->service_hash[i]->port == htons(port))
			return s->service_hash[i];
	return NULL;
}

uint8_t own_kind(const char *a)
{
	const struct lb_snapshot *s = seen();
	struct ctl_addr x = address(a);
	uint32_t i = lb_own_hash(x.bytes) & s->own_mask;

	for (; s->own_hash[i] != NULL; i = (i + 1) & s->own_mask)
		if (memcmp(s->own_hash[i]->addr, x.bytes, 16) == 0)
			return s->own_hash[i]->kind;
	return 0;
}

uint32_t ref_of(uint64_t id)
{
	const struct lb_entry *e = lb_store_live(&lb.store, CTL_REC_SERVER, id, false);

	return e == NULL ? 0 : e->ref;
}

const struct lb_server *server_of(uint64_t id)
{
	return lb_server_get(seen(), ref_of(id));
}

unsigned picks(void)
{
	const struct lb_service *s = find_service("10.1.0.1", 80);
	uint32_t cursor = 0;
	unsigned mask = 0;

	for (unsigned i = 0; i < 64; i++) {
		struct lb_pick in = {.loads = &lb.loads, .cursor = &cursor, .hash = i};
		uint32_t ref = s->pool->scheduler->pick(s->pool, &in);

		if (ref != LB_NONE)
			mask |= 1u << (lb_server_get(seen(), ref)->id - S1);
	}
	return mask;
}

void verdict(uint64_t id, uint8_t health, const char *reason)
{
	struct ctl_verdict v = {.server = id, .health = health, .latency_us = 700};

	strcpy(v.reason, reason);
	lb_conf_calls.verdict(&lb, &v);
	fake_loop_advance(conf_loop, 10);
}

// ---- set-up -----------------------------------------------------------------------------------

void init_conf(unsigned workers)
{
	struct lb_conf_args a = {.loop = conf_loop,
				 .instance = "lb",
				 .run_dir = conf_dir,
				 .flow_dir = conf_dir,
				 .workers = workers};

	assert_int_equal(lb_conf_init(&lb, &a), 0);
	lb_conf_linked(&lb, NULL);
}

int setup(void **state)
{
	memset(&fake, 0, sizeof(fake));
	snprintf(conf_dir, sizeof(conf_dir), "/dev/shm/sluice-unit-XXXXXX");
	if (mkdtemp(conf_dir) == NULL || loop_create(&conf_loop) != 0)
		return -1;
	init_conf(1);
	return 0;
}

void fini_conf(void)
{
	lb_conf_fini(&lb);
	for (unsigned i = 0; i < PORT_MAX; i++) {
		free(fake.port[i]);
		fake.port[i] = NULL;
	}
}

int teardown(void **state)
{
	char path[128];

	fini_conf();
	loop_destroy(conf_loop);
	snprintf(path, sizeof(path), "%s/lb.health", conf_dir);
	unlink(path);
	return rmdir(conf_dir);
}
