/*
 * SHA-256 by the SHA extensions of x86 (Intel SDM vol. 2, SHA256RNDS2, SHA256MSG1, SHA256MSG2). One instruction does
 * two rounds on half of the state, so the eight words lie in two registers as the instruction wants them, highest
 * first: A B E F and C D G H. Four words of the message and their constants make four rounds.
 */
#include "imagefmt/sha256_internal.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>

#define CPUID_1_ECX_SSSE3 (1u << 9)
#define CPUID_1_ECX_SSE41 (1u << 19)
#define CPUID_7_EBX_SHA (1u << 29)

bool sha256_has_instructions(void)
{
	const unsigned vectors = CPUID_1_ECX_SSSE3 | CPUID_1_ECX_SSE41;
	unsigned eax, ebx, ecx, edx;

	if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || (ecx & vectors) != vectors)
		return false;
	return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && ebx & CPUID_7_EBX_SHA;
}

/* The first 32 bits of the fractional parts of the cube roots of the first 64 primes (FIPS 180-4, 4.2.2). */
static const uint32_t constants[64] __attribute__((aligned(16))) = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

/* _mm_shuffle_epi32(): the four words of a register in another order. */
#define REVERSED 0x1b
#define PAIRS_SWAPPED 0xb1
#define UPPER_TWO_FIRST 0x0e

struct rounds {
	__m128i abef, cdgh;
};

__attribute__((target("sha,ssse3,sse4.1"), always_inline)) static inline struct rounds four_rounds(struct rounds r,
												   __m128i message)
{
	r.cdgh = _mm_sha256rnds2_epu32(r.cdgh, r.abef, message);
	r.abef = _mm_sha256rnds2_epu32(r.abef, r.cdgh, _mm_shuffle_epi32(message, UPPER_TWO_FIRST));
	return r;
}

__attribute__((target("sha,ssse3,sse4.1"))) void sha256_compress(uint32_t state[8], const uint8_t *data, size_t blocks)
{
	/* The message's words are big-endian. */
	const __m128i swap = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
	const __m128i *k = (const __m128i *)constants;
	__m128i badc = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)state), PAIRS_SWAPPED);
	__m128i hgfe = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(state + 4)), REVERSED);
	struct rounds now = {_mm_alignr_epi8(badc, hgfe, 8), _mm_blend_epi16(hgfe, badc, 0xf0)};

	for (; blocks > 0; blocks--, data += 64) {
		const struct rounds before = now;
		__m128i w[4];

#pragma GCC unroll 4
		for (int i = 0; i < 4; i++) {
			w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(data + 16 * i)), swap);
			now = four_rounds(now, _mm_add_epi32(w[i], k[i]));
		}
#pragma GCC unroll 12
		for (int i = 4; i < 16; i++) {
			__m128i older = _mm_sha256msg1_epu32(w[i & 3], w[(i + 1) & 3]);
			__m128i newer = _mm_alignr_epi8(w[(i + 3) & 3], w[(i + 2) & 3], 4);
			w[i & 3] = _mm_sha256msg2_epu32(_mm_add_epi32(older, newer), w[(i + 3) & 3]);
			now = four_rounds(now, _mm_add_epi32(w[i & 3], k[i]));
		}
		now.abef = _mm_add_epi32(now.abef, before.abef);
		now.cdgh = _mm_add_epi32(now.cdgh, before.cdgh);
	}
	__m128i feba = _mm_shuffle_epi32(now.abef, REVERSED);
	__m128i dchg = _mm_shuffle_epi32(now.cdgh, PAIRS_SWAPPED);
	_mm_storeu_si128((__m128i *)state, _mm_blend_epi16(feba, dchg, 0xf0));
	_mm_storeu_si128((__m128i *)(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}

#else

#include <assert.h>

bool sha256_has_instructions(void)
{
	return false;
}

void sha256_compress(uint32_t state[8], const uint8_t *data, size_t blocks)
{
	assert(!"there are no such instructions");
}

#endif
