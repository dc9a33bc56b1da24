/*
 * The cache of steps for scripts: `cooper run --cache`, `cooper copy --cache`, `cooper add --cache`.
 *
 * A step of a working container has a key as one of a Dockerfile has: the layers that the container stands on, the
 * command or the copy, and the contents of what it reads; never times, paths of the machine or secrets. When its result
 * is in the store (cache/steps/<key>), the layer is taken and nothing is run. Otherwise the step is made, and if it
 * succeeds what it has changed becomes a layer of the container and is remembered. So each such step is a layer of the
 * image that is committed later, as in a build.
 *
 * What was changed in the container without --cache (run, copy, mount) becomes a layer first: it is part of the state
 * by what it contains, times included.
 *
 * The caller holds the container. It need not be inside: the user namespace is entered when there is something to do or
 * to read there, which a command whose result is known has not. *cached says whether the result was taken.
 */
#ifndef COOPER_BUILDER_SCRIPT_CACHE_H
#define COOPER_BUILDER_SCRIPT_CACHE_H

#include "builder/copy.h"
#include "builder/step.h"

/* The command reads nothing from us: options->stdin_fd must be -1. What writes to the host (a volume that is not read
 * only) is -EINVAL. A taken result counts as a command that has ended with 0. */
int script_run(struct workshop *w, struct container *c, const struct step_options *options, struct run_result *result,
	       bool *cached, struct error **err);
/* As copy_into_container(). A source from elsewhere is only cached with a checksum, and a warning says so. */
int script_copy(struct workshop *w, struct container *c, const struct strlist *sources, const char *destination,
		const struct copy_options *options, struct copy_result *result, bool *cached, struct error **err);

/* What the image's history says of such steps, newly allocated, in Buildah's form: the words of the command behind
 * "/bin/sh -c ", unless they begin with it; and "/bin/sh -c #(nop) COPY dir:9f86… in /app". */
MUST_CHECK char *script_run_text(const struct strlist *argv);
MUST_CHECK char *script_copy_text(bool add, const struct copy_result *copied, const char *destination);

#endif
