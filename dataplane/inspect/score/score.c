// SPDX-License-Identifier: BSD-3-Clause
//
// From evidence to a verdict. Points of the rules that a value showed are summed per class, each rule
// once; the highest sum of any value is the class's score, at most 100. The request is refused by the
// class that is furthest over its threshold.

#include "dataplane/inspect/inspect_priv.h"

#include <stdio.h>
#include <string.h>

#define FRAGMENT_BEFORE 32

static const struct {
	const char *name, *text;
	uint8_t class, points;
} rules[] = {
#define INSPECT_RULE(sym, class, points, name, text) {name, text, INSPECT_##class, points},
#include "dataplane/inspect/score/rules.def"
#undef INSPECT_RULE
};

static const char *const class_names[] = {
#define INSPECT_CLASS(sym, name, text) name,
#include "dataplane/inspect/score/classes.def"
#undef INSPECT_CLASS
};

static const char *const decoder_names[] = {
#define INSPECT_DECODER(sym, name) name,
#include "dataplane/inspect/decode/decoders.def"
#undef INSPECT_DECODER
};

static const char *const place_names[] = {
#define INSPECT_PLACE(sym, name) name,
#include "dataplane/inspect/places.def"
#undef INSPECT_PLACE
};

const char *inspect_class_name(enum inspect_class c)
{
	return c < INSPECT_CLASSES ? class_names[c] : "none";
}

const char *inspect_decoder_name(unsigned decoder)
{
	return decoder < DECODE_COUNT ? decoder_names[decoder] : "?";
}

const char *inspect_rule_name(unsigned rule)
{
	return rule < RULE_COUNT ? rules[rule].name : "?";
}

const char *inspect_rule_text(unsigned rule)
{
	return rule < RULE_COUNT ? rules[rule].text : "?";
}

unsigned inspect_rule_points(unsigned rule)
{
	return rule < RULE_COUNT ? rules[rule].points : 0;
}

// ---- what a verdict says -------------------------------------------------------------------------

static void tell_place(const struct inspect *in, const struct inspect_node *n,
		       struct inspect_verdict *v)
{
	const struct inspect_node *root = n;

	while (root->parent != NODE_NONE)
		root = &in->node[root->parent];
	snprintf(v->place, sizeof(v->place), "%s%s%.*s", place_names[root->place],
		 root->name.len > 0 ? ":" : "", root->name.len < 64 ? (int)root->name.len : 64,
		 root->name.len > 0 ? (const char *)root->name.p : "");
	for (char *c = v->place; *c != '\0'; c++)
		if ((uint8_t)*c < ' ' || *c == 0x7f)
			*c = '.';
}

static void tell_decoders(const struct inspect *in, const struct inspect_node *n,
			  struct inspect_verdict *v)
{
	uint8_t way[INSPECT_DECODERS_MAX];
	unsigned count = 0;

	for (; n->parent != NODE_NONE && count < INSPECT_DECODERS_MAX; n = &in->node[n->parent])
		way[count++] = n->decoder;
	// what the message's parser undid
	if (n->parent == NODE_NONE && n->decoder != DECODE_NONE && count < INSPECT_DECODERS_MAX)
		way[count++] = n->decoder;
	v->decoders = (uint8_t)count;
	for (unsigned i = 0; i < count; i++)
		v->decoder[i] = way[count - 1 - i];
}

static void tell_fragment(const struct inspect_node *n, const struct evidence *e,
			  struct inspect_verdict *v)
{
	uint32_t from = e->at > FRAGMENT_BEFORE ? e->at - FRAGMENT_BEFORE : 0;

	v->fragment_len = n->len - from < sizeof(v->fragment) ? n->len - from : sizeof(v->fragment);
	memcpy(v->fragment, n->p + from, v->fragment_len);
}

static void tell(struct inspect *in, enum inspect_class class, unsigned score)
{
	struct inspect_verdict *v = &in->verdict;
	const struct evidence *best = NULL;

	v->class = class;
	v->score = (uint8_t)score;
	v->rules = 0;
	for (uint32_t i = 0; i < in->evidences; i++) {
		const struct evidence *e = &in->evidence[i];

		if (rules[e->rule].class != class)
			continue;
		if (v->rules < INSPECT_RULES_MAX)
			v->rule[v->rules++] = e->rule;
		if (best == NULL || rules[e->rule].points > rules[best->rule].points)
			best = e;
	}
	tell_place(in, &in->node[best->node], v);
	tell_decoders(in, &in->node[best->node], v);
	tell_fragment(&in->node[best->node], best, v);
}

// ---- sums ----------------------------------------------------------------------------------------

static int over(const struct inspect *in, unsigned class, unsigned score)
{
	return (int)score - in->policy->threshold[class];
}

void score_begin(struct inspect *in)
{
	in->enough = false;
	memset(in->class_score, 0, sizeof(in->class_score));
	in->verdict = (struct inspect_verdict){.class = INSPECT_CLASSES};
}

void score_value(struct inspect *in)
{
	unsigned sum[INSPECT_CLASSES] = {0};
	struct inspect_verdict *v = &in->verdict;

	if (in->evidences == 0)
		return;
	for (uint32_t i = 0; i < in->evidences; i++)
		sum[rules[in->evidence[i].rule].class] += rules[in->evidence[i].rule].points;
	for (unsigned c = 0; c < INSPECT_CLASSES; c++) {
		unsigned score = sum[c] > 100 ? 100 : sum[c];

		if (score == 0 || (in->off >> c & 1) != 0)
			continue;
		if (score > in->class_score[c])
			in->class_score[c] = (uint8_t)score;
		if (v->class == INSPECT_CLASSES ||
		    over(in, c, score) > over(in, v->class, v->score))
			tell(in, c, score);
	}
	if (v->class != INSPECT_CLASSES && over(in, v->class, v->score) >= 0)
		v->block = true;
	in->enough = v->block && v->score == 100;
}

void score_end(struct inspect *in, struct inspect_verdict *out)
{
	*out = in->verdict;
}
