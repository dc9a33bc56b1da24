/*
 * SipHash-2-4-128 as its paper and reference vectors define it; the key is the reference's 00 01 … 0f.
 */
#include "run/siphash.h"

#include <endian.h>
#include <string.h>

struct state {
	uint64_t v0, v1, v2, v3;
};

static uint64_t rotate(uint64_t x, unsigned by)
{
	return x << by | x >> (64 - by);
}

static void rounds(struct state *s, int count)
{
	for (int i = 0; i < count; i++) {
		s->v0 += s->v1;
		s->v1 = rotate(s->v1, 13) ^ s->v0;
		s->v0 = rotate(s->v0, 32);
		s->v2 += s->v3;
		s->v3 = rotate(s->v3, 16) ^ s->v2;
		s->v0 += s->v3;
		s->v3 = rotate(s->v3, 21) ^ s->v0;
		s->v2 += s->v1;
		s->v1 = rotate(s->v1, 17) ^ s->v2;
		s->v2 = rotate(s->v2, 32);
	}
}

static void absorb(struct state *s, uint64_t word)
{
	s->v3 ^= word;
	rounds(s, 2);
	s->v0 ^= word;
}

static uint64_t finish(struct state *s)
{
	rounds(s, 4);
	return htole64(s->v0 ^ s->v1 ^ s->v2 ^ s->v3);
}

struct siphash siphash_of(const void *data, size_t size)
{
	const uint64_t k0 = 0x0706050403020100, k1 = 0x0f0e0d0c0b0a0908;
	/* "somepseudorandomlygeneratedbytes"; 0xee in v1 is the 128-bit form. */
	struct state s = {k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d ^ 0xee, k0 ^ 0x6c7967656e657261,
			  k1 ^ 0x7465646279746573};
	const uint8_t *bytes = data;
	size_t whole = size - size % 8;
	for (size_t i = 0; i < whole; i += 8) {
		uint64_t word;
		memcpy(&word, bytes + i, 8);
		absorb(&s, le64toh(word));
	}
	uint64_t last = (uint64_t)size << 56;
	for (size_t i = whole; i < size; i++)
		last |= (uint64_t)bytes[i] << 8 * (i - whole);
	absorb(&s, last);

	struct siphash hash;
	s.v2 ^= 0xee;
	uint64_t low = finish(&s);
	s.v1 ^= 0xdd;
	uint64_t high = finish(&s);
	memcpy(hash.bytes, &low, 8);
	memcpy(hash.bytes + 8, &high, 8);
	return hash;
}
