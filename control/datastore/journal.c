// SPDX-License-Identifier: BSD-3-Clause

#include "control/datastore/journal.h"

#include "control/datastore/crc32c.h"

#include <openssl/evp.h>

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define GROW   (1u << 20) // allocated ahead at a time
#define SECTOR 512        // what a disk writes whole

static const char file_magic[8] = {'\xff', 'S', 'L', 'J', 'R', 'N', 'L', '1'};
static const char record_magic[4] = {'\xff', 'S', 'L', 'R'};
static const char end_magic[4] = {'E', 'N', 'D', '!'};

struct entry {
	uint64_t offset;
	uint8_t hash[JOURNAL_HASH_SIZE];
};

struct journal {
	int fd;
	bool broken;   // an fdatasync failed
	uint64_t end;  // where the next record goes
	uint64_t room; // allocated size of the file
	uint8_t head[JOURNAL_HEAD_SIZE];
	uint8_t first_hash[JOURNAL_HASH_SIZE];
	struct entry *entry; // entry[i] is version i + 1
	size_t count, size;
	char path[4096];
};

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

static uint64_t get64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

static void put32(uint8_t *p, uint32_t v)
{
	v = htole32(v);
	memcpy(p, &v, sizeof(v));
}

static void put64(uint8_t *p, uint64_t v)
{
	v = htole64(v);
	memcpy(p, &v, sizeof(v));
}

static int sha256(const void *a, size_t a_size, const void *b, size_t b_size, const void *c,
		  size_t c_size, uint8_t *out)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	int ok;

	if (md == NULL)
		return -ENOMEM;
	ok = EVP_DigestInit_ex(md, EVP_sha256(), NULL) && EVP_DigestUpdate(md, a, a_size) &&
	     EVP_DigestUpdate(md, b, b_size) && EVP_DigestUpdate(md, c, c_size) &&
	     EVP_DigestFinal_ex(md, out, NULL);
	EVP_MD_CTX_free(md);
	return ok ? 0 : -EIO;
}

static size_t padded(size_t payload)
{
	return (JOURNAL_HEAD_SIZE + payload + sizeof(end_magic) + 7) & ~(size_t)7;
}

static bool all_zero(const uint8_t *p, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (p[i] != 0)
			return false;
	return true;
}

static bool head_good(const uint8_t *h)
{
	uint32_t size = get32(h + 4);

	return memcmp(h, record_magic, sizeof(record_magic)) == 0 &&
	       crc32c(0, h, 60) == get32(h + 60) && size >= 1 && size <= JOURNAL_PAYLOAD_MAX &&
	       get32(h + 16) <= size;
}

static bool record_good(const uint8_t *p, size_t left)
{
	size_t size, end;

	if (left < JOURNAL_HEAD_SIZE || !head_good(p))
		return false;
	size = get32(p + 4);
	end = JOURNAL_HEAD_SIZE + size + sizeof(end_magic);
	if (end > left)
		return false;
	if (left > padded(size))
		left = padded(size); // else the file ends within the padding, which says nothing
	return crc32c(crc32c(0, p, 20), p + JOURNAL_HEAD_SIZE, size) == get32(p + 20) &&
	       memcmp(p + JOURNAL_HEAD_SIZE + size, end_magic, sizeof(end_magic)) == 0 &&
	       all_zero(p + end, left - end);
}

// p is where a record should stand and does not. Did a crash cut it short, or is it damage?
//
// Records are written one after the other, each on disk before the next. So a record that was cut
// short is the last one, and part of it, in units of a sector, is still the zeros that were there.
static bool cut_short(const uint8_t *map, size_t at, size_t size)
{
	const uint8_t *p = map + at;
	size_t left = size - at, used = left, extent;

	while (used > 0 && p[used - 1] == 0)
		used--;
	for (size_t i = 8; i + JOURNAL_HEAD_SIZE <= used; i += 8)
		if (record_good(p + i, left - i))
			return false;
	extent = used;
	if (left >= JOURNAL_HEAD_SIZE && head_good(p)) {
		extent = JOURNAL_HEAD_SIZE + get32(p + 4) + sizeof(end_magic);
		if (extent > used)
			return true; // its last byte is not there
	}
	if (used < JOURNAL_HEAD_SIZE)
		return true;
	for (size_t from = at; from < at + extent;) {
		size_t to = (from / SECTOR + 1) * SECTOR;

		if (to > at + extent)
			to = at + extent;
		if (to - from >= 8 && all_zero(map + from, to - from))
			return true;
		from = to;
	}
	return false;
}

static int add_entry(struct journal *j, uint64_t offset, const uint8_t *hash)
{
	if (j->count == j->size) {
		size_t size = j->size == 0 ? 64 : 2 * j->size;
		struct entry *e = realloc(j->entry, size * sizeof(*e));

		if (e == NULL)
			return -ENOMEM;
		j->entry = e;
		j->size = size;
	}
	j->entry[j->count].offset = offset;
	memcpy(j->entry[j->count].hash, hash, JOURNAL_HASH_SIZE);
	j->count++;
	return 0;
}

static const uint8_t *last_hash(const struct journal *j)
{
	return j->count > 0 ? j->entry[j->count - 1].hash : j->first_hash;
}

static int fail(struct journal_error *err, int rc, int64_t offset, const char *path,
		const char *what)
{
	err->offset = offset;
	if (offset >= 0)
		snprintf(err->message, sizeof(err->message),
			 "%.400s: damaged at offset %lld: %.60s", path, (long long)offset, what);
	else
		snprintf(err->message, sizeof(err->message), "%.400s: %.100s", path, what);
	return rc;
}

static int write_all(int fd, const void *data, size_t size, uint64_t offset)
{
	const uint8_t *p = data;

	while (size > 0) {
		ssize_t n = pwrite(fd, p, size, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		p += n;
		size -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

static int sync_dir(const char *path)
{
	char copy[4096];
	int fd, rc = 0;

	snprintf(copy, sizeof(copy), "%s", path);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fsync(fd) != 0)
		rc = -errno;
	close(fd);
	return rc;
}

static void make_head(uint8_t *h)
{
	memset(h, 0, JOURNAL_HEAD_SIZE);
	memcpy(h, file_magic, sizeof(file_magic));
	if (getrandom(h + 8, 16, 0) != 16)
		abort();                                // never for 16 bytes
	h[8 + 6] = (uint8_t)((h[8 + 6] & 0x0f) | 0x40); // a random UUID (RFC 4122 section 4.4)
	h[8 + 8] = (uint8_t)((h[8 + 8] & 0x3f) | 0x80);
	put64(h + 24, (uint64_t)time(NULL));
	put32(h + 60, crc32c(0, h, 60));
}

// Read what is in the map; *good is where the good part ends.
static int scan(struct journal *j, const uint8_t *map, size_t size, journal_fn fn, void *arg,
		size_t *good, struct journal_error *err)
{
	uint8_t hash[JOURNAL_HASH_SIZE];
	size_t at = JOURNAL_HEAD_SIZE;
	int rc;

	*good = 0;
	if (size < JOURNAL_HEAD_SIZE || memcmp(map, file_magic, sizeof(file_magic)) != 0 ||
	    crc32c(0, map, 60) != get32(map + 60))
		return fail(err, -EBADMSG, 0, j->path, "not a journal, or its head is damaged");
	memcpy(j->head, map, JOURNAL_HEAD_SIZE);
	rc = sha256(map, JOURNAL_HEAD_SIZE, "", 0, "", 0, j->first_hash);
	while (rc == 0) {
		const uint8_t *p = map + at;
		size_t payload, meta;

		*good = at;
		if (!record_good(p, size - at)) {
			if (!all_zero(p, size - at) && !cut_short(map, at, size))
				return fail(err, -EBADMSG, (int64_t)at, j->path,
					    "a record's checksum is wrong");
			break;
		}
		payload = get32(p + 4);
		meta = get32(p + 16);
		if (get64(p + 8) != j->count + 1)
			return fail(err, -EBADMSG, (int64_t)at, j->path,
				    "a version is out of order");
		if (sha256(last_hash(j), JOURNAL_HASH_SIZE, p, 20, p + JOURNAL_HEAD_SIZE, payload,
			   hash) != 0)
			return fail(err, -EIO, -1, j->path, "no SHA-256");
		if (memcmp(hash, p + 24, sizeof(hash)) != 0)
			return fail(err, -EBADMSG, (int64_t)at, j->path,
				    "the hash chain is broken");
		rc = add_entry(j, at, hash);
		if (rc == 0 && fn != NULL)
			rc = fn(arg, get64(p + 8), (const char *)p + JOURNAL_HEAD_SIZE, meta,
				(const char *)p + JOURNAL_HEAD_SIZE + meta, payload - meta, hash);
		if (rc != 0)
			return fail(err, rc, (int64_t)at, j->path, "a change cannot be applied");
		at += padded(payload);
		if (at > size) {
			*good = at;
			break;
		}
	}
	return rc;
}

// Keep the damaged file under another name and write what is good into a new one.
static int save_good(struct journal *j, const uint8_t *map, size_t good, struct journal_error *err)
{
	char other[4200];
	int fd, rc;

	snprintf(other, sizeof(other), "%s.new", j->path);
	fd = open(other, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail(err, -errno, -1, other, strerror(errno));
	rc = write_all(fd, map, good, 0);
	if (rc == 0 && fsync(fd) != 0)
		rc = -errno;
	if (rc == 0) {
		char aside[4200];

		snprintf(aside, sizeof(aside), "%s.damaged.%lld", j->path, (long long)time(NULL));
		if (link(j->path, aside) != 0 || rename(other, j->path) != 0)
			rc = -errno;
	}
	if (rc == 0)
		rc = sync_dir(j->path);
	if (rc != 0) {
		close(fd);
		(void)unlink(other);
		return fail(err, rc, -1, j->path, strerror(-rc));
	}
	close(j->fd);
	j->fd = fd;
	return 0;
}

static int birth(struct journal *j, struct journal_error *err)
{
	char fresh[4200];
	int rc;

	make_head(j->head);
	snprintf(fresh, sizeof(fresh), "%s.new", j->path);
	j->fd = open(fresh, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (j->fd < 0)
		return fail(err, -errno, -1, fresh, strerror(errno));
	rc = write_all(j->fd, j->head, sizeof(j->head), 0);
	if (rc == 0 && fsync(j->fd) != 0)
		rc = -errno;
	if (rc == 0 && rename(fresh, j->path) != 0)
		rc = -errno;
	if (rc == 0)
		rc = sync_dir(j->path);
	return rc != 0 ? fail(err, rc, -1, j->path, strerror(-rc)) : 0;
}

int journal_open(const char *path, bool keep_good, journal_fn fn, void *arg, struct journal **out,
		 struct journal_error *err, char *notice, size_t notice_size)
{
	struct journal *j = calloc(1, sizeof(*j));
	uint8_t *map = NULL;
	struct stat st;
	size_t good = 0;
	int rc;

	err->offset = -1;
	notice[0] = '\0';
	if (j == NULL)
		return fail(err, -ENOMEM, -1, path, "out of memory");
	snprintf(j->path, sizeof(j->path), "%s", path);
	j->fd = open(path, O_RDWR | O_CLOEXEC);
	if (j->fd < 0 && errno == ENOENT) {
		rc = birth(j, err);
		if (rc != 0)
			goto err;
	} else if (j->fd < 0) {
		rc = fail(err, -errno, -1, path, strerror(errno));
		goto err;
	}
	if (fstat(j->fd, &st) != 0) {
		rc = fail(err, -errno, -1, path, strerror(errno));
		goto err;
	}
	if (st.st_size == 0) {
		rc = fail(err, -EBADMSG, 0, path, "it is empty");
		goto err;
	}
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, j->fd, 0);
	if (map == MAP_FAILED) {
		map = NULL;
		rc = fail(err, -errno, -1, path, strerror(errno));
		goto err;
	}
	rc = scan(j, map, (size_t)st.st_size, fn, arg, &good, err);
	if (rc == -EBADMSG && keep_good && good > 0) {
		snprintf(notice, notice_size, "%s; the %zu changes before it are kept",
			 err->message, j->count);
		rc = save_good(j, map, good, err);
	} else if (rc == 0 && good < (size_t)st.st_size &&
		   !all_zero(map + good, (size_t)st.st_size - good)) {
		snprintf(
			notice, notice_size,
			"%s: a change cut short by a crash was dropped at offset %zu; it had never been "
			"acknowledged",
			path, good);
		if (ftruncate(j->fd, (off_t)good) != 0 || fsync(j->fd) != 0)
			rc = fail(err, -errno, -1, path, strerror(errno));
	}
	if (rc != 0)
		goto err;
	if (fstat(j->fd, &st) != 0) {
		rc = fail(err, -errno, -1, path, strerror(errno));
		goto err;
	}
	munmap(map, (size_t)st.st_size);
	j->end = good;
	j->room = (uint64_t)st.st_size;
	*out = j;
	return 0;

err:
	if (map != NULL)
		munmap(map, (size_t)st.st_size);
	journal_close(j);
	return rc;
}

void journal_close(struct journal *j)
{
	if (j == NULL)
		return;
	if (j->fd >= 0)
		close(j->fd);
	free(j->entry);
	free(j);
}

int journal_append(struct journal *j, const char *meta, size_t meta_size, const char *diff,
		   size_t diff_size)
{
	size_t payload = meta_size + diff_size, size = padded(payload);
	uint8_t *buf, *p;
	int rc;

	if (j->broken)
		return -EROFS;
	if (payload == 0 || payload > JOURNAL_PAYLOAD_MAX)
		return -E2BIG;
	if (j->end + size > j->room) {
		uint64_t room = (j->end + size + GROW) / GROW * GROW;

		// zeros first, so that the append itself changes no file size and a part of it that
		// is not written reads as zeros
		rc = posix_fallocate(j->fd, (off_t)j->room, (off_t)(room - j->room));
		if (rc != 0)
			return -rc;
		if (fsync(j->fd) != 0)
			return -errno;
		j->room = room;
	}
	buf = calloc(1, size);
	if (buf == NULL)
		return -ENOMEM;
	p = buf + JOURNAL_HEAD_SIZE;
	memcpy(buf, record_magic, sizeof(record_magic));
	put32(buf + 4, (uint32_t)payload);
	put64(buf + 8, j->count + 1);
	put32(buf + 16, (uint32_t)meta_size);
	memcpy(p, meta, meta_size);
	if (diff_size > 0)
		memcpy(p + meta_size, diff, diff_size);
	memcpy(p + payload, end_magic, sizeof(end_magic));
	put32(buf + 20, crc32c(crc32c(0, buf, 20), p, payload));
	rc = sha256(last_hash(j), JOURNAL_HASH_SIZE, buf, 20, p, payload, buf + 24);
	put32(buf + 60, crc32c(0, buf, 60));
	if (rc == 0)
		rc = add_entry(j, j->end, buf + 24); // before the write: it must not fail after it
	if (rc != 0)
		goto out;
	rc = write_all(j->fd, buf, size, j->end);
	if (rc == 0 && fdatasync(j->fd) != 0)
		rc = -EIO;
	if (rc != 0) {
		// what is on disk now is not known: take it back as well as we can, trust it no more
		memset(buf, 0, size);
		if (write_all(j->fd, buf, size, j->end) != 0 || fdatasync(j->fd) != 0)
			j->broken = true;
		j->count--;
		goto out;
	}
	j->end += size;
out:
	free(buf);
	return rc;
}

uint64_t journal_version(const struct journal *j)
{
	return j->count;
}

const uint8_t *journal_id(const struct journal *j)
{
	return j->head + 8;
}

const uint8_t *journal_hash(const struct journal *j, uint64_t version)
{
	if (version == 0)
		return j->first_hash;
	return version <= j->count ? j->entry[version - 1].hash : NULL;
}

// The head of an entry, and where it is. Errors: -ENOENT, -EBADMSG
static int read_head(const struct journal *j, uint64_t version, uint8_t head[JOURNAL_HEAD_SIZE],
		     uint64_t *offset)
{
	if (version == 0 || version > j->count)
		return -ENOENT;
	*offset = j->entry[version - 1].offset;
	if (pread(j->fd, head, JOURNAL_HEAD_SIZE, (off_t)*offset) != JOURNAL_HEAD_SIZE ||
	    !head_good(head))
		return -EBADMSG;
	return 0;
}

int journal_read(struct journal *j, uint64_t version, char **payload, size_t *meta_size,
		 size_t *size)
{
	uint8_t head[JOURNAL_HEAD_SIZE];
	uint64_t offset;
	char *buf;
	size_t n;
	int rc;

	rc = read_head(j, version, head, &offset);
	if (rc != 0)
		return rc;
	n = get32(head + 4);
	buf = malloc(n + 1);
	if (buf == NULL)
		return -ENOMEM;
	if (pread(j->fd, buf, n, (off_t)(offset + JOURNAL_HEAD_SIZE)) != (ssize_t)n ||
	    crc32c(crc32c(0, head, 20), buf, n) != get32(head + 20)) {
		free(buf);
		return -EBADMSG;
	}
	buf[n] = '\0';
	*payload = buf;
	*meta_size = get32(head + 16);
	*size = n;
	return 0;
}

int journal_read_meta(struct journal *j, uint64_t version, char **meta)
{
	uint8_t head[JOURNAL_HEAD_SIZE];
	uint64_t offset;
	char *buf;
	size_t n;
	int rc;

	rc = read_head(j, version, head, &offset);
	if (rc != 0)
		return rc;
	n = get32(head + 16);
	buf = malloc(n + 1);
	if (buf == NULL)
		return -ENOMEM;
	if (pread(j->fd, buf, n, (off_t)(offset + JOURNAL_HEAD_SIZE)) != (ssize_t)n) {
		free(buf);
		return -EIO;
	}
	buf[n] = '\0';
	*meta = buf;
	return 0;
}
