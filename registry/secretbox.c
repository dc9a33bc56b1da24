/*
 * Salsa20 as D. J. Bernstein specifies it ("The Salsa20 family of stream ciphers", "Extending the Salsa20 nonce"): ten
 * double rounds over sixteen words; HSalsa20 makes a key of its own of the first 16 bytes of the nonce, the last 8 are
 * Salsa20's. The first 32 bytes of the stream are the one-time key of Poly1305, which is checked before anything is
 * decrypted; the message begins behind them.
 */
#include "registry/secretbox.h"

#include <errno.h>
#include <string.h>

#include "registry/crypto.h"

#define BLOCK_SIZE 64

static uint32_t load32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void store32(uint8_t *p, uint32_t x)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(x >> 8 * i);
}

static uint32_t rotate(uint32_t x, int bits)
{
	return x << bits | x >> (32 - bits);
}

static void quarter_round(uint32_t x[16], int a, int b, int c, int d)
{
	x[b] ^= rotate(x[a] + x[d], 7);
	x[c] ^= rotate(x[b] + x[a], 9);
	x[d] ^= rotate(x[c] + x[b], 13);
	x[a] ^= rotate(x[d] + x[c], 18);
}

static void twenty_rounds(uint32_t x[16])
{
	for (int i = 0; i < 10; i++) {
		quarter_round(x, 0, 4, 8, 12); /* columns */
		quarter_round(x, 5, 9, 13, 1);
		quarter_round(x, 10, 14, 2, 6);
		quarter_round(x, 15, 3, 7, 11);
		quarter_round(x, 0, 1, 2, 3); /* rows */
		quarter_round(x, 5, 6, 7, 4);
		quarter_round(x, 10, 11, 8, 9);
		quarter_round(x, 15, 12, 13, 14);
	}
}

/* Key, 16 bytes of input and the constant "expand 32-byte k" in their places. */
static void set_up(uint32_t x[16], const uint8_t key[32], const uint8_t input[16])
{
	static const uint32_t constant[4] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};

	for (int i = 0; i < 4; i++) {
		x[5 * i] = constant[i];
		x[1 + i] = load32(key + 4 * i);
		x[6 + i] = load32(input + 4 * i);
		x[11 + i] = load32(key + 16 + 4 * i);
	}
}

static void hsalsa20(uint8_t out[32], const uint8_t key[32], const uint8_t input[16])
{
	static const int diagonal[4] = {0, 5, 10, 15};
	uint32_t x[16];

	set_up(x, key, input);
	twenty_rounds(x);
	for (int i = 0; i < 4; i++) {
		store32(out + 4 * i, x[diagonal[i]]);
		store32(out + 16 + 4 * i, x[6 + i]);
	}
	mem_wipe(x, sizeof(x));
}

/* Block number `counter` of the stream. */
static void salsa20_block(uint8_t out[BLOCK_SIZE], const uint8_t key[32], const uint8_t nonce[8], uint64_t counter)
{
	uint8_t input[16];
	uint32_t start[16];
	uint32_t x[16];

	memcpy(input, nonce, 8);
	store32(input + 8, (uint32_t)counter);
	store32(input + 12, (uint32_t)(counter >> 32));
	set_up(start, key, input);
	memcpy(x, start, sizeof(x));
	twenty_rounds(x);
	for (int i = 0; i < 16; i++)
		store32(out + 4 * i, x[i] + start[i]);
	mem_wipe(x, sizeof(x));
	mem_wipe(start, sizeof(start));
}

static int check_tag(const uint8_t one_time_key[32], const uint8_t *box, size_t size, struct error **err)
{
	const struct crypto_library *crypto;
	unsigned char tag[SECRETBOX_TAG_SIZE];
	size_t tag_size = 0;
	int rc = crypto_load(&crypto, err);

	if (rc < 0)
		return rc;
	if (!crypto->EVP_Q_mac(/* library context */ NULL, "POLY1305", /* properties */ NULL, /* subalgorithm */ NULL,
			       /* parameters */ NULL, one_time_key, 32, box + SECRETBOX_TAG_SIZE,
			       size - SECRETBOX_TAG_SIZE, tag, sizeof(tag), &tag_size) ||
	    tag_size != sizeof(tag))
		return error_set(err, ENOTSUP, "libcrypto offers no Poly1305");
	return crypto->CRYPTO_memcmp(tag, box, sizeof(tag)) == 0 ? 0 : error_set(err, EBADMSG, "decryption failed");
}

int secretbox_open(const uint8_t key[SECRETBOX_KEY_SIZE], const uint8_t nonce[SECRETBOX_NONCE_SIZE], const uint8_t *box,
		   size_t size, struct buf *plain, struct error **err)
{
	uint8_t subkey[32];
	uint8_t stream[BLOCK_SIZE];
	uint64_t counter = 0;

	if (size < SECRETBOX_TAG_SIZE)
		return error_set(err, EBADMSG, "decryption failed: the box is shorter than its tag");
	hsalsa20(subkey, key, nonce);
	salsa20_block(stream, subkey, nonce + 16, counter++);
	int rc = check_tag(stream, box, size, err);
	size_t used = 32;
	for (size_t i = SECRETBOX_TAG_SIZE; rc == 0 && i < size; i++) {
		if (used == BLOCK_SIZE) {
			salsa20_block(stream, subkey, nonce + 16, counter++);
			used = 0;
		}
		buf_append_char(plain, (char)(box[i] ^ stream[used++]));
	}
	mem_wipe(subkey, sizeof(subkey));
	mem_wipe(stream, sizeof(stream));
	return rc;
}
