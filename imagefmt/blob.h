/*
 * Blobs: bytes under their digest in oci/blobs/<algorithm>/<hex>, exactly as they came. A blob is visible only when its
 * size and digest have been checked and it is on disk.
 *
 *	cleanup(blob_writer_free) struct blob_writer *w = NULL;
 *	rc = blob_writer_new(store, &want, size, &w, err);
 *	while (...) rc = blob_writer_write(w, data, n, err);
 *	rc = blob_writer_commit(w, &digest, &size, err);
 */
#ifndef COOPER_IMAGEFMT_BLOB_H
#define COOPER_IMAGEFMT_BLOB_H

#include "base/buf.h"
#include "imagefmt/digest.h"
#include "imagefmt/store.h"

bool blob_exists(struct store *store, const struct digest *digest, uint64_t *size);
/* Read-only descriptor; -ENOENT. */
MUST_CHECK int blob_open(struct store *store, const struct digest *digest, uint64_t *size, struct error **err);
/* A small blob whole, its digest checked. -ENOENT, -EFBIG, -EBADMSG when the bytes on disk are not the blob's. */
int blob_read(struct store *store, const struct digest *digest, size_t max, struct buf *into, struct error **err);
/* The same once more, of a blob that was read or put in this boot: with blob_sum() of its bytes then, which is a
 * thirtieth of the work of a digest. Another sum now, or 0: as blob_read(). */
int blob_read_again(struct store *store, const struct digest *digest, uint64_t sum, size_t max, struct buf *into,
		    struct error **err);
/* 64 bits that notice damage, and no more than that; never 0. Another program's version may give another. */
MUST_CHECK uint64_t blob_sum(const void *data, size_t size);
int blob_put(struct store *store, const void *data, size_t size, struct digest *digest, struct error **err);
int blob_remove(struct store *store, const struct digest *digest, struct error **err);
/* In a scratch store that allows loans: the blob is the file `fd` (from its start, `size` bytes), which stays where it
 * is. Its bytes are read and checked now (-EBADMSG); who changes it later changes what is read here. Takes fd. */
int blob_lend(struct store *scratch, const struct digest *digest, uint64_t size, int fd, struct error **err);
/* The way out of a scratch store: its own file gets a further name, dirfd/name, mode 0644, on disk first when it is to
 * last. False, and nothing is done: it must be copied (another file system, a store that keeps its blobs, or the name
 * is taken). */
bool blob_give(struct store *scratch, const struct digest *digest, int dirfd, const char *name, bool lasts);
/* Exclusive: held while a blob is fetched, so that two processes fetch it once. Look again after taking it.
 * -EWOULDBLOCK for LOCK_TRY when another has it. */
MUST_CHECK int blob_lock(struct store *store, const struct digest *digest, enum lock_wait wait, struct error **err);

#define BLOB_SIZE_UNKNOWN UINT64_MAX

struct blob_writer;
/* `want` may be NULL: the digest is then whatever comes. Bytes past `size` are refused with -EFBIG. */
int blob_writer_new(struct store *store, const struct digest *want, uint64_t size, struct blob_writer **w,
		    struct error **err);
int blob_writer_write(struct blob_writer *w, const void *data, size_t size, struct error **err);
/* Is told of a blob while it is written, by the thread that writes: so that it can be sent while it grows. A failure of
 * theirs is one of the writing. */
struct blob_watch {
	/* The first `size` bytes of the file `fd` (borrowed) are there. */
	int (*grown)(void *context, int fd, uint64_t size, struct error **err);
	/* All are there and have been checked, and this is their digest; they have no name yet. */
	int (*whole)(void *context, const struct digest *digest, uint64_t size, struct error **err);
	void *context;
};
/* `watch` is borrowed for the writer's life. */
void blob_writer_watch(struct blob_writer *w, const struct blob_watch *watch);
/* Is told of every blob of a wanted digest that comes into a store, whoever writes it (store_set_observer()): the first
 * `size` bytes of the file `fd` (borrowed) are there. Less than before: it begins anew, perhaps in another file. A
 * failure is one of the writing. */
struct blob_observer {
	int (*grown)(void *context, const struct digest *want, int fd, uint64_t size, struct error **err);
	void *context;
};
/* Appends the next `size` bytes of `fd`; a whole file is shared by reflink where the file system can, and its bytes are
 * hashed in any case. -EBADMSG when the file ends before. */
int blob_writer_copy(struct blob_writer *w, int fd, uint64_t size, struct error **err);
/* Bytes so far: where a download resumes. */
uint64_t blob_writer_size(const struct blob_writer *w);
/* Whether the bytes from `offset` on, of which as many are there, are these. */
bool blob_writer_has(const struct blob_writer *w, uint64_t offset, const void *data, size_t size);
/* Forgets all bytes: a download that starts anew. */
int blob_writer_restart(struct blob_writer *w, struct error **err);
/* Checks size and digest (-EBADMSG, naming both), syncs, renames. *digest and *size may be NULL. The writer is only
 * good for freeing afterwards. */
int blob_writer_commit(struct blob_writer *w, struct digest *digest, uint64_t *size, struct error **err);
/* Without a commit before it, the bytes vanish. */
void blob_writer_free(struct blob_writer *w);
CLEANUP_FOR(struct blob_writer, blob_writer_free)

#endif
