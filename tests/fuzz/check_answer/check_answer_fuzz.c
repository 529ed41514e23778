// SPDX-License-Identifier: BSD-3-Clause
//
// check_answer_fuzz - any bytes as the HTTP answer of a server. First byte: 0 all in one piece, else pieces of
// that many bytes; both ways must come to the same end, and no bound may be passed.

#include "control/check/http_answer.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static enum check_answer_is feed(struct check_answer *a, const char *data, size_t size,
				 size_t piece)
{
	enum check_answer_is is = CHECK_ANSWER_MORE;

	check_answer_init(a, "ok");
	for (size_t at = 0; at < size && is == CHECK_ANSWER_MORE; at += piece) {
		size_t n = size - at < piece ? size - at : piece;
		char *copy = malloc(n); // a sanitizer sees a byte too many

		memcpy(copy, data + at, n);
		is = check_answer_feed(a, copy, n);
		free(copy);
		must(a->header <= CHECK_HEADER_MAX + 1 && a->body <= CHECK_BODY_MAX);
		must(a->status == 0 || (a->status >= 100 && a->status <= 999));
	}
	must(is <= CHECK_ANSWER_LONG);
	must(is != CHECK_ANSWER_DONE || a->status != 0);
	return is == CHECK_ANSWER_MORE ? check_answer_end(a) : is;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct check_answer whole, cut;
	enum check_answer_is is;

	if (size < 2)
		return 0;
	is = feed(&whole, (const char *)data + 1, size - 1, size);
	must(is == feed(&cut, (const char *)data + 1, size - 1, data[0] == 0 ? 1 : data[0]));
	must(whole.status == cut.status && whole.match.found == cut.match.found);
	return 0;
}
