/*
 * SHA-256 (FIPS 180-4) of a few bytes, without libcrypto: loading that costs 2 to 3 ms of CPU time, which is
 * half of what a whole `cooper run` may take, and the documents and keys of a run are a few KiB. It is some six times
 * slower per byte; whatever is larger goes through a hasher (digest.h), which begins with this.
 */
#ifndef COOPER_IMAGEFMT_SHA256_H
#define COOPER_IMAGEFMT_SHA256_H

#include <stddef.h>
#include <stdint.h>

/* Up to here it costs less than loading the library. */
#define SHA256_SMALL_MAX ((size_t)64 << 10)

#define SHA256_BLOCK 64

struct sha256 {
	uint32_t H[8];
	uint64_t size;		    /* bytes so far */
	uint8_t rest[SHA256_BLOCK]; /* those that do not fill a block yet */
};

void sha256_init(struct sha256 *sum);
void sha256_update(struct sha256 *sum, const void *data, size_t size);
/* The digest so far; more may follow. */
void sha256_finish(const struct sha256 *sum, uint8_t digest[32]);
/* Of bytes in hand. */
void sha256_small(const void *data, size_t size, uint8_t digest[32]);

#endif
