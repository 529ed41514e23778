// SPDX-License-Identifier: BSD-3-Clause
//
// inspect_ssrf_fuzz - any bytes as a host and as an address, in every place. The router never changes what is
// said, and what is said lies in the value.

#include "dataplane/inspect/inspect_priv.h"
#include "dataplane/inspect/ssrf/host.h"
#include "dataplane/inspect/ssrf/ssrf.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct inspect *in;
static struct inspect_policy *policy;

static void check(int right)
{
	if (!right)
		abort();
}

static void prepare(void)
{
	struct inspect_conf conf = {.level = INSPECT_BALANCED};

	if (in != NULL)
		return;
	check(inspect_policy_create(&conf, &policy) == 0);
	check(inspect_create(NULL, &in) == 0);
	in->policy = policy;
}

static void analyse(enum inspect_place place, const uint8_t *data, size_t size)
{
	const struct inspect_analyser *a = &inspect_ssrf;
	bool wanted;

	value_begin(in);
	inspect_root(in, DECODE_NONE, place, (struct http_bytes){data, 0}, data, size);
	wanted = size >= a->least && (in->node[0].set & a->any) != 0 &&
		 (a->places >> place & 1) != 0;
	a->run(in, &in->node[0]);
	check(wanted || in->evidences == 0);
	for (uint32_t i = 0; i < in->evidences; i++)
		check((size_t)in->evidence[i].at + in->evidence[i].len <= size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct host h;

	prepare();
	if (size == 0 || size > 1 << 16)
		return 0;
	host_read(data, size, &h);
	for (unsigned p = 0; p < PLACE_COUNT; p++)
		analyse((enum inspect_place)p, data, size);
	return 0;
}
