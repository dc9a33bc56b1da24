/*
 * What comes out of a build, and where it goes: the list of several platforms' images, --output, --push, --tag with a
 * place, --cache-to, --metadata-file, --iidfile, and the id on standard output.
 */
#ifndef COOPER_CMD_BUILD_FINISH_H
#define COOPER_CMD_BUILD_FINISH_H

#include "builder/build.h"
#include "cmd/build_flags.h"
#include "cmd/build_progress.h"

struct build_outcome {
	struct build_result *results; /* one for each platform; one alone where none was named */
	struct attestations *attestations;
	const struct image **images; /* of the results, once they are all there */
	size_t count;
	int status;		 /* of a RUN that failed */
	bool is_list;		 /* what was asked for is the list of them: */
	struct image_entry list; /* under the names of the build; or the list of --manifest as it is now */
};

/* Room for as many results as are asked for. */
void build_outcome_init(struct build_outcome *outcome, const struct build_request *request);
void build_outcome_done(struct build_outcome *outcome);
CLEANUP_FOR_VALUE(struct build_outcome, build_outcome_done)

/* Once all platforms are built: makes what is stated about them, the list, and puts the images into that of
 * --manifest. */
int build_outcome_list(struct workshop *w, const struct build_request *request, struct build_outcome *outcome,
		       struct error **err);

/* Before all that: whether each registry that the result is to go to would take it. */
int build_check_push(const struct build_request *request, struct error **err);
/* The rest; EXIT_PUSH_FAILED when everything was built and only a push failed. */
int build_finish(struct command_context *context, const struct build_flags *flags, const struct build_request *request,
		 struct build_progress_state *progress, struct build_outcome *outcome, struct error **err);

#endif
