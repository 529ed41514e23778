// SPDX-License-Identifier: BSD-3-Clause

#include "dataplane/inspect/java/grade.h"

struct grade {
	uint32_t all; // ops that must be there
	enum inspect_rule rule;
};

// Those that tell of Java by themselves.
static const struct grade grades[] = {
	{EXPR_REFLECT, RULE_JAVA_REFLECT},   {EXPR_STATIC, RULE_JAVA_STATIC},
	{EXPR_TYPE, RULE_JAVA_TYPE},         {EXPR_OGNL, RULE_JAVA_OGNL},
	{EXPR_RESPONSE, RULE_JAVA_RESPONSE}, {EXPR_GADGET, RULE_JAVA_GADGET},
};

// Those that do beside another.
static const struct grade beside[] = {
	{EXPR_RUN, RULE_JAVA_RUN},   {EXPR_RUN_WORD | EXPR_CALL, RULE_JAVA_RUN},
	{EXPR_EVAL, RULE_JAVA_EVAL}, {EXPR_NEW | EXPR_TYPE, RULE_JAVA_NEW},
	{EXPR_FILE, RULE_JAVA_FILE}, {EXPR_SCOPE, RULE_JAVA_SCOPE},
};

bool java_grade(struct inspect *in, const struct inspect_node *n, const struct expr_verdict *v,
		size_t at, size_t len, enum inspect_rule where)
{
	bool any = false;

	for (size_t i = 0; i < sizeof(grades) / sizeof(grades[0]); i++)
		if ((v->ops & grades[i].all) != 0) {
			inspect_evidence(in, n, grades[i].rule, at, len);
			any = true;
		}
	if ((v->ops & EXPR_CLASS) != 0 && (v->ops & (EXPR_CALL | EXPR_STRING)) != 0) {
		inspect_evidence(in, n, RULE_JAVA_CLASS, at, len);
		any = true;
	}
	if (!any && (v->ops & EXPR_JAVA) == 0)
		return false;
	inspect_evidence(in, n, where, at, len);
	for (size_t i = 0; i < sizeof(beside) / sizeof(beside[0]); i++)
		if ((v->ops & beside[i].all) == beside[i].all)
			inspect_evidence(in, n, beside[i].rule, at, len);
	return true;
}
