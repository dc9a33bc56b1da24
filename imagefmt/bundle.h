/*
 * Named files that came together from outside, to be read: a directory, or a tar archive whatever the order in it.
 * Nobody vouches for them: names are looked up inside the bundle only, and whoever reads a file checks what it holds.
 */
#ifndef COOPER_IMAGEFMT_BUNDLE_H
#define COOPER_IMAGEFMT_BUNDLE_H

#include "base/buf.h"
#include "imagefmt/manifest.h"
#include "imagefmt/store.h"

struct bundle;

/* `path` is the user's own. -ENOENT, -ENOTDIR. */
int bundle_open_directory(const char *path, struct bundle **bundle, struct error **err);
/* An archive that is packed or comes through a pipe is unpacked into the store's tmp first. -EBADMSG for no tar. */
int bundle_open_archive(const char *path, struct store *store, struct bundle **bundle, struct error **err);
void bundle_close(struct bundle *bundle);
CLEANUP_FOR(struct bundle, bundle_close)

/* A descriptor at the first byte of the file and its size; of an archive the bytes of other files follow. Good until
 * the next call for this bundle. -ENOENT. */
MUST_CHECK int bundle_open_file(struct bundle *bundle, const char *name, uint64_t *size, struct error **err);
/* A small file whole. -ENOENT, -EFBIG. */
int bundle_read(struct bundle *bundle, const char *name, size_t max, struct buf *into, struct error **err);
/* The same for one that must have this digest: -EBADMSG. */
int bundle_read_verified(struct bundle *bundle, const char *name, const struct digest *digest, size_t max,
			 struct buf *into, struct error **err);
/* Brings the file that should be this blob into the store, unless it is there. Two processes at once bring it once. */
int bundle_fetch(struct bundle *bundle, const char *name, const struct descriptor *blob, struct store *store,
		 struct error **err);

#endif
