/*
 * For which platforms a Dockerfile can be built: those that all its base images exist for.
 */
#ifndef COOPER_BUILDER_BUILD_PLATFORMS_H
#define COOPER_BUILDER_BUILD_PLATFORMS_H

#include "builder/build.h"

/* Looks at what FROM names, up to the target: at lists where they are (store or registry), nothing is fetched. Stages
 * with a --platform of their own do not count, nor what is FROM scratch or another stage. *platforms is newly
 * allocated, in the order of the first image's list. -EINVAL when no stage counts, -ENOENT when the images have no
 * platform in common. */
int build_platforms_find(struct workshop *w, const struct build_options *options, struct platform **platforms,
			 size_t *count, struct error **err);

#endif
