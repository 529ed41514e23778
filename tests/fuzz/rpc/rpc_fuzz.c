// SPDX-License-Identifier: BSD-3-Clause
//
// rpc_fuzz - lines of a client of any kind: every line with an id is answered by one line of JSON, nothing
// crashes, and the datastore stays valid. The first byte says who speaks.

#include "control/datastore/datastore.h"
#include "control/datastore/schema.h"
#include "control/rpc/rpc.h"

#include <dirent.h>
#include <event2/event.h>
#include <jansson.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct event_base *base;
static struct ly_ctx *ctx;
static struct ds *ds;
static struct rpc_server *server;
static char dir[] = "/tmp/rpc-fuzz-XXXXXX";

static void clean_dir(void)
{
	struct dirent *e;
	DIR *d = opendir(dir);

	while (d != NULL && (e = readdir(d)) != NULL)
		(void)unlinkat(dirfd(d), e->d_name, 0);
	if (d != NULL)
		closedir(d);
}

static void stop(void)
{
	rpc_destroy(server);
	ds_close(ds);
	schema_destroy(ctx);
	event_base_free(base);
	clean_dir();
	rmdir(dir);
}

static void start(void)
{
	static const char *const yang[] = {YANG_DIR};
	struct ds_conf dc = {.dir = dir};
	struct rpc_conf rc = {.netconfd_uid = 64502};
	char err[512];

	if (mkdtemp(dir) == NULL || schema_create(yang, 1, &ctx, err, sizeof(err)) != 0)
		abort();
	base = event_base_new();
	dc.ctx = rc.ctx = ctx;
	if (base == NULL || ds_open(&dc, &ds, err, sizeof(err)) != 0)
		abort();
	rc.base = base;
	rc.ds = ds;
	rc.socket_gid = (gid_t)-1;
	if (rpc_create(&rc, &server) != 0)
		abort();
	atexit(stop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uid_t who[] = {0, 64502, 65534};
	struct txn_result *r;
	char *answers, *line, *save = NULL;

	if (server == NULL)
		start();
	if (size == 0)
		return 0;
	answers = rpc_feed(server, who[data[0] % 3], (const char *)data + 1, size - 1);
	if (answers == NULL)
		abort();
	for (line = strtok_r(answers, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		json_t *a = json_loads(line, 0, NULL);

		if (!json_is_object(a) ||
		    (json_object_get(a, "result") == NULL) == (json_object_get(a, "error") == NULL))
			abort();
		json_decref(a);
	}
	free(answers);
	r = calloc(1, sizeof(*r));
	if (r == NULL || ds_validate_running(ds, r) != 0)
		abort();
	free(r);
	return 0;
}
