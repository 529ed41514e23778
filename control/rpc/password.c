// SPDX-License-Identifier: BSD-3-Clause
//
// Passwords of local users: type crypt-hash of iana-crypt-hash.

#include "control/rpc/rpc_priv.h"

#include <crypt.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int hash_leaf(struct lyd_node *leaf, struct txn_result *r)
{
	const char *clear = lyd_get_value(leaf);
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];
	struct crypt_data *data;
	const char *hash = NULL;
	int rc = -EINVAL;

	if (strncmp(clear, "$0$", 3) != 0)
		return 0;
	data = calloc(1, sizeof(*data));
	if (data != NULL && strlen(clear + 3) < CRYPT_MAX_PASSPHRASE_SIZE &&
	    crypt_gensalt_rn("$6$", 0, NULL, 0, setting, sizeof(setting)) != NULL)
		hash = crypt_rn(clear + 3, setting, data, (int)sizeof(*data));
	if (hash != NULL && lyd_change_term(leaf, hash) == LY_SUCCESS)
		rc = 0;
	else
		errors_add_node(r, "invalid-value", NULL, leaf, "this password cannot be hashed");
	if (data != NULL)
		explicit_bzero(data, sizeof(*data));
	free(data);
	return rc;
}

static struct lyd_node *next_named(struct lyd_node *node, const char *name)
{
	while (node != NULL && strcmp(node->schema->name, name) != 0)
		node = node->next;
	return node;
}

int password_hash_clear(struct lyd_node *edit, struct txn_result *r)
{
	struct lyd_node *top, *auth, *user, *leaf;
	int rc = 0;

	LY_LIST_FOR (edit, top) {
		if (strcmp(top->schema->module->name, "ietf-system") != 0)
			continue;
		auth = next_named(lyd_child(top), "authentication");
		for (user = next_named(lyd_child(auth), "user"); user != NULL;
		     user = next_named(user->next, "user")) {
			leaf = next_named(lyd_child(user), "password");
			if (leaf != NULL && rc == 0)
				rc = hash_leaf(leaf, r);
		}
	}
	return rc;
}
