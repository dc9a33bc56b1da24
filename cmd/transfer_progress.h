/*
 * Blobs on their way to or from a registry, for commands that do little else: on a terminal a bar with a rate for each,
 * below what is said meanwhile, as in a build. Into a pipe or a file nothing changes: there are lines.
 *
 *	cleanup(build_progress_end) struct build_progress_state progress = {.stderr_before = -1};
 *	rc = transfer_progress_begin(&progress, options->quiet, &registry, NULL, err);
 *	…
 *	build_progress_end(&progress);		// before anything is printed on standard output
 */
#ifndef COOPER_CMD_TRANSFER_PROGRESS_H
#define COOPER_CMD_TRANSFER_PROGRESS_H

#include "cmd/build_progress.h"
#include "registry/client.h"

/* `one`, and `other` (NULL), are told from now on where to tell of transfers; `state` must outlive what they are used
 * for. Questions to the user come before. */
int transfer_progress_begin(struct build_progress_state *state, bool quiet, struct registry_options *one,
			    struct registry_options *other, struct error **err);

#endif
