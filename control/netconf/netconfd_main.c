// SPDX-License-Identifier: BSD-3-Clause
//
// sluice-netconfd - NETCONF over SSH for sluiced (README.md of this folder).
//
// Order of start: models, host key and port as root, then the user is changed for good, and only then
// the first client is taken.

#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <libssh/libssh.h>
#include <libxml/parser.h>

#include "control/netconf/hostkey.h"
#include "control/netconf/listen.h"

#define YANG_MAX     8
#define HOSTKEYS_MAX 4
#define DEFAULT_USER "sluice-netconfd"

enum {
	OPT_BASE = 1000,
	OPT_YANG,
	OPT_LISTEN,
	OPT_PORT,
	OPT_HOSTKEY,
	OPT_USER,
	OPT_MAX_SESSIONS,
	OPT_MAX_WAITING,
	OPT_GRACE,
	OPT_MAX_MESSAGE,
};

static const struct option options[] = {
	{"base", required_argument, NULL, OPT_BASE},
	{"yang", required_argument, NULL, OPT_YANG},
	{"listen", required_argument, NULL, OPT_LISTEN},
	{"port", required_argument, NULL, OPT_PORT},
	{"hostkey", required_argument, NULL, OPT_HOSTKEY},
	{"user", required_argument, NULL, OPT_USER},
	{"max-sessions", required_argument, NULL, OPT_MAX_SESSIONS},
	{"max-waiting", required_argument, NULL, OPT_MAX_WAITING},
	{"login-grace", required_argument, NULL, OPT_GRACE},
	{"max-message", required_argument, NULL, OPT_MAX_MESSAGE},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

struct settings {
	const char *base;
	const char *yang[YANG_MAX];
	unsigned yang_count;
	char *yang_env; // what the folders of SLUICE_YANG point into
	const char *listen[NCD_LISTEN_MAX];
	unsigned listen_count;
	const char *hostkey[HOSTKEYS_MAX];
	unsigned hostkey_count;
	const char *user;
	unsigned port;
	unsigned max_sessions;
	unsigned max_waiting;
	unsigned grace_s;
	unsigned max_message_mib;
	char lib[4096];
	char run[4096];
};

static void usage(FILE *out)
{
	fputs("usage: sluice-netconfd [option]...\n"
	      "  --base DIR          use DIR/etc, DIR/lib, DIR/run (env SLUICE_BASE)\n"
	      "  --yang DIR          where the models are; may be repeated (env SLUICE_YANG)\n"
	      "  --listen ADDR       address to listen on; may be repeated (default: all)\n"
	      "  --port N            TCP port (830)\n"
	      "  --hostkey FILE      private key of this server; may be repeated\n"
	      "                      (default: <lib>/netconf-hostkey, made when absent)\n"
	      "  --user NAME|UID     run as this user (" DEFAULT_USER ")\n"
	      "  --max-sessions N    sessions at once (64)\n"
	      "  --max-waiting N     connections not yet authenticated (32)\n"
	      "  --login-grace S     seconds from connect to hello (30)\n"
	      "  --max-message MIB   longest message of a client (32)\n",
	      out);
}

static void die(const char *what, const char *why)
{
	fprintf(stderr, "<3>sluice-netconfd: %s: %s\n", what, why);
	exit(1);
}

static unsigned number(const char *text, const char *what, unsigned long min, unsigned long max)
{
	unsigned long v;
	char *end;

	errno = 0;
	v = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || v < min || v > max) {
		fprintf(stderr, "<3>sluice-netconfd: %s: '%s' is no number from %lu to %lu\n", what,
			text, min, max);
		exit(1);
	}
	return (unsigned)v;
}

static void append(const char **list, unsigned *count, unsigned max, const char *value,
		   const char *what)
{
	if (*count == max)
		die(what, "given too often");
	list[(*count)++] = value;
}

static void read_option(struct settings *s, int opt, const char *arg)
{
	switch (opt) {
	case OPT_BASE:
		s->base = arg;
		break;
	case OPT_YANG:
		append(s->yang, &s->yang_count, YANG_MAX, arg, "--yang");
		break;
	case OPT_LISTEN:
		append(s->listen, &s->listen_count, NCD_LISTEN_MAX, arg, "--listen");
		break;
	case OPT_PORT:
		s->port = number(arg, "--port", 1, 65535);
		break;
	case OPT_HOSTKEY:
		append(s->hostkey, &s->hostkey_count, HOSTKEYS_MAX, arg, "--hostkey");
		break;
	case OPT_USER:
		s->user = arg;
		break;
	case OPT_MAX_SESSIONS:
		s->max_sessions = number(arg, "--max-sessions", 1, 512);
		break;
	case OPT_MAX_WAITING:
		s->max_waiting = number(arg, "--max-waiting", 1, 256);
		break;
	case OPT_GRACE:
		s->grace_s = number(arg, "--login-grace", 1, 600);
		break;
	case OPT_MAX_MESSAGE:
		s->max_message_mib = number(arg, "--max-message", 1, 60);
		break;
	case 'h':
		usage(stdout);
		exit(0);
	default:
		usage(stderr);
		exit(2);
	}
}

static void make_dir(const char *path)
{
	if (mkdir(path, 0755) != 0 && errno != EEXIST)
		die(path, strerror(errno));
}

static void resolve_paths(struct settings *s)
{
	char *save = NULL, *dir;

	if (s->base != NULL) {
		make_dir(s->base);
		snprintf(s->lib, sizeof(s->lib), "%s/lib", s->base);
		snprintf(s->run, sizeof(s->run), "%s/run", s->base);
	} else {
		snprintf(s->lib, sizeof(s->lib), "/var/lib/sluice");
		snprintf(s->run, sizeof(s->run), "/run/sluice");
	}
	if (s->yang_count == 0 && getenv("SLUICE_YANG") != NULL) {
		s->yang_env = strdup(getenv("SLUICE_YANG"));
		if (s->yang_env == NULL)
			die("SLUICE_YANG", strerror(ENOMEM));
		for (dir = strtok_r(s->yang_env, ":", &save); dir != NULL;
		     dir = strtok_r(NULL, ":", &save))
			append(s->yang, &s->yang_count, YANG_MAX, dir, "SLUICE_YANG");
	}
	if (s->yang_count == 0)
		s->yang[s->yang_count++] = SLUICE_YANG_DIR;
}

static void load_hostkeys(struct settings *s, ssh_key *keys)
{
	char own[4200], why[4400] = "";

	if (s->hostkey_count == 0) {
		make_dir(s->lib);
		snprintf(own, sizeof(own), "%s/netconf-hostkey", s->lib);
		s->hostkey[s->hostkey_count++] = own;
	}
	for (unsigned i = 0; i < s->hostkey_count; i++) {
		if (ncd_hostkey_load(s->hostkey[i], 1, &keys[i], why, sizeof(why)) < 0)
			die("host key", why);
	}
}

static void open_listeners(const struct settings *s, struct ncd_listen_conf *conf)
{
	static const char *const all[] = {"0.0.0.0", "::"};
	const char *const *list = s->listen_count > 0 ? s->listen : all;
	unsigned count = s->listen_count > 0 ? s->listen_count : 2;

	for (unsigned i = 0; i < count; i++) {
		int fd = ncd_listen_open(list[i], s->port);

		if (fd == -EAFNOSUPPORT && s->listen_count == 0)
			continue; // a kernel without IPv6
		if (fd < 0)
			die(list[i], strerror(-fd));
		conf->fds[conf->fd_count++] = fd;
	}
	if (conf->fd_count == 0)
		die("listen", "no address");
}

// For good: all three ids, no supplementary groups but those of the user, no way back by exec.
static void change_user(const char *name)
{
	const struct passwd *pw;
	uid_t uid;
	gid_t gid;

	if (name[0] >= '0' && name[0] <= '9') {
		uid = number(name, "--user", 0, 4294967294UL);
		pw = getpwuid(uid);
	} else {
		pw = getpwnam(name);
		if (pw == NULL)
			die(name, "no such user; make it, or name another with --user");
		uid = pw->pw_uid;
	}
	gid = pw != NULL ? pw->pw_gid : (gid_t)uid;
	if (uid == 0)
		die(name, "it does not run as root");
	if (geteuid() == 0) {
		if (pw != NULL ? initgroups(pw->pw_name, gid) != 0 : setgroups(0, NULL) != 0)
			die("groups", strerror(errno));
		if (setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0)
			die("change of user", strerror(errno));
	} else if (geteuid() != uid) {
		die(name, "started neither as root nor as this user");
	}
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

static struct ncd_shared *make_shared(const struct settings *s)
{
	unsigned slots = s->max_sessions + s->max_waiting + 16; // 16: told to go and not gone yet
	size_t size = sizeof(struct ncd_shared) + slots * sizeof(struct ncd_slot);
	struct ncd_shared *sh =
		mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (sh == MAP_FAILED)
		die("shared memory", strerror(errno));
	sh->start_time = time(NULL);
	sh->max_sessions = s->max_sessions;
	sh->slot_count = slots;
	return sh;
}

int main(int argc, char **argv)
{
	struct settings s = {.base = getenv("SLUICE_BASE"),
			     .user = DEFAULT_USER,
			     .port = 830,
			     .max_sessions = 64,
			     .max_waiting = 32,
			     .grace_s = 30,
			     .max_message_mib = 32};
	struct ncd_listen_conf conf = {0};
	ssh_key keys[HOSTKEYS_MAX];
	struct ncd_schema schema;
	char why[512], rpc_path[4200];
	int opt, rc;

	while ((opt = getopt_long(argc, argv, "h", options, NULL)) != -1)
		read_option(&s, opt, optarg);
	if (optind < argc)
		die(argv[optind], "not an option");
	resolve_paths(&s);
	xmlInitParser();
	if (ssh_init() != SSH_OK)
		die("libssh", "cannot be set up");
	if (ncd_schema_load(&schema, s.yang, s.yang_count, why, sizeof(why)) < 0)
		die("models", why);
	load_hostkeys(&s, keys);
	open_listeners(&s, &conf);
	change_user(s.user);

	snprintf(rpc_path, sizeof(rpc_path), "%s/sluiced.sock", s.run);
	conf.preauth_max = s.max_waiting;
	conf.ssh = (struct ncd_ssh_conf){.hostkeys = keys,
					 .hostkey_count = s.hostkey_count,
					 .rpc_path = rpc_path,
					 .schema = &schema,
					 .shared = make_shared(&s),
					 .grace_s = s.grace_s,
					 .message_max = (size_t)s.max_message_mib << 20};
	fprintf(stderr, "<5>sluice-netconfd: listening on port %u\n", s.port);
	rc = ncd_listen_run(&conf);
	for (unsigned i = 0; i < s.hostkey_count; i++)
		ssh_key_free(keys[i]);
	ncd_schema_fini(&schema);
	free(s.yang_env);
	ssh_finalize();
	if (rc < 0)
		die("run", strerror(-rc));
	return 0;
}
