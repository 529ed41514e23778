// SPDX-License-Identifier: BSD-3-Clause
//
// lb_flows - queries "flows" and "clear": a walk over the tables of all workers, in slices.
//
// Ten million flows are looked at in turns of SLICE_NS with a pause after each, so that the control
// thread stays free for everything else and workers keep their share of the memory. Who asks gets one
// answer: after the walk, or after ANSWER_NS with what there is and with "next", from where another
// query goes on. A job whose asker has gone ends.

#include "apps/lb/show/lb_query.h"
#include "dataplane/core/clock.h"
#include "dataplane/core/loop.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLOWS_MAX 10000 // rows of an answer
#define JOBS_MAX  4
#define SLICE_NS  200000
#define PAUSE_MS  4
#define ANSWER_NS UINT64_C(8000000000)
#define ENTRIES   1024 // looked at between two looks at the clock

enum sort { SORT_NONE, SORT_BYTES, SORT_PACKETS, SORT_AGE, SORT_IDLE };

static const char *const sort_name[] = {[SORT_NONE] = "none",
					[SORT_BYTES] = "bytes",
					[SORT_PACKETS] = "packets",
					[SORT_AGE] = "age",
					[SORT_IDLE] = "idle"};

struct place { // an entry of a worker's table
	unsigned worker;
	uint32_t index;
};

struct row {
	uint64_t key;
	unsigned worker;
	struct lb_flow_info info;
};

struct lb_flow_job {
	struct lb_flow_job *next;
	struct lb_conf *c;
	struct ctl_asker who;
	struct lb_flow_filter filter;
	bool clear, count;
	enum sort sort;
	struct place at, after_rows; // where the walk is; behind the last row (unsorted)
	uint64_t limit, shown, printed, matched, ended;
	uint64_t live;  // all flows, where nothing is filtered: no need to count; else 0
	uint64_t began; // ns
	bool walked;
	int error;
	struct row *row; // sorted: a heap, the least on top; then put out from the end
	struct lb_text text;
	struct lb_clear batch;
};

// ---- rows -------------------------------------------------------------------------------------

static const char *entry_name(const struct lb_entry *e)
{
	if (e == NULL || e->rec == NULL)
		return "";
	return e->type == CTL_REC_SERVER ? ((const struct ctl_server *)(const void *)e->rec)->name
					 : ((const struct ctl_service *)(const void *)e->rec)->name;
}

const char *lb_server_name(const struct lb_conf *c, uint32_t ref)
{
	const struct lb_server *s = lb_server_get(&c->snap->pub, ref);

	return s == NULL ? "" : entry_name(lb_store_find(&c->store, CTL_REC_SERVER, s->id));
}

const char *lb_service_name(const struct lb_conf *c, uint32_t ref)
{
	const struct lb_snapshot *p = &c->snap->pub;
	uint32_t slot = ref & LB_SLOT_MASK;
	const struct lb_service *s = slot / LB_CHUNK < p->service_chunks
					     ? p->service[slot / LB_CHUNK][slot % LB_CHUNK]
					     : NULL;

	return s == NULL || s->ref != ref
		       ? ""
		       : entry_name(lb_store_find(&c->store, CTL_REC_SERVICE, s->id));
}

void lb_put_endpoint(struct lb_text *t, const char *key, uint8_t family, const uint8_t *addr,
		     rte_be16_t port)
{
	char s[INET6_ADDRSTRLEN];

	inet_ntop(family == 4 ? AF_INET : AF_INET6, addr, s, sizeof(s));
	lb_text_format(t, key, family == 4 ? "%s:%u" : "[%s]:%u", s, ntohs(port));
}

static uint64_t ticks_to_ms(uint32_t ticks)
{
	return ((uint64_t)ticks << CLOCK_TICK_SHIFT) / 1000000;
}

void lb_put_flow(const struct lb_conf *c, struct lb_text *t, unsigned worker,
		 const struct lb_flow_info *f)
{
	static const char *const state[FLOW_STATE_COUNT] = {"free", "syn", "established", "closing",
							    "udp"};

	lb_text_open(t, NULL, '{');
	lb_text_string(t, "protocol", f->proto == IPPROTO_TCP ? "tcp" : "udp");
	lb_text_string(t, "state", f->state < FLOW_STATE_COUNT ? state[f->state] : "?");
	lb_put_endpoint(t, "client", f->family, f->client, f->client_port);
	lb_put_endpoint(t, "service", f->family, f->service, f->service_port);
	lb_put_endpoint(t, "local", f->family, f->local, f->local_port);
	lb_put_endpoint(t, "server", f->family, f->server, f->server_port);
	lb_text_string(t, "service-name", lb_service_name(c, f->service_ref));
	lb_text_string(t, "server-name", lb_server_name(c, f->server_ref));
	lb_text_number(t, "context", f->context);
	lb_text_number(t, "worker", worker);
	lb_text_number(t, "idle-ms", ticks_to_ms(f->idle_ticks));
	lb_text_number(t, "age-ms", ticks_to_ms(f->age_ticks));
	lb_text_number(t, "in-packets", f->packets[FLOW_TO_SERVER]);
	lb_text_number(t, "in-octets", f->bytes[FLOW_TO_SERVER]);
	lb_text_number(t, "out-packets", f->packets[FLOW_TO_CLIENT]);
	lb_text_number(t, "out-octets", f->bytes[FLOW_TO_CLIENT]);
	lb_text_close(t, '}');
}

static uint64_t key_of(enum sort sort, const struct lb_flow_info *f)
{
	switch (sort) {
	case SORT_BYTES:
		return f->bytes[0] + f->bytes[1];
	case SORT_PACKETS:
		return f->packets[0] + f->packets[1];
	case SORT_AGE:
		return f->age_ticks;
	case SORT_IDLE:
		return f->idle_ticks;
	default:
		return 0;
	}
}

// Move the row on top of the heap of n rows down to its place.
static void sift_down(struct row *row, uint64_t n)
{
	struct row moved = row[0];
	uint64_t at = 0, child;

	while ((child = 2 * at + 1) < n) {
		if (child + 1 < n && row[child + 1].key < row[child].key)
			child++;
		if (moved.key <= row[child].key)
			break;
		row[at] = row[child];
		at = child;
	}
	row[at] = moved;
}

static void sift_up(struct row *row, uint64_t at)
{
	struct row moved = row[at];

	while (at > 0 && row[(at - 1) / 2].key > moved.key) {
		row[at] = row[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	row[at] = moved;
}

static void keep_greatest(struct lb_flow_job *j, const struct lb_flow_info *f)
{
	struct row r = {.key = key_of(j->sort, f), .worker = j->at.worker, .info = *f};

	if (j->shown < j->limit) {
		j->row[j->shown] = r;
		sift_up(j->row, j->shown++);
	} else if (j->limit > 0 && r.key > j->row[0].key) {
		j->row[0] = r;
		sift_down(j->row, j->limit);
	}
}

// ---- the walk ---------------------------------------------------------------------------------

static bool on_flow(void *ctx, uint32_t index, const struct lb_flow_info *f)
{
	struct lb_flow_job *j = ctx;

	j->matched++;
	if (j->clear) {
		j->batch.index[j->batch.count++] = index;
		return j->batch.count < sizeof(j->batch.index) / sizeof(j->batch.index[0]);
	}
	if (j->sort != SORT_NONE) {
		keep_greatest(j, f);
		return true;
	}
	if (j->shown < j->limit) {
		j->shown++;
		lb_put_flow(j->c, &j->text, j->at.worker, f);
		j->after_rows = (struct place){j->at.worker, index + 1};
	}
	return j->count || j->shown < j->limit;
}

static void end_batch(struct lb_flow_job *j)
{
	struct lb_clear *b = &j->batch;
	int rc;

	if (b->count == 0)
		return;
	b->lw = j->c->worker[j->at.worker];
	b->filter = &j->filter;
	b->pool = j->c->made_pool;
	b->ended = 0;
	rc = worker_call(j->at.worker, lb_clear_flows, b);
	if (rc != 0)
		j->error = rc;
	else
		j->ended += b->ended;
	b->count = 0;
}

// Look at some entries. Returns: false when there are none left, or enough has been found.
static bool walk_some(struct lb_flow_job *j)
{
	const struct lb_conf *c = j->c;
	const struct lb_worker *lw;

	if (j->at.worker >= c->workers)
		return false;
	lw = c->worker[j->at.worker];
	if (lw == NULL || j->at.index >= lb_worker_flow_size(lw)) {
		j->at = (struct place){.worker = j->at.worker + 1};
		return true;
	}
	j->at.index = lb_worker_flow_walk(lw, &j->filter, j->at.index, ENTRIES, on_flow, j);
	if (j->clear)
		end_batch(j);
	return j->error == 0 && (j->clear || j->count || j->shown < j->limit);
}

// Put out sorted rows, greatest first. Returns: false when there are none left.
static bool print_some(struct lb_flow_job *j)
{
	if (j->sort == SORT_NONE || j->printed == j->shown)
		return false;
	lb_put_flow(j->c, &j->text, j->row[j->printed].worker, &j->row[j->printed].info);
	j->printed++;
	return true;
}

static void end_walk(struct lb_flow_job *j)
{
	j->walked = true;
	if (j->sort == SORT_NONE)
		return;
	// The least comes off the top and goes behind the heap: then the greatest stands first.
	for (uint64_t left = j->shown; left > 1; left--) {
		struct row least = j->row[0];

		j->row[0] = j->row[left - 1];
		sift_down(j->row, left - 1);
		j->row[left - 1] = least;
	}
}

// One turn of work. Returns: true when the job is done.
static bool run_slice(struct lb_flow_job *j, uint64_t slice_ns)
{
	uint64_t now = clock_monotonic_ns(), until = now + slice_ns;

	while (!j->walked) {
		bool more = walk_some(j);

		now = clock_monotonic_ns();
		if (!more || now - j->began > ANSWER_NS) // or with what there is
			end_walk(j);
		else if (now > until)
			return false;
	}
	while (print_some(j))
		if (clock_monotonic_ns() > until)
			return false;
	return true;
}

// ---- jobs -------------------------------------------------------------------------------------

static bool at_end(const struct lb_flow_job *j)
{
	return j->at.worker >= j->c->workers;
}

static char *answer_text(struct lb_flow_job *j)
{
	struct place next = j->at;
	bool more = !at_end(j);

	if (j->clear) {
		lb_text_number(&j->text, "ended", j->ended);
	} else {
		lb_text_close(&j->text, ']');
		lb_text_number(&j->text, "total", j->live != 0 ? j->live : j->matched);
		if (j->sort == SORT_NONE && j->limit > 0 && j->shown == j->limit) {
			next = j->after_rows;
			more = !at_end(j) || j->matched > j->shown;
		}
	}
	lb_text_bool(&j->text, "complete", at_end(j) || j->live != 0);
	if (more)
		lb_text_format(&j->text, "next", "%u:%u", next.worker, next.index);
	lb_text_close(&j->text, '}');
	return lb_text_take(&j->text);
}

static void job_free(struct lb_flow_job *j)
{
	free(lb_text_take(&j->text));
	free(j->row);
	free(j);
}

static int job_answer(struct lb_flow_job *j, char **json)
{
	if (j->error == -ETIMEDOUT)
		return lb_query_fail(json, -ETIMEDOUT, "a worker does not come round");
	if (j->error != 0)
		return lb_query_fail(json, j->error, strerror(-j->error));
	*json = answer_text(j);
	return *json == NULL ? -ENOMEM : 0;
}

static void on_timer(struct loop *l, void *arg);

static void arm(struct lb_conf *c)
{
	if (c->flow_timer == 0 && c->flow_jobs != NULL)
		c->flow_timer = loop_add_timer(c->loop, PAUSE_MS, 0, on_timer, c);
	if (c->flow_timer >= 0)
		return;
	c->flow_timer = 0; // no memory for a timer: nobody would go on with them
	lb_flows_stop(c);
}

// Each job in turn has one slice.
static void on_timer(struct loop *l, void *arg)
{
	struct lb_conf *c = arg;
	struct lb_flow_job *j = c->flow_jobs, **last;
	char *json = NULL;
	bool done;
	int rc;

	(void)l;
	c->flow_timer = 0;
	if (j == NULL)
		return;
	c->flow_jobs = j->next;
	j->next = NULL;
	done = !ctl_link_waits(c->link, &j->who);
	if (!done && run_slice(j, SLICE_NS)) {
		rc = job_answer(j, &json);
		ctl_link_answer(c->link, &j->who, rc, json);
		free(json);
		done = true;
	}
	if (done) {
		job_free(j);
	} else {
		for (last = &c->flow_jobs; *last != NULL; last = &(*last)->next)
			;
		*last = j;
	}
	arm(c);
}

void lb_flows_stop(struct lb_conf *c)
{
	while (c->flow_jobs != NULL) {
		struct lb_flow_job *j = c->flow_jobs;

		c->flow_jobs = j->next;
		if (c->link != NULL)
			ctl_link_answer(c->link, &j->who, -EIO, "given up");
		job_free(j);
	}
	if (c->flow_timer > 0)
		loop_del_timer(c->loop, c->flow_timer);
	c->flow_timer = 0;
}

// Begin the job, or do it at once where nobody can be answered later. j is taken over.
static int job_start(struct lb_conf *c, struct lb_flow_job *j, char **json)
{
	struct lb_flow_job **last = &c->flow_jobs;
	unsigned others = 0;
	int rc;

	j->c = c;
	j->began = clock_monotonic_ns();
	lb_text_open(&j->text, NULL, '{');
	if (!j->clear)
		lb_text_open(&j->text, "flows", '[');
	if (!ctl_link_asker(c->link, &j->who)) {
		while (!run_slice(j, ANSWER_NS))
			;
		rc = job_answer(j, json);
		job_free(j);
		return rc;
	}
	for (; *last != NULL; last = &(*last)->next)
		others++;
	if (others >= JOBS_MAX) {
		job_free(j);
		return lb_query_fail(json, -EBUSY,
				     "others look through the flows at the moment: try again");
	}
	*last = j;
	arm(c);
	return -EINPROGRESS;
}

static bool parse_place(const char *s, struct place *p)
{
	int used = 0;

	return sscanf(s, "%u:%u%n", &p->worker, &p->index, &used) == 2 && s[used] == '\0';
}

// A filter, "next" of an answer before. Returns: 0 and *out, or an error with its sentence
static int job_create(struct lb_conf *c, const char *filter, const char *next, unsigned *words,
		      struct lb_flow_job **out, char **json)
{
	struct lb_flow_job *j = calloc(1, sizeof(*j));
	int rc;

	if (j == NULL)
		return -ENOMEM;
	rc = lb_filter_parse(c, filter, &j->filter, words, json);
	if (rc == 0 && next != NULL && !parse_place(next, &j->at))
		rc = lb_query_fail(json, -EINVAL, "next is what an answer before gave as next");
	if (rc != 0)
		job_free(j);
	else
		*out = j;
	return rc;
}

int lb_query_flows(struct lb_conf *c, json_t *args, char **json)
{
	const char *filter = "", *sort = "none", *next = NULL;
	struct lb_flow_job *j;
	json_int_t limit = 100;
	int rc, count = -1;
	unsigned words;

	if (json_unpack_ex(args, NULL, JSON_STRICT, "{s?I, s?s, s?s, s?s, s?b}", "limit", &limit,
			   "filter", &filter, "sort", &sort, "next", &next, "count", &count) != 0)
		return lb_query_fail(json, -EINVAL,
				     "limit is a number, filter, sort and next are texts, count is "
				     "true or false, and there is nothing else");
	if (limit < 0 || limit > FLOWS_MAX)
		return lb_query_fail(json, -EINVAL, "limit is not within 0..10000");
	rc = job_create(c, filter, next, &words, &j, json);
	if (rc != 0)
		return rc;
	while (strcmp(sort, sort_name[j->sort]) != 0) {
		if (j->sort++ == SORT_IDLE) {
			job_free(j);
			return lb_query_fail(json, -EINVAL,
					     "sort is none, bytes, packets, age or idle");
		}
	}
	j->limit = (uint64_t)limit;
	j->count = count >= 0 ? count > 0 : next == NULL;
	if (words == 0 && next == NULL && j->sort == SORT_NONE && count < 0) {
		j->count = false;
		for (unsigned w = 0; w < c->workers; w++)
			j->live += c->worker[w] == NULL ? 0 : lb_worker_flow_count(c->worker[w]);
	}
	if (j->sort != SORT_NONE) {
		j->count = true; // all have to be looked at anyway
		j->row = calloc(j->limit + 1, sizeof(*j->row));
	}
	if (j->sort != SORT_NONE && j->row == NULL) {
		job_free(j);
		return -ENOMEM;
	}
	return job_start(c, j, json);
}

int lb_query_clear(struct lb_conf *c, json_t *args, char **json)
{
	const char *filter = "", *next = NULL;
	struct lb_flow_job *j;
	unsigned words;
	int rc, all = 0;

	struct ctl_asker who;

	if (ctl_link_asker(c->link, &who) && who.role != CTL_ROLE_CONTROL)
		return lb_query_fail(json, -EPERM, "flows are ended for the daemon alone");
	if (json_unpack_ex(args, NULL, JSON_STRICT, "{s?s, s?s, s?b}", "filter", &filter, "next",
			   &next, "all", &all) != 0)
		return lb_query_fail(
			json, -EINVAL,
			"filter and next are texts, all is true or false, and there is "
			"nothing else");
	rc = job_create(c, filter, next, &words, &j, json);
	if (rc != 0)
		return rc;
	if ((words == 0) != (all != 0)) {
		job_free(j);
		return lb_query_fail(json, -EINVAL,
				     all != 0 ? "give a filter or all, not both"
					      : "a filter says which flows; all ends every flow");
	}
	j->clear = true;
	return job_start(c, j, json);
}
