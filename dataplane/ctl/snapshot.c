// SPDX-License-Identifier: BSD-3-Clause
//
// snapshot - the log of snapshot.h: reading and checking, appending, rewriting.
//
// Loading folds the log: later records of a key replace earlier ones, a transaction from nothing
// replaces all. The records of the file are never trusted to be aligned, complete or honest; what
// they mean is checked by server.c with ctl_record_check.

#include "dataplane/ctl/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_hash_crc.h>

#define HEAD_MAGIC    "SLUICE1\n"
#define HEAD_VERSION  1
#define TXN_NOTHING   1
#define TXN_SIZE_MAX  (UINT64_C(1) << 31)
#define FILE_MAX      (UINT64_C(6) << 30) // twice the largest state, a transaction and slack
#define REWRITE_SLACK (256 * 1024) // log bytes beyond twice the last full state before a rewrite

struct head {
	char magic[8];
	uint32_t version;
	uint32_t crc;
};
static_assert(sizeof(struct head) == 16, "disk");

struct txn_head {
	uint32_t magic;
	uint32_t flags;
	uint64_t version;
	uint8_t datastore[16];
	uint64_t size;
	uint32_t records_crc;
	uint32_t crc;
};
static_assert(sizeof(struct txn_head) == 48, "disk");

struct ctl_snapshot {
	char *path;
	int fd;
	uint64_t size; // of the file
	uint64_t full; // size after the last rewrite (or at open, when nothing better is known)
	bool broken;   // an append failed: only a rewrite helps
};

static uint32_t crc32c(const void *p, size_t n)
{
	const uint8_t *b = p;
	uint32_t crc = UINT32_MAX;

	while (n > 0) {
		uint32_t part = n > (1u << 30) ? (1u << 30) : (uint32_t)n;

		crc = rte_hash_crc(b, part, crc);
		b += part;
		n -= part;
	}
	return ~crc;
}

static size_t padded(size_t n)
{
	return (n + 7) & ~(size_t)7;
}

static bool all_zero(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != 0)
			return false;
	return true;
}

// ---- the fold: (type, id) -> offset of the record in the file ---------------------------------

struct fold {
	size_t *slot; // offset of the record, 0 = empty (no record lies at offset 0)
	size_t mask, used;
	const uint8_t *file;
};

static struct ctl_rec rec_at(const uint8_t *p)
{
	struct ctl_rec r;

	memcpy(&r, p, sizeof(r));
	return r;
}

static size_t fold_hash(uint16_t type, uint64_t id)
{
	uint64_t x = (id ^ (uint64_t)type << 56) * UINT64_C(0x9e3779b97f4a7c15);

	return (size_t)(x ^ x >> 29);
}

// The slot of a key, or the empty slot where it belongs.
static size_t *fold_find(const struct fold *f, uint16_t type, uint64_t id)
{
	size_t i = fold_hash(type, id) & f->mask;

	for (; f->slot[i] != 0; i = (i + 1) & f->mask) {
		struct ctl_rec r = rec_at(f->file + f->slot[i]);

		if (r.type == type && r.id == id)
			break;
	}
	return &f->slot[i];
}

static int fold_grow(struct fold *f)
{
	size_t size = f->slot == NULL ? 1024 : (f->mask + 1) * 2;
	struct fold n = {.mask = size - 1, .used = f->used, .file = f->file};

	n.slot = calloc(size, sizeof(*n.slot));
	if (n.slot == NULL)
		return -ENOMEM;
	for (size_t i = 0; f->slot != NULL && i <= f->mask; i++)
		if (f->slot[i] != 0) {
			struct ctl_rec r = rec_at(f->file + f->slot[i]);

			*fold_find(&n, r.type, r.id) = f->slot[i];
		}
	free(f->slot);
	*f = n;
	return 0;
}

static void fold_clear(struct fold *f)
{
	if (f->slot != NULL)
		memset(f->slot, 0, (f->mask + 1) * sizeof(*f->slot));
	f->used = 0;
}

// Records of one verified transaction. A delete takes the key's slot too (as a tombstone), so that
// open addressing stays whole; emit leaves tombstones out.
static int fold_txn(struct fold *f, const struct txn_head *t, size_t offset)
{
	size_t end = offset + t->size;

	if (t->flags & TXN_NOTHING)
		fold_clear(f);
	while (offset < end) {
		struct ctl_rec r;
		size_t *slot;

		if (end - offset < sizeof(r))
			return -EBADMSG;
		r = rec_at(f->file + offset);
		if (r.size < sizeof(r) || padded(r.size) > end - offset || r.id == 0)
			return -EBADMSG;
		if ((f->slot == NULL || f->used * 2 > f->mask) && fold_grow(f) != 0)
			return -ENOMEM;
		slot = fold_find(f, r.type, r.id);
		f->used += *slot == 0;
		*slot = offset;
		offset += padded(r.size);
	}
	return 0;
}

static void fold_emit(const struct fold *f, void (*emit)(void *, const struct ctl_rec *), void *ctx)
{
	alignas(8) uint8_t copy[UINT16_MAX + 1];

	for (size_t i = 0; f->slot != NULL && i <= f->mask; i++) {
		struct ctl_rec r;

		if (f->slot[i] == 0)
			continue;
		r = rec_at(f->file + f->slot[i]);
		if (r.size == sizeof(r))
			continue; // deleted
		memcpy(copy, f->file + f->slot[i], r.size);
		emit(ctx, (const struct ctl_rec *)copy);
	}
}

// ---- reading ----------------------------------------------------------------------------------

struct reading {
	const uint8_t *file;
	size_t size;
	size_t good; // bytes that verified and are used
	struct fold fold;
	struct ctl_snapshot_state *state;
};

static int damaged(struct reading *r, const char *what, size_t offset)
{
	r->state->damaged = true;
	snprintf(r->state->reason, sizeof(r->state->reason), "%s at byte %zu of %zu", what, offset,
		 r->size);
	return 0;
}

static void forget_all(struct reading *r)
{
	fold_clear(&r->fold);
	r->state->version = 0;
	memset(r->state->datastore, 0, sizeof(r->state->datastore));
	r->good = 0;
}

// One transaction at `offset`. Returns its length, 0 to stop reading, or -ENOMEM.
static ssize_t read_txn(struct reading *r, size_t offset)
{
	size_t left = r->size - offset;
	const uint8_t *p = r->file + offset;
	struct txn_head t;
	int rc;

	if (left < sizeof(t))
		return 0; // cut short
	memcpy(&t, p, sizeof(t));
	if (t.magic != CTL_SNAPSHOT_TXN || t.crc != crc32c(&t, offsetof(struct txn_head, crc)) ||
	    t.version == 0 || t.size > TXN_SIZE_MAX || t.size % 8 != 0 || t.flags > TXN_NOTHING) {
		if (all_zero(p, left))
			return 0; // the file was made longer, the data never came
		damaged(r, "no valid transaction", offset);
		forget_all(r);
		return 0;
	}
	if (t.size > left - sizeof(t))
		return 0; // cut short
	if (t.records_crc != crc32c(p + sizeof(t), t.size)) {
		damaged(r, "checksum of a transaction is wrong", offset);
		if (t.size < left - sizeof(t))
			forget_all(r); // not the last one: what follows builds on it
		return 0;
	}
	rc = fold_txn(&r->fold, &t, offset + sizeof(t));
	if (rc == -EBADMSG) {
		damaged(r, "malformed record in a transaction", offset);
		forget_all(r);
		return 0;
	}
	if (rc != 0)
		return rc;
	r->state->version = t.version;
	memcpy(r->state->datastore, t.datastore, sizeof(t.datastore));
	return (ssize_t)(sizeof(t) + t.size);
}

static int read_log(struct reading *r)
{
	struct head h;

	if (r->size == 0)
		return 0;
	if (r->size < sizeof(h))
		return damaged(r, "file is shorter than its head", r->size);
	memcpy(&h, r->file, sizeof(h));
	if (memcmp(h.magic, HEAD_MAGIC, sizeof(h.magic)) != 0 ||
	    h.crc != crc32c(&h, offsetof(struct head, crc)))
		return damaged(r, "not a snapshot", 0);
	if (h.version != HEAD_VERSION)
		return damaged(r, "snapshot of another format version", 8);
	r->good = sizeof(h);
	while (r->good < r->size) {
		ssize_t n = read_txn(r, r->good);

		if (n < 0)
			return (int)n;
		if (n == 0)
			break;
		r->good += (size_t)n;
	}
	return 0;
}

static int read_whole(int fd, uint8_t **out, size_t *size)
{
	struct stat st;
	uint8_t *buf;
	size_t got = 0;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return -EIO;
	if ((uint64_t)st.st_size > FILE_MAX)
		return -EFBIG;
	buf = malloc((size_t)st.st_size + 1);
	if (buf == NULL)
		return -ENOMEM;
	while (got < (size_t)st.st_size) {
		ssize_t n = pread(fd, buf + got, (size_t)st.st_size - got, (off_t)got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			free(buf);
			return -EIO;
		}
		got += (size_t)n;
	}
	*out = buf;
	*size = got;
	return 0;
}

// ---- writing ----------------------------------------------------------------------------------

static int write_all(int fd, const void *p, size_t n, uint64_t offset)
{
	const uint8_t *b = p;

	while (n > 0) {
		ssize_t w = pwrite(fd, b, n, (off_t)offset);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return w < 0 && (errno == ENOSPC || errno == EDQUOT) ? -ENOSPC : -EIO;
		b += w;
		n -= (size_t)w;
		offset += (uint64_t)w;
	}
	return 0;
}

static int write_txn(int fd, uint64_t offset, const struct ctl_snapshot_txn *txn)
{
	struct txn_head t = {
		.magic = CTL_SNAPSHOT_TXN,
		.flags = txn->from_nothing ? TXN_NOTHING : 0,
		.version = txn->version,
		.size = txn->size,
		.records_crc = crc32c(txn->records, txn->size),
	};
	int rc;

	memcpy(t.datastore, txn->datastore, sizeof(t.datastore));
	t.crc = crc32c(&t, offsetof(struct txn_head, crc));
	rc = write_all(fd, &t, sizeof(t), offset);
	if (rc == 0)
		rc = write_all(fd, txn->records, txn->size, offset + sizeof(t));
	return rc;
}

static int write_head(int fd)
{
	struct head h = {.version = HEAD_VERSION};

	memcpy(h.magic, HEAD_MAGIC, sizeof(h.magic));
	h.crc = crc32c(&h, offsetof(struct head, crc));
	return write_all(fd, &h, sizeof(h), 0);
}

static int sync_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash == NULL ? strdup(".") : strndup(path, (size_t)(slash - path) + 1);
	int fd, rc = 0;

	if (folder == NULL)
		return -ENOMEM;
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(folder);
	if (fd < 0)
		return -EIO;
	if (fsync(fd) != 0)
		rc = -EIO;
	close(fd);
	return rc;
}

static int errno_of_open(void)
{
	switch (errno) {
	case EACCES:
	case EPERM:
	case EROFS:
		return -EACCES;
	case ENOSPC:
	case EDQUOT:
		return -ENOSPC;
	default:
		return -EIO;
	}
}

// Put a file with a head and perhaps one transaction in place of the log, and hold it open.
static int replace(struct ctl_snapshot *s, const struct ctl_snapshot_txn *txn)
{
	char *tmp;
	int fd, rc;

	if (asprintf(&tmp, "%s.new", s->path) < 0)
		return -ENOMEM;
	fd = open(tmp, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) {
		rc = errno_of_open();
		goto err_free;
	}
	rc = write_head(fd);
	if (rc == 0 && txn != NULL)
		rc = write_txn(fd, sizeof(struct head), txn);
	if (rc == 0 && fsync(fd) != 0)
		rc = -EIO;
	if (rc == 0 && rename(tmp, s->path) != 0)
		rc = errno_of_open();
	if (rc != 0)
		goto err_close;
	// The new file is in place now whatever fsync of the folder says; after a power loss the
	// old name may come back, and that is an older good state.
	(void)sync_folder(s->path);
	if (s->fd >= 0)
		close(s->fd);
	s->fd = fd;
	s->size = sizeof(struct head) + (txn == NULL ? 0 : sizeof(struct txn_head) + txn->size);
	s->full = s->size;
	s->broken = false;
	free(tmp);
	return 0;

err_close:
	close(fd);
	unlink(tmp);
err_free:
	free(tmp);
	return rc;
}

static int keep_bad(const char *path)
{
	char *bad;
	int rc = 0;

	if (asprintf(&bad, "%s.bad", path) < 0)
		return -ENOMEM;
	if (rename(path, bad) != 0)
		rc = errno_of_open();
	free(bad);
	return rc;
}

// ---- the calls --------------------------------------------------------------------------------

// After reading: cut a torn tail off, or start a new file beside the damaged one. What the good part
// of a damaged file said comes back into the new file by the caller's rewrite (broken is set).
static int settle(struct ctl_snapshot *s, const struct reading *r)
{
	int rc;

	if (r->state->damaged) {
		rc = keep_bad(s->path);
		if (rc == 0)
			rc = replace(s, NULL);
		s->broken = rc == 0 && r->state->version != 0;
		return rc;
	}
	if (r->size == 0)
		return replace(s, NULL);
	if (r->good < r->size && ftruncate(s->fd, (off_t)r->good) != 0)
		return -EIO;
	s->size = r->good;
	s->full = r->good;
	return 0;
}

int ctl_snapshot_open(const char *path, void (*emit)(void *ctx, const struct ctl_rec *rec),
		      void *ctx, struct ctl_snapshot_state *state, struct ctl_snapshot **out)
{
	struct reading r = {.state = state};
	struct ctl_snapshot *s;
	uint8_t *file = NULL;
	int rc;

	memset(state, 0, sizeof(*state));
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return -ENOMEM;
	s->fd = -1;
	s->path = strdup(path);
	if (s->path == NULL) {
		rc = -ENOMEM;
		goto err_free;
	}
	s->fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (s->fd < 0) {
		rc = errno_of_open();
		goto err_free;
	}
	rc = read_whole(s->fd, &file, &r.size);
	r.file = r.fold.file = file;
	if (rc == 0)
		rc = read_log(&r);
	else if (rc == -EFBIG) // none of ours: not even read
		rc = damaged(&r, "file is larger than any snapshot", 0);
	if (rc == 0)
		rc = settle(s, &r);
	if (rc != 0)
		goto err_free;
	if (state->version != 0)
		fold_emit(&r.fold, emit, ctx);
	free(r.fold.slot);
	free(file);
	*out = s;
	return 0;

err_free:
	free(r.fold.slot);
	free(file);
	ctl_snapshot_close(s);
	return rc;
}

void ctl_snapshot_close(struct ctl_snapshot *s)
{
	if (s == NULL)
		return;
	if (s->fd >= 0)
		close(s->fd);
	free(s->path);
	free(s);
}

int ctl_snapshot_append(struct ctl_snapshot *s, const struct ctl_snapshot_txn *txn)
{
	int rc;

	if (s->broken)
		return -EIO;
	rc = write_txn(s->fd, s->size, txn);
	if (rc == 0 && fdatasync(s->fd) != 0)
		rc = -EIO;
	if (rc != 0) {
		// Part of it may be on disk; a later append must not make it look whole.
		s->broken = true;
		return rc;
	}
	s->size += sizeof(struct txn_head) + txn->size;
	if (s->full <= sizeof(struct head))
		s->full = s->size; // the first transaction is the whole state
	return 0;
}

bool ctl_snapshot_wants_rewrite(const struct ctl_snapshot *s)
{
	return s->broken || s->size > 2 * s->full + REWRITE_SLACK;
}

int ctl_snapshot_rewrite(struct ctl_snapshot *s, const struct ctl_snapshot_txn *txn)
{
	return replace(s, txn);
}

int ctl_snapshot_set_aside(struct ctl_snapshot *s)
{
	int rc = keep_bad(s->path);

	return rc != 0 ? rc : replace(s, NULL);
}

int ctl_snapshot_buf_add(struct ctl_snapshot_buf *b, const struct ctl_rec *rec)
{
	size_t need = padded(rec->size);

	if (b->capacity - b->size < need) {
		size_t capacity = b->capacity == 0 ? 4096 : b->capacity * 2;
		uint8_t *data;

		while (capacity - b->size < need)
			capacity *= 2;
		data = realloc(b->data, capacity);
		if (data == NULL)
			return -ENOMEM;
		b->data = data;
		b->capacity = capacity;
	}
	memcpy(b->data + b->size, rec, rec->size);
	memset(b->data + b->size + rec->size, 0, need - rec->size);
	b->size += need;
	return 0;
}

void ctl_snapshot_buf_fini(struct ctl_snapshot_buf *b)
{
	free(b->data);
	*b = (struct ctl_snapshot_buf){0};
}
