// SPDX-License-Identifier: BSD-3-Clause
//
// path/files - files that are worth stealing: the vocabulary of whoever asks what a path leads to. A name
// of it is evidence only as the end of a path that gets there (path.c) or as what a command reads (shell/).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum path_file {
	PATH_FILE_NONE,
	PATH_FILE_APP, // configuration, logs, keys of an application: worth it once out of its root
	PATH_FILE_SYSTEM, // of the operating system or a secret: no client has a reason to name it
};

// path: components joined by '/', lower case, no '/' in front, dots resolved.
// rooted: it begins at the root of a file system or a drive, or went out of where it began.
enum path_file path_file_of(const char *path, size_t len, bool rooted);

// False: no path that ends so, len being 2 or more, is one of those files, unless it lies in /etc or /proc.
bool path_file_may_end(const uint8_t *p, size_t len);

// A file that web servers keep to themselves, as the path of a request: ".git/config", "web-inf/web.xml".
bool path_file_is_hidden(const char *path, size_t len);

// pattern: a word of a shell with ? * and [..] in it. It could stand for a file of the system.
bool path_file_globs(const char *pattern, size_t len);
// fnmatch() without its locale, and with * that crosses slashes: linear but for nested stars, of which 4 count.
bool path_glob(const char *pattern, size_t len, const char *text);
