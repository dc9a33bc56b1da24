/*
 * Threads of the data path: each lives inside one function, which joins it before it returns, and none forks.
 */
#ifndef COOPER_IMAGEFMT_THREAD_H
#define COOPER_IMAGEFMT_THREAD_H

#include "base/error.h"

#include <pthread.h>

/* Starts one with all signals blocked: they belong to the thread that knows what to do with them. To be joined. */
int thread_start(pthread_t *thread, void *(*run)(void *context), void *context, struct error **err);

#endif
