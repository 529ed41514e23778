// SPDX-License-Identifier: BSD-3-Clause
//
//	waf_bench engine|parser|peer --set DIR [--rounds N] [--rules FILE] [--seed N] [--slowest N]
//	waf_bench values
//	waf_bench lengths
//
// The first three judge each request of a folder once a round, in an order that is new in each round, so
// that neither caches nor branches are warm for it, and print one line of JSON. A request's time is the
// median of its rounds: what else the machine did in one of them does not count. Parsing is in it, reading
// the file is not. `parser` is the HTTP/1 parser alone, the floor of the others.

#include "perf/load/waf_bench.h"

#include "dataplane/inspect/inspect.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define SMALL    8192 // bytes: limits are stated for requests up to this
#define HEAD_MAX (256 << 10)

static uint64_t read_clock(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

uint64_t bench_now_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

uint64_t bench_thread_ns(void)
{
	return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

static void die(const char *what)
{
	fprintf(stderr, "waf_bench: %s: %s\n", what, strerror(errno));
	exit(1);
}

// ---- requests ------------------------------------------------------------------------------------

static struct requests *loading;

static int load_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	const char *dot = strrchr(path, '.');
	struct request *r;
	FILE *f;

	(void)ftw;
	if (type != FTW_F || dot == NULL || st->st_size == 0 || st->st_size > INT32_MAX ||
	    (strcmp(dot, ".black") != 0 && strcmp(dot, ".white") != 0))
		return 0;
	r = realloc(loading->v, (loading->n + 1) * sizeof(*r));
	if (r == NULL)
		die(path);
	loading->v = r;
	r += loading->n++;
	*r = (struct request){.name = strdup(path),
			      .p = malloc((size_t)st->st_size),
			      .len = (uint32_t)st->st_size,
			      .attack = strcmp(dot, ".black") == 0};
	f = fopen(path, "rb");
	if (f == NULL || r->p == NULL || fread(r->p, 1, r->len, f) != r->len)
		die(path);
	fclose(f);
	return 0;
}

size_t requests_load(struct requests *r, const char *folder)
{
	*r = (struct requests){0};
	loading = r;
	if (nftw(folder, load_one, 16, FTW_PHYS) != 0)
		die(folder);
	return r->n;
}

// ---- the engine, the parser ----------------------------------------------------------------------

static struct inspect_policy *policy;
static struct inspect *in;
static uint8_t *head;
static struct http1 http;

static int engine_create(const char *rules)
{
	struct inspect_conf conf = {.level = INSPECT_BALANCED};

	(void)rules;
	head = malloc(HEAD_MAX);
	if (head == NULL || inspect_policy_create(&conf, &policy) != 0 ||
	    inspect_create(NULL, &in) != 0)
		return -ENOMEM;
	return 0;
}

static void engine_destroy(void)
{
	inspect_destroy(in);
	inspect_policy_destroy(policy);
	free(head);
}

static bool engine_judge(const struct request *r)
{
	const uint8_t *p = r->p, *end = p + r->len;
	bool begun = false, enough = false;
	struct inspect_verdict v;
	struct http_bytes b;
	enum http1_event e;

	http1_init(&http, head, HEAD_MAX);
	while (!enough && ((e = http1_next(&http, &p, end, &b)) == HTTP1_HEAD || e == HTTP1_BODY)) {
		enough = e == HTTP1_HEAD ? inspect_begin(in, policy, &http.head)
					 : inspect_body(in, b.p, b.len);
		begun = true;
	}
	if (!begun)
		inspect_begin(in, policy, &http.head);
	inspect_end(in, &v);
	return v.block;
}

static bool parser_judge(const struct request *r)
{
	const uint8_t *p = r->p, *end = p + r->len;
	struct http_bytes b;
	enum http1_event e;

	http1_init(&http, head, HEAD_MAX);
	do
		e = http1_next(&http, &p, end, &b);
	while (e == HTTP1_HEAD || e == HTTP1_BODY);
	return e == HTTP1_BAD;
}

const struct judge judge_engine = {"engine", engine_create, engine_judge, engine_destroy};
const struct judge judge_parser = {"parser", engine_create, parser_judge, engine_destroy};

// ---- rounds --------------------------------------------------------------------------------------

static uint64_t seed = 1;

static uint64_t next_random(void) // xorshift64*
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return seed * UINT64_C(2685821657736338717);
}

static void shuffle(uint32_t *order, size_t n)
{
	for (size_t i = n - 1; i > 0; i--) {
		size_t k = next_random() % (i + 1);
		uint32_t t = order[i];

		order[i] = order[k];
		order[k] = t;
	}
}

// What reading the clock twice takes.
static uint64_t clock_cost(void)
{
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < 1000; i++) {
		uint64_t t = bench_now_ns(), d = bench_now_ns() - t;

		least = d < least ? d : least;
	}
	return least;
}

static void run_rounds(const struct judge *j, struct requests *set, unsigned rounds)
{
	uint32_t *order = malloc(set->n * sizeof(*order));
	uint64_t cost = clock_cost();

	if (order == NULL)
		die("order");
	for (size_t i = 0; i < set->n; i++) {
		order[i] = (uint32_t)i;
		set->v[i].ns = calloc(rounds, sizeof(uint64_t));
		if (set->v[i].ns == NULL)
			die("times");
	}
	for (unsigned k = 0; k < rounds; k++) {
		shuffle(order, set->n);
		for (size_t i = 0; i < set->n; i++) {
			struct request *r = &set->v[order[i]];
			uint64_t start = bench_now_ns(), ns;

			r->refused = j->judge(r);
			ns = bench_now_ns() - start;
			r->ns[k] = ns > cost ? ns - cost : 0;
		}
	}
	free(order);
}

// ---- figures -------------------------------------------------------------------------------------

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static uint64_t median(uint64_t *v, unsigned n)
{
	qsort(v, n, sizeof(*v), by_value);
	return v[n / 2];
}

struct sum {
	size_t n, refused;
	double ns, bytes;
	uint64_t *all;
};

static void add(struct sum *s, const struct request *r, uint64_t ns)
{
	s->all[s->n++] = ns;
	s->refused += r->refused;
	s->ns += (double)ns;
	s->bytes += r->len;
}

static void tell(const char *name, struct sum *s, const char *end)
{
	uint64_t p50 = 0, p99 = 0, max = 0;

	if (s->n > 0) {
		qsort(s->all, s->n, sizeof(*s->all), by_value);
		p50 = s->all[s->n / 2];
		p99 = s->all[(s->n * 99 + 99) / 100 - 1];
		max = s->all[s->n - 1];
	}
	printf("\"%s\":{\"requests\":%zu,\"refused\":%zu,\"bytes\":%.0f,\"mean_ns\":%.1f,\"p50_ns\":%lu,"
	       "\"p99_ns\":%lu,\"max_ns\":%lu,\"ns_per_byte\":%.3f}%s",
	       name, s->n, s->refused, s->bytes, s->n > 0 ? s->ns / (double)s->n : 0, p50, p99, max,
	       s->bytes > 0 ? s->ns / s->bytes : 0, end);
}

static void figures(const struct judge *j, struct requests *set, unsigned rounds)
{
	struct sum small = {0}, large = {0}, attack = {0};

	small.all = malloc(set->n * sizeof(uint64_t));
	large.all = malloc(set->n * sizeof(uint64_t));
	attack.all = malloc(set->n * sizeof(uint64_t));
	for (size_t i = 0; i < set->n; i++) {
		struct request *r = &set->v[i];

		add(r->attack         ? &attack
		    : r->len <= SMALL ? &small
				      : &large,
		    r, median(r->ns, rounds));
	}
	printf("{\"judge\":\"%s\",\"rounds\":%u,", j->name, rounds);
	tell("benign", &small, ",");
	tell("benign_large", &large, ",");
	tell("attack", &attack, "}\n");
	free(small.all);
	free(large.all);
	free(attack.all);
}

static const struct requests *sorted;

static int by_time(const void *a, const void *b)
{
	uint64_t x = sorted->v[*(const uint32_t *)a].ns[0],
		 y = sorted->v[*(const uint32_t *)b].ns[0];

	return (x < y) - (x > y);
}

// After figures(), so that the median of each is known.
static void tell_slowest(struct requests *set, unsigned rounds, size_t count)
{
	uint32_t *order = malloc(set->n * sizeof(*order));

	if (order == NULL)
		die("order");
	for (size_t i = 0; i < set->n; i++) {
		order[i] = (uint32_t)i;
		set->v[i].ns[0] = median(set->v[i].ns, rounds);
	}
	sorted = set;
	qsort(order, set->n, sizeof(*order), by_time);
	for (size_t i = 0; i < count && i < set->n; i++)
		fprintf(stderr, "%8lu ns %7u bytes %s\n", set->v[order[i]].ns[0],
			set->v[order[i]].len, set->v[order[i]].name);
	free(order);
}

static int usage(void)
{
	fprintf(stderr,
		"usage: waf_bench engine|parser|peer --set DIR [--rounds N] [--rules FILE] [--seed N] "
		"[--slowest N]\n"
		"       waf_bench values|lengths\n");
	return 2;
}

int main(int argc, char **argv)
{
	static const struct judge *const judges[] = {&judge_engine, &judge_parser, &judge_peer};
	const char *folder = NULL, *rules = NULL;
	const struct judge *j = NULL;
	struct requests set;
	unsigned rounds = 5, slowest = 0;

	if (argc < 2)
		return usage();
	if (strcmp(argv[1], "values") == 0)
		return bench_values();
	if (strcmp(argv[1], "lengths") == 0)
		return bench_lengths();
	for (size_t i = 0; i < sizeof(judges) / sizeof(judges[0]); i++)
		if (strcmp(argv[1], judges[i]->name) == 0)
			j = judges[i];
	for (int i = 2; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--set") == 0)
			folder = argv[i + 1];
		else if (strcmp(argv[i], "--rounds") == 0)
			rounds = (unsigned)strtoul(argv[i + 1], NULL, 10);
		else if (strcmp(argv[i], "--slowest") == 0)
			slowest = (unsigned)strtoul(argv[i + 1], NULL, 10);
		else if (strcmp(argv[i], "--rules") == 0)
			rules = argv[i + 1];
		else if (strcmp(argv[i], "--seed") == 0)
			seed = strtoul(argv[i + 1], NULL, 10) | 1;
		else
			return usage();
	}
	if (j == NULL || folder == NULL || rounds == 0 || rounds > 1000)
		return usage();
	if (requests_load(&set, folder) == 0) {
		fprintf(stderr, "waf_bench: %s: no requests\n", folder);
		return 1;
	}
	if (j->create(rules) != 0) {
		fprintf(stderr, "waf_bench: %s cannot be made\n", j->name);
		return 3;
	}
	run_rounds(j, &set, rounds);
	figures(j, &set, rounds);
	tell_slowest(&set, rounds, slowest);
	j->destroy();
	return 0;
}
