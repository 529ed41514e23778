// SPDX-License-Identifier: BSD-3-Clause
//
// The decoders on one node, in the order in which servers undo things: what every web server does first.

#include "dataplane/inspect/decode/decode.h"

#include "dataplane/inspect/inspect_priv.h"

static const struct decoder *const decoders[] = {
	&decode_percent_ops,
};

void decode_node(struct inspect *in, const struct inspect_node *n)
{
	for (size_t i = 0; i < sizeof(decoders) / sizeof(decoders[0]); i++) {
		const struct decoder *d = decoders[i];

		if (n->len >= d->least && (d->any == 0 || (n->set & d->any) != 0) &&
		    (n->set & d->all) == d->all)
			d->run(in, n);
	}
}
