// SPDX-License-Identifier: BSD-3-Clause
//
// Persistence table: keys, expiry, room, several workers, take-over.

#include "apps/lb/worker/lb_persist.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const uint8_t v4[16] = {10, 1, 2, 3};
static const uint8_t v6[16] = {0xfd, 0x10, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2};

static void a_key_is_the_masked_client_in_its_scope(void **state)
{
	struct lb_persist p = {.secret = {1, 2}};
	uint8_t other[16];

	for (unsigned len = 1; len <= 128; len++) {
		const uint8_t *addr = len <= 32 ? v4 : v6;
		uint64_t key = lb_persist_key(&p, 7, 8, addr, len);

		for (unsigned bit = 0; bit < 128; bit++) {
			memcpy(other, addr, 16);
			other[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
			if (bit < len)
				assert_int_not_equal(lb_persist_key(&p, 7, 8, other, len), key);
			else
				assert_int_equal(lb_persist_key(&p, 7, 8, other, len), key);
		}
		assert_int_not_equal(lb_persist_key(&p, 6, 8, addr, len), key);
		assert_int_not_equal(lb_persist_key(&p, 7, 9, addr, len), key);
	}
	p.secret[0] = 3;
	assert_int_not_equal(lb_persist_key(&p, 7, 8, v4, 32),
			     lb_persist_key(&(struct lb_persist){.secret = {1, 2}}, 7, 8, v4, 32));
}

static void a_client_is_remembered_till_it_expires(void **state)
{
	struct lb_persist_counters n = {0};
	struct lb_persist *p;

	assert_int_equal(lb_persist_open(NULL, 1024, 100, &p), 0);
	assert_int_equal(lb_persist_find(p, 5, 100, 50), 0);
	assert_int_equal(lb_persist_put(p, 5, 0, 77, 100, 50, &n), 77);
	assert_int_equal(lb_persist_find(p, 5, 149, 50), 77); // good for 50 more
	assert_int_equal(lb_persist_find(p, 5, 198, 0), 77);  // only looked at
	assert_int_equal(lb_persist_find(p, 5, 198, 50), 77);
	assert_int_equal(lb_persist_find(p, 5, 248, 50), 0);
	assert_int_equal(lb_persist_put(p, 5, 0, 78, 248, 50, &n), 78); // expired: replaced
	assert_int_equal(lb_persist_find(p, 5, 248, 50), 78);
	assert_int_equal(lb_persist_find(p, 5, 248, 5), 78); // a commit made it shorter
	assert_int_equal(lb_persist_find(p, 5, 253, 50), 0);
	assert_int_equal(lb_persist_put(p, 5, 0, 78, 248, 50, &n), 78);
	assert_int_equal(lb_persist_put(p, 5, 78, 79, 248, 50, &n), 79); // of no use any more
	assert_int_equal(lb_persist_put(p, 5, 78, 80, 248, 50, &n), 79); // another worker was first
	assert_int_equal(n.added, 1);
	assert_int_equal(n.forgotten, 0);
	lb_persist_close(p);
}

// The clock wraps after two years: nothing expires, or lives on, because of it.
static void the_clock_may_wrap(void **state)
{
	struct lb_persist_counters n = {0};
	struct lb_persist *p;

	assert_int_equal(lb_persist_open(NULL, 1024, 0, &p), 0);
	lb_persist_put(p, 5, 0, 77, UINT32_MAX - 10, 50, &n);
	assert_int_equal(lb_persist_find(p, 5, UINT32_MAX, 30), 77);
	assert_int_equal(lb_persist_find(p, 5, 20, 10), 77);
	assert_int_equal(lb_persist_find(p, 5, 50, 10), 0);
	lb_persist_close(p);
}

// Against a model: whoever is found has the right server; who is missing had expired or was forgotten, and that
// was counted.
static void random_histories_against_a_model(void **state)
{
	enum { KEYS = 3000 };
	static uint32_t server[KEYS], until[KEYS];
	struct lb_persist_counters n = {0};
	uint64_t random = 9, missing = 0;
	struct lb_persist *p;
	uint32_t now = 1000;

	memset(server, 0, sizeof(server));
	assert_int_equal(lb_persist_open(NULL, 1024, now, &p), 0);
	for (unsigned i = 0; i < 300000; i++) {
		uint32_t k, found;
		uint64_t key;

		random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
		k = (uint32_t)(random >> 33) % KEYS;
		key = (k + 1) * UINT64_C(0x9e3779b97f4a7c15);
		now += (random >> 20) % 100 == 0;
		found = lb_persist_find(p, key, now, 400);
		if (found != 0) {
			assert_int_equal(found, server[k]);
			assert_true((int32_t)(until[k] - now) > -26); // put off only now and then
			until[k] = now + 400;
			continue;
		}
		if (server[k] != 0 && (int32_t)(until[k] - now) > 26)
			missing++;
		server[k] = 1 + i;
		until[k] = now + 400;
		assert_int_equal(lb_persist_put(p, key, 0, server[k], now, 400, &n), server[k]);
	}
	assert_true(missing > 0 && missing <= n.forgotten);
	assert_true(n.added <= 1035 && n.added > 900); // 69 sets of 15, none left out
	assert_int_equal(n.busy, 0);
	lb_persist_close(p);
}

static void a_full_set_forgets_who_would_expire_next(void **state)
{
	struct lb_persist_counters n = {0};
	struct lb_persist *p;

	assert_int_equal(lb_persist_open(NULL, 15, 0, &p), 0); // one set
	for (uint64_t k = 1; k <= 15; k++)
		lb_persist_put(p, k, 0, (uint32_t)k, 0, 100 + (uint32_t)(k * 7 % 15), &n);
	assert_int_equal(n.added, 15);
	assert_int_equal(lb_persist_put(p, 16, 0, 16, 50, 100, &n), 16);
	assert_int_equal(n.forgotten, 1);
	for (uint64_t k = 1; k <= 16; k++) // k = 15 had the shortest time
		assert_int_equal(lb_persist_find(p, k, 50, 1), k == 15 ? 0 : k);
	lb_persist_put(p, 17, 0, 17, 200, 100, &n); // in place of one that had expired: not counted
	assert_int_equal(n.forgotten, 1);
	lb_persist_close(p);
}

// ---- several workers --------------------------------------------------------------------------

#define THREADS 4
#define CLIENTS 40000

struct runner {
	pthread_t thread;
	struct lb_persist *p;
	uint32_t index, *got;
	struct lb_persist_counters n;
};

static pthread_barrier_t barrier;

static void *run(void *arg)
{
	struct runner *r = arg;

	for (uint32_t i = 0; i < CLIENTS; i++) {
		uint64_t key = (i + 1) * UINT64_C(0x9e3779b97f4a7c15);
		uint32_t s;

		if (i % 100 == 0)
			pthread_barrier_wait(&barrier); // all at the same clients at one time
		s = lb_persist_find(r->p, key, 10, 1000);
		if (s == 0)
			s = lb_persist_put(r->p, key, 0, 1 + r->index, 10, 1000, &r->n);
		r->got[i] = s;
	}
	return NULL;
}

// A client whose connections come to several workers at one moment has one server.
static void workers_agree_on_a_clients_server(void **state)
{
	static uint32_t got[THREADS][CLIENTS];
	struct runner r[THREADS] = {0};
	uint64_t busy = 0, added = 0, differ = 0;
	struct lb_persist *p;

	assert_int_equal(lb_persist_open(NULL, CLIENTS * 4, 0, &p), 0);
	pthread_barrier_init(&barrier, NULL, THREADS);
	for (uint32_t i = 0; i < THREADS; i++) {
		r[i] = (struct runner){.p = p, .index = i, .got = got[i]};
		assert_int_equal(pthread_create(&r[i].thread, NULL, run, &r[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(r[i].thread, NULL);
		busy += r[i].n.busy;
		added += r[i].n.added;
	}
	pthread_barrier_destroy(&barrier);
	for (uint32_t c = 0; c < CLIENTS; c++)
		for (unsigned i = 1; i < THREADS; i++)
			differ += got[i][c] != got[0][c];
	assert_true(differ <= busy * THREADS); // a thread that was put to sleep within a write
	assert_true(busy < CLIENTS / 10);
	assert_in_range(added, CLIENTS - busy, CLIENTS);
	lb_persist_close(p);
}

// ---- take-over --------------------------------------------------------------------------------

static char path[64];

static void flip(off_t at, const void *bytes, size_t n)
{
	int fd = open(path, O_RDWR);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, n, at), n);
	close(fd);
}

static void the_file_is_taken_over(void **state)
{
	struct lb_persist_counters n = {0};
	struct lb_persist *p, *q;
	uint32_t odd = 7;
	uint64_t key;

	snprintf(path, sizeof(path), "/tmp/lb_persist_test.%d", getpid());
	assert_int_equal(lb_persist_open(path, 1024, 100, &p), 0);
	key = lb_persist_key(p, 1, 2, v4, 24);
	lb_persist_put(p, key, 0, 77, 100, 50, &n);
	lb_persist_put(p, key + 1, 0, 78, 100, 10, &n);
	assert_int_equal(lb_persist_open(path, 1024, 100, &q), -EBUSY);
	lb_persist_close(p);
	// Killed within a write: the set stays claimed.
	for (unsigned i = 0; i < 69; i++)
		flip((off_t)(4096 + 256 * i), &odd, sizeof(odd));
	assert_int_equal(lb_persist_open(path, 1024, 120, &p), 0);
	assert_int_equal(p->taken, 1); // the other one has expired
	assert_int_equal(lb_persist_key(p, 1, 2, v4, 24), key);
	assert_int_equal(lb_persist_find(p, key, 120, 50), 77);
	assert_int_equal(lb_persist_put(p, key, 77, 79, 120, 50, &n), 79);
	assert_int_equal(n.busy, 0);
	lb_persist_close(p);
	// After a reboot the clock starts anew: what would live for years is dropped.
	assert_int_equal(lb_persist_open(path, 1024, 120 - 100000000, &p), 0);
	assert_int_equal(p->taken, 0);
	assert_int_equal(lb_persist_find(p, key, 120, 50), 0);
	lb_persist_put(p, key, 0, 80, 120, 50, &n);
	lb_persist_close(p);
	assert_int_equal(lb_persist_open(path, 2048, 120, &p), 0); // of another size: anew
	assert_int_equal(p->taken, 0);
	lb_persist_close(p);
	flip(0, "broken!!", 8);
	assert_int_equal(lb_persist_open(path, 2048, 120, &p), 0);
	assert_int_equal(p->taken, 0);
	lb_persist_close(p);
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(lb_persist_open(path, 2048, 120, &p), -EINVAL);
	unlink(path);
	assert_int_equal(lb_persist_open("/nowhere/at/all", 2048, 120, &p), -EIO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_is_the_masked_client_in_its_scope),
		cmocka_unit_test(a_client_is_remembered_till_it_expires),
		cmocka_unit_test(the_clock_may_wrap),
		cmocka_unit_test(random_histories_against_a_model),
		cmocka_unit_test(a_full_set_forgets_who_would_expire_next),
		cmocka_unit_test(workers_agree_on_a_clients_server),
		cmocka_unit_test(the_file_is_taken_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
