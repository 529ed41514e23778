// SPDX-License-Identifier: BSD-3-Clause
//
// The guard: an nft table of this instance that drops packets to our services and local addresses before
// the kernel's connection tracking and sockets see them, and those of NAT servers that it would forward. While a steering program is attached it sees
// nothing (XDP comes first); when there is none (app gone and detached, interface recreated, before the
// first start is through) it keeps the kernel from answering with resets and unreachables. It outlives
// the process on purpose; `--detach` removes it. ARP, neighbour discovery and ping do not match.

#include "dataplane/port/port_priv.h"

#include <nftables/libnftables.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int run(const char *commands, char *err, size_t err_size)
{
	struct nft_ctx *nft = nft_ctx_new(NFT_CTX_DEFAULT);
	const char *text;
	int rc;

	if (nft == NULL)
		return -ENOMEM;
	nft_ctx_buffer_output(nft);
	nft_ctx_buffer_error(nft);
	rc = nft_run_cmd_from_buffer(nft, commands);
	if (rc != 0 && err != NULL) {
		text = nft_ctx_get_error_buffer(nft);
		snprintf(err, err_size, "%.*s", (int)strcspn(text, "\n"), text);
	}
	nft_ctx_free(nft);
	return rc == 0 ? 0 : -EIO;
}

static void put_addr(FILE *f, const struct ctl_addr *a)
{
	char text[INET6_ADDRSTRLEN];

	inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->bytes, text, sizeof(text));
	fputs(text, f);
}

static bool is_host(const struct ctl_addr *a)
{
	return a->len == (a->family == 4 ? 32 : 128);
}

static bool is_wild(const struct port_steer *s)
{
	return s->port_min == 0 && s->port_max == UINT16_MAX;
}

// The guard knows no contexts, and a set takes no overlaps: entries of one kind, address and protocol that
// overlap become one. Sorted in, sorted out. Returns: how many are left.
static unsigned merge(struct port_steer *set, unsigned count)
{
	unsigned out = 0;

	for (unsigned i = 0; i < count; i++) {
		struct port_steer *e = &set[i], *last = out > 0 ? &set[out - 1] : NULL;

		if (last != NULL && last->kind == e->kind && last->proto == e->proto &&
		    memcmp(&last->addr, &e->addr, sizeof(e->addr)) == 0 &&
		    is_wild(last) == is_wild(e) && e->port_min <= last->port_max) {
			if (e->port_max > last->port_max)
				last->port_max = e->port_max;
			continue;
		}
		set[out++] = *e;
	}
	return out;
}

enum shape { ONE_PORT, PORT_RANGE, ANY_PORT, ADDRESS };

// One set of the merged list: hosts of a kind and family whose ports are of that shape.
static void put_set(FILE *f, const char *name, const struct port_steer *set, unsigned count,
		    unsigned kind, int family, enum shape shape)
{
	static const char *const more[] = {" . inet_proto . inet_service",
					   " . inet_proto . inet_service; flags interval",
					   " . inet_proto", ""};
	bool any = false;

	fprintf(f, " set %s%d { type %s%s;\n", name, family,
		family == 4 ? "ipv4_addr" : "ipv6_addr", more[shape]);
	for (unsigned i = 0; i < count; i++) {
		const struct port_steer *s = &set[i];
		enum shape is = kind == PORT_STEER_LOCAL     ? ADDRESS
				: is_wild(s)                 ? ANY_PORT
				: s->port_min == s->port_max ? ONE_PORT
							     : PORT_RANGE;

		if (s->kind != kind || s->addr.family != family || !is_host(&s->addr) ||
		    is != shape)
			continue;
		fputs(any ? ", " : "  elements = { ", f);
		any = true;
		put_addr(f, &s->addr);
		if (shape != ADDRESS)
			fprintf(f, " . %u", s->proto);
		if (shape == ONE_PORT)
			fprintf(f, " . %u", s->port_min);
		else if (shape == PORT_RANGE)
			fprintf(f, " . %u-%u", s->port_min, s->port_max);
	}
	fputs(any ? " }\n }\n" : " }\n", f);
}

static void put_nodes(FILE *f, const struct addr_node *nodes, unsigned count, int family)
{
	bool any = false;

	fprintf(f, " set node%d { type %s;\n", family, family == 4 ? "ipv4_addr" : "ipv6_addr");
	for (unsigned i = 0; i < count; i++) {
		if (nodes[i].addr.family != family)
			continue;
		fputs(any ? ", " : "  elements = { ", f);
		any = true;
		put_addr(f, &nodes[i].addr);
	}
	fputs(any ? " }\n }\n" : " }\n", f);
}

// Prefixes lie in each other, which no set of concatenations takes: one set says whether an address is in
// any, a rule for each follows.
static void put_prefixes(FILE *f, const struct port_steer *set, unsigned count, int family)
{
	bool any = false;

	fprintf(f, " set net%d { type %s; flags interval; auto-merge;\n", family,
		family == 4 ? "ipv4_addr" : "ipv6_addr");
	for (unsigned i = 0; i < count; i++) {
		if (is_host(&set[i].addr) || set[i].addr.family != family)
			continue;
		fputs(any ? ", " : "  elements = { ", f);
		any = true;
		put_addr(f, &set[i].addr);
		fprintf(f, "/%u", set[i].addr.len);
	}
	fputs(any ? " }\n }\n" : " }\n", f);
	fprintf(f, " chain net%d {\n", family);
	for (unsigned i = 0; i < count; i++) {
		const struct port_steer *s = &set[i];

		if (is_host(&s->addr) || s->addr.family != family)
			continue;
		fprintf(f, "  %s daddr ", family == 4 ? "ip" : "ip6");
		put_addr(f, &s->addr);
		fprintf(f, "/%u meta l4proto %u th dport %u-%u counter drop\n", s->addr.len,
			s->proto, s->port_min, s->port_max);
	}
	fputs(" }\n", f);
}

static void put_sets(FILE *f, const struct port_steer *set, unsigned count,
		     const struct addr_node *nodes, unsigned node_count)
{
	for (int family = 4; family <= 6; family += 2) {
		put_set(f, "service", set, count, PORT_STEER_SERVICE, family, ONE_PORT);
		put_set(f, "range", set, count, PORT_STEER_SERVICE, family, PORT_RANGE);
		put_set(f, "wild", set, count, PORT_STEER_SERVICE, family, ANY_PORT);
		put_set(f, "local", set, count, PORT_STEER_LOCAL, family, ADDRESS);
		put_set(f, "nat", set, count, PORT_STEER_NAT, family, ONE_PORT);
		put_set(f, "natrange", set, count, PORT_STEER_NAT, family, PORT_RANGE);
		put_set(f, "natwild", set, count, PORT_STEER_NAT, family, ANY_PORT);
		put_nodes(f, nodes, node_count, family);
		put_prefixes(f, set, count, family);
	}
}

// A wildcard leaves alone what a socket of the kernel is there for; `transparent` is asked, not `wildcard`,
// since that knows no connection whose handshake is under way. Later fragments show no port: without a first
// one, which is asked, they come to nothing and are answered by nobody. What comes from a NAT server is
// silenced where it is forwarded: answers to the node's own connections are not.
static const char chains[] =
	" chain wild { ip frag-off & 0x1fff != 0 return\n  frag frag-off != 0 return\n"
	"  socket transparent 0 return\n  socket transparent 1 return\n  counter drop\n }\n"
	" chain guard { type filter hook prerouting priority raw; policy accept;\n"
	"  ip daddr . meta l4proto . th dport @service4 counter drop\n"
	"  ip6 daddr . meta l4proto . th dport @service6 counter drop\n"
	"  ip daddr . meta l4proto . th dport @range4 counter drop\n"
	"  ip6 daddr . meta l4proto . th dport @range6 counter drop\n"
	"  ip daddr @local4 meta l4proto { tcp, udp } counter drop\n"
	"  ip6 daddr @local6 meta l4proto { tcp, udp } counter drop\n"
	"  ip daddr . meta l4proto @wild4 jump wild\n"
	"  ip6 daddr . meta l4proto @wild6 jump wild\n"
	"  ip daddr @net4 ip daddr != @node4 jump net4\n"
	"  ip6 daddr @net6 ip6 daddr != @node6 jump net6\n"
	" }\n"
	" chain forwarded { type filter hook forward priority raw; policy accept;\n"
	"  ip saddr . meta l4proto . th sport @nat4 counter drop\n"
	"  ip6 saddr . meta l4proto . th sport @nat6 counter drop\n"
	"  ip saddr . meta l4proto . th sport @natrange4 counter drop\n"
	"  ip6 saddr . meta l4proto . th sport @natrange6 counter drop\n"
	"  ip saddr . meta l4proto @natwild4 counter drop\n"
	"  ip6 saddr . meta l4proto @natwild6 counter drop\n"
	" }\n}\n";

int guard_set(const char *instance, const struct port_steer *set, unsigned count,
	      const struct addr_node *nodes, unsigned node_count, char *err, size_t err_size)
{
	struct port_steer *sorted = calloc(count + 1, sizeof(*sorted));
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
	int rc = -ENOMEM;

	if (sorted == NULL || f == NULL)
		goto out;
	for (unsigned i = 0; i < count; i++) {
		sorted[i] = set[i];
		sorted[i].context = 0;
	}
	qsort(sorted, count, sizeof(*sorted), port_steer_compare);
	count = merge(sorted, count);
	// One transaction: the old table goes and the new one comes in one step.
	fprintf(f,
		"add table inet sluice-%s\ndelete table inet sluice-%s\ntable inet sluice-%s {\n",
		instance, instance, instance);
	put_sets(f, sorted, count, nodes, node_count);
	fputs(chains, f);
	rc = fclose(f) == 0 ? 0 : -ENOMEM;
	f = NULL;
	if (rc == 0)
		rc = run(text, err, err_size);
out:
	if (f != NULL)
		fclose(f);
	free(text);
	free(sorted);
	return rc;
}

int guard_remove(const char *instance)
{
	char commands[2 * CTL_NAME + 64];

	snprintf(commands, sizeof(commands),
		 "add table inet sluice-%s\ndelete table inet sluice-%s\n", instance, instance);
	return run(commands, NULL, 0);
}
