// SPDX-License-Identifier: BSD-3-Clause
//
// path/walk - a path as the servers behind would resolve it, taken apart and walked: how far it goes in, how
// far out, and where it ends. Separators are / and \ both; dots are resolved as RFC 3986, section 5.2.4,
// and file systems do. What servers and filters add is read as well and named:
//
//	..;a=b/   path parameters (Tomcat resolves after it took them off)
//	....//    what is left when a filter removed "../" once
//	.. /      blanks and dots at the end of a name (NTFS drops them)
//	x::$DATA  streams of NTFS
//	x\0.png   a C library ends there
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PATH_TEXT_MAX 256

struct path_walk {
	unsigned ups;   // steps "..", whether there was something to leave or not
	unsigned out;   // of those, steps over the root
	unsigned names; // components that are names
	bool absolute;  // begins with a separator
	bool drive;     // or with C:
	bool unc;       // or with \\host
	bool stripped;  // "....//" was read as ".." (see above)
	bool parameter; // "..;" was
	bool trailing;  // ".. " was, or "x::$DATA"
	bool nul;       // ends at a NUL with more behind it
	bool backslash; // has one
	bool blank;     // a component has a blank in it
	bool extension; // the last name has one
	size_t end;     // of what was read
	size_t text_len;
	char text[PATH_TEXT_MAX]; // what is left when it is resolved: names joined by /, lower case
};

// Reads all of it; the last PATH_TEXT_MAX bytes of what is left are kept.
void path_walk(const uint8_t *p, size_t len, struct path_walk *w);
