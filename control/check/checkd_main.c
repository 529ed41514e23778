// SPDX-License-Identifier: BSD-3-Clause
//
// sluice-checkd - asks servers whether they work and tells the apps that send clients to them.
//
// One event loop. target.c decides what is due, probe*.c ask, app.c speaks with an app. Works with
// sluiced dead; killed itself, the apps keep its last verdicts.

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <event2/event.h>

#include "control/check/app.h"
#include "control/check/instances.h"
#include "control/check/log.h"
#include "control/check/probe.h"
#include "control/check/target.h"

#define INSTANCE_MAX 64
#define FD_RESERVE   128 // descriptors that are not for checks

struct options {
	const char *base;
	const char *user;
	const char *instance[INSTANCE_MAX];
	size_t instance_count;
	bool verbose;
};

static struct {
	struct event_base *base;
	struct check_engine *engine;
	struct check_prober *prober;
	struct check_instances *instances;
	struct event *timer, *sig_term, *sig_int, *sig_hup, *sig_usr1;
} daemon_;

static const char usage_text[] =
	"usage: sluice-checkd [OPTION...]\n"
	"Health checks for the applications of Sluice.\n"
	"\n"
	"  --base DIR        DIR/run in place of /run/sluice (environment: SLUICE_BASE)\n"
	"  --instance NAME   serve this application instance; may be repeated\n"
	"                    (default: every one whose socket appears in the run folder)\n"
	"  --user USER       name or number to become when started as root (default: sluice)\n"
	"  --verbose         more in the log, which is standard error\n"
	"  --help, --version\n"
	"\n"
	"Signals: TERM and INT end it, USR1 writes a summary to the log.\n";

static int parse(int argc, char **argv, struct options *o)
{
	static const struct option opts[] = {
		{"base", required_argument, NULL, 'b'},
		{"instance", required_argument, NULL, 'i'},
		{"user", required_argument, NULL, 'u'},
		{"verbose", no_argument, NULL, 'v'},
		{"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int c;

	o->base = getenv("SLUICE_BASE");
	while ((c = getopt_long(argc, argv, "", opts, NULL)) != -1) {
		switch (c) {
		case 'b':
			o->base = optarg;
			break;
		case 'i':
			if (o->instance_count == INSTANCE_MAX) {
				fprintf(stderr, "sluice-checkd: at most %u --instance\n",
					INSTANCE_MAX);
				return 2;
			}
			o->instance[o->instance_count++] = optarg;
			break;
		case 'u':
			o->user = optarg;
			break;
		case 'v':
			o->verbose = true;
			break;
		case 'h':
			fputs(usage_text, stdout);
			exit(0);
		case 'V':
			puts("sluice-checkd " SLUICE_VERSION);
			exit(0);
		default:
			return 2;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "sluice-checkd: unknown argument '%s' (--help tells the options)\n",
			argv[optind]);
		return 2;
	}
	return 0;
}

// The user to become: a name, or a number that needs no entry in the user database.
static int find_user(const char *user, uid_t *uid, gid_t *gid)
{
	const char *name = user != NULL ? user : "sluice";
	struct passwd *pw = getpwnam(name);
	unsigned long n;
	char *end;

	if (pw == NULL && user != NULL && user[0] >= '0' && user[0] <= '9') {
		errno = 0;
		n = strtoul(user, &end, 10);
		if (*end != '\0' || errno != 0 || n >= UINT32_MAX) {
			check_log(CHECK_ERR, "--user: '%s' is no user", user);
			return -EINVAL;
		}
		pw = getpwuid((uid_t)n);
		*uid = (uid_t)n;
		*gid = pw != NULL ? pw->pw_gid : (gid_t)n;
		return 0;
	}
	if (pw == NULL) {
		check_log(CHECK_ERR, "there is no user '%s'; make one or name another with --user",
			  name);
		return -ENOENT;
	}
	*uid = pw->pw_uid;
	*gid = pw->pw_gid;
	return 0;
}

// The run folder, made if absent and given to the user that the daemons run as.
static int make_run_dir(const char *dir, uid_t uid, gid_t gid)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s", dir);
	for (char *p = path + 1; *p != '\0'; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(path, 0755) != 0 && errno != EEXIST)
			goto err_errno;
		*p = '/';
	}
	if (mkdir(path, 0755) == 0) {
		if (geteuid() == 0 && chown(path, uid, gid) != 0)
			goto err_errno;
	} else if (errno != EEXIST) {
		goto err_errno;
	}
	return 0;

err_errno:
	check_log(CHECK_ERR, "cannot make %s: %s", path, strerror(errno));
	return -errno;
}

// Root is given up for good: supplementary groups, group, user, and no way back by exec.
static int become(uid_t uid, gid_t gid)
{
	if (geteuid() == 0 && uid != 0 &&
	    (setgroups(0, NULL) != 0 || setresgid(gid, gid, gid) != 0 ||
	     setresuid(uid, uid, uid) != 0))
		goto err_errno;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		goto err_errno;
	return 0;

err_errno:
	check_log(CHECK_ERR, "cannot become user %u: %s", (unsigned)uid, strerror(errno));
	return -errno;
}

// As many descriptors as we may have. Returns: checks that may run at once.
static size_t raise_descriptors(void)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) != 0)
		return 512;
	if (lim.rlim_cur < lim.rlim_max) {
		lim.rlim_cur = lim.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &lim) != 0)
			getrlimit(RLIMIT_NOFILE, &lim);
	}
	if (lim.rlim_cur > 65536)
		return 65536;
	if (lim.rlim_cur < 2 * FD_RESERVE)
		return 64;
	return lim.rlim_cur - FD_RESERVE;
}

// ---- the loop --------------------------------------------------------------------------------

static void on_due(evutil_socket_t fd, short what, void *arg)
{
	uint64_t now = check_now_us(), next = check_engine_run(daemon_.engine, now);
	struct timeval tv;

	(void)fd;
	(void)what;
	(void)arg;
	if (next == UINT64_MAX)
		return;
	now = check_now_us();
	next = next > now ? next - now : 0;
	tv = (struct timeval){.tv_sec = (time_t)(next / 1000000), .tv_usec = next % 1000000};
	evtimer_add(daemon_.timer, &tv);
}

// Run the engine in the next turn of the loop, never inside a callback that it made itself.
static void on_wake(void *arg)
{
	(void)arg;
	event_active(daemon_.timer, EV_TIMEOUT, 0);
}

static bool on_start(void *arg, struct check_target *t, struct check_result *r)
{
	(void)arg;
	return check_probe_start(daemon_.prober, t, r);
}

static void on_cancel(void *arg, struct check_target *t)
{
	(void)arg;
	check_probe_cancel(daemon_.prober, t);
}

static void on_tell(void *arg, struct check_sub *sub, bool news)
{
	(void)arg;
	check_app_tell(sub, news);
}

static void on_expire(void *arg, struct check_target *t, struct check_result *r)
{
	(void)arg;
	check_probe_expire(daemon_.prober, t, r);
}

static void on_done(void *arg, struct check_target *t, struct check_result *r)
{
	(void)arg;
	check_engine_result(daemon_.engine, t, r, check_now_us());
}

static void on_signal(evutil_socket_t sig, short what, void *arg)
{
	(void)what;
	(void)arg;
	if (sig == SIGUSR1) {
		check_instances_log(daemon_.instances);
		check_log(CHECK_NOTICE,
			  "late by %llu ms in all, %llu checks given time for it; %zu targets, "
			  "%zu checks running, %llu started",
			  (unsigned long long)check_engine_late_us(daemon_.engine) / 1000,
			  (unsigned long long)check_engine_forgiven(daemon_.engine),
			  check_engine_targets(daemon_.engine),
			  check_engine_running(daemon_.engine),
			  (unsigned long long)check_engine_started(daemon_.engine));
	} else if (sig != SIGHUP) {
		event_base_loopbreak(daemon_.base);
	}
}

static struct event *catch_signal(int sig)
{
	struct event *ev = evsignal_new(daemon_.base, sig, on_signal, NULL);

	if (ev != NULL && event_add(ev, NULL) != 0) {
		event_free(ev);
		ev = NULL;
	}
	return ev;
}

// Sockets for echoes, while there is the right to open them.
static struct check_icmp_fds open_icmp(void)
{
	static const char *const family[] = {"ICMP", "ICMPv6"};
	struct check_icmp_fds fds;
	int err[2];

	check_icmp_open(&fds, err);
	for (unsigned i = 0; i < 2; i++)
		if (fds.fd[i] < 0)
			check_log(CHECK_WARNING,
				  "no %s checks: %s (start as root, or see "
				  "net.ipv4.ping_group_range)",
				  family[i], strerror(err[i]));
	return fds;
}

static int setup(const struct options *o, const char *run_dir, size_t max,
		 const struct check_icmp_fds *icmp)
{
	static const struct check_ops ops = {
		.start = on_start,
		.cancel = on_cancel,
		.expire = on_expire,
		.tell = on_tell,
		.wake = on_wake,
	};
	struct check_prober_conf prober = {.done = on_done, .max = max, .icmp = *icmp};
	struct check_instances_conf instances = {
		.run_dir = run_dir,
		.names = o->instance,
		.name_count = o->instance_count,
	};
	uint64_t seed = 0;
	int rc;

	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		seed = check_now_us();
	daemon_.base = event_base_new();
	if (daemon_.base == NULL)
		return -ENOMEM;
	daemon_.timer = evtimer_new(daemon_.base, on_due, NULL);
	daemon_.sig_term = catch_signal(SIGTERM);
	daemon_.sig_int = catch_signal(SIGINT);
	daemon_.sig_hup = catch_signal(SIGHUP);
	daemon_.sig_usr1 = catch_signal(SIGUSR1);
	if (daemon_.timer == NULL || daemon_.sig_term == NULL || daemon_.sig_int == NULL ||
	    daemon_.sig_hup == NULL || daemon_.sig_usr1 == NULL)
		return -ENOMEM;
	prober.base = daemon_.base;
	rc = check_engine_create(&ops, seed, &daemon_.engine);
	if (rc == 0)
		rc = check_prober_create(&prober, &daemon_.prober);
	if (rc != 0)
		return rc;
	instances.base = daemon_.base;
	instances.engine = daemon_.engine;
	return check_instances_create(&instances, &daemon_.instances);
}

static void teardown(void)
{
	struct event *ev[] = {daemon_.timer, daemon_.sig_term, daemon_.sig_int, daemon_.sig_hup,
			      daemon_.sig_usr1};

	check_instances_destroy(daemon_.instances);
	check_engine_destroy(daemon_.engine);
	check_prober_destroy(daemon_.prober);
	for (size_t i = 0; i < sizeof(ev) / sizeof(ev[0]); i++)
		if (ev[i] != NULL)
			event_free(ev[i]);
	if (daemon_.base != NULL)
		event_base_free(daemon_.base);
}

int main(int argc, char **argv)
{
	struct options o = {0};
	char run_dir[4096];
	uid_t uid = geteuid();
	gid_t gid = getegid();
	struct check_icmp_fds icmp;
	size_t max;
	int rc;

	rc = parse(argc, argv, &o);
	if (rc != 0)
		return rc;
	setvbuf(stderr, NULL, _IOLBF, 0);
	check_log_level(o.verbose ? CHECK_INFO : CHECK_NOTICE);
	if (o.base != NULL)
		snprintf(run_dir, sizeof(run_dir), "%s/run", o.base);
	else
		snprintf(run_dir, sizeof(run_dir), "/run/sluice");
	if (geteuid() == 0 || o.user != NULL) {
		if (find_user(o.user, &uid, &gid) != 0)
			return 1;
		if (geteuid() != 0 && uid != geteuid()) {
			check_log(CHECK_ERR, "only root can become another user (--user %s)",
				  o.user);
			return 1;
		}
	}
	if (make_run_dir(run_dir, uid, gid) != 0)
		return 1;
	max = raise_descriptors();
	icmp = open_icmp();
	if (become(uid, gid) != 0)
		return 1;
	signal(SIGPIPE, SIG_IGN);
	rc = setup(&o, run_dir, max, &icmp);
	if (rc == 0) {
		check_log(CHECK_NOTICE,
			  "started: run folder %s, user %u, at most %zu checks at once", run_dir,
			  (unsigned)uid, max);
		event_base_dispatch(daemon_.base);
		check_log(CHECK_NOTICE, "ended");
	} else {
		check_log(CHECK_ERR, "cannot start: %s", strerror(-rc));
	}
	teardown();
	return rc == 0 ? 0 : 1;
}
