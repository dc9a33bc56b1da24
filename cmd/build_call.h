/*
 * `cooper build --call`: what a Dockerfile holds, on stdout, for people or as BuildKit's JSON. Nothing is built.
 */
#ifndef COOPER_CMD_BUILD_CALL_H
#define COOPER_CMD_BUILD_CALL_H

#include "cmd/build_flags.h"

/* The exit status: 1 when a check has found something, else 0. -ENOENT for an unknown target. */
int build_call(struct workshop *w, const struct build_request *request, const struct dockerfile *file,
	       const struct build_context *context, struct error **err);

/* The checks that go with a build. *count is how many findings there are; -EINVAL, with the findings in the error, when
 * the file says that they are errors. */
int build_lint(struct workshop *w, const struct build_request *request, const struct dockerfile *file,
	       const struct build_context *context, size_t *count, struct error **err);

#endif
