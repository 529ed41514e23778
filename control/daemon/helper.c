// SPDX-License-Identifier: BSD-3-Clause

#include "control/daemon/helper.h"

#include <event2/event.h>

#include <crypt.h>
#include <errno.h>
#include <net/if.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define MESSAGE_MAX 4096
#define HEAD_SIZE   5
#define ROUNDS_MAX  1000000 // of sha256crypt, sha512crypt: seconds of work above

enum verb { VERB_LINK_SET = 1, VERB_VERIFY_PASSWORD = 2 };

// ---- in the helper

// The arguments: exactly n strings that fill the message.
static bool split(const char *p, size_t size, const char **out, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *end = memchr(p, '\0', size);

		if (end == NULL)
			return false;
		out[i] = p;
		size -= (size_t)(end - p) + 1;
		p = end + 1;
	}
	return size == 0;
}

static int link_set(const char *name, const char *state)
{
	bool up = strcmp(state, "up") == 0;
	struct ifreq ifr = {0};
	int fd, rc = 0;

	if (!up && strcmp(state, "down") != 0)
		return -EINVAL;
	if (name[0] == '\0' || strlen(name) >= IFNAMSIZ || strchr(name, '/') != NULL)
		return -EINVAL;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	memcpy(ifr.ifr_name, name, strlen(name)); // the rest is zero
	if (ioctl(fd, SIOCGIFFLAGS, &ifr) != 0) {
		rc = -errno;
	} else if (!!(ifr.ifr_flags & IFF_UP) != up) {
		ifr.ifr_flags = (short)(up ? ifr.ifr_flags | IFF_UP : ifr.ifr_flags & ~IFF_UP);
		if (ioctl(fd, SIOCSIFFLAGS, &ifr) != 0)
			rc = -errno;
	}
	close(fd);
	return rc;
}

static bool equal(const char *a, const char *b)
{
	size_t n = strlen(a);
	unsigned char diff = 0;

	if (n != strlen(b))
		return false;
	for (size_t i = 0; i < n; i++)
		diff |= (unsigned char)(a[i] ^ b[i]);
	return diff == 0;
}

static int verify_password(const char *password, const char *hash)
{
	struct crypt_data *data;
	const char *rounds = strstr(hash, "$rounds="), *got;
	int rc = -EACCES;

	if (hash[0] != '$' || strlen(password) >= CRYPT_MAX_PASSPHRASE_SIZE)
		return -EACCES;
	if (rounds != NULL && strtoul(rounds + strlen("$rounds="), NULL, 10) > ROUNDS_MAX)
		return -EACCES;
	data = calloc(1, sizeof(*data));
	if (data == NULL)
		return -ENOMEM;
	got = crypt_rn(password, hash, data, (int)sizeof(*data));
	if (got != NULL && got[0] != '*' && equal(got, hash))
		rc = 0;
	explicit_bzero(data, sizeof(*data));
	free(data);
	return rc;
}

int helper_do(const char *request, size_t size)
{
	const char *arg[2];

	if (size < HEAD_SIZE || !split(request + HEAD_SIZE, size - HEAD_SIZE, arg, 2))
		return -EINVAL;
	switch (request[4]) {
	case VERB_LINK_SET:
		return link_set(arg[0], arg[1]);
	case VERB_VERIFY_PASSWORD:
		return verify_password(arg[0], arg[1]);
	default:
		return -EINVAL;
	}
}

// Keep the one right that a verb needs.
static void drop_rights(void)
{
	cap_value_t keep = CAP_NET_ADMIN;
	cap_t caps = cap_init();

	if (caps != NULL && geteuid() == 0) {
		(void)cap_set_flag(caps, CAP_PERMITTED, 1, &keep, CAP_SET);
		(void)cap_set_flag(caps, CAP_EFFECTIVE, 1, &keep, CAP_SET);
		(void)cap_set_proc(caps);
	}
	cap_free(caps);
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static _Noreturn void serve(int fd)
{
	char buf[MESSAGE_MAX];
	ssize_t n;

	drop_rights();
	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0 || (n < 0 && errno == EINTR)) {
		char answer[8];
		int32_t rc;

		if (n < HEAD_SIZE)
			continue;
		rc = helper_do(buf, (size_t)n);
		memcpy(answer, buf, 4);
		memcpy(answer + 4, &rc, 4);
		explicit_bzero(buf, sizeof(buf));
		if (send(fd, answer, sizeof(answer), MSG_NOSIGNAL) != (ssize_t)sizeof(answer))
			break;
	}
	_exit(0);
}

int helper_fork(int *fd, pid_t *out)
{
	pid_t pid, parent = getpid();
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return -errno;
	pid = fork();
	if (pid < 0) {
		int rc = -errno;

		close(pair[0]);
		close(pair[1]);
		return rc;
	}
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		(void)prctl(PR_SET_NAME, "sluiced-helper");
		// stopping is sluiced's affair: the socket closes then
		(void)signal(SIGINT, SIG_IGN);
		(void)signal(SIGTERM, SIG_IGN);
		if (dup2(pair[1], 3) < 0 || chdir("/") != 0)
			_exit(1);
		(void)close_range(4, ~0u, 0);
		serve(3);
	}
	close(pair[1]);
	if (evutil_make_socket_nonblocking(pair[0]) != 0) {
		close(pair[0]);
		return -EIO;
	}
	*fd = pair[0];
	*out = pid;
	return 0;
}

// ---- in sluiced

struct request {
	struct request *next;
	uint32_t id;
	helper_done_fn done;
	void *arg;
	size_t size;
	bool sent;
	char message[MESSAGE_MAX];
};

struct helper {
	int fd;
	struct event *readable, *writable;
	struct request *first;
	uint32_t last_id;
};

static void finish(struct helper *h, struct request *r, int rc)
{
	for (struct request **p = &h->first; *p != NULL; p = &(*p)->next)
		if (*p == r) {
			*p = r->next;
			break;
		}
	r->done(r->arg, rc);
	explicit_bzero(r, sizeof(*r));
	free(r);
}

static void gone(struct helper *h)
{
	if (h->fd < 0)
		return;
	event_del(h->readable);
	event_del(h->writable);
	close(h->fd);
	h->fd = -1;
	fprintf(stderr,
		"sluiced: the privileged helper is gone: links and passwords cannot be handled until "
		"sluiced is started again\n");
	while (h->first != NULL)
		finish(h, h->first, -EPIPE);
}

static void send_some(struct helper *h)
{
	for (struct request *r = h->first; r != NULL; r = r->next) {
		if (r->sent)
			continue;
		if (send(h->fd, r->message, r->size, MSG_NOSIGNAL) < 0) {
			if (errno == EAGAIN || errno == EINTR)
				event_add(h->writable, NULL);
			else
				gone(h);
			return;
		}
		r->sent = true;
	}
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	send_some(arg);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct helper *h = arg;
	struct request *r;
	char answer[8];
	uint32_t id;
	int32_t rc;
	ssize_t n;

	(void)what;
	n = recv(fd, answer, sizeof(answer), 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n != (ssize_t)sizeof(answer)) {
		gone(h);
		return;
	}
	memcpy(&id, answer, 4);
	memcpy(&rc, answer + 4, 4);
	for (r = h->first; r != NULL && r->id != id; r = r->next)
		;
	if (r != NULL)
		finish(h, r, rc);
}

int helper_create(struct event_base *base, int fd, struct helper **out)
{
	struct helper *h = calloc(1, sizeof(*h));

	if (h == NULL)
		return -ENOMEM;
	h->fd = fd;
	h->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, h);
	h->writable = event_new(base, fd, EV_WRITE, on_writable, h);
	if (h->readable == NULL || h->writable == NULL || event_add(h->readable, NULL) != 0) {
		h->fd = -1; // still the caller's
		helper_destroy(h);
		return -ENOMEM;
	}
	*out = h;
	return 0;
}

void helper_destroy(struct helper *h)
{
	if (h == NULL)
		return;
	while (h->first != NULL)
		finish(h, h->first, -EPIPE);
	if (h->readable != NULL)
		event_free(h->readable);
	if (h->writable != NULL)
		event_free(h->writable);
	if (h->fd >= 0)
		close(h->fd);
	free(h);
}

static void ask(struct helper *h, enum verb verb, const char *a, const char *b, helper_done_fn done,
		void *arg)
{
	size_t la = strlen(a) + 1, lb = strlen(b) + 1;
	struct request *r, **tail;

	if (h == NULL || h->fd < 0) {
		done(arg, -EPIPE);
		return;
	}
	if (HEAD_SIZE + la + lb > MESSAGE_MAX) {
		done(arg, -E2BIG);
		return;
	}
	r = calloc(1, sizeof(*r));
	if (r == NULL) {
		done(arg, -ENOMEM);
		return;
	}
	r->id = ++h->last_id;
	r->done = done;
	r->arg = arg;
	memcpy(r->message, &r->id, 4);
	r->message[4] = (char)verb;
	memcpy(r->message + HEAD_SIZE, a, la);
	memcpy(r->message + HEAD_SIZE + la, b, lb);
	r->size = HEAD_SIZE + la + lb;
	for (tail = &h->first; *tail != NULL; tail = &(*tail)->next)
		;
	*tail = r;
	send_some(h);
}

void helper_link_set(struct helper *h, const char *ifname, int up, helper_done_fn done, void *arg)
{
	ask(h, VERB_LINK_SET, ifname, up ? "up" : "down", done, arg);
}

void helper_verify_password(struct helper *h, const char *password, const char *hash,
			    helper_done_fn done, void *arg)
{
	ask(h, VERB_VERIFY_PASSWORD, password, hash, done, arg);
}
