/*
 * A ring of pieces between two threads. Handing over each by itself would wake the other side for every file: both
 * sides do it by the dozen, and the walk at the latest when it has to wait.
 */
#include "imagefmt/packqueue.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/process.h"
#include "imagefmt/tar.h"
#include "imagefmt/thread.h"

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
	uint64_t filled; /* the walk's own: pieces so far */
	uint64_t files;
	bool alone; /* for good: there is one processor */

	pthread_t thread;
	bool has_thread;
	pthread_mutex_t lock; /* of all that follows */
	pthread_cond_t changed;
	uint64_t published;
	uint64_t written;
	bool ended;
	int code; /* the first failure, negative */
	struct error *error;
};

void pack_queue_new(struct pipeline *pipeline, struct pack_queue **queue)
{
	struct pack_queue *q = mem_alloc(sizeof(*q));

	q->pipeline = pipeline;
	q->alone = process_processors() < 2;
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->changed, NULL);
	for (size_t i = 0; i < PIECES; i++) {
		q->pieces[i].fd = -1;
		buf_init(&q->pieces[i].bytes, BYTES_MAX);
		buf_init(&q->pieces[i].path, BYTES_MAX);
	}
	*queue = q;
}

static void fail(struct pack_queue *q, int code, struct error *error)
{
	pthread_mutex_lock(&q->lock);
	if (q->code == 0) {
		q->code = code;
		q->error = take_ptr(&error);
	}
	pthread_cond_broadcast(&q->changed);
	pthread_mutex_unlock(&q->lock);
	error_free(error);
}

static void join(struct pack_queue *q)
{
	if (!q->has_thread)
		return;
	pthread_mutex_lock(&q->lock);
	q->ended = true;
	q->published = q->filled;
	pthread_cond_broadcast(&q->changed);
	pthread_mutex_unlock(&q->lock);
	pthread_join(q->thread, NULL);
	q->has_thread = false;
}

void pack_queue_free(struct pack_queue *q)
{
	if (q == NULL)
		return;
	fail(q, -ECANCELED, NULL);
	join(q);
	for (size_t i = 0; i < PIECES; i++) {
		fd_close(q->pieces[i].fd);
		buf_done(&q->pieces[i].bytes);
		buf_done(&q->pieces[i].path);
	}
	error_free(q->error);
	pthread_cond_destroy(&q->changed);
	pthread_mutex_destroy(&q->lock);
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

static int write_piece(struct pack_queue *q, struct piece *piece)
{
	struct error *error = NULL;
	int rc = put(q, piece->bytes.data, piece->bytes.len);

	if (rc == 0 && piece->fd >= 0)
		rc = write_contents(q, piece, &error);
	fd_close(take_fd(&piece->fd));
	if (piece->bytes.cap > BYTES_LARGE)
		buf_done(&piece->bytes);
	else
		buf_clear(&piece->bytes);
	if (rc < 0)
		fail(q, rc, error);
	return rc < 0 ? PACK_QUEUE_BROKEN : 0;
}

/* Says how far it has got and waits for more; up to where there is more, `written` when there is none. */
static uint64_t wait_for_pieces(struct pack_queue *q, uint64_t written)
{
	pthread_mutex_lock(&q->lock);
	q->written = written;
	pthread_cond_broadcast(&q->changed);
	while (q->published == written && !q->ended && q->code == 0)
		pthread_cond_wait(&q->changed, &q->lock);
	uint64_t until = q->code == 0 ? q->published : written;
	pthread_mutex_unlock(&q->lock);
	return until - written < BATCH ? until : written + BATCH;
}

static void *run(void *context)
{
	struct pack_queue *q = context;
	uint64_t written = 0;
	uint64_t until;
	int rc = 0;

	while (rc == 0 && (until = wait_for_pieces(q, written)) > written) {
		while (rc == 0 && written < until)
			rc = write_piece(q, &q->pieces[written++ % PIECES]);
	}
	return NULL;
}

/* ---- the walk's side ---- */

/* What was put is given to the thread, and at most `left` pieces stay there. */
static int hand_over(struct pack_queue *q, uint64_t left)
{
	pthread_mutex_lock(&q->lock);
	q->published = q->filled;
	pthread_cond_broadcast(&q->changed);
	while (q->filled - q->written > left && q->code == 0)
		pthread_cond_wait(&q->changed, &q->lock);
	int code = q->code;
	pthread_mutex_unlock(&q->lock);
	return code < 0 ? PACK_QUEUE_BROKEN : 0;
}

struct buf *pack_queue_bytes(struct pack_queue *q)
{
	return &q->pieces[q->filled % PIECES].bytes;
}

static int start_thread(struct pack_queue *q)
{
	struct error *error = NULL;

	/* Nothing is left to write: the thread begins with the next piece, which is the first of the ring. */
	q->filled = 0;
	int rc = thread_start(&q->thread, run, q, &error);
	q->has_thread = rc == 0;
	if (rc < 0)
		fail(q, rc, error);
	return rc < 0 ? PACK_QUEUE_BROKEN : 0;
}

/* The piece at hand is whole. */
static int put_piece(struct pack_queue *q)
{
	struct piece *piece = &q->pieces[q->filled % PIECES];
	bool is_large = piece->bytes.len > BYTES_LARGE;

	if (!q->has_thread) {
		int rc = write_piece(q, piece);
		return rc == 0 && !q->alone && q->files >= PACK_QUEUE_ALONE ? start_thread(q) : rc;
	}
	q->filled++;
	if (is_large)
		return hand_over(q, 0);
	/* The walk goes on filling while the rest of the ring is read. */
	return q->filled % BATCH == 0 ? hand_over(q, PIECES - BATCH) : 0;
}

int pack_queue_put(struct pack_queue *q)
{
	return q->pieces[q->filled % PIECES].bytes.len < BYTES_ENOUGH ? 0 : put_piece(q);
}

int pack_queue_put_file(struct pack_queue *q, int fd, uint64_t size, const char *path)
{
	struct piece *piece = &q->pieces[q->filled % PIECES];

	piece->fd = fd;
	piece->size = size;
	buf_clear(&piece->path);
	buf_append_str(&piece->path, path);
	q->files++;
	return put_piece(q);
}

int pack_queue_finish(struct pack_queue *q, struct error **err)
{
	struct piece *last = &q->pieces[q->filled % PIECES];

	if (q->has_thread)
		q->filled++; /* join() hands it over, empty as it may be */
	else if (q->code == 0)
		write_piece(q, last);
	join(q);
	if (q->code < 0 && err != NULL)
		*err = take_ptr(&q->error);
	return q->code;
}
