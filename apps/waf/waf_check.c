// SPDX-License-Identifier: BSD-3-Clause
//
// sluice-waf-check - what the web application firewall would say about recorded requests: the engine of
// dataplane/inspect on files. For operators who ask why, and for measuring the engine (tests/waf_eval.py).

#include "apps/waf/waf_files.h"
#include "apps/waf/waf_show.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <sys/stat.h>

static const char *const levels[] = {
	[INSPECT_BALANCED] = "balanced",
	[INSPECT_STRICT] = "strict",
};

static int usage(FILE *f, int rc)
{
	fputs("usage: sluice-waf-check [--level balanced|strict] [--no-router] [--explain] PATH...\n"
	      "A file holds one raw HTTP request and is explained; each file of a folder gives a line of JSON.\n"
	      "  --level LEVEL  balanced (default): refuse what is an attack; strict: and what may be one\n"
	      "  --no-router    run every analyser on every value: slower, the same verdicts\n"
	      "  --explain      tell the evidence in the lines of a folder too\n"
	      "Exit status: 0 all were judged, 1 some could not be read, 2 wrong usage.\n",
	      f);
	return rc;
}

static int level_of(const char *name)
{
	for (int i = 0; i <= INSPECT_STRICT; i++)
		if (strcmp(name, levels[i]) == 0)
			return i;
	return -1;
}

static int options(int argc, char **argv, struct inspect_conf *conf, bool *explain)
{
	static const struct option known[] = {
		{"level", required_argument, NULL, 'l'},
		{"no-router", no_argument, NULL, 'n'},
		{"explain", no_argument, NULL, 'e'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int c, level;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1)
		switch (c) {
		case 'l':
			level = level_of(optarg);
			if (level < 0) {
				fprintf(stderr, "sluice-waf-check: no level: %s\n", optarg);
				return 2;
			}
			conf->level = (enum inspect_level)level;
			break;
		case 'n':
			conf->no_router = true;
			break;
		case 'e':
			*explain = true;
			break;
		case 'h':
			usage(stdout, 0);
			return -1;
		default:
			return usage(stderr, 2);
		}
	return optind < argc ? 0 : usage(stderr, 2);
}

static int explain_file(const struct waf_run *run, const char *path, const char *level)
{
	struct waf_judgement got;
	struct waf_judge j;
	int rc = waf_judge_init(&j, run->policy);

	if (rc != 0)
		return rc;
	rc = waf_file_judge(&j, path, &got);
	if (rc == 0)
		waf_show_text(run->out, path, &got, level);
	waf_judge_fini(&j);
	return rc;
}

static int one(const struct waf_run *run, const char *path, const char *level)
{
	struct stat st;
	int rc;

	if (stat(path, &st) != 0)
		rc = -errno;
	else if (S_ISDIR(st.st_mode))
		rc = waf_folder_judge(run, path);
	else
		rc = explain_file(run, path, level);
	if (rc < 0)
		fprintf(stderr, "sluice-waf-check: %s: %s\n", path, strerror(-rc));
	return rc != 0;
}

int main(int argc, char **argv)
{
	struct inspect_conf conf = {.level = INSPECT_BALANCED};
	struct waf_run run = {.out = stdout};
	struct inspect_policy *policy;
	int bad, rc;

	rc = options(argc, argv, &conf, &run.evidence);
	if (rc != 0)
		return rc < 0 ? 0 : rc;
	rc = inspect_policy_create(&conf, &policy);
	if (rc != 0) {
		fprintf(stderr, "sluice-waf-check: no policy: %s\n", strerror(-rc));
		return 1;
	}
	run.policy = policy;
	bad = 0;
	for (int i = optind; i < argc; i++)
		bad |= one(&run, argv[i], levels[conf.level]);
	inspect_policy_destroy(policy);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		perror("sluice-waf-check: standard output");
		bad = 1;
	}
	return bad;
}
