// SPDX-License-Identifier: BSD-3-Clause
//
// rpc_client - the session with sluiced: one JSON text a line each way, answers in order.

#include "control/cli/cli.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES (64 * 1024 * 1024)

struct cli_rpc {
	int fd;
	unsigned id;
	char *buf; // bytes read and not used yet
	size_t len, size;
};

static const char *socket_path(const struct cli *c, struct sockaddr_un *addr)
{
	int n = snprintf(addr->sun_path, sizeof(addr->sun_path), "%s/sluiced.sock", c->run_dir);

	addr->sun_family = AF_UNIX;
	return n > 0 && (size_t)n < sizeof(addr->sun_path) ? addr->sun_path : NULL;
}

static int unreachable(struct cli *c, const char *path, int err)
{
	const char *remedy = "";

	if (err == ENOENT || err == ECONNREFUSED)
		remedy = "; is sluiced running, and is --base right? ('sluicectl doctor' looks)";
	else if (err == EACCES)
		remedy = "; only root and members of the socket's group may";
	return cli_fail(c, CLI_UNREACHABLE, "cannot reach sluiced at %s: %s%s", path, strerror(err),
			remedy);
}

static int dial(struct cli *c, bool quiet)
{
	struct sockaddr_un addr = {0};
	const char *path = socket_path(c, &addr);
	int fd, err;

	if (path == NULL)
		return cli_fail(c, CLI_USAGE, "--base is too long for a socket");
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0) {
		err = errno;
		if (fd >= 0)
			close(fd);
		return quiet ? CLI_UNREACHABLE : unreachable(c, path, err);
	}
	c->rpc = calloc(1, sizeof(*c->rpc));
	if (c->rpc == NULL) {
		close(fd);
		return cli_fail(c, CLI_FAILED, "out of memory");
	}
	c->rpc->fd = fd;
	return CLI_OK;
}

void cli_hang_up(struct cli *c)
{
	if (c->rpc == NULL)
		return;
	close(c->rpc->fd);
	free(c->rpc->buf);
	free(c->rpc);
	c->rpc = NULL;
}

static int lost(struct cli *c, const char *why)
{
	cli_hang_up(c);
	return cli_fail(c, CLI_UNREACHABLE, "%s; whether the request was done is not known%s", why,
			c->session ? " (locks of this session are gone)" : "");
}

static int send_all(int fd, const char *text, size_t size)
{
	while (size > 0) {
		ssize_t n = send(fd, text, size, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		size -= (size_t)n;
	}
	return 0;
}

static long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

// One line, without its end, into *line (borrowed until the next read). 0 or -errno.
static int read_line(struct cli_rpc *r, unsigned timeout_s, char **line)
{
	long long end = now_ms() + timeout_s * 1000LL;
	size_t seen = 0;

	for (;;) {
		char *nl = r->len > seen ? memchr(r->buf + seen, '\n', r->len - seen) : NULL;
		struct pollfd p = {.fd = r->fd, .events = POLLIN};
		long long left = end - now_ms();
		ssize_t n;

		if (nl != NULL) {
			*nl = '\0';
			*line = r->buf;
			return (int)(nl + 1 - r->buf); // bytes used
		}
		seen = r->len;
		if (r->len + 65536 > r->size) {
			size_t size = r->size == 0 ? 131072 : r->size * 2;
			char *buf = r->len >= LINE_MAX_BYTES ? NULL : realloc(r->buf, size);

			if (buf == NULL)
				return -EMSGSIZE;
			r->buf = buf;
			r->size = size;
		}
		if (left <= 0)
			return -ETIMEDOUT;
		if (poll(&p, 1, (int)left) < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (p.revents == 0)
			continue;
		n = recv(r->fd, r->buf + r->len, r->size - r->len, 0);
		if (n == 0)
			return -ECONNRESET;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			r->len += (size_t)n;
	}
}

static int exchange(struct cli *c, json_t *request, json_t **answer)
{
	struct cli_rpc *r = c->rpc;
	char *text = json_dumps(request, JSON_COMPACT), *line = NULL;
	json_error_t err;
	int rc, used;

	if (text == NULL)
		return cli_fail(c, CLI_FAILED, "the request is no valid JSON (is it UTF-8?)");
	rc = send_all(r->fd, text, strlen(text));
	free(text);
	if (rc == 0)
		rc = send_all(r->fd, "\n", 1);
	if (rc != 0)
		return lost(c, "sluiced closed the connection");
	used = read_line(r, c->timeout_s, &line);
	if (used == -ETIMEDOUT)
		return lost(c, "no answer of sluiced in time (--timeout)");
	if (used < 0)
		return lost(c, used == -EMSGSIZE ? "an answer of more than 64 MiB"
						 : "sluiced closed the connection");
	*answer = json_loads(line, JSON_DECODE_ANY | JSON_ALLOW_NUL, &err);
	r->len -= (size_t)used;
	memmove(r->buf, r->buf + used, r->len);
	if (*answer == NULL)
		return lost(c, "the answer of sluiced is no JSON");
	return CLI_OK;
}

// One call; *error gets the error object of a refusal.
static int call(struct cli *c, const char *method, json_t *params, json_t **result, json_t **error,
		bool quiet)
{
	json_t *request, *answer = NULL;
	bool ours;
	int rc = CLI_OK;

	*result = NULL;
	*error = NULL;
	if (c->rpc == NULL)
		rc = dial(c, quiet);
	if (rc != CLI_OK) {
		json_decref(params);
		return rc;
	}
	request = json_pack("{s:s, s:i, s:s, s:o*}", "jsonrpc", "2.0", "id", (int)++c->rpc->id,
			    "method", method, "params", params);
	if (request == NULL)
		return cli_fail(c, CLI_FAILED, "out of memory");
	rc = exchange(c, request, &answer);
	json_decref(request);
	if (rc != CLI_OK)
		return rc;
	ours = json_is_integer(json_object_get(answer, "id")) &&
	       json_integer_value(json_object_get(answer, "id")) == (json_int_t)c->rpc->id;
	*error = json_incref(json_object_get(answer, "error"));
	*result = json_incref(json_object_get(answer, "result"));
	json_decref(answer);
	if (*error != NULL) {
		json_decref(*result);
		*result = NULL;
		return CLI_REFUSED;
	}
	if (*result == NULL || !ours)
		return lost(c, "the answer of sluiced is no JSON-RPC");
	return CLI_OK;
}

int cli_try(struct cli *c, const char *method, json_t *params, json_t **result, json_t **error)
{
	return call(c, method, params, result, error, true);
}

int cli_call(struct cli *c, const char *method, json_t *params, json_t **result)
{
	json_t *error = NULL;
	int rc = call(c, method, params, result, &error, false);

	if (error != NULL)
		cli_print_error(c, error);
	json_decref(error);
	return rc;
}

int cli_query(struct cli *c, const char *name, json_t *args, json_t **result)
{
	json_t *params = json_pack("{s:s, s:s, s:o}", "instance", c->instance, "name", name, "args",
				   args != NULL ? args : json_object());

	return cli_call(c, "app-query", params, result);
}

int cli_fail(struct cli *c, int code, const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	fflush(c->out);
	// A refusal begins with its path, whoever refuses.
	fprintf(stderr, "%s%s\n", code == CLI_REFUSED ? "" : "sluicectl: ", line);
	if (c->json) {
		json_t *v =
			json_pack("{s:{s:s, s:i}}", "error", "message", line, "exit-code", code);

		cli_print_json(c, v);
		json_decref(v);
	}
	return code;
}
