// SPDX-License-Identifier: BSD-3-Clause
//
// A pickle is a program for a stack machine (Python's pickletools.py describes every opcode). It is walked
// for what it names and calls, nothing is kept of the stack but the last two texts:
//
//	c os \n system \n ( S 'id' \n t R .             GLOBAL .. REDUCE STOP
//	80 04 95 <8> 8c 05 posix 8c 06 system 93 ..     PROTO FRAME SHORT_BINUNICODE x 2 STACK_GLOBAL

#include "dataplane/inspect/script/pickle.h"

#include <string.h>

#define OPS_MAX  4096
#define TEXT_MAX 48

struct text {
	const uint8_t *p;
	size_t len;
};

struct pickle {
	const uint8_t *p, *end;
	struct text last[2]; // the last texts that were pushed
	struct text module;  // of a GLOBAL that runs something
	bool global, grave;
	bool called;
	size_t at;
};

static bool is_text(struct text t, const char *with)
{
	return t.len == strlen(with) && memcmp(t.p, with, t.len) == 0;
}

static bool is_module(struct text t)
{
	static const char *const modules[] = {
		"os",       "posix",     "nt",     "subprocess", "builtins", "__builtin__",
		"commands", "sys",       "pty",    "importlib",  "runpy",    "shutil",
		"timeit",   "code",      "socket", "webbrowser", "platform", "ctypes",
		"operator", "functools", "bdb",    "pip",        "pdb",      "asyncio"};

	for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++)
		if (is_text(t, modules[i]))
			return true;
	return false;
}

static bool line(struct pickle *k, struct text *out)
{
	const uint8_t *nl = memchr(k->p, '\n', (size_t)(k->end - k->p));

	if (nl == NULL)
		return false;
	*out = (struct text){k->p, (size_t)(nl - k->p)};
	k->p = nl + 1;
	return true;
}

static bool is_name(struct text t)
{
	if (t.len == 0 || t.len > TEXT_MAX)
		return false;
	for (size_t i = 0; i < t.len; i++) {
		uint8_t c = t.p[i];

		if (!((c | 0x20) >= 'a' && (c | 0x20) <= 'z') && !(c >= '0' && c <= '9') &&
		    c != '_' && c != '.')
			return false;
	}
	return true;
}

static bool global(struct pickle *k, struct text module, struct text name)
{
	if (!is_name(module) || !is_name(name))
		return false;
	k->global = true;
	k->grave |= is_module(module);
	return true;
}

// Bytes of little-endian length in front of a text.
static bool counted(struct pickle *k, unsigned width, bool keep)
{
	size_t len = 0;

	if ((size_t)(k->end - k->p) < width)
		return false;
	for (unsigned i = 0; i < width && i < 4; i++)
		len |= (size_t)k->p[i] << (8 * i);
	k->p += width;
	if (len > (size_t)(k->end - k->p))
		return false;
	if (keep) {
		k->last[0] = k->last[1];
		k->last[1] = (struct text){k->p, len};
	}
	k->p += len;
	return true;
}

static bool skip(struct pickle *k, size_t n)
{
	if (n > (size_t)(k->end - k->p))
		return false;
	k->p += n;
	return true;
}

// One opcode. false: it is none, or its argument is missing.
static bool step(struct pickle *k)
{
	struct text a, b;
	uint8_t op = *k->p++;

	switch (op) {
	case 'c':
		return line(k, &a) && line(k, &b) && global(k, a, b);
	case 'i':
		k->called = true;
		return line(k, &a) && line(k, &b) && global(k, a, b);
	case 0x93:
		return global(k, k->last[0], k->last[1]);
	case 'R':
	case 'o':
	case 'b':
	case 0x81:
	case 0x92:
		k->called = true;
		return true;
	case 'S':
	case 'V':
		return line(k, &a) && (k->last[0] = k->last[1], k->last[1] = a, true);
	case 'I':
	case 'L':
	case 'F':
	case 'p':
	case 'g':
	case 'P':
		return line(k, &a);
	case 0x8c:
	case 'U':
	case 'C':
		return counted(k, 1, true);
	case 'X':
	case 'T':
	case 'B':
		return counted(k, 4, true);
	case 0x8d:
	case 0x8e:
	case 0x96:
		return counted(k, 8, true);
	case 0x8a:
		return counted(k, 1, false);
	case 0x8b:
		return counted(k, 4, false);
	case 0x80:
	case 'K':
	case 'q':
	case 'h':
	case 0x82:
		return skip(k, 1);
	case 'M':
	case 0x83:
		return skip(k, 2);
	case 'J':
	case 'r':
	case 'j':
	case 0x84:
		return skip(k, 4);
	case 'G':
	case 0x95:
		return skip(k, 8);
	default:
		return op != '\0' &&
		       memchr("(0123NQ]}ael)dstu\x85\x86\x87\x88\x89\x8f\x90\x91\x94\x97\x98", op,
			      29) != NULL;
	}
}

void pickle_judge(struct inspect *in, const struct inspect_node *n)
{
	struct pickle k = {.p = n->p, .end = n->p + n->len};
	unsigned ops = 0;

	if (memchr("c(\x80]}", *k.p, 5) == NULL || (*k.p == 0x80 && (n->p[1] < 2 || n->p[1] > 5)))
		return;
	while (k.p < k.end && *k.p != '.' && ops++ < OPS_MAX)
		if (!step(&k))
			return;
	if (k.global && (k.called || k.grave)) {
		inspect_evidence(in, n, RULE_PYTHON_PICKLE, 0, n->len);
		if (k.grave)
			inspect_evidence(in, n, RULE_PYTHON_PICKLE_RUN, 0, n->len);
	}
}
