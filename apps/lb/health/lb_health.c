// SPDX-License-Identifier: BSD-3-Clause
//
// lb_health - verdicts of sluice-checkd: they change what a server may take, at once and without a
// transaction, and are kept while the checker is away and over a restart of this process.
//
// Verdicts that come close together are published together (PUBLISH_MS). They are saved in
// <run>/<instance>.health, whole and at most once in SAVE_MS; a verdict lost to a kill is given again by
// the checker. The file, integers in host order:
//
//	0  8  "SLHEALT2"
//	8  4  entries
//	12 4  CRC32C of all that follows
//	then for each entry: 8 id, 8 since, 8 end of the passive hold, 8 end of the damping (seconds since
//	the epoch, 0: none), 4 latency (us), 1 health, 1 length of reason, 1 agent's flags, 1 level of
//	damping, 2 agent's percent, 6 zero, reason padded to 8

#include "apps/lb/conf/lb_conf.h"
#include "apps/lb/health/lb_watch.h"
#include "dataplane/core/loop.h"

#include <rte_hash_crc.h>
#include <rte_log.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PUBLISH_MS 5
#define SAVE_MS    500
#define FILE_MAX   (256 * 1024 * 1024)

RTE_LOG_REGISTER(lb_health_log, sluice.health, NOTICE)
#define LOG(level, ...) rte_log(RTE_LOG_##level, lb_health_log, "health: " __VA_ARGS__)

struct file_head {
	char magic[8];
	uint32_t count;
	uint32_t crc;
};

struct file_entry {
	uint64_t id;
	uint64_t since;
	uint64_t passive_until;
	uint64_t damped_until;
	uint32_t latency_us;
	uint8_t health;
	uint8_t reason_len;
	uint8_t agent;
	uint8_t level;
	uint16_t agent_percent;
	uint16_t zero[3];
};
static_assert(sizeof(struct file_entry) == 48, "file");

struct lb_health_file {
	uint8_t *bytes;
	size_t size;
	uint32_t count;
	const struct file_entry **by_id; // sorted
};

static const struct ctl_pool *pool_of(const struct lb_conf *c, const struct ctl_server *s)
{
	const struct lb_entry *p = lb_store_find(&c->store, CTL_REC_POOL, s->pool);

	return (const void *)lb_entry_rec(p, false);
}

// ---- verdicts ---------------------------------------------------------------------------------

static void on_save(struct loop *l, void *arg)
{
	struct lb_conf *c = arg;

	(void)l;
	c->health_save_timer = 0;
	lb_health_save(c);
}

static void on_publish(struct loop *l, void *arg)
{
	struct lb_conf *c = arg;

	(void)l;
	c->health_timer = 0;
	if (lb_conf_publish_health(c) != 0)
		c->health_timer = loop_add_timer(c->loop, 1000, 0, on_publish, c);
}

int lb_health_dirty(struct lb_conf *c, struct lb_entry *e)
{
	for (uint32_t i = 0; i < c->dirty_count && i < 64; i++)
		if (c->dirty[i] == e)
			return 0;
	if (c->dirty_count == c->dirty_capacity) {
		uint32_t capacity = c->dirty_capacity == 0 ? 64 : c->dirty_capacity * 2;
		struct lb_entry **v = realloc(c->dirty, capacity * sizeof(struct lb_entry *));

		if (v == NULL)
			return -ENOMEM;
		c->dirty = v;
		c->dirty_capacity = capacity;
	}
	c->dirty[c->dirty_count++] = e;
	return 0;
}

static int set_reason(struct lb_verdict *v, const char *reason)
{
	char *copy = NULL;

	if (reason[0] != '\0') {
		copy = strdup(reason);
		if (copy == NULL)
			return -ENOMEM;
		for (char *p = copy; *p != '\0'; p++)
			if ((unsigned char)*p < 0x20 || *p == 0x7f)
				*p = '?'; // a server's words, perhaps
	}
	free(v->reason);
	v->reason = copy;
	return 0;
}

// What a change may change.
struct look {
	uint8_t health; // all together
	bool raw_down, drains;
	uint16_t weight;
};

static struct look look_at(const struct lb_conf *c, const struct lb_entry *e)
{
	const struct ctl_server *s = (const void *)e->rec;
	const struct ctl_check *k = &pool_of(c, s)->check;

	return (struct look){
		.health = lb_watch_health(&e->verdict, k),
		.raw_down = lb_watch_raw_down(&e->verdict, k),
		.drains = lb_watch_drains(&e->verdict, k),
		.weight = lb_watch_weight(&e->verdict, k, s->weight),
	};
}

static void send_change(struct lb_conf *c, const struct lb_entry *e)
{
	const struct ctl_server *s = (const void *)e->rec;
	const struct ctl_pool *p = pool_of(c, s);
	uint8_t health = lb_watch_health(&e->verdict, &p->check);
	char why[256];

	lb_watch_reason(&e->verdict, &p->check, why, sizeof(why));
	lb_conf_event(c, CTL_EVENT_HEALTH, health == CTL_HEALTH_DOWN ? 4 : 5, e,
		      "server %s/%s is %s%s%s", p->name, s->name, lb_watch_health_name(health),
		      why[0] != '\0' ? ": " : "", why);
}

static void tell_change(struct lb_conf *c, const struct lb_entry *e)
{
	const struct ctl_server *s = (const void *)e->rec;
	const struct ctl_pool *p = pool_of(c, s);
	char why[256];

	lb_watch_reason(&e->verdict, &p->check, why, sizeof(why));
	LOG(NOTICE, "server %s/%s is %s%s%s\n", p->name, s->name,
	    lb_watch_health_name(lb_watch_health(&e->verdict, &p->check)),
	    why[0] != '\0' ? ": " : "", why);
	send_change(c, e);
}

void lb_health_report(struct lb_conf *c)
{
	const struct lb_entry *e;

	LB_STORE_FOREACH(e, &c->store, CTL_REC_SERVER)
	if (e->rec != NULL && pool_of(c, (const void *)e->rec) != NULL &&
	    look_at(c, e).health == CTL_HEALTH_DOWN)
		send_change(c, e);
}

static void save_soon(struct lb_conf *c)
{
	if (c->health_unsaved)
		return;
	c->health_unsaved = true;
	c->health_save_timer = loop_add_timer(c->loop, SAVE_MS, 0, on_save, c);
}

struct lb_watch *lb_health_watch(struct lb_entry *server)
{
	if (server->verdict.watch == NULL)
		server->verdict.watch = calloc(1, sizeof(*server->verdict.watch));
	return server->verdict.watch;
}

// Something about the server has changed from what `was`: damp it, say it, let the workers see it.
// Returns: 0 or -ENOMEM
static int settle(struct lb_conf *c, struct lb_entry *e, const struct look *was)
{
	const struct ctl_check *k = &pool_of(c, (const void *)e->rec)->check;
	struct look is = look_at(c, e);
	struct lb_watch *w;

	if (is.raw_down != was->raw_down && k->damping_changes != 0 &&
	    (w = lb_health_watch(e)) != NULL && lb_damp_change(w, k, lb_health_now_ms()))
		is = look_at(c, e);
	save_soon(c);
	if (is.health != was->health) {
		e->verdict.since = (uint64_t)time(NULL);
		tell_change(c, e);
	}
	if ((is.health == CTL_HEALTH_DOWN) == (was->health == CTL_HEALTH_DOWN) &&
	    is.drains == was->drains && is.weight == was->weight)
		return 0; // unknown counts as up
	if (lb_health_dirty(c, e) != 0)
		return -ENOMEM;
	if (c->health_timer <= 0)
		c->health_timer = loop_add_timer(c->loop, PUBLISH_MS, 0, on_publish, c);
	return 0;
}

int lb_health_verdict(struct lb_conf *c, const struct ctl_verdict *v)
{
	struct lb_entry *e = lb_store_find(&c->store, CTL_REC_SERVER, v->server);
	const char *reason = v->reason;
	struct lb_verdict *known;
	struct look was;

	if (e == NULL || e->rec == NULL ||
	    !lb_watch_any(&pool_of(c, (const void *)e->rec)->check)) {
		c->unknown_verdicts++;
		return -ENOENT;
	}
	known = &e->verdict;
	was = look_at(c, e);
	if (v->health == CTL_HEALTH_UP && (v->agent & (CTL_AGENT_DOWN | CTL_AGENT_MAINT)) == 0)
		reason = "";
	if (set_reason(known, reason) != 0)
		return -ENOMEM;
	known->latency_us = v->latency_us;
	known->health = v->health;
	known->agent = v->agent;
	known->agent_percent = v->agent_percent;
	if (v->good && known->watch != NULL && known->watch->passive_until != 0)
		lb_passive_clear(known->watch);
	return settle(c, e, &was);
}

// ---- passive and damping ----------------------------------------------------------------------

uint64_t lb_health_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000 + 1;
}

// Seconds since the epoch of a moment of that clock.
static uint64_t wall_of(uint64_t ms)
{
	return (uint64_t)time(NULL) + (ms - lb_health_now_ms() + 500) / 1000;
}

uint64_t lb_health_held_until(const struct lb_conf *c, const struct lb_entry *e)
{
	const struct ctl_check *k = &pool_of(c, (const void *)e->rec)->check;
	uint64_t until = 0;

	if (lb_watch_is_passive(&e->verdict, k))
		until = e->verdict.watch->passive_until;
	if (lb_watch_is_damped(&e->verdict, k) && e->verdict.watch->damped_until > until)
		until = e->verdict.watch->damped_until;
	return until == 0 || until <= lb_health_now_ms() ? 0 : wall_of(until);
}

// Does another server of the pool take new flows?
static bool has_another(const struct lb_entry *pool, const struct lb_entry *but)
{
	const struct ctl_pool *p = (const void *)pool->rec;

	for (uint32_t i = 0; i < pool->members; i++) {
		const struct lb_entry *e = pool->member[i];

		if (e != but && lb_server_flags((const void *)e->rec, p, &e->verdict).takes_new)
			return true;
	}
	return false;
}

static void attempts(const struct lb_conf *c, uint32_t ref, uint64_t *answered, uint64_t *failed)
{
	*answered = *failed = 0;
	for (unsigned w = 0; w < c->workers; w++) {
		const struct lb_tcp_counters *n =
			c->worker[w] == NULL
				? NULL
				: lb_worker_server_tcp(c->worker[w], ref & LB_SLOT_MASK);

		if (n == NULL)
			continue;
		*answered += n->answered;
		*failed += n->refused + n->silent;
	}
}

// Clients' connections to one server fail: down, and the checker is asked to look now. Never the last one
// of a pool: what a client sees may be the client's fault.
static void observe(struct lb_conf *c, const struct lb_entry *pool, struct lb_entry *e,
		    uint64_t now_ms)
{
	const struct ctl_check *k = &((const struct ctl_pool *)(const void *)pool->rec)->check;
	struct lb_watch *w = lb_health_watch(e);
	uint64_t answered, failed;
	struct look was;

	if (w == NULL)
		return;
	attempts(c, e->ref, &answered, &failed);
	if (!lb_passive_note(w, k, e->ref, answered, failed) || !has_another(pool, e))
		return;
	was = look_at(c, e);
	lb_passive_mark(w, k, now_ms);
	settle(c, e, &was);
	lb_health_tell(c, e);
}

static void end_holds(struct lb_conf *c, const struct ctl_check *k, struct lb_entry *e,
		      uint64_t now_ms)
{
	struct lb_watch *w = e->verdict.watch;
	struct look was;

	if (w == NULL || (w->passive_until == 0 && w->damped_until == 0))
		return;
	was = look_at(c, e);
	if (w->passive_until != 0 && now_ms >= w->passive_until) {
		lb_passive_clear(w);
		settle(c, e, &was);
		was = look_at(c, e);
	}
	if (lb_damp_tick(w, k, now_ms))
		settle(c, e, &was);
}

static void on_watch(struct loop *l, void *arg)
{
	uint64_t now_ms = lb_health_now_ms();
	struct lb_conf *c = arg;
	struct lb_entry *pool;

	(void)l;
	LB_STORE_FOREACH(pool, &c->store, CTL_REC_POOL)
	{
		const struct ctl_pool *p = (const void *)pool->rec;

		if (p == NULL || (p->check.passive_failures == 0 && p->check.damping_changes == 0))
			continue;
		for (uint32_t i = 0; i < pool->members; i++) {
			if (p->check.passive_failures != 0)
				observe(c, pool, pool->member[i], now_ms);
			end_holds(c, &p->check, pool->member[i], now_ms);
		}
	}
}

int lb_health_start(struct lb_conf *c)
{
	return loop_add_timer(c->loop, LB_WATCH_MS, LB_WATCH_MS, on_watch, c);
}

// ---- targets ----------------------------------------------------------------------------------

// True if the server is to be checked; *t says how.
static bool target_of(const struct lb_conf *c, const struct lb_entry *e, struct ctl_target *t)
{
	const struct ctl_server *s = (const void *)e->rec;
	const struct ctl_pool *p;

	if (s == NULL || s->admin == CTL_ADMIN_DISABLED)
		return false;
	p = pool_of(c, s);
	if (p == NULL || (p->check.kind == CTL_CHECK_NONE && p->check.agent_port == 0))
		return false;
	*t = (struct ctl_target){
		.rec = {.type = CTL_REC_SERVER, .size = sizeof(*t), .id = e->id},
		.addr = s->addr,
		.port = p->check.port != 0 ? rte_cpu_to_be_16(p->check.port) : s->port,
		.check = p->check,
	};
	// A checker takes that for a broken peer; sluiced refuses it before.
	if (t->port == 0 && p->check.kind != CTL_CHECK_ICMP)
		return false;
	memcpy(t->pool, p->name, sizeof(t->pool));
	memcpy(t->name, s->name, sizeof(t->name));
	return true;
}

void lb_health_targets(struct lb_conf *c, void (*emit)(void *ctx, const struct ctl_target *t),
		       void *ctx)
{
	struct ctl_target t;
	struct lb_entry *e;

	LB_STORE_FOREACH(e, &c->store, CTL_REC_SERVER)
	if (target_of(c, e, &t))
		emit(ctx, &t);
}

void lb_health_tell(struct lb_conf *c, struct lb_entry *server)
{
	struct ctl_target t;

	if (target_of(c, server, &t))
		ctl_link_target(c->link, &t);
	else
		ctl_link_target_del(c->link, server->id);
}

// ---- the file ---------------------------------------------------------------------------------

static char *file_path(const struct lb_conf *c, const char *suffix)
{
	char *path;

	return asprintf(&path, "%s/%s.health%s", c->run_dir, c->instance, suffix) < 0 ? NULL : path;
}

static size_t entry_size(const struct file_entry *f)
{
	return sizeof(*f) + ((f->reason_len + 7u) & ~7u);
}

static int by_id(const void *a, const void *b)
{
	const struct file_entry *x = *(const struct file_entry *const *)a;
	const struct file_entry *y = *(const struct file_entry *const *)b;

	return (x->id > y->id) - (x->id < y->id);
}

// Check the bytes and index them. Returns 0, or -EINVAL.
static int index_file(struct lb_health_file *f)
{
	struct file_head h;
	size_t at = sizeof(h);

	if (f->size < sizeof(h))
		return -EINVAL;
	memcpy(&h, f->bytes, sizeof(h));
	if (memcmp(h.magic, "SLHEALT2", 8) != 0 || h.count > f->size / sizeof(struct file_entry) ||
	    h.crc != ~rte_hash_crc(f->bytes + at, (uint32_t)(f->size - at), UINT32_MAX))
		return -EINVAL;
	f->by_id = malloc(((size_t)h.count + 1) * sizeof(struct file_entry *));
	if (f->by_id == NULL)
		return -ENOMEM;
	while (f->count < h.count) {
		const struct file_entry *e = (const void *)(f->bytes + at);

		if (f->size - at < sizeof(*e) || f->size - at < entry_size(e) ||
		    e->health > CTL_HEALTH_DOWN || e->level > LB_DAMP_LEVEL_MAX ||
		    e->agent_percent > CTL_AGENT_PERCENT_MAX)
			return -EINVAL;
		f->by_id[f->count++] = e;
		at += entry_size(e);
	}
	qsort(f->by_id, f->count, sizeof(struct file_entry *), by_id);
	return 0;
}

static int read_file(const char *path, struct lb_health_file *f)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	ssize_t n = -1;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= FILE_MAX) {
		f->bytes = malloc((size_t)st.st_size + 1);
		if (f->bytes != NULL)
			n = read(fd, f->bytes, (size_t)st.st_size);
	}
	close(fd);
	if (n < 0)
		return -EIO;
	f->size = (size_t)n;
	return index_file(f);
}

void lb_health_load(struct lb_conf *c)
{
	char *path = file_path(c, "");
	int rc;

	if (path == NULL)
		return;
	c->old_verdicts = calloc(1, sizeof(*c->old_verdicts));
	rc = c->old_verdicts == NULL ? -ENOMEM : read_file(path, c->old_verdicts);
	if (rc != 0) {
		if (rc != -ENOENT)
			LOG(WARNING, "%s: not usable (%s); all servers count as up until checked\n",
			    path, strerror(-rc));
		lb_health_forget_file(c);
	}
	free(path);
}

void lb_health_forget_file(struct lb_conf *c)
{
	if (c->old_verdicts == NULL)
		return;
	free(c->old_verdicts->by_id);
	free(c->old_verdicts->bytes);
	free(c->old_verdicts);
	c->old_verdicts = NULL;
}

// Moments are those of the wall clock in the file, since that of the machine begins anew with it.
static uint64_t ms_of(uint64_t wall)
{
	uint64_t now = (uint64_t)time(NULL);

	return wall <= now ? 0 : lb_health_now_ms() + (wall - now) * 1000;
}

static void adopt_holds(struct lb_verdict *v, const struct file_entry *f)
{
	uint64_t passive = ms_of(f->passive_until), damped = ms_of(f->damped_until);

	if ((passive == 0 && damped == 0) || v->watch != NULL)
		return;
	v->watch = calloc(1, sizeof(*v->watch));
	if (v->watch == NULL)
		return;
	v->watch->passive_until = passive;
	v->watch->damped_until = damped;
	v->watch->level = f->level;
}

void lb_health_adopt(struct lb_conf *c, struct lb_entry *server)
{
	const struct lb_health_file *f = c->old_verdicts;
	const struct file_entry key = {.id = server->id}, *k = &key;
	const struct file_entry *const *hit;
	char reason[256];

	if (f == NULL)
		return;
	hit = bsearch(&k, f->by_id, f->count, sizeof(struct file_entry *), by_id);
	if (hit == NULL)
		return;
	memcpy(reason, *hit + 1, (*hit)->reason_len);
	reason[(*hit)->reason_len] = '\0';
	server->verdict.health = (*hit)->health;
	server->verdict.since = (*hit)->since;
	server->verdict.latency_us = (*hit)->latency_us;
	server->verdict.agent = (*hit)->agent;
	server->verdict.agent_percent = (*hit)->agent_percent;
	set_reason(&server->verdict, reason);
	adopt_holds(&server->verdict, *hit);
}

static void put_entry(FILE *f, const struct lb_entry *e, uint32_t *crc, bool write)
{
	const char *reason = e->verdict.reason != NULL ? e->verdict.reason : "";
	uint8_t buf[sizeof(struct file_entry) + 256] = {0};
	struct file_entry x = {
		.id = e->id,
		.since = e->verdict.since,
		.latency_us = e->verdict.latency_us,
		.health = e->verdict.health,
		.reason_len = (uint8_t)strnlen(reason, 248),
		.agent = e->verdict.agent,
		.agent_percent = e->verdict.agent_percent,
	};
	const struct lb_watch *w = e->verdict.watch;

	if (w != NULL) {
		x.passive_until = w->passive_until == 0 ? 0 : wall_of(w->passive_until);
		x.damped_until = w->damped_until == 0 ? 0 : wall_of(w->damped_until);
		x.level = w->level;
	}

	memcpy(buf, &x, sizeof(x));
	memcpy(buf + sizeof(x), reason, x.reason_len);
	if (write)
		fwrite(buf, entry_size(&x), 1, f);
	else
		*crc = rte_hash_crc(buf, (uint32_t)entry_size(&x), *crc);
}

static void put_all(const struct lb_conf *c, FILE *f, uint32_t *count, uint32_t *crc, bool write)
{
	struct lb_entry *e;

	LB_STORE_FOREACH(e, &c->store, CTL_REC_SERVER)
	{
		if (e->rec == NULL || (e->verdict.health == CTL_HEALTH_UNKNOWN &&
				       e->verdict.agent == 0 && e->verdict.watch == NULL))
			continue;
		*count += !write;
		put_entry(f, e, crc, write);
	}
}

void lb_health_save(struct lb_conf *c)
{
	struct file_head h = {.magic = "SLHEALT2", .crc = UINT32_MAX};
	char *path = file_path(c, ""), *tmp = file_path(c, ".new");
	bool failed;
	FILE *f = NULL;
	int fd = -1;

	c->health_unsaved = false;
	if (path == NULL || tmp == NULL)
		goto out;
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	f = fd < 0 ? NULL : fdopen(fd, "w");
	if (f == NULL) {
		LOG(WARNING, "%s: %s\n", tmp, strerror(errno));
		if (fd >= 0)
			close(fd);
		goto out;
	}
	put_all(c, NULL, &h.count, &h.crc, false);
	h.crc = ~h.crc;
	fwrite(&h, sizeof(h), 1, f);
	put_all(c, f, &h.count, &h.crc, true);
	failed = ferror(f) != 0;
	failed |= fclose(f) != 0; // closed in any case
	if (failed || rename(tmp, path) != 0) {
		LOG(WARNING, "%s: %s\n", path, strerror(errno));
		unlink(tmp);
	}
out:
	free(path);
	free(tmp);
}
