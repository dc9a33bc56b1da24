/* Sources and sinks over descriptors and memory. */
#include "imagefmt/stream.h"

#include <errno.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"

/* Stays in a level-two cache beside what is made of it. */
#define BUFFER_SIZE ((size_t)256 << 10)

void stream_fd_init(struct stream_fd *stream, int fd)
{
	*stream = (struct stream_fd){.fd = fd};
}

void stream_fd_done(struct stream_fd *stream)
{
	mem_free_cleanup(&stream->buffer);
	stream->buffer = NULL;
}

static int take(struct stream_fd *stream, ssize_t n, const void **data, size_t *size, struct error **err)
{
	if (n < 0)
		return error_set_errno(err, "read");
	if (n == 0)
		return 0;
	stream->offset += (uint64_t)n;
	*data = stream->buffer;
	*size = (size_t)n;
	return 1;
}

int stream_fd_next(void *context, const void **data, size_t *size, struct error **err)
{
	struct stream_fd *stream = context;
	ssize_t n;

	if (stream->buffer == NULL)
		stream->buffer = mem_grow(NULL, BUFFER_SIZE, 1);
	do
		n = read(stream->fd, stream->buffer, BUFFER_SIZE);
	while (n < 0 && errno == EINTR);
	return take(stream, n, data, size, err);
}

int stream_fd_next_at(struct stream_fd *stream, const void **data, size_t *size, struct error **err)
{
	ssize_t n;

	if (stream->buffer == NULL)
		stream->buffer = mem_grow(NULL, BUFFER_SIZE, 1);
	do
		n = pread(stream->fd, stream->buffer, BUFFER_SIZE, (off_t)stream->offset);
	while (n < 0 && errno == EINTR);
	return take(stream, n, data, size, err);
}

int stream_memory_next(void *context, const void **data, size_t *size, struct error **err)
{
	struct stream_memory *stream = context;

	if (stream->size == 0)
		return 0;
	*data = stream->data;
	*size = stream->size;
	stream->size = 0;
	return 1;
}

int stream_fd_sink(const void *data, size_t size, void *context, struct error **err)
{
	return fd_write_all(*(int *)context, data, size, err);
}
