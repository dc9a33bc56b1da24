/*
 * SHA-256 of a few bytes by libmd (message-digest library of the BSDs, in every Debian: dpkg needs it). Loading it
 * costs 0.1 ms of CPU time, libcrypto with its SHA-256 2.1 ms, which is a good part of what a whole `cooper run` may
 * take, and the documents and keys of a run are a few KiB. libmd has no SHA-NI, 4 ms for a MiB and not 0.6: whatever is
 * larger goes through a hasher (digest.h), which begins with this.
 */
#ifndef COOPER_IMAGEFMT_SHA256_H
#define COOPER_IMAGEFMT_SHA256_H

#include <sha2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of one piece, which is hashed whole. */
#define SHA256_SMALL_MAX ((size_t)64 << 10)
/* Of all that a process hashes: up to here libmd costs no more than loading libcrypto. */
#define SHA256_EARLY_MAX ((size_t)512 << 10)

struct sha256 {
	SHA2_CTX context;
};

/* False when there is no libmd; nothing else here may be called then. Safe in threads. */
bool sha256_is_available(void);
void sha256_init(struct sha256 *sum);
void sha256_update(struct sha256 *sum, const void *data, size_t size);
/* The digest so far; more may follow. */
void sha256_finish(const struct sha256 *sum, uint8_t digest[32]);
/* Of bytes in hand. */
void sha256_small(const void *data, size_t size, uint8_t digest[32]);

#endif
