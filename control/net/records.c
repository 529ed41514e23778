// SPDX-License-Identifier: BSD-3-Clause
//
// records - reading YANG nodes, and an interface with its VLANs and prefixes as records.
//
// Trees hold no default nodes: a value that is not there comes from the schema. What a kind of port
// needs, and what has no meaning for it, is refused here, since YANG cannot say it by kind in words an
// operator understands:
//
//	             device  mac  peer-mac  prefix   vlan  memif     pcap
//	af-xdp       yes     no   no        no       yes   no        no
//	tap          yes     yes  no        no       yes   no        no
//	pci          no      yes  no        no       yes   no        no    pci-address, tap
//	bond         no      yes  no        no       yes   no        no    member, mode, tap
//	memif        no      yes  must      must     no    socket    no
//	null, ring   no      yes  must      must     no    no        no
//	pcap         no      yes  must      must     no    no        a file at least
//
// An interface that is not enabled keeps its claims (owner, device) but its records are not sent: the
// application closes the port.

#include "control/net/net_priv.h"

#include <libyang/libyang.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const schema_path[NS_COUNT] = {
#define NET_SCHEMA_PATH(sym, path) [NS_##sym] = path,
	NET_SCHEMA_LIST(NET_SCHEMA_PATH)
#undef NET_SCHEMA_PATH
};
static const struct lysc_node *schema[NS_COUNT];
static const struct ly_ctx *schema_ctx;

int net_schema_init(const struct ly_ctx *ctx)
{
	for (unsigned i = 0; i < NS_COUNT; i++) {
		schema[i] = lys_find_path(ctx, NULL, schema_path[i], 0);
		if (!schema[i]) {
			net_log("the models have no %s", schema_path[i]);
			return -ENOENT;
		}
	}
	schema_ctx = ctx;
	return 0;
}

const struct lysc_node *net_schema(enum net_schema s)
{
	return schema[s];
}

// ---- leaves ----------------------------------------------------------------------------------

static const struct lyd_node *node_of(const struct lyd_node *entry, const struct lysc_node *s)
{
	const struct lyd_node *n;

	if (s->parent != entry->schema) {
		entry = s->parent ? node_of(entry, s->parent) : NULL;
		if (!entry)
			return NULL;
	}
	LY_LIST_FOR (lyd_child(entry), n) {
		if (n->schema == s)
			return n;
	}
	return NULL;
}

const struct lyd_node *net_node(const struct lyd_node *entry, enum net_schema s)
{
	return node_of(entry, schema[s]);
}

const char *net_text(const struct lyd_node *entry, enum net_schema s)
{
	const struct lyd_node *n = entry ? net_node(entry, s) : NULL;
	const struct lyd_value *dflt;

	if (n)
		return lyd_get_value(n);
	if (schema[s]->nodetype != LYS_LEAF)
		return NULL;
	dflt = ((const struct lysc_node_leaf *)schema[s])->dflt;
	return dflt ? lyd_value_get_canonical(schema_ctx, dflt) : NULL;
}

uint64_t net_number(const struct lyd_node *entry, enum net_schema s, uint64_t dflt)
{
	const char *t = net_text(entry, s);

	return t ? strtoull(t, NULL, 10) : dflt;
}

bool net_true(const struct lyd_node *entry, enum net_schema s)
{
	const char *t = net_text(entry, s);

	return t && strcmp(t, "true") == 0;
}

// ---- addresses -------------------------------------------------------------------------------

static void addr_mask(struct ctl_addr *a)
{
	unsigned total = a->family == 4 ? 4 : 16;

	for (unsigned i = 0; i < total; i++) {
		int keep = (int)a->len - (int)(8 * i);

		if (keep <= 0)
			a->bytes[i] = 0;
		else if (keep < 8)
			a->bytes[i] &= (uint8_t)(0xff << (8 - keep));
	}
}

bool net_addr_parse(const char *text, struct ctl_addr *out)
{
	char buf[64];
	unsigned long len;
	char *slash, *end;
	unsigned max;

	if (!text || snprintf(buf, sizeof(buf), "%s", text) >= (int)sizeof(buf))
		return false;
	slash = strchr(buf, '/');
	if (slash)
		*slash++ = '\0';
	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, buf, out->bytes) == 1)
		out->family = 4;
	else if (inet_pton(AF_INET6, buf, out->bytes) == 1)
		out->family = 6;
	else
		return false;
	max = out->family == 4 ? 32 : 128;
	out->len = (uint8_t)max;
	if (!slash)
		return true;
	len = strtoul(slash, &end, 10);
	if (*slash < '0' || *slash > '9' || *end || len > max)
		return false;
	out->len = (uint8_t)len;
	addr_mask(out);
	return true;
}

bool net_addr_text(const struct ctl_addr *a, char *buf, size_t size, bool with_len)
{
	char text[INET6_ADDRSTRLEN];

	if (!inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->bytes, text, sizeof(text)))
		return false;
	if (with_len)
		return snprintf(buf, size, "%s/%u", text, a->len) < (int)size;
	return snprintf(buf, size, "%s", text) < (int)size;
}

static bool mac_parse(const char *text, uint8_t mac[6])
{
	unsigned b[6];

	if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5]) != 6)
		return false;
	for (int i = 0; i < 6; i++)
		mac[i] = (uint8_t)b[i];
	return true;
}

// ---- interfaces ------------------------------------------------------------------------------

static int port_kind(const struct lyd_node *interface)
{
	static const struct {
		const char *name;
		int kind;
	} kinds[] = {
		{"af-xdp", CTL_PORT_AF_XDP}, {"tap", CTL_PORT_TAP},   {"memif", CTL_PORT_MEMIF},
		{"null", CTL_PORT_NULL},     {"ring", CTL_PORT_RING}, {"pcap", CTL_PORT_PCAP},
		{"pci", CTL_PORT_PCI},       {"bond", CTL_PORT_BOND},
	};
	const struct lyd_node *type = net_node(interface, NS_IF_TYPE);
	const struct lysc_ident *id;

	if (!type)
		return 0;
	id = ((const struct lyd_node_term *)type)->value.ident;
	if (id->module != schema[NS_PORT]->module)
		return 0;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(id->name, kinds[i].name) == 0)
			return kinds[i].kind;
	}
	return 0;
}

static const char *kind_name(int kind)
{
	static const char *const names[] = {"?",    "af-xdp", "tap", "memif", "null",
					    "ring", "pcap",   "pci", "bond"};

	return names[kind];
}

// A station on a network, with a view of the kernel's; else point-to-point.
static bool kind_has_view(int kind)
{
	return kind == CTL_PORT_AF_XDP || kind == CTL_PORT_TAP || kind == CTL_PORT_PCI ||
	       kind == CTL_PORT_BOND;
}

static bool kind_has_device(int kind)
{
	return kind == CTL_PORT_AF_XDP || kind == CTL_PORT_TAP;
}

// The wire is no kernel interface of ours: the kernel's view is a TAP beside it.
static bool kind_has_shadow(int kind)
{
	return kind == CTL_PORT_PCI || kind == CTL_PORT_BOND;
}

static bool is_set(const struct lyd_node *interface, enum net_schema s)
{
	const struct lyd_node *n = net_node(interface, s);

	return n && !(n->flags & LYD_DEFAULT);
}

// What has no meaning for a port of this kind must not be given: it would be ignored in silence.
static void refuse_foreign(struct net_out *o, const struct lyd_node *interface, int kind)
{
	static const enum net_schema view_only[] = {NS_PORT_VLAN};
	static const enum net_schema device_only[] = {NS_PORT_DEVICE};
	static const enum net_schema shadow_only[] = {NS_PORT_TAP};
	static const enum net_schema pci_only[] = {NS_PORT_PCI};
	static const enum net_schema bond_only[] = {NS_BOND_MODE, NS_BOND_MEMBER};
	static const enum net_schema p2p_only[] = {NS_PORT_PEER_MAC, NS_PORT_PREFIX};
	static const enum net_schema memif_only[] = {NS_MEMIF_ROLE, NS_MEMIF_ID, NS_MEMIF_SOCKET};
	static const enum net_schema pcap_only[] = {NS_PCAP_RX, NS_PCAP_TX, NS_PCAP_INFINITE};
	const struct {
		const enum net_schema *s;
		size_t count;
		bool fits;
	} groups[] = {
		{view_only, 1, kind_has_view(kind)},     {device_only, 1, kind_has_device(kind)},
		{shadow_only, 1, kind_has_shadow(kind)}, {pci_only, 1, kind == CTL_PORT_PCI},
		{bond_only, 2, kind == CTL_PORT_BOND},   {p2p_only, 2, !kind_has_view(kind)},
		{memif_only, 3, kind == CTL_PORT_MEMIF}, {pcap_only, 3, kind == CTL_PORT_PCAP},
	};

	for (size_t g = 0; g < sizeof(groups) / sizeof(groups[0]); g++) {
		for (size_t i = 0; i < groups[g].count && !groups[g].fits; i++) {
			if (is_set(interface, groups[g].s[i]))
				net_refuse(o, interface, groups[g].s[i], "invalid-value", NULL,
					   "%s has no meaning for a port of type %s",
					   schema[groups[g].s[i]]->name, kind_name(kind));
		}
	}
	if (kind == CTL_PORT_AF_XDP && is_set(interface, NS_PORT_MAC))
		net_refuse(
			o, interface, NS_PORT_MAC, "invalid-value", NULL,
			"a port of type af-xdp has the MAC address of its kernel interface; set it "
			"there");
}

static void need(struct net_out *o, const struct lyd_node *interface, enum net_schema s, int kind,
		 const char *why)
{
	if (!net_node(interface, s))
		net_refuse(o, interface, s, "data-missing", NULL, "a port of type %s needs %s: %s",
			   kind_name(kind), schema[s]->name, why);
}

static void need_all(struct net_out *o, const struct lyd_node *interface, int kind)
{
	if (kind == CTL_PORT_PCI)
		need(o, interface, NS_PORT_PCI, kind, "the device that is taken over");
	if (kind == CTL_PORT_BOND)
		need(o, interface, NS_BOND_MEMBER, kind, "what carries the packets");
	if (kind_has_view(kind))
		return;
	need(o, interface, NS_PORT_PEER_MAC, kind, "where every packet is sent");
	need(o, interface, NS_PORT_PREFIX, kind, "what is reached over this port");
	if (kind == CTL_PORT_MEMIF)
		need(o, interface, NS_MEMIF_SOCKET, kind, "the socket both ends use");
	if (kind == CTL_PORT_PCAP && !net_node(interface, NS_PCAP_RX) &&
	    !net_node(interface, NS_PCAP_TX))
		net_refuse(o, interface, NS_PCAP_RX, "data-missing", NULL,
			   "a port of type pcap needs rx-file, tx-file or both");
}

static void put_mac(struct net_out *o, const struct lyd_node *interface, enum net_schema s,
		    uint8_t mac[6])
{
	static const uint8_t none[6];
	const char *text = net_text(interface, s);

	if (!text)
		return;
	if (!mac_parse(text, mac) || (mac[0] & 1) || memcmp(mac, none, 6) == 0)
		net_refuse(o, interface, s, "invalid-value", NULL,
			   "%s is not the MAC address of one station", text);
}

static void put_text(char *to, size_t size, const char *text)
{
	if (text)
		snprintf(to, size, "%s", text);
}

// The pattern of the leaf `device`.
static bool is_device_name(const char *name)
{
	static const char chars[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";

	return name[0] && strlen(name) <= 15 && !strchr("._-", name[0]) &&
	       name[strspn(name, chars)] == '\0';
}

// Returns false where the entry cannot be a record at all.
static bool map_names(struct net_out *o, const struct lyd_node *interface, struct ctl_port *p)
{
	const char *name = net_text(interface, NS_IF_NAME);
	enum net_schema leaf = kind_has_shadow(p->kind) ? NS_PORT_TAP : NS_PORT_DEVICE;
	const char *device = net_text(interface, leaf);

	if (strlen(name) >= sizeof(p->name)) {
		net_refuse(o, interface, NS_IF_NAME, "invalid-value", NULL,
			   "the name of a port has at most %zu bytes", sizeof(p->name) - 1);
		return false;
	}
	for (const char *c = name; *c; c++) {
		if ((unsigned char)*c < 0x20 || *c == 0x7f) {
			net_refuse(o, interface, NS_IF_NAME, "invalid-value", NULL,
				   "the name of a port has no control characters");
			return false;
		}
	}
	put_text(p->name, sizeof(p->name), name);
	if (!kind_has_view(p->kind))
		return true;
	if (!device && !is_device_name(name)) {
		net_refuse(o, interface, leaf, "data-missing", NULL,
			   "%s cannot be the name of a kernel interface: say which it is in %s",
			   name, schema[leaf]->name);
		return false;
	}
	put_text(p->device, sizeof(p->device), device ? device : name);
	return true;
}

static void map_vlans(struct net_out *o, const struct lyd_node *interface, const char *owner,
		      bool sent, uint64_t port)
{
	const struct lyd_node *container = net_node(interface, NS_PORT), *n;
	const char *name = net_text(interface, NS_IF_NAME);

	LY_LIST_FOR (lyd_child(container), n) {
		struct ctl_vlan v = {.rec = {.type = CTL_REC_VLAN, .size = sizeof(v)}};

		if (n->schema != schema[NS_PORT_VLAN])
			continue;
		v.rec.id = net_id(CTL_REC_VLAN, name, net_text(n, NS_VLAN_VID), NULL);
		v.port = port;
		v.vid = (uint16_t)net_number(n, NS_VLAN_VID, 0);
		put_text(v.tap, sizeof(v.tap), net_text(n, NS_VLAN_TAP));
		if (!v.tap[0]) {
			net_refuse(o, n, NS_VLAN_TAP, "data-missing", NULL,
				   "VLAN %u needs the name of its TAP", v.vid);
			continue;
		}
		net_out_put(o, owner, sent, &v.rec);
	}
}

static void map_prefixes(struct net_out *o, const struct lyd_node *interface, const char *owner,
			 bool sent, uint64_t port)
{
	const struct lyd_node *container = net_node(interface, NS_PORT), *n;
	const char *name = net_text(interface, NS_IF_NAME);

	LY_LIST_FOR (lyd_child(container), n) {
		struct ctl_prefix p = {.rec = {.type = CTL_REC_PREFIX, .size = sizeof(p)}};

		if (n->schema != schema[NS_PORT_PREFIX])
			continue;
		p.rec.id = net_id(CTL_REC_PREFIX, name, lyd_get_value(n), NULL);
		p.port = port;
		if (!net_addr_parse(lyd_get_value(n), &p.prefix)) {
			net_refuse(o, interface, NS_PORT_PREFIX, "invalid-value", NULL,
				   "%s is not a prefix", lyd_get_value(n));
			continue;
		}
		net_out_put(o, owner, sent, &p.rec);
	}
}

// A PCI device, or the members of a bond.
static void map_members(struct net_out *o, const struct lyd_node *interface, struct ctl_port *p)
{
	static const char *const modes[] = {"active-backup", "balance-xor", "lacp"};
	const char *mode = net_text(interface, NS_BOND_MODE);
	const struct lyd_node *bond, *n;
	unsigned count = 0;

	if (p->kind == CTL_PORT_PCI)
		put_text(p->member[0], sizeof(p->member[0]), net_text(interface, NS_PORT_PCI));
	if (p->kind != CTL_PORT_BOND)
		return;
	for (unsigned i = 0; i < 3; i++)
		if (strcmp(mode, modes[i]) == 0)
			p->bond_mode = (uint8_t)(CTL_BOND_ACTIVE_BACKUP + i);
	n = net_node(interface, NS_BOND_MEMBER);
	bond = n ? lyd_parent(n) : NULL;
	LY_LIST_FOR (lyd_child(bond), n) {
		if (n->schema != schema[NS_BOND_MEMBER])
			continue;
		if (count == CTL_BOND_MEMBERS) {
			net_refuse(o, interface, NS_BOND_MEMBER, "operation-failed",
				   "too-many-elements", "a bond has at most %u members",
				   CTL_BOND_MEMBERS);
			return;
		}
		put_text(p->member[count++], sizeof(p->member[0]), lyd_get_value(n));
	}
}

void net_map_interface(struct net_out *o, const struct lyd_node *interface)
{
	const char *owner = net_text(interface, NS_PORT_OWNER);
	bool sent = net_true(interface, NS_IF_ENABLED);
	int kind = port_kind(interface);
	struct ctl_port p = {
		.rec = {.type = CTL_REC_PORT, .size = sizeof(p)},
		.kind = (uint8_t)kind,
	};
	const char *role = net_text(interface, NS_MEMIF_ROLE);

	if (!kind)
		return; // an interface of the kernel alone
	if (!owner) {
		net_refuse(o, interface, NS_PORT_OWNER, "data-missing", NULL,
			   "a port of type %s needs the application that owns it", kind_name(kind));
		return;
	}
	if (!map_names(o, interface, &p))
		return;
	p.rec.id = net_id(CTL_REC_PORT, p.name, NULL, NULL);
	refuse_foreign(o, interface, kind);
	need_all(o, interface, kind);
	p.context = (uint16_t)net_number(interface, NS_PORT_CONTEXT, 0);
	p.queues = (uint16_t)net_number(interface, NS_PORT_QUEUES, 0);
	p.mtu = (uint16_t)net_number(interface, NS_PORT_MTU, 0);
	if (kind != CTL_PORT_AF_XDP)
		put_mac(o, interface, NS_PORT_MAC, p.mac);
	if (!kind_has_view(kind))
		put_mac(o, interface, NS_PORT_PEER_MAC, p.peer_mac);
	map_members(o, interface, &p);
	if (kind == CTL_PORT_MEMIF) {
		if (role && strcmp(role, "server") == 0)
			p.flags |= CTL_PORT_F_MEMIF_SERVER;
		p.memif_id = (uint16_t)net_number(interface, NS_MEMIF_ID, 0);
		put_text(p.path, sizeof(p.path), net_text(interface, NS_MEMIF_SOCKET));
	}
	if (kind == CTL_PORT_PCAP) {
		if (net_true(interface, NS_PCAP_INFINITE))
			p.flags |= CTL_PORT_F_PCAP_INFINITE;
		put_text(p.path, sizeof(p.path), net_text(interface, NS_PCAP_RX));
		put_text(p.path2, sizeof(p.path2), net_text(interface, NS_PCAP_TX));
	}
	net_out_put(o, owner, sent, &p.rec);
	if (kind_has_view(kind))
		map_vlans(o, interface, owner, sent, p.rec.id);
	else
		map_prefixes(o, interface, owner, sent, p.rec.id);
}
