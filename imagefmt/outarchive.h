/*
 * A tar archive of images while it is written: the file has its name only after outarchive_commit(). What is not a
 * regular file (a FIFO), and what our own output goes to (/dev/stdout), gets the bytes at the commit.
 */
#ifndef COOPER_IMAGEFMT_OUTARCHIVE_H
#define COOPER_IMAGEFMT_OUTARCHIVE_H

#include "base/error.h"
#include "imagefmt/manifest.h"
#include "imagefmt/store.h"

struct outarchive;

int outarchive_open(const char *path, struct store *store, struct outarchive **archive, struct error **err);
bool outarchive_has(const struct outarchive *archive, const char *name);
/* Each name is written once: a second time is success and writes nothing. */
int outarchive_put(struct outarchive *archive, const char *name, const void *data, size_t size, struct error **err);
/* A blob of the store as it is. */
int outarchive_put_blob(struct outarchive *archive, const char *name, const struct digest *digest, struct store *store,
			struct error **err);
/* A layer's blob unpacked; the tar must have `diff_id`: -EBADMSG. */
int outarchive_put_layer(struct outarchive *archive, const char *name, const struct descriptor *layer,
			 const struct digest *diff_id, struct store *store, struct error **err);
int outarchive_commit(struct outarchive *archive, struct error **err);
void outarchive_close(struct outarchive *archive);
CLEANUP_FOR(struct outarchive, outarchive_close)

#endif
