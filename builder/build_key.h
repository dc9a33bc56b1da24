/*
 * A digest of named values, for keys of the build cache: each value stands with its name and length, so that no two
 * lists of values are alike. Small ones are hashed without loading a library.
 */
#ifndef COOPER_BUILDER_BUILD_KEY_H
#define COOPER_BUILDER_BUILD_KEY_H

#include "base/buf.h"
#include "base/strlist.h"
#include "imagefmt/digest.h"

#define BUILD_KEY_CHUNK ((size_t)64 << 10)

struct build_key {
	struct buf chunk;
	struct hasher *hasher; /* once there was more than a chunk */
	bool failed;
};
#define BUILD_KEY_INIT ((struct build_key){.chunk = BUF_INIT(2 * BUILD_KEY_CHUNK)})

void build_key_done(struct build_key *key);
CLEANUP_FOR_VALUE(struct build_key, build_key_done)
/* `value` may be NULL, which is not the same as empty. */
void build_key_text(struct build_key *key, const char *name, const char *value);
void build_key_number(struct build_key *key, const char *name, uint64_t value);
void build_key_list(struct build_key *key, const char *name, const struct strlist *list);
void build_key_digest(struct build_key *key, const char *name, const struct digest *digest);
int build_key_finish(struct build_key *key, struct digest *digest, struct error **err);

#endif
