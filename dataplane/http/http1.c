// SPDX-License-Identifier: BSD-3-Clause
//
// States, in the order of a message. The head is gathered line by line in the caller's buffer and read
// when its empty line has come; chunk sizes are read byte by byte; a trailer is gathered as the head is.

#include "dataplane/http/http1.h"

#include <string.h>
#include <strings.h>

enum state {
	HEAD,
	HEAD_READY, // read, to be given
	LENGTH,
	CHUNK_SIZE, // first digit of a size
	CHUNK_SIZE_MORE,
	CHUNK_EXT, // after the size, up to the end of the line
	CHUNK_DATA,
	CHUNK_CR,
	CHUNK_LF,
	TRAILER,
	END,
	BAD,
};

#define CHUNK_DIGITS_MAX 16

// Bytes of a token: RFC 9110, section 5.6.2.
static const bool token[256] = {
	['!'] = true,         ['#'] = true,         ['$'] = true, ['%'] = true,
	['&'] = true,         ['\''] = true,        ['*'] = true, ['+'] = true,
	['-'] = true,         ['.'] = true,         ['^'] = true, ['_'] = true,
	['`'] = true,         ['|'] = true,         ['~'] = true, ['0' ... '9'] = true,
	['A' ... 'Z'] = true, ['a' ... 'z'] = true,
};

static bool is_token(struct http_bytes b)
{
	bool all = true;

	for (uint32_t i = 0; i < b.len; i++)
		all &= token[b.p[i]];
	return all && b.len > 0;
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static struct http_bytes trim(struct http_bytes b)
{
	while (b.len > 0 && (is_blank(b.p[0]) || b.p[0] == '\r' || b.p[0] == '\n'))
		b = (struct http_bytes){b.p + 1, b.len - 1};
	while (b.len > 0 &&
	       (is_blank(b.p[b.len - 1]) || b.p[b.len - 1] == '\r' || b.p[b.len - 1] == '\n'))
		b.len--;
	return b;
}

void http1_init(struct http1 *h, uint8_t *buf, uint32_t size)
{
	h->head.fields = 0;
	h->head.odd = 0;
	h->head.length = 0;
	h->head.framing = HTTP_FRAMING_NONE;
	h->head.method = h->head.target = h->head.version = (struct http_bytes){buf, 0};
	h->buf = buf;
	h->size = size;
	h->used = h->line = 0;
	h->left = 0;
	h->state = HEAD;
}

// ---- request line and fields ---------------------------------------------------------------------

// A line without its end; *next is the one after it. NULL: no more.
static const uint8_t *line_end(struct http_head *h, const uint8_t *at, const uint8_t *end,
			       const uint8_t **next)
{
	const uint8_t *lf = memchr(at, '\n', (size_t)(end - at));

	if (lf == NULL)
		return *next = end;
	*next = lf + 1;
	if (lf > at && lf[-1] == '\r')
		return lf - 1;
	http_set_odd(h, HTTP_ODD_BARE_LF);
	return lf;
}

static void check_target(struct http_head *h)
{
	const uint8_t *p = h->target.p;
	bool odd = h->target.len == 0;

	for (uint32_t i = 0; i < h->target.len; i++)
		odd |= (uint8_t)(p[i] - '!') > '~' - '!';
	if (odd)
		http_set_odd(h, HTTP_ODD_TARGET);
}

// method SP target SP version. What stands between the first blank and the last word that looks like a
// version is the target, blanks and all, as lenient servers read it.
static void read_request_line(struct http_head *h, const uint8_t *at, const uint8_t *end)
{
	const uint8_t *p = at, *v = end;

	while (p < end && !is_blank(*p))
		p++;
	h->method = (struct http_bytes){at, (uint32_t)(p - at)};
	if (!is_token(h->method))
		http_set_odd(h, HTTP_ODD_METHOD);
	while (v > p && is_blank(v[-1]))
		v--;
	if (v != end)
		http_set_odd(h, HTTP_ODD_SPACE);
	end = v;
	while (v > p && !is_blank(v[-1]))
		v--;
	h->version = (struct http_bytes){v, (uint32_t)(end - v)};
	if (h->version.len < 5 || strncasecmp((const char *)v, "HTTP/", 5) != 0) {
		h->version.len = 0; // HTTP/0.9, or a blank in the target
		v = end;
	}
	// HTTP-name is case-sensitive (RFC 9112, section 2.3).
	if (h->version.len != 8 || memcmp(v, "HTTP/1.", 7) != 0 || (v[7] != '1' && v[7] != '0'))
		http_set_odd(h, HTTP_ODD_VERSION);
	if (p < v && (*p != ' ' || (h->version.len > 0 && v[-1] != ' ')))
		http_set_odd(h, HTTP_ODD_SPACE);
	if (p < v)
		p++;
	if (h->version.len > 0 && v > p)
		v--;
	h->target = (struct http_bytes){p, (uint32_t)(v - p)};
	if (h->target.len > 0 && (is_blank(p[0]) || is_blank(v[-1])))
		http_set_odd(h, HTTP_ODD_SPACE);
	h->target = trim(h->target);
	check_target(h);
}

static void add_field(struct http_head *h, struct http_bytes name, struct http_bytes value)
{
	if (h->fields == HTTP_FIELDS_MAX) {
		http_set_odd(h, HTTP_ODD_TOO_MANY);
		return;
	}
	h->field[h->fields++] = (struct http_field){name, value};
}

// Has one of eight bytes a control in it? It may say so of a byte beside one; a tab is one.
static bool has_control(const uint8_t *p)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
	uint64_t w, del;

	memcpy(&w, p, 8);
	del = w ^ ones * 0x7f;
	return ((((w - ones * ' ') & ~w) | ((del - ones) & ~del)) & tops) != 0;
}

static void check_bytes(struct http_head *h, const uint8_t *p, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++) {
		if (p[i] == '\r')
			http_set_odd(h, HTTP_ODD_BARE_CR);
		else if (p[i] == 0)
			http_set_odd(h, HTTP_ODD_NUL);
		else if ((p[i] < ' ' && p[i] != '\t') || p[i] == 0x7f)
			http_set_odd(h, HTTP_ODD_FIELD_VALUE);
	}
}

static void check_value(struct http_head *h, const uint8_t *p, uint32_t len)
{
	const uint8_t *end = p + len;

	if (len < 8) {
		check_bytes(h, p, len);
		return;
	}
	for (; end - p >= 8; p += 8)
		if (has_control(p))
			check_bytes(h, p, 8);
	if (has_control(end - 8))
		check_bytes(h, end - 8, 8);
}

// first: index of the first field of this section, head or trailer.
static void read_field(struct http_head *h, uint32_t first, const uint8_t *at, const uint8_t *end)
{
	const uint8_t *colon = memchr(at, ':', (size_t)(end - at));
	struct http_bytes name, value;

	check_value(h, at, (uint32_t)(end - at));
	if (is_blank(*at)) {
		// The field before goes on: RFC 9112, section 5.2.
		if (h->fields == first) {
			http_set_odd(h, HTTP_ODD_LEADING);
		} else {
			struct http_field *last = &h->field[h->fields - 1];

			http_set_odd(h, HTTP_ODD_OBS_FOLD);
			if (http_is_odd(h, HTTP_ODD_TOO_MANY))
				return; // of one that is not in the list
			last->value.len = (uint32_t)(end - last->value.p);
			last->value = trim(last->value);
			return;
		}
	}
	if (colon == NULL) {
		http_set_odd(h, HTTP_ODD_NO_COLON);
		colon = end;
	}
	name = (struct http_bytes){at, (uint32_t)(colon - at)};
	value = (struct http_bytes){colon < end ? colon + 1 : end,
				    colon < end ? (uint32_t)(end - colon - 1) : 0};
	if (!is_token(name))
		http_set_odd(h, HTTP_ODD_FIELD_NAME);
	add_field(h, trim(name), trim(value));
}

static void read_fields(struct http_head *h, const uint8_t *at, const uint8_t *end)
{
	const uint8_t *next, *e;
	uint32_t first = h->fields;

	for (; at < end; at = next) {
		e = line_end(h, at, end, &next);
		if (e > at)
			read_field(h, first, at, e);
	}
}

// ---- framing: RFC 9112, section 6.3 --------------------------------------------------------------

// One element of a list; the rest is left in *list. Returns false where no comma follows it.
static bool list_item(struct http_bytes *list, struct http_bytes *item)
{
	const uint8_t *comma = memchr(list->p, ',', list->len);
	uint32_t len = comma != NULL ? (uint32_t)(comma - list->p) : list->len;

	*item = trim((struct http_bytes){list->p, len});
	list->p += len + (comma != NULL);
	list->len -= len + (comma != NULL);
	return comma != NULL;
}

static bool read_number(struct http_bytes b, uint64_t *out)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < b.len; i++) {
		if (b.p[i] < '0' || b.p[i] > '9' || n > (UINT64_MAX >> 5))
			return false;
		n = n * 10 + (b.p[i] - '0');
	}
	*out = n;
	return b.len > 0;
}

static void take_length(struct http_head *h, struct http_bytes value, bool *seen)
{
	struct http_bytes item;
	bool more;
	uint64_t n;

	do {
		more = list_item(&value, &item);
		if (!read_number(item, &n)) {
			http_set_odd(h, HTTP_ODD_CL_INVALID);
			continue;
		}
		if (*seen)
			http_set_odd(h, n == h->length ? HTTP_ODD_CL_REPEATED : HTTP_ODD_CL_DIFFER);
		if (!*seen || n > h->length)
			h->length = n; // the longest: nothing is left unread
		*seen = true;
	} while (more);
}

static void take_coding(struct http_head *h, struct http_bytes value, unsigned *chunked, bool *last)
{
	struct http_bytes item;
	bool more;

	do {
		more = list_item(&value, &item);
		*last = http_bytes_are(item, "chunked");
		*chunked += *last;
		if (!*last && !http_bytes_are(item, "gzip") && !http_bytes_are(item, "deflate") &&
		    !http_bytes_are(item, "compress") && !http_bytes_are(item, "x-gzip"))
			http_set_odd(h, HTTP_ODD_TE_UNKNOWN);
	} while (more);
}

static void frame(struct http_head *h)
{
	unsigned chunked = 0, hosts = 0;
	bool length = false, coded = false, last = false;

	for (uint32_t i = 0; i < h->fields; i++) {
		const struct http_field *f = &h->field[i];

		if (http_bytes_are(f->name, "content-length")) {
			take_length(h, f->value, &length);
		} else if (http_bytes_are(f->name, "transfer-encoding")) {
			coded = true;
			take_coding(h, f->value, &chunked, &last);
		} else if (http_bytes_are(f->name, "host")) {
			hosts++;
		}
	}
	if (hosts > 1 || (hosts == 0 && http_bytes_are(h->version, "HTTP/1.1")))
		http_set_odd(h, HTTP_ODD_NO_HOST);
	if (coded && (length || http_is_odd(h, HTTP_ODD_CL_INVALID)))
		http_set_odd(h, HTTP_ODD_CL_AND_TE);
	if (coded && !http_bytes_are(h->version, "HTTP/1.1"))
		http_set_odd(h, HTTP_ODD_TE_HTTP10);
	if (chunked > 1 || (coded && !last))
		http_set_odd(h, HTTP_ODD_TE_NOT_LAST);
	if (chunked > 0)
		h->framing = HTTP_FRAMING_CHUNKED;
	else if (length)
		h->framing = HTTP_FRAMING_LENGTH;
}

static void read_head(struct http1 *h)
{
	const uint8_t *at = h->buf, *end = h->buf + h->used, *next, *e;

	while (at < end && (*at == '\r' || *at == '\n')) {
		http_set_odd(&h->head, HTTP_ODD_LEADING);
		at++;
	}
	e = line_end(&h->head, at, end, &next);
	check_value(&h->head, at, (uint32_t)(e - at));
	read_request_line(&h->head, at, e);
	read_fields(&h->head, next, end);
	frame(&h->head);
	h->left = h->head.framing == HTTP_FRAMING_LENGTH ? h->head.length : 0;
	h->state = HEAD_READY;
}

#define GATHER 2048 // bytes that are copied at once: most heads as a whole, little of a body

// The end of the line that begins h->line bytes before *p, in what was copied up to end. Returns: whether
// there is one; *p is after it
static bool next_line(struct http1 *h, const uint8_t **p, const uint8_t *end)
{
	const uint8_t *lf = memchr(*p, '\n', (size_t)(end - *p));
	const uint8_t *after = lf != NULL ? lf + 1 : end;

	h->line += (uint32_t)(after - *p);
	*p = after;
	return lf != NULL;
}

// Bytes of head or trailer, up to its empty line. Returns: true: it is whole, or the buffer is full
static bool gather(struct http1 *h, const uint8_t **at, const uint8_t *end)
{
	while (*at < end) {
		size_t n = (size_t)(end - *at), room = h->size - h->used;
		const uint8_t *from = h->buf + h->used, *p = from;
		bool leading = false;

		if (room == 0) {
			http_set_odd(&h->head, HTTP_ODD_TOO_LONG);
			return true;
		}
		n = n < room ? n : room;
		n = n < GATHER ? n : GATHER;
		memcpy(h->buf + h->used, *at, n);
		while (next_line(h, &p, from + n)) {
			bool empty = h->line == 1 || (h->line == 2 && p[-2] == '\r');

			// It ends there, but for empty lines before the request.
			if (empty && (h->state == TRAILER || (size_t)(p - h->buf) > h->line)) {
				h->used = (uint32_t)(p - h->buf);
				*at += p - from;
				return true;
			}
			h->line = 0;
			leading = empty;
			if (leading)
				break;
		}
		*at += p - from;
		h->used = leading ? 0 : h->used + (uint32_t)(p - from);
		if (leading)
			http_set_odd(&h->head, HTTP_ODD_LEADING);
	}
	return false;
}

// ---- body ----------------------------------------------------------------------------------------

static enum http1_event bad(struct http1 *h)
{
	h->state = BAD;
	return HTTP1_BAD;
}

// As much of `left` as there is.
static struct http_bytes take(struct http1 *h, const uint8_t **at, const uint8_t *end)
{
	uint64_t n = (uint64_t)(end - *at);
	struct http_bytes b = {*at, 0};

	if (n > h->left)
		n = h->left;
	if (n > UINT32_MAX)
		n = UINT32_MAX;
	b.len = (uint32_t)n;
	*at += n;
	h->left -= n;
	return b;
}

static int hex(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void chunk_size(struct http1 *h, uint8_t c)
{
	int digit = hex(c);

	if (digit >= 0 && h->line < CHUNK_DIGITS_MAX && h->left < UINT64_MAX >> 8) {
		h->left = h->left << 4 | (unsigned)digit;
		h->line++;
		h->state = CHUNK_SIZE_MORE;
	} else if (h->state == CHUNK_SIZE) {
		// Nothing that is a size: blanks and signs are passed over, as some servers do.
		http_set_odd(&h->head, HTTP_ODD_CHUNK_SIZE);
		if (!is_blank(c) && c != '+' && c != '-')
			h->state = BAD;
	} else {
		if (c != '\r' && c != '\n' && c != ';' && !is_blank(c))
			http_set_odd(&h->head, HTTP_ODD_CHUNK_SIZE);
		h->state = CHUNK_EXT;
		h->line = 0;
	}
}

// line: the byte before was a CR. Servers that take one for the end of the line are led astray by it.
static void chunk_ext(struct http1 *h, uint8_t c)
{
	if (c == '\n') {
		if (h->line == 0)
			http_set_odd(&h->head, HTTP_ODD_BARE_LF);
		h->state = h->left > 0 ? CHUNK_DATA : TRAILER;
		h->line = 0;
		h->from = h->used;
		return;
	}
	if (h->line != 0)
		http_set_odd(&h->head, HTTP_ODD_BARE_CR);
	h->line = c == '\r';
	if (c != '\r')
		http_set_odd(&h->head, HTTP_ODD_CHUNK_EXT);
}

static void chunk_end(struct http1 *h, const uint8_t **at)
{
	if (h->state == CHUNK_CR && **at == '\r') {
		h->state = CHUNK_LF;
		++*at;
		return;
	}
	if (**at == '\n') {
		if (h->state == CHUNK_CR)
			http_set_odd(&h->head, HTTP_ODD_BARE_LF);
		++*at;
	} else {
		http_set_odd(&h->head, HTTP_ODD_CHUNK_END);
	}
	h->state = CHUNK_SIZE;
	h->left = 0;
	h->line = 0;
}

static bool frames_or_routes(struct http_bytes name)
{
	static const char *const never[] = {
		"content-length", "transfer-encoding", "host",    "content-encoding",
		"content-type",   "authorization",     "trailer", "te",
		"cookie"};

	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		if (http_bytes_are(name, never[i]))
			return true;
	return false;
}

static void read_trailer(struct http1 *h)
{
	uint32_t first = h->head.fields;

	read_fields(&h->head, h->buf + h->from, h->buf + h->used);
	for (uint32_t i = first; i < h->head.fields; i++)
		if (frames_or_routes(h->head.field[i].name))
			http_set_odd(&h->head, HTTP_ODD_TRAILER);
}

// No HTTP of any version: a first line without a version, and without a target or a method.
static bool is_no_request(const struct http_head *h)
{
	return h->version.len == 0 && (h->target.len == 0 || http_is_odd(h, HTTP_ODD_METHOD));
}

static uint8_t after_head(const struct http1 *h)
{
	if (is_no_request(&h->head))
		return BAD;
	// What is not in the list may frame it otherwise.
	if (http_is_odd(&h->head, HTTP_ODD_TOO_LONG) || http_is_odd(&h->head, HTTP_ODD_TOO_MANY))
		return BAD;
	switch (h->head.framing) {
	case HTTP_FRAMING_CHUNKED:
		return CHUNK_SIZE;
	case HTTP_FRAMING_LENGTH:
		return h->left > 0 ? LENGTH : END;
	default:
		return END;
	}
}

enum http1_event http1_next(struct http1 *h, const uint8_t **at, const uint8_t *end,
			    struct http_bytes *body)
{
	for (;;) {
		switch (h->state) {
		case HEAD:
			if (!gather(h, at, end))
				return HTTP1_MORE;
			read_head(h);
			break;
		case HEAD_READY:
			h->line = 0;
			h->state = after_head(h);
			return HTTP1_HEAD;
		case END:
			return HTTP1_END;
		case BAD:
			return HTTP1_BAD;
		default:
			if (*at == end)
				return HTTP1_MORE;
			break;
		}
		switch (h->state) {
		case LENGTH:
			*body = take(h, at, end);
			if (h->left == 0)
				h->state = END;
			return HTTP1_BODY;
		case CHUNK_DATA:
			*body = take(h, at, end);
			if (h->left == 0)
				h->state = CHUNK_CR;
			return HTTP1_BODY;
		case CHUNK_SIZE:
		case CHUNK_SIZE_MORE:
			chunk_size(h, **at);
			*at += h->state != CHUNK_EXT;
			break;
		case CHUNK_EXT:
			chunk_ext(h, *(*at)++);
			break;
		case CHUNK_CR:
		case CHUNK_LF:
			chunk_end(h, at);
			break;
		case TRAILER:
			if (!gather(h, at, end))
				return HTTP1_MORE;
			read_trailer(h);
			h->state = http_is_odd(&h->head, HTTP_ODD_TOO_LONG) ? BAD : END;
			break;
		default:
			break;
		}
	}
}

enum http1_event http1_close(struct http1 *h)
{
	switch (h->state) {
	case HEAD:
		if (h->used == 0)
			return bad(h);
		http_set_odd(&h->head, HTTP_ODD_BODY_SHORT);
		read_head(h);
		// fall through
	case HEAD_READY:
		h->state = after_head(h);
		return HTTP1_HEAD;
	case LENGTH:
	case CHUNK_DATA:
	case CHUNK_SIZE:
	case CHUNK_SIZE_MORE:
	case CHUNK_EXT:
	case CHUNK_CR:
	case CHUNK_LF:
		http_set_odd(&h->head, HTTP_ODD_BODY_SHORT);
		h->state = END;
		return HTTP1_END;
	case TRAILER:
		http_set_odd(&h->head, HTTP_ODD_BODY_SHORT);
		read_trailer(h);
		h->state = END;
		return HTTP1_END;
	case END:
		return HTTP1_END;
	default:
		return HTTP1_BAD;
	}
}
