/*
 * A ring of pieces between two threads (handover.h). Who reads the tar hands on what there is, too, when he has to wait
 * for more of it.
 */
#include "imagefmt/extract_internal.h"

#include <errno.h>
#include <stdlib.h>

#include "base/fd.h"

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
	uint64_t end; /* the thread's: where the last written byte of the file at hand ends */
	struct handover handover;
};

static handover_work do_job;

void extract_queue_new(struct extractor *x, const struct piece_keeper *keeper, struct extract_queue **queue)
{
	struct extract_queue *q = mem_alloc(sizeof(*q));

	q->x = x;
	q->keeper = *keeper;
	handover_init(&q->handover, JOBS, BATCH, do_job, q);
	for (size_t i = 0; i < JOBS; i++)
		buf_init(&q->jobs[i].path, TAR_PATH_MAX);
	*queue = q;
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

static int do_job(void *context, size_t place, struct error **err)
{
	struct extract_queue *q = context;
	struct job *job = &q->jobs[place];
	int rc = job->piece.size > 0 ? extract_write_piece(job->fd, &job->piece, &q->end, err) : 0;

	if (rc == 0 && job->is_last) {
		rc = extract_end_file(q->x, job->fd, q->end, &job->entry, err);
		q->end = 0;
	}
	let_go(q, job);
	return rc < 0 ? error_prefix(err, "'%s'", job->entry.path) : 0;
}

/* ---- who reads the tar ---- */

int extract_queue_put(struct extract_queue *q, int fd, const struct tar_entry *entry, const struct tar_piece *piece,
		      bool is_last)
{
	struct job *job = &q->jobs[handover_place(&q->handover)];

	buf_clear(&job->path);
	buf_append_str(&job->path, entry->path);
	job->entry = *entry;
	job->entry.path = buf_str(&job->path);
	job->entry.link = NULL;
	job->fd = fd;
	job->is_last = is_last;
	job->piece = piece != NULL ? *piece : (struct tar_piece){0};
	job->kept = piece != NULL ? q->keeper.keep(q->keeper.context) : NULL;
	if (!q->handover.has_thread && handover_start(&q->handover) < 0)
		return EXTRACT_QUEUE_BROKEN;
	return handover_put(&q->handover);
}

void extract_queue_flush(struct extract_queue *q)
{
	/* Nothing is waited for, and a failure will be noticed in time. */
	if (q->handover.has_thread && handover_flush(&q->handover, JOBS) < 0)
		return;
}

void extract_queue_end(struct extract_queue *q)
{
	handover_end(&q->handover);
	for (size_t i = 0; i < JOBS; i++) /* after a failure: what nobody has written */
		let_go(q, &q->jobs[i]);
}

int extract_queue_finish(struct extract_queue *q, struct error **err)
{
	extract_queue_end(q);
	return handover_finish(&q->handover, err);
}

void extract_queue_free(struct extract_queue *q)
{
	if (q == NULL)
		return;
	handover_fail(&q->handover, -ECANCELED, NULL);
	extract_queue_end(q);
	handover_done(&q->handover);
	for (size_t i = 0; i < JOBS; i++)
		buf_done(&q->jobs[i].path);
	free(q);
}
