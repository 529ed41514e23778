// SPDX-License-Identifier: BSD-3-Clause
//
// rpc - the socket is non-blocking; each wait is a poll() with the deadline of the whole call.

#include "control/netconf/rpc.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "control/netconf/error.h"

#define READ_BYTES ((size_t)64 << 10)

struct ncd_rpc {
	int fd;
	json_int_t next_id;
	char *in; // an answer as far as it has come
	size_t in_len;
	size_t in_cap;
};

int ncd_rpc_connect(const char *path, struct ncd_rpc **out)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	struct ncd_rpc *r;
	int fd, rc;

	if (strlen(path) >= sizeof(sa.sun_path))
		return -ENAMETOOLONG;
	memcpy(sa.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0) {
		rc = -errno; // EAGAIN: its backlog is full; as good as away
		close(fd);
		return rc;
	}
	r = calloc(1, sizeof(*r));
	if (r == NULL) {
		close(fd);
		return -ENOMEM;
	}
	r->fd = fd;
	*out = r;
	return 0;
}

void ncd_rpc_close(struct ncd_rpc *r)
{
	if (r == NULL)
		return;
	close(r->fd);
	free(r->in);
	free(r);
}

int ncd_rpc_fd(const struct ncd_rpc *r)
{
	return r->fd;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int wait_for(const struct ncd_rpc *r, short events, int64_t deadline, int watch_fd)
{
	// On the client's side only its hang-up counts; what it sends meanwhile waits.
	struct pollfd p[2] = {{.fd = r->fd, .events = events},
			      {.fd = watch_fd, .events = POLLRDHUP}};

	for (;;) {
		int64_t left = deadline - now_ms();
		int n;

		if (left <= 0)
			return -ETIMEDOUT;
		n = poll(p, 2, left > 1000 ? 1000 : (int)left);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0 && p[0].revents != 0)
			return 0;
		if (n > 0 && (p[1].revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0)
			return -EPIPE;
	}
}

static int send_all(const struct ncd_rpc *r, const char *data, size_t len, int64_t deadline,
		    int watch_fd)
{
	while (len > 0) {
		ssize_t n = send(r->fd, data, len, MSG_NOSIGNAL);
		int rc;

		if (n >= 0) {
			data += n;
			len -= (size_t)n;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -ECONNRESET;
		rc = wait_for(r, POLLOUT, deadline, watch_fd);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int send_call(struct ncd_rpc *r, const char *method, json_t *params, int64_t deadline,
		     int watch_fd)
{
	json_t *call =
		json_pack("{s:s, s:I, s:s, s:o}", "jsonrpc", "2.0", "id", ++r->next_id, "method",
			  method, "params", params == NULL ? json_object() : params);
	char *text = call == NULL ? NULL : json_dumps(call, JSON_COMPACT);
	size_t len;
	int rc;

	json_decref(call);
	if (text == NULL)
		return -ENOMEM;
	len = strlen(text);
	if (len + 1 > NCD_RPC_LINE_MAX) {
		free(text);
		return -EMSGSIZE;
	}
	text[len] = '\n'; // over the NUL: the length is known
	rc = send_all(r, text, len + 1, deadline, watch_fd);
	free(text);
	return rc;
}

// Read one line; *line points into r->in and is good until the next call.
static int read_line(struct ncd_rpc *r, int64_t deadline, int watch_fd, size_t *line_len)
{
	for (;;) {
		ssize_t n;
		char *lf;
		int rc;

		if (r->in_cap - r->in_len < READ_BYTES) {
			size_t cap = r->in_cap * 2 + READ_BYTES;
			char *p = realloc(r->in, cap);

			if (p == NULL)
				return -ENOMEM;
			r->in = p;
			r->in_cap = cap;
		}
		n = recv(r->fd, r->in + r->in_len, READ_BYTES, 0);
		if (n == 0)
			return -ECONNRESET;
		if (n < 0) {
			if (errno == EINTR)
				continue;
			if (errno != EAGAIN)
				return -ECONNRESET;
			rc = wait_for(r, POLLIN, deadline, watch_fd);
			if (rc < 0)
				return rc;
			continue;
		}
		lf = memchr(r->in + r->in_len, '\n', (size_t)n);
		r->in_len += (size_t)n;
		if (lf != NULL) {
			*line_len = (size_t)(lf - r->in);
			// Calls are one at a time: nothing may follow the answer.
			return *line_len + 1 == r->in_len ? 0 : -ECONNRESET;
		}
		if (r->in_len > NCD_RPC_LINE_MAX)
			return -ECONNRESET;
	}
}

int ncd_rpc_call(struct ncd_rpc *r, const char *method, json_t *params, int timeout_ms,
		 int watch_fd, json_t **result, json_t *errs)
{
	int64_t deadline = now_ms() + timeout_ms;
	json_t *answer, *error;
	size_t len = 0;
	int rc;

	r->in_len = 0;
	rc = send_call(r, method, params, deadline, watch_fd);
	if (rc == 0)
		rc = read_line(r, deadline, watch_fd, &len);
	if (rc < 0)
		return rc;
	answer = json_loadb(r->in, len, JSON_DECODE_ANY, NULL);
	if (r->in_cap > READ_BYTES * 4) {
		free(r->in);
		r->in = NULL;
		r->in_cap = 0;
	}
	if (!json_is_object(answer) ||
	    json_integer_value(json_object_get(answer, "id")) != r->next_id) {
		json_decref(answer);
		return -ECONNRESET;
	}
	error = json_object_get(answer, "error");
	*result = json_incref(json_object_get(answer, "result"));
	if (json_is_object(error)) {
		ncd_error_from_rpc(errs, error);
		rc = -EREMOTEIO;
	} else if (*result == NULL) {
		rc = -ECONNRESET;
	}
	if (rc != 0) {
		json_decref(*result);
		*result = NULL;
	}
	json_decref(answer);
	return rc;
}
