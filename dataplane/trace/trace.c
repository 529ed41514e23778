// SPDX-License-Identifier: BSD-3-Clause
//
// A capture and a trace are two sessions of the same kind: a filter, and for each worker a table of
// records that are open (their packet is still on its way) and a ring of finished ones. A session is
// behind a struct publish, so that a worker sees it whole or not at all and its memory outlives it.
//
// A record is opened by TRACE_RX if the filter takes the frame, found again by the packet's address,
// and finished by trace_end(). A packet that is never ended (it cannot be, by the rules of out/) would be
// finished when its buffer comes in again.

#include "dataplane/trace/trace.h"

#include "dataplane/core/loop.h"
#include "dataplane/core/publish.h"
#include "dataplane/trace/pcapng.h"
#include "dataplane/trace/record.h"

#include <pcap/pcap.h>
#include <rte_log.h>
#include <rte_mbuf.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define OPEN_SLOTS   1024 // per worker: held packets stay open for a second
#define OPEN_PROBES  16
#define RING         1024
#define DRAIN_MS     10
#define FORGOTTEN_MS 60000
#define SNAP_FILTER  65535

RTE_LOG_REGISTER_DEFAULT(trace_logtype, NOTICE);
#define LOG(level, ...) rte_log(RTE_LOG_##level, (uint32_t)trace_logtype, "trace: " __VA_ARGS__)

enum session_kind { SESSION_CAPTURE = 0, SESSION_TRACE = 1, SESSION_KINDS };

struct side {                                 // of one worker
	struct trace_record open[OPEN_SLOTS]; // .mbuf NULL: free
	uint32_t opened;                      // in use
	_Atomic uint32_t put, taken;
	_Atomic uint64_t lost;
	struct trace_record ring[RING];
};

struct session {
	struct bpf_program filter;
	bool all; // no filter
	unsigned sides;
	struct side *side[];
};

_Atomic uint32_t trace_on;

static struct publish sessions[SESSION_KINDS];

static struct {
	struct loop *loop;
	char dir[256];
	const char *(*port_name)(uint16_t port);
	int timer;
	uint64_t lost;
	struct {
		struct pcapng *file;
		uint64_t limit, packets, bytes;
	} capture;
	struct {
		unsigned limit, packets, waiting;
		uint64_t idle_ms;
		char *json[TRACE_PACKETS_MAX];
	} trace;
} t;

// ---- the worker's side ----------------------------------------------------------------------------

static uint64_t wall_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static unsigned slot_of(const void *mbuf)
{
	return (unsigned)(((uintptr_t)mbuf >> 6) * UINT64_C(0x9e3779b97f4a7c15) >> 40) % OPEN_SLOTS;
}

static struct trace_record *find(struct side *s, const void *mbuf)
{
	unsigned at = slot_of(mbuf);

	for (unsigned i = 0; i < OPEN_PROBES; i++) {
		struct trace_record *r = &s->open[(at + i) % OPEN_SLOTS];

		if (r->mbuf == mbuf)
			return r;
	}
	return NULL;
}

static void finish(struct side *s, struct trace_record *r)
{
	uint32_t put = atomic_load_explicit(&s->put, memory_order_relaxed);

	if (put - atomic_load_explicit(&s->taken, memory_order_acquire) == RING) {
		atomic_fetch_add_explicit(&s->lost, 1, memory_order_relaxed);
	} else {
		s->ring[put % RING] = *r;
		atomic_store_explicit(&s->put, put + 1, memory_order_release);
	}
	r->mbuf = NULL;
	s->opened--;
}

static bool matches(const struct session *s, const struct rte_mbuf *m)
{
	struct pcap_pkthdr h = {.caplen = rte_pktmbuf_data_len(m), .len = rte_pktmbuf_pkt_len(m)};

	return s->all ||
	       pcap_offline_filter(&s->filter, &h, rte_pktmbuf_mtod(m, const uint8_t *)) != 0;
}

static uint16_t copy_frame(const struct rte_mbuf *m, uint8_t *to)
{
	uint16_t n = rte_pktmbuf_data_len(m);

	if (n > TRACE_SNAP)
		n = TRACE_SNAP;
	memcpy(to, rte_pktmbuf_mtod(m, const uint8_t *), n);
	return n;
}

static void open_record(struct session *s, struct side *side, const struct worker *w,
			const struct rte_mbuf *m)
{
	struct trace_record *r = find(side, m);
	unsigned at = slot_of(m);

	if (r != NULL) // its buffer is back, so that packet is gone
		finish(side, r);
	if (!matches(s, m))
		return;
	r = NULL;
	for (unsigned i = 0; i < OPEN_PROBES && r == NULL; i++)
		if (side->open[(at + i) % OPEN_SLOTS].mbuf == NULL)
			r = &side->open[(at + i) % OPEN_SLOTS];
	if (r == NULL) {
		atomic_fetch_add_explicit(&side->lost, 1, memory_order_relaxed);
		return;
	}
	memset(r, 0, offsetof(struct trace_record, frame));
	r->mbuf = m;
	r->time_ns = wall_ns();
	r->length = rte_pktmbuf_pkt_len(m);
	r->captured = copy_frame(m, r->frame);
	r->port = m->port;
	r->worker = (uint8_t)w->index;
	side->opened++;
}

static void add_stage(struct trace_record *r, enum trace_stage stage, uint32_t detail)
{
	unsigned last = r->stages - 1u;

	if (r->stages != 0 && r->stage[last] == stage) { // said twice, by the app and by out/
		if (detail != 0)
			r->detail[last] = detail;
		return;
	}
	if (r->stages == RECORD_STAGES) // the last one stays the verdict
		r->stages--;
	r->stage[r->stages] = (uint8_t)stage;
	r->detail[r->stages++] = detail;
}

static struct side *side_of(struct session *s, const struct worker *w)
{
	return s != NULL && w->index < s->sides ? s->side[w->index] : NULL;
}

static void note(struct worker *w, const struct rte_mbuf *m, enum trace_stage stage,
		 uint32_t detail, bool end)
{
	for (unsigned k = 0; k < SESSION_KINDS; k++) {
		struct session *s = publish_get(&sessions[k]);
		struct side *side = side_of(s, w);
		struct trace_record *r;

		if (side == NULL)
			continue;
		if (stage == TRACE_RX)
			open_record(s, side, w, m);
		if (side->opened == 0)
			continue;
		r = find(side, m);
		if (r == NULL)
			continue;
		add_stage(r, stage, detail);
		if (end)
			finish(side, r);
	}
}

void trace_note(struct worker *w, const struct rte_mbuf *m, enum trace_stage stage, uint32_t detail)
{
	note(w, m, stage, detail, stage == TRACE_HAND_OVER);
}

void trace_end(struct worker *w, const struct rte_mbuf *m, enum trace_stage stage, uint32_t detail)
{
	note(w, m, stage, detail, true);
}

void trace_out(struct worker *w, const struct rte_mbuf *m, uint16_t port)
{
	for (unsigned k = 0; k < SESSION_KINDS; k++) {
		struct side *side = side_of(publish_get(&sessions[k]), w);
		struct trace_record *r = side != NULL && side->opened != 0 ? find(side, m) : NULL;

		if (r == NULL)
			continue;
		r->out_time_ns = wall_ns();
		r->out_port = port;
		r->out_length = rte_pktmbuf_pkt_len(m);
		r->out_captured = copy_frame(m, r->out_frame);
	}
}

// ---- sessions -------------------------------------------------------------------------------------

static void session_destroy(void *object)
{
	struct session *s = object;

	if (!s->all)
		pcap_freecode(&s->filter);
	for (unsigned i = 0; i < s->sides; i++)
		free(s->side[i]);
	free(s);
}

static void say(char *err, unsigned size, const char *what, const char *why)
{
	if (err != NULL && size != 0)
		snprintf(err, size, "%s: %s", what, why);
}

static int session_create(const char *filter, char *err, unsigned err_size, struct session **out)
{
	unsigned sides = worker_count() != 0 ? worker_count() : 1;
	struct session *s = calloc(1, sizeof(*s) + sides * sizeof(s->side[0]));
	pcap_t *dead;
	int rc = 0;

	if (s == NULL)
		goto err_memory;
	s->all = filter == NULL || filter[0] == '\0';
	if (!s->all) {
		dead = pcap_open_dead(DLT_EN10MB, SNAP_FILTER);
		if (dead == NULL) {
			s->all = true;
			goto err_memory;
		}
		rc = pcap_compile(dead, &s->filter, filter, 1, PCAP_NETMASK_UNKNOWN);
		if (rc != 0) {
			say(err, err_size, "filter", pcap_geterr(dead));
			pcap_close(dead);
			free(s);
			return -EINVAL;
		}
		pcap_close(dead);
	}
	for (; s->sides < sides; s->sides++) {
		s->side[s->sides] = calloc(1, sizeof(struct side));
		if (s->side[s->sides] == NULL)
			goto err_memory;
	}
	*out = s;
	return 0;
err_memory:
	say(err, err_size, "memory", "not enough for the rings");
	if (s != NULL)
		session_destroy(s);
	return -ENOMEM;
}

static void end_session(enum session_kind k)
{
	atomic_fetch_and(&trace_on, ~(UINT32_C(1) << k));
	publish_swap(&sessions[k], NULL, session_destroy);
	publish_reclaim();
}

static const char *port_name(uint16_t port, char *text, unsigned size)
{
	const char *name = t.port_name != NULL ? t.port_name(port) : NULL;

	if (name != NULL)
		snprintf(text, size, "%s", name);
	else
		snprintf(text, size, "port%u", port);
	return text;
}

static int write_record(const struct trace_record *r)
{
	char comment[600], name[80];
	int i, rc;

	record_comment(r, comment, sizeof(comment));
	i = pcapng_interface(t.capture.file, (uint8_t)r->port,
			     port_name(r->port, name, sizeof(name)), TRACE_SNAP);
	if (i < 0)
		return i;
	rc = pcapng_packet(t.capture.file, i, r->time_ns, r->frame, r->captured, r->length, false,
			   comment);
	if (rc != 0 || r->out_captured == 0)
		return rc;
	i = pcapng_interface(t.capture.file, (uint8_t)r->out_port,
			     port_name(r->out_port, name, sizeof(name)), TRACE_SNAP);
	if (i < 0)
		return i;
	return pcapng_packet(t.capture.file, i, r->out_time_ns, r->out_frame, r->out_captured,
			     r->out_length, true, comment);
}

static void capture_end(const char *why)
{
	if (t.capture.file == NULL)
		return;
	end_session(SESSION_CAPTURE);
	if (pcapng_close(t.capture.file) != 0)
		LOG(ERR, "capture: the file could not be written whole\n");
	t.capture.file = NULL;
	LOG(NOTICE, "capture ended after %" PRIu64 " packets: %s\n", t.capture.packets, why);
}

static bool take_capture(const struct trace_record *r)
{
	if (write_record(r) != 0) {
		capture_end(strerror(errno != 0 ? errno : EIO));
		return false;
	}
	t.capture.packets++;
	t.capture.bytes = pcapng_bytes(t.capture.file);
	if (t.capture.packets < t.capture.limit && t.capture.bytes < TRACE_CAPTURE_BYTES)
		return true;
	capture_end("limit reached");
	return false;
}

static void trace_session_end(void)
{
	end_session(SESSION_TRACE);
}

static bool take_trace(const struct trace_record *r)
{
	char in[80], out[80], *json;

	json = record_json(r, port_name(r->port, in, sizeof(in)),
			   port_name(r->out_port, out, sizeof(out)));
	if (json != NULL)
		t.trace.json[t.trace.waiting++] = json;
	if (++t.trace.packets < t.trace.limit)
		return true;
	trace_session_end();
	return false;
}

static void drain(enum session_kind k)
{
	struct session *s = publish_get(&sessions[k]);

	// The session may end in here; its memory stays until workers are quiescent and this thread
	// reclaims, so nothing of it is touched once take() has said no.
	for (unsigned i = 0; s != NULL && i < s->sides; i++) {
		struct side *side = s->side[i];
		uint32_t taken = atomic_load_explicit(&side->taken, memory_order_relaxed);

		t.lost += atomic_exchange_explicit(&side->lost, 0, memory_order_relaxed);
		while (taken != atomic_load_explicit(&side->put, memory_order_acquire)) {
			struct trace_record r = side->ring[taken++ % RING];

			atomic_store_explicit(&side->taken, taken, memory_order_release);
			if (!(k == SESSION_CAPTURE ? take_capture(&r) : take_trace(&r)))
				return;
		}
	}
}

static void on_drain(struct loop *l, void *arg)
{
	if (trace_capture_runs()) {
		drain(SESSION_CAPTURE);
		if (t.capture.file != NULL && pcapng_flush(t.capture.file) != 0)
			capture_end(strerror(errno));
	}
	if (trace_packets_runs()) {
		drain(SESSION_TRACE);
		t.trace.idle_ms += DRAIN_MS;
		if (t.trace.idle_ms > FORGOTTEN_MS && trace_packets_runs())
			trace_session_end();
	}
	if (!trace_capture_runs() && !trace_packets_runs() && t.timer > 0) {
		loop_del_timer(l, t.timer);
		t.timer = 0;
	}
}

static void begin_session(enum session_kind k, struct session *s)
{
	publish_swap(&sessions[k], s, session_destroy);
	atomic_fetch_or(&trace_on, UINT32_C(1) << k);
	if (t.loop != NULL && t.timer <= 0)
		t.timer = loop_add_timer(t.loop, DRAIN_MS, DRAIN_MS, on_drain, NULL);
}

// ---- for the app ----------------------------------------------------------------------------------

int trace_init(struct loop *l)
{
	t.loop = l;
	return 0;
}

void trace_fini(void)
{
	capture_end("stopped");
	if (trace_packets_runs())
		trace_session_end();
	while (t.trace.waiting != 0)
		free(t.trace.json[--t.trace.waiting]);
	if (t.timer > 0)
		loop_del_timer(t.loop, t.timer);
	memset(&t, 0, sizeof(t));
}

void trace_directory(const char *dir)
{
	snprintf(t.dir, sizeof(t.dir), "%s", dir);
}

void trace_port_names(const char *(*name)(uint16_t port))
{
	t.port_name = name;
}

// The plain name in `file`, or NULL.
static const char *plain_name(const char *file)
{
	size_t n = strnlen(t.dir, sizeof(t.dir));

	if (file[0] == '/') {
		if (strncmp(file, t.dir, n) != 0 || file[n] != '/')
			return NULL;
		file += n + 1;
	}
	if (file[0] == '\0' || file[0] == '.' || strnlen(file, 201) > 200)
		return NULL;
	for (const char *c = file; *c != '\0'; c++)
		if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-",
			   *c) == NULL)
			return NULL;
	return file;
}

// A new file in the capture directory. Neither it nor the directory is followed if it is a link.
static int file_open(const char *name, char *err, unsigned err_size)
{
	int dir, fd, rc;

	if (mkdir(t.dir, 0750) != 0 && errno != EEXIST) {
		say(err, err_size, t.dir, strerror(errno));
		return -EIO;
	}
	dir = open(t.dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0) {
		say(err, err_size, t.dir, strerror(errno));
		return -EIO;
	}
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
	rc = errno;
	close(dir);
	if (fd >= 0)
		return fd;
	say(err, err_size, name, strerror(rc));
	return rc == EEXIST || rc == ELOOP ? -EEXIST : -EIO;
}

int trace_capture_start(const char *file, const char *filter, uint64_t limit, char *err,
			unsigned err_size)
{
	const char *name;
	struct session *s;
	int fd, rc;

	if (t.capture.file != NULL) {
		say(err, err_size, "capture", "one runs already");
		return -EBUSY;
	}
	if (t.dir[0] == '\0') {
		say(err, err_size, "capture", "no capture directory");
		return -EINVAL;
	}
	name = plain_name(file);
	if (name == NULL) {
		say(err, err_size, "file name must be a plain name in", t.dir);
		return -EINVAL;
	}
	rc = session_create(filter, err, err_size, &s);
	if (rc != 0)
		return rc;
	fd = file_open(name, err, err_size);
	rc = fd < 0 ? fd : pcapng_create(fd, &t.capture.file);
	if (rc != 0) {
		if (fd >= 0)
			say(err, err_size, name, strerror(-rc));
		session_destroy(s);
		return rc;
	}
	t.capture.limit = limit == 0 || limit > TRACE_CAPTURE_MAX ? TRACE_CAPTURE_MAX : limit;
	t.capture.packets = t.capture.bytes = 0;
	begin_session(SESSION_CAPTURE, s);
	return 0;
}

uint64_t trace_capture_stop(void)
{
	if (t.capture.file != NULL)
		drain(SESSION_CAPTURE);
	capture_end("stopped");
	return t.capture.packets;
}

bool trace_capture_runs(void)
{
	return t.capture.file != NULL;
}

uint64_t trace_lost(void)
{
	return t.lost;
}

int trace_packets_start(const char *filter, unsigned limit, char *err, unsigned err_size)
{
	struct session *s;
	int rc;

	if (limit == 0 || limit > TRACE_PACKETS_MAX) {
		if (err != NULL)
			snprintf(err, err_size, "limit: 1 to %u packets", TRACE_PACKETS_MAX);
		return -EINVAL;
	}
	rc = session_create(filter, err, err_size, &s);
	if (rc != 0)
		return rc;
	while (t.trace.waiting != 0)
		free(t.trace.json[--t.trace.waiting]);
	t.trace.limit = limit;
	t.trace.packets = 0;
	t.trace.idle_ms = 0;
	begin_session(SESSION_TRACE, s);
	return 0;
}

bool trace_packets_runs(void)
{
	return publish_get(&sessions[SESSION_TRACE]) != NULL;
}

char *trace_packets_take(void)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f;

	if (trace_packets_runs())
		drain(SESSION_TRACE);
	t.trace.idle_ms = 0;
	f = open_memstream(&text, &size);
	if (f == NULL)
		return NULL;
	fputc('[', f);
	for (unsigned i = 0; i < t.trace.waiting; i++) {
		fprintf(f, "%s%s", i == 0 ? "" : ",", t.trace.json[i]);
		free(t.trace.json[i]);
	}
	t.trace.waiting = 0;
	fputc(']', f);
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
