// SPDX-License-Identifier: BSD-3-Clause

#include "dataplane/inspect/script/expr.h"

#include <string.h>

static const struct expr_name names[] = {
#define EXPR_NAME(text, roles, ops) {text, sizeof(text) - 1, roles, ops},
#include "dataplane/inspect/script/names.def"
#undef EXPR_NAME
};

#define NAME_LEN_MAX 72
#define NAMES        (sizeof(names) / sizeof(names[0]))

static int compare(const struct expr_name *n, const char *p, size_t len)
{
	int c = memcmp(n->text, p, n->len < len ? n->len : len);

	return c != 0 ? c : (int)n->len - (int)len;
}

const struct expr_name *expr_name_find(const char *p, size_t len)
{
	size_t from = 0, to = NAMES;

	if (len < 2 || len > NAME_LEN_MAX)
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
	static const struct {
		uint8_t len;
		const char *text;
	} packages[] = {
#define PACKAGE(text) {sizeof(text) - 1, text}
		PACKAGE("java."),
		PACKAGE("javax."),
		PACKAGE("jdk."),
		PACKAGE("com.sun."),
		PACKAGE("sun."),
		PACKAGE("org.apache."),
		PACKAGE("org.springframework."),
		PACKAGE("ognl."),
		PACKAGE("freemarker."),
		PACKAGE("groovy."),
		PACKAGE("com.opensymphony."),
		PACKAGE("org.codehaus."),
		PACKAGE("org.mozilla."),
		PACKAGE("javassist."),
		PACKAGE("bsh."),
		PACKAGE("org.mvel2."),
		PACKAGE("jakarta."),
		PACKAGE("org.python."),
		PACKAGE("com.mchange."),
		PACKAGE("com.caucho."),
		PACKAGE("org.hibernate."),
		PACKAGE("com.alibaba."),
		PACKAGE("com.zaxxer."),
		PACKAGE("org.eclipse."),
		PACKAGE("com.mysql."),
		PACKAGE("clojure."),
		PACKAGE("org.jboss."),
		PACKAGE("org.yaml."),
		PACKAGE("com.rometools."),
		PACKAGE("net.sf."),
		PACKAGE("br.com."),
		PACKAGE("org.aspectj."),
		PACKAGE("ch.qos.logback."),
		PACKAGE("scala."),
		PACKAGE("org.postgresql."),
		PACKAGE("com.ibatis."),
		PACKAGE("oracle.jdbc."),
		PACKAGE("org.h2."),
		PACKAGE("weblogic."),
		PACKAGE("com.bea."),
		PACKAGE("com.tangosol."),
		PACKAGE("com.ibm."),
#undef PACKAGE
	};

	if (len < 6)
		return false;
	for (size_t i = 0; i < sizeof(packages) / sizeof(packages[0]); i++)
		if (packages[i].text[0] == path[0] && len > packages[i].len &&
		    memcmp(path, packages[i].text, packages[i].len) == 0)
			return true;
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
