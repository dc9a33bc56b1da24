/*
 * A ring of pieces between two threads. Handing over each by itself would wake the other side for every file: both
 * sides do it by the dozen, and who reads the tar at the latest when he has to wait for more of it.
 */
#include "imagefmt/extract_internal.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/fd.h"
#include "imagefmt/thread.h"

/* So many files may be open here. */
#define JOBS ((uint64_t)64)
#define BATCH ((uint64_t)16)

struct job {
	struct tar_entry entry; /* its path is ours, and it has no link and no attributes */
	struct buf path;
	struct tar_piece piece; /* of size 0: none */
	void *kept;		/* the block that it lies in; NULL: none */
	int fd;			/* ours when it is the last piece */
	bool is_last;
};

struct extract_queue {
	struct extractor *x;
	struct piece_keeper keeper;
	struct job jobs[JOBS];
	uint64_t filled; /* the reader's own: jobs so far */

	pthread_t thread;
	bool has_thread;
	pthread_mutex_t lock; /* of all that follows */
	pthread_cond_t changed;
	uint64_t published;
	uint64_t done;
	bool ended;
	int code; /* the first failure, negative */
	struct error *error;
};

void extract_queue_new(struct extractor *x, const struct piece_keeper *keeper, struct extract_queue **queue)
{
	struct extract_queue *q = mem_alloc(sizeof(*q));

	q->x = x;
	q->keeper = *keeper;
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->changed, NULL);
	for (size_t i = 0; i < JOBS; i++)
		buf_init(&q->jobs[i].path, TAR_PATH_MAX);
	*queue = q;
}

static void fail(struct extract_queue *q, int code, struct error *error)
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

/* ---- the thread ---- */

static void let_go(struct extract_queue *q, struct job *job)
{
	if (job->kept != NULL)
		q->keeper.release(q->keeper.context, take_ptr(&job->kept));
	if (job->is_last)
		fd_close(take_fd(&job->fd));
	job->is_last = false;
}

/* *end is of the file that is being written, from one of its pieces to the next. */
static int do_job(struct extract_queue *q, struct job *job, uint64_t *end)
{
	struct error *error = NULL;
	int rc = job->piece.size > 0 ? extract_write_piece(job->fd, &job->piece, end, &error) : 0;

	if (rc == 0 && job->is_last) {
		rc = extract_end_file(q->x, job->fd, *end, &job->entry, &error);
		*end = 0;
	}
	let_go(q, job);
	if (rc < 0) {
		error_prefix(&error, "'%s'", job->entry.path);
		fail(q, rc, error);
	}
	return rc;
}

/* Says how far it has got and waits for more; up to where there is more, `done` when there is none. */
static uint64_t wait_for_jobs(struct extract_queue *q, uint64_t done)
{
	pthread_mutex_lock(&q->lock);
	q->done = done;
	pthread_cond_broadcast(&q->changed);
	while (q->published == done && !q->ended && q->code == 0)
		pthread_cond_wait(&q->changed, &q->lock);
	uint64_t until = q->code == 0 ? q->published : done;
	pthread_mutex_unlock(&q->lock);
	return until - done < BATCH ? until : done + BATCH;
}

static void *run(void *context)
{
	struct extract_queue *q = context;
	uint64_t done = 0;
	uint64_t until;
	uint64_t end = 0;
	int rc = 0;

	while (rc == 0 && (until = wait_for_jobs(q, done)) > done) {
		while (rc == 0 && done < until)
			rc = do_job(q, &q->jobs[done++ % JOBS], &end);
	}
	return NULL;
}

/* ---- who reads the tar ---- */

/* What was put is given to the thread, and at most `left` of it stay in the ring. */
static int hand_over(struct extract_queue *q, uint64_t left)
{
	pthread_mutex_lock(&q->lock);
	if (q->published != q->filled) {
		q->published = q->filled;
		pthread_cond_broadcast(&q->changed);
	}
	while (q->filled - q->done > left && q->code == 0)
		pthread_cond_wait(&q->changed, &q->lock);
	int code = q->code;
	pthread_mutex_unlock(&q->lock);
	return code < 0 ? EXTRACT_QUEUE_BROKEN : 0;
}

static int start_thread(struct extract_queue *q)
{
	struct error *error = NULL;
	int rc = thread_start(&q->thread, run, q, &error);

	q->has_thread = rc == 0;
	if (rc < 0)
		fail(q, rc, error);
	return rc < 0 ? EXTRACT_QUEUE_BROKEN : 0;
}

int extract_queue_put(struct extract_queue *q, int fd, const struct tar_entry *entry, const struct tar_piece *piece,
		      bool is_last)
{
	struct job *job = &q->jobs[q->filled % JOBS];

	buf_clear(&job->path);
	buf_append_str(&job->path, entry->path);
	job->entry = *entry;
	job->entry.path = buf_str(&job->path);
	job->entry.link = NULL;
	job->fd = fd;
	job->is_last = is_last;
	job->piece = piece != NULL ? *piece : (struct tar_piece){0};
	job->kept = piece != NULL ? q->keeper.keep(q->keeper.context) : NULL;
	q->filled++;
	if (!q->has_thread && start_thread(q) < 0)
		return EXTRACT_QUEUE_BROKEN;
	/* The reader goes on filling while the rest of the ring is written. */
	return q->filled % BATCH == 0 ? hand_over(q, JOBS - BATCH) : 0;
}

void extract_queue_flush(struct extract_queue *q)
{
	/* Nothing is waited for, and a failure will be noticed in time. */
	if (q->has_thread && hand_over(q, JOBS) < 0)
		return;
}

void extract_queue_end(struct extract_queue *q)
{
	if (q->has_thread) {
		pthread_mutex_lock(&q->lock);
		q->ended = true;
		q->published = q->filled;
		pthread_cond_broadcast(&q->changed);
		pthread_mutex_unlock(&q->lock);
		pthread_join(q->thread, NULL);
		q->has_thread = false;
	}
	for (size_t i = 0; i < JOBS; i++) /* after a failure: what nobody has written */
		let_go(q, &q->jobs[i]);
}

int extract_queue_finish(struct extract_queue *q, struct error **err)
{
	extract_queue_end(q);
	if (q->code < 0 && err != NULL)
		*err = take_ptr(&q->error);
	return q->code;
}

void extract_queue_free(struct extract_queue *q)
{
	if (q == NULL)
		return;
	fail(q, -ECANCELED, NULL);
	extract_queue_end(q);
	for (size_t i = 0; i < JOBS; i++)
		buf_done(&q->jobs[i].path);
	error_free(q->error);
	pthread_cond_destroy(&q->changed);
	pthread_mutex_destroy(&q->lock);
	free(q);
}
