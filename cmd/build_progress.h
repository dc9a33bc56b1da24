/*
 * How a build speaks while it runs, on standard error: lines for people, or one JSON object per line. --logfile puts
 *all of it into a file.
 *
 *	{"event":"step","text":"STEP 1/2: FROM busybox","time":"2026-11-22T10:33:06.25Z"}
 *	{"event":"output","text":"hello","time":"2026-11-22T10:33:06.31Z"}
 *
 * "step" is what the builder says, "output" a line of what steps print (and of warnings), whole, whatever its length.
 *
 * Steps print to descriptor 2 by themselves. For JSON a child of ours sits behind it and wraps what comes; what the
 * builder says takes the same way, so that the order stays, marked by a word that no step can know.
 */
#ifndef COOPER_CMD_BUILD_PROGRESS_H
#define COOPER_CMD_BUILD_PROGRESS_H

#include "cmd/build_flags.h"

struct build_progress_state {
	int stderr_before; /* -1: it was not replaced */
	pid_t relay;	   /* 0: none */
	char mark[33];
};

/* Sets options->progress, and replaces descriptor 2 where that is needed until build_progress_end(). */
int build_progress_begin(struct build_progress_state *state, enum build_progress progress, const char *logfile,
			 struct build_options *options, struct error **err);
void build_progress_end(struct build_progress_state *state);
CLEANUP_FOR_VALUE(struct build_progress_state, build_progress_end)

#endif
