// SPDX-License-Identifier: BSD-3-Clause
//
// The guard: an nft table of this instance that drops packets to our services and local addresses before
// the kernel's connection tracking and sockets see them. While a steering program is attached it sees
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

static int compare(const void *a, const void *b)
{
	const struct port_steer *x = a, *y = b;
	int c;

	if (x->kind != y->kind)
		return x->kind - y->kind;
	if (x->addr.family != y->addr.family)
		return x->addr.family - y->addr.family;
	c = memcmp(x->addr.bytes, y->addr.bytes, sizeof(x->addr.bytes));
	if (c != 0 || x->kind == PORT_STEER_LOCAL)
		return c;
	if (x->proto != y->proto)
		return x->proto - y->proto;
	return x->port_min - y->port_min;
}

// One set of the sorted list: services or local addresses of one family, each once.
static void put_set(FILE *f, const struct port_steer *set, unsigned count, int local, int family)
{
	const struct port_steer *prev = NULL;

	fprintf(f, " set %s%d { type %s%s;\n", local ? "local" : "service", family,
		family == 4 ? "ipv4_addr" : "ipv6_addr",
		local ? "" : " . inet_proto . inet_service");
	for (unsigned i = 0; i < count; i++) {
		const struct port_steer *s = &set[i];

		if ((s->kind == PORT_STEER_LOCAL) != (local != 0) || s->addr.family != family ||
		    (prev != NULL && compare(prev, s) == 0))
			continue;
		fputs(prev == NULL ? "  elements = { " : ", ", f);
		put_addr(f, &s->addr);
		if (!local)
			fprintf(f, " . %u . %u", s->proto, s->port_min);
		prev = s;
	}
	fputs(prev == NULL ? " }\n" : " }\n }\n", f);
}

int guard_set(const char *instance, const struct port_steer *set, unsigned count, char *err,
	      size_t err_size)
{
	struct port_steer *sorted = calloc(count + 1, sizeof(*sorted));
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
	int rc = -ENOMEM;

	if (sorted == NULL || f == NULL)
		goto out;
	if (count != 0)
		memcpy(sorted, set, count * sizeof(*set));
	qsort(sorted, count, sizeof(*sorted), compare);
	// One transaction: the old table goes and the new one comes in one step.
	fprintf(f,
		"add table inet sluice-%s\ndelete table inet sluice-%s\ntable inet sluice-%s {\n",
		instance, instance, instance);
	put_set(f, sorted, count, 0, 4);
	put_set(f, sorted, count, 0, 6);
	put_set(f, sorted, count, 1, 4);
	put_set(f, sorted, count, 1, 6);
	fputs(" chain guard { type filter hook prerouting priority raw; policy accept;\n"
	      "  ip daddr . meta l4proto . th dport @service4 counter drop\n"
	      "  ip6 daddr . meta l4proto . th dport @service6 counter drop\n"
	      "  ip daddr @local4 meta l4proto { tcp, udp } counter drop\n"
	      "  ip6 daddr @local6 meta l4proto { tcp, udp } counter drop\n"
	      " }\n}\n",
	      f);
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
