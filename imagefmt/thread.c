/* What the ring and the queue start their threads with. */
#include "imagefmt/thread.h"

#include <signal.h>
#include <string.h>

int thread_start(pthread_t *thread, void *(*run)(void *context), void *context, struct error **err)
{
	sigset_t all;
	sigset_t before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int code = pthread_create(thread, NULL, run, context);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return code != 0 ? error_set(err, code, "start a thread: %s", strerror(code)) : 0;
}
