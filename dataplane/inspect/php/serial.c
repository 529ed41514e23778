// SPDX-License-Identifier: BSD-3-Clause
//
// What PHP's serialize() writes (php-src, ext/standard/var_unserializer.re):
//
//	N;  b:1;  i:-5;  d:0.5;  s:3:"abc";  S:3:"\61bc";  a:1:{key;value}  r:2;  R:2;
//	O:8:"stdClass":1:{key;value}  C:3:"Abc":4:{....}  E:7:"Abc:Def";   O:+8: is read by PHP before 7.2
//
// Lengths are counted in bytes and must be right, else PHP makes nothing of it. Some that are wrong are
// taken as well: bytes of zero around names of private members are often lost on the way here.
// A session has name|value name|value, and a phar archive has such a text as its metadata.

#include "dataplane/inspect/php/serial.h"

#include "dataplane/inspect/bytes.h"

#include <string.h>

#define DEPTH 32
#define LOST  16 // bytes by which a length may be wrong

struct text {
	const uint8_t *p, *end;
	unsigned objects;      // whose text is whole, up to the count of their members
	bool sign;             // O:+8: or +: in a length
	bool wrong;            // a length is not right
	bool cut;              // the text ends within
	bool escaped;          // S: with an escape
	bool gadget;           // a class of a library that is known for what its objects do
	const uint8_t *object; // the first
};

static bool value(struct text *t, unsigned depth);

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool take(struct text *t, char c)
{
	if (t->p == t->end) {
		t->cut = true;
		return false;
	}
	if (*t->p != (uint8_t)c)
		return false;
	t->p++;
	return true;
}

static bool number(struct text *t, size_t *n)
{
	const uint8_t *from;

	*n = 0;
	if (t->p < t->end && *t->p == '+') {
		t->sign = true;
		t->p++;
	}
	for (from = t->p; t->p < t->end && is_digit(*t->p) && t->p - from < 9; t->p++)
		*n = *n * 10 + *t->p - '0';
	if (t->p == t->end)
		t->cut = true;
	return t->p > from;
}

// length:"bytes"; what comes behind the quote: the next sign, by which a wrong length is seen.
static bool quoted(struct text *t, char behind, const uint8_t **s, size_t *len)
{
	if (!number(t, len) || !take(t, ':') || !take(t, '"'))
		return false;
	*s = t->p;
	if ((size_t)(t->end - t->p) <= *len) {
		t->cut = true;
	} else if (t->p[*len] == '"' &&
		   (t->p + *len + 1 == t->end || t->p[*len + 1] == (uint8_t)behind)) {
		t->p += *len + 1;
		return true;
	}
	// bytes were lost, or the sender did not count well
	for (size_t i = *len > LOST ? *len - LOST : 0; i <= *len + LOST; i++) {
		if ((size_t)(t->end - t->p) < i + 2)
			return false;
		if (t->p[i] == '"' && t->p[i + 1] == (uint8_t)behind) {
			t->wrong = true;
			t->cut = false;
			*len = i;
			t->p += i + 1;
			return true;
		}
	}
	return false;
}

// Libraries whose objects write files, run programs or call what they hold when they are destroyed.
static bool is_gadget(const uint8_t *s, size_t len)
{
	static const char *const heads[] = {
		"Monolog\\",     "GuzzleHttp\\",
		"Symfony\\",     "Illuminate\\",
		"Zend_",         "Zend\\",
		"Swift_",        "Doctrine\\",
		"phpseclib",     "Drupal\\",
		"PHPUnit",       "SimplePie",
		"JDatabase",     "Laminas\\",
		"think\\",       "yii\\",
		"Slim\\",        "Smarty",
		"Faker\\",       "Dompdf\\",
		"TCPDF",         "League\\",
		"Horde_",        "Requests_",
		"WP_",           "Magento\\",
		"Typo3\\",       "TYPO3\\",
		"CakePHP",       "Cake\\",
		"Phalcon\\",     "CodeIgniter\\",
		"Pydio\\",       "Kohana_",
		"PHPExcel",      "SoapClient",
		"SplFileObject", "DirectoryIterator",
		"Imagick",       "PDO",
		"Closure",
	};

	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		size_t n = strlen(heads[i]);

		if (len >= n && memcmp(s, heads[i], n) == 0)
			return true;
	}
	return false;
}

static bool is_class(const uint8_t *s, size_t len)
{
	if (len == 0 || is_digit(s[0]))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!is_digit(s[i]) && !((s[i] | 0x20) >= 'a' && (s[i] | 0x20) <= 'z') &&
		    s[i] != '_' && s[i] != '\\' && s[i] != ':' && s[i] < 0x80)
			return false;
	return true;
}

static bool members(struct text *t, size_t count, unsigned depth)
{
	if (!take(t, '{'))
		return false;
	for (size_t i = 0; i < count * 2; i++) {
		if (t->p == t->end) {
			t->cut = true;
			return false;
		}
		if (*t->p == '}')
			break; // fewer than it says: PHP refuses it, when it has made the object
		if (!value(t, depth + 1))
			return false;
	}
	return take(t, '}');
}

static bool object(struct text *t, const uint8_t *at, uint8_t kind, unsigned depth)
{
	const uint8_t *s;
	size_t len, count = 0;

	if (!quoted(t, kind == 'E' ? ';' : ':', &s, &len) || !is_class(s, len))
		return false;
	if (kind != 'E' && (!take(t, ':') || !number(t, &count) || !take(t, ':')))
		return false;
	if (t->object == NULL)
		t->object = at;
	t->objects++;
	t->gadget |= is_gadget(s, len);
	if (kind == 'E')
		return take(t, ';');
	if (kind == 'O')
		return members(t, count, depth);
	if (!take(t, '{') || (size_t)(t->end - t->p) < count)
		return false;
	t->p += count;
	return take(t, '}');
}

static bool scalar(struct text *t)
{
	const uint8_t *from = t->p;

	while (t->p < t->end && *t->p != ';' && t->p - from < 40)
		t->p++;
	return take(t, ';') && t->p > from + 1;
}

static bool value(struct text *t, unsigned depth)
{
	const uint8_t *at = t->p, *s;
	size_t n;

	if (depth > DEPTH || t->end - t->p < 2) {
		t->cut = true;
		return false;
	}
	if (at[0] == 'N' && at[1] == ';') {
		t->p += 2;
		return true;
	}
	if (at[1] != ':')
		return false;
	t->p += 2;
	switch (at[0]) {
	case 'b':
	case 'i':
	case 'd':
	case 'r':
	case 'R':
		return scalar(t);
	case 's':
		return quoted(t, ';', &s, &n) && take(t, ';');
	case 'S':
		t->escaped = true;
		return quoted(t, ';', &s, &n) && take(t, ';');
	case 'a':
		return number(t, &n) && take(t, ':') && members(t, n, depth);
	case 'O':
	case 'C':
	case 'E':
		return object(t, at, at[0], depth);
	default:
		return false;
	}
}

// ---- evidence ------------------------------------------------------------------------------------

static void say(struct inspect *in, const struct inspect_node *n, const struct text *t)
{
	size_t at;

	if (t->objects == 0)
		return;
	at = (size_t)(t->object - n->p);
	inspect_evidence(in, n, t->wrong ? RULE_PHP_SERIAL_LOOSE : RULE_PHP_SERIAL_OBJECT, at,
			 n->len - at);
	if (t->gadget)
		inspect_evidence(in, n, RULE_PHP_SERIAL_GADGET, at, n->len - at);
	if (t->sign)
		inspect_evidence(in, n, RULE_PHP_SERIAL_SIGN, at, n->len - at);
	if (t->escaped)
		inspect_evidence(in, n, RULE_PHP_SERIAL_ESCAPED, at, n->len - at);
	if (t->objects > 1)
		inspect_evidence(in, n, RULE_PHP_SERIAL_NESTED, at, n->len - at);
}

static void judge(struct inspect *in, const struct inspect_node *n, const uint8_t *p,
		  const uint8_t *end)
{
	struct text t = {.p = p, .end = end};

	value(&t, 0);
	say(in, n, &t);
}

static uint32_t little(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

// A phar archive: a stub up to __HALT_COMPILER(); ?>, then the manifest
//
//	length[4] files[4] version[2] flags[4] alias-length[4] alias metadata-length[4] metadata
static void judge_phar(struct inspect *in, const struct inspect_node *n)
{
	static const char halt[] = "__HALT_COMPILER();";
	const uint8_t *p = memmem(n->p, n->len, halt, sizeof(halt) - 1), *end = n->p + n->len;
	uint32_t len;

	if (p == NULL)
		return;
	p += sizeof(halt) - 1;
	p += end - p > 0 && *p == ' ';
	p += end - p > 1 && p[0] == '?' && p[1] == '>' ? 2 : 0;
	p += end - p > 0 && *p == '\r';
	p += end - p > 0 && *p == '\n';
	if (end - p < 22)
		return;
	p += 14;
	len = little(p);
	p += 4;
	if (len > 4096 || (size_t)(end - p) < len + 4)
		return;
	p += len;
	len = little(p);
	p += 4;
	if (len > 0 && len <= (size_t)(end - p))
		judge(in, n, p, p + len);
}

static void run(struct inspect *in, const struct inspect_node *n)
{
	const uint8_t *p = n->p, *end = n->p + n->len, *q;

	if (n->place == PLACE_FILE) {
		judge_phar(in, n);
		return;
	}
	while (p < end &&
	       (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t' || *p == '"' || *p == '\''))
		p++;
	if (end - p < 8)
		return;
	if (p[1] == ':') {
		judge(in, n, p, end);
		return;
	}
	// name|value of a session
	q = memchr(p, '|', (size_t)(end - p) < 64 ? (size_t)(end - p) : 64);
	if (q != NULL && end - q > 8 && q[2] == ':')
		judge(in, n, q + 1, end);
}

const struct inspect_analyser inspect_php_serial = {
	.name = "php-serial",
	.all = BYTES(COLON) | BYTES(DIGIT),
	.any = BYTES(DQUOTE) | BYTES(UNDERSCORE),
	.least = 8,
	.run = run,
};
