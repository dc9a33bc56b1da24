/*
 * The bytes of a file from source to place. Where somebody wants their digest, or the tar of the layer that they are a
 * part of, these are made of the very bytes that are written, in one reading: of a large file by further threads, while
 * the next ones are read and written.
 */
#include "builder/copy_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "imagefmt/packahead.h"
#include "imagefmt/pipeline.h"

#define BLOCK_SIZE ((size_t)256 << 10)
/* What is smaller fd_clone() would look at, and leave. */
#define CLONE_SIZE_MIN ((uint64_t)64 << 10)
/* Hashing so much costs more than a thread. */
#define THREAD_SIZE_MIN ((uint64_t)4 << 20)

static ssize_t read_some(int fd, void *data, size_t size, struct error **err)
{
	ssize_t got;

	do
		got = read(fd, data, size);
	while (got < 0 && errno == EINTR);
	return got < 0 ? error_set_errno(err, "read") : got;
}

/* ---- the digest of what passes ------------------------------------------------------------------------------------
 */

struct sum {
	struct hasher *hasher;	   /* the job's; NULL: nobody wants one */
	struct pipeline *pipeline; /* instead: hashes in a thread */
};

static void sum_done(struct sum *sum)
{
	pipeline_free(sum->pipeline);
}
CLEANUP_FOR_VALUE(struct sum, sum_done)

static int sum_begin(struct sum *sum, struct copy_job *job, uint64_t size, struct error **err)
{
	if (size >= THREAD_SIZE_MIN)
		return pipeline_new(&(struct pipeline_options){0}, &sum->pipeline, err);
	int rc = job->hasher ? 0 : hasher_new(DIGEST_SHA256, &job->hasher, err);
	if (rc >= 0)
		hasher_reset(job->hasher);
	sum->hasher = job->hasher;
	return rc;
}

/* What has failed is told by sum_end(). */
static void sum_add(struct sum *sum, const void *data, size_t size)
{
	bool ok = !sum->pipeline || pipeline_write(sum->pipeline, data, size);

	if (ok && sum->hasher)
		hasher_update(sum->hasher, data, size);
}

static int sum_end(struct sum *sum, struct digest *digest, struct error **err)
{
	uint64_t size;

	if (sum->pipeline)
		return pipeline_finish(sum->pipeline, digest, &size, err);
	if (sum->hasher)
		hasher_finish(sum->hasher, digest);
	return 0;
}

/* ---- passing on -----------------------------------------------------------------------------------------------------
 */

/* Where the next bytes are read to: the tar ahead, while it wants some. */
static char *next_room(struct copy_job *job, struct pack_ahead *ahead, size_t *size)
{
	char *room = pack_ahead_room(ahead, size);

	if (!room) {
		if (!job->block)
			job->block = mem_grow(NULL, BLOCK_SIZE, 1);
		*size = BLOCK_SIZE;
		return job->block;
	}
	if (*size > BLOCK_SIZE)
		*size = BLOCK_SIZE;
	return room;
}

/* All of `from`, once: to the file (-1: nowhere), to the sum and to the tar ahead (NULL: there is none). */
static int pass_on(struct copy_job *job, int from, int to, struct sum *sum, struct pack_ahead *ahead,
		   struct error **err)
{
	for (;;) {
		size_t room_size;
		char *room = next_room(job, ahead, &room_size);
		ssize_t size = read_some(from, room, room_size, err);
		if (size <= 0)
			return (int)size;
		int rc = to < 0 ? 0 : fd_write_all(to, room, (size_t)size, err);
		if (rc < 0)
			return rc;
		sum_add(sum, room, (size_t)size);
		if (room != job->block)
			pack_ahead_filled(ahead, (size_t)size);
		else /* more than was said */
			pack_ahead_give_up(ahead);
	}
}

int copy_content(struct copy_job *job, int from, int to, uint64_t size, struct digest *digest, struct error **err)
{
	struct pack_ahead *ahead = job->options->root ? job->options->root->ahead : NULL;
	cleanup(sum_done) struct sum sum = {0};

	if (!digest && !pack_ahead_is_on(ahead))
		return fd_copy(from, to, /* copied */ NULL, err);
	int rc = digest ? sum_begin(&sum, job, size, err) : 0;
	if (rc < 0)
		return rc;
	if (size >= CLONE_SIZE_MIN && fd_clone(from, to, &size)) {
		/* What is there now, whatever becomes of the source. */
		if (lseek(to, 0, SEEK_SET) < 0)
			return error_set_errno(err, "read what was copied");
		from = to;
		to = -1;
	}
	rc = pass_on(job, from, to, &sum, ahead, err);
	return rc < 0 ? rc : sum_end(&sum, digest, err);
}
