// SPDX-License-Identifier: BSD-3-Clause

#include "control/check/trust.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/err.h>

#include "control/check/log.h"

#define LOOK_US  1000000
#define FILE_MAX (16 * 1024 * 1024)

struct entry {
	char *file;
	SSL_CTX *ctx; // NULL: never read
	struct timespec mtime;
	off_t size;
	ino_t inode;
	uint64_t looked_us; // 0: never
	char why[CHECK_TRUST_WHY];
	struct entry *next;
};

struct check_trust {
	struct entry *first;
	size_t count;
};

const char *check_tls_error(char *out, size_t size)
{
	unsigned long e = ERR_peek_last_error();
	const char *text = e == 0 ? NULL : ERR_reason_error_string(e);

	if (e != 0 && ERR_SYSTEM_ERROR(e))
		text = strerror(ERR_GET_REASON(e));
	check_text(text != NULL ? text : "unknown error", out, size);
	ERR_clear_error();
	return out;
}

static SSL_CTX *context_new(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (ctx == NULL)
		return NULL;
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	return ctx;
}

// Read what e names into a new context. Returns: it, or NULL with e->why.
static SSL_CTX *read_file(struct entry *e)
{
	SSL_CTX *ctx = context_new();
	char text[64];
	int good;

	if (ctx == NULL) {
		snprintf(e->why, sizeof(e->why), "out of memory");
		return NULL;
	}
	// A certificate in the file is trusted, be it of a CA below another one.
	X509_STORE_set_flags(SSL_CTX_get_cert_store(ctx),
			     X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN);
	good = e->file[0] == '\0' ? SSL_CTX_set_default_verify_paths(ctx)
				  : SSL_CTX_load_verify_file(ctx, e->file);
	if (good == 1)
		return ctx;
	snprintf(e->why, sizeof(e->why), "%s", check_tls_error(text, sizeof(text)));
	SSL_CTX_free(ctx);
	return NULL;
}

// Has the file changed since it was read? Its state is noted.
static bool changed(struct entry *e)
{
	struct stat st;
	bool same;

	if (e->file[0] == '\0')
		return e->ctx == NULL;
	if (stat(e->file, &st) != 0) {
		snprintf(e->why, sizeof(e->why), "%s", strerror(errno));
		e->inode = 0;
		return false;
	}
	if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX) {
		snprintf(e->why, sizeof(e->why), "not a file of at most 16 MiB");
		return false;
	}
	same = e->inode == st.st_ino && e->size == st.st_size &&
	       e->mtime.tv_sec == st.st_mtim.tv_sec && e->mtime.tv_nsec == st.st_mtim.tv_nsec;
	e->inode = st.st_ino;
	e->size = st.st_size;
	e->mtime = st.st_mtim;
	return !same;
}

static void look(struct entry *e, uint64_t now_us)
{
	char before[CHECK_TRUST_WHY];
	SSL_CTX *ctx;

	if (e->looked_us != 0 && now_us - e->looked_us < LOOK_US)
		return;
	e->looked_us = now_us;
	memcpy(before, e->why, sizeof(before));
	if (changed(e)) {
		e->why[0] = '\0';
		ctx = read_file(e);
		if (ctx != NULL) {
			SSL_CTX_free(e->ctx);
			e->ctx = ctx;
		}
	} else if (e->inode != 0 && e->ctx != NULL && e->why[0] != '\0') {
		e->why[0] = '\0'; // it is there again, as it was
	}
	if (e->why[0] != '\0' && strcmp(before, e->why) != 0)
		check_log(CHECK_ERR, "trusted certificates %s: %s%s", e->file, e->why,
			  e->ctx != NULL ? "; those read before stay in force" : "");
}

static struct entry *entry_get(struct check_trust *tr, const char *file)
{
	struct entry *e = tr->first;

	while (e != NULL && strcmp(e->file, file) != 0)
		e = e->next;
	if (e != NULL || tr->count == CHECK_TRUST_MAX)
		return e;
	e = calloc(1, sizeof(*e));
	if (e == NULL)
		return NULL;
	e->file = strdup(file);
	if (e->file == NULL) {
		free(e);
		return NULL;
	}
	e->next = tr->first;
	tr->first = e;
	tr->count++;
	return e;
}

SSL_CTX *check_trust_get(struct check_trust *tr, const char *file, uint64_t now_us, char *why)
{
	struct entry *e = entry_get(tr, file);

	if (e == NULL) {
		snprintf(why, CHECK_TRUST_WHY, "no room for more than %u files of certificates",
			 CHECK_TRUST_MAX);
		return NULL;
	}
	look(e, now_us);
	if (e->ctx == NULL)
		memcpy(why, e->why, CHECK_TRUST_WHY);
	return e->ctx;
}

int check_trust_create(struct check_trust **out)
{
	*out = calloc(1, sizeof(**out));
	return *out == NULL ? -ENOMEM : 0;
}

void check_trust_destroy(struct check_trust *tr)
{
	struct entry *next;

	if (tr == NULL)
		return;
	for (struct entry *e = tr->first; e != NULL; e = next) {
		next = e->next;
		SSL_CTX_free(e->ctx);
		free(e->file);
		free(e);
	}
	free(tr);
}
