// SPDX-License-Identifier: BSD-3-Clause
//
// waf/show - a judgement as text: a line of JSON for programs, an explanation for people.
#pragma once

#include "apps/waf/waf_judge.h"

#include <stdio.h>

// One line. evidence: the rules that were summed and what is odd about the message are told too.
void waf_show_json(FILE *f, const char *name, const struct waf_judgement *j, bool evidence);
void waf_show_text(FILE *f, const char *name, const struct waf_judgement *j, const char *level);
