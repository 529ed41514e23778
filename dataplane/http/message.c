// SPDX-License-Identifier: BSD-3-Clause

#include "dataplane/http/message.h"

static const char *const odd_names[] = {
	[HTTP_ODD_METHOD] = "method",
	[HTTP_ODD_TARGET] = "target",
	[HTTP_ODD_VERSION] = "version",
	[HTTP_ODD_SPACE] = "white-space",
	[HTTP_ODD_BARE_LF] = "bare-lf",
	[HTTP_ODD_BARE_CR] = "bare-cr",
	[HTTP_ODD_NUL] = "nul",
	[HTTP_ODD_OBS_FOLD] = "obs-fold",
	[HTTP_ODD_FIELD_NAME] = "field-name",
	[HTTP_ODD_FIELD_VALUE] = "field-value",
	[HTTP_ODD_NO_COLON] = "no-colon",
	[HTTP_ODD_LEADING] = "leading-space",
	[HTTP_ODD_NO_HOST] = "host",
	[HTTP_ODD_CL_INVALID] = "content-length-invalid",
	[HTTP_ODD_CL_REPEATED] = "content-length-repeated",
	[HTTP_ODD_CL_DIFFER] = "content-lengths-differ",
	[HTTP_ODD_CL_AND_TE] = "content-length-and-transfer-encoding",
	[HTTP_ODD_TE_UNKNOWN] = "transfer-encoding-unknown",
	[HTTP_ODD_TE_NOT_LAST] = "chunked-not-last",
	[HTTP_ODD_TE_HTTP10] = "transfer-encoding-http10",
	[HTTP_ODD_CHUNK_SIZE] = "chunk-size",
	[HTTP_ODD_CHUNK_EXT] = "chunk-extension",
	[HTTP_ODD_CHUNK_END] = "chunk-end",
	[HTTP_ODD_TRAILER] = "trailer",
	[HTTP_ODD_BODY_SHORT] = "body-short",
	[HTTP_ODD_BODY_LONG] = "body-long",
	[HTTP_ODD_TOO_MANY] = "too-many-fields",
	[HTTP_ODD_TOO_LONG] = "head-too-long",
	[HTTP_ODD_UNREADABLE] = "unreadable",
};

const char *http_odd_name(enum http_odd odd)
{
	return odd < HTTP_ODD_COUNT ? odd_names[odd] : "?";
}

const struct http_field *http_field_find(const struct http_head *h, const char *name)
{
	for (uint32_t i = 0; i < h->fields; i++)
		if (http_bytes_are(h->field[i].name, name))
			return &h->field[i];
	return NULL;
}
