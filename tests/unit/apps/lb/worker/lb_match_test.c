// SPDX-License-Identifier: BSD-3-Clause
//
// The longest match against a search of the whole list, over random sets of services; and what two services
// may not share.

#include "apps/lb/worker/lb_priv.h"
#include "apps/lb/conf/lb_spans.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define MOST 200

static struct {
	unsigned seed;
	struct lb_service service[MOST];
	uint32_t count;
	struct lb_snapshot snap;
	struct lb_spans *spans;
	const struct lb_service *hash[1024];
	struct lb_spans_clash clash;
} w;

static unsigned dice(unsigned n)
{
	return (unsigned)rand_r(&w.seed) % n;
}

static void clear(void)
{
	unsigned seed = w.seed;

	free(w.spans);
	memset(&w, 0, sizeof(w));
	w.seed = seed;
}

// addr: network order, 4 or 16 bytes; bits beyond len are cleared.
static struct lb_service *add(uint16_t context, uint8_t family, uint8_t proto, const uint8_t *addr,
			      uint8_t len, uint16_t min, uint16_t max)
{
	struct lb_service *v = &w.service[w.count++];
	uint8_t full[16] = {0};

	memcpy(full, addr, family == 4 ? 4 : 16);
	*v = (struct lb_service){.context = context,
				 .family = family,
				 .proto = proto,
				 .prefix_len = len,
				 .port = rte_cpu_to_be_16(min),
				 .port_max = rte_cpu_to_be_16(max),
				 .id = w.count};
	lb_mask_address(v->addr, full, len);
	return v;
}

// As lb_hash.c does.
static int build(void)
{
	const struct lb_service *other[MOST];
	uint32_t others = 0, i;

	free(w.spans);
	w.spans = NULL;
	memset(w.hash, 0, sizeof(w.hash));
	w.snap.service_mask = RTE_DIM(w.hash) - 1;
	w.snap.service_hash = w.hash;
	for (uint32_t k = 0; k < w.count; k++) {
		const struct lb_service *v = &w.service[k];

		if (!lb_service_exact(v)) {
			other[others++] = v;
			continue;
		}
		i = lb_service_hash(v->context, v->proto, v->addr, v->port) & w.snap.service_mask;
		while (w.hash[i] != NULL)
			i = (i + 1) & w.snap.service_mask;
		w.hash[i] = v;
	}
	if (others > 0) {
		int rc = lb_spans_create(other, others, &w.spans, &w.clash);

		if (rc != 0)
			return rc;
	}
	w.snap.spans = w.spans;
	return 0;
}

static const struct lb_service *match(uint16_t context, uint8_t family, uint8_t proto,
				      const uint8_t *addr, uint16_t port)
{
	return lb_match_address(&w.snap, context, family, proto, addr, rte_cpu_to_be_16(port));
}

// ---- the model: bit by bit, all services --------------------------------------------------------

static bool holds(const struct lb_service *v, uint16_t context, uint8_t family, uint8_t proto,
		  const uint8_t *addr, uint16_t port)
{
	uint16_t min = rte_be_to_cpu_16(v->port), max = rte_be_to_cpu_16(v->port_max);

	if (v->context != context || v->family != family || v->proto != proto)
		return false;
	for (unsigned bit = 0; bit < v->prefix_len; bit++)
		if (((addr[bit / 8] ^ v->addr[bit / 8]) & (0x80 >> bit % 8)) != 0)
			return false;
	return min == 0 || (port >= min && port <= max);
}

static uint32_t width(const struct lb_service *v)
{
	return v->port == 0 ? 1 << 16 : rte_be_to_cpu_16(v->port_max) - rte_be_to_cpu_16(v->port);
}

static const struct lb_service *model(uint16_t context, uint8_t family, uint8_t proto,
				      const uint8_t *addr, uint16_t port)
{
	const struct lb_service *best = NULL;

	for (uint32_t i = 0; i < w.count; i++) {
		const struct lb_service *v = &w.service[i];

		if (holds(v, context, family, proto, addr, port) &&
		    (best == NULL || v->prefix_len > best->prefix_len ||
		     (v->prefix_len == best->prefix_len && width(v) < width(best))))
			best = v;
	}
	return best;
}

// May this service stand beside those that are there?
static bool fits(const struct lb_service *v)
{
	uint16_t min, max, a, b;

	lb_service_ports(v, &min, &max);
	for (uint32_t i = 0; i < w.count; i++) {
		const struct lb_service *o = &w.service[i];

		if (o == v || o->context != v->context || o->family != v->family ||
		    o->proto != v->proto || o->prefix_len != v->prefix_len ||
		    memcmp(o->addr, v->addr, 16) != 0)
			continue;
		lb_service_ports(o, &a, &b);
		if (min == a && max == b)
			return false;
		if (min <= b && a <= max && !(min >= a && max <= b) && !(a >= min && b <= max))
			return false;
	}
	return true;
}

// Few different addresses and ports, so that much overlaps.
static void random_address(uint8_t *addr, uint8_t family)
{
	memset(addr, 0, 16);
	if (family == 4) {
		addr[0] = 10;
		addr[1] = (uint8_t)dice(2);
		addr[2] = (uint8_t)dice(2) * 128;
		addr[3] = (uint8_t)dice(4);
		return;
	}
	addr[0] = 0xfd;
	addr[6] = (uint8_t)dice(2);
	addr[8] = (uint8_t)dice(2);
	addr[15] = (uint8_t)dice(4);
}

static uint16_t random_port(void)
{
	static const uint16_t edges[] = {1, 2, 65534, 65535};

	return dice(8) == 0 ? edges[dice(4)] : (uint16_t)(1 + dice(60));
}

static void random_service(void)
{
	static const uint8_t lens4[] = {0, 8, 15, 16, 17, 24, 31, 32, 32, 32};
	static const uint8_t lens6[] = {0, 7, 64, 65, 72, 127, 128, 128};
	uint8_t addr[16], family = dice(2) ? 4 : 6, len;
	uint16_t min = dice(5) == 0 ? 0 : random_port(), max = min;
	uint8_t proto = dice(3) == 0 ? IPPROTO_UDP : IPPROTO_TCP;

	len = family == 4 ? lens4[dice(RTE_DIM(lens4))] : lens6[dice(RTE_DIM(lens6))];
	if (min != 0 && dice(2) == 0) {
		max = random_port();
		if (max < min) {
			uint16_t t = max;

			max = min;
			min = t;
		}
	}
	random_address(addr, family);
	if (!fits(add((uint16_t)dice(2), family, proto, addr, len, min, max)))
		w.count--;
}

static void is_the_models_answer_for_random_sets(void **state)
{
	unsigned hits = 0, asked = 0;

	(void)state;
	for (unsigned round = 0; round < 400; round++) {
		clear();
		w.seed = round + 1;
		for (unsigned n = dice(MOST); n > 0; n--)
			random_service();
		assert_int_equal(build(), 0);
		for (unsigned k = 0; k < 500; k++) {
			uint8_t addr[16], family = dice(2) ? 4 : 6;
			uint8_t proto = dice(3) == 0 ? IPPROTO_UDP : IPPROTO_TCP;
			uint16_t port = random_port(), context = (uint16_t)dice(2);
			const struct lb_service *want, *got;

			random_address(addr, family);
			want = model(context, family, proto, addr, port);
			got = match(context, family, proto, addr, port);
			assert_ptr_equal(got, want);
			asked++;
			hits += got != NULL;
			if (got != NULL)
				assert_true(lb_service_covers(got, addr, rte_cpu_to_be_16(port)));
		}
	}
	assert_in_range(hits, asked / 4, asked - 1000);
	clear();
}

static void covers_what_the_model_holds(void **state)
{
	(void)state;
	w.seed = 7;
	for (unsigned round = 0; round < 20000; round++) {
		const struct lb_service *v;
		uint8_t addr[16];
		uint16_t port = random_port();

		w.count = 0;
		random_service();
		v = &w.service[0];
		random_address(addr, v->family);
		assert_int_equal(lb_service_covers(v, addr, rte_cpu_to_be_16(port)),
				 holds(v, v->context, v->family, v->proto, addr, port));
	}
	clear();
}

static const uint8_t vip[4] = {10, 10, 0, 100}, net[4] = {10, 10, 0, 0};

static void longest_prefix_goes_before_the_port(void **state)
{
	const struct lb_service *any, *exact, *range, *wide;

	(void)state;
	wide = add(0, 4, IPPROTO_TCP, net, 24, 443, 443);
	any = add(0, 4, IPPROTO_TCP, vip, 32, 0, 0);
	assert_int_equal(build(), 0);
	assert_ptr_equal(match(0, 4, IPPROTO_TCP, vip, 443), any);
	assert_ptr_equal(match(0, 4, IPPROTO_TCP, net, 443), wide);
	assert_null(match(0, 4, IPPROTO_TCP, net, 444));
	assert_null(match(1, 4, IPPROTO_TCP, vip, 443));
	assert_null(match(0, 4, IPPROTO_UDP, vip, 443));
	clear();

	// An address without the port leaves it to the prefix.
	wide = add(0, 4, IPPROTO_TCP, net, 24, 1, 1000);
	range = add(0, 4, IPPROTO_TCP, vip, 32, 100, 200);
	exact = add(0, 4, IPPROTO_TCP, vip, 32, 150, 150);
	assert_int_equal(build(), 0);
	assert_ptr_equal(match(0, 4, IPPROTO_TCP, vip, 99), wide);
	assert_ptr_equal(match(0, 4, IPPROTO_TCP, vip, 100), range);
	assert_ptr_equal(match(0, 4, IPPROTO_TCP, vip, 149), range);
	assert_ptr_equal(match(0, 4, IPPROTO_TCP, vip, 150), exact);
	assert_ptr_equal(match(0, 4, IPPROTO_TCP, vip, 200), range);
	assert_ptr_equal(match(0, 4, IPPROTO_TCP, vip, 201), wide);
	assert_null(match(0, 4, IPPROTO_TCP, vip, 1001));
	clear();
}

static void nested_ranges_give_way_to_the_narrower(void **state)
{
	const struct lb_service *v[5];

	(void)state;
	v[0] = add(0, 4, IPPROTO_UDP, vip, 32, 0, 0);
	v[1] = add(0, 4, IPPROTO_UDP, vip, 32, 1, 65535);
	v[2] = add(0, 4, IPPROTO_UDP, vip, 32, 100, 200);
	v[3] = add(0, 4, IPPROTO_UDP, vip, 32, 100, 150);
	v[4] = add(0, 4, IPPROTO_UDP, vip, 32, 140, 150);
	assert_int_equal(build(), 0);
	assert_ptr_equal(match(0, 4, IPPROTO_UDP, vip, 0), v[0]);
	assert_ptr_equal(match(0, 4, IPPROTO_UDP, vip, 1), v[1]);
	assert_ptr_equal(match(0, 4, IPPROTO_UDP, vip, 99), v[1]);
	assert_ptr_equal(match(0, 4, IPPROTO_UDP, vip, 100), v[3]);
	assert_ptr_equal(match(0, 4, IPPROTO_UDP, vip, 145), v[4]);
	assert_ptr_equal(match(0, 4, IPPROTO_UDP, vip, 151), v[2]);
	assert_ptr_equal(match(0, 4, IPPROTO_UDP, vip, 201), v[1]);
	assert_ptr_equal(match(0, 4, IPPROTO_UDP, vip, 65535), v[1]);
	clear();
}

static void refuses_the_same_and_crossing_ranges(void **state)
{
	(void)state;
	add(0, 4, IPPROTO_TCP, net, 24, 100, 200);
	add(0, 4, IPPROTO_TCP, net, 24, 150, 250);
	assert_int_equal(build(), -EEXIST);
	assert_true(w.clash.partly);
	assert_int_equal(w.clash.a->id + w.clash.b->id, 3);
	clear();
	add(0, 4, IPPROTO_TCP, net, 24, 0, 0);
	add(0, 4, IPPROTO_TCP, net, 24, 80, 80);
	add(0, 4, IPPROTO_TCP, net, 24, 0, 0);
	assert_int_equal(build(), -EEXIST);
	assert_false(w.clash.partly);
	clear();
	// Side by side, on another protocol, prefix or in another context they may.
	add(0, 4, IPPROTO_TCP, net, 24, 100, 200);
	add(0, 4, IPPROTO_TCP, net, 24, 201, 250);
	add(0, 4, IPPROTO_UDP, net, 24, 150, 250);
	add(0, 4, IPPROTO_TCP, net, 25, 150, 250);
	add(1, 4, IPPROTO_TCP, net, 24, 150, 250);
	assert_int_equal(build(), 0);
	clear();
}

static void random_sets_are_refused_where_the_model_says_so(void **state)
{
	unsigned refused = 0;

	(void)state;
	for (unsigned round = 0; round < 3000; round++) {
		bool good = true;

		clear();
		w.seed = round + 1;
		for (unsigned n = 1 + dice(4); n > 0; n--) {
			uint16_t min = (uint16_t)(1 + dice(6)), max = min + (uint16_t)dice(6);
			struct lb_service *v = add(0, 4, IPPROTO_TCP, net, 24, min, max);

			good &= fits(v);
		}
		assert_int_equal(build(), good ? 0 : -EEXIST);
		refused += !good;
	}
	assert_in_range(refused, 500, 2500);
	clear();
}

// ---- what the kernel waits for ------------------------------------------------------------------

static void any_port_leaves_out_what_the_kernel_waits_for(void **state)
{
	struct lb_listeners *set = calloc(1, sizeof(*set) + sizeof(set->single[0]));
	const struct lb_service *any, *range, *wide;

	(void)state;
	assert_non_null(set);
	set->any[0][0][22 / 64] |= UINT64_C(1) << 22 % 64;
	set->some[0][0][2222 / 64] |= UINT64_C(1) << 2222 % 64;
	set->count = 1;
	set->single[0] = (struct lb_listener){.family = 4,
					      .proto = IPPROTO_TCP,
					      .port = RTE_BE16(2222),
					      .addr = {10, 10, 0, 100}};
	add(0, 4, IPPROTO_TCP, net, 24, 0, 0);
	any = add(0, 4, IPPROTO_TCP, vip, 32, 0, 0);
	range = add(0, 4, IPPROTO_TCP, vip, 32, 20, 22);
	assert_int_equal(build(), 0);
	w.snap.listeners = set;
	assert_ptr_equal(match(0, 4, IPPROTO_TCP, vip, 22), range); // asked for by number
	assert_ptr_equal(match(0, 4, IPPROTO_TCP, vip, 23), any);
	assert_null(match(0, 4, IPPROTO_TCP, vip, 2222));
	clear();
	w.snap.listeners = set;
	wide = add(0, 4, IPPROTO_TCP, net, 24, 0, 0);
	any = add(0, 4, IPPROTO_TCP, vip, 32, 0, 0);
	add(0, 4, IPPROTO_UDP, vip, 32, 0, 0);
	add(0, 4, IPPROTO_TCP, (const uint8_t[4]){10, 10, 0, 101}, 32, 0, 0);
	assert_int_equal(build(), 0);
	assert_null(match(0, 4, IPPROTO_TCP, vip, 22)); // the prefix has it neither
	assert_non_null(match(0, 4, IPPROTO_UDP, vip, 22));
	assert_ptr_equal(match(0, 4, IPPROTO_TCP, (const uint8_t[4]){10, 10, 0, 7}, 22), wide);
	assert_null(match(0, 4, IPPROTO_TCP, vip, 2222));
	assert_non_null(match(0, 4, IPPROTO_TCP, (const uint8_t[4]){10, 10, 0, 101}, 2222));
	w.snap.listeners = NULL;
	assert_ptr_equal(match(0, 4, IPPROTO_TCP, vip, 22), any);
	clear();
	free(set);
}

// ---- addresses of ours --------------------------------------------------------------------------

static void own_address_goes_before_its_prefix(void **state)
{
	static const struct lb_own_address own[] = {
		{.family = 4, .len = 32, .kind = LB_OWN_LOCAL, .addr = {10, 10, 0, 7}},
		{.family = 4, .len = 24, .kind = LB_OWN_SERVICE, .addr = {10, 10, 0, 0}},
		{.family = 4, .len = 16, .kind = LB_OWN_SERVICE, .context = 3, .addr = {10, 10}},
		{.family = 6, .len = 64, .kind = LB_OWN_SERVICE, .addr = {0xfd, 0x10}},
	};
	static const struct lb_lengths lengths = {.count = {2, 1}, .len = {{24, 16}, {64}}};
	const struct lb_own_address *hash[16] = {NULL};
	struct lb_snapshot s = {.own_mask = 15, .own_hash = hash, .own_prefixes = &lengths};
	static const uint8_t a7[4] = {10, 10, 0, 7}, a8[4] = {10, 10, 0, 8}, b8[4] = {10, 10, 1, 8};
	static const uint8_t six[16] = {0xfd, 0x10, [15] = 9}, other[16] = {0xfd, 0x10, [7] = 1};

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(own); i++) {
		uint32_t at = lb_own_hash(own[i].addr) & 15;

		while (hash[at] != NULL)
			at = (at + 1) & 15;
		hash[at] = &own[i];
	}
	assert_ptr_equal(lb_own_find(&s, 0, 4, a7), &own[0]);
	assert_ptr_equal(lb_own_find(&s, 0, 4, a8), &own[1]);
	assert_null(lb_own_find(&s, 0, 4, b8));
	assert_ptr_equal(lb_own_find(&s, 3, 4, b8), &own[2]);
	assert_ptr_equal(lb_own_find(&s, 3, 4, a8), &own[2]);
	assert_ptr_equal(lb_own_find(&s, 3, 4, a7), &own[0]);
	assert_ptr_equal(lb_own_find(&s, 0, 6, six), &own[3]);
	assert_null(lb_own_find(&s, 0, 6, other));
	s.own_prefixes = NULL;
	assert_null(lb_own_find(&s, 0, 4, a8));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_the_models_answer_for_random_sets),
		cmocka_unit_test(covers_what_the_model_holds),
		cmocka_unit_test(longest_prefix_goes_before_the_port),
		cmocka_unit_test(nested_ranges_give_way_to_the_narrower),
		cmocka_unit_test(refuses_the_same_and_crossing_ranges),
		cmocka_unit_test(random_sets_are_refused_where_the_model_says_so),
		cmocka_unit_test(any_port_leaves_out_what_the_kernel_waits_for),
		cmocka_unit_test(own_address_goes_before_its_prefix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
