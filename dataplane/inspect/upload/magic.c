// SPDX-License-Identifier: BSD-3-Clause
//
// How formats of files begin, and what is expected of an ending.

#include "dataplane/inspect/upload/upload_priv.h"

#include <string.h>
#include <strings.h>

static const struct {
	uint8_t at, len;
	uint8_t type; // enum upload_type
	const char *bytes;
} heads[] = {
	{0, 6, TYPE_IMAGE, "GIF87a"},
	{0, 6, TYPE_IMAGE, "GIF89a"},
	{0, 3, TYPE_IMAGE, "\xff\xd8\xff"},
	{0, 8, TYPE_IMAGE, "\x89PNG\r\n\x1a\n"},
	{0, 2, TYPE_IMAGE, "BM"},
	{8, 4, TYPE_IMAGE, "WEBP"},
	{0, 4, TYPE_IMAGE, "II*\0"},
	{0, 4, TYPE_IMAGE, "MM\0*"},
	{0, 4, TYPE_IMAGE, "\0\0\1\0"},
	{4, 8, TYPE_IMAGE, "ftypheic"},
	{4, 8, TYPE_IMAGE, "ftypavif"},
	{0, 5, TYPE_PDF, "%PDF-"},
	{0, 4, TYPE_ZIP, "PK\3\4"},
	{0, 4, TYPE_ZIP, "PK\5\6"},
	{0, 2, TYPE_PROGRAM, "MZ"},
	{0, 4, TYPE_PROGRAM,
	 "\x7f"
	 "ELF"},
	{128, 4, TYPE_OTHER, "DICM"},
	{0, 8, TYPE_OTHER, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"}, // OLE: DOC, XLS
	{0, 3, TYPE_OTHER, "\x1f\x8b\x08"},
	{0, 6, TYPE_OTHER, "7z\xbc\xaf\x27\x1c"},
	{0, 4, TYPE_OTHER, "Rar!"},
	{4, 4, TYPE_OTHER, "ftyp"},
	{0, 4, TYPE_OTHER, "RIFF"},
	{0, 3, TYPE_OTHER, "ID3"},
	{0, 4, TYPE_OTHER, "OggS"},
};

static bool is_space(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool starts(const uint8_t *p, size_t len, const char *word)
{
	return len >= strlen(word) && strncasecmp((const char *)p, word, strlen(word)) == 0;
}

// Past blanks, a byte order mark, <?xml ..?>, <!DOCTYPE ..> and comments.
static const uint8_t *first_element(const uint8_t *p, const uint8_t *end)
{
	for (;;) {
		const uint8_t *q;

		while (p < end && (is_space(*p) || *p == 0xef || *p == 0xbb || *p == 0xbf))
			p++;
		if (end - p > 4 && p[0] == '<' && (p[1] == '!' || p[1] == '?')) {
			q = memchr(p, '>', (size_t)(end - p));
			if (q == NULL || starts(p, (size_t)(end - p), "<?php"))
				return p;
			p = q + 1;
			continue;
		}
		return p;
	}
}

enum upload_type upload_magic(const uint8_t *p, size_t len)
{
	const uint8_t *q;

	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
		if (len >= (size_t)heads[i].at + heads[i].len &&
		    memcmp(p + heads[i].at, heads[i].bytes, heads[i].len) == 0)
			return heads[i].type;
	q = first_element(p, p + (len < 4096 ? len : 4096));
	len -= (size_t)(q - p);
	if (starts(q, len, "<svg"))
		return TYPE_SVG;
	if (starts(q, len, "<html") || starts(q, len, "<head") || starts(q, len, "<body") ||
	    starts(q, len, "<script"))
		return TYPE_HTML;
	return TYPE_UNKNOWN;
}

enum upload_type upload_expected(const struct upload_name *n)
{
	static const struct {
		const char *ending;
		enum upload_type type;
	} endings[] = {
		{"gif", TYPE_IMAGE},  {"jpg", TYPE_IMAGE}, {"jpeg", TYPE_IMAGE},
		{"jfif", TYPE_IMAGE}, {"png", TYPE_IMAGE}, {"bmp", TYPE_IMAGE},
		{"webp", TYPE_IMAGE}, {"tif", TYPE_IMAGE}, {"tiff", TYPE_IMAGE},
		{"ico", TYPE_IMAGE},  {"pdf", TYPE_PDF},   {"zip", TYPE_ZIP},
		{"docx", TYPE_ZIP},   {"xlsx", TYPE_ZIP},  {"pptx", TYPE_ZIP},
		{"odt", TYPE_ZIP},    {"ods", TYPE_ZIP},   {"svg", TYPE_SVG},
		{"doc", TYPE_OTHER},  {"xls", TYPE_OTHER}, {"dcm", TYPE_OTHER},
		{"mp4", TYPE_OTHER},  {"mp3", TYPE_OTHER}, {"gz", TYPE_OTHER},
	};

	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++)
		if (upload_ends(n, endings[i].ending))
			return endings[i].type;
	return TYPE_UNKNOWN;
}
