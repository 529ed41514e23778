// SPDX-License-Identifier: BSD-3-Clause
//
// Each field of each record on both sides of each of its limits.

#include "dataplane/ctl/server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define HEAD(t, s, i)                                                                              \
	{                                                                                          \
		.type = (t), .size = sizeof(s), .id = (i)                                          \
	}

static union {
	struct ctl_rec rec;
	struct ctl_settings settings;
	struct ctl_port port;
	struct ctl_vlan vlan;
	struct ctl_prefix prefix;
	struct ctl_local_pool local_pool;
	struct ctl_local_address local_address;
	struct ctl_pool pool;
	struct ctl_server server;
	struct ctl_service service;
} r;
static struct ctl_ack ack;

static struct ctl_addr v4(const char *text)
{
	struct ctl_addr a = {.family = 4, .len = 32};

	assert_int_equal(inet_pton(AF_INET, text, a.bytes), 1);
	return a;
}

static struct ctl_addr v6(const char *text)
{
	struct ctl_addr a = {.family = 6, .len = 128};

	assert_int_equal(inet_pton(AF_INET6, text, a.bytes), 1);
	return a;
}

static int check(void)
{
	return ctl_record_check(&r, r.rec.size, &ack);
}

static void good_settings(void)
{
	memset(&r, 0, sizeof(r));
	r.settings = (struct ctl_settings){.rec = HEAD(CTL_REC_SETTINGS, struct ctl_settings, 1),
					   .flow_max = 4096,
					   .flow_max6 = 1024,
					   .tcp_syn_ms = 30000,
					   .tcp_established_ms = 900000,
					   .tcp_closing_ms = 10000,
					   .udp_ms = 60000,
					   .restart_quiet_ms = 30000,
					   .persistence_max = 65536};
}

static void good_port(uint8_t kind)
{
	memset(&r, 0, sizeof(r));
	r.port = (struct ctl_port){.rec = HEAD(CTL_REC_PORT, struct ctl_port, 7), .kind = kind};
	strcpy(r.port.name, "up");
	if (kind == CTL_PORT_AF_XDP || kind == CTL_PORT_TAP)
		strcpy(r.port.device, "eth0");
	if (kind == CTL_PORT_MEMIF || kind == CTL_PORT_PCAP)
		strcpy(r.port.path, "/x");
}

static void good_pool(uint8_t kind)
{
	memset(&r, 0, sizeof(r));
	r.pool = (struct ctl_pool){.rec = HEAD(CTL_REC_POOL, struct ctl_pool, 3),
				   .scheduler = CTL_SCHED_WRR,
				   .on_down = CTL_ON_DOWN_RESET,
				   .hash_key = CTL_HASH_SOURCE_PORT,
				   .min_available = 1,
				   .check = {.kind = kind}};
	strcpy(r.pool.name, "web");
	if (kind == CTL_CHECK_NONE)
		return;
	r.pool.check.interval_ms = 2000;
	r.pool.check.timeout_ms = 1000;
	r.pool.check.rise = 2;
	r.pool.check.fall = 3;
	r.pool.check.status_min = 200;
	r.pool.check.status_max = 399;
	strcpy(r.pool.check.path, "/");
}

static void good_server(void)
{
	memset(&r, 0, sizeof(r));
	r.server = (struct ctl_server){.rec = HEAD(CTL_REC_SERVER, struct ctl_server, 9),
				       .pool = 3,
				       .addr = v4("10.0.0.1"),
				       .port = htons(80),
				       .weight = 1,
				       .admin = CTL_ADMIN_ENABLED};
	strcpy(r.server.name, "s1");
}

static void good_service(void)
{
	memset(&r, 0, sizeof(r));
	r.service = (struct ctl_service){.rec = HEAD(CTL_REC_SERVICE, struct ctl_service, 11),
					 .pool = 3,
					 .local_pool = 4,
					 .addr = v6("2001:db8::1"),
					 .port = htons(443),
					 .port_max = htons(443),
					 .forwarding = CTL_FORWARD_FULLNAT,
					 .proto = IPPROTO_TCP,
					 .enabled = 1};
	strcpy(r.service.name, "web");
}

static void good_local_pool(void)
{
	memset(&r, 0, sizeof(r));
	r.local_pool =
		(struct ctl_local_pool){.rec = HEAD(CTL_REC_LOCAL_POOL, struct ctl_local_pool, 4),
					.port_min = 1024,
					.port_max = 65535};
	strcpy(r.local_pool.name, "snat");
}

static void good_vlan(void)
{
	memset(&r, 0, sizeof(r));
	r.vlan = (struct ctl_vlan){
		.rec = HEAD(CTL_REC_VLAN, struct ctl_vlan, 5), .port = 7, .vid = 10};
	strcpy(r.vlan.tap, "v10");
}

#define ACCEPTED()                                                                                 \
	do {                                                                                       \
		if (check() != 0)                                                                  \
			print_error("%s: %s\n", ack.field, ack.message);                           \
		assert_int_equal(check(), 0);                                                      \
	} while (0)
#define REFUSED(err, f)                                                                            \
	do {                                                                                       \
		assert_int_equal(check(), err);                                                    \
		assert_string_equal(ack.field, f);                                                 \
		assert_true(ack.message[0] != '\0');                                               \
		assert_int_equal(ack.result, err);                                                 \
	} while (0)
// A number at both ends of its range, and one beyond each.
#define RANGE(good, lvalue, min, max, f)                                                           \
	do {                                                                                       \
		good;                                                                              \
		lvalue = (min);                                                                    \
		ACCEPTED();                                                                        \
		lvalue = (max);                                                                    \
		ACCEPTED();                                                                        \
		lvalue = (min)-1;                                                                  \
		REFUSED(-EINVAL, f);                                                               \
		lvalue = (max) + 1;                                                                \
		REFUSED(-EINVAL, f);                                                               \
	} while (0)

static void settings_keep_to_the_ranges_of_the_model(void **state)
{
	(void)state;
	RANGE(good_settings(), r.settings.flow_max, 1024, 1 << 28, "flow-table/size");
	RANGE(good_settings(), r.settings.tcp_syn_ms, 1000, 600000, "timeouts/tcp-syn");
	RANGE(good_settings(), r.settings.tcp_established_ms, 1000, 86400000,
	      "timeouts/tcp-established");
	RANGE(good_settings(), r.settings.tcp_closing_ms, 100, 600000, "timeouts/tcp-closing");
	RANGE(good_settings(), r.settings.udp_ms, 1000, 86400000, "timeouts/udp");
	good_settings();
	r.settings.flow_max6 = 0;
	ACCEPTED();
	r.settings.flow_max6 = 4096;
	ACCEPTED();
	r.settings.flow_max6 = 4097;
	REFUSED(-EINVAL, "flow-table/ipv6-size");
	good_settings();
	r.settings.restart_quiet_ms = 0;
	ACCEPTED();
	r.settings.restart_quiet_ms = 300000;
	ACCEPTED();
	r.settings.restart_quiet_ms = 300001;
	REFUSED(-EINVAL, "timeouts/restart-quiet");
	good_settings();
	r.settings.rec.id = 2;
	REFUSED(-EPROTO, "");
}

static void head_of_a_record_is_checked(void **state)
{
	(void)state;
	good_server();
	ACCEPTED();
	assert_int_equal(ctl_record_check(&r, sizeof(struct ctl_server) - 1, &ack), -EPROTO);
	assert_int_equal(ctl_record_check(&r, sizeof(struct ctl_server) + 8, &ack), -EPROTO);
	assert_int_equal(ctl_record_check(&r, 15, &ack), -EPROTO);
	assert_int_equal(ctl_record_check(&r, 0, &ack), -EPROTO);
	good_server();
	r.rec.id = 0;
	REFUSED(-EPROTO, "");
	good_server();
	r.rec.zero = 1;
	REFUSED(-EPROTO, "");
	good_server();
	r.rec.type = 0;
	REFUSED(-EPROTO, "");
	r.rec.type = CTL_REC_SERVICE + 1;
	REFUSED(-EPROTO, "");
	r.rec.type = CTL_REC_PRIVATE + 1; // those on disk never come over the link
	REFUSED(-EPROTO, "");
	good_server();
	r.rec.size--;
	assert_int_equal(ctl_record_check(&r, sizeof(struct ctl_server), &ack), -EPROTO);
}

static void refusal_names_the_record(void **state)
{
	(void)state;
	good_server();
	r.server.weight = 257;
	REFUSED(-EINVAL, "weight");
	assert_int_equal(ack.rec_type, CTL_REC_SERVER);
	assert_int_equal(ack.rec_id, 9);
	assert_int_equal(ack.tag, CTL_TAG_INVALID_VALUE);
}

static void names_are_those_of_the_model(void **state)
{
	static const char *const bad[] = {"", ".a", "-a", "a b", "a/b", "\xc3\xa4", "a\n", "_a"};
	static const char *const ok[] = {"a", "A.b_c-9", "0"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		good_server();
		memset(r.server.name, 0, sizeof(r.server.name));
		strcpy(r.server.name, bad[i]);
		REFUSED(-EINVAL, "name");
	}
	for (size_t i = 0; i < sizeof(ok) / sizeof(ok[0]); i++) {
		good_server();
		memset(r.server.name, 0, sizeof(r.server.name));
		strcpy(r.server.name, ok[i]);
		ACCEPTED();
	}
	good_server();
	memset(r.server.name, 'a', 63);
	ACCEPTED();
	r.server.name[63] = 'a'; // does not end
	REFUSED(-EPROTO, "name");
	good_server();
	r.server.name[63] = 'x'; // something behind the end
	REFUSED(-EPROTO, "name");
}

static void addresses_can_stand_on_the_wire(void **state)
{
	static const char *const bad4[] = {"0.0.0.0",   "0.1.2.3",         "127.0.0.1",
					   "224.0.0.1", "255.255.255.255", "240.0.0.1"};
	static const char *const bad6[] = {"::",      "::1",     "ff02::1",
					   "fe80::1", "febf::1", "::ffff:1.2.3.4"};
	static const char *const ok6[] = {"fd00::1", "2001:db8::", "fec0::1", "::2"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad4) / sizeof(bad4[0]); i++) {
		good_server();
		r.server.addr = v4(bad4[i]);
		REFUSED(-EINVAL, "address");
	}
	for (size_t i = 0; i < sizeof(bad6) / sizeof(bad6[0]); i++) {
		good_service();
		r.service.addr = v6(bad6[i]);
		REFUSED(-EINVAL, "address");
	}
	for (size_t i = 0; i < sizeof(ok6) / sizeof(ok6[0]); i++) {
		good_service();
		r.service.addr = v6(ok6[i]);
		ACCEPTED();
	}
	good_server();
	r.server.addr = v4("223.255.255.255");
	ACCEPTED();
	r.server.addr.len = 31;
	REFUSED(-EPROTO, "address");
	r.server.addr.len = 33;
	REFUSED(-EPROTO, "address");
	good_server();
	r.server.addr.family = 5;
	REFUSED(-EPROTO, "address");
	good_server();
	r.server.addr.bytes[4] = 1;
	REFUSED(-EPROTO, "address");
	good_server();
	r.server.addr.zero[5] = 1;
	REFUSED(-EPROTO, "");
}

static void server_fields(void **state)
{
	(void)state;
	good_server();
	r.server.weight = 0;
	ACCEPTED();
	r.server.weight = 256;
	ACCEPTED();
	good_server();
	r.server.port = 0; // the port that the client asked for
	ACCEPTED();
	r.server.port = 0xffff;
	ACCEPTED();
	good_server();
	r.server.pool = 0;
	REFUSED(-EPROTO, "name");
	for (unsigned a = 0; a <= 4; a++) {
		good_server();
		r.server.admin = (uint8_t)a;
		assert_int_equal(check(), a >= 1 && a <= 3 ? 0 : -EPROTO);
	}
	good_server();
	r.server.zero[2] = 1;
	REFUSED(-EPROTO, "");
}

static void service_fields(void **state)
{
	(void)state;
	good_service();
	ACCEPTED();
	r.service.proto = IPPROTO_UDP;
	ACCEPTED();
	r.service.proto = IPPROTO_ICMP;
	REFUSED(-EINVAL, "protocol");
	good_service();
	r.service.enabled = 0;
	ACCEPTED();
	r.service.enabled = 2;
	REFUSED(-EPROTO, "enabled");
	good_service();
	r.service.context = UINT16_MAX;
	ACCEPTED();
	good_service();
	r.service.pool = 0;
	REFUSED(-EPROTO, "pool");
	good_service();
	r.service.local_pool = 0;
	REFUSED(-EINVAL, "local-address-pool");
	r.service.forwarding = CTL_FORWARD_NAT;
	ACCEPTED();
	good_service();
	r.service.port = 0;
	REFUSED(-EINVAL, "port-max");
	r.service.port_max = 0;
	ACCEPTED();
	good_service();
	r.service.zero[6] = 1;
	REFUSED(-EPROTO, "");
}

static void pool_fields(void **state)
{
	(void)state;
	good_pool(CTL_CHECK_NONE);
	ACCEPTED();
	r.pool.scheduler = CTL_SCHED_MAGLEV + 1;
	REFUSED(-EPROTO, "scheduler");
	good_pool(CTL_CHECK_NONE);
	r.pool.on_down = CTL_ON_DOWN_KEEP;
	ACCEPTED();
	r.pool.on_down = 0;
	REFUSED(-EPROTO, "on-server-down");
	r.pool.on_down = 3;
	REFUSED(-EPROTO, "on-server-down");
	good_pool(CTL_CHECK_NONE);
	r.pool.check.kind = CTL_CHECK_ICMP + 1;
	REFUSED(-EPROTO, "health-check/type");
	good_pool(CTL_CHECK_NONE);
	r.pool.zero = 1;
	REFUSED(-EPROTO, "");
}

static void health_check_fields(void **state)
{
	(void)state;
	RANGE((good_pool(CTL_CHECK_TCP), r.pool.check.timeout_ms = 10), r.pool.check.interval_ms,
	      100, 3600000, "health-check/interval");
	RANGE(good_pool(CTL_CHECK_TCP), r.pool.check.timeout_ms, 10, 2000, "health-check/timeout");
	RANGE(good_pool(CTL_CHECK_TCP), r.pool.check.rise, 1, 100, "health-check/rise");
	RANGE(good_pool(CTL_CHECK_TCP), r.pool.check.fall, 1, 100, "health-check/fall");
	good_pool(CTL_CHECK_HTTP);
	r.pool.check.status_min = 99;
	REFUSED(-EINVAL, "health-check/http/status-min");
	good_pool(CTL_CHECK_HTTP);
	r.pool.check.status_max = 600;
	REFUSED(-EINVAL, "health-check/http/status-max");
	good_pool(CTL_CHECK_HTTP);
	r.pool.check.status_min = 300;
	r.pool.check.status_max = 299;
	REFUSED(-EINVAL, "health-check/http/status-min");
	good_pool(CTL_CHECK_HTTP);
	strcpy(r.pool.check.path, "x");
	REFUSED(-EINVAL, "health-check/http/path");
	strcpy(r.pool.check.path, "/a b");
	REFUSED(-EINVAL, "health-check/http/path");
	memset(r.pool.check.path, '/', 256);
	REFUSED(-EPROTO, "health-check/http/path");
	good_pool(CTL_CHECK_HTTP);
	strcpy(r.pool.check.host, "a b");
	REFUSED(-EINVAL, "health-check/http/host");
	strcpy(r.pool.check.host, "a\r\nX: y"); // would smuggle a header
	REFUSED(-EINVAL, "health-check/http/host");
	good_pool(CTL_CHECK_HTTP);
	strcpy(r.pool.check.body, "two\nlines");
	ACCEPTED();
	memset(r.pool.check.body, 'x', 128);
	REFUSED(-EPROTO, "health-check/http/body-match");
}

static void port_fields(void **state)
{
	(void)state;
	for (uint8_t kind = CTL_PORT_AF_XDP; kind <= CTL_PORT_PCAP; kind++) {
		good_port(kind);
		ACCEPTED();
		good_port(kind);
		r.port.flags = 8;
		REFUSED(-EPROTO, "type");
		good_port(kind);
		r.port.flags = CTL_PORT_F_MEMIF_SERVER;
		assert_int_equal(check(), kind == CTL_PORT_MEMIF ? 0 : -EPROTO);
		r.port.flags = CTL_PORT_F_PCAP_INFINITE;
		assert_int_equal(check(), kind == CTL_PORT_PCAP ? 0 : -EPROTO);
		good_port(kind);
		r.port.memif_id = 1;
		assert_int_equal(check(), kind == CTL_PORT_MEMIF ? 0 : -EPROTO);
		good_port(kind);
		r.port.peer_mac[5] = 1;
		assert_int_equal(check(), kind <= CTL_PORT_TAP ? -EINVAL : 0);
	}
	good_port(0);
	REFUSED(-EPROTO, "type");
	good_port(CTL_PORT_BOND + 1);
	REFUSED(-EPROTO, "type");
	good_port(CTL_PORT_BOND);
	strcpy(r.port.device, "bond0");
	REFUSED(-EPROTO, "port/bond/mode");
	r.port.bond_mode = CTL_BOND_LACP;
	REFUSED(-EINVAL, "port/bond/member");
	strcpy(r.port.member[0], "eth1");
	strcpy(r.port.member[1], "0000:03:00.0");
	ACCEPTED();
	memset(r.port.member[1], 0, 16);
	strcpy(r.port.member[1], "eth1");
	REFUSED(-EINVAL, "port/bond/member");
	memset(r.port.member[1], 0, 16);
	strcpy(r.port.member[2], "eth2");
	REFUSED(-EPROTO, "port/bond/member");
	good_port(CTL_PORT_PCI);
	strcpy(r.port.device, "eth0");
	REFUSED(-EINVAL, "port/pci-address");
	strcpy(r.port.member[0], "0000:03:00.0");
	ACCEPTED();
	strcpy(r.port.member[1], "eth1");
	REFUSED(-EPROTO, "type");
	good_port(CTL_PORT_MEMIF);
	r.port.own4 = v4("10.9.0.0");
	REFUSED(-EPROTO, "type");
	r.port.flags = CTL_PORT_F_LINK;
	ACCEPTED();
	r.port.own6 = v4("10.9.0.0");
	REFUSED(-EPROTO, "ipv4-address");
	good_port(CTL_PORT_AF_XDP);
	r.port.queues = 16;
	ACCEPTED();
	r.port.queues = 17;
	REFUSED(-EINVAL, "port/queues");
	RANGE(good_port(CTL_PORT_AF_XDP), r.port.mtu, 1280, 9600, "port/mtu");
	good_port(CTL_PORT_AF_XDP);
	r.port.mac[0] = 1;
	REFUSED(-EINVAL, "port/mac");
	good_port(CTL_PORT_MEMIF);
	r.port.peer_mac[0] = 1;
	REFUSED(-EINVAL, "port/peer-mac");
	good_port(CTL_PORT_AF_XDP);
	memset(r.port.device, 'e', 15);
	ACCEPTED();
	r.port.device[15] = 'e';
	REFUSED(-EINVAL, "port/device");
	good_port(CTL_PORT_AF_XDP);
	r.port.device[0] = '\0';
	assert_int_not_equal(check(), 0);
	good_port(CTL_PORT_AF_XDP);
	r.port.name[0] = '\0';
	assert_int_not_equal(check(), 0);
	good_port(CTL_PORT_MEMIF);
	strcpy(r.port.path, "relative");
	REFUSED(-EINVAL, "port/memif/socket");
	r.port.path[0] = '\0';
	assert_int_not_equal(check(), 0);
	good_port(CTL_PORT_MEMIF);
	memset(r.port.path, '/', 107);
	ACCEPTED();
	r.port.path[107] = '/';
	REFUSED(-EINVAL, "port/memif/socket");
}

static void vlan_prefix_and_local_fields(void **state)
{
	(void)state;
	RANGE(good_vlan(), r.vlan.vid, 1, 4094, "vid");
	good_vlan();
	memset(r.vlan.tap, 0, sizeof(r.vlan.tap));
	REFUSED(-EINVAL, "tap");
	good_vlan();
	r.vlan.port = 0;
	REFUSED(-EPROTO, "vid");
	good_vlan();
	r.vlan.zero2 = 1;
	REFUSED(-EPROTO, "");

	good_local_pool();
	r.local_pool.port_min = 1;
	ACCEPTED();
	r.local_pool.port_min = 0;
	REFUSED(-EINVAL, "port-min");
	good_local_pool();
	r.local_pool.port_min = r.local_pool.port_max = 65535;
	ACCEPTED();
	r.local_pool.port_max = 0;
	REFUSED(-EINVAL, "port-max");
	good_local_pool();
	r.local_pool.port_min = 2000;
	r.local_pool.port_max = 1999;
	REFUSED(-EINVAL, "port-min");

	memset(&r, 0, sizeof(r));
	r.prefix = (struct ctl_prefix){.rec = HEAD(CTL_REC_PREFIX, struct ctl_prefix, 6),
				       .port = 7,
				       .prefix = v4("10.0.0.0")};
	r.prefix.prefix.len = 8;
	ACCEPTED();
	r.prefix.prefix.bytes[3] = 1;
	REFUSED(-EINVAL, "port/prefix");
	r.prefix.prefix = v4("0.0.0.0");
	r.prefix.prefix.len = 0;
	ACCEPTED();
	r.prefix.prefix.len = 33;
	REFUSED(-EPROTO, "port/prefix");
	r.prefix.prefix = v6("fd00::");
	r.prefix.prefix.len = 129;
	REFUSED(-EPROTO, "port/prefix");

	memset(&r, 0, sizeof(r));
	r.local_address = (struct ctl_local_address){
		.rec = HEAD(CTL_REC_LOCAL_ADDRESS, struct ctl_local_address, 8),
		.local_pool = 4,
		.addr = v4("10.0.0.9")};
	ACCEPTED();
	r.local_address.local_pool = 0;
	REFUSED(-EPROTO, "address");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(settings_keep_to_the_ranges_of_the_model),
		cmocka_unit_test(head_of_a_record_is_checked),
		cmocka_unit_test(refusal_names_the_record),
		cmocka_unit_test(names_are_those_of_the_model),
		cmocka_unit_test(addresses_can_stand_on_the_wire),
		cmocka_unit_test(server_fields),
		cmocka_unit_test(service_fields),
		cmocka_unit_test(pool_fields),
		cmocka_unit_test(health_check_fields),
		cmocka_unit_test(port_fields),
		cmocka_unit_test(vlan_prefix_and_local_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
