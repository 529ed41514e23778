// SPDX-License-Identifier: BSD-3-Clause
//
// path - from what a person types to a node of the schema.
//
//	service web port                  short: words; list keys stand behind the list's name
//	service/web/port                  the same in one word
//	lb edge service web port          of another instance than --instance
//	pool web interval                 a container is left out where the name is unambiguous
//	server web s1 weight              server = pool POOL server NAME
//	port wan owner                    port = interface
//	system user ops                   any module: its top-level container first
//	/sluice-lb:load-balancers/load-balancer[name='lb']/services/service[name='web']/port
//
// The first word is looked up below the load balancer of the instance, then at the top.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

struct cli_schema;
struct lysc_node;

#define PATH_STEPS 16
#define PATH_KEYS  4
#define PATH_ERROR 512

struct cli_step {
	const struct lysc_node *node;
	char *key[PATH_KEYS]; // list: values in the order of its keys; leaf-list: key[0] the value
	size_t keys;          // 0: the list as a whole
};

struct cli_path {
	struct cli_step step[PATH_STEPS];
	size_t count;
};

// Resolve the first words of the count given; *used of them were taken. Stops behind a leaf, so that
// a value may follow; a leaf-list takes no value either (path_value adds it).
//
// Returns: 0 with *out, to be given back by path_free(). Errors: -EINVAL, error (PATH_ERROR bytes) says why
int path_words(const struct cli_schema *s, const char *instance, char **word, size_t count,
	       struct cli_path *out, size_t *used, char *error);

// Walk on from where p stands, or from the entry or container around it when p ends in a leaf.
// Errors: as path_words
int path_more(const struct cli_schema *s, struct cli_path *p, char **word, size_t count,
	      size_t *used, char *error);

void path_free(struct cli_path *p);

// The last node, and what it is.
const struct lysc_node *path_end(const struct cli_path *p);
const char *path_end_name(const struct cli_path *p);
bool path_is_leaf(const struct cli_path *p);      // leaf
bool path_is_leaf_list(const struct cli_path *p); // leaf-list
bool path_is_list(const struct cli_path *p);      // list without keys: all entries
bool path_is_state(const struct cli_path *p);     // config false
bool path_is_key(const struct cli_path *p);       // key leaf of a list

// The instance path, malloc'ed. Returns: NULL where a key holds both kinds of quotes, or without memory
char *path_text(const struct cli_path *p);

// RFC 7951 value of text for the leaf or leaf-list at the end, checked against its type; an identity
// may be named without its module.
// Returns: 0. Errors: -EINVAL, error says what the type wants
int path_value(const struct cli_schema *s, const struct cli_path *p, const char *text, json_t **out,
	       char *error);

// The configuration tree that holds only this path, with value (taken over; NULL: none) at its end
// and, if operation is not NULL, that edit-config operation on the end node.
// Returns: NULL without memory
json_t *path_config(const struct cli_path *p, json_t *value, const char *operation);

// Put the config tree b of path_config() into a, another; list entries with the same first key become
// one. b is taken over.
// Returns: 0 or -ENOMEM
int path_merge(json_t *a, json_t *b);

// Find what p names in data (a whole tree as get answers it). Returns: borrowed, NULL: not there
json_t *path_find(const struct cli_path *p, json_t *data);

// Names that may stand next behind the words given, for completion: calls found for each that begins
// with prefix. Keys are not known here; the list is then empty.
void path_complete(const struct cli_schema *s, const char *instance, char **word, size_t count,
		   const char *prefix, void (*found)(void *arg, const char *name), void *arg);
