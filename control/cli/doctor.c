// SPDX-License-Identifier: BSD-3-Clause
//
// doctor - what is said, and what the daemon and the apps say themselves. The local looks come first,
// so that they are made with everything else dead.

#include "control/cli/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/cli/commands.h"
#include "control/cli/print.h"
#include "control/cli/table.h"

static const char *const severity_name[] = {"ok", "note", "warning", "error"};

void doctor_say(struct doctor *d, enum doctor_severity s, const char *subject, const char *remedy,
		const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	json_array_append_new(d->findings,
			      json_pack("{s:s, s:s, s:s, s:s}", "severity", severity_name[s],
					"subject", subject, "text", text, "remedy", remedy));
	if (s > d->worst)
		d->worst = s;
}

int doctor_read(const char *path, char *out, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, out, size - 1);
	close(fd);
	if (n < 0)
		return -EIO;
	out[n] = '\0';
	out[strcspn(out, "\n")] = '\0';
	return 0;
}

long long doctor_read_number(const char *path, long long fallback)
{
	char text[64], *end;
	long long n;

	if (doctor_read(path, text, sizeof(text)) != 0)
		return fallback;
	n = strtoll(text, &end, 10);
	return end == text ? fallback : n;
}

// ---- what sluiced says -----------------------------------------------------------------------

static void say_app(struct doctor *d, const json_t *app)
{
	const char *name = print_text(app, "instance");
	const json_t *error = json_object_get(app, "error");
	const char *why = print_text(error, "error-message");
	char subject[96];

	snprintf(subject, sizeof(subject), "app %s", name);
	if (why[0] == '\0')
		why = print_text(error, "message");
	if (!json_is_true(json_object_get(app, "connected")))
		doctor_say(d, DOCTOR_BAD, subject,
			   "start it (sluice-lb --instance NAME), or read its log",
			   "sluiced has no link to it");
	else if (print_count(app, "applied") != print_count(app, "intended"))
		doctor_say(d, DOCTOR_WARN, subject,
			   "mend what the reason names and commit; until then it runs on its last "
			   "good configuration",
			   "it runs version %llu, version %llu is intended%s%s",
			   (unsigned long long)print_count(app, "applied"),
			   (unsigned long long)print_count(app, "intended"),
			   why[0] != '\0' ? ": " : "", why);
	else
		doctor_say(d, DOCTOR_OK, subject, "", "linked, version %llu",
			   (unsigned long long)print_count(app, "applied"));
}

static void say_alarm(struct doctor *d, const json_t *alarm)
{
	char text[1024];
	const char *t = print_text(alarm, "text");

	if (t[0] == '\0')
		t = print_text(alarm, "message");
	if (t[0] == '\0')
		t = print_scalar(alarm, text, sizeof(text));
	doctor_say(d, DOCTOR_WARN, "alarm", "see 'sluicectl show alarms'", "%s", t);
}

static void say_offloads(struct doctor *d, const char *subject, const char *instance,
			 const json_t *offload)
{
	static const struct {
		const char *member, *words;
	} known[] = {
		{"rx-ip-checksum", "checks IPv4 header checksums on receipt"},
		{"rx-l4-checksum", "checks TCP and UDP checksums on receipt"},
		{"tx-ip-checksum", "fills IPv4 header checksums in on sending"},
		{"tx-l4-checksum", "fills TCP and UDP checksums in on sending"},
		{"vlan", "adds and strips VLAN tags"},
	};
	char does[512] = "";
	size_t at = 0;

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (json_is_true(json_object_get(offload, known[i].member)))
			at += (size_t)snprintf(does + at, sizeof(does) - at, "%s%s",
					       at > 0 ? ", " : "", known[i].words);
	doctor_say(d, DOCTOR_OK, subject, "", "as %s sees it the port %s", instance,
		   at > 0 ? does
			  : "offloads nothing: checksums and VLAN tags are done in software");
}

static void say_port(struct doctor *d, const json_t *p, const char *instance)
{
	const json_t *fd = print_member(p, "fd"), *offload = print_member(p, "offload");
	char subject[96];

	snprintf(subject, sizeof(subject), "port %s", print_text(p, "name"));
	if (json_is_false(print_member(p, "present"))) {
		doctor_say(d, DOCTOR_BAD, subject,
			   "plug it in or make it; the app takes it as soon as it appears",
			   "%s has no device '%s'", instance, print_text(p, "device"));
		return;
	}
	if (json_is_false(print_member(p, "up")))
		doctor_say(d, DOCTOR_WARN, subject, "ip link set it up, and look at the cable",
			   "its link is down");
	if (strcmp(print_text(p, "xdp"), "generic") == 0)
		doctor_say(d, DOCTOR_WARN, subject,
			   "use a card or driver with native XDP; check the MTU (at most 3498)",
			   "XDP runs in generic mode, which is slow");
	if (json_is_false(fd))
		doctor_say(d, DOCTOR_NOTE, subject, "",
			   "its kind has no descriptor to sleep on, %s polls it with short pauses",
			   instance);
	if (offload != NULL)
		say_offloads(d, subject, instance, offload);
}

static void say_huge(struct doctor *d, const json_t *huge, const char *instance)
{
	char subject[96];

	snprintf(subject, sizeof(subject), "app %s", instance);
	if (json_is_false(print_member(huge, "in-use")))
		doctor_say(d, DOCTOR_NOTE, subject,
			   "reserve hugepages and start it without --no-huge",
			   "it runs without hugepages, which costs speed");
}

static void ask_app(struct doctor *d, const char *instance)
{
	json_t *params =
		json_pack("{s:s, s:s, s:{}}", "instance", instance, "name", "doctor", "args");
	json_t *result = NULL, *error = NULL, *p;
	size_t i;

	if (cli_try(d->cli, "app-query", params, &result, &error) == CLI_OK) {
		json_array_foreach(json_object_get(result, "ports"), i, p) say_port(d, p, instance);
		say_huge(d, json_object_get(result, "hugepages"), instance);
	}
	json_decref(result);
	json_decref(error);
}

// Kernel devices of the configured ports, for the looks at them. Returns: their number
static size_t port_devices(struct doctor *d, char device[][32], size_t max)
{
	json_t *params = json_pack("{s:s, s:[s]}", "source", "running", "paths",
				   "/ietf-interfaces:interfaces");
	json_t *result = NULL, *error = NULL, *i;
	size_t n = 0, at;

	if (cli_try(d->cli, "get-config", params, &result, &error) == CLI_OK) {
		const json_t *list =
			json_object_get(json_object_get(json_object_get(result, "config"),
							"ietf-interfaces:interfaces"),
					"interface");

		json_array_foreach(list, at, i)
		{
			const char *dev = print_text(print_member(i, "port"), "device");

			if (strstr(print_text(i, "type"), "af-xdp") == NULL || n == max)
				continue;
			snprintf(device[n++], 32, "%s",
				 dev[0] != '\0' ? dev : print_text(i, "name"));
		}
	}
	json_decref(result);
	json_decref(error);
	return n;
}

static bool ask_daemon(struct doctor *d)
{
	json_t *state = NULL, *error = NULL, *v;
	size_t i;
	int rc = cli_try(d->cli, "state", NULL, &state, &error);

	if (rc == CLI_REFUSED) {
		doctor_say(d, DOCTOR_WARN, "sluiced", "ask as a user who may",
			   "it refuses 'state': %s", print_text(error, "message"));
	} else if (rc == CLI_OK) {
		doctor_say(d, DOCTOR_OK, "sluiced", "", "answers, version %llu",
			   (unsigned long long)print_count(state, "version"));
		json_array_foreach(json_object_get(state, "apps"), i, v)
		{
			say_app(d, v);
			if (json_is_true(json_object_get(v, "connected")))
				ask_app(d, print_text(v, "instance"));
		}
		json_array_foreach(json_object_get(state, "alarms"), i, v) say_alarm(d, v);
	}
	json_decref(state);
	json_decref(error);
	return rc == CLI_OK || rc == CLI_REFUSED;
}

// ---- report ----------------------------------------------------------------------------------

static void print_findings(struct doctor *d)
{
	static const enum table_color color[] = {TABLE_GREEN, TABLE_DIM, TABLE_YELLOW, TABLE_RED};
	struct cli *c = d->cli;
	unsigned count[4] = {0};
	json_t *f;
	size_t i, s;

	json_array_foreach(d->findings, i, f)
	{
		for (s = 0; s < 3 && strcmp(severity_name[s], print_text(f, "severity")) != 0; s++)
			;
		count[s]++;
		fprintf(c->out, "%s%-8s%s %s: %s\n", table_escape(c->color, color[s]),
			severity_name[s], table_escape(c->color, TABLE_PLAIN),
			print_text(f, "subject"), print_text(f, "text"));
		if (print_text(f, "remedy")[0] != '\0')
			fprintf(c->out, "         -> %s\n", print_text(f, "remedy"));
	}
	fprintf(c->out, "\n%u ok, %u notes, %u warnings, %u errors\n", count[0], count[1], count[2],
		count[3]);
}

int cmd_doctor(struct cli *c, const struct cli_args *a)
{
	struct doctor d = {.cli = c, .findings = json_array()};
	const char *named = cli_option(a, "device");
	const char *seen[65];
	char device[64][32];
	size_t n = 0, count = 0;

	if (d.findings == NULL)
		return cli_fail(c, CLI_FAILED, "out of memory");
	doctor_machine(&d);
	doctor_daemons(&d);
	if (ask_daemon(&d))
		count = port_devices(&d, device, 64);
	for (; n < count; n++) {
		seen[n] = device[n];
		doctor_device(&d, device[n], "a port of the configuration");
	}
	if (named != NULL) {
		seen[n++] = named;
		doctor_device(&d, named, "named by --device");
	}
	doctor_xdp_devices(&d, seen, n);
	if (!cli_print_json(c, d.findings))
		print_findings(&d);
	json_decref(d.findings);
	if (d.worst == DOCTOR_BAD)
		return CLI_DOCTOR_BAD;
	return d.worst == DOCTOR_WARN ? CLI_DOCTOR_WARN : CLI_OK;
}
