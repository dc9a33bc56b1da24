/*
 * SOURCE_DATE_EPOCH as BuildKit's users give it: a build argument, or an ARG in the head of the Dockerfile. It is a
 * number, "context", the name of a --build-context, or of a stage that holds nothing but an ADD from elsewhere: then
 * the time is that of what is there.
 */
#ifndef COOPER_BUILDER_BUILD_EPOCH_H
#define COOPER_BUILDER_BUILD_EPOCH_H

#include "builder/build.h"
#include "builder/build_scope.h"

/* Sets *epoch (seconds) when there is such an argument, and the argument to the number that it stands for, or to
 * nothing when nobody knows it. What the command line or the environment has set in *epoch (-1: nothing) is before an
 * ARG of the file. -EINVAL for what is none of these. */
int build_epoch_resolve(struct workshop *w, const struct build_options *options, struct build_globals *globals,
			int64_t *epoch, struct error **err);

#endif
