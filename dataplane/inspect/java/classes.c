// SPDX-License-Identifier: BSD-3-Clause
//
// Names of classes: which tell by themselves what the sender is after.

#include "dataplane/inspect/java/object.h"
#include "dataplane/inspect/script/expr.h"

#include <string.h>
#include <strings.h>

#define NAME_LEN_MAX 48

static const struct {
	const char *name;
	uint8_t kind;
} classes[] = {
#define JAVA_CLASS(kind, name) {name, CLASS_##kind},
#include "dataplane/inspect/java/classes.def"
#undef JAVA_CLASS
};

static enum class_kind kind_of_last(const char *p, size_t len)
{
	size_t from = 0, to = sizeof(classes) / sizeof(classes[0]);
	char name[NAME_LEN_MAX];

	if (len == 0 || len >= sizeof(name))
		return CLASS_NONE;
	for (size_t i = 0; i < len; i++)
		name[i] = p[i] >= 'A' && p[i] <= 'Z' ? (char)(p[i] | 0x20) : p[i];
	name[len] = '\0';
	while (from < to) {
		size_t mid = (from + to) / 2;
		int c = strcmp(classes[mid].name, name);

		if (c == 0)
			return classes[mid].kind;
		if (c < 0)
			from = mid + 1;
		else
			to = mid;
	}
	return CLASS_NONE;
}

static bool is_path(const char *p, size_t len, const char *with)
{
	return len == strlen(with) && memcmp(p, with, len) == 0;
}

// Classes of these packages are asked for to get at the insides of a server.
static bool is_package(const char *p, size_t len)
{
	static const char *const packages[] = {"com.sun.org.apache", "org.omg.CORBA",
					       "com.opensymphony.xwork2"};

	for (size_t i = 0; i < sizeof(packages) / sizeof(packages[0]); i++)
		if (is_path(p, len, packages[i]))
			return true;
	return false;
}

// A class that has no other use: its name tells, in whatever package.
static bool is_telling(const char *last, size_t len)
{
	static const char *const names[] = {"clonetransformer",
					    "forclosure",
					    "whileclosure",
					    "instantiatefactory",
					    "instantiatetransformer",
					    "invokertransformer",
					    "chainedtransformer",
					    "prototypeclonefactory",
					    "prototypeserializationfactory",
					    "jdbcrowsetimpl",
					    "templatesimpl",
					    "badattributevalueexpexception",
					    "processbuilder",
					    "scriptenginemanager"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (len == strlen(names[i]) && strncasecmp(last, names[i], len) == 0)
			return true;
	return false;
}

enum class_kind java_class_kind(const char *path, size_t len)
{
	const char *dot = memrchr(path, '.', len), *last;
	enum class_kind kind;

	if (dot == NULL)
		return CLASS_NONE;
	last = dot + 1;
	kind = kind_of_last(last, len - (size_t)(last - path));
	if (is_package(path, len))
		return CLASS_PACKAGE;
	if (!expr_is_platform(path, len))
		return is_telling(last, len - (size_t)(last - path)) ? CLASS_GADGET : CLASS_NONE;
	if (kind == CLASS_GADGET)
		return kind;
	if (kind != CLASS_NONE && (memcmp(path, "java.io.", 8 < len ? 8 : len) == 0 ||
				   memcmp(path, "java.lang.", 10 < len ? 10 : len) == 0))
		return kind;
	return *last >= 'A' && *last <= 'Z' ? CLASS_OTHER : CLASS_NONE;
}
