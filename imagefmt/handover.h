/*
 * Jobs in a ring, filled by one thread and done by another, in their order. Handing over each by itself would wake the
 * other side for every file: both sides do it by the dozen, and who fills at the latest when he has to wait.
 *
 *	who fills:	jobs[handover_place(&h)] = …; handover_put(&h)
 *	the thread:	work(context, place, &error)
 *
 * The jobs lie with the user, `size` of them. A place that was put belongs to the thread until its job is done.
 */
#ifndef COOPER_IMAGEFMT_HANDOVER_H
#define COOPER_IMAGEFMT_HANDOVER_H

#include "base/error.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Something has failed: handover_finish() tells what. */
#define HANDOVER_BROKEN (-EPIPE)

/* In the thread: the job in that place. A failure, with or without an error, is the last thing that the thread does. */
typedef int handover_work(void *context, size_t place, struct error **err);

struct handover {
	uint64_t size, batch; /* jobs in the ring, and how many are handed over together: a part of it */
	handover_work *work;
	void *context;
	uint64_t filled; /* who fills' own: jobs so far */

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

/* `context` is borrowed, and *h must not move from now on. */
void handover_init(struct handover *h, uint64_t size, uint64_t batch, handover_work *work, void *context);
/* 0 or HANDOVER_BROKEN. Nothing may have been put before. */
int handover_start(struct handover *h);

/* Where the next job is to be prepared. */
size_t handover_place(const struct handover *h);
/* It is: it will be done by the thread. May wait for places. 0 or HANDOVER_BROKEN. */
int handover_put(struct handover *h);
/* What was put will be done even if nothing follows; waits until at most `left` jobs are not done. 0 or
 * HANDOVER_BROKEN. */
int handover_flush(struct handover *h, uint64_t left);

/* A failure of either side. The error, which may be NULL, is taken; the first one counts. */
void handover_fail(struct handover *h, int code, struct error *error);
/* All that was put has been done, or something has failed; the thread is gone. */
void handover_end(struct handover *h);
/* Ends it, and gives the first failure; *err is set when it came with an error. */
int handover_finish(struct handover *h, struct error **err);
/* Without handover_finish() before it: what the thread has not begun is not done. */
void handover_done(struct handover *h);

#endif
