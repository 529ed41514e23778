// SPDX-License-Identifier: BSD-3-Clause
//
// YANG entries to records: every leaf, defaults, ids, what a change costs.

#include "control/net/net_priv.h"
#include "tests/unit/control/net/fixture.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// Everything of a tree, in the store.
static void load(const char *json)
{
	struct lyd_node *tree = fixture_tree(json);
	struct txn_result r = {0};
	struct net_delta d;

	assert_int_equal(net_schema_init(fixture_ctx()), 0);
	net_delta_build(&d, NULL, tree, tree, &r);
	assert_int_equal(r.result, 0);
	net_delta_apply(&d);
	assert_int_equal(net_index_check(&d, tree, &r), 0);
	net_delta_keep(&d);
	lyd_free_all(tree);
}

static int clear(void **state)
{
	(void)state;
	net_id_mask = UINT64_MAX;
	net_store_clear();
	return 0;
}

static const void *record(const char *inst, uint16_t type, const char *a, const char *b,
			  const char *c)
{
	const struct net_entry *e =
		net_store_find(net_store_inst(inst), type, net_id(type, a, b, c));

	assert_non_null(e);
	return e->rec;
}

static void takes_defaults_from_the_schema(void **state)
{
	const struct ctl_settings *s;
	const struct ctl_local_pool *l;
	const struct ctl_service *v;
	const struct ctl_server *m;
	const struct ctl_port *p;
	const struct ctl_pool *o;

	(void)state;
	load(fixture_base);
	s = (const void *)net_store_find(net_store_inst("lb"), CTL_REC_SETTINGS, 1)->rec;
	assert_int_equal(s->flow_max, 1048576);
	assert_int_equal(s->flow_max6, 1048576);
	assert_int_equal(s->tcp_syn_ms, 30000);
	assert_int_equal(s->tcp_established_ms, 900000);
	assert_int_equal(s->tcp_closing_ms, 10000);
	assert_int_equal(s->udp_ms, 60000);
	assert_int_equal(s->restart_quiet_ms, 30000);
	p = record("lb", CTL_REC_PORT, "eth0", NULL, NULL);
	assert_int_equal(p->kind, CTL_PORT_AF_XDP);
	assert_string_equal(p->name, "eth0");
	assert_string_equal(p->device, "eth0");
	assert_int_equal(p->context, 0);
	assert_int_equal(p->queues, 0);
	assert_int_equal(p->mtu, 0);
	l = record("lb", CTL_REC_LOCAL_POOL, "lb", "l", NULL);
	assert_int_equal(l->port_min, 1024);
	assert_int_equal(l->port_max, 65535);
	o = record("lb", CTL_REC_POOL, "lb", "p", NULL);
	assert_string_equal(o->name, "p");
	assert_int_equal(o->scheduler, CTL_SCHED_WRR);
	assert_int_equal(o->on_down, CTL_ON_DOWN_RESET);
	assert_int_equal(o->check.kind, CTL_CHECK_NONE);
	assert_int_equal(o->check.interval_ms, 2000);
	assert_int_equal(o->check.timeout_ms, 1000);
	assert_int_equal(o->check.rise, 2);
	assert_int_equal(o->check.fall, 3);
	assert_int_equal(o->check.status_min, 0);
	assert_string_equal(o->check.path, "");
	m = record("lb", CTL_REC_SERVER, "lb", "p", "s1");
	assert_int_equal(m->weight, 1);
	assert_int_equal(m->admin, CTL_ADMIN_ENABLED);
	assert_int_equal(m->port, htons(80));
	assert_int_equal(m->pool, o->rec.id);
	assert_int_equal(m->addr.family, 4);
	assert_int_equal(m->addr.len, 32);
	assert_memory_equal(m->addr.bytes, "\x0a\x00\x00\x0b\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	m = record("lb", CTL_REC_SERVER, "lb", "p", "s2");
	assert_int_equal(m->weight, 3);
	v = record("lb", CTL_REC_SERVICE, "lb", "web", NULL);
	assert_int_equal(v->enabled, 1);
	assert_int_equal(v->context, 0);
	assert_int_equal(v->proto, IPPROTO_TCP);
	assert_int_equal(v->port, htons(80));
	assert_int_equal(v->pool, o->rec.id);
	assert_int_equal(v->local_pool, l->rec.id);
}

static void takes_every_leaf_of_a_load_balancer(void **state)
{
	const struct ctl_local_address *a;
	const struct ctl_settings *s;
	const struct ctl_local_pool *l;
	const struct ctl_service *v;
	const struct ctl_server *m;
	const struct ctl_pool *o;

	(void)state;
	load("{'sluice-lb:load-balancers':{'load-balancer':[{'name':'lb2',"
	     "'flow-table':{'size':4096,'ipv6-size':1000},'timeouts':{'tcp-syn':1001,'tcp-established':1002,"
	     "'tcp-closing':1003,'udp':1004,'restart-quiet':5},"
	     "'local-address-pools':{'local-address-pool':[{'name':'l','port-min':2000,"
	     "'port-max':2999,'address':['fd00::200','10.0.0.200']}]},"
	     "'pools':{'pool':[{'name':'p','scheduler':'weighted-round-robin',"
	     "'on-server-down':'keep','health-check':{'type':'http','port':8080,'interval':5000,"
	     "'timeout':400,'rise':4,'fall':5,'http':{'path':'/ok','host':'h.example',"
	     "'status-min':201,'status-max':202,'body-match':'fine'}},'servers':{'server':["
	     "{'name':'a','address':'fd00::1','port':1,'weight':256,'admin-state':'drain'},"
	     "{'name':'b','address':'fd00::2','port':65535,'weight':0,'admin-state':'disabled'}"
	     "]}}]},'services':{'service':[{'name':'dns','address':'2001:db8::1','port':53,"
	     "'protocol':'udp','context':7,'enabled':false,'forwarding':'fullnat','pool':'p',"
	     "'local-address-pool':'l'}]}}]}}");
	s = (const void *)net_store_find(net_store_inst("lb2"), CTL_REC_SETTINGS, 1)->rec;
	assert_int_equal(s->flow_max, 4096);
	assert_int_equal(s->flow_max6, 1000);
	assert_int_equal(s->tcp_syn_ms, 1001);
	assert_int_equal(s->tcp_established_ms, 1002);
	assert_int_equal(s->tcp_closing_ms, 1003);
	assert_int_equal(s->udp_ms, 1004);
	assert_int_equal(s->restart_quiet_ms, 5);
	l = record("lb2", CTL_REC_LOCAL_POOL, "lb2", "l", NULL);
	assert_int_equal(l->port_min, 2000);
	assert_int_equal(l->port_max, 2999);
	a = record("lb2", CTL_REC_LOCAL_ADDRESS, "lb2", "l", "fd00::200");
	assert_int_equal(a->local_pool, l->rec.id);
	assert_int_equal(a->addr.family, 6);
	assert_int_equal(a->addr.len, 128);
	record("lb2", CTL_REC_LOCAL_ADDRESS, "lb2", "l", "10.0.0.200");
	o = record("lb2", CTL_REC_POOL, "lb2", "p", NULL);
	assert_int_equal(o->on_down, CTL_ON_DOWN_KEEP);
	assert_int_equal(o->check.kind, CTL_CHECK_HTTP);
	assert_int_equal(o->check.port, 8080);
	assert_int_equal(o->check.interval_ms, 5000);
	assert_int_equal(o->check.timeout_ms, 400);
	assert_int_equal(o->check.rise, 4);
	assert_int_equal(o->check.fall, 5);
	assert_int_equal(o->check.status_min, 201);
	assert_int_equal(o->check.status_max, 202);
	assert_string_equal(o->check.path, "/ok");
	assert_string_equal(o->check.host, "h.example");
	assert_string_equal(o->check.body, "fine");
	m = record("lb2", CTL_REC_SERVER, "lb2", "p", "a");
	assert_int_equal(m->addr.family, 6);
	assert_int_equal(m->weight, 256);
	assert_int_equal(m->admin, CTL_ADMIN_DRAIN);
	assert_int_equal(m->port, htons(1));
	m = record("lb2", CTL_REC_SERVER, "lb2", "p", "b");
	assert_int_equal(m->weight, 0);
	assert_int_equal(m->admin, CTL_ADMIN_DISABLED);
	assert_int_equal(m->port, htons(65535));
	v = record("lb2", CTL_REC_SERVICE, "lb2", "dns", NULL);
	assert_int_equal(v->proto, IPPROTO_UDP);
	assert_int_equal(v->context, 7);
	assert_int_equal(v->enabled, 0);
	assert_int_equal(v->port, htons(53));
}

static void fills_in_an_http_check_from_defaults(void **state)
{
	const struct ctl_pool *o;

	(void)state;
	load("{'sluice-lb:load-balancers':{'load-balancer':[{'name':'lb','pools':{'pool':["
	     "{'name':'p','health-check':{'type':'http'}}]}}]}}");
	o = record("lb", CTL_REC_POOL, "lb", "p", NULL);
	assert_int_equal(o->check.status_min, 200);
	assert_int_equal(o->check.status_max, 399);
	assert_string_equal(o->check.path, "/");
	assert_string_equal(o->check.host, "");
}

static void maps_each_kind_of_port(void **state)
{
	const struct ctl_prefix *x;
	const struct ctl_port *p;
	const struct ctl_vlan *v;

	(void)state;
	load("{'sluice-lb:load-balancers':{'load-balancer':[{'name':'lb'}]},"
	     "'ietf-interfaces:interfaces':{'interface':["
	     "{'name':'xdp','type':'sluice-port:af-xdp','sluice-port:port':{'owner':'lb',"
	     "'device':'eth7','context':3,'queues':4,'mtu':3000,"
	     "'vlan':[{'vid':100,'tap':'v100'}]}},"
	     "{'name':'t0','type':'sluice-port:tap','sluice-port:port':{'owner':'lb',"
	     "'mac':'02:00:00:00:00:01'}},"
	     "{'name':'link to waf','type':'sluice-port:memif','sluice-port:port':{'owner':'lb',"
	     "'peer-mac':'02:00:00:00:00:02','prefix':['10.9.0.1/31','fd09::/127'],"
	     "'memif':{'role':'server','id':9,'socket':'/run/m.sock'}}},"
	     "{'name':'n','type':'sluice-port:null','sluice-port:port':{'owner':'lb',"
	     "'peer-mac':'02:00:00:00:00:03','prefix':['0.0.0.0/0']}},"
	     "{'name':'r','type':'sluice-port:ring','sluice-port:port':{'owner':'lb',"
	     "'peer-mac':'02:00:00:00:00:04','prefix':['10.8.0.0/24']}},"
	     "{'name':'f','type':'sluice-port:pcap','sluice-port:port':{'owner':'lb',"
	     "'peer-mac':'02:00:00:00:00:05','prefix':['10.7.0.0/24'],'pcap':{'rx-file':'/a',"
	     "'tx-file':'/b','infinite':true}}},"
	     "{'name':'kernel0','type':'iana-if-type:ethernetCsmacd'}]}}");
	p = record("lb", CTL_REC_PORT, "xdp", NULL, NULL);
	assert_string_equal(p->device, "eth7");
	assert_int_equal(p->context, 3);
	assert_int_equal(p->queues, 4);
	assert_int_equal(p->mtu, 3000);
	v = record("lb", CTL_REC_VLAN, "xdp", "100", NULL);
	assert_int_equal(v->port, p->rec.id);
	assert_int_equal(v->vid, 100);
	assert_string_equal(v->tap, "v100");
	p = record("lb", CTL_REC_PORT, "t0", NULL, NULL);
	assert_int_equal(p->kind, CTL_PORT_TAP);
	assert_string_equal(p->device, "t0");
	assert_memory_equal(p->mac, "\x02\0\0\0\0\x01", 6);
	p = record("lb", CTL_REC_PORT, "link to waf", NULL, NULL);
	assert_int_equal(p->kind, CTL_PORT_MEMIF);
	assert_int_equal(p->flags, CTL_PORT_F_MEMIF_SERVER);
	assert_int_equal(p->memif_id, 9);
	assert_string_equal(p->path, "/run/m.sock");
	assert_string_equal(p->device, "");
	assert_memory_equal(p->peer_mac, "\x02\0\0\0\0\x02", 6);
	x = record("lb", CTL_REC_PREFIX, "link to waf", "10.9.0.0/31", NULL);
	assert_int_equal(x->port, p->rec.id);
	assert_int_equal(x->prefix.family, 4);
	assert_int_equal(x->prefix.len, 31);
	assert_memory_equal(x->prefix.bytes, "\x0a\x09\x00\x00", 4);
	x = record("lb", CTL_REC_PREFIX, "link to waf", "fd09::/127", NULL);
	assert_int_equal(x->prefix.family, 6);
	assert_int_equal(
		((const struct ctl_port *)record("lb", CTL_REC_PORT, "n", NULL, NULL))->kind,
		CTL_PORT_NULL);
	assert_int_equal(
		((const struct ctl_port *)record("lb", CTL_REC_PORT, "r", NULL, NULL))->kind,
		CTL_PORT_RING);
	p = record("lb", CTL_REC_PORT, "f", NULL, NULL);
	assert_int_equal(p->kind, CTL_PORT_PCAP);
	assert_int_equal(p->flags, CTL_PORT_F_PCAP_INFINITE);
	assert_string_equal(p->path, "/a");
	assert_string_equal(p->path2, "/b");
	// settings, 6 ports, 1 VLAN, 5 prefixes, and nothing for the kernel's interface
	assert_int_equal(net_store_size(), 13);
}

static void keeps_a_disabled_port_back_with_its_vlans(void **state)
{
	const struct net_entry *e;

	(void)state;
	load("{'sluice-lb:load-balancers':{'load-balancer':[{'name':'lb'}]},"
	     "'ietf-interfaces:interfaces':{'interface':["
	     "{'name':'xdp','type':'sluice-port:af-xdp','enabled':false,'sluice-port:port':"
	     "{'owner':'lb','vlan':[{'vid':100,'tap':'v100'}]}}]}}");
	e = net_store_find(net_store_inst("lb"), CTL_REC_PORT,
			   net_id(CTL_REC_PORT, "xdp", NULL, NULL));
	assert_non_null(e);
	assert_false(e->sent);
	e = net_store_find(net_store_inst("lb"), CTL_REC_VLAN,
			   net_id(CTL_REC_VLAN, "xdp", "100", NULL));
	assert_false(e->sent);
}

// Apps keep ids on disk: these values must never change.
static void ids_are_the_same_for_ever(void **state)
{
	(void)state;
	assert_int_equal(net_id(CTL_REC_POOL, "lb", "p", NULL), UINT64_C(0xb88d09bce1fe76db));
	assert_int_equal(net_id(CTL_REC_SERVER, "lb", "p", "s1"), UINT64_C(0x4942931145ff2b93));
	assert_int_equal(net_id(CTL_REC_PORT, "eth0", NULL, NULL), UINT64_C(0x608ec5ee81615962));
	assert_int_not_equal(net_id(CTL_REC_SERVER, "ab", "c", "d"),
			     net_id(CTL_REC_SERVER, "a", "bc", "d"));
	assert_int_not_equal(net_id(CTL_REC_POOL, "lb", "p", NULL),
			     net_id(CTL_REC_LOCAL_POOL, "lb", "p", NULL));
}

static void an_id_is_never_zero(void **state)
{
	(void)state;
	net_id_mask = 0;
	assert_int_equal(net_id(CTL_REC_POOL, "lb", "p", NULL), 1);
}

// ---- deltas ----------------------------------------------------------------------------------

struct count {
	unsigned upserts, deletes;
};

static struct count delta_of(const char *from, const char *to)
{
	struct lyd_node *before = fixture_tree(from), *after = fixture_tree(to);
	struct count n = {0};
	struct txn_result r = {0};
	struct fixture_change f;
	struct net_delta d;

	net_store_clear();
	load(from);
	fixture_change(&f, before, after);
	net_delta_build(&d, before, after, f.diff, &r);
	assert_int_equal(r.result, 0);
	for (size_t i = 0; i < d.count; i++) {
		if (d.item[i].new)
			n.upserts++;
		else if (d.item[i].old)
			n.deletes++;
	}
	// Put in and taken out, the store is what it was.
	net_delta_apply(&d);
	net_delta_undo(&d);
	net_delta_free(&d);
	fixture_change_fini(&f);
	lyd_free_all(before);
	lyd_free_all(after);
	return n;
}

#define LB(pools)                                                                                  \
	"{'sluice-lb:load-balancers':{'load-balancer':[{'name':'lb','pools':{'pool':[" pools       \
	"]}}]}}"

static void a_changed_server_is_one_record(void **state)
{
	struct count n = delta_of(
		LB("{'name':'p','servers':{'server':[{'name':'a','address':'10.0.0.1','port':80},"
		   "{'name':'b','address':'10.0.0.2','port':80}]}}"),
		LB("{'name':'p','servers':{'server':[{'name':'a','address':'10.0.0.1','port':80},"
		   "{'name':'b','address':'10.0.0.2','port':81}]}}"));

	(void)state;
	assert_int_equal(n.upserts, 1);
	assert_int_equal(n.deletes, 0);
}

static void a_deleted_pool_takes_its_servers_along(void **state)
{
	struct count n = delta_of(
		LB("{'name':'p','servers':{'server':[{'name':'a','address':'10.0.0.1','port':80},"
		   "{'name':'b','address':'10.0.0.2','port':80}]}},{'name':'q'}"),
		LB("{'name':'q'}"));

	(void)state;
	assert_int_equal(n.upserts, 0);
	assert_int_equal(n.deletes, 3);
}

static void a_deleted_leaf_goes_back_to_its_default(void **state)
{
	struct count n = delta_of(LB("{'name':'p','on-server-down':'keep'}"), LB("{'name':'p'}"));

	(void)state;
	assert_int_equal(n.upserts, 1);
	n = delta_of(LB("{'name':'p','on-server-down':'reset'}"), LB("{'name':'p'}"));
	assert_int_equal(n.upserts, 0);
}

static void a_port_that_changes_its_owner_leaves_one_app_and_comes_to_the_other(void **state)
{
	static const char from[] =
		"{'sluice-lb:load-balancers':{'load-balancer':[{'name':'lb'},{'name':'lb2'}]},"
		"'ietf-interfaces:interfaces':{'interface':[{'name':'x','type':'sluice-port:af-xdp',"
		"'sluice-port:port':{'owner':'lb'}}]}}";
	static const char to[] =
		"{'sluice-lb:load-balancers':{'load-balancer':[{'name':'lb'},{'name':'lb2'}]},"
		"'ietf-interfaces:interfaces':{'interface':[{'name':'x','type':'sluice-port:af-xdp',"
		"'sluice-port:port':{'owner':'lb2'}}]}}";
	struct count n = delta_of(from, to);

	(void)state;
	assert_int_equal(n.upserts, 1);
	assert_int_equal(n.deletes, 1);
}

static void an_unchanged_tree_has_no_delta(void **state)
{
	struct count n = delta_of(fixture_base, fixture_base);

	(void)state;
	assert_int_equal(n.upserts + n.deletes, 0);
}

// ---- paths -----------------------------------------------------------------------------------

static void check_path(uint16_t type, const char *a, const char *b, const char *c,
		       const char *field, const char *path)
{
	uint64_t id = type == CTL_REC_SETTINGS ? 1 : net_id(type, a, b, c);
	char buf[512];

	assert_true(net_path(NULL, net_store_inst("lb"), type, id, field, buf, sizeof(buf)));
	assert_string_equal(buf, path);
}

#define P_LB "/sluice-lb:load-balancers/load-balancer[name='lb']"

static void a_record_has_the_path_of_its_entry_and_leaf(void **state)
{
	char buf[512];

	(void)state;
	load(fixture_base);
	check_path(CTL_REC_SETTINGS, NULL, NULL, NULL, "size", P_LB "/flow-table/size");
	check_path(CTL_REC_SETTINGS, NULL, NULL, NULL, "flow-table/size", P_LB "/flow-table/size");
	check_path(CTL_REC_SETTINGS, NULL, NULL, NULL, "timeouts/size", P_LB);
	check_path(CTL_REC_PORT, "eth0", NULL, NULL, "device",
		   "/ietf-interfaces:interfaces/interface[name='eth0']/sluice-port:port/device");
	check_path(CTL_REC_PORT, "eth0", NULL, NULL, "",
		   "/ietf-interfaces:interfaces/interface[name='eth0']");
	check_path(CTL_REC_LOCAL_ADDRESS, "lb", "l", "10.0.0.200", NULL,
		   P_LB
		   "/local-address-pools/local-address-pool[name='l']/address[.='10.0.0.200']");
	check_path(CTL_REC_SERVER, "lb", "p", "s1", "address",
		   P_LB "/pools/pool[name='p']/servers/server[name='s1']/address");
	check_path(CTL_REC_SERVICE, "lb", "web", NULL, "pool",
		   P_LB "/services/service[name='web']/pool");
	// What an app says is not trusted to be a leaf.
	check_path(CTL_REC_SERVICE, "lb", "web", NULL, "../../x",
		   P_LB "/services/service[name='web']");
	check_path(CTL_REC_POOL, "lb", "p", NULL, "']/evil", P_LB "/pools/pool[name='p']");
	assert_false(
		net_path(NULL, net_store_inst("lb"), CTL_REC_POOL, 12345, "", buf, sizeof(buf)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(takes_defaults_from_the_schema, clear),
		cmocka_unit_test_teardown(takes_every_leaf_of_a_load_balancer, clear),
		cmocka_unit_test_teardown(fills_in_an_http_check_from_defaults, clear),
		cmocka_unit_test_teardown(maps_each_kind_of_port, clear),
		cmocka_unit_test_teardown(keeps_a_disabled_port_back_with_its_vlans, clear),
		cmocka_unit_test_teardown(ids_are_the_same_for_ever, clear),
		cmocka_unit_test_teardown(an_id_is_never_zero, clear),
		cmocka_unit_test_teardown(a_changed_server_is_one_record, clear),
		cmocka_unit_test_teardown(a_deleted_pool_takes_its_servers_along, clear),
		cmocka_unit_test_teardown(a_deleted_leaf_goes_back_to_its_default, clear),
		cmocka_unit_test_teardown(
			a_port_that_changes_its_owner_leaves_one_app_and_comes_to_the_other, clear),
		cmocka_unit_test_teardown(an_unchanged_tree_has_no_delta, clear),
		cmocka_unit_test_teardown(a_record_has_the_path_of_its_entry_and_leaf, clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
