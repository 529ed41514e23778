// SPDX-License-Identifier: BSD-3-Clause
//
// listen - a child is known by its place in `children`, which is also that of its slot in the memory
// shared with it.

#include "control/netconf/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BACKLOG      128
#define STOP_SECONDS 5
#define KEEP_IDLE_S  60 // TCP keep-alive: a dead peer is found after 60 + 3 * 20 s
#define KEEP_INTVL_S 20
#define KEEP_COUNT   3
#define UNACKED_MS   120000

// Bytes of memory for one session; AddressSanitizer alone needs more than any limit.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define DATA_LIMIT ((rlim_t)0)
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define DATA_LIMIT ((rlim_t)0)
#endif
#ifndef DATA_LIMIT
#define DATA_LIMIT ((rlim_t)1 << 30)
#endif

struct child {
	pid_t pid; // 0: free
	uint64_t order;
	struct in6_addr peer;
	bool told_to_go;
};

struct parent {
	const struct ncd_listen_conf *conf;
	struct child *children; // conf->ssh.shared->slot_count
	int signals;
	uint64_t next_order;
};

int ncd_listen_open(const char *address, unsigned port)
{
	struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
	struct sockaddr_in a4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	bool v6 = strchr(address, ':') != NULL;
	int fd, on = 1, rc;

	if (inet_pton(v6 ? AF_INET6 : AF_INET, address,
		      v6 ? (void *)&a6.sin6_addr : (void *)&a4.sin_addr) != 1)
		return -EINVAL;
	fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (v6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, v6 ? (struct sockaddr *)&a6 : (struct sockaddr *)&a4,
		 v6 ? sizeof(a6) : sizeof(a4)) != 0 ||
	    listen(fd, BACKLOG) != 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

static void set_tcp_options(int fd)
{
	int on = 1, idle = KEEP_IDLE_S, intvl = KEEP_INTVL_S, count = KEEP_COUNT;
	int unacked = UNACKED_MS;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &intvl, sizeof(intvl));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacked, sizeof(unacked));
}

// The peer as IPv6 (IPv4 mapped), for comparing, and as text.
static void peer_of(const struct sockaddr_storage *sa, struct in6_addr *peer, char *text,
		    size_t size)
{
	char address[INET6_ADDRSTRLEN] = "?";

	memset(peer, 0, sizeof(*peer));
	if (sa->ss_family == AF_INET6) {
		*peer = ((const struct sockaddr_in6 *)sa)->sin6_addr;
		inet_ntop(AF_INET6, peer, address, sizeof(address));
	} else {
		const struct sockaddr_in *a4 = (const struct sockaddr_in *)sa;

		peer->s6_addr[10] = peer->s6_addr[11] = 0xff;
		memcpy(&peer->s6_addr[12], &a4->sin_addr, 4);
		inet_ntop(AF_INET, &a4->sin_addr, address, sizeof(address));
	}
	snprintf(text, size, "%s", address);
}

// One customer of IPv6 has a whole /64: it counts as one source.
static bool same_source(const struct in6_addr *a, const struct in6_addr *b)
{
	bool mapped = IN6_IS_ADDR_V4MAPPED(a) || IN6_IS_ADDR_V4MAPPED(b);

	return memcmp(a, b, mapped ? 16 : 8) == 0;
}

static struct ncd_slot *slot_of(const struct parent *p, unsigned i)
{
	return &p->conf->ssh.shared->slots[i];
}

static bool waits_for_login(const struct parent *p, unsigned i)
{
	return p->children[i].pid != 0 && !p->children[i].told_to_go &&
	       !atomic_load(&slot_of(p, i)->counted);
}

static unsigned same_waiting(const struct parent *p, unsigned i)
{
	unsigned n = 0;

	for (unsigned k = 0; k < p->conf->ssh.shared->slot_count; k++)
		n += waits_for_login(p, k) &&
		     same_source(&p->children[i].peer, &p->children[k].peer);
	return n;
}

// When the places for strangers are full: the oldest connection of the source that has most.
static void make_room(struct parent *p)
{
	unsigned count = 0, most = 0, victim = 0, slots = p->conf->ssh.shared->slot_count;

	for (unsigned i = 0; i < slots; i++)
		count += waits_for_login(p, i);
	if (count < p->conf->preauth_max)
		return;
	for (unsigned i = 0; i < slots; i++) {
		unsigned n = waits_for_login(p, i) ? same_waiting(p, i) : 0;

		if (n > most ||
		    (n == most && n > 0 && p->children[i].order < p->children[victim].order)) {
			most = n;
			victim = i;
		}
	}
	p->children[victim].told_to_go = true;
	kill(p->children[victim].pid, SIGKILL); // it may hang in a call of libssh
}

static void child_main(const struct parent *p, unsigned i, int fd, const char *source)
{
	struct rlimit core = {0, 0}, data = {DATA_LIMIT, DATA_LIMIT};
	struct ncd_ssh_conf conf = p->conf->ssh;
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	setrlimit(RLIMIT_CORE, &core); // it holds the host key
	if (DATA_LIMIT != 0)
		setrlimit(RLIMIT_DATA, &data);
	for (unsigned k = 0; k < p->conf->fd_count; k++)
		close(p->conf->fds[k]);
	close(p->signals);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	set_tcp_options(fd);
	conf.fd = fd;
	conf.slot = slot_of(p, i);
	snprintf(conf.source, sizeof(conf.source), "%s", source);
	exit(ncd_ssh_serve(&conf));
}

static void take_connection(struct parent *p, int listener)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	char source[64];
	unsigned i = 0, slots = p->conf->ssh.shared->slot_count;
	int fd = accept4(listener, (struct sockaddr *)&sa, &len, SOCK_CLOEXEC);
	pid_t pid;

	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
			usleep(100000); // the cause is not gone by asking again at once
		return;
	}
	make_room(p);
	while (i < slots && p->children[i].pid != 0)
		i++;
	if (i == slots) {
		close(fd); // those told to go have not gone yet
		return;
	}
	peer_of(&sa, &p->children[i].peer, source, sizeof(source));
	atomic_store(&slot_of(p, i)->id, 0);
	atomic_store(&slot_of(p, i)->counted, false);
	atomic_store(&slot_of(p, i)->in_rpcs, 0);
	atomic_store(&slot_of(p, i)->in_bad_rpcs, 0);
	atomic_store(&slot_of(p, i)->out_rpc_errors, 0);
	pid = fork();
	if (pid == 0)
		child_main(p, i, fd, source); // does not return
	close(fd);
	if (pid < 0) {
		fprintf(stderr, "<4>netconf: fork: %s\n", strerror(errno));
		return;
	}
	p->children[i].pid = pid;
	p->children[i].order = ++p->next_order;
	p->children[i].told_to_go = false;
}

static void reap(struct parent *p)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (unsigned i = 0; i < p->conf->ssh.shared->slot_count; i++) {
			if (p->children[i].pid != pid)
				continue;
			atomic_store(&slot_of(p, i)->id, 0);
			if (atomic_exchange(&slot_of(p, i)->counted, false))
				atomic_fetch_sub(&p->conf->ssh.shared->authenticated, 1);
			if (WIFSIGNALED(status) && WTERMSIG(status) != SIGALRM &&
			    !p->children[i].told_to_go)
				fprintf(stderr,
					"<3>netconf: process %d of a session died of signal %d\n",
					(int)pid, WTERMSIG(status));
			p->children[i].pid = 0;
		}
	}
}

static unsigned count_children(const struct parent *p)
{
	unsigned n = 0;

	for (unsigned i = 0; i < p->conf->ssh.shared->slot_count; i++)
		n += p->children[i].pid != 0;
	return n;
}

static void signal_children(const struct parent *p, int sig)
{
	for (unsigned i = 0; i < p->conf->ssh.shared->slot_count; i++) {
		if (p->children[i].pid != 0)
			kill(p->children[i].pid, sig);
	}
}

static void stop_children(struct parent *p)
{
	signal_children(p, SIGTERM);
	for (int i = 0; i < STOP_SECONDS * 50 && count_children(p) > 0; i++) {
		usleep(20000);
		reap(p);
	}
	signal_children(p, SIGKILL);
	while (count_children(p) > 0) {
		usleep(1000);
		reap(p);
	}
}

// Returns: false when it is time to stop
static bool take_signals(struct parent *p)
{
	struct signalfd_siginfo si;
	bool go_on = true;

	while (read(p->signals, &si, sizeof(si)) == (ssize_t)sizeof(si))
		go_on = go_on && si.ssi_signo == SIGCHLD;
	reap(p);
	return go_on;
}

int ncd_listen_run(const struct ncd_listen_conf *conf)
{
	struct parent p = {.conf = conf};
	struct pollfd fds[NCD_LISTEN_MAX + 1];
	unsigned n = conf->fd_count;
	bool go_on = true;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	p.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	p.children = calloc(conf->ssh.shared->slot_count, sizeof(*p.children));
	if (p.signals < 0 || p.children == NULL) {
		free(p.children);
		return p.signals < 0 ? -errno : -ENOMEM;
	}
	for (unsigned i = 0; i < n; i++)
		fds[i] = (struct pollfd){.fd = conf->fds[i], .events = POLLIN};
	fds[n] = (struct pollfd){.fd = p.signals, .events = POLLIN};
	while (go_on) {
		if (poll(fds, n + 1, -1) < 0)
			continue;
		if (fds[n].revents != 0)
			go_on = take_signals(&p);
		for (unsigned i = 0; i < n && go_on; i++) {
			if (fds[i].revents != 0)
				take_connection(&p, conf->fds[i]);
		}
	}
	stop_children(&p);
	close(p.signals);
	free(p.children);
	return 0;
}
