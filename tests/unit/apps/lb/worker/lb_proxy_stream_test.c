// SPDX-License-Identifier: BSD-3-Clause
//
// The PROXY header between two simple ends of TCP over a network that loses, doubles and reorders.

#include "tests/unit/apps/lb/worker/proxy_frames.h"

// ---- two ends and a bad network -----------------------------------------------------------------

#define FLIGHT 64

static struct {
	unsigned seed;
	uint32_t first; // sequence number of the client's first byte
	// client
	bool syn_acked;
	uint32_t una, next; // offsets in its data; next: of what was never sent
	uint32_t total;
	// server
	uint8_t got[PAYLOAD + LB_PROXY_LEN6 + 1]; // by offset in its stream
	uint8_t stream[PAYLOAD + LB_PROXY_LEN6 + 1];
	bool syn, established;
	uint32_t upto; // offset up to which all is there
	// network
	unsigned in_flight;
	struct seg flight[FLIGHT];
	uint8_t data[FLIGHT][1500];
} sim;

static unsigned dice(unsigned n)
{
	return (unsigned)rand_r(&sim.seed) % n;
}

static uint8_t byte_at(uint32_t i)
{
	return (uint8_t)(i * 7 + i / 251);
}

static void launch(const struct seg *s)
{
	for (unsigned copies = dice(8) == 0 ? 2 : dice(4) == 0 ? 0 : 1; copies > 0; copies--) {
		unsigned i = sim.in_flight;

		if (i == FLIGHT)
			return;
		sim.flight[i] = *s;
		if (s->len != 0)
			memcpy(sim.data[i], s->data, s->len);
		sim.in_flight++;
	}
}

static void client_sends(uint32_t offset, uint32_t len, uint8_t flags)
{
	uint8_t data[1500];

	for (uint32_t i = 0; i < len; i++)
		data[i] = byte_at(offset + i);
	launch(&(struct seg){.dir = FLOW_TO_SERVER,
			     .seq = sim.first + offset,
			     .ack = 78,
			     .flags = TCP_ACK | flags,
			     .data = data,
			     .len = len});
}

static void server_answers(void)
{
	launch(&(struct seg){.dir = FLOW_TO_CLIENT,
			     .seq = sim.established ? 78 : 77,
			     .ack = sim.first - header_len() + sim.upto,
			     .flags = TCP_ACK | (sim.established ? 0 : TCP_SYN),
			     .window = 60000});
}

static void client_gets(struct frame *f)
{
	uint32_t ack = get32(l4(f) + 8) - sim.first;

	// Never beyond what it sent. Below its first byte only one that comes late, when a newer one has
	// told that the header arrived: an old duplicate to the client.
	if ((int32_t)ack < 0 && ack >= 0 - header_len()) {
		assert_false(flow.flags & FLOW_F_PROXY_PENDING);
		return;
	}
	assert_true(ack <= sim.next);
	if ((l4(f)[13] & TCP_SYN) != 0) {
		sim.syn_acked = true;
		client_sends(sim.next, 0,
			     0); // the handshake's end, or an answer to a repeated SYN-ACK
		return;
	}
	if (ack > sim.una)
		sim.una = ack;
}

static void server_gets(struct frame *f)
{
	uint32_t at = get32(l4(f) + 4) - (sim.first - header_len()), len = data_len(f);

	if ((l4(f)[13] & TCP_SYN) != 0) {
		assert_int_equal(at, (uint32_t)-1);
		assert_int_equal(len, 0);
		sim.syn = true;
		server_answers();
		return;
	}
	if (!sim.syn)
		return;
	assert_true(at + len <= header_len() + sim.total);
	sim.established = true;
	for (uint32_t i = 0; i < len; i++) {
		assert_true(!sim.got[at + i] || sim.stream[at + i] == data_of(f)[i]);
		sim.got[at + i] = 1;
		sim.stream[at + i] = data_of(f)[i];
	}
	while (sim.upto < header_len() + sim.total && sim.got[sim.upto])
		sim.upto++;
	server_answers();
}

static void deliver(void)
{
	unsigned i = dice(sim.in_flight);
	struct seg s = sim.flight[i];
	uint8_t data[1500];
	struct frame f;

	memcpy(data, sim.data[i], sizeof(data));
	sim.in_flight--;
	sim.flight[i] = sim.flight[sim.in_flight];
	memcpy(sim.data[i], sim.data[sim.in_flight], sizeof(data));
	s.data = data;
	build(&f, &s);
	follow(&s);
	assert_int_equal(pass_mtu(&f, s.dir, 600), DROP_NONE);
	if (dice(5) == 0)
		return; // lost behind us
	if (s.dir == FLOW_TO_SERVER)
		server_gets(&f);
	else
		client_gets(&f);
}

static void timers(void)
{
	if (!sim.syn_acked)
		launch(&(struct seg){
			.dir = FLOW_TO_SERVER, .seq = sim.first - 1, .flags = TCP_SYN});
	if (sim.syn && !sim.established)
		server_answers();
	if (sim.syn_acked && sim.una < sim.next)
		client_sends(sim.una, RTE_MIN(sim.next - sim.una, 1 + dice(540)), 0);
}

static void run(unsigned seed)
{
	memset(&sim, 0, sizeof(sim));
	sim.seed = seed;
	flow_new(dice(2));
	sim.first = dice(2) ? 0 - dice(80) : (uint32_t)rand_r(&sim.seed) * 2;
	sim.total = 1 + dice(PAYLOAD);
	for (unsigned step = 0; sim.una < sim.total; step++) {
		assert_true(step < 100000);
		if (sim.in_flight != 0 && dice(4) != 0) {
			deliver();
		} else if (sim.syn_acked && sim.next < sim.total && dice(2)) {
			uint32_t len = RTE_MIN(sim.total - sim.next, 1 + dice(560));

			sim.next += len;
			client_sends(sim.next - len, len, 0);
		} else {
			timers();
		}
	}
	assert_int_equal(sim.upto, header_len() + sim.total);
	assert_header(sim.stream);
	for (uint32_t i = 0; i < sim.total; i++)
		assert_int_equal(sim.stream[header_len() + i], byte_at(i));
}

static void server_gets_header_and_stream_whatever_is_lost(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 3000; seed++)
		run(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(server_gets_header_and_stream_whatever_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
