// SPDX-License-Identifier: BSD-3-Clause
//
// models - the schema and small helpers for tests of datastore and rpc.
#pragma once

struct ly_ctx;
struct lyd_node;
struct tree;

struct ly_ctx *models(void); // made once, for the life of the test
struct lyd_node *parse(const char *json);
char *print(const struct lyd_node *tree); // shrunk JSON, to be freed
// As if tree had just been parsed: same content, no history in its hash tables.
void assert_tree_is(const struct tree *tree, const char *json);

// {"sluice-lb:load-balancers":{"load-balancer":[{"name":"lb",INNER}]}}, static buffer.
const char *in_lb(const char *inner);
