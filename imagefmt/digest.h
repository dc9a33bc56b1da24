/*
 * Content digests as the OCI image specification writes them (descriptor.md "Digests"): "sha256:<64 lower-case hex>",
 * "sha512:<128>". Any other algorithm or spelling is refused before it can become part of a path.
 */
#ifndef COOPER_IMAGEFMT_DIGEST_H
#define COOPER_IMAGEFMT_DIGEST_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

enum digest_algorithm { DIGEST_SHA256, DIGEST_SHA512 };

struct digest {
	enum digest_algorithm algorithm;
	uint8_t bytes[64]; /* the first 32 for sha256, the rest 0 */
};

#define DIGEST_TEXT_SIZE 136 /* "sha512:", 128 digits, NUL */
#define DIGEST_HEX_SIZE 129

/* All zeros are refused: they would be taken for "no digest", and what was to be pinned would not be. */
int digest_parse(const char *text, struct digest *digest, struct error **err);
/* Both return `text`. */
const char *digest_format(const struct digest *digest, char text[DIGEST_TEXT_SIZE]);
const char *digest_hex(const struct digest *digest, char text[DIGEST_HEX_SIZE]);
bool digest_equal(const struct digest *a, const struct digest *b);
int digest_compare(const struct digest *a, const struct digest *b);
/* True for the zeroed struct: "no digest". */
bool digest_is_null(const struct digest *digest);
/* "sha256": also the name of the folder that holds such blobs. */
const char *digest_algorithm_name(enum digest_algorithm algorithm);

/* Hashing: libcrypto is loaded and the algorithm fetched once, when there is enough to hash to be worth it; contexts
 * are reused by hasher_reset(). */
struct hasher;
int hasher_new(enum digest_algorithm algorithm, struct hasher **hasher, struct error **err);
void hasher_update(struct hasher *hasher, const void *data, size_t size);
void hasher_finish(struct hasher *hasher, struct digest *digest);
void hasher_reset(struct hasher *hasher);
void hasher_free(struct hasher *hasher);
CLEANUP_FOR(struct hasher, hasher_free)

/* sha256 of bytes in hand. */
int digest_of(const void *data, size_t size, struct digest *digest, struct error **err);
/* The same with a given algorithm: to check bytes against a digest that is there already. */
int digest_of_as(enum digest_algorithm algorithm, const void *data, size_t size, struct digest *digest,
		 struct error **err);

#endif
