/*
 * From plain bytes to a packed stream: digest or CRC of the plain bytes, compression in parallel, packed bytes in order.
 *
 *	caller   fills blocks ----> ring ----> hash		(one thread, where a digest is wanted)
 *				       ----> compress	(as many as there are processors, up to eight, and memory)
 *				       ----> sink		(one thread, in order)
 *
 * The threads start when the fourth block is full; before, and on a machine with one processor, the caller does it all.
 *
 * A CRC costs next to nothing: gzip's is there anyhow, any other the caller counts while he has the block at hand.
 */
#ifndef COOPER_IMAGEFMT_PIPELINE_H
#define COOPER_IMAGEFMT_PIPELINE_H

#include "base/error.h"
#include "imagefmt/codec.h"
#include "imagefmt/digest.h"
#include "imagefmt/stream.h"

#include <stdbool.h>
#include <stdint.h>

struct pipeline;

/* What is to be known of the plain bytes at the end. */
enum pipeline_sums {
	PIPELINE_DIGEST,
	/* The CRC too, where there is one: when less than a block comes, loading a library for it takes longer than
	 * hashing it once more. */
	PIPELINE_DIGEST_AND_CRC,
	/* Only for what is packed. The digest, where no library gives a CRC. */
	PIPELINE_CRC,
};

struct pipeline_options {
	enum pipeline_sums sums;
	stream_sink *plain_sink; /* plain bytes, called from the thread that fills; NULL when nobody wants them */
	void *plain_context;
	const struct codec_recipe *recipe; /* NULL when only the digest is wanted */
	stream_sink *sink;		   /* packed bytes, called from one thread at a time; NULL without a recipe */
	void *context;
};

int pipeline_new(const struct pipeline_options *options, struct pipeline **pipeline, struct error **err);
/* Room for at least one byte; *size says how much. NULL when a thread has failed: pipeline_finish() tells. */
char *pipeline_room(struct pipeline *pipeline, size_t *size);
/* `size` bytes of the room have been filled. */
void pipeline_filled(struct pipeline *pipeline, size_t size);
/* Both of the above, for bytes in hand; false when a thread has failed. */
bool pipeline_write(struct pipeline *pipeline, const void *data, size_t size);
/* Waits for all threads. *digest and *size are of the plain bytes; with a CRC only the digest is null. */
int pipeline_finish(struct pipeline *pipeline, struct digest *digest, uint64_t *size, struct error **err);
/* The CRC-32 (checksum.h) of the plain bytes, after pipeline_finish(); false when it is not known. */
bool pipeline_crc(const struct pipeline *pipeline, uint32_t *crc);
/* Without pipeline_finish() before it, stops the threads. */
void pipeline_free(struct pipeline *pipeline);
CLEANUP_FOR(struct pipeline, pipeline_free)

#endif
