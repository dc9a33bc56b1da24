/*
 * A blob to a tree: inflate, hash, read the tar, make the entries. Small blobs are done in one thread; for larger ones
 * a thread inflates into the ring and another hashes from it, while the caller's makes the files and a fourth writes
 * them: that is where the time goes.
 */
#include "imagefmt/unpack.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/processors.h"
#include "imagefmt/codec.h"
#include "imagefmt/extract.h"
#include "imagefmt/ring.h"
#include "imagefmt/tarread.h"

/* Stays in a level-two cache between the threads; larger ones are no faster, and take their multiple of memory. */
#define BLOCK_SIZE ((size_t)256 << 10)
/* Packed; below, threads cost more than they bring. */
#define INLINE_SIZE ((uint64_t)1 << 20)
/* Below this the ratio says nothing: a layer of empty files is packed as well as a bomb. */
#define RATIO_FROM ((uint64_t)1 << 30)

enum kind { HASH, EXTRACT, KINDS };

struct unpacker {
	struct unpack_options options;
	uint64_t packed_size;
	struct inflater *inflater;
	struct hasher *hasher;
	uint64_t size;	   /* of the tar stream so far */
	struct ring *ring; /* NULL without threads */
	struct ring_block *block;
	struct extractor *extractor; /* NULL: nothing is extracted */
};

static void unpacker_done(struct unpacker *u)
{
	extractor_free(u->extractor); /* its thread has blocks of the ring */
	ring_free(u->ring);	      /* whose threads use the rest */
	inflater_free(u->inflater);
	hasher_free(u->hasher);
}
CLEANUP_FOR_VALUE(struct unpacker, unpacker_done)

static int unpacker_init(struct unpacker *u, stream_source *source, void *context, enum codec codec,
			 const struct unpack_options *options, struct error **err)
{
	*u = (struct unpacker){0};
	if (options != NULL)
		u->options = *options;
	if (u->options.max_bytes == 0)
		u->options.max_bytes = UNPACK_BYTES_MAX;
	if (u->options.max_entries == 0)
		u->options.max_entries = UNPACK_ENTRIES_MAX;
	int rc = hasher_new(u->options.algorithm, &u->hasher, err);
	return rc < 0 ? rc : inflater_new(codec, source, context, &u->inflater, err);
}

/* Counts what has come out of the inflater. */
static int count(struct unpacker *u, size_t size, struct error **err)
{
	u->size += size;
	/* A tar is larger than what it holds, by its headers: the margin is theirs. */
	if (u->size / 2 > u->options.max_bytes)
		return error_set(err, EFBIG, "the layer holds more than %llu bytes",
				 (unsigned long long)u->options.max_bytes);
	if (u->size > RATIO_FROM && u->size / UNPACK_RATIO_MAX > inflater_packed_size(u->inflater))
		return error_set(err, EFBIG, "the layer unpacks to more than %d times its size", UNPACK_RATIO_MAX);
	return 0;
}

/* ---- one thread ---- */

static int next_inline(void *context, const void **data, size_t *size, struct error **err)
{
	struct unpacker *u = context;
	int rc = inflater_next(u->inflater, data, size, err);

	if (rc <= 0)
		return rc;
	hasher_update(u->hasher, *data, *size);
	rc = count(u, *size, err);
	return rc < 0 ? rc : 1;
}

/* ---- several threads ---- */

static void run_inflate(void *context)
{
	struct unpacker *u = context;
	struct ring_block *block;

	while ((block = ring_begin(u->ring)) != NULL) {
		struct error *error = NULL;
		ssize_t n = inflater_read(u->inflater, block->data, BLOCK_SIZE, &error);
		int rc = n < 0 ? (int)n : count(u, (size_t)n, &error);
		if (rc < 0)
			ring_break(u->ring, rc, error);
		if (rc < 0 || n == 0)
			break;
		block->size = (size_t)n;
		ring_publish(u->ring, block);
	}
	ring_end(u->ring);
}

static void run_hash(void *context)
{
	struct unpacker *u = context;
	struct ring_block *block;

	while ((block = ring_take(u->ring, HASH)) != NULL) {
		hasher_update(u->hasher, block->data, block->size);
		ring_release(u->ring, block);
	}
}

/* The caller's side of the ring, as a source. */
static int next_block(void *context, const void **data, size_t *size, struct error **err)
{
	struct unpacker *u = context;

	if (u->extractor != NULL)
		extractor_hand_over(u->extractor);
	if (u->block != NULL)
		ring_release(u->ring, u->block);
	u->block = ring_take(u->ring, EXTRACT);
	if (u->block == NULL)
		return ring_is_broken(u->ring) ? error_set(err, EPIPE, "the inflating thread has failed") : 0;
	*data = u->block->data;
	*size = u->block->size;
	return 1;
}

static int start_threads(struct unpacker *u, struct error **err)
{
	ring_new(&(struct ring_options){.kinds = KINDS, .block_size = BLOCK_SIZE}, &u->ring);
	int rc = ring_start(u->ring, run_inflate, u, err);
	return rc < 0 ? rc : ring_start(u->ring, run_hash, u, err);
}

/* ---- both ---- */

/* What is done with the tar's bytes. */
typedef int consume(struct unpacker *u, stream_source *source, void *context, struct error **err);

/* Lets `act` read all bytes, and joins the threads. */
static int run(struct unpacker *u, consume *act, void *context, struct error **err)
{
	struct error *error = NULL;

	if (u->packed_size < INLINE_SIZE)
		return act(u, next_inline, context, err);
	int rc = start_threads(u, &error);
	if (rc == 0)
		rc = act(u, next_block, context, &error);
	/* When the ring has broken before, this only drops the words of who noticed it. */
	if (rc < 0)
		ring_break(u->ring, rc, error);
	return ring_join(u->ring, err);
}

static int drain(struct unpacker *u, stream_source *source, void *context, struct error **err)
{
	const void *data;
	size_t size;
	int rc;

	while ((rc = source(u, &data, &size, err)) > 0)
		;
	return rc;
}

static void *keep_block(void *context)
{
	struct unpacker *u = context;

	ring_keep(u->ring, u->block);
	return u->block;
}

static void release_block(void *context, void *block)
{
	struct unpacker *u = context;

	ring_release(u->ring, block);
}

/* What is extracted, and what comes of it. */
struct extraction {
	int dirfd;
	struct unpack_result result;
};

static int extract(struct unpacker *u, stream_source *source, void *context, struct error **err)
{
	struct extraction *extraction = context;
	const struct piece_keeper keeper = {.keep = keep_block, .release = release_block, .context = u};
	bool is_shared = u->ring != NULL && process_processors() > 1;
	cleanup(tar_reader_free) struct tar_reader *reader = NULL;
	const struct tar_entry *entry;
	int rc = extractor_new(extraction->dirfd, &u->options, is_shared ? &keeper : NULL, &u->extractor, err);

	tar_reader_new(source, u, &reader);
	while (rc == 0 && (rc = tar_reader_next(reader, &entry, err)) > 0)
		rc = extractor_add(u->extractor, reader, entry, err);
	if (rc == 0) /* bytes behind the tar's end belong to the digest */
		rc = tar_reader_drain(reader, err);
	return rc < 0 ? rc : extractor_finish(u->extractor, &extraction->result, err);
}

int unpack_layer_from(stream_source *source, void *context, uint64_t packed_size, enum codec codec, int dirfd,
		      const struct unpack_options *options, struct unpack_result *result, struct error **err)
{
	cleanup(unpacker_done) struct unpacker u;
	struct extraction extraction = {.dirfd = dirfd};
	int rc = unpacker_init(&u, source, context, codec, options, err);

	u.packed_size = packed_size;
	if (rc == 0)
		rc = run(&u, extract, &extraction, err);
	if (rc < 0)
		return rc;
	hasher_finish(u.hasher, &extraction.result.diff_id);
	extraction.result.size = u.size;
	*result = extraction.result;
	return 0;
}

/* What no file tells is taken for large. */
static uint64_t size_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? (uint64_t)st.st_size : UINT64_MAX;
}

int unpack_layer(int blob_fd, enum codec codec, int dirfd, const struct unpack_options *options,
		 struct unpack_result *result, struct error **err)
{
	cleanup(stream_fd_done) struct stream_fd blob;

	stream_fd_init(&blob, blob_fd);
	return unpack_layer_from(stream_fd_next, &blob, size_of(blob_fd), codec, dirfd, options, result, err);
}

/* All bytes, to nowhere; `packed_size` as for run(). */
static int verify(stream_source *source, void *context, uint64_t packed_size, enum codec codec,
		  const struct unpack_options *options, struct unpack_result *result, struct error **err)
{
	cleanup(unpacker_done) struct unpacker u;
	struct unpack_result verified = {0};

	int rc = unpacker_init(&u, source, context, codec, options, err);
	u.packed_size = packed_size;
	if (rc == 0)
		rc = run(&u, drain, /* context */ NULL, err);
	if (rc < 0)
		return rc;
	hasher_finish(u.hasher, &verified.diff_id);
	verified.size = u.size;
	*result = verified;
	return 0;
}

int unpack_verify(int blob_fd, enum codec codec, const struct unpack_options *options, struct unpack_result *result,
		  struct error **err)
{
	cleanup(stream_fd_done) struct stream_fd blob;

	stream_fd_init(&blob, blob_fd);
	return verify(stream_fd_next, &blob, size_of(blob_fd), codec, options, result, err);
}

int unpack_verify_from(stream_source *source, void *context, enum codec codec, const struct unpack_options *options,
		       struct unpack_result *result, struct error **err)
{
	return verify(source, context, /* no threads */ 0, codec, options, result, err);
}
