// SPDX-License-Identifier: BSD-3-Clause
//
// waf/files - the files of a folder, judged on all cores, told in the order of their names.
#pragma once

#include "dataplane/inspect/inspect.h"

#include <stdio.h>

struct waf_run {
	const struct inspect_policy *policy;
	bool evidence; // told in each line
	FILE *out;
};

struct waf_judge;
struct waf_judgement;

// Errors: as open(2) and read(2)
int waf_file_judge(struct waf_judge *j, const char *path, struct waf_judgement *out);

// One JSON line for each file below path, named from there. What cannot be read is told on standard error.
// Returns: the number of files that could not be judged. Errors: -errno of the folder, -ENOMEM
int waf_folder_judge(const struct waf_run *run, const char *path);
