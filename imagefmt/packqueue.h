/*
 * Pieces of a tar on their way from who finds what is in a tree to who reads it: a piece is bytes (headers), and behind
 * them perhaps the contents of an open file. Opening, stat(2) and attributes of small files cost as much as reading
 * them; a layer with many is packed in half the time when two threads share that.
 *
 *	caller  walks, opens, asks  ---- pieces ---->  one thread: reads, closes, fills the pipeline
 *
 * The thread starts behind the first PACK_QUEUE_ALONE files; before, and on a machine with one processor, the caller
 * does both. Pieces are written in their order. Bounded: 128 pieces, and as many open files.
 */
#ifndef COOPER_IMAGEFMT_PACKQUEUE_H
#define COOPER_IMAGEFMT_PACKQUEUE_H

#include "base/buf.h"
#include "base/error.h"
#include "imagefmt/handover.h"
#include "imagefmt/pipeline.h"

/* Reading so few costs no more than starting a thread. */
#define PACK_QUEUE_ALONE 64

/* What is waited for has failed: pack_queue_finish() or pipeline_finish() has the error. */
#define PACK_QUEUE_BROKEN HANDOVER_BROKEN

struct pack_queue;

/* The pipeline is borrowed, and nobody else's until pack_queue_finish(). */
void pack_queue_new(struct pipeline *pipeline, struct pack_queue **queue);
/* Where the next bytes are to be appended, until the next call. */
struct buf *pack_queue_bytes(struct pack_queue *queue);
/* They are all there. 0 or PACK_QUEUE_BROKEN. */
int pack_queue_put(struct pack_queue *queue);
/* So they are, and behind them come the `size` bytes that the file has, padded as tar wants it. Takes `fd`, which
 * stands at its start; the file is -EIO, by the name of `path`, when it has another size. */
int pack_queue_put_file(struct pack_queue *queue, int fd, uint64_t size, const char *path);
/* Waits until all is in the pipeline: 0, the failure of a file, or PACK_QUEUE_BROKEN for one of the pipeline. */
int pack_queue_finish(struct pack_queue *queue, struct error **err);
/* Without pack_queue_finish() before it, ends the thread. */
void pack_queue_free(struct pack_queue *queue);
CLEANUP_FOR(struct pack_queue, pack_queue_free)

#endif
