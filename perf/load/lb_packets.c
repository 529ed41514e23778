// SPDX-License-Identifier: BSD-3-Clause

#include "perf/load/lb_packets.h"

#include <errno.h>
#include <netinet/in.h>
#include <pcap/pcap.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRAME   60
#define TTL     64
#define TCP_SYN 0x02
#define TCP_PSH 0x08
#define TCP_ACK 0x10

// First sequence numbers. The segments of a file are those of one connection's beginning, in order or
// sent again, so that they lie in each other's windows.
#define ISN_CLIENT UINT32_C(0x12340000)
#define ISN_SERVER UINT32_C(0x56780000)

struct end {
	rte_be32_t addr;
	rte_be16_t port;
};

struct pair {
	struct end client, service, local, server;
};

struct packets {
	uint32_t flows, count;
	struct pair pair[];
};

rte_be32_t packets_service(uint32_t i)
{
	return RTE_BE32(0xc0000201) + rte_cpu_to_be_32(i);
}

rte_be32_t packets_server(uint32_t i)
{
	return rte_cpu_to_be_32(0xac100001 + i);
}

rte_be32_t packets_local(uint32_t i)
{
	return rte_cpu_to_be_32(0xc6336401 + i);
}

void packets_client(uint32_t i, rte_be32_t *addr, rte_be16_t *port)
{
	uint32_t mixed = i * UINT32_C(2654435761); // odd: a permutation

	*addr = rte_cpu_to_be_32(0x0a000000 | (mixed >> 8));
	*port = rte_cpu_to_be_16((uint16_t)(1024 + (mixed & 0xff) * 97));
}

static struct end client(uint32_t i)
{
	struct end e;

	packets_client(i, &e.addr, &e.port);
	return e;
}

int packets_create(uint32_t flows, struct packets **out)
{
	struct packets *p = calloc(1, sizeof(*p) + flows * sizeof(p->pair[0]));

	if (p == NULL)
		return -ENOMEM;
	p->flows = flows;
	*out = p;
	return 0;
}

int packets_add(struct packets *p, const uint8_t *client_addr, rte_be16_t client_port,
		const uint8_t *service, const uint8_t *local, rte_be16_t local_port,
		const uint8_t *server)
{
	struct pair *f = &p->pair[p->count];

	if (p->count == p->flows)
		return -ENOSPC;
	p->count++;
	memcpy(&f->client.addr, client_addr, 4);
	memcpy(&f->service.addr, service, 4);
	memcpy(&f->local.addr, local, 4);
	memcpy(&f->server.addr, server, 4);
	f->client.port = client_port;
	f->service.port = PACKETS_SERVICE_PORT;
	f->local.port = local_port;
	f->server.port = PACKETS_SERVER_PORT;
	return 0;
}

static uint32_t sum_bytes(const uint8_t *p, unsigned len, uint32_t sum)
{
	for (unsigned i = 0; i < len; i++)
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	return sum;
}

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put_sum(uint8_t *p, uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	put16(p, ~sum & 0xffff);
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

static void make(uint8_t *f, const struct end *from, const struct end *to, uint8_t flags,
		 bool of_server, uint8_t ttl, bool out)
{
	uint32_t first = of_server ? ISN_SERVER : ISN_CLIENT;
	uint8_t *ip = f + 14, *tcp = ip + 20;
	static const uint8_t ours[6] = {2, 0, 0, 0, 0, 1}, peer[6] = {2, 0, 0, 0, 0, 2};

	memset(f, 0, FRAME);
	memcpy(f, out ? peer : ours, 6);
	memcpy(f + 6, out ? ours : peer, 6);
	put16(f + 12, 0x0800);
	ip[0] = 0x45;
	put16(ip + 2, 40);
	ip[6] = 0x40;
	ip[8] = ttl;
	ip[9] = IPPROTO_TCP;
	memcpy(ip + 12, &from->addr, 4);
	memcpy(ip + 16, &to->addr, 4);
	memcpy(tcp, &from->port, 2);
	memcpy(tcp + 2, &to->port, 2);
	put32(tcp + 4, (flags & TCP_SYN) != 0 ? first : first + 1);
	if ((flags & TCP_ACK) != 0)
		put32(tcp + 8, (of_server ? ISN_CLIENT : ISN_SERVER) + 1);
	tcp[12] = 0x50;
	tcp[13] = flags;
	put16(tcp + 14, 65535);
	put_sum(ip + 10, sum_bytes(ip, 20, 0));
	put_sum(tcp + 16, sum_bytes(tcp, 20, sum_bytes(ip + 12, 8, IPPROTO_TCP + 20)));
}

// ---- files -------------------------------------------------------------------------------------

struct file {
	pcap_t *pcap;
	pcap_dumper_t *dump;
};

static int file_open(struct file *f, const char *path)
{
	f->pcap = pcap_open_dead(DLT_EN10MB, 65535);
	f->dump = f->pcap == NULL ? NULL : pcap_dump_open(f->pcap, path);
	if (f->dump != NULL)
		return 0;
	if (f->pcap != NULL)
		pcap_close(f->pcap);
	return -EIO;
}

static void file_put(struct file *f, const uint8_t *frame)
{
	struct pcap_pkthdr h = {.caplen = FRAME, .len = FRAME};

	pcap_dump((u_char *)f->dump, &h, frame);
}

static int file_close(struct file *f)
{
	int rc = pcap_dump_flush(f->dump) == 0 ? 0 : -EIO;

	pcap_dump_close(f->dump);
	pcap_close(f->pcap);
	return rc;
}

int packets_write_syns(const struct packets *p, const char *path)
{
	uint8_t frame[FRAME];
	struct file f;

	if (file_open(&f, path) != 0)
		return -EIO;
	for (uint32_t i = 0; i < p->flows; i++) {
		struct end from = client(i);
		struct end to = {packets_service(i % PACKETS_SERVICES), PACKETS_SERVICE_PORT};

		make(frame, &from, &to, TCP_SYN, false, TTL, false);
		file_put(&f, frame);
	}
	return file_close(&f);
}

int packets_write_shake(const struct packets *p, const char *path)
{
	uint8_t frame[FRAME];
	struct file f;

	if (file_open(&f, path) != 0)
		return -EIO;
	for (uint32_t i = 0; i < p->count; i++) {
		make(frame, &p->pair[i].server, &p->pair[i].local, TCP_SYN | TCP_ACK, true, TTL,
		     false);
		file_put(&f, frame);
		make(frame, &p->pair[i].client, &p->pair[i].service, TCP_ACK, false, TTL, false);
		file_put(&f, frame);
	}
	return file_close(&f);
}

static uint32_t *shuffled(uint32_t n)
{
	uint32_t *order = malloc(n * sizeof(*order) + 1);
	uint64_t seed = 1;

	if (order == NULL)
		return NULL;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t j;

		seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		j = (uint32_t)((seed >> 33) % (i + 1));
		order[i] = order[j];
		order[j] = i;
	}
	return order;
}

int packets_write_traffic(const struct packets *p, const char *path, const char *expected)
{
	uint32_t *order = shuffled(p->count);
	uint8_t frame[FRAME];
	struct file in, out;
	int rc;

	if (order == NULL)
		return -ENOMEM;
	rc = file_open(&in, path);
	if (rc != 0)
		goto err_free;
	rc = file_open(&out, expected);
	if (rc != 0) {
		file_close(&in);
		goto err_free;
	}
	for (uint32_t i = 0; i < p->count; i++) {
		const struct pair *f = &p->pair[order[i]];
		bool reply = order[i] % 2;

		make(frame, reply ? &f->server : &f->client, reply ? &f->local : &f->service,
		     TCP_ACK | TCP_PSH, reply, TTL, false);
		file_put(&in, frame);
		make(frame, reply ? &f->service : &f->local, reply ? &f->client : &f->server,
		     TCP_ACK | TCP_PSH, reply, TTL - 1, true);
		file_put(&out, frame);
	}
	rc = file_close(&in);
	if (file_close(&out) != 0)
		rc = -EIO;
err_free:
	free(order);
	return rc;
}

int packets_compare(const char *got, const char *want, uint64_t *count)
{
	char text[PCAP_ERRBUF_SIZE];
	pcap_t *a = pcap_open_offline(got, text), *b = pcap_open_offline(want, text);
	int rc = -EIO;

	*count = 0;
	while (a != NULL && b != NULL) {
		struct pcap_pkthdr *ha, *hb;
		const uint8_t *pa, *pb;
		int ra = pcap_next_ex(a, &ha, &pa), rb = pcap_next_ex(b, &hb, &pb);

		if (ra != 1 || rb != 1) {
			rc = ra == rb && *count > 0 ? 0 : -EBADMSG;
			break;
		}
		if (ha->caplen != hb->caplen || memcmp(pa, pb, ha->caplen) != 0) {
			rc = -EBADMSG;
			break;
		}
		++*count;
	}
	if (a != NULL)
		pcap_close(a);
	if (b != NULL)
		pcap_close(b);
	return rc;
}

static uint16_t sum_change(uint16_t sum, uint64_t before, uint64_t after)
{
	uint64_t s = (uint16_t)~sum;

	for (unsigned i = 0; i < 4; i++) {
		s += (uint16_t) ~(before >> (16 * i));
		s += (uint16_t)(after >> (16 * i));
	}
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return (uint16_t)~s;
}

void packets_renew(uint8_t *frame)
{
	static uint32_t next;
	struct end e = client(next++);
	uint8_t *ip = frame + 14, *tcp = ip + 20;
	uint32_t addr;
	uint16_t port, ip_sum, tcp_sum;

	memcpy(&addr, ip + 12, 4);
	memcpy(&port, tcp, 2);
	memcpy(&ip_sum, ip + 10, 2);
	memcpy(&tcp_sum, tcp + 16, 2);
	ip_sum = sum_change(ip_sum, addr, e.addr);
	tcp_sum = sum_change(tcp_sum, addr | (uint64_t)port << 32, e.addr | (uint64_t)e.port << 32);
	memcpy(ip + 12, &e.addr, 4);
	memcpy(tcp, &e.port, 2);
	memcpy(ip + 10, &ip_sum, 2);
	memcpy(tcp + 16, &tcp_sum, 2);
}
