/*
 * SHA-256 by the processor's instructions, else by libmd, which is loaded when it is first used.
 */
#include "imagefmt/sha256.h"

#include <pthread.h>
#include <string.h>

#include "base/library.h"
#include "base/log.h"
#include "imagefmt/sha256_internal.h"

#define FUNCTIONS(X)    \
	X(SHA256Init)   \
	X(SHA256Update) \
	X(SHA256Final)

/* Found and loaded once, and constant from then on. */
static bool has_instructions;
static struct {
	FUNCTIONS(LIBRARY_MEMBER)
} libmd;
static bool does_without;
static pthread_once_t once = PTHREAD_ONCE_INIT;

void sha256_do_without_instructions(void)
{
	does_without = true;
}

static void prepare(void)
{
	static const char *const symbols[] = {FUNCTIONS(LIBRARY_SYMBOL)};
	cleanup_error struct error *err = NULL;

	has_instructions = !does_without && sha256_has_instructions();
	if (!has_instructions && library_load("libmd.so.0", symbols, ARRAY_COUNT(symbols), &libmd, &err) < 0)
		log_debug("%s, hashing by libcrypto alone", error_message(err));
}

bool sha256_is_fast(void)
{
	pthread_once(&once, prepare);
	return has_instructions;
}

bool sha256_is_available(void)
{
	return sha256_is_fast() || libmd.SHA256Init;
}

/* ---- by instructions ---- */

/* The fractional parts of the square roots of the first eight primes (FIPS 180-4, 5.3.3). */
static const uint32_t first_state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
					0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

static void update(struct sha256 *sum, const uint8_t *data, size_t size)
{
	size_t waiting = sum->size % SHA256_BLOCK;

	sum->size += size;
	if (waiting > 0) {
		size_t more = size < SHA256_BLOCK - waiting ? size : SHA256_BLOCK - waiting;
		memcpy(sum->rest + waiting, data, more);
		if (waiting + more < SHA256_BLOCK)
			return;
		sha256_compress(sum->state, sum->rest, 1);
		data += more;
		size -= more;
	}
	sha256_compress(sum->state, data, size / SHA256_BLOCK);
	if (size % SHA256_BLOCK)
		memcpy(sum->rest, data + size - size % SHA256_BLOCK, size % SHA256_BLOCK);
}

static void put_big_endian(uint64_t value, uint8_t *at, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		at[i] = (uint8_t)(value >> (8 * (bytes - 1 - i)));
}

/* A bit of one, zeros, and the size in bits in the last eight bytes of a block (FIPS 180-4, 5.1.1). */
static void finish(struct sha256 *sum, uint8_t digest[32])
{
	uint8_t end[2 * SHA256_BLOCK] = {0};
	size_t waiting = sum->size % SHA256_BLOCK;
	size_t blocks = waiting + 1 + sizeof(uint64_t) > SHA256_BLOCK ? 2 : 1;

	memcpy(end, sum->rest, waiting);
	end[waiting] = 0x80;
	put_big_endian(8 * sum->size, end + blocks * SHA256_BLOCK - sizeof(uint64_t), sizeof(uint64_t));
	sha256_compress(sum->state, end, blocks);
	for (size_t i = 0; i < 8; i++)
		put_big_endian(sum->state[i], digest + 4 * i, 4);
}

/* ---- by either ---- */

void sha256_init(struct sha256 *sum)
{
	if (has_instructions) {
		memcpy(sum->state, first_state, sizeof(first_state));
		sum->size = 0;
	} else {
		libmd.SHA256Init(&sum->of_libmd);
	}
}

void sha256_update(struct sha256 *sum, const void *data, size_t size)
{
	if (size == 0)
		return;
	if (has_instructions)
		update(sum, data, size);
	else
		libmd.SHA256Update(&sum->of_libmd, data, size);
}

void sha256_finish(const struct sha256 *sum, uint8_t digest[32])
{
	struct sha256 last = *sum; /* finishing changes it */

	if (has_instructions)
		finish(&last, digest);
	else
		libmd.SHA256Final(digest, &last.of_libmd);
}

void sha256_small(const void *data, size_t size, uint8_t digest[32])
{
	struct sha256 sum;

	sha256_init(&sum);
	sha256_update(&sum, data, size);
	sha256_finish(&sum, digest);
}
