// SPDX-License-Identifier: BSD-3-Clause

#include "dataplane/inspect/ssrf/host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct host h;

static void reads(const char *host, enum host_network network, bool address, bool odd)
{
	host_read((const uint8_t *)host, strlen(host), &h);
	if (h.network != network || h.address != address || h.odd != odd)
		print_message("%s: %d %d %d\n", host, h.network, h.address, h.odd);
	assert_int_equal(h.network, network);
	assert_int_equal(h.address, address);
	assert_int_equal(h.odd, odd);
}

static void knows_networks_of_ipv4(void **state)
{
	(void)state;
	reads("127.0.0.1", HOST_SELF, true, false);
	reads("127.255.0.9", HOST_SELF, true, false);
	reads("0.0.0.0", HOST_SELF, true, false);
	reads("10.1.2.3", HOST_PRIVATE, true, false);
	reads("172.16.0.1", HOST_PRIVATE, true, false);
	reads("172.31.255.255", HOST_PRIVATE, true, false);
	reads("172.32.0.1", HOST_PUBLIC, true, false);
	reads("192.168.1.1", HOST_PRIVATE, true, false);
	reads("192.169.1.1", HOST_PUBLIC, true, false);
	reads("169.254.1.1", HOST_PRIVATE, true, false);
	reads("169.254.169.254", HOST_METADATA, true, false);
	reads("100.100.100.200", HOST_METADATA, true, false);
	reads("8.8.8.8", HOST_PUBLIC, true, false);
	reads("127.0.0.1.", HOST_SELF, true, false);
}

static void reads_ipv4_as_inet_aton_does(void **state)
{
	(void)state;
	reads("2130706433", HOST_SELF, true, true);
	reads("0x7f000001", HOST_SELF, true, true);
	reads("0x7F.1", HOST_SELF, true, true);
	reads("017700000001", HOST_SELF, true, true);
	reads("0177.0.0.1", HOST_SELF, true, true);
	reads("127.1", HOST_SELF, true, true);
	reads("127.0.1", HOST_SELF, true, true);
	reads("0", HOST_SELF, true, true);
	reads("0xa9fea9fe", HOST_METADATA, true, true);
	reads("2852039166", HOST_METADATA, true, true);
	reads("127.0.0.256", HOST_PUBLIC, false, false);
	reads("4294967296", HOST_PUBLIC, false, false);
	reads("127.0.0.1.1", HOST_PUBLIC, false, false);
	reads("127..1", HOST_PUBLIC, false, false);
	reads("0x", HOST_SELF, true, true); // 0, to those who take it
	reads("08.0.0.1", HOST_PUBLIC, false, false);
}

static void reads_ipv6(void **state)
{
	(void)state;
	reads("[::1]", HOST_SELF, true, false);
	reads("[::]", HOST_SELF, true, false);
	reads("[0:0:0:0:0:0:0:1]", HOST_SELF, true, false);
	reads("[::ffff:127.0.0.1]", HOST_SELF, true, true);
	reads("[::ffff:7f00:1]", HOST_SELF, true, true);
	reads("[::ffff:a9fe:a9fe]", HOST_METADATA, true, true);
	reads("[fd00:ec2::254]", HOST_METADATA, true, false);
	reads("[fe80::1%25eth0]", HOST_PRIVATE, true, false);
	reads("[fd12::1]", HOST_PRIVATE, true, false);
	reads("[2001:db8::1]", HOST_PUBLIC, true, false);
	reads("[2001:db8::1::2]", HOST_PUBLIC, false, false);
	reads("[1:2:3]", HOST_PUBLIC, false, false);
	reads("[1:2:3:4:5:6:7:8:9]", HOST_PUBLIC, false, false);
	reads("[]", HOST_PUBLIC, false, false);
	reads("[", HOST_PUBLIC, false, false);
}

static void knows_names(void **state)
{
	static char longer[400];

	(void)state;
	reads("localhost", HOST_SELF, false, false);
	reads("LOCALHOST", HOST_SELF, false, false);
	reads("a.localhost.", HOST_SELF, false, false);
	reads("mylocalhost", HOST_PUBLIC, false, false);
	reads("metadata.google.internal", HOST_METADATA, false, false);
	reads("example.com", HOST_PUBLIC, false, false);
	reads("", HOST_PUBLIC, false, false);
	host_read((const uint8_t *)"127.0.0.1.nip.io", 16, &h);
	assert_true(h.rebound);
	host_read((const uint8_t *)"example.com", 11, &h);
	assert_false(h.rebound);
	memset(longer, 'a', sizeof(longer));
	host_read((const uint8_t *)longer, sizeof(longer), &h);
	assert_int_equal(h.network, HOST_PUBLIC);
}

static void maps_signs_that_mean_digits(void **state)
{
	(void)state;
	reads("\xe2\x91\xa0\xe2\x91\xa1\xe2\x91\xa6.0.0.1", HOST_SELF, true,
	      true); // 127 in circles
	reads("127\xe3\x80\x82"
	      "0.0.1",
	      HOST_SELF, true, true);
	reads("\xef\xbc\x91"
	      "27.0.0.1",
	      HOST_SELF, true, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_networks_of_ipv4),
		cmocka_unit_test(reads_ipv4_as_inet_aton_does),
		cmocka_unit_test(reads_ipv6),
		cmocka_unit_test(knows_names),
		cmocka_unit_test(maps_signs_that_mean_digits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
