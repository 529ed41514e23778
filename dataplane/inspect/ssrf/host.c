// SPDX-License-Identifier: BSD-3-Clause

#include "dataplane/inspect/ssrf/host.h"

#include "dataplane/inspect/decode/decode.h"

#include <string.h>

#define HOST_LEN_MAX 255 // RFC 1035

// ---- networks ------------------------------------------------------------------------------------

static enum host_network network_of(uint32_t a)
{
	if (a == 0xa9fea9fe || a == 0x646464c8 || a == 0xc00000c0 || a == 0xa9feaa02)
		return HOST_METADATA; // 169.254.169.254, 100.100.100.200, 192.0.0.192, 169.254.170.2
	if (a >> 24 == 127 || a == 0)
		return HOST_SELF;
	if (a >> 24 == 10 || a >> 20 == 0xac1 || a >> 16 == 0xc0a8 || a >> 16 == 0xa9fe)
		return HOST_PRIVATE;
	return HOST_PUBLIC;
}

// ---- IPv4 ----------------------------------------------------------------------------------------

// One part: decimal, 0 and octal, 0x and hexadecimal. Returns its length; 0: it is none
static size_t part(const char *p, size_t len, uint64_t *value, bool *odd)
{
	unsigned base = 10;
	size_t i = 0;

	*value = 0;
	if (len > 1 && p[0] == '0' && (p[1] | 0x20) == 'x') {
		base = 16;
		i = 2;
	} else if (len > 1 && p[0] == '0' && p[1] >= '0' && p[1] <= '9') {
		base = 8;
		i = 1;
	}
	*odd |= base != 10;
	for (size_t from = i; i < len && p[i] != '.'; i++) {
		int digit = decode_digit[(uint8_t)p[i]];

		if (digit < 0 || (unsigned)digit >= base || i - from > 14)
			return 0;
		*value = *value * base + (unsigned)digit;
	}
	return i;
}

static bool ipv4(const char *p, size_t len, uint32_t *address, bool *odd)
{
	uint64_t value[4] = {0}, all = 0;
	unsigned parts = 0;
	size_t n;

	if (len > 0 && p[len - 1] == '.')
		len--;
	while (len > 0 && parts < 4) {
		n = part(p, len, &value[parts], odd);
		if (n == 0)
			return false;
		parts++;
		p += n;
		len -= n;
		if (len == 0)
			break;
		p++;
		len--;
		if (len == 0 || parts == 4)
			return false;
	}
	if (parts == 0)
		return false;
	for (unsigned i = 0; i + 1 < parts; i++) {
		if (value[i] > 255)
			return false;
		all |= value[i] << (24 - 8 * i);
	}
	if (value[parts - 1] >> (8 * (5 - parts)) != 0)
		return false;
	*address = (uint32_t)(all | value[parts - 1]);
	*odd |= parts != 4;
	return true;
}

// ---- IPv6 ----------------------------------------------------------------------------------------

// The groups of an address without brackets. IPv4 may be its end.
static bool ipv6(const char *p, size_t len, uint16_t group[8])
{
	int gap = -1, count = 0;
	bool odd = false;
	size_t i = 0;

	memset(group, 0, 8 * sizeof(group[0]));
	if (len >= 2 && p[0] == ':' && p[1] == ':') {
		gap = 0;
		i = 2;
	}
	while (i < len && p[i] != '%') {
		unsigned value = 0, digits = 0;
		uint32_t v4;

		if (count == 8)
			return false;
		if (memchr(p + i, '.', len - i) != NULL && memchr(p + i, ':', len - i) == NULL) {
			if (count > 6 || !ipv4(p + i, len - i, &v4, &odd))
				return false;
			group[count++] = (uint16_t)(v4 >> 16);
			group[count++] = (uint16_t)v4;
			break;
		}
		for (; i < len && decode_digit[(uint8_t)p[i]] >= 0 && digits < 5; i++, digits++)
			value = value << 4 | (unsigned)decode_digit[(uint8_t)p[i]];
		if (digits == 0 || digits > 4)
			return false;
		group[count++] = (uint16_t)value;
		if (i == len || p[i] == '%')
			break;
		if (p[i++] != ':')
			return false;
		if (i < len && p[i] == ':') {
			if (gap >= 0)
				return false;
			gap = count;
			i++;
		}
	}
	if (gap < 0)
		return count == 8;
	if (count == 8)
		return false;
	memmove(group + 8 - (count - gap), group + gap, (size_t)(count - gap) * sizeof(group[0]));
	memset(group + gap, 0, (size_t)(8 - count) * sizeof(group[0]));
	return true;
}

static void judge_ipv6(const uint16_t g[8], struct host *h)
{
	uint32_t low = (uint32_t)g[6] << 16 | g[7];
	bool zero = (g[0] | g[1] | g[2] | g[3] | g[4]) == 0;

	h->address = true;
	if (zero && g[5] == 0 && low <= 1) {
		h->network = HOST_SELF;
	} else if (zero && (g[5] == 0xffff || g[5] == 0)) {
		h->network = network_of(low);
		h->odd = true;
	} else if (g[0] == 0xfd00 && g[1] == 0xec2) {
		h->network = HOST_METADATA;
	} else if ((g[0] & 0xfe00) == 0xfc00 || (g[0] & 0xffc0) == 0xfe80) {
		h->network = HOST_PRIVATE;
	} else if (g[0] == 0x64 && g[1] == 0xff9b) { // NAT64
		h->network = network_of(low);
		h->odd = true;
	}
}

// ---- names ---------------------------------------------------------------------------------------

static bool is_or_below(const char *p, size_t len, const char *name)
{
	size_t n = strlen(name);

	return len >= n && memcmp(p + len - n, name, n) == 0 && (len == n || p[len - n - 1] == '.');
}

static void judge_name(const char *p, size_t len, struct host *h)
{
	static const char *const self[] = {"localhost", "localhost.localdomain", "localhost6",
					   "ip6-localhost", "loopback"};
	static const char *const metadata[] = {"metadata.google.internal", "metadata.goog",
					       "instance-data", "instance-data.ec2.internal",
					       "metadata.tencentyun.com"};
	static const char *const rebound[] = {
		"nip.io",        "sslip.io",          "xip.io", "localtest.me", "lvh.me", "vcap.me",
		"lacolhost.com", "fbi.com.localhost", "1u.ms",  "rbndr.us"};

	for (size_t i = 0; i < sizeof(self) / sizeof(self[0]); i++)
		if (is_or_below(p, len, self[i]))
			h->network = HOST_SELF;
	for (size_t i = 0; i < sizeof(metadata) / sizeof(metadata[0]); i++)
		if (is_or_below(p, len, metadata[i]))
			h->network = HOST_METADATA;
	for (size_t i = 0; i < sizeof(rebound) / sizeof(rebound[0]); i++)
		h->rebound |= is_or_below(p, len, rebound[i]);
}

// ASCII of what compatibility mapping makes of digits and dots (UTS 46): in circles, of full width.
static size_t mapped(const uint8_t *p, size_t len, char *c)
{
	if (len > 2 && p[0] == 0xe2 && (p[1] == 0x91 || p[1] == 0x92 || p[1] == 0x93)) {
		unsigned point = 0x2000U | (p[1] & 0x3fU) << 6 | (p[2] & 0x3fU);

		if (point >= 0x2460 && point <= 0x2468)
			*c = (char)('1' + (point - 0x2460));
		else if (point == 0x24ea)
			*c = '0';
		else if (point >= 0x24d0 && point <= 0x24e9)
			*c = (char)('a' + (point - 0x24d0));
		else
			return 0;
		return 3;
	}
	if (len > 2 && p[0] == 0xef && p[1] == 0xbc && p[2] >= 0x81) { // U+FF01 to U+FF3F
		*c = (char)(p[2] - 0x81 + '!');
		return 3;
	}
	if (len > 2 && p[0] == 0xe3 && p[1] == 0x80 && p[2] == 0x82) { // an ideographic full stop
		*c = '.';
		return 3;
	}
	return 0;
}

void host_read(const uint8_t *p, size_t len, struct host *h)
{
	char text[HOST_LEN_MAX];
	uint16_t group[8];
	uint32_t address;
	size_t n = 0;
	bool odd = false, wide = false;

	memset(h, 0, sizeof(*h));
	for (size_t i = 0, m; i < len; i += m) {
		if (n == HOST_LEN_MAX)
			return;
		m = mapped(p + i, len - i, &text[n]);
		wide |= m > 0;
		if (m == 0) {
			text[n] = (char)(p[i] >= 'A' && p[i] <= 'Z' ? p[i] | 0x20 : p[i]);
			m = 1;
		}
		n++;
	}
	if (n == 0)
		return;
	if (n > 2 && text[0] == '[' && text[n - 1] == ']') {
		if (ipv6(text + 1, n - 2, group))
			judge_ipv6(group, h);
	} else if (ipv4(text, n, &address, &odd)) {
		h->address = true;
		h->network = network_of(address);
		h->odd = odd;
	} else {
		judge_name(text, text[n - 1] == '.' ? n - 1 : n, h);
	}
	h->odd |= wide;
}
