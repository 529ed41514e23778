// SPDX-License-Identifier: BSD-3-Clause
//
// id - record ids: SipHash-2-4 (Aumasson, Bernstein 2012) of type and names under a fixed key.
//
// The key is no secret: ids need only be spread and stable for ever, since apps keep them on disk. Two
// entries that meet on one id are refused (index.c). Each name goes in with its end (a zero byte, which
// no name contains), so ("ab", "c") and ("a", "bc") differ.

#include "control/net/net_priv.h"

#include <string.h>

uint64_t net_id_mask = UINT64_MAX;

struct sip {
	uint64_t v[4];
	uint64_t word;
	uint8_t fill; // bytes in word
	uint8_t total;
};

static inline uint64_t rotl(uint64_t x, int b)
{
	return x << b | x >> (64 - b);
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[0] = rotl(v[0], 32);
	v[2] += v[3];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[2] = rotl(v[2], 32);
}

static void sip_word(struct sip *s, uint64_t m)
{
	s->v[3] ^= m;
	sip_round(s->v);
	sip_round(s->v);
	s->v[0] ^= m;
}

static void sip_byte(struct sip *s, uint8_t b)
{
	s->word |= (uint64_t)b << (8 * s->fill);
	s->total++;
	if (++s->fill < 8)
		return;
	sip_word(s, s->word);
	s->word = 0;
	s->fill = 0;
}

static uint64_t sip_end(struct sip *s)
{
	sip_word(s, s->word | (uint64_t)s->total << 56);
	s->v[2] ^= 0xff;
	for (int i = 0; i < 4; i++)
		sip_round(s->v);
	return s->v[0] ^ s->v[1] ^ s->v[2] ^ s->v[3];
}

uint64_t net_id(uint16_t type, const char *a, const char *b, const char *c)
{
	static const uint64_t k0 = UINT64_C(0x0706050403020100), k1 = UINT64_C(0x0f0e0d0c0b0a0908);
	const char *name[] = {a, b, c};
	struct sip s = {.v = {k0 ^ UINT64_C(0x736f6d6570736575), k1 ^ UINT64_C(0x646f72616e646f6d),
			      k0 ^ UINT64_C(0x6c7967656e657261),
			      k1 ^ UINT64_C(0x7465646279746573)}};
	uint64_t id;

	sip_byte(&s, (uint8_t)type);
	sip_byte(&s, (uint8_t)(type >> 8));
	for (unsigned i = 0; i < 3 && name[i]; i++) {
		for (const char *p = name[i]; *p; p++)
			sip_byte(&s, (uint8_t)*p);
		sip_byte(&s, 0);
	}
	id = sip_end(&s) & net_id_mask;
	return id ? id : 1;
}
