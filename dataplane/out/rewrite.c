// SPDX-License-Identifier: BSD-3-Clause
//
// rewrite - the differences that rewrite.h applies to each packet, worked out once per flow.

#include "dataplane/out/rewrite.h"

static uint64_t sum_words(const void *bytes, unsigned words)
{
	const uint8_t *p = bytes;
	uint64_t sum = 0;

	for (unsigned i = 0; i < words; i++) {
		uint16_t w;

		memcpy(&w, p + 2 * i, 2);
		sum += w;
	}
	return sum;
}

void rewrite_prepare(struct flow *f, const struct flow_key6 *key6)
{
	uint64_t client, server;

	if (key6 == NULL) {
		client = sum_words(&f->client, 2) + sum_words(&f->service_addr, 2);
		server = sum_words(&f->local, 2) + sum_words(&f->server_addr, 2);
	} else {
		client = sum_words(key6->client, 8) + sum_words(key6->service_addr, 8);
		server = sum_words(key6->local, 8) + sum_words(key6->server_addr, 8);
	}
	client += (uint64_t)f->client_port + f->service_port;
	server += (uint64_t)f->local_port + f->server_port;
	f->l4_delta = rewrite_difference(rewrite_fold(server), rewrite_fold(client));
}
