/*
 * Digests of the files of a build context, remembered from one build to the next by what stat(2) says of a file:
 * device, inode, size, mtime and ctime. A file that was changed in the same tick of the clock in which it was
 * read could be changed again without a trace; such a one is not remembered (git's "racily clean" files).
 *
 * The memo of a context lies in the store's cache/contexts/, named by the context directory's device and inode. Nobody
 * tells when a directory goes for good: what no build has used for BUILD_MEMO_DAYS is swept, and the oldest where all
 * together are larger than BUILD_MEMO_ROOM. In a memo that has grown large, files that a build did not meet give way to
 * those that it has learned.
 */
#ifndef COOPER_BUILDER_BUILD_MEMO_H
#define COOPER_BUILDER_BUILD_MEMO_H

#include "imagefmt/digest.h"
#include "imagefmt/store.h"

#include <stdbool.h>
#include <sys/stat.h>
#include <time.h>

#define BUILD_MEMO_DAYS 30
#define BUILD_MEMO_ROOM ((uint64_t)256 << 20) /* bytes */

struct build_memo;

/* Never fails: without a memo everything is read. `root` is the context's directory; -1 where it will not be found
 * again: nothing is kept then. */
struct build_memo *build_memo_open(struct store *store, int root);
/* Writes what has been learned, and frees. */
void build_memo_close(struct build_memo *memo);
CLEANUP_FOR(struct build_memo, build_memo_close)
/* The digest of content and extended attributes of the regular file dirfd/name, whose lstat is `st`: remembered, or
 * read now. `memo` may be NULL. */
int build_memo_file(struct build_memo *memo, int dirfd, const char *name, const struct stat *st, struct digest *digest,
		    struct error **err);

/* For who reads the open file himself, whose fstat was `st` when he began: what is remembered of it; false: nothing. */
bool build_memo_find(struct build_memo *memo, const struct stat *st, struct digest *digest);
/* Before he reads. */
struct timespec build_memo_now(void);
/* What he has read, `content`, becomes the digest that build_memo_file() would give, and is remembered. `memo` may be
 * NULL. */
int build_memo_learn(struct build_memo *memo, int fd, const struct stat *st, const struct timespec *began,
		     const struct digest *content, struct digest *digest, struct error **err);

/* That of an empty file with the extended attributes of `fd`, which may be a directory. */
int build_memo_empty(int fd, struct digest *digest, struct error **err);

/* Removes the memos of contexts that are not used any more. `bytes` (may be NULL) is added to. */
int build_memo_sweep(struct store *store, int64_t now, uint64_t *bytes, struct error **err);

#endif
