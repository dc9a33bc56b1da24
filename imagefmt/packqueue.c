/*
 * A ring of pieces between two threads (handover.h).
 */
#include "imagefmt/packqueue.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/processors.h"
#include "imagefmt/handover.h"
#include "imagefmt/tar.h"

#define PIECES ((uint64_t)128)
#define BATCH ((uint64_t)32)
/* A piece of headers alone is handed on when it is as large. */
#define BYTES_ENOUGH ((size_t)32 << 10)
/* Such a piece (one with large attributes) is waited for, so that no second one is in memory. */
#define BYTES_LARGE ((size_t)128 << 10)
#define BYTES_MAX ((size_t)128 << 20)

struct piece {
	struct buf bytes;
	int fd; /* -1: none */
	uint64_t size;
	struct buf path; /* for the error; of a file only */
};

struct pack_queue {
	struct pipeline *pipeline; /* the thread's, while there is one */
	struct piece pieces[PIECES];
	struct handover handover;
	uint64_t files;
	bool alone; /* for good: there is one processor */
};

static handover_work write_piece;

void pack_queue_new(struct pipeline *pipeline, struct pack_queue **queue)
{
	struct pack_queue *q = mem_alloc(sizeof(*q));

	q->pipeline = pipeline;
	q->alone = process_processors() < 2;
	handover_init(&q->handover, PIECES, BATCH, write_piece, q);
	for (size_t i = 0; i < PIECES; i++) {
		q->pieces[i].fd = -1;
		buf_init(&q->pieces[i].bytes, BYTES_MAX);
		buf_init(&q->pieces[i].path, BYTES_MAX);
	}
	*queue = q;
}

void pack_queue_free(struct pack_queue *q)
{
	if (q == NULL)
		return;
	handover_done(&q->handover);
	for (size_t i = 0; i < PIECES; i++) {
		fd_close(q->pieces[i].fd);
		buf_done(&q->pieces[i].bytes);
		buf_done(&q->pieces[i].path);
	}
	free(q);
}

/* ---- who reads: the thread, or the caller alone ---- */

static int put(struct pack_queue *q, const void *data, size_t size)
{
	return pipeline_write(q->pipeline, data, size) ? 0 : PACK_QUEUE_BROKEN;
}

/* Where there is room, one byte more than the file should have is asked for: so a file that has grown shows itself
 * without another system call. */
static int write_contents(struct pack_queue *q, const struct piece *piece, struct error **err)
{
	static const char zeros[TAR_BLOCK];
	uint64_t left = piece->size;
	bool saw_end = false;

	while (left > 0 || !saw_end) {
		size_t room_size = 1;
		char spare;
		char *room = left > 0 ? pipeline_room(q->pipeline, &room_size) : &spare;
		if (room == NULL)
			return PACK_QUEUE_BROKEN;
		size_t want = left < room_size ? (size_t)left + 1 : room_size;
		ssize_t n = read(piece->fd, room, want);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_set_errno(err, "read '%s'", buf_str(&piece->path));
		if ((uint64_t)n > left || (n == 0 && left > 0))
			return error_set(err, EIO, "'%s' changed while it was read", buf_str(&piece->path));
		saw_end = (size_t)n < want;
		left -= (uint64_t)n;
		if (n > 0)
			pipeline_filled(q->pipeline, (size_t)n);
	}
	return put(q, zeros, tar_padding(piece->size));
}

static int write_piece(void *context, size_t place, struct error **err)
{
	struct pack_queue *q = context;
	struct piece *piece = &q->pieces[place];
	int rc = put(q, piece->bytes.data, piece->bytes.len);

	if (rc == 0 && piece->fd >= 0)
		rc = write_contents(q, piece, err);
	fd_close(take_fd(&piece->fd));
	if (piece->bytes.cap > BYTES_LARGE)
		buf_done(&piece->bytes);
	else
		buf_clear(&piece->bytes);
	return rc;
}

/* ---- the walk's side ---- */

static struct piece *at_hand(struct pack_queue *q)
{
	return &q->pieces[handover_place(&q->handover)];
}

struct buf *pack_queue_bytes(struct pack_queue *q)
{
	return &at_hand(q)->bytes;
}

static int write_alone(struct pack_queue *q)
{
	struct error *error = NULL;
	int rc = write_piece(q, handover_place(&q->handover), &error);

	if (rc < 0)
		handover_fail(&q->handover, rc, error);
	return rc < 0 ? PACK_QUEUE_BROKEN : 0;
}

/* The piece at hand is whole. */
static int put_piece(struct pack_queue *q)
{
	struct handover *h = &q->handover;
	bool is_large = at_hand(q)->bytes.len > BYTES_LARGE;

	if (!h->has_thread) {
		int rc = write_alone(q);
		return rc == 0 && !q->alone && q->files >= PACK_QUEUE_ALONE ? handover_start(h) : rc;
	}
	int rc = handover_put(h);
	return rc == 0 && is_large ? handover_flush(h, 0) : rc;
}

int pack_queue_put(struct pack_queue *q)
{
	return at_hand(q)->bytes.len < BYTES_ENOUGH ? 0 : put_piece(q);
}

int pack_queue_put_file(struct pack_queue *q, int fd, uint64_t size, const char *path)
{
	struct piece *piece = at_hand(q);

	piece->fd = fd;
	piece->size = size;
	buf_clear(&piece->path);
	buf_append_str(&piece->path, path);
	q->files++;
	return put_piece(q);
}

int pack_queue_finish(struct pack_queue *q, struct error **err)
{
	/* The last piece, empty as it may be. */
	if (q->handover.has_thread)
		handover_put(&q->handover);
	else if (q->handover.code == 0)
		write_alone(q);
	return handover_finish(&q->handover, err);
}
