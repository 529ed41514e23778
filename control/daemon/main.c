// SPDX-License-Identifier: BSD-3-Clause
//
// sluiced - owns the configuration: datastore, transactions, the socket all operators come in by.

#include "control/daemon/helper.h"
#include "control/daemon/links.h"
#include "control/daemon/paths.h"
#include "control/datastore/datastore.h"
#include "control/datastore/schema.h"
#include "control/net/net.h"
#include "control/rpc/rpc.h"

#include <event2/event.h>

#include <dirent.h>
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
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define YANG_MAX 8

struct options {
	const char *base, *user, *netconfd_user, *factory;
	const char *yang[YANG_MAX];
	size_t yang_count;
	bool keep_good;
};

struct daemon {
	struct options opt;
	struct paths paths;
	uid_t uid, netconfd_uid;
	gid_t gid, netconfd_gid;
	int lock_fd;
	struct event_base *base;
	struct event *term, *intr;
	struct ly_ctx *ctx;
	struct helper *helper;
	struct ds *ds;
	struct rpc_server *rpc;
	bool net;
	char dir[4200], socket[4200], factory[4200];
};

static struct helper *verify_helper;

static void usage(FILE *f)
{
	fprintf(f,
		"usage: sluiced [--base DIR] [--yang DIR]... [--user USER] [--netconfd-user USER]\n"
		"               [--factory FILE] [--keep-good-journal]\n");
}

static void notice(const char *text)
{
	fprintf(stderr, "sluiced: %s\n", text);
}

// ---- options and users

static int parse_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{"base", required_argument, NULL, 'b'},
		{"yang", required_argument, NULL, 'y'},
		{"user", required_argument, NULL, 'u'},
		{"netconfd-user", required_argument, NULL, 'n'},
		{"factory", required_argument, NULL, 'f'},
		{"keep-good-journal", no_argument, NULL, 'k'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	const char *env = getenv("SLUICE_YANG");
	int c;

	while ((c = getopt_long(argc, argv, "h", longs, NULL)) >= 0)
		switch (c) {
		case 'b':
			o->base = optarg;
			break;
		case 'y':
			if (o->yang_count == YANG_MAX) {
				fprintf(stderr, "sluiced: --yang at most %d times\n", YANG_MAX);
				return -EINVAL;
			}
			o->yang[o->yang_count++] = optarg;
			break;
		case 'u':
			o->user = optarg;
			break;
		case 'n':
			o->netconfd_user = optarg;
			break;
		case 'f':
			o->factory = optarg;
			break;
		case 'k':
			o->keep_good = true;
			break;
		case 'h':
			usage(stdout);
			exit(0);
		default:
			usage(stderr);
			return -EINVAL;
		}
	if (optind < argc) {
		usage(stderr);
		return -EINVAL;
	}
	if (o->yang_count == 0)
		o->yang[o->yang_count++] = env != NULL && env[0] != '\0' ? env : SLUICE_YANG_DIR;
	return 0;
}

// A user by name or number. An unknown number is its own group.
static int find_user(const char *text, uid_t *uid, gid_t *gid)
{
	const struct passwd *pw = getpwnam(text);
	unsigned long n;
	char *end;

	if (pw == NULL) {
		errno = 0;
		n = strtoul(text, &end, 10);
		if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || n >= (uid_t)-1)
			return -ENOENT;
		*uid = (uid_t)n;
		*gid = (gid_t)n;
		pw = getpwuid((uid_t)n);
		if (pw == NULL)
			return 0;
	}
	*uid = pw->pw_uid;
	*gid = pw->pw_gid;
	return 0;
}

static int find_users(struct daemon *d)
{
	const char *user = d->opt.user != NULL ? d->opt.user : "sluice";
	const char *netconfd =
		d->opt.netconfd_user != NULL ? d->opt.netconfd_user : "sluice-netconfd";

	if (geteuid() != 0 && d->opt.user == NULL) {
		d->uid = geteuid(); // started without rights: nothing to drop
		d->gid = getegid();
	} else if (find_user(user, &d->uid, &d->gid) != 0) {
		fprintf(stderr,
			"sluiced: there is no user %s to run as: make it, or name another by --user\n",
			user);
		return -ENOENT;
	}
	d->netconfd_uid = (uid_t)-1;
	d->netconfd_gid = (gid_t)-1;
	if (find_user(netconfd, &d->netconfd_uid, &d->netconfd_gid) != 0) {
		if (d->opt.netconfd_user != NULL) {
			fprintf(stderr, "sluiced: there is no user %s (--netconfd-user)\n",
				netconfd);
			return -ENOENT;
		}
		notice("there is no user sluice-netconfd: nobody may speak for others (--netconfd-user)");
	}
	return 0;
}

// ---- rights

// Files that a run as root left behind become the user's.
static void own_files(const char *dir, uid_t uid, gid_t gid)
{
	struct dirent *e;
	struct stat st;
	DIR *d = opendir(dir);

	if (d == NULL)
		return;
	while ((e = readdir(d)) != NULL)
		if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(st.st_mode) && st.st_nlink == 1 && st.st_uid == 0)
			(void)fchownat(dirfd(d), e->d_name, uid, gid, AT_SYMLINK_NOFOLLOW);
	closedir(d);
}

static int make_folders(struct daemon *d)
{
	char err[4300];

	if (paths_init(&d->paths, d->opt.base) != 0) {
		fprintf(stderr, "sluiced: --base is too long\n");
		return -ENAMETOOLONG;
	}
	if (paths_make(&d->paths, d->uid, d->gid, err, sizeof(err)) != 0) {
		fprintf(stderr, "sluiced: %s\n", err);
		return -EACCES;
	}
	snprintf(d->dir, sizeof(d->dir), "%s/datastore", d->paths.lib);
	snprintf(d->socket, sizeof(d->socket), "%s/sluiced.sock", d->paths.run);
	if ((mkdir(d->dir, 0700) != 0 && errno != EEXIST) ||
	    (geteuid() == 0 && chown(d->dir, d->uid, d->gid) != 0)) {
		fprintf(stderr, "sluiced: %s: %s\n", d->dir, strerror(errno));
		return -EACCES;
	}
	if (geteuid() == 0)
		own_files(d->dir, d->uid, d->gid);
	return 0;
}

// One sluiced for one datastore.
static int take_lock(struct daemon *d)
{
	char path[4300];

	snprintf(path, sizeof(path), "%s/lock", d->dir);
	d->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (d->lock_fd < 0 || flock(d->lock_fd, LOCK_EX | LOCK_NB) != 0) {
		fprintf(stderr, "sluiced: %s: %s\n", path,
			errno == EWOULDBLOCK ? "another sluiced uses this datastore"
					     : strerror(errno));
		return -EBUSY;
	}
	return 0;
}

static int drop_rights(struct daemon *d)
{
	// the group of the socket must be one of ours when it is made
	gid_t groups[] = {d->gid, d->netconfd_gid};
	size_t n = d->netconfd_gid != (gid_t)-1 ? 2 : 1;

	if (geteuid() == 0 && d->uid != 0) {
		if (setgroups(n, groups) != 0 || setresgid(d->gid, d->gid, d->gid) != 0 ||
		    setresuid(d->uid, d->uid, d->uid) != 0) {
			fprintf(stderr, "sluiced: cannot become user %u: %s\n", (unsigned)d->uid,
				strerror(errno));
			return -EPERM;
		}
		(void)prctl(PR_SET_DUMPABLE, 1); // a core is worth more than it tells
	} else if (geteuid() != 0 && geteuid() != d->uid) {
		fprintf(stderr, "sluiced: only root can become another user\n");
		return -EPERM;
	}
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return 0;
}

// ---- parts

static void on_stop(evutil_socket_t sig, short what, void *arg)
{
	(void)sig;
	(void)what;
	event_base_loopexit(arg, NULL);
}

static void verify(const char *password, const char *hash, rpc_verdict_fn done, void *arg)
{
	helper_verify_password(verify_helper, password, hash, done, arg);
}

static int start(struct daemon *d)
{
	static const struct ds_txn txn = {txn_check, txn_prepare, txn_commit, txn_abort};
	struct ds_conf conf = {.ctx = d->ctx,
			       .dir = d->dir,
			       .keep_good = d->opt.keep_good,
			       .txn = &txn,
			       .notice = notice,
			       .base = d->base};
	struct net_conf net = {.base = d->base, .ctx = d->ctx, .run_dir = d->paths.run};
	struct rpc_conf rpc = {.base = d->base,
			       .ctx = d->ctx,
			       .socket_path = d->socket,
			       .netconfd_uid = d->netconfd_uid,
			       .socket_gid = d->netconfd_gid,
			       .state = txn_state,
			       .apps = net_apps,
			       .alarms = net_alarms,
			       .preview = net_preview,
			       .query = net_query,
			       .verify = verify};
	char err[1024] = "";
	int rc;

	if (d->opt.factory != NULL) {
		conf.factory = d->opt.factory;
	} else {
		snprintf(d->factory, sizeof(d->factory), "%s/factory.json", d->paths.etc);
		conf.factory = access(d->factory, R_OK) == 0 ? d->factory : NULL;
	}
	rc = ds_open(&conf, &d->ds, err, sizeof(err));
	if (rc != 0) {
		fprintf(stderr, "sluiced: %s\n", err);
		if (rc == -EBADMSG)
			fprintf(stderr,
				"sluiced: --keep-good-journal starts with what is good before the damage\n");
		return rc;
	}
	rc = txn_register(net_module());
	if (rc == 0)
		rc = txn_register(links_module(d->helper));
	memcpy(net.datastore, ds_id(d->ds), sizeof(net.datastore));
	if (rc == 0)
		rc = net_init(&net, ds_running(d->ds)->root, ds_version(d->ds));
	if (rc != 0) {
		fprintf(stderr, "sluiced: network module: %s\n", strerror(-rc));
		return rc;
	}
	d->net = true;
	links_start(ds_running(d->ds)->root);
	rpc.ds = d->ds;
	rc = rpc_create(&rpc, &d->rpc);
	if (rc != 0)
		fprintf(stderr, "sluiced: %s: %s\n", d->socket, strerror(-rc));
	return rc;
}

static void stop(struct daemon *d)
{
	rpc_destroy(d->rpc);
	if (d->net)
		net_fini();
	txn_unregister_all();
	helper_destroy(d->helper);
	ds_close(d->ds);
	schema_destroy(d->ctx);
	if (d->term != NULL)
		event_free(d->term);
	if (d->intr != NULL)
		event_free(d->intr);
	if (d->base != NULL)
		event_base_free(d->base);
	if (d->lock_fd >= 0)
		close(d->lock_fd);
}

int main(int argc, char **argv)
{
	static struct daemon d = {.lock_fd = -1};
	struct timespec begin, ready;
	char err[1024] = "";
	pid_t helper_pid;
	int fd = -1, status = 1;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	if (parse_options(argc, argv, &d.opt) != 0)
		return 2;
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	umask(0022);
	if (find_users(&d) != 0 || make_folders(&d) != 0 || take_lock(&d) != 0)
		return 1;
	if (helper_fork(&fd, &helper_pid) != 0) {
		fprintf(stderr, "sluiced: the helper cannot be started: %s\n", strerror(errno));
		return 1;
	}
	if (geteuid() == 0 && fchown(d.lock_fd, d.uid, d.gid) != 0)
		notice("the lock file stays root's");
	if (drop_rights(&d) != 0)
		return 1;
	d.base = event_base_new();
	if (d.base == NULL || helper_create(d.base, fd, &d.helper) != 0) {
		fprintf(stderr, "sluiced: out of memory\n");
		goto out;
	}
	verify_helper = d.helper;
	d.term = evsignal_new(d.base, SIGTERM, on_stop, d.base);
	d.intr = evsignal_new(d.base, SIGINT, on_stop, d.base);
	if (d.term == NULL || d.intr == NULL || event_add(d.term, NULL) != 0 ||
	    event_add(d.intr, NULL) != 0)
		goto out;
	if (schema_create(d.opt.yang, d.opt.yang_count, &d.ctx, err, sizeof(err)) != 0) {
		fprintf(stderr, "sluiced: %s\n", err);
		goto out;
	}
	if (start(&d) != 0)
		goto out;
	clock_gettime(CLOCK_MONOTONIC, &ready);
	fprintf(stderr, "sluiced: ready on %s, version %llu, %.0f ms\n", d.socket,
		(unsigned long long)ds_version(d.ds),
		(double)(ready.tv_sec - begin.tv_sec) * 1e3 +
			(double)(ready.tv_nsec - begin.tv_nsec) / 1e6);
	if (event_base_dispatch(d.base) >= 0)
		status = 0;
	notice("stopped");
out:
	stop(&d);
	return status;
}
