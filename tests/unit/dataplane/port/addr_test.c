// SPDX-License-Identifier: BSD-3-Clause
//
// Which ports of an address the node itself waits at (addr.c), with sockets of our own on a loopback address.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <stdio.h>

#include "dataplane/port/port.h"

static const struct ctl_addr here = {.family = 4, .len = 32, .bytes = {127, 0, 13, 9}};

// A UDP socket on a port, of the first that is free from there on. Returns the socket
static int wait_at(unsigned *port)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	memcpy(&a.sin_addr, here.bytes, 4);
	for (a.sin_port = htons((uint16_t)*port);
	     bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0 && *port < 65535;
	     a.sin_port = htons((uint16_t)*port))
		++*port;
	return fd;
}

static unsigned found(unsigned min, unsigned max)
{
	return ntohs(
		port_node_listens(&here, IPPROTO_UDP, htons((uint16_t)min), htons((uint16_t)max)));
}

static void a_port_given_out_counts_alone_and_not_in_a_range(void **state)
{
	unsigned low, high, port;
	FILE *f = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
	int fd;

	(void)state;
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%u %u", &low, &high), 2);
	fclose(f);
	port = low + (high - low) / 2;
	fd = wait_at(&port);
	assert_int_equal(found(port, port), port);
	assert_int_equal(found(port - 1, port + 1), 0);
	close(fd);
	assert_int_equal(found(port, port), 0);
	port = 900; // no port of the kernel's
	fd = wait_at(&port);
	assert_int_equal(found(port, port), port);
	assert_int_equal(found(port - 1, port + 1), port);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_port_given_out_counts_alone_and_not_in_a_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
