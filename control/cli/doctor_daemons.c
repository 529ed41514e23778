// SPDX-License-Identifier: BSD-3-Clause
//
// doctor_daemons - which of our programs run, whether their sockets answer, how old snapshots are.

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "control/cli/doctor.h"
#include "control/cli/table.h"

// Does something listen here? 0 or -errno. Nothing is said: the listener sees a caller who hangs up.
static int listens(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd, rc = 0;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0)
		rc = -errno;
	close(fd);
	return rc;
}

static void sluiced(struct doctor *d)
{
	char path[CLI_PATH + 16];
	int rc;

	snprintf(path, sizeof(path), "%s/sluiced.sock", d->cli->run_dir);
	rc = listens(path);
	if (rc == -EACCES)
		doctor_say(d, DOCTOR_BAD, "sluiced", "run as root, or join the group of the socket",
			   "you may not speak with it (%s)", path);
	else if (rc == -ENOENT || rc == -ECONNREFUSED)
		doctor_say(d, DOCTOR_BAD, "sluiced",
			   "start it and read its log; traffic runs on meanwhile",
			   "it does not run: %s: %s", path, strerror(-rc));
	else if (rc != 0)
		doctor_say(d, DOCTOR_BAD, "sluiced", "read its log", "%s: %s", path, strerror(-rc));
}

// Is a process of this name at work for our base folder?
static bool runs(const struct cli *c, const char *name)
{
	DIR *proc = opendir("/proc");
	struct dirent *e;
	bool found = false;

	while (proc != NULL && !found && (e = readdir(proc)) != NULL) {
		char path[300], comm[64], args[4096];
		size_t n;
		FILE *f;

		if (e->d_name[0] < '1' || e->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%s/comm", e->d_name);
		if (doctor_read(path, comm, sizeof(comm)) != 0 ||
		    strncmp(comm, name, 15) != 0) // the kernel keeps 15 bytes of a name
			continue;
		snprintf(path, sizeof(path), "/proc/%s/cmdline", e->d_name);
		f = fopen(path, "r");
		n = f != NULL ? fread(args, 1, sizeof(args) - 1, f) : 0;
		if (f != NULL)
			fclose(f);
		for (size_t i = 0; i < n; i++)
			if (args[i] == '\0')
				args[i] = ' ';
		args[n] = '\0';
		found = c->base != NULL
				? strstr(args, c->base) != NULL || strstr(args, "--base") == NULL
				: strstr(args, "--base") == NULL;
	}
	if (proc != NULL)
		closedir(proc);
	return found;
}

static void instance(struct doctor *d, const char *name)
{
	char path[CLI_PATH + 300], subject[300];
	int rc;

	snprintf(path, sizeof(path), "%s/%s.ctl", d->cli->run_dir, name);
	snprintf(subject, sizeof(subject), "app %s", name);
	rc = listens(path);
	if (rc == -ECONNREFUSED)
		doctor_say(d, DOCTOR_BAD, subject,
			   "start it; its flows live on in shared memory and are taken over",
			   "it does not run, its socket is dead");
	else if (rc != 0 && rc != -EACCES)
		doctor_say(d, DOCTOR_BAD, subject, "read its log", "%s: %s", path, strerror(-rc));
	else if (rc == 0)
		doctor_say(d, DOCTOR_OK, subject, "", "runs");
}

static void snapshot(struct doctor *d, const char *name)
{
	char path[CLI_PATH + 300], subject[300], age[TABLE_TEXT], size[TABLE_TEXT];
	struct stat st;

	snprintf(subject, sizeof(subject), "snapshot of %s", name);
	snprintf(path, sizeof(path), "%s/%s.snapshot.bad", d->cli->lib_dir, name);
	if (stat(path, &st) == 0)
		doctor_say(d, DOCTOR_WARN, subject, "look why (disk?), then remove that file",
			   "a damaged one was set aside as %s", path);
	snprintf(path, sizeof(path), "%s/%s.snapshot", d->cli->lib_dir, name);
	if (stat(path, &st) != 0)
		doctor_say(d, DOCTOR_WARN, subject, "commit once with the app linked",
			   "there is none: after a restart the app would wait for sluiced (%s)",
			   strerror(errno));
	else
		doctor_say(d, DOCTOR_OK, subject, "", "%s, written %s ago",
			   table_bytes((uint64_t)st.st_size, size),
			   table_age((uint64_t)(time(NULL) - st.st_mtime), age));
}

// The instance that a file "<name><end>" belongs to, or false.
static bool instance_of(const char *file, const char *end, char *name, size_t size)
{
	size_t len = strlen(file), tail = strlen(end);

	if (len <= tail || len - tail >= size || strcmp(file + len - tail, end) != 0 ||
	    file[0] == '.')
		return false;
	memcpy(name, file, len - tail);
	name[len - tail] = '\0';
	return true;
}

static size_t each(struct doctor *d, const char *dir, const char *end,
		   void (*fn)(struct doctor *d, const char *name))
{
	DIR *run = opendir(dir);
	struct dirent *e;
	char name[256];
	size_t n = 0;

	while (run != NULL && (e = readdir(run)) != NULL) {
		if (!instance_of(e->d_name, end, name, sizeof(name)))
			continue;
		fn(d, name);
		n++;
	}
	if (run != NULL)
		closedir(run);
	return n;
}

static void both(struct doctor *d, const char *name)
{
	instance(d, name);
	snapshot(d, name);
}

void doctor_daemons(struct doctor *d)
{
	sluiced(d);
	if (each(d, d->cli->run_dir, ".ctl", both) == 0)
		doctor_say(d, DOCTOR_WARN, "apps", "start sluice-lb", "none has a socket in %s",
			   d->cli->run_dir);
	if (runs(d->cli, "sluice-checkd"))
		doctor_say(d, DOCTOR_OK, "sluice-checkd", "", "runs");
	else
		doctor_say(d, DOCTOR_WARN, "sluice-checkd", "start it",
			   "it does not run: no server is checked, the last verdicts stand");
	if (runs(d->cli, "sluice-netconfd"))
		doctor_say(d, DOCTOR_OK, "sluice-netconfd", "", "runs");
	else
		doctor_say(d, DOCTOR_NOTE, "sluice-netconfd", "start it, if NETCONF is wanted",
			   "it does not run");
}
