/*
 * How a build speaks while it runs, on standard error: lines, or one of the views of build_view.h. --logfile puts all
 * of it into a file.
 *
 * Steps print to descriptor 2 by themselves. For a view a child of ours sits behind that descriptor; what the builder
 * says takes the same way, so that the order stays, marked by a word that no step can know.
 */
#ifndef COOPER_CMD_BUILD_PROGRESS_H
#define COOPER_CMD_BUILD_PROGRESS_H

#include "cmd/build_flags.h"

struct build_progress_state {
	int stderr_before; /* -1: it was not replaced */
	pid_t relay;	   /* 0: none */
	char mark[33];
};

/* Sets options->progress or options->event, and replaces descriptor 2 where that is needed until build_progress_end().
 */
int build_progress_begin(struct build_progress_state *state, enum build_progress progress, const char *logfile,
			 struct build_options *options, struct error **err);
void build_progress_end(struct build_progress_state *state);
CLEANUP_FOR_VALUE(struct build_progress_state, build_progress_end)

#endif
