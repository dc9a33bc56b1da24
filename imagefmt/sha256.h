/*
 * SHA-256 (FIPS 180-4) of a few bytes in hand, without libcrypto: loading that costs 2 to 3 ms of CPU time, which is
 * half of what a whole `cooper run` may take, and the documents and keys of a run are a few KiB. It is some six times
 * slower per byte; whatever is larger, or a stream, goes through a hasher (digest.h).
 */
#ifndef COOPER_IMAGEFMT_SHA256_H
#define COOPER_IMAGEFMT_SHA256_H

#include <stddef.h>
#include <stdint.h>

/* Up to here it costs less than loading the library. */
#define SHA256_SMALL_MAX ((size_t)64 << 10)

void sha256_small(const void *data, size_t size, uint8_t digest[32]);

#endif
