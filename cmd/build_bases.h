/*
 * What is known of a Dockerfile's base images before anything is built: those that the store has.
 */
#ifndef COOPER_CMD_BUILD_BASES_H
#define COOPER_CMD_BUILD_BASES_H

#include "cmd/build_flags.h"
#include "dockerfile/lint.h"
#include "imagefmt/images.h"

struct build_bases {
	struct image *images;	 /* of each stage of the file; zero where it is unknown */
	struct lint_base *known; /* of each stage of the file */
	char **names;		 /* as FROM has them, expanded, where an image is known; else NULL */
	char **wanted;		 /* the platform that is built for, where the image has another; else NULL */
	size_t count;
};

void build_bases_done(struct build_bases *bases);
CLEANUP_FOR_VALUE(struct build_bases, build_bases_done)
/* Never asks a registry, and never fails: what is wrong with a FROM, the build will say. */
void build_bases_find(struct workshop *w, const struct build_request *request, const struct dockerfile *file,
		      struct build_bases *bases);
/* Appends InvalidBaseImagePlatform for each base of another platform. */
void build_bases_check(const struct build_bases *bases, const struct dockerfile *file, const struct lint_config *config,
		       struct findings *findings);

#endif
