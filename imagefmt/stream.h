/*
 * Bytes that are handed from room to room without being copied: whoever has them is a source (asked for the next
 * piece), whoever wants them a sink (given consecutive pieces).
 */
#ifndef COOPER_IMAGEFMT_STREAM_H
#define COOPER_IMAGEFMT_STREAM_H

#include "base/error.h"

#include <stdint.h>

/* Gives the next piece: 1 with *data and *size > 0 (borrowed until the next call), 0 at the end, -errno. */
typedef int stream_source(void *context, const void **data, size_t *size, struct error **err);
/* Takes the next piece: 0 or -errno. */
typedef int stream_sink(const void *data, size_t size, void *context, struct error **err);

/* A source that reads a descriptor (borrowed) from its position to the end. */
struct stream_fd {
	int fd;
	char *buffer;	 /* allocated when first read */
	uint64_t offset; /* bytes given so far */
};
void stream_fd_init(struct stream_fd *stream, int fd);
void stream_fd_done(struct stream_fd *stream);
CLEANUP_FOR_VALUE(struct stream_fd, stream_fd_done)
int stream_fd_next(void *stream, const void **data, size_t *size, struct error **err);
/* The same at `offset` of the file, whose own position is somebody else's and stays as it is. */
int stream_fd_next_at(struct stream_fd *stream, const void **data, size_t *size, struct error **err);

/* A source of bytes in hand. */
struct stream_memory {
	const void *data;
	size_t size; /* left to give */
};
int stream_memory_next(void *stream, const void **data, size_t *size, struct error **err);

/* A sink that writes to the descriptor *context (an int). */
int stream_fd_sink(const void *data, size_t size, void *context, struct error **err);

#endif
