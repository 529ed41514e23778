// SPDX-License-Identifier: BSD-3-Clause
//
// log - what sluice-checkd says on stderr, one line a message.
//
// Text that came from an app or a server is passed through check_text() first, so that no control
// byte reaches the operator's terminal or the app.
#pragma once

#include <stddef.h>

enum check_level { CHECK_ERR = 3, CHECK_WARNING = 4, CHECK_NOTICE = 5, CHECK_INFO = 6 };

// Levels above this one are not printed; default CHECK_NOTICE. Thread: init
void check_log_level(enum check_level most);

// One line: "sluice-checkd: <level>: <text>". Thread: control
void check_log(enum check_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

// Copy from to out (size bytes, always ended), every byte that is no printable ASCII as '?'.
// Returns: out. Thread: any
char *check_text(const char *from, char *out, size_t size);
