// SPDX-License-Identifier: BSD-3-Clause
//
// lb_query - what the files that answer queries share: lb_query.c (dispatch, capture, trace, doctor),
// lb_flows.c (show and clear flows), lb_filter.c (their words), lb_explain.c, lb_top.c.
// Thread: control, all of it.
#pragma once

#include <jansson.h>

#include "apps/lb/conf/lb_conf.h"
#include "apps/lb/show/lb_flows.h"
#include "apps/lb/show/lb_text.h"

// A sentence as the reason of an error. Returns: err
int lb_query_fail(char **json, int err, const char *sentence);

// lb_filter.c
//
// Returns: 0 with *f and how many words there were. Errors: -EINVAL, *json says which word
int lb_filter_parse(const struct lb_conf *c, const char *text, struct lb_flow_filter *f,
		    unsigned *words, char **json);
// address, prefix, address:port, [address]:port -> all but w->sides
bool lb_filter_endpoint(const char *text, struct lb_flow_word *w);

// lb_explain.c
int lb_query_explain(struct lb_conf *c, json_t *args, char **json);

// lb_top.c
int lb_query_top(struct lb_conf *c, json_t *args, char **json);
int lb_query_active(struct lb_conf *c, json_t *args, char **json);

// lb_flows.c
int lb_query_flows(struct lb_conf *c, json_t *args, char **json);
int lb_query_clear(struct lb_conf *c, json_t *args, char **json);
// Jobs under way are given up (nobody is answered).
void lb_flows_stop(struct lb_conf *c);
// Names of refs, "" if there is none of that name now.
const char *lb_server_name(const struct lb_conf *c, uint32_t ref);
const char *lb_service_name(const struct lb_conf *c, uint32_t ref);
void lb_put_endpoint(struct lb_text *t, const char *key, uint8_t family, const uint8_t *addr,
		     rte_be16_t port);
void lb_put_flow(const struct lb_conf *c, struct lb_text *t, unsigned worker,
		 const struct lb_flow_info *f);
