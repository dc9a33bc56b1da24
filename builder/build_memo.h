/*
 * Digests of the files of a build context, remembered from one build to the next by what stat(2) says of a file:
 * device, inode, size, mtime and ctime. A file that was changed in the same tick of the clock in which it was
 * read could be changed again without a trace; such a one is not remembered (git's "racily clean" files).
 *
 * The memo of a context lies in the store's cache/contexts/, named by the context directory's device and inode.
 */
#ifndef COOPER_BUILDER_BUILD_MEMO_H
#define COOPER_BUILDER_BUILD_MEMO_H

#include "imagefmt/digest.h"
#include "imagefmt/store.h"

#include <sys/stat.h>

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

#endif
