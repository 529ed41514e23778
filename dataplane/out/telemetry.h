// SPDX-License-Identifier: BSD-3-Clause
//
// telemetry - the counters of this process for people and programs: as JSON for the control link, and
// as rte_telemetry commands (/sluice/counters, drops, workers, ports, nexthops, routes).
#pragma once

struct loop;

// The whole, malloc'ed:
//	{"worker":[{"index":0,"busy":12.5,"received":n,...}],
//	 "port":[{"name":s,"kind":s,"up":b,"xdp-seen":n,"rx-missed":n,"rx-depth":n,...}],
//	 "drop":{name:n for every reason},"drop-text":{name:sentence},
//	 "sum":{"received":n,"forwarded":n,"answered":n,"to-kernel":n,"held":n,"dropped":n,
//	        "difference":n},
//	 "detail":{"xdp-passed":n,...,}}
// `sum` is of the whole node, what XDP decided included: received = forwarded + answered + to-kernel +
// held + dropped + difference, and difference is 0 when no packet is on its way. What XDP or a full
// receive ring drops has its own reasons, xdp-dropped and rx-missed, in `drop`.
// extra: members that the app adds to `detail`, as JSON text (`"active-flows":5`), or NULL.
// Returns: the text, NULL: out of memory. Thread: control
char *out_counters_json(const char *extra);

// Register the commands; out_init has been called. They are answered on the control thread.
// Errors: -ENOMEM, -EMFILE. Thread: init
int out_telemetry_init(struct loop *l);
