// SPDX-License-Identifier: BSD-3-Clause
//
// Workers take the next file each; whoever finishes the one that is due tells it and all after it that
// wait. So the lines stand in order, and none waits for the end.

#include "apps/waf/waf_files.h"

#include "apps/waf/waf_show.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE       (UINT32_C(1) << 20)
#define WORKERS_MAX 256

// ---- one file ------------------------------------------------------------------------------------

int waf_file_judge(struct waf_judge *j, const char *path, struct waf_judgement *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc = 0;
	uint8_t *piece;
	ssize_t n;

	if (fd < 0)
		return -errno;
	piece = malloc(PIECE);
	if (piece == NULL) {
		close(fd);
		return -ENOMEM;
	}
	waf_judge_begin(j);
	while ((n = read(fd, piece, PIECE)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			rc = -errno;
			break;
		}
		waf_judge_feed(j, piece, (size_t)n);
	}
	if (rc == 0)
		waf_judge_end(j, out);
	free(piece);
	close(fd);
	return rc;
}

// ---- names ---------------------------------------------------------------------------------------

struct names {
	char **path;
	size_t count, room;
};

static int add_name(struct names *n, const char *path)
{
	if (n->count == n->room) {
		size_t room = n->room > 0 ? 2 * n->room : 256;
		char **more = realloc(n->path, room * sizeof(*more));

		if (more == NULL)
			return -ENOMEM;
		n->path = more;
		n->room = room;
	}
	n->path[n->count] = strdup(path);
	if (n->path[n->count] == NULL)
		return -ENOMEM;
	n->count++;
	return 0;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

// A link to a file is one; a link to a folder is not followed, it may lead in a circle.
static bool is_file(const FTSENT *e)
{
	struct stat st;

	return e->fts_info == FTS_F ||
	       (e->fts_info == FTS_SL && stat(e->fts_accpath, &st) == 0 && S_ISREG(st.st_mode));
}

// unread: folders that could not be read.
static int collect(const char *path, struct names *n, int *unread)
{
	char *top = strdup(path), *const roots[] = {top, NULL};
	FTS *fts = top != NULL
			   ? fts_open(roots, FTS_COMFOLLOW | FTS_PHYSICAL | FTS_NOCHDIR, by_name)
			   : NULL;
	int rc = fts != NULL ? 0 : -errno;
	FTSENT *e;

	while (rc == 0 && (e = fts_read(fts)) != NULL) {
		if (is_file(e)) {
			rc = add_name(n, e->fts_path);
		} else if (e->fts_info == FTS_DNR || e->fts_info == FTS_ERR ||
			   e->fts_info == FTS_NS) {
			fprintf(stderr, "sluice-waf-check: %s: %s\n", e->fts_path,
				strerror(e->fts_errno));
			++*unread;
		}
	}
	if (fts != NULL)
		fts_close(fts);
	free(top);
	return rc;
}

// ---- all of them ---------------------------------------------------------------------------------

struct pool {
	const struct waf_run *run;
	size_t prefix; // of a path, that is not told
	struct names names;
	pthread_mutex_t lock;
	size_t next, told;
	char **line; // of each file, until it is told; empty: none to tell
	int failed;  // files
	int error;   // of a worker as a whole
};

// The line of one file. NULL: no memory
static char *line_of(struct pool *p, struct waf_judge *j, const char *path, int *failed)
{
	struct waf_judgement got;
	char *text = NULL;
	size_t size;
	FILE *f;
	int rc = waf_file_judge(j, path, &got);

	if (rc != 0) {
		fprintf(stderr, "sluice-waf-check: %s: %s\n", path, strerror(-rc));
		*failed = 1;
		return strdup("");
	}
	f = open_memstream(&text, &size);
	if (f == NULL)
		return NULL;
	waf_show_json(f, path + p->prefix, &got, p->run->evidence);
	return fclose(f) == 0 ? text : NULL;
}

static void tell(struct pool *p)
{
	while (p->told < p->names.count && p->line[p->told] != NULL) {
		fputs(p->line[p->told], p->run->out);
		free(p->line[p->told]);
		p->line[p->told++] = NULL;
	}
}

static void *work(void *arg)
{
	struct pool *p = arg;
	struct waf_judge j;
	int rc = waf_judge_init(&j, p->run->policy);
	size_t i;

	pthread_mutex_lock(&p->lock);
	if (rc != 0)
		p->error = rc;
	while (p->error == 0 && p->next < p->names.count) {
		int failed = 0;
		char *line;

		i = p->next++;
		pthread_mutex_unlock(&p->lock);
		line = line_of(p, &j, p->names.path[i], &failed);
		pthread_mutex_lock(&p->lock);
		p->failed += failed;
		p->line[i] = line;
		if (line == NULL)
			p->error = -ENOMEM;
		tell(p);
	}
	pthread_mutex_unlock(&p->lock);
	if (rc == 0)
		waf_judge_fini(&j);
	return NULL;
}

static unsigned cores(void)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;

	return n < WORKERS_MAX ? (unsigned)n : WORKERS_MAX;
}

static void run_all(struct pool *p)
{
	pthread_t thread[WORKERS_MAX];
	unsigned started = 0, wanted = cores();

	while (started + 1 < wanted && pthread_create(&thread[started], NULL, work, p) == 0)
		started++;
	work(p); // this thread is one of them
	while (started > 0)
		pthread_join(thread[--started], NULL);
}

int waf_folder_judge(const struct waf_run *run, const char *path)
{
	struct pool p = {.run = run, .prefix = strlen(path), .lock = PTHREAD_MUTEX_INITIALIZER};
	int rc = collect(path, &p.names, &p.failed);

	if (p.prefix > 0 && path[p.prefix - 1] != '/')
		p.prefix++;
	if (rc == 0 && p.names.count > 0) {
		p.line = calloc(p.names.count, sizeof(*p.line));
		if (p.line == NULL)
			rc = -ENOMEM;
		else
			run_all(&p);
	}
	for (size_t i = 0; i < p.names.count; i++) {
		if (p.line != NULL)
			free(p.line[i]);
		free(p.names.path[i]);
	}
	free(p.line);
	free(p.names.path);
	if (rc == 0)
		rc = p.error;
	return rc != 0 ? rc : p.failed;
}
