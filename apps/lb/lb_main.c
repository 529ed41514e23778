// SPDX-License-Identifier: BSD-3-Clause
//
// lb_main - sluice-lb: arguments, start, stop.
//
// Start: limits, EAL, workers (idle), mirror of the kernel, the last good snapshot through the same calls
// as any transaction (lb_conf.c) - it opens ports and tables -, workers on their way, then root is
// given up and the control loop runs. sluiced is not needed for any of it.
//
// Stop (SIGTERM, SIGINT): nothing is closed. The steering programs stay attached with dead sockets, the
// addresses stay on the interfaces, flow tables and snapshot lie on disk; so packets to our services
// fall silent, as after a kill, until the next start takes all of it over. --detach gives it up.

#include "apps/lb/conf/lb_conf.h"
#include "apps/lb/show/lb_rates.h"
#include "apps/lb/worker/lb_priv.h"
#include "dataplane/core/handover.h"
#include "dataplane/core/loop.h"
#include "dataplane/core/privs.h"
#include "dataplane/core/publish.h"
#include "dataplane/out/out.h"
#include "dataplane/out/telemetry.h"
#include "dataplane/port/port.h"
#include "dataplane/trace/trace.h"

#include <rte_log.h>
#include <rte_mbuf.h>

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define RUN_DEFAULT "/run/sluice"
#define LIB_DEFAULT "/var/lib/sluice"
#define MADE_MAX    1023 // packets of our own on their way
#define MADE_ROOM   (RTE_PKTMBUF_HEADROOM + 256)

struct args {
	const char *base, *instance, *flow_dir, *cpus;
	const char *user, *control_user;
	unsigned workers, memory_mb;
	bool no_huge, detach;
	enum lb_rss_mode rss_mode;
	char *run_dir, *lib_dir; // malloc'ed
	uid_t uid, control_uid;
	gid_t gid;
};

static void usage(FILE *f)
{
	fputs("usage: sluice-lb [--base DIR] [--instance NAME] [--workers N] [--cpus LIST] [--memory MB]\n"
	      "                 [--no-huge] [--flow-dir DIR] [--user USER] [--control-user USER]\n"
	      "                 [--rss auto|known|wrong|unknown]   (tests: how packets are thought to be spread)\n"
	      "       sluice-lb --detach [--base DIR] [--instance NAME]\n"
	      "See sluice-lb(8).\n",
	      f);
}

static void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

static void die(const char *fmt, ...)
{
	va_list ap;

	fputs("sluice-lb: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

// ---- arguments --------------------------------------------------------------------------------

static unsigned number(const char *option, const char *text, unsigned min, unsigned max)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (end == text || *end != '\0' || errno != 0 || n < min || n > max)
		die("--%s '%s': a number within %u..%u is needed", option, text, min, max);
	return (unsigned)n;
}

static enum lb_rss_mode rss_mode(const char *text)
{
	static const char *const names[] = {"auto", "known", "wrong", "unknown"};

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(text, names[i]) == 0)
			return (enum lb_rss_mode)i;
	die("--rss '%s': auto, known, wrong or unknown is needed", text);
}

static void parse(int argc, char **argv, struct args *a)
{
	static const struct option options[] = {
		{"base", required_argument, NULL, 'b'},
		{"instance", required_argument, NULL, 'i'},
		{"workers", required_argument, NULL, 'w'},
		{"cpus", required_argument, NULL, 'c'},
		{"memory", required_argument, NULL, 'm'},
		{"no-huge", no_argument, NULL, 'n'},
		{"flow-dir", required_argument, NULL, 'f'},
		{"rss", required_argument, NULL, 'r'},
		{"user", required_argument, NULL, 'u'},
		{"control-user", required_argument, NULL, 'C'},
		{"detach", no_argument, NULL, 'd'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (o) {
		case 'b':
			a->base = optarg;
			break;
		case 'i':
			a->instance = optarg;
			break;
		case 'w':
			a->workers = number("workers", optarg, 1, WORKER_MAX);
			break;
		case 'c':
			a->cpus = optarg;
			break;
		case 'm':
			a->memory_mb = number("memory", optarg, 32, 1 << 20);
			break;
		case 'n':
			a->no_huge = true;
			break;
		case 'f':
			a->flow_dir = optarg;
			break;
		case 'r':
			a->rss_mode = rss_mode(optarg);
			break;
		case 'u':
			a->user = optarg;
			break;
		case 'C':
			a->control_user = optarg;
			break;
		case 'd':
			a->detach = true;
			break;
		case 'h':
			usage(stdout);
			exit(0);
		default:
			usage(stderr);
			exit(2);
		}
	}
	if (optind != argc) {
		usage(stderr);
		exit(2);
	}
}

// The name stands in file names and in the kernel: that of sluice-lb.yang.
static void check_instance(const char *name)
{
	size_t n = strlen(name);

	if (n == 0 || n >= CTL_NAME ||
	    strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
			 "0123456789._-") != n ||
	    strchr("._-", name[0]) != NULL)
		die("--instance '%s': letters, digits, '.', '_', '-', at most 63, no leading sign",
		    name);
}

static void find_user(const char *option, const char *name, uid_t *uid, gid_t *gid)
{
	int rc = privs_user(name, uid, gid);

	if (rc != 0)
		die("--%s '%s': %s", option, name,
		    rc == -ENOENT
			    ? "there is no such user (make it, or give another name or a number)"
			    : strerror(-rc));
}

static void find_users(struct args *a)
{
	gid_t ignored;

	if (a->user == NULL && geteuid() != 0) {
		a->uid = geteuid();
		a->gid = getegid();
	} else {
		find_user("user", a->user == NULL ? "sluice" : a->user, &a->uid, &a->gid);
	}
	a->control_uid = a->uid;
	if (a->control_user != NULL)
		find_user("control-user", a->control_user, &a->control_uid, &ignored);
}

// ---- directories and limits -------------------------------------------------------------------

static char *join(const char *base, const char *part)
{
	char *path;

	if (asprintf(&path, "%s/%s", base, part) < 0)
		die("out of memory");
	return path;
}

// Make a directory if absent, for the user; one that is there and that the user cannot write is said.
static void make_dir(const struct args *a, const char *path, bool give)
{
	struct stat st;

	if (mkdir(path, 0755) == 0) {
		if (give && geteuid() == 0 && privs_give(path, a->uid, a->gid) != 0)
			die("%s: cannot be given to user %u", path, a->uid);
		return;
	}
	if (errno != EEXIST)
		die("%s: %s", path, strerror(errno));
	if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
		die("%s: is no directory", path);
	if (give && st.st_uid != a->uid && !(st.st_mode & S_IWOTH) &&
	    !(st.st_gid == a->gid && (st.st_mode & S_IWGRP)) &&
	    privs_give(path, a->uid, a->gid) != 0)
		fprintf(stderr, "sluice-lb: %s belongs to uid %u: user %u cannot write there\n",
			path, st.st_uid, a->uid);
}

static void make_dirs(struct args *a)
{
	if (a->base != NULL) {
		make_dir(a, a->base, false);
		a->run_dir = join(a->base, "run");
		a->lib_dir = join(a->base, "lib");
	} else {
		a->run_dir = strdup(RUN_DEFAULT);
		a->lib_dir = strdup(LIB_DEFAULT);
	}
	if (a->run_dir == NULL || a->lib_dir == NULL)
		die("out of memory");
	make_dir(a, a->run_dir, true);
	make_dir(a, a->lib_dir, true);
	if (a->flow_dir == NULL)
		a->flow_dir = a->run_dir;
	else
		make_dir(a, a->flow_dir, true);
}

static void raise_limit(int resource, const char *name, rlim_t wanted)
{
	struct rlimit r;

	if (getrlimit(resource, &r) != 0)
		return;
	r.rlim_cur = wanted;
	if (r.rlim_max < wanted)
		r.rlim_max = wanted;
	if (setrlimit(resource, &r) == 0)
		return;
	getrlimit(resource, &r); // no right to pass the hard limit: up to it, then
	r.rlim_cur = r.rlim_max;
	if (setrlimit(resource, &r) != 0)
		fprintf(stderr, "sluice-lb: limit of %s: %s\n", name, strerror(errno));
}

static void raise_limits(void)
{
	raise_limit(RLIMIT_NOFILE, "open files", 1 << 20);
	raise_limit(RLIMIT_MEMLOCK, "locked memory", RLIM_INFINITY);
}

// ---- the process ------------------------------------------------------------------------------

static void on_port_changed(struct port *p, void *arg)
{
	struct lb_conf *c = arg;
	bool live = atomic_load(&p->live);

	lb_ports_sources(c, NULL, 0);
	out_ports_changed();
	lb_conf_event(c, CTL_EVENT_PORT, live ? 5 : 3,
		      lb_store_find(&c->store, CTL_REC_PORT, p->id), "port '%s': its device %s",
		      p->name, live ? "is back" : "is gone");
}

static const char *port_name(uint16_t index)
{
	const struct port *p = port_get(index);

	return p == NULL ? "?" : p->name;
}

static void need(int rc, const char *what)
{
	if (rc != 0)
		die("%s: %s", what, strerror(-rc));
}

// Sources that a worker has even before the first configuration: none of them is needed without ports.
static void start(const struct args *a, struct loop **loop, struct lb_conf *conf,
		  struct ctl_link **link)
{
	struct port_eal_conf eal = {
		.instance = a->instance,
		.run_dir = a->run_dir,
		.workers = a->workers,
		.cpus = a->cpus,
		.memory_mb = a->memory_mb,
		.no_huge = a->no_huge,
	};
	struct lb_conf_args conf_args = {
		.instance = a->instance,
		.run_dir = a->run_dir,
		.flow_dir = a->flow_dir,
		.workers = a->workers,
		.rss_mode = a->rss_mode,
	};
	struct ctl_link_conf link_conf = {
		.run_dir = a->run_dir,
		.lib_dir = a->lib_dir,
		.instance = a->instance,
		.control_uid = a->control_uid,
	};
	static struct ctl_app app; // outlives this call
	struct port_error err = {0};
	char *captures;
	int rc;

	need(loop_create(loop), "control loop");
	rc = port_eal_init(&eal, &err);
	if (rc != 0)
		die("%s", err.message[0] != '\0' ? err.message : strerror(-rc));
	need(worker_init(a->workers), "workers");
	need(handover_init(), "hand-over rings");
	need(port_init(a->instance), "ports");
	out_too_big = lb_too_big;
	need(out_init(*loop), "mirror of the kernel's routes");
	need(trace_init(*loop), "trace");
	captures = join(a->run_dir, "capture");
	trace_directory(captures);
	free(captures);
	trace_port_names(port_name);
	conf_args.loop = *loop;
	need(lb_conf_init(conf, &conf_args), "configuration");
	need(lb_rates_start(conf), "rates");
	conf->made_pool =
		rte_pktmbuf_pool_create("lb_made", MADE_MAX, 0, 0, MADE_ROOM, SOCKET_ID_ANY);
	need(conf->made_pool == NULL ? -ENOMEM : 0, "buffers for packets of our own");
	need(port_watch(*loop, on_port_changed, conf), "watch of the interfaces");
	app = lb_conf_calls;
	app.arg = conf;
	rc = ctl_link_create(*loop, &link_conf, &app, link);
	if (rc == -EADDRINUSE)
		die("instance '%s' runs already (%s/%s.lock)", a->instance, a->run_dir,
		    a->instance);
	need(rc, "control link");
	lb_conf_linked(conf, *link);
	// Without a last good state nothing claims what an earlier run left attached, and once root is
	// gone it could neither be examined nor replaced: a port could never be opened on it again.
	if (conf->version == 0)
		port_detach_left(a->instance);
	need(worker_start(), "workers");
}

// Files made as root that the user must be able to replace later.
static void give_files(const struct args *a)
{
	static const char *const run_files[] = {".health", ".lock"};
	char *path;

	for (size_t i = 0; i < sizeof(run_files) / sizeof(run_files[0]); i++) {
		if (asprintf(&path, "%s/%s%s", a->run_dir, a->instance, run_files[i]) < 0)
			die("out of memory");
		privs_give(path, a->uid, a->gid);
		free(path);
	}
	if (asprintf(&path, "%s/%s.snapshot", a->lib_dir, a->instance) < 0)
		die("out of memory");
	privs_give(path, a->uid, a->gid);
	free(path);
	if (asprintf(&path, "%s/%s.persist", a->flow_dir, a->instance) < 0)
		die("out of memory");
	privs_give(path, a->uid, a->gid);
	free(path);
	for (unsigned w = 0; w < a->workers; w++) {
		if (asprintf(&path, "%s/%s.w%u.flows", a->flow_dir, a->instance, w) < 0)
			die("out of memory");
		privs_give(path, a->uid, a->gid);
		free(path);
	}
}

static void drop_root(const struct args *a)
{
	int rc;

	if (a->uid == 0) {
		fprintf(stderr, "sluice-lb: --user is root: running with all rights\n");
		return;
	}
	if (geteuid() == 0)
		give_files(a);
	rc = privs_drop(a->uid, a->gid);
	if (rc != 0)
		die("rights cannot be dropped to user %u: %s", a->uid, strerror(-rc));
	prctl(PR_SET_DUMPABLE, 1, 0, 0,
	      0); // a crash may leave a core where the system asks for one
}

// Give up what earlier runs left. Not under a process that serves: its lock says so.
static int detach(const struct args *a)
{
	char *run_dir = a->base != NULL ? join(a->base, "run") : strdup(RUN_DEFAULT);
	char *name, *path;
	int fd;

	if (run_dir == NULL || asprintf(&name, "%s.lock", a->instance) < 0)
		die("out of memory");
	path = join(run_dir, name);
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0)
		die("instance '%s' runs: stop it first", a->instance);
	need(port_detach_left(a->instance), "detach");
	return 0;
}

int main(int argc, char **argv)
{
	struct args a = {.instance = "lb", .workers = 1, .base = getenv("SLUICE_BASE")};
	static struct lb_conf conf;
	struct ctl_link *link;
	struct loop *loop;

	parse(argc, argv, &a);
	check_instance(a.instance);
	if (a.detach)
		return detach(&a);
	find_users(&a);
	umask(022);
	make_dirs(&a);
	raise_limits();
	start(&a, &loop, &conf, &link);
	need(out_telemetry_init(loop), "telemetry");
	lb_telemetry_init(&conf);
	drop_root(&a);
	fprintf(stderr,
		"sluice-lb: instance '%s' serves version %llu with %u worker%s, %u flows taken over\n",
		a.instance, (unsigned long long)conf.version, a.workers, a.workers == 1 ? "" : "s",
		conf.flows_taken);
	loop_run(loop);
	fprintf(stderr, "sluice-lb: stopping; ports stay as they are until the next start\n");
	worker_stop();
	if (conf.health_unsaved)
		lb_health_save(&conf);
	port_leave_all();
	fflush(NULL);
	_exit(0);
}
