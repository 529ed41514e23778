// SPDX-License-Identifier: BSD-3-Clause
//
// A URL taken apart (RFC 3986, section 3), its host read, and what a server would reach by it.

#include "dataplane/inspect/ssrf/ssrf.h"

#include "dataplane/inspect/ssrf/host.h"

#include <string.h>

#define SCHEME_MAX 16
#define URL_MAX    2048

struct url {
	struct http_bytes scheme, user, host, rest;
	uint32_t port; // 0: none
};

static bool is_letter(uint8_t c)
{
	return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static bool is(struct http_bytes b, const char *text)
{
	return http_bytes_are(b, text);
}

static bool is_one(struct http_bytes b, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (is(b, list[i]))
			return true;
	return false;
}

#define IS_ONE(b, list) is_one(b, list, sizeof(list) / sizeof((list)[0]))

// ---- the URL -------------------------------------------------------------------------------------

static uint32_t port_of(struct http_bytes b)
{
	uint32_t port = 0;

	for (uint32_t i = 0; i < b.len; i++) {
		if (b.p[i] < '0' || b.p[i] > '9' || port > 65535)
			return 0;
		port = port * 10 + (b.p[i] - '0');
	}
	return port;
}

static void split_authority(const uint8_t *p, const uint8_t *end, struct url *u)
{
	const uint8_t *at = memrchr(p, '@', (size_t)(end - p)), *colon, *bracket;

	if (at != NULL) {
		u->user = (struct http_bytes){p, (uint32_t)(at - p)};
		p = at + 1;
	}
	bracket = p < end && *p == '[' ? memchr(p, ']', (size_t)(end - p)) : NULL;
	colon = memchr(bracket != NULL ? bracket : p, ':',
		       (size_t)(end - (bracket != NULL ? bracket : p)));
	if (colon != NULL)
		u->port = port_of((struct http_bytes){colon + 1, (uint32_t)(end - colon - 1)});
	u->host = (struct http_bytes){p, (uint32_t)((colon != NULL ? colon : end) - p)};
}

// scheme:[//]authority[rest]. Browsers and libraries take any number of slashes and backslashes.
static bool read_url(struct http_bytes b, struct url *u)
{
	const uint8_t *p = b.p, *end = b.p + b.len, *to;

	memset(u, 0, sizeof(*u));
	while (p < end && p - b.p < SCHEME_MAX &&
	       (is_letter(*p) || (*p >= '0' && *p <= '9') || *p == '+' || *p == '.' || *p == '-'))
		p++;
	if (p == end || *p != ':' || p - b.p < 2 || !is_letter(*b.p))
		return false;
	u->scheme = (struct http_bytes){b.p, (uint32_t)(p - b.p)};
	p++;
	if (end - p < 2 || (p[0] != '/' && p[0] != '\\') || (p[1] != '/' && p[1] != '\\'))
		return false;
	while (p < end && (*p == '/' || *p == '\\'))
		p++;
	for (to = p; to < end && *to != '/' && *to != '?' && *to != '#' && *to != '\\';)
		to++;
	split_authority(p, to, u);
	u->rest = (struct http_bytes){to, (uint32_t)(end - to)};
	return true;
}

// ---- evidence ------------------------------------------------------------------------------------

static bool is_web(const struct url *u)
{
	return is(u->scheme, "http") || is(u->scheme, "https") || is(u->scheme, "ws") ||
	       is(u->scheme, "wss");
}

// Ports of services that answer to lines of text: what a request to them by HTTP can be made to say.
static bool is_service(uint32_t port)
{
	static const uint16_t ports[] = {21,   22,   23,   25,   110,   111,   135,
					 139,  143,  389,  445,  873,   1433,  1521,
					 2049, 2375, 2379, 3306, 3389,  5432,  5984,
					 6379, 6380, 8500, 9200, 10250, 11211, 27017};

	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++)
		if (ports[i] == port)
			return true;
	return false;
}

// Programs on a desk are called back at their own machine (RFC 8252, section 7.3).
static bool is_callback(struct http_bytes name)
{
	static const char *const names[] = {
		"redirect_uri", "redirect_url", "redirecturi",
		"callback",     "origin",       "post_logout_redirect_uri",
		"returnurl",    "return_url",   "referer",
		"ref",          "referrer",     "documentreferer",
		"location",     "href"};

	return IS_ONE(name, names);
}

static void judge_host(struct inspect *in, const struct inspect_node *n, const struct url *u)
{
	size_t at = (size_t)(u->host.p - n->p);
	struct host h;

	host_read(u->host.p, u->host.len, &h);
	if (h.network == HOST_METADATA)
		inspect_evidence(in, n, RULE_SSRF_METADATA, at, u->host.len);
	if (h.network == HOST_SELF)
		inspect_evidence(in, n, is_callback(n->name) ? RULE_SSRF_CALLBACK : RULE_SSRF_SELF,
				 at, u->host.len);
	if (h.network == HOST_PRIVATE)
		inspect_evidence(in, n, RULE_SSRF_PRIVATE, at, u->host.len);
	if (h.address && h.odd)
		inspect_evidence(in, n, RULE_SSRF_NOTATION, at, u->host.len);
	if (h.rebound)
		inspect_evidence(in, n, RULE_SSRF_REBOUND, at, u->host.len);
	if (h.network != HOST_PUBLIC && u->user.len > 0 &&
	    memchr(u->user.p, '.', u->user.len) != NULL)
		inspect_evidence(in, n, RULE_SSRF_USER, at, u->host.len);
	if (is_service(u->port))
		inspect_evidence(in, n, RULE_SSRF_PORT, at, u->host.len);
}

static void judge_scheme(struct inspect *in, const struct inspect_node *n, const struct url *u)
{
	static const char *const others[] = {"gopher", "dict", "gophers", "netdoc",
					     "jar",    "rmi",  "iiop",    "corba"};
	static const char *const known[] = {"ldap",  "ldaps", "ldapi", "tftp", "sftp",   "imap",
					    "imaps", "pop3",  "smtp",  "smb",  "telnet", "rtsp"};

	if (IS_ONE(u->scheme, others))
		inspect_evidence(in, n, RULE_SSRF_SCHEME, 0, n->len);
	else if (IS_ONE(u->scheme, known))
		inspect_evidence(in, n, RULE_SSRF_OTHER, 0, n->len);
}

// A line that ends within: the rest is said to a service in its own protocol.
static bool has_lines(struct http_bytes b)
{
	const uint8_t *q = memchr(b.p, '\n', b.len);

	return q != NULL && q + 3 < b.p + b.len && is_letter(q[1]);
}

static bool is_metadata_path(struct http_bytes b)
{
	static const char *const paths[] = {
		"/latest/meta-data",  "/latest/user-data",  "/latest/dynamic",  "/computeMetadata/",
		"/metadata/instance", "/metadata/identity", "/latest/api/token"};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (b.len >= strlen(paths[i]) && memcmp(b.p, paths[i], strlen(paths[i])) == 0)
			return true;
	return false;
}

// An address of the metadata service without a scheme, its path behind it.
static void judge_bare(struct inspect *in, const struct inspect_node *n, struct http_bytes b)
{
	const uint8_t *slash;
	struct host h;

	while (b.len > 0 && *b.p == '/') {
		b.p++;
		b.len--;
	}
	slash = memchr(b.p, '/', b.len < 64 ? b.len : 64);

	if (slash == NULL || slash == b.p)
		return;
	host_read(b.p, (size_t)(slash - b.p), &h);
	if (h.network == HOST_METADATA &&
	    is_metadata_path((struct http_bytes){slash, (uint32_t)(b.p + b.len - slash)}))
		inspect_evidence(in, n, RULE_SSRF_METADATA, (size_t)(b.p - n->p), b.len);
}

// unix:/path|http://host: what Apache's proxy makes of it (CVE-2021-40438)
static bool is_unix(struct http_bytes b)
{
	const uint8_t *bar = memchr(b.p, '|', b.len);

	return b.len > 12 && memcmp(b.p, "unix:", 5) == 0 && bar != NULL &&
	       memmem(bar, (size_t)(b.p + b.len - bar), "://", 3) != NULL;
}

#define PLACE(p) (UINT64_C(1) << PLACE_##p)
#define ANY      (BYTES(COLON) | BYTES(SLASH))

static void run(struct inspect *in, const struct inspect_node *n)
{
	struct http_bytes b = {n->p, n->len};
	struct url u;

	if ((inspect_ssrf.places >> n->place & 1) == 0 || n->len < inspect_ssrf.least ||
	    (n->set & ANY) == 0)
		return;
	// what an address holds is for the host that it names
	if (n->decoder == DECODE_URL)
		return;
	while (b.len > 0 && (*b.p <= ' ' || *b.p == '"' || *b.p == '\'')) {
		b.p++;
		b.len--;
	}
	if (is_unix(b))
		inspect_evidence(in, n, RULE_SSRF_UNIX, 0, n->len);
	if (b.len > URL_MAX)
		b.len = URL_MAX;
	if (!read_url(b, &u)) {
		judge_bare(in, n, b);
		return;
	}
	judge_scheme(in, n, &u);
	if (!is(u.scheme, "file"))
		judge_host(in, n, &u);
	if (!is_web(&u) && has_lines(b))
		inspect_evidence(in, n, RULE_SSRF_LINES, 0, n->len);
}

const struct inspect_analyser inspect_ssrf = {
	.name = "ssrf",
	.any = ANY,
	.least = 8,
	.places = PLACE(QUERY) | PLACE(QUERY_RAW) | PLACE(QUERY_NAME) | PLACE(PATH) | PLACE(FORM) |
		  PLACE(FORM_NAME) | PLACE(JSON) | PLACE(XML_TEXT) | PLACE(XML_ATTRIBUTE) |
		  PLACE(COOKIE) | PLACE(GRAPHQL) | PLACE(BODY) | PLACE(HEADER) | PLACE(USER_AGENT) |
		  PLACE(REFERER_QUERY),
	.run = run,
};
