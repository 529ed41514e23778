// SPDX-License-Identifier: BSD-3-Clause
//
// The registry and the refusals that need no kernel device. Devices, steering and recovery are tested in
// namespaces: tests/lab/test_port_*.py.

#include "dataplane/core/publish.h"
#include "dataplane/core/worker.h"
#include "dataplane/port/port.h"
#include "tests/unit/dataplane/core/eal.h"

#include <rte_mbuf.h>
#include <rte_mempool.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct ctl_port make_conf(const char *name, uint8_t kind)
{
	struct ctl_port c = {.rec = {.type = CTL_REC_PORT, .size = sizeof(c), .id = 7},
			     .kind = kind};

	snprintf(c.name, sizeof(c.name), "%s", name);
	c.context = 3;
	return c;
}

static void refuses_instance_names_that_would_be_commands(void **state)
{
	struct ctl_port c = make_conf("n", CTL_PORT_NULL);
	struct port_error err;
	struct port *p;

	assert_int_equal(port_open(&c, NULL, 0, &p, &err), -EINVAL); // no port_init yet
	assert_int_equal(port_init(""), -EINVAL);
	assert_int_equal(port_init("a b"), -EINVAL);
	assert_int_equal(port_init("x{"), -EINVAL);
	assert_int_equal(port_init("-x"), -EINVAL);
	assert_int_equal(
		port_init("0123456789012345678901234567890123456789012345678901234567890123"),
		-EINVAL);
	assert_int_equal(port_detach_left("x;"), -EINVAL);
	assert_int_equal(
		port_init("012345678901234567890123456789012345678901234567890123456789012"), 0);
	assert_int_equal(port_init("lb"), 0);
}

static void opens_a_null_port_with_fixed_addresses(void **state)
{
	struct ctl_port c = make_conf("n", CTL_PORT_NULL);
	struct port_counters counters;
	struct port *p, *again;
	struct port_error err;
	struct rte_ether_addr mac;
	struct rte_mbuf *m;
	uint16_t index;
	char name[32];

	assert_int_equal(port_open(&c, NULL, 0, &p, &err), 0);
	index = p->index;
	mac = p->mac;
	assert_ptr_equal(port_get(index), p);
	assert_int_equal(p->id, 7);
	assert_int_equal(p->context, 3);
	assert_int_equal(p->mtu, 1500);
	assert_int_equal(p->queues, 1);
	assert_int_equal(p->view, PORT_VIEW_NONE);
	assert_true(p->point_to_point && p->live && p->up);
	assert_true(rte_is_local_admin_ether_addr(&p->mac) &&
		    rte_is_local_admin_ether_addr(&p->peer_mac));
	assert_int_not_equal(memcmp(&p->mac, &p->peer_mac, 6), 0);
	assert_int_equal(port_queue_fd(p, 0), -1);
	assert_int_equal(port_queue_fd(p, 1), -1);

	// It swallows what is sent and never receives.
	assert_int_equal(port_rx(p, 0, &m, 1), 0);
	snprintf(name, sizeof(name), "port%u.1", index);
	m = rte_pktmbuf_alloc(rte_mempool_lookup(name));
	assert_non_null(m);
	m->data_len = m->pkt_len = 60;
	assert_int_equal(port_tx(p, 0, &m, 1), 1);
	port_counters(p, &counters);
	assert_int_equal(counters.tx_packets, 1);
	assert_int_equal(counters.xdp_seen, 0);

	port_close(p);
	assert_null(port_get(index));
	publish_drain();
	assert_int_equal(port_open(&c, NULL, 0, &again, &err), 0);
	assert_int_not_equal(again->index, index); // packets of the last owner may still be held
	assert_memory_equal(&again->mac, &mac, 6); // the same after every start
	port_close(again);
	publish_drain();
}

static void a_port_that_is_away_takes_and_gives_nothing(void **state)
{
	struct ctl_port c = make_conf("n", CTL_PORT_NULL);
	struct port_error err;
	struct rte_mbuf *m = NULL;
	struct port *p;

	assert_int_equal(port_open(&c, NULL, 0, &p, &err), 0);
	atomic_store(&p->live, false);
	assert_int_equal(port_tx(p, 0, &m, 1), 0);
	assert_int_equal(port_rx(p, 0, &m, 1), 0);
	port_close(p);
	publish_drain();
}

static void a_ring_port_gives_back_with_our_index(void **state)
{
	struct ctl_port c = make_conf("r", CTL_PORT_RING);
	struct rte_mempool *pool = NULL;
	struct port_error err;
	struct rte_mbuf *m, *back[2];
	struct port *p;
	char name[32];

	assert_int_equal(port_open(&c, NULL, 0, &p, &err), 0);
	snprintf(name, sizeof(name), "port%u.1", p->index);
	pool = rte_mempool_lookup(name);
	m = rte_pktmbuf_alloc(pool);
	m->data_len = m->pkt_len = 60;
	m->port = 999;
	assert_int_equal(port_tx(p, 5, &m, 1), 1); // worker 5 of a port with one queue
	assert_int_equal(port_rx(p, 0, back, 2), 1);
	assert_ptr_equal(back[0], m);
	assert_int_equal(m->port, p->index);
	rte_pktmbuf_free(m);
	port_close(p);
	publish_drain();
}

struct refusal {
	const char *field;
	int rc;
	void (*spoil)(struct ctl_port *c);
};

static void spoil_kind(struct ctl_port *c)
{
	c->kind = 77;
}

static void spoil_name(struct ctl_port *c)
{
	c->name[0] = '\0';
}

static void spoil_name_end(struct ctl_port *c)
{
	memset(c->name, 'a', sizeof(c->name)); // not terminated
}

static void spoil_queues(struct ctl_port *c)
{
	c->queues = 2;
}

static void spoil_mtu(struct ctl_port *c)
{
	c->mtu = 9601;
}

static void spoil_mac(struct ctl_port *c)
{
	c->mac[0] = 1;
}

static void spoil_device(struct ctl_port *c)
{
	c->kind = CTL_PORT_TAP;
	snprintf(c->device, sizeof(c->device), "t0,mac=x");
}

static void spoil_device_length(struct ctl_port *c)
{
	c->kind = CTL_PORT_TAP;
	snprintf(c->device, sizeof(c->device), "abcdefghijklmnop"); // 16 bytes
}

static void spoil_tap_queues(struct ctl_port *c)
{
	c->kind = CTL_PORT_TAP;
	snprintf(c->device, sizeof(c->device), "t0");
	c->queues = PORT_QUEUE_MAX + 1;
}

static void spoil_memif_path(struct ctl_port *c)
{
	c->kind = CTL_PORT_MEMIF;
	memset(c->path, '/', sizeof(c->path)); // not terminated
	c->peer_mac[5] = 1;
}

static void spoil_pcap_path(struct ctl_port *c)
{
	c->kind = CTL_PORT_PCAP;
	snprintf(c->path2, sizeof(c->path2), "/a,infinite_rx=1");
}

static void refuses_with_the_field_at_fault(void **state)
{
	static const struct refusal cases[] = {
		{"type", -EINVAL, spoil_kind},
		{"name", -EINVAL, spoil_name},
		{"name", -EINVAL, spoil_name_end},
		{"queues", -EINVAL, spoil_queues},
		{"mtu", -EINVAL, spoil_mtu},
		{"mac", -EINVAL, spoil_mac},
		{"device", -EINVAL, spoil_device},
		{"device", -EINVAL, spoil_device_length},
		{"queues", -EINVAL, spoil_tap_queues},
		{"memif/socket", -EINVAL, spoil_memif_path},
		{"pcap/tx-file", -EINVAL, spoil_pcap_path},
	};

	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct ctl_port c = make_conf("n", CTL_PORT_NULL);
		struct port *p = (void *)1;
		struct port_error err;

		cases[i].spoil(&c);
		assert_int_equal(port_open(&c, NULL, 0, &p, &err), cases[i].rc);
		assert_string_equal(err.field, cases[i].field);
		assert_true(err.message[0] != '\0' && err.tag != 0);
		assert_ptr_equal(p, (void *)1);
	}
	publish_drain();
	for (uint16_t i = 0; i < PORT_MAX; i++)
		assert_null(port_get(i));
}

static void refuses_steering_that_is_neither_service_nor_local(void **state)
{
	struct port_steer s = {.addr = {.family = 4, .len = 32},
			       .proto = IPPROTO_TCP,
			       .port_min = 80,
			       .port_max = 80};
	struct port_steer bad[5];
	struct port_error err;

	for (int i = 0; i < 5; i++)
		bad[i] = s;
	bad[0].addr.family = 5;
	bad[1].addr = (struct ctl_addr){.family = 4, .len = 24, .bytes = {10, 0, 0, 1}};
	bad[2].proto = IPPROTO_ICMP;
	bad[3].port_min = 0;
	bad[4].port_max = 79; // below the first
	for (int i = 0; i < 5; i++) {
		assert_int_equal(port_steer_set(&bad[i], 1, &err), -EINVAL);
		assert_string_equal(err.field, "address");
	}
}

static int group_setup(void **state)
{
	return test_eal_init(1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_instance_names_that_would_be_commands),
		cmocka_unit_test(opens_a_null_port_with_fixed_addresses),
		cmocka_unit_test(a_port_that_is_away_takes_and_gives_nothing),
		cmocka_unit_test(a_ring_port_gives_back_with_our_index),
		cmocka_unit_test(refuses_with_the_field_at_fault),
		cmocka_unit_test(refuses_steering_that_is_neither_service_nor_local),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
