// SPDX-License-Identifier: BSD-3-Clause
//
// conn - framing and buffers of one connection. The input buffer holds at most one message that is not
// whole yet, so it never grows past CTL_MSG_MAX; messages are consumed in place.

#include "dataplane/ctl/conn.h"

#include "dataplane/core/clock.h"
#include "dataplane/core/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define IN_START       16384
#define READS_PER_TURN 8 // so that one busy peer does not hold up the loop

struct out {
	struct out *next;
	size_t size, sent;
	uint8_t data[];
};

struct ctl_conn {
	struct loop *loop;
	const struct ctl_conn_calls *calls;
	void *arg;
	int fd;
	uint32_t events;
	bool ending; // no more input, close when the output is gone
	uint8_t *in;
	size_t in_size, in_capacity;
	struct out *out, **out_tail;
	size_t waiting;
	uint64_t in_since;  // ms, last progress of a message that is not whole yet; 0: none is
	uint64_t out_since; // ms, last progress of the output while something waits
	uint64_t end_at;
};

static uint64_t now_ms(void)
{
	return clock_monotonic_ns() / 1000000;
}

static void on_event(struct loop *l, int fd, uint32_t events, void *arg);

static void watch(struct ctl_conn *c)
{
	uint32_t events = 0;

	if (!c->ending && c->waiting < CTL_CONN_OUT_PAUSE)
		events |= EPOLLIN;
	if (c->out != NULL || c->ending)
		events |= EPOLLOUT; // with nothing to send it only ends the connection
	if (events == c->events)
		return;
	if (loop_add_fd(c->loop, c->fd, events, on_event, c) == 0)
		c->events = events;
}

int ctl_conn_create(struct loop *l, int fd, const struct ctl_conn_calls *calls, void *arg,
		    struct ctl_conn **out)
{
	struct ctl_conn *c = calloc(1, sizeof(*c));
	int rc;

	if (c == NULL) {
		close(fd);
		return -ENOMEM;
	}
	c->loop = l;
	c->fd = fd;
	c->calls = calls;
	c->arg = arg;
	c->out_tail = &c->out;
	rc = loop_add_fd(l, fd, EPOLLIN, on_event, c);
	if (rc != 0) {
		close(fd);
		free(c);
		return rc;
	}
	c->events = EPOLLIN;
	*out = c;
	return 0;
}

void ctl_conn_destroy(struct ctl_conn *c)
{
	if (c == NULL)
		return;
	loop_del_fd(c->loop, c->fd);
	close(c->fd);
	c->calls->closed(c);
	while (c->out != NULL) {
		struct out *o = c->out;

		c->out = o->next;
		free(o);
	}
	free(c->in);
	free(c);
}

void ctl_conn_finish(struct ctl_conn *c)
{
	if (c->ending)
		return;
	c->ending = true;
	c->end_at = now_ms() + CTL_CONN_LINGER_MS;
	watch(c);
}

size_t ctl_conn_waiting(const struct ctl_conn *c)
{
	return c->waiting;
}

bool ctl_conn_ending(const struct ctl_conn *c)
{
	return c->ending;
}

void *ctl_conn_arg(const struct ctl_conn *c)
{
	return c->arg;
}

bool ctl_conn_check(struct ctl_conn *c, uint64_t now)
{
	if (c->ending ? c->out == NULL || now >= c->end_at
		      : (c->in_since != 0 && c->waiting < CTL_CONN_OUT_PAUSE &&
			 now - c->in_since >= CTL_CONN_STALL_MS) ||
				(c->out != NULL && now - c->out_since >= CTL_CONN_STALL_MS)) {
		ctl_conn_destroy(c);
		return true;
	}
	return false;
}

// ---- output -----------------------------------------------------------------------------------

// Returns 0, or -EPIPE when the peer is gone.
static int flush(struct ctl_conn *c)
{
	while (c->out != NULL) {
		struct out *o = c->out;
		ssize_t n = send(c->fd, o->data + o->sent, o->size - o->sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -EPIPE;
		c->out_since = now_ms();
		c->waiting -= (size_t)n;
		o->sent += (size_t)n;
		if (o->sent < o->size)
			continue;
		c->out = o->next;
		if (c->out == NULL)
			c->out_tail = &c->out;
		free(o);
	}
	return 0;
}

int ctl_conn_send(struct ctl_conn *c, uint16_t type, uint16_t flags, uint32_t seq,
		  const void *part1, size_t size1, const void *part2, size_t size2)
{
	size_t size = size1 + size2;
	size_t len = (sizeof(struct ctl_hdr) + size + 7) & ~(size_t)7;
	struct ctl_hdr h = {.len = (uint32_t)len,
			    .type = type,
			    .flags = flags,
			    .seq = seq,
			    .size = (uint32_t)size};
	struct out *o;

	assert(len <= CTL_MSG_MAX);
	if (c->ending)
		return -EPIPE;
	o = calloc(1, sizeof(*o) + len);
	if (o == NULL)
		return -ENOMEM;
	o->size = len;
	memcpy(o->data, &h, sizeof(h));
	if (size1 > 0)
		memcpy(o->data + sizeof(h), part1, size1);
	if (size2 > 0)
		memcpy(o->data + sizeof(h) + size1, part2, size2);
	if (c->out == NULL)
		c->out_since = now_ms();
	*c->out_tail = o;
	c->out_tail = &o->next;
	c->waiting += len;
	// Sent when the peer can take it: from the event, so that no call of ours frees c under
	// its caller.
	watch(c);
	return 0;
}

// ---- input ------------------------------------------------------------------------------------

// What is wrong with a frame's header, NULL: nothing.
static const char *frame_error(const struct ctl_hdr *h)
{
	if (h->len < sizeof(*h) || h->len > CTL_MSG_MAX)
		return "message length out of range";
	if (h->len % 8 != 0)
		return "message length is no multiple of 8";
	if (h->size > h->len - sizeof(*h) || h->len - sizeof(*h) - h->size >= 8)
		return "payload size does not fit the message length";
	if (h->type < CTL_HELLO || h->type > CTL_EVENT)
		return "unknown message type";
	if (h->flags != 0)
		return "flags that only an answer may have";
	return NULL;
}

static bool padding_zero(const uint8_t *msg, const struct ctl_hdr *h)
{
	for (size_t i = sizeof(*h) + h->size; i < h->len; i++)
		if (msg[i] != 0)
			return false;
	return true;
}

static int malformed(struct ctl_conn *c, uint32_t seq, const char *why)
{
	c->calls->malformed(c, seq, why);
	return -EPROTO;
}

// Handle the whole messages in the buffer, as long as the peer fetches the answers. Returns 0 or what
// ends the connection.
static int consume(struct ctl_conn *c)
{
	size_t at = 0;
	int rc = 0;

	while (rc == 0 && !c->ending && c->waiting < CTL_CONN_OUT_PAUSE &&
	       c->in_size - at >= sizeof(struct ctl_hdr)) {
		const uint8_t *msg = c->in + at;
		struct ctl_hdr h;
		const char *why;

		memcpy(&h, msg, sizeof(h));
		why = frame_error(&h);
		if (why != NULL) {
			rc = malformed(c, h.seq, why);
			break;
		}
		if (c->in_size - at < h.len)
			break;
		if (!padding_zero(msg, &h)) {
			rc = malformed(c, h.seq, "padding is not zero");
			break;
		}
		rc = c->calls->message(c, &h, msg + sizeof(h));
		at += h.len;
	}
	if (at > 0) {
		memmove(c->in, c->in + at, c->in_size - at);
		c->in_size -= at;
	}
	c->in_since = c->in_size > 0 ? now_ms() : 0;
	return rc;
}

// Room for the message whose head is in the buffer.
static int make_room(struct ctl_conn *c)
{
	size_t need = IN_START;
	struct ctl_hdr h;
	uint8_t *in;

	if (c->in_size >= sizeof(h)) {
		memcpy(&h, c->in, sizeof(h));
		if (h.len > need)
			need = h.len; // consume() has checked it
	}
	if (c->in_capacity >= need)
		return 0;
	in = realloc(c->in, need);
	if (in == NULL)
		return -ENOMEM;
	c->in = in;
	c->in_capacity = need;
	return 0;
}

// Returns 0 (go on later), or what ends the connection; -EPIPE: the peer closed.
static int fill(struct ctl_conn *c)
{
	for (unsigned i = 0; i < READS_PER_TURN && !c->ending && c->waiting < CTL_CONN_OUT_PAUSE;
	     i++) {
		ssize_t n;
		int rc = make_room(c);

		if (rc != 0)
			return rc;
		n = recv(c->fd, c->in + c->in_size, c->in_capacity - c->in_size, MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -EPIPE;
		if (n == 0)
			return -EPIPE;
		c->in_size += (size_t)n;
		rc = consume(c);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static void on_event(struct loop *l, int fd, uint32_t events, void *arg)
{
	struct ctl_conn *c = arg;
	int rc;

	(void)l;
	(void)fd;
	rc = c->ending && (events & (EPOLLHUP | EPOLLERR)) ? -EPIPE : flush(c);
	if (rc == 0 && !c->ending)
		rc = consume(c); // what was left when the output stood full
	if (rc == 0 && !c->ending && (events & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP)))
		rc = fill(c);
	if (rc != -EPIPE && flush(c) != 0)
		rc = -EPIPE;
	if (rc == -EPIPE || (rc != 0 && c->out == NULL) || (c->ending && c->out == NULL)) {
		ctl_conn_destroy(c);
		return;
	}
	if (rc != 0)
		ctl_conn_finish(c);
	watch(c);
}
