// SPDX-License-Identifier: BSD-3-Clause

#include "tests/unit/apps/lb/worker/lb_fake.h"

#include "dataplane/frag/id.h"
#include "dataplane/trace/trace.h"

struct fake_world world;

static struct fake_packet *packets[100000];
static unsigned packet_count;
static struct out_view *view;

// ---- what the worker calls ---------------------------------------------------------------------

_Atomic uint32_t trace_on;
struct out_worker *out_workers[WORKER_MAX];
struct publish out_view_published;

void trace_note(struct worker *w, const struct rte_mbuf *m, enum trace_stage stage, uint32_t detail)
{
}

static struct fake_packet *packet_of(struct rte_mbuf *m)
{
	return (struct fake_packet *)(void *)m;
}

static void settle(struct rte_mbuf *m, enum fake_fate fate, enum drop_reason reason)
{
	assert_int_equal(packet_of(m)->fate, FATE_NONE); // exactly one of out_*
	packet_of(m)->fate = fate;
	packet_of(m)->reason = reason;
}

void out_drop(struct worker *w, struct rte_mbuf *m, enum drop_reason reason)
{
	assert_in_range(reason, 1, DROP_COUNT - 1);
	settle(m, FATE_DROP, reason);
	w->count.dropped[reason]++;
}

void out_answer(struct worker *w, struct rte_mbuf *m)
{
	settle(m, FATE_ANSWER, 0);
	w->count.answered++;
}

void out_punt(struct worker *w, struct rte_mbuf *m, const struct parse_info *pi)
{
	settle(m, FATE_PUNT, 0);
	w->count.to_kernel++;
}

void out_from_kernel(struct worker *w, struct rte_mbuf *m, const struct port *tap)
{
	settle(m, FATE_FORWARD, 0);
	w->count.forwarded++;
}

// What leaves by a next hop that is not resolved (0, and those that a test makes so).
void out_forward_slow(struct worker *w, struct rte_mbuf *m, const struct parse_info *pi,
		      uint16_t nexthop, enum out_class class)
{
	settle(m, nexthop == 0 ? FATE_DROP : FATE_FORWARD, nexthop == 0 ? DROP_NO_ROUTE : 0);
	packet_of(m)->nexthop = nexthop;
	if (nexthop == 0)
		w->count.dropped[DROP_NO_ROUTE]++;
	else
		w->count.forwarded++;
}

// The ports of the fake next hops have their numbers.
void out_flush_port(struct worker *w, struct out_worker *ow, unsigned port)
{
	struct out_tx *t = &ow->tx[port];

	for (unsigned i = 0; i < t->n; i++) {
		settle(t->pkts[i], FATE_FORWARD, 0);
		packet_of(t->pkts[i])->nexthop = (uint16_t)port;
		w->count.forwarded++;
	}
	t->n = 0;
}

void out_made(struct worker *w, struct rte_mbuf *m, uint16_t nexthop)
{
	assert_null(m); // there is no pool to make them from
}

uint16_t out_route(const struct out_view *v, uint16_t context, uint8_t family, const void *addr)
{
	const uint8_t *a = addr;

	assert_true(context == 0 || context == world.service[FAKE_TWIN].context);
	if (family == 4)
		return a[0] == 10 && a[1] == 1   ? world.route_server
		       : a[0] == 10 && a[1] == 2 ? FAKE_HOP_CLIENT
						 : 0;
	return a[5] == 1 ? world.route_server : FAKE_HOP_CLIENT;
}

bool out_kernel_address(const struct out_view *v, uint8_t family, const void *addr)
{
	return world.node_has_it;
}

const uint8_t *out_port_address(const struct out_view *v, uint16_t port, uint16_t vlan,
				uint8_t family)
{
	static const uint8_t addr4[4] = {10, 1, 0, 254};
	static const uint8_t addr6[16] = {0x20, 1, 0xd, 0xb8, 0, 1, [15] = 0xfe};

	assert_int_equal(port, world.port.index);
	return family == 4 ? addr4 : addr6;
}

bool answer_allowed(struct worker *w)
{
	return world.answers_allowed;
}

uint16_t port_rx(const struct port *p, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	unsigned count = world.in_count;

	assert_true(count <= n);
	for (unsigned i = 0; i < count; i++)
		pkts[i] = &world.in[i]->m;
	world.in_count = 0;
	return (uint16_t)count;
}

struct frag_ids *out_ids(struct worker *w)
{
	static struct frag_ids ids;

	if (ids.workers == 0)
		frag_ids_init(&ids, 0, 1, 1);
	return &ids;
}

struct port *port_get(uint16_t index)
{
	return &world.port;
}

unsigned worker_count(void)
{
	return 1;
}

unsigned handover_send(struct worker *from, unsigned to, struct rte_mbuf **pkts, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct fake_packet *p = (struct fake_packet *)pkts[i];

		assert_in_range(world.handed_count, 0, LB_BURST - 1);
		settle(pkts[i], FATE_HANDED, 0);
		world.handed[world.handed_count++] = p;
	}
	from->count.handed_over += n;
	return n;
}

unsigned handover_take(struct worker *w, struct rte_mbuf **pkts, unsigned n)
{
	return port_rx(&world.port, 0, pkts, (uint16_t)n);
}

// ---- the snapshot ------------------------------------------------------------------------------

static uint32_t pick_in_turn(const struct lb_pool *pool, const struct lb_pick *in)
{
	unsigned first = pool == &world.pool ? 0 : FAKE_SERVER6;
	unsigned count = pool == &world.pool ? FAKE_SERVERS : 1;

	world.picks++;
	for (unsigned i = 0; i < count; i++) {
		const struct lb_server *s = &world.server[first + (*in->cursor)++ % count];

		if (s->takes_new)
			return s->ref;
	}
	return LB_NONE;
}

static const struct lb_scheduler in_turn = {.name = "in-turn", .pick = pick_in_turn};
static const struct lb_service *service_hash[16], *service_chunk[LB_CHUNK];
static const struct lb_service *const *service_chunks[1] = {service_chunk};
static const struct lb_server *server_chunks[1] = {world.server};
static struct lb_own_address own[5];
static const struct lb_own_address *own_hash[16];

static void add_own(unsigned i, uint8_t family, uint8_t kind, const uint8_t *addr)
{
	uint32_t at;

	own[i] = (struct lb_own_address){
		.family = family, .kind = kind, .len = family == 4 ? 32 : 128};
	memcpy(own[i].addr, addr, family == 4 ? 4 : 16);
	for (at = lb_own_hash(own[i].addr) & 15; own_hash[at] != NULL; at = (at + 1) & 15)
		;
	own_hash[at] = &own[i];
}

static void add_service(unsigned slot, uint16_t context, uint8_t family, uint8_t proto,
			uint16_t port, const uint8_t *addr)
{
	struct lb_service *v = &world.service[slot];
	uint32_t at;

	*v = (struct lb_service){.ref = slot | 5U << LB_SLOT_BITS,
				 .family = family,
				 .proto = proto,
				 .context = context,
				 .enabled = 1,
				 .port = rte_cpu_to_be_16(port),
				 .port_max = rte_cpu_to_be_16(port),
				 .prefix_len = family == 4 ? 32 : 128,
				 .pool = family == 4 ? &world.pool : &world.pool6,
				 .local = &world.local};
	memcpy(v->addr, addr, family == 4 ? 4 : 16);
	for (at = lb_service_hash(context, proto, v->addr, v->port) & 15; service_hash[at] != NULL;
	     at = (at + 1) & 15)
		;
	service_hash[at] = v;
	service_chunk[slot] = v;
}

static void add_server(unsigned slot, uint8_t family)
{
	struct lb_server *s = &world.server[slot];

	*s = (struct lb_server){.ref = slot | 3U << LB_SLOT_BITS,
				.family = family,
				.takes_new = 1,
				.alive = 1,
				.port = RTE_BE16(8080)};
	if (family == 4)
		memcpy(s->addr, (uint8_t[]){10, 1, 0, (uint8_t)(slot + 1)}, 4);
	else
		memcpy(s->addr, (uint8_t[16]){0x20, 1, 0xd, 0xb8, 0, 1, [15] = 4}, 16);
}

static const uint8_t vip4[4] = {192, 0, 2, 1};
static const uint8_t vip6[16] = {0x20, 1, 0xd, 0xb8, [15] = 1};

// A context whose hash of 192.0.2.1:80 is that of context 0.
static uint16_t twin_context(void)
{
	const struct lb_service *v = &world.service[FAKE_TCP];
	uint16_t context = 1;

	while (((lb_service_hash(context, v->proto, v->addr, v->port) ^
		 lb_service_hash(0, v->proto, v->addr, v->port)) &
		15) != 0)
		context++;
	return context;
}

static void build_snapshot(void)
{
	static const uint8_t lip4[2][4] = {{198, 51, 100, 1}, {198, 51, 100, 2}};
	static const uint8_t lip6[16] = {0x20, 1, 0xd, 0xb8, 0, 2, [15] = 1};

	memset(service_hash, 0, sizeof(service_hash));
	memset(own_hash, 0, sizeof(own_hash));
	for (unsigned i = 0; i < 2; i++)
		memcpy(world.local4[i].addr, lip4[i], 4);
	memcpy(world.local6[0].addr, lip6, 16);
	world.local = (struct lb_local_pool){.port_min = 1000,
					     .port_max = 1999,
					     .count4 = 2,
					     .count6 = 1,
					     .addr4 = world.local4,
					     .addr6 = world.local6};
	world.pool = (struct lb_pool){
		.scheduler = &in_turn, .available = FAKE_SERVERS, .on_down = CTL_ON_DOWN_RESET};
	world.pool6 = (struct lb_pool){.scheduler = &in_turn, .available = 1, .cursor = 1};
	for (unsigned i = 0; i < FAKE_SERVERS; i++)
		add_server(i, 4);
	add_server(FAKE_SERVER6, 6);
	add_service(FAKE_TCP, 0, 4, IPPROTO_TCP, 80, vip4);
	add_service(FAKE_UDP, 0, 4, IPPROTO_UDP, 53, vip4);
	add_service(FAKE_TCP6, 0, 6, IPPROTO_TCP, 80, vip6);
	add_service(FAKE_TWIN, twin_context(), 4, IPPROTO_TCP, 80, vip4);
	add_service(FAKE_NAT, 0, 4, IPPROTO_TCP, 81, vip4);
	add_service(FAKE_NAT_B, 0, 4, IPPROTO_TCP, 82, vip4);
	add_service(FAKE_NAT_UDP, 0, 4, IPPROTO_UDP, 81, vip4);
	add_service(FAKE_NAT6, 0, 6, IPPROTO_TCP, 81, vip6);
	for (unsigned i = FAKE_NAT; i <= FAKE_NAT6; i++) {
		world.service[i].forwarding = CTL_FORWARD_NAT;
		world.service[i].local = NULL;
	}
	add_own(0, 4, LB_OWN_SERVICE, vip4);
	add_own(1, 6, LB_OWN_SERVICE, vip6);
	add_own(2, 4, LB_OWN_LOCAL, lip4[0]);
	add_own(3, 4, LB_OWN_LOCAL, lip4[1]);
	add_own(4, 6, LB_OWN_LOCAL, lip6);
	world.snap = (struct lb_snapshot){.version = 1,
					  .serial = 1,
					  .timeout = {1, 100, 1000, 50, 200},
					  .quiet_until = 0,
					  .service_mask = 15,
					  .service_hash = service_hash,
					  .service_chunks = 1,
					  .server_chunks = 1,
					  .service = service_chunks,
					  .server = server_chunks,
					  .own_mask = 15,
					  .own_hash = own_hash};
}

void fake_changed(void)
{
	world.snap.serial++;
}

// The world's time is the only one.
uint32_t __wrap_clock_ticks(void);
uint32_t __wrap_clock_ticks(void)
{
	return world.w.now_ticks;
}

static void world_begin(uint32_t now)
{
	memset(&world, 0, sizeof(world));
	build_snapshot();
	world.publish.current = &world.snap;
	world.answers_allowed = true;
	world.route_server = FAKE_HOP_SERVER;
	world.w.now_ticks = now;
	world.snap.quiet_until = now;
	world.port.parent = PORT_NONE;
	world.port.view = PORT_VIEW_SHADOW;
}

void fake_start(uint32_t max)
{
	struct lb_worker_conf conf = {
		.flow = {.max = max, .max6 = max / 2, .timeout = {1, 100, 1000, 50, 200}}};
	uint32_t taken;

	world_begin(UINT32_MAX - 70); // it wraps soon
	view = aligned_alloc(64, sizeof(*view) + 4 * sizeof(view->nexthop[0]));
	out_workers[0] = aligned_alloc(64, sizeof(*out_workers[0]));
	assert_true(view != NULL && out_workers[0] != NULL);
	memset(view, 0, sizeof(*view) + 4 * sizeof(view->nexthop[0]));
	memset(out_workers[0], 0, sizeof(*out_workers[0]));
	view->generation = 1;
	view->count = 4;
	for (uint16_t i = 1; i < 4; i++)
		view->nexthop[i] = (struct nexthop){
			.state = NEXTHOP_RESOLVED, .port = i, .mtu = 1500, .dmac = {{2, 9, i}}};
	out_view_published.current = view;
	assert_int_equal(lb_worker_create(&conf, &world.publish, &world.lw, &taken), 0);
	assert_int_equal(lb_worker_reserve(world.lw, 4, 8, 2), 0);
	world.rx = (struct lb_rx){.lw = world.lw, .port = &world.port};
}

void fake_forget_packets(void)
{
	while (packet_count > 0)
		free(packets[--packet_count]);
}

void fake_again(void)
{
	struct lb_worker *lw = world.lw;
	struct flow_table *t = lw->table;
	uint32_t now = world.w.now_ticks + FRAG_TIMEOUT_MS;

	for (uint32_t i = 0; i < flow_capacity(t); i++)
		if ((t->flow[i].flags & FLOW_F_VALID) != 0)
			flow_delete(t, i);
	assert_int_equal(t->count, 0);
	frag_expire(lw->frag, now, &world.w);
	assert_int_equal(frag_count(lw->frag)->open, 0);
	fake_forget_packets();
	world_begin(now);
	memset(lw->server[0]->local, 0, sizeof(lw->server[0]->local));
	memset(lw->cursor[0], 0, LB_CHUNK * sizeof(*lw->cursor[0]));
	memset(&lw->others, 0, sizeof(lw->others));
	world.lw = lw;
	world.rx = (struct lb_rx){.lw = lw, .port = &world.port};
}

void fake_stop(void)
{
	lb_worker_destroy(world.lw);
	free(view);
	free(out_workers[0]);
	fake_forget_packets();
}

// ---- packets -----------------------------------------------------------------------------------

struct fake_packet *fake_frame(const void *bytes, unsigned len)
{
	struct fake_packet *p = aligned_alloc(64, (sizeof(*p) + 63) & ~(size_t)63);

	assert_non_null(p);
	assert_true(len <= 600 && packet_count < RTE_DIM(packets) && world.in_count < LB_BURST);
	memset(p, 0, sizeof(*p));
	p->m.buf_addr = p->buf;
	p->m.buf_len = sizeof(p->buf);
	p->m.data_off = 128;
	p->m.data_len = (uint16_t)len;
	p->m.pkt_len = len;
	p->m.nb_segs = 1;
	rte_mbuf_refcnt_set(&p->m, 1);
	memcpy(fake_bytes(p), bytes, len);
	packets[packet_count++] = p;
	world.in[world.in_count++] = p;
	return p;
}

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint32_t sum_bytes(const uint8_t *p, unsigned len, uint32_t sum)
{
	for (unsigned i = 0; i < len; i++)
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	return sum;
}

static unsigned fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff;
}

static void write_checksums(uint8_t *frame, unsigned len)
{
	uint8_t *ip = frame + 14;
	bool ipv4 = ip[0] >> 4 == 4;
	uint8_t *l4 = ip + (ipv4 ? 20 : 40), proto = ipv4 ? ip[9] : ip[6];
	unsigned l4_len = len - 14 - (ipv4 ? 20 : 40), sum;
	uint8_t *at = l4 + (proto == IPPROTO_TCP ? 16 : 6);

	if (ipv4) {
		put16(ip + 10, 0);
		put16(ip + 10, fold(sum_bytes(ip, 20, 0)));
	}
	if (proto != IPPROTO_TCP && proto != IPPROTO_UDP)
		return;
	put16(at, 0);
	sum = fold(sum_bytes(l4, l4_len,
			     sum_bytes(ip + (ipv4 ? 12 : 8), ipv4 ? 8 : 32, proto + l4_len)));
	put16(at, sum == 0 && proto == IPPROTO_UDP ? 0xffff : sum);
}

void fake_checksums(struct fake_packet *p)
{
	write_checksums(fake_bytes(p), p->m.data_len);
}

void fake_check_checksums(const struct fake_packet *p)
{
	uint8_t copy[600];

	memcpy(copy, fake_bytes(p), p->m.data_len);
	write_checksums(copy, p->m.data_len);
	assert_memory_equal(copy, fake_bytes(p), p->m.data_len);
}

// A frame of one segment or datagram with 6 bytes of data.
static struct fake_packet *make(uint8_t family, uint8_t proto, const uint8_t *src,
				const uint8_t *dst, unsigned sport, unsigned dport, uint8_t flags)
{
	unsigned ip_len = family == 4 ? 20 : 40, l4_len = (proto == IPPROTO_TCP ? 20 : 8) + 6;
	uint8_t f[100] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}, *ip = f + 14, *l4 = ip + ip_len;
	struct fake_packet *p;

	put16(f + 12, family == 4 ? 0x0800 : 0x86dd);
	if (family == 4) {
		ip[0] = 0x45;
		put16(ip + 2, ip_len + l4_len);
		ip[8] = 64;
		ip[9] = proto;
		memcpy(ip + 12, src, 4);
		memcpy(ip + 16, dst, 4);
	} else {
		ip[0] = 0x60;
		put16(ip + 4, l4_len);
		ip[6] = proto;
		ip[7] = 64;
		memcpy(ip + 8, src, 16);
		memcpy(ip + 24, dst, 16);
	}
	put16(l4, sport);
	put16(l4 + 2, dport);
	if (proto == IPPROTO_TCP) {
		l4[7] = (flags & TCP_SYN) == 0;          // both sides' SYN has number 0
		l4[11] = (flags & TCP_ACK) != 0 ? 1 : 0; // their data may be under way
		l4[12] = 0x50;
		l4[13] = flags;
	} else {
		put16(l4 + 4, l4_len);
	}
	p = fake_frame(f, 14 + ip_len + l4_len);
	fake_checksums(p);
	return p;
}

struct fake_packet *fake_client(unsigned service, unsigned c, uint8_t tcp_flags)
{
	uint8_t addr[16] = {10, 2, (uint8_t)(c >> 16), (uint8_t)(c >> 8)};
	const struct lb_service *v = &world.service[service];

	if (v->family == 6) {
		memcpy(addr, (uint8_t[16]){0x20, 1, 0xd, 0xb8, 0, 9}, 16);
		put16(addr + 14, c >> 8);
	}
	return make(v->family, v->proto, addr, v->addr, 1024 + (c & 0xff),
		    rte_be_to_cpu_16(v->port), tcp_flags);
}

struct fake_packet *fake_reply(const struct fake_packet *forwarded, uint8_t tcp_flags)
{
	const uint8_t *ip = fake_bytes(forwarded) + 14;
	uint8_t family = ip[0] >> 4;
	const uint8_t *src = ip + (family == 4 ? 12 : 8), *dst = ip + (family == 4 ? 16 : 24);
	const uint8_t *l4 = ip + (family == 4 ? 20 : 40);

	return make(family, family == 4 ? ip[9] : ip[6], dst, src, (unsigned)l4[2] << 8 | l4[3],
		    (unsigned)l4[0] << 8 | l4[1], tcp_flags);
}

struct fake_packet *fake_numbers(struct fake_packet *p, uint32_t seq, uint32_t ack)
{
	uint8_t *ip = fake_bytes(p) + 14, *l4 = ip + (ip[0] >> 4 == 4 ? 20 : 40);

	put16(l4 + 4, seq >> 16);
	put16(l4 + 6, seq & 0xffff);
	put16(l4 + 8, ack >> 16);
	put16(l4 + 10, ack & 0xffff);
	fake_checksums(p);
	return p;
}

void fake_flush(void)
{
	for (unsigned i = 0; i < 4; i++)
		out_flush_port(&world.w, out_workers[0], i);
}

void fake_burst(void)
{
	lb_rx_poll(&world.w, &world.rx);
	fake_flush();
	fake_check_sum();
}

void fake_check_sum(void)
{
	const struct worker_counters *c = &world.w.count;
	uint64_t dropped = 0, waiting = 0;

	for (unsigned i = 0; i < DROP_COUNT; i++)
		dropped += c->dropped[i];
	assert_int_equal(c->received, c->forwarded + c->answered + c->to_kernel + c->held +
					      c->handed_over + dropped);
	for (unsigned i = 0; i < packet_count; i++)
		waiting += packets[i]->fate == FATE_NONE;
	assert_int_equal(waiting, c->held);
}

int fake_setup(void **state)
{
	(void)state;
	fake_start(1024);
	return 0;
}

int fake_teardown(void **state)
{
	(void)state;
	fake_stop();
	return 0;
}

struct fake_packet *fake_open(unsigned service, unsigned c)
{
	struct fake_packet *p = fake_client(service, c, TCP_SYN);

	fake_burst();
	assert_int_equal(p->fate, FATE_FORWARD);
	return p;
}

struct fake_packet *fake_establish(unsigned c)
{
	struct fake_packet *syn = fake_open(FAKE_TCP, c);

	fake_reply(syn, TCP_SYN | TCP_ACK);
	fake_burst();
	fake_client(FAKE_TCP, c, TCP_ACK);
	fake_burst();
	return syn;
}
