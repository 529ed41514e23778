// SPDX-License-Identifier: BSD-3-Clause

#include "dataplane/inspect/script/expr.h"

#include <string.h>

static const struct expr_name names[] = {
#define EXPR_NAME(text, roles, ops) {text, sizeof(text) - 1, roles, ops},
#include "dataplane/inspect/script/names.def"
#undef EXPR_NAME
};

#define NAMES (sizeof(names) / sizeof(names[0]))

static int compare(const struct expr_name *n, const char *p, size_t len)
{
	int c = memcmp(n->text, p, n->len < len ? n->len : len);

	return c != 0 ? c : (int)n->len - (int)len;
}

const struct expr_name *expr_name_find(const char *p, size_t len)
{
	size_t from = 0, to = NAMES;

	if (len < 2 || len > UINT8_MAX)
		return NULL;
	while (from < to) {
		size_t mid = (from + to) / 2;
		int c = compare(&names[mid], p, len);

		if (c == 0)
			return &names[mid];
		if (c < 0)
			from = mid + 1;
		else
			to = mid;
	}
	return NULL;
}

bool expr_is_platform(const char *path, size_t len)
{
	static const char *const packages[] = {
		"java.",
		"javax.",
		"jdk.",
		"com.sun.",
		"sun.",
		"org.apache.",
		"org.springframework.",
		"ognl.",
		"freemarker.",
		"groovy.",
		"com.opensymphony.",
		"org.codehaus.",
		"org.mozilla.",
		"javassist.",
		"bsh.",
		"org.mvel2.",
		"jakarta.",
		"org.python.",
		"com.mchange.",
		"com.caucho.",
		"org.hibernate.",
		"com.alibaba.",
		"com.zaxxer.",
		"org.eclipse.",
		"com.mysql.",
		"clojure.",
		"org.jboss.",
		"org.yaml.",
		"com.rometools.",
		"net.sf.",
		"br.com.",
		"org.aspectj.",
		"ch.qos.logback.",
		"scala.",
		"org.postgresql.",
		"com.ibatis.",
		"oracle.jdbc.",
		"org.h2.",
		"weblogic.",
		"com.bea.",
		"com.tangosol.",
		"com.ibm.",
	};

	for (size_t i = 0; i < sizeof(packages) / sizeof(packages[0]); i++) {
		size_t n = strlen(packages[i]);

		if (len > n && memcmp(path, packages[i], n) == 0)
			return true;
	}
	return false;
}

uint32_t expr_class_ops(const char *path, size_t len)
{
	const char *dot = memrchr(path, '.', len), *last = dot != NULL ? dot + 1 : path;
	const struct expr_name *n = expr_name_find(last, len - (size_t)(last - path));
	bool platform = expr_is_platform(path, len);

	if (n != NULL && (n->roles & NAME_TYPE) != 0) {
		if (platform)
			return n->ops | EXPR_TYPE;
		return (n->roles & NAME_ALONE) != 0 ? n->ops : 0;
	}
	if (platform && *last >= 'A' && *last <= 'Z')
		return EXPR_TYPE;
	return 0;
}
