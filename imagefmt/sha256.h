/*
 * SHA-256 without libcrypto, whose loading costs 1.4 ms of CPU time and more: a good part of what a whole `cooper run`
 * may take, and the documents and keys of a run are a few KiB.
 *
 * Where the processor has instructions for it (x86 SHA extensions) they are used, as fast as libcrypto's: then nothing
 * needs that library (sha256_is_fast()). Elsewhere it is libmd (message-digest library of the BSDs, in every Debian:
 * dpkg needs it), which costs 0.1 ms to load and is slow; whatever is larger goes through a hasher (digest.h), which
 * begins with this.
 */
#ifndef COOPER_IMAGEFMT_SHA256_H
#define COOPER_IMAGEFMT_SHA256_H

#include <sha2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Up to here libmd costs less than loading libcrypto. */
#define SHA256_SMALL_MAX ((size_t)64 << 10)
#define SHA256_BLOCK ((size_t)64)

struct sha256 {
	union {
		SHA2_CTX of_libmd;
		struct {
			uint32_t state[8];
			uint64_t size; /* so far; what is behind the last whole block waits in `rest` */
			uint8_t rest[SHA256_BLOCK];
		};
	};
};

/* True when no size is too large for it. */
bool sha256_is_fast(void);
/* False when there is neither the instructions nor libmd; nothing else here may be called then. Safe in threads. */
bool sha256_is_available(void);
void sha256_init(struct sha256 *sum);
void sha256_update(struct sha256 *sum, const void *data, size_t size);
/* The digest so far; more may follow. */
void sha256_finish(const struct sha256 *sum, uint8_t digest[32]);
/* Of bytes in hand. */
void sha256_small(const void *data, size_t size, uint8_t digest[32]);

#endif
