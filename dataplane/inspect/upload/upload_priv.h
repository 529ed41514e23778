// SPDX-License-Identifier: BSD-3-Clause
//
// upload_priv - what the files of this folder share.
#pragma once

#include "dataplane/inspect/node.h"

// ---- name.c --------------------------------------------------------------------------------------

enum {
	NAME_RUN = 1,    // a server runs files with this ending
	NAME_INNER = 2,  // such an ending stands within the name, before a harmless one
	NAME_HIDDEN = 4, // what follows such an ending is dropped by servers: . blank NUL ::$DATA ;
	NAME_CONFIG = 8, // a file by which a server is set up
	NAME_SESSION = 16, // a session of PHP
	NAME_PATH = 32,    // it has a folder before it
	NAME_CASE = 64,    // the ending is written pHp
};

struct upload_name {
	uint32_t is;
	const uint8_t *ending; // the last one, without its dot
	size_t ending_len;
};

void upload_name(const uint8_t *p, size_t len, struct upload_name *out);
// The ending is that word; case does not matter.
bool upload_ends(const struct upload_name *n, const char *ending);

// ---- magic.c -------------------------------------------------------------------------------------

enum upload_type {
	TYPE_UNKNOWN,
	TYPE_IMAGE, // GIF, JPEG, PNG, BMP, WebP, TIFF, ICO
	TYPE_PDF,
	TYPE_ZIP, // and what is a ZIP: DOCX, JAR
	TYPE_SVG,
	TYPE_HTML,
	TYPE_PROGRAM, // of Windows or Linux
	TYPE_OTHER,   // a format that is known, none of these: DICOM, OLE, gzip
};

enum upload_type upload_magic(const uint8_t *p, size_t len);
// What a file of that ending begins as; TYPE_UNKNOWN: anything
enum upload_type upload_expected(const struct upload_name *n);

// ---- active.c ------------------------------------------------------------------------------------

// Script elements, handlers and URLs of an SVG or HTML text.
bool upload_svg_runs(const uint8_t *p, size_t len, size_t *at);
// An action of a PDF. launch: one that starts a program; open: one that runs when it is opened
struct upload_pdf {
	bool script, open, launch;
	size_t at;
};
void upload_pdf(const uint8_t *p, size_t len, struct upload_pdf *out);
