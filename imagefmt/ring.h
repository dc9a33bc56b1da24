/*
 * A bounded ring of blocks between threads of one function. One producer fills them in order; several kinds of
 * consumers see every block once, in order. A kind may have several threads, which then share the blocks among them. A
 * block is filled again when every kind has released it.
 *
 * The first failure of anybody breaks the ring: all who wait come back empty-handed, and ring_join() gives the error.
 */
#ifndef COOPER_IMAGEFMT_RING_H
#define COOPER_IMAGEFMT_RING_H

#include "base/buf.h"
#include "base/error.h"
#include "imagefmt/codec.h"

#include <stdbool.h>
#include <stdint.h>

#define RING_BLOCKS 12 /* at most */
#define RING_KINDS_MAX 3

struct ring_block {
	char *data; /* room for the ring's block size; the bytes before it are the end of the block before */
	size_t size;
	size_t dict_size;  /* of those: at most what the ring was made for, 0 in the first block */
	struct buf packed; /* what a packing thread made of it */
	uint32_t crc;
	bool is_packed;
	unsigned users; /* kinds that have not released it */
};

struct ring;

struct ring_options {
	unsigned kinds;	   /* of consumers, numbered from 0 */
	size_t block_size; /* the ring takes `blocks` times that, once so much has gone through it */
	unsigned blocks;   /* 0: RING_BLOCKS */
	size_t dict_size;  /* of the block before, that each block begins with; 0: none */
};
void ring_new(const struct ring_options *options, struct ring **ring);
/* Ends and joins all threads. */
void ring_free(struct ring *ring);
CLEANUP_FOR(struct ring, ring_free)

/* The producer: the next block to fill, waiting until it is free; NULL when the ring is broken. */
struct ring_block *ring_begin(struct ring *ring);
/* Hands the block over as it is. */
void ring_publish(struct ring *ring, struct ring_block *block);
/* No block will follow. */
void ring_end(struct ring *ring);
/* Blocks published and not released by every kind. */
size_t ring_fill(struct ring *ring);

/* A consumer: the next block for its kind, NULL at the end or when the ring is broken. */
struct ring_block *ring_take(struct ring *ring, unsigned kind);
/* Who has taken a block may have it released once more, by whomever. */
void ring_keep(struct ring *ring, struct ring_block *block);
void ring_release(struct ring *ring, struct ring_block *block);
/* Says that block->packed is there, and waits for that (false when the ring is broken). */
void ring_set_packed(struct ring *ring, struct ring_block *block);
bool ring_wait_packed(struct ring *ring, struct ring_block *block);

/* Takes the error (may be NULL); `code` is its negative errno. Later ones are dropped. */
void ring_break(struct ring *ring, int code, struct error *error);

bool ring_is_broken(struct ring *ring);

/* Starts a thread with all signals blocked. It returns when its work is done or the ring is broken. */
int ring_start(struct ring *ring, void (*run)(void *context), void *context, struct error **err);
/* Waits for all threads; 0, or the first failure. */
int ring_join(struct ring *ring, struct error **err);

#endif
