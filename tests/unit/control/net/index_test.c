// SPDX-License-Identifier: BSD-3-Clause
//
// Checks across entries and inside ports: each refusal with its path, tag and sentence.

#include "control/net/net_priv.h"
#include "tests/unit/control/net/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LB    "/sluice-lb:load-balancers/load-balancer[name='lb']"
#define LB2   "/sluice-lb:load-balancers/load-balancer[name='lb2']"
#define IF(n) "/ietf-interfaces:interfaces/interface[name='" n "']"
#define PORT  "/sluice-port:port"
#define LPOOL LB "/local-address-pools/local-address-pool"

static int setup(void **state)
{
	(void)state;
	net_id_mask = UINT64_MAX;
	return net_schema_init(fixture_ctx());
}

static int teardown(void **state)
{
	(void)state;
	net_id_mask = UINT64_MAX;
	net_store_clear();
	return 0;
}

static int change(const char *from, const char *to, struct txn_result *r)
{
	struct lyd_node *before = fixture_tree(from), *after = fixture_tree(to);
	size_t size;
	struct txn_result none = {0};
	struct fixture_change f;
	struct net_delta d;
	int rc;

	net_store_clear();
	net_delta_build(&d, NULL, before, before, &none);
	net_delta_apply(&d);
	net_index_check(&d, before, &none);
	net_delta_keep(&d);
	assert_int_equal(none.result, 0); // what we start from is sound
	size = net_store_size();
	fixture_change(&f, before, after);
	memset(r, 0, sizeof(*r));
	rc = net_module()->check(&f.c, r);
	assert_int_equal(rc, r->result);
	assert_int_equal(net_store_size(), size); // a check leaves nothing behind
	fixture_change_fini(&f);
	lyd_free_all(before);
	lyd_free_all(after);
	return rc;
}

static void refused(const char *from, const char *to, const char *tag, const char *path,
		    const char *words)
{
	struct txn_result *r = calloc(1, sizeof(*r));

	assert_int_not_equal(change(from, to, r), 0);
	assert_int_equal(r->error_count, 1);
	assert_string_equal(r->error[0].path, path);
	assert_string_equal(r->error[0].tag, tag);
	if (!strstr(r->error[0].message, words))
		fail_msg("'%s' does not say '%s'", r->error[0].message, words);
	free(r);
}

static void taken(const char *from, const char *to)
{
	struct txn_result *r = calloc(1, sizeof(*r));

	if (change(from, to, r) != 0)
		fail_msg("%s: %s", r->error[0].path, r->error[0].message);
	free(r);
}

// ---- building blocks -------------------------------------------------------------------------

#define POOL4(n)                                                                                   \
	"{'name':'" n "','servers':{'server':[{'name':'a','address':'10.0.0.1','port':80}]}}"
#define POOL6(n)                                                                                   \
	"{'name':'" n "','servers':{'server':[{'name':'a','address':'fd00::1','port':80}]}}"
#define SERVICE(n, addr, more)                                                                     \
	"{'name':'" n "','address':'" addr "','port':80,'protocol':'tcp','pool':'p',"              \
	"'local-address-pool':'l'" more "}"
#define LOCAL(n, addrs) "{'name':'" n "','address':[" addrs "]}"
#define INST(n, locals, pools, services)                                                           \
	"{'name':'" n "','local-address-pools':{'local-address-pool':[" locals "]},"               \
	"'pools':{'pool':[" pools "]},'services':{'service':[" services "]}}"
#define LBS(insts)                   "'sluice-lb:load-balancers':{'load-balancer':[" insts "]}"
#define ALL(insts)                   "{" LBS(insts) "}"
#define ONE(locals, pools, services) ALL(INST("lb", locals, pools, services))
#define PORTS(list)                  "'ietf-interfaces:interfaces':{'interface':[" list "]}"
#define WITH(ports)                  "{" LBS("{'name':'lb'},{'name':'lb2'}") "," PORTS(ports) "}"
#define XDP(n, more)                                                                               \
	"{'name':'" n "','type':'sluice-port:af-xdp','sluice-port:port':{'owner':'lb'" more "}}"
#define P2P(n, type, more)                                                                         \
	"{'name':'" n "','type':'sluice-port:" type "','sluice-port:port':{'owner':'lb'" more "}}"
#define PEER ",'peer-mac':'02:00:00:00:00:01','prefix':['10.9.0.0/31']"

static const char base[] =
	ONE(LOCAL("l", "'10.0.0.200'"), POOL4("p"), SERVICE("web", "192.0.2.1", ""));

// ---- services --------------------------------------------------------------------------------

static void refuses_two_services_on_one_address_and_port(void **state)
{
	(void)state;
	refused(base,
		ONE(LOCAL("l", "'10.0.0.200'"), POOL4("p"),
		    SERVICE("web", "192.0.2.1", "") "," SERVICE("b", "192.0.2.1", "")),
		"operation-failed", LB "/services/service[name='b']/address",
		"service 'web' of lb");
	taken(base,
	      ONE(LOCAL("l", "'10.0.0.200'"), POOL4("p"),
		  SERVICE("web", "192.0.2.1", "") "," SERVICE("b", "192.0.2.1", ",'context':2")));
	taken(base, ONE(LOCAL("l", "'10.0.0.200'"), POOL4("p"),
			SERVICE("web", "192.0.2.1", "") "," SERVICE("b", "192.0.2.2", "")));
}

#define RANGE(n, addr, min, max, more)                                                             \
	"{'name':'" n "','address':'" addr "','port':" #min ",'port-max':" #max                    \
	",'protocol':'tcp','pool':'p','local-address-pool':'l'" more "}"
#define THESE(services) ONE(LOCAL("l", "'10.0.0.200'"), POOL4("p"), services)

// `b` is there, `a` comes.
static void refuses_ranges_that_cross_on_one_prefix(void **state)
{
	(void)state;
	refused(THESE(RANGE("b", "192.0.2.1", 85, 95, "")),
		THESE(RANGE("b", "192.0.2.1", 85, 95, "") "," RANGE("a", "192.0.2.1", 80, 90, "")),
		"invalid-value", LB "/services/service[name='a']/port-max",
		"ports 85 to 95 of service 'b'");
#define NET(n, min, max) RANGE(n, "192.0.2.0", min, max, ",'prefix-length':24")
	refused(THESE(NET("b", 90, 95)), THESE(NET("b", 90, 95) "," NET("a", 80, 90)),
		"invalid-value", LB "/services/service[name='a']/port-max",
		"ports 90 to 95 of service 'b'");
	refused(THESE(NET("b", 80, 90)), THESE(NET("b", 80, 90) "," NET("a", 80, 90)),
		"operation-failed", LB "/services/service[name='a']/address", "service 'b' of lb");
	// One within the other, side by side, elsewhere: in order.
	taken(base,
	      THESE(RANGE("a", "192.0.2.1", 80, 90, "") "," RANGE("b", "192.0.2.1", 85, 90, "")));
	taken(base,
	      THESE(RANGE("a", "192.0.2.1", 80, 90, "") "," RANGE("b", "192.0.2.1", 91, 95, "")));
	taken(base, THESE(RANGE("a", "192.0.2.1", 80, 90, "") "," SERVICE("b", "192.0.2.1", "")));
	taken(base, THESE(RANGE("a", "192.0.2.1", 80, 90,
				",'context':1") "," RANGE("b", "192.0.2.1", 85, 95, "")));
	taken(base,
	      THESE(NET("a", 80, 90) "," RANGE("b", "192.0.2.0", 85, 95, ",'prefix-length':25")));
}

static void refuses_a_local_address_within_a_prefix(void **state)
{
#define HALF                    SERVICE("web", "192.0.2.128", ",'prefix-length':25")
#define WITH_LOCAL(a, services) ONE(LOCAL("l", "'10.0.0.200','" a "'"), POOL4("p"), services)
	(void)state;
	refused(WITH_LOCAL("192.0.2.129", SERVICE("web", "192.0.2.1", "")),
		WITH_LOCAL("192.0.2.129", HALF), "in-use",
		LB "/services/service[name='web']/address", "local address 192.0.2.129 of lb");
	refused(THESE(HALF), WITH_LOCAL("192.0.2.129", HALF), "in-use",
		LPOOL "[name='l']/address[.='192.0.2.129']", "service 'web' of lb");
	taken(THESE(HALF), WITH_LOCAL("192.0.2.127", HALF));
}

static void refuses_the_service_of_another_instance(void **state)
{
	(void)state;
	refused(base,
		ALL(INST("lb", LOCAL("l", "'10.0.0.200'"), POOL4("p"),
			 SERVICE("web", "192.0.2.1",
				 "")) "," INST("lb2", LOCAL("l", "'10.0.0.201'"), POOL4("p"),
					       SERVICE("x", "192.0.2.1", ""))),
		"operation-failed", LB2 "/services/service[name='x']/address",
		"service 'web' of lb");
}

static void lets_two_services_trade_their_addresses(void **state)
{
	(void)state;
	taken(ONE(LOCAL("l", "'10.0.0.200'"), POOL4("p"),
		  SERVICE("a", "192.0.2.1", "") "," SERVICE("b", "192.0.2.2", "")),
	      ONE(LOCAL("l", "'10.0.0.200'"), POOL4("p"),
		  SERVICE("a", "192.0.2.2", "") "," SERVICE("b", "192.0.2.1", "")));
}

static void refuses_to_delete_a_pool_that_is_used(void **state)
{
	(void)state;
	refused(base, ONE(LOCAL("l", "'10.0.0.200'"), "", SERVICE("web", "192.0.2.1", "")),
		"data-missing", LB "/services/service[name='web']/pool",
		"pool 'p', which does not exist");
	refused(base, ONE("", POOL4("p"), SERVICE("web", "192.0.2.1", "")), "data-missing",
		LB "/services/service[name='web']/local-address-pool", "does not exist");
	taken(base, ONE("", "", ""));
}

static void refuses_a_service_of_an_unknown_pool(void **state)
{
	(void)state;
	refused(ONE(LOCAL("l", "'10.0.0.200'"), POOL4("q"), ""),
		ONE(LOCAL("l", "'10.0.0.200'"), POOL4("q"), SERVICE("web", "192.0.2.1", "")),
		"data-missing", LB "/services/service[name='web']/pool",
		"pool 'p', which does not exist");
}

static void refuses_servers_of_another_family_than_the_service(void **state)
{
	(void)state;
	// by a new service
	refused(ONE(LOCAL("l", "'10.0.0.200','fd00::200'"), POOL6("p"), ""),
		ONE(LOCAL("l", "'10.0.0.200','fd00::200'"), POOL6("p"),
		    SERVICE("web", "192.0.2.1", "")),
		"invalid-value", LB "/services/service[name='web']/pool", "IPv6 servers");
	// by a new server
	refused(base,
		ONE(LOCAL("l", "'10.0.0.200'"),
		    "{'name':'p','servers':{'server':[{'name':'a','address':'10.0.0.1','port':80},"
		    "{'name':'b','address':'fd00::2','port':80}]}}",
		    SERVICE("web", "192.0.2.1", "")),
		"invalid-value", LB "/services/service[name='web']/pool", "IPv6 servers");
	// by a server that changes its family
	refused(base, ONE(LOCAL("l", "'10.0.0.200'"), POOL6("p"), SERVICE("web", "192.0.2.1", "")),
		"invalid-value", LB "/services/service[name='web']/pool", "IPv6 servers");
	// by a service that changes its family
	refused(ONE(LOCAL("l", "'10.0.0.200','fd00::200'"), POOL4("p"),
		    SERVICE("web", "192.0.2.1", "")),
		ONE(LOCAL("l", "'10.0.0.200','fd00::200'"), POOL4("p"),
		    SERVICE("web", "2001:db8::1", "")),
		"invalid-value", LB "/services/service[name='web']/pool", "IPv4 servers");
	taken(ONE(LOCAL("l", "'fd00::200'"), "", ""),
	      ONE(LOCAL("l", "'fd00::200'"), POOL6("p"), SERVICE("web", "2001:db8::1", "")));
}

static void refuses_a_service_without_local_address_of_its_family(void **state)
{
	(void)state;
	refused(ONE(LOCAL("l", "'10.0.0.200'"), POOL6("p"), ""),
		ONE(LOCAL("l", "'10.0.0.200'"), POOL6("p"), SERVICE("web", "2001:db8::1", "")),
		"invalid-value", LB "/services/service[name='web']/local-address-pool",
		"no IPv6 address");
	// by the last local address of a family that goes
	refused(ONE(LOCAL("l", "'10.0.0.200','fd00::200'"), POOL4("p"),
		    SERVICE("web", "192.0.2.1", "")),
		ONE(LOCAL("l", "'fd00::200'"), POOL4("p"), SERVICE("web", "192.0.2.1", "")),
		"invalid-value", LB "/services/service[name='web']/local-address-pool",
		"no IPv4 address");
	taken(ONE(LOCAL("l", "'10.0.0.200','fd00::200'"), POOL4("p"),
		  SERVICE("web", "192.0.2.1", "")),
	      ONE(LOCAL("l", "'10.0.0.201','fd00::200'"), POOL4("p"),
		  SERVICE("web", "192.0.2.1", "")));
	taken(ONE(LOCAL("l", "'10.0.0.200','fd00::200'"), POOL4("p"),
		  SERVICE("web", "192.0.2.1", "")),
	      ONE(LOCAL("l", "'10.0.0.200'"), POOL4("p"), SERVICE("web", "192.0.2.1", "")));
}

static void refuses_addresses_that_no_host_has(void **state)
{
	(void)state;
	refused(base, ONE(LOCAL("l", "'10.0.0.200'"), POOL4("p"), SERVICE("web", "224.0.0.1", "")),
		"invalid-value", LB "/services/service[name='web']/address", "multicast");
	refused(base, ONE(LOCAL("l", "'10.0.0.200'"), POOL4("p"), SERVICE("web", "::", "")),
		"invalid-value", LB "/services/service[name='web']/address", "unspecified");
	refused(base,
		ONE(LOCAL("l", "'10.0.0.200','255.255.255.255'"), POOL4("p"),
		    SERVICE("web", "192.0.2.1", "")),
		"invalid-value", LPOOL "[name='l']/address[.='255.255.255.255']", "not an address");
	refused(base,
		ONE(LOCAL("l", "'10.0.0.200'"), POOL4("p"), SERVICE("web", "::ffff:1.2.3.4", "")),
		"invalid-value", LB "/services/service[name='web']/address", "IPv4");
}

// ---- local addresses -------------------------------------------------------------------------

static void refuses_a_local_address_twice(void **state)
{
	(void)state;
	refused(base,
		ONE(LOCAL("l", "'10.0.0.200'") "," LOCAL("m", "'10.0.0.200'"), POOL4("p"),
		    SERVICE("web", "192.0.2.1", "")),
		"in-use", LPOOL "[name='m']/address[.='10.0.0.200']", "already in another");
	refused(base,
		ALL(INST("lb", LOCAL("l", "'10.0.0.200'"), POOL4("p"),
			 SERVICE("web", "192.0.2.1",
				 "")) "," INST("lb2", LOCAL("m", "'10.0.0.200'"), "", "")),
		"in-use",
		LB2 "/local-address-pools/local-address-pool[name='m']/address[.='10.0.0.200']",
		"already in another local address pool of lb");
}

static void refuses_a_local_address_that_is_a_service_address(void **state)
{
	(void)state;
	refused(base,
		ONE(LOCAL("l", "'10.0.0.200','192.0.2.1'"), POOL4("p"),
		    SERVICE("web", "192.0.2.1", "")),
		"in-use", LPOOL "[name='l']/address[.='192.0.2.1']", "service 'web' of lb");
	refused(base, ONE(LOCAL("l", "'10.0.0.200'"), POOL4("p"), SERVICE("web", "10.0.0.200", "")),
		"in-use", LB "/services/service[name='web']/address", "local address of lb");
}

static void lets_a_local_address_move_to_another_pool(void **state)
{
	(void)state;
	taken(ONE(LOCAL("l", "'10.0.0.200','10.0.0.201'") "," LOCAL("m", "'10.0.0.202'"), "", ""),
	      ONE(LOCAL("l", "'10.0.0.200'") "," LOCAL("m", "'10.0.0.202','10.0.0.201'"), "", ""));
}

static void refuses_an_empty_or_reversed_local_pool(void **state)
{
	(void)state;
	refused(base,
		ONE(LOCAL("l", "'10.0.0.200'") ",{'name':'e'}", POOL4("p"),
		    SERVICE("web", "192.0.2.1", "")),
		"operation-failed", LPOOL "[name='e']/address", "needs an address");
	refused(base,
		ONE("{'name':'l','port-min':9,'port-max':8,'address':['10.0.0.200']}", POOL4("p"),
		    SERVICE("web", "192.0.2.1", "")),
		"invalid-value", LPOOL "[name='l']/port-min", "port-min is above port-max");
}

// ---- pools -----------------------------------------------------------------------------------

static void refuses_health_checks_that_cannot_work(void **state)
{
	(void)state;
	refused(base,
		ONE(LOCAL("l", "'10.0.0.200'"), "{'name':'p','health-check':{'timeout':3000}}",
		    SERVICE("web", "192.0.2.1", "")),
		"invalid-value", LB "/pools/pool[name='p']/health-check/timeout",
		"longer than interval");
	refused(base,
		ONE(LOCAL("l", "'10.0.0.200'"),
		    "{'name':'p','health-check':{'type':'http','http':{'status-min':500}}}",
		    SERVICE("web", "192.0.2.1", "")),
		"invalid-value", LB "/pools/pool[name='p']/health-check/http/status-min", "above");
	// 127 characters that are 254 bytes
	refused(base,
		ONE(LOCAL("l", "'10.0.0.200'"),
		    "{'name':'p','health-check':{'type':'http','http':{'body-match':'"
		    "éééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééé'}}}",
		    SERVICE("web", "192.0.2.1", "")),
		"invalid-value", LB "/pools/pool[name='p']/health-check/http/body-match", "bytes");
}

static void refuses_to_check_a_server_without_a_port(void **state)
{
#define ANY_PORT(check)                                                                            \
	"{'name':'p','servers':{'server':[{'name':'a','address':'10.0.0.1','port':0}]}" check "}"
#define CHECK(check) ",'health-check':{" check "}"
#define POOLED(pool) ONE(LOCAL("l", "'10.0.0.200'"), pool, SERVICE("web", "192.0.2.1", ""))
	(void)state;
	refused(base, POOLED(ANY_PORT(CHECK("'type':'tcp'"))), "invalid-value",
		LB "/pools/pool[name='p']/servers/server[name='a']/port", "health-check/port");
	refused(POOLED(ANY_PORT("")), POOLED(ANY_PORT(CHECK("'type':'tcp'"))), "invalid-value",
		LB "/pools/pool[name='p']/servers/server[name='a']/port", "health-check/port");
	taken(POOLED(ANY_PORT("")), POOLED(ANY_PORT(CHECK("'type':'tcp','port':22"))));
	taken(base, POOLED(ANY_PORT(CHECK("'type':'icmp'"))));
}

static void refuses_two_entries_with_one_id(void **state)
{
	struct txn_result *r = calloc(1, sizeof(*r));

	(void)state;
	net_id_mask = 0; // every pool is 1
	assert_int_not_equal(
		change(ONE("", "{'name':'p'}", ""), ONE("", "{'name':'p'},{'name':'q'}", ""), r),
		0);
	assert_string_equal(r->error[0].tag, "operation-failed");
	assert_string_equal(r->error[0].path, LB "/pools/pool[name='q']");
	assert_non_null(strstr(r->error[0].message, LB "/pools/pool[name='p']"));
	free(r);
}

// ---- ports -----------------------------------------------------------------------------------

static void refuses_an_owner_without_an_entry(void **state)
{
	(void)state;
	refused("{" LBS("{'name':'lb'}") "}",
		"{" LBS("{'name':'lb'}") "," PORTS(
			"{'name':'x',"
			"'type':'sluice-port:af-xdp','sluice-port:port':{'owner':'waf'}}") "}",
		"data-missing", IF("x") PORT "/owner", "'waf' has no load-balancer entry");
	refused("{" LBS("{'name':'lb'}") "," PORTS(XDP("x", "")) "}", "{" PORTS(XDP("x", "")) "}",
		"data-missing", IF("x") PORT "/owner", "'lb' has no load-balancer entry");
	taken("{" LBS("{'name':'lb'}") "," PORTS(XDP("x", "")) "}", "{}");
}

static void refuses_a_device_that_is_claimed_twice(void **state)
{
	(void)state;
	refused(WITH(XDP("eth0", "")), WITH(XDP("eth0", "") "," XDP("b", ",'device':'eth0'")),
		"in-use", IF("b") PORT "/device", "port 'eth0' of lb");
	refused(WITH(XDP("eth0", "")),
		WITH(XDP("eth0", "") "," P2P("t", "tap", ",'device':'eth0'")), "in-use",
		IF("t") PORT "/device", "device eth0");
	refused(WITH(XDP("eth0", "")), WITH(XDP("eth0", ",'vlan':[{'vid':5,'tap':'eth0'}]")),
		"in-use", IF("eth0") PORT "/vlan[vid='5']/tap", "device eth0");
	// a port that is not enabled keeps its claim
	refused(WITH("{'name':'eth0','type':'sluice-port:af-xdp','enabled':false,"
		     "'sluice-port:port':{'owner':'lb2'}}"),
		WITH("{'name':'eth0','type':'sluice-port:af-xdp','enabled':false,"
		     "'sluice-port:port':{'owner':'lb2'}}," XDP("b", ",'device':'eth0'")),
		"in-use", IF("b") PORT "/device", "port 'eth0' of lb2");
}

static void refuses_one_end_of_a_memif_twice(void **state)
{
	(void)state;
	refused(WITH(P2P("m", "memif", PEER ",'memif':{'socket':'/s'}")),
		WITH(P2P("m", "memif", PEER ",'memif':{'socket':'/s'}") "," P2P(
			"n", "memif", PEER ",'memif':{'socket':'/s'}")),
		"in-use", IF("n") PORT "/memif/socket", "port 'm' of lb");
	taken(WITH(P2P("m", "memif", PEER ",'memif':{'socket':'/s'}")),
	      WITH(P2P("m", "memif", PEER ",'memif':{'socket':'/s'}") "," P2P(
		      "n", "memif", PEER ",'memif':{'socket':'/s','role':'server'}")));
}

static void refuses_a_capture_file_written_twice(void **state)
{
	(void)state;
	refused(WITH(P2P("m", "pcap", PEER ",'pcap':{'tx-file':'/f'}")),
		WITH(P2P("m", "pcap", PEER ",'pcap':{'tx-file':'/f'}") "," P2P(
			"n", "pcap", PEER ",'pcap':{'tx-file':'/f'}")),
		"in-use", IF("n") PORT "/pcap/tx-file", "port 'm' of lb");
}

static void refuses_what_a_kind_lacks(void **state)
{
	(void)state;
	refused(WITH(""), WITH(P2P("m", "null", ",'prefix':['10.9.0.0/31']")), "data-missing",
		IF("m") PORT "/peer-mac", "type null needs peer-mac");
	refused(WITH(""), WITH(P2P("m", "ring", ",'peer-mac':'02:00:00:00:00:01'")), "data-missing",
		IF("m") PORT "/prefix", "type ring needs prefix");
	refused(WITH(""), WITH(P2P("m", "memif", PEER)), "data-missing",
		IF("m") PORT "/memif/socket", "needs socket");
	refused(WITH(""), WITH(P2P("m", "pcap", PEER)), "data-missing",
		IF("m") PORT "/pcap/rx-file", "rx-file, tx-file or both");
	refused(WITH(""), WITH(XDP("a name too long", "")), "data-missing",
		IF("a name too long") PORT "/device", "kernel interface");
	refused(WITH(""), WITH("{'name':'x','type':'sluice-port:tap'}"), "data-missing",
		IF("x") PORT "/owner", "needs the application");
}

static void refuses_what_has_no_meaning_for_a_kind(void **state)
{
	(void)state;
	refused(WITH(""), WITH(XDP("x", ",'peer-mac':'02:00:00:00:00:01'")), "invalid-value",
		IF("x") PORT "/peer-mac", "no meaning");
	refused(WITH(""), WITH(XDP("x", ",'mac':'02:00:00:00:00:01'")), "invalid-value",
		IF("x") PORT "/mac", "kernel interface");
	refused(WITH(""), WITH(P2P("m", "null", PEER ",'device':'eth0'")), "invalid-value",
		IF("m") PORT "/device", "no meaning");
	refused(WITH(""), WITH(P2P("t", "tap", ",'pcap':{'rx-file':'/a'}")), "invalid-value",
		IF("t") PORT "/pcap/rx-file", "no meaning");
	refused(WITH(""),
		WITH(P2P("m", "ring", ",'prefix':['10.0.0.0/8'],'peer-mac':'01:00:5e:00:00:01'")),
		"invalid-value", IF("m") PORT "/peer-mac", "not the MAC address of one station");
}

static void counts_every_error_up_to_its_limit(void **state)
{
	struct txn_result *r = calloc(1, sizeof(*r));

	(void)state;
	assert_int_not_equal(
		change(WITH(""),
		       WITH(P2P("a", "null", "") "," P2P("b", "null", "") "," P2P(
			       "c", "null", "") "," P2P("d", "null", "") "," P2P("e", "null", "")),
		       r),
		0);
	assert_int_equal(r->error_count, TXN_ERROR_MAX);
	free(r);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(refuses_two_services_on_one_address_and_port),
		T(refuses_ranges_that_cross_on_one_prefix),
		T(refuses_a_local_address_within_a_prefix),
		T(refuses_the_service_of_another_instance),
		T(lets_two_services_trade_their_addresses),
		T(refuses_to_delete_a_pool_that_is_used),
		T(refuses_a_service_of_an_unknown_pool),
		T(refuses_servers_of_another_family_than_the_service),
		T(refuses_a_service_without_local_address_of_its_family),
		T(refuses_addresses_that_no_host_has),
		T(refuses_a_local_address_twice),
		T(refuses_a_local_address_that_is_a_service_address),
		T(lets_a_local_address_move_to_another_pool),
		T(refuses_an_empty_or_reversed_local_pool),
		T(refuses_health_checks_that_cannot_work),
		T(refuses_to_check_a_server_without_a_port),
		T(refuses_two_entries_with_one_id),
		T(refuses_an_owner_without_an_entry),
		T(refuses_a_device_that_is_claimed_twice),
		T(refuses_one_end_of_a_memif_twice),
		T(refuses_a_capture_file_written_twice),
		T(refuses_what_a_kind_lacks),
		T(refuses_what_has_no_meaning_for_a_kind),
		T(counts_every_error_up_to_its_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
