// SPDX-License-Identifier: BSD-3-Clause
//
// Receive-side scaling of the devices. All ports are to agree: a flow's owner follows from one key and one
// table (dataplane/flow/rss.h), whatever port its packets use. So the first device that has RSS gets our
// key and an even table, and what it then says it has counts; later ones are set to the same. A device
// that will not is only slower: its packets are handed over.

#include "dataplane/port/port_priv.h"

#include <rte_ethdev.h>

#include <string.h>

// The key of Microsoft's verification suite, which drivers have by default.
const uint8_t port_rss_key[PORT_RSS_KEY] = {
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
	0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
	0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};

#define KEY_MAX  64   // bytes a device may want
#define RETA_MAX 2048 // entries

static struct port_rss shared; // slots 0: no device has told yet; control

bool port_rss_get(struct port_rss *out)
{
	*out = shared;
	return shared.slots != 0;
}

static bool has_rss(uint16_t id, unsigned queues, struct rte_eth_dev_info *info)
{
	return queues > 1 && rte_eth_dev_info_get(id, info) == 0 && info->reta_size != 0 &&
	       info->reta_size <= RETA_MAX && info->hash_key_size >= PORT_RSS_KEY &&
	       info->hash_key_size <= KEY_MAX && info->flow_type_rss_offloads != 0;
}

void rss_ask(uint16_t rte_id, unsigned queues, struct rte_eth_conf *conf)
{
	static uint8_t key[KEY_MAX]; // the driver copies it
	struct rte_eth_dev_info info;

	if (!has_rss(rte_id, queues, &info))
		return;
	memcpy(key, shared.slots != 0 ? shared.key : port_rss_key, PORT_RSS_KEY);
	conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	conf->rx_adv_conf.rss_conf = (struct rte_eth_rss_conf){
		.rss_key = key,
		.rss_key_len = info.hash_key_size,
		.rss_hf = (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP) &
			  info.flow_type_rss_offloads,
	};
}

static void fill_table(uint16_t id, unsigned queues, unsigned size)
{
	struct rte_eth_rss_reta_entry64 reta[RETA_MAX / RTE_ETH_RETA_GROUP_SIZE] = {0};

	for (unsigned i = 0; i < size; i++) {
		unsigned queue = shared.slots != 0 ? shared.queue[i % shared.slots] : i;

		reta[i / RTE_ETH_RETA_GROUP_SIZE].mask |= UINT64_C(1)
							  << (i % RTE_ETH_RETA_GROUP_SIZE);
		reta[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE] =
			(uint16_t)(queue % queues);
	}
	// Not every device lets one: what it has is read next.
	rte_eth_dev_rss_reta_update(id, reta, (uint16_t)size);
}

// Read key and table. Returns: false if the device does not tell, or in a form that is of no use.
static bool read_back(uint16_t id, unsigned size, struct port_rss *out)
{
	struct rte_eth_rss_reta_entry64 reta[RETA_MAX / RTE_ETH_RETA_GROUP_SIZE];
	uint8_t key[KEY_MAX] = {0};
	struct rte_eth_rss_conf conf = {.rss_key = key, .rss_key_len = sizeof(key)};

	memset(reta, 0, sizeof(reta));
	for (unsigned g = 0; g < (size + RTE_ETH_RETA_GROUP_SIZE - 1) / RTE_ETH_RETA_GROUP_SIZE;
	     g++)
		reta[g].mask = UINT64_MAX;
	if (rte_eth_dev_rss_hash_conf_get(id, &conf) != 0 ||
	    rte_eth_dev_rss_reta_query(id, reta, (uint16_t)size) != 0)
		return false;
	if ((conf.rss_hf & (RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV6_TCP)) == 0 ||
	    (size & (size - 1)) != 0)
		return false;
	memcpy(out->key, key, sizeof(out->key));
	out->slots = RTE_MIN(size, (unsigned)PORT_RSS_SLOTS);
	for (unsigned i = 0; i < size; i++) {
		uint16_t queue =
			reta[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE];

		if (i >= out->slots && out->queue[i % out->slots] != queue)
			return false; // longer than ours and not periodic
		out->queue[i % out->slots] = (uint8_t)queue;
	}
	return true;
}

void rss_settle(const struct port_slot *s, uint16_t rte_id, unsigned queues)
{
	struct rte_eth_dev_info info;
	struct port_rss now = {0};

	if (!has_rss(rte_id, queues, &info))
		return;
	fill_table(rte_id, queues, info.reta_size);
	if (!read_back(rte_id, info.reta_size, &now)) {
		PORT_LOG(NOTICE, "%s: the device does not tell how it spreads packets\n",
			 s->p.name);
		return;
	}
	if (shared.slots == 0)
		shared = now;
	else if (memcmp(&shared, &now, sizeof(now)) != 0)
		PORT_LOG(WARNING,
			 "%s: the device spreads packets otherwise than those before it: many will "
			 "be handed from worker to worker\n",
			 s->p.name);
}
