// SPDX-License-Identifier: BSD-3-Clause
//
// check_peer - the servers that sluice-checkd is measured against: one port on all addresses, whatever comes
// is accepted and, by mode, left alone (tcp), answered by a small "200 OK" (http), or that over TLS.
//
//	check_peer tcp|http [0.0.0.0 port is printed]
//	check_peer https CERTIFICATE KEY
//
// One thread, epoll. Prints the port and runs until standard input ends.

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/ssl.h>

#define FD_MAX 65536

static const char answer[] =
	"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n";

static struct peer {
	SSL *ssl;
	bool used;
} peer[FD_MAX];
static SSL_CTX *ctx; // NULL: not https
static bool http;
static int ep;

static void drop(int fd)
{
	if (peer[fd].ssl != NULL) {
		SSL_free(peer[fd].ssl);
		peer[fd].ssl = NULL;
	}
	peer[fd].used = false;
	close(fd);
}

static void take(int listener)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLRDHUP};
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
		if (fd >= FD_MAX) {
			close(fd);
			continue;
		}
		ev.data.fd = fd;
		peer[fd].used = true;
		if (ctx != NULL) {
			peer[fd].ssl = SSL_new(ctx);
			SSL_set_fd(peer[fd].ssl, fd);
			SSL_set_accept_state(peer[fd].ssl);
		}
		epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
	}
}

// A request comes in one piece from the checker.
static void serve_tls(int fd)
{
	char buf[4096];
	int n = SSL_read(peer[fd].ssl, buf, sizeof(buf));

	if (n > 0) {
		SSL_write(peer[fd].ssl, answer, sizeof(answer) - 1);
		SSL_shutdown(peer[fd].ssl);
	} else if (SSL_get_error(peer[fd].ssl, n) == SSL_ERROR_WANT_READ) {
		return;
	}
	drop(fd);
}

static void serve(int fd)
{
	char buf[4096];
	ssize_t n;

	if (peer[fd].ssl != NULL) {
		serve_tls(fd);
		return;
	}
	n = recv(fd, buf, sizeof(buf), 0);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n > 0 && http)
		send(fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL);
	drop(fd);
}

static int listen_on(void)
{
	struct sockaddr_in sa = {.sin_family = AF_INET};
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, len) != 0 || listen(fd, 65535) != 0 ||
	    getsockname(fd, (struct sockaddr *)&sa, &len) != 0) {
		perror("check_peer");
		exit(1);
	}
	printf("%u\n", ntohs(sa.sin_port));
	fflush(stdout);
	return fd;
}

static void make_context(const char *cert, const char *key)
{
	ctx = SSL_CTX_new(TLS_server_method());
	if (ctx == NULL || SSL_CTX_use_certificate_chain_file(ctx, cert) != 1 ||
	    SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1) {
		fprintf(stderr, "check_peer: certificate or key cannot be used\n");
		exit(1);
	}
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ctx, 0);
}

int main(int argc, char **argv)
{
	struct rlimit files = {.rlim_cur = FD_MAX, .rlim_max = FD_MAX};
	struct epoll_event ev[256], in = {.events = EPOLLIN};
	int listener, n;

	setrlimit(RLIMIT_NOFILE, &files);
	signal(SIGPIPE, SIG_IGN);
	http = argc > 1 && strcmp(argv[1], "http") == 0;
	if (argc == 4 && strcmp(argv[1], "https") == 0)
		make_context(argv[2], argv[3]);
	else if (argc != 2 || (!http && strcmp(argv[1], "tcp") != 0)) {
		fprintf(stderr, "usage: check_peer tcp|http|https [CERTIFICATE KEY]\n");
		return 2;
	}
	listener = listen_on();
	ep = epoll_create1(0);
	in.data.fd = listener;
	epoll_ctl(ep, EPOLL_CTL_ADD, listener, &in);
	in.data.fd = 0;
	epoll_ctl(ep, EPOLL_CTL_ADD, 0, &in);
	while ((n = epoll_wait(ep, ev, 256, -1)) >= 0 || errno == EINTR) {
		for (int i = 0; i < n; i++) {
			if (ev[i].data.fd == 0)
				return 0;
			if (ev[i].data.fd == listener)
				take(listener);
			else if (peer[ev[i].data.fd].used)
				serve(ev[i].data.fd);
		}
	}
	return 1;
}
