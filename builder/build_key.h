/*
 * A digest of named values, for keys of the build cache: each value stands with its name and length, so that no two
 * lists of values are alike. Small ones are hashed without loading a library.
 *
 * Where `parts` is given, it is told of each value too: what can change a key can be explained (explain.h).
 */
#ifndef COOPER_BUILDER_BUILD_KEY_H
#define COOPER_BUILDER_BUILD_KEY_H

#include "base/buf.h"
#include "base/strlist.h"
#include "imagefmt/digest.h"

#include <stdbool.h>
#include <stdint.h>

#define BUILD_KEY_CHUNK ((size_t)64 << 10)
#define BUILD_KEY_CONTENT_SIZE 32 /* of the SHA-256 of a file */

struct key_parts;

/* A file that is read. */
struct build_key_file {
	const char *path;  /* as the copy has it */
	const char *shown; /* where the user finds it; for `parts` only, NULL: the path */
	uint32_t mode;
	bool has_owner; /* it counts */
	uint32_t uid, gid;
	uint64_t device;	      /* of a device node, else 0 */
	const char *link;	      /* where a symlink leads, else NULL */
	const struct digest *content; /* of a regular file, and of a directory with its owner; else NULL */
};

struct build_key {
	struct buf chunk;
	struct hasher *hasher; /* once there was more than a chunk */
	bool failed;
	struct key_parts *parts; /* borrowed; NULL */
};
#define BUILD_KEY_INIT ((struct build_key){.chunk = BUF_INIT(2 * BUILD_KEY_CHUNK)})

void build_key_done(struct build_key *key);
CLEANUP_FOR_VALUE(struct build_key, build_key_done)
/* `value` may be NULL, which is not the same as empty. */
void build_key_text(struct build_key *key, const char *name, const char *value);
void build_key_number(struct build_key *key, const char *name, uint64_t value);
void build_key_list(struct build_key *key, const char *name, const struct strlist *list);
void build_key_digest(struct build_key *key, const char *name, const struct digest *digest);
/* As build_key_list(); for `parts` each is a variable with a name. */
void build_key_env(struct build_key *key, const char *name, const struct strlist *env);
void build_key_file(struct build_key *key, const struct build_key_file *file);
int build_key_finish(struct build_key *key, struct digest *digest, struct error **err);

#endif
