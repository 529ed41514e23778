// SPDX-License-Identifier: BSD-3-Clause
//
// lb_packets - the packets of lb_bench: 60-byte frames (64 on the wire) of TCP over IPv4, with right
// checksums, in pcap files.
#pragma once

#include <stdint.h>

#include <rte_byteorder.h>

#define PACKETS_SERVERS      128
#define PACKETS_SERVICES     4
#define PACKETS_LOCALS       8
#define PACKETS_SERVICE_PORT RTE_BE16(80)
#define PACKETS_SERVER_PORT  RTE_BE16(8080)

// Addresses of the test network.
rte_be32_t packets_service(uint32_t i);
rte_be32_t packets_server(uint32_t i);
rte_be32_t packets_local(uint32_t i);
// Client number i, spread over a /8 so that nothing lies in order; 2^32 of them.
void packets_client(uint32_t i, rte_be32_t *addr, rte_be16_t *port);

struct packets;

// For `flows` clients. Errors: -ENOMEM
int packets_create(uint32_t flows, struct packets **out);

// A flow as the balancer has made it; addresses of 4 bytes. Errors: -ENOSPC more flows than clients
int packets_add(struct packets *p, const uint8_t *client, rte_be16_t client_port,
		const uint8_t *service, const uint8_t *local, rte_be16_t local_port,
		const uint8_t *server);

// Errors of all: negative errno, -EIO
int packets_write_syns(const struct packets *p, const char *path);
// SYN-ACK of the server and ACK of the client, of all flows added.
int packets_write_shake(const struct packets *p, const char *path);
// One packet of each flow: replies of one half, data of the other, shuffled; and what is to leave.
int packets_write_traffic(const struct packets *p, const char *path, const char *expected);
// Compare two files packet by packet and byte by byte. -EBADMSG: packet *count differs.
int packets_compare(const char *got, const char *want, uint64_t *count);

// Make a SYN that of the next client, endlessly (2^32 of them). Checksums are kept right.
void packets_renew(uint8_t *frame);
