/*
 * Both sides keep a count of their own, and share it when they have to: the one lock is taken once for a batch.
 */
#include "imagefmt/handover.h"

#include <errno.h>

#include "base/mem.h"
#include "imagefmt/thread.h"

void handover_init(struct handover *h, uint64_t size, uint64_t batch, handover_work *work, void *context)
{
	*h = (struct handover){.size = size, .batch = batch, .work = work, .context = context};
	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->changed, NULL);
}

void handover_fail(struct handover *h, int code, struct error *error)
{
	pthread_mutex_lock(&h->lock);
	if (h->code == 0) {
		h->code = code;
		h->error = take_ptr(&error);
	}
	pthread_cond_broadcast(&h->changed);
	pthread_mutex_unlock(&h->lock);
	error_free(error);
}

/* ---- the thread ---- */

/* Says how far it has got and waits for more; up to where there is more, `done` when there is none. */
static uint64_t wait_for_jobs(struct handover *h, uint64_t done)
{
	pthread_mutex_lock(&h->lock);
	h->done = done;
	pthread_cond_broadcast(&h->changed);
	while (h->published == done && !h->ended && h->code == 0)
		pthread_cond_wait(&h->changed, &h->lock);
	uint64_t until = h->code == 0 ? h->published : done;
	pthread_mutex_unlock(&h->lock);
	return until - done < h->batch ? until : done + h->batch;
}

static int do_job(struct handover *h, uint64_t number)
{
	struct error *error = NULL;
	int rc = h->work(h->context, (size_t)(number % h->size), &error);

	if (rc < 0)
		handover_fail(h, rc, error);
	return rc;
}

static void *run(void *context)
{
	struct handover *h = context;
	uint64_t done = 0;
	uint64_t until;
	int rc = 0;

	while (rc >= 0 && (until = wait_for_jobs(h, done)) > done) {
		while (rc >= 0 && done < until)
			rc = do_job(h, done++);
	}
	return NULL;
}

/* ---- who fills ---- */

int handover_start(struct handover *h)
{
	struct error *error = NULL;
	int rc = thread_start(&h->thread, run, h, &error);

	h->has_thread = rc == 0;
	if (rc < 0)
		handover_fail(h, rc, error);
	return rc < 0 ? HANDOVER_BROKEN : 0;
}

size_t handover_place(const struct handover *h)
{
	return (size_t)(h->filled % h->size);
}

int handover_flush(struct handover *h, uint64_t left)
{
	pthread_mutex_lock(&h->lock);
	if (h->published != h->filled) {
		h->published = h->filled;
		pthread_cond_broadcast(&h->changed);
	}
	while (h->filled - h->done > left && h->code == 0)
		pthread_cond_wait(&h->changed, &h->lock);
	int code = h->code;
	pthread_mutex_unlock(&h->lock);
	return code < 0 ? HANDOVER_BROKEN : 0;
}

int handover_put(struct handover *h)
{
	h->filled++;
	/* Who fills goes on while the rest of the ring is done. */
	return h->filled % h->batch == 0 ? handover_flush(h, h->size - h->batch) : 0;
}

void handover_end(struct handover *h)
{
	if (!h->has_thread)
		return;
	pthread_mutex_lock(&h->lock);
	h->ended = true;
	h->published = h->filled;
	pthread_cond_broadcast(&h->changed);
	pthread_mutex_unlock(&h->lock);
	pthread_join(h->thread, NULL);
	h->has_thread = false;
}

int handover_finish(struct handover *h, struct error **err)
{
	handover_end(h);
	if (h->code < 0 && err != NULL)
		*err = take_ptr(&h->error);
	return h->code;
}

void handover_done(struct handover *h)
{
	handover_fail(h, -ECANCELED, NULL);
	handover_end(h);
	error_free(h->error);
	pthread_cond_destroy(&h->changed);
	pthread_mutex_destroy(&h->lock);
}
