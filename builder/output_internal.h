/*
 * Root file systems going out, for output.c.
 */
#ifndef COOPER_BUILDER_OUTPUT_INTERNAL_H
#define COOPER_BUILDER_OUTPUT_INTERNAL_H

#include "builder/output.h"

/* The image's root as a tar, with owners, to `fd`. */
int output_tree_tar(struct workshop *w, const struct image *image, int fd, struct error **err);
/* The image's root as files of the caller's own below the existing directory `directory`, an absolute path. What is
 * there of the same name is replaced; with `delete_others` nothing else stays. */
int output_tree_copy(struct workshop *w, const struct image *image, const char *directory, bool delete_others,
		     struct error **err);

#endif
