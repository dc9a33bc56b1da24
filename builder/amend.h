/*
 * An image with other words around the same layers: what `build --env`, `--unsetlabel` and the like change after the
 * last instruction.
 */
#ifndef COOPER_BUILDER_AMEND_H
#define COOPER_BUILDER_AMEND_H

#include "builder/workshop.h"
#include "imagefmt/images.h"

/* Lists may be NULL. */
struct image_changes {
	const struct strlist *env; /* "K=V"; "K" takes the value of our environment */
	const struct strlist *unset_env, *unset_labels, *unset_annotations;
	bool created_annotation; /* org.opencontainers.image.created */
	bool identity_label;	 /* io.cooper.version */
	bool omit_history;
};

bool image_changes_are_none(const struct image_changes *changes);
/* Replaces *image by the changed one, which is in the store then under `names` (full; may be empty). The image that it
 * was before stays only if it has a name. */
int image_amend(struct workshop *w, const struct image_changes *changes, const struct strlist *names,
		struct image *image, struct error **err);

#endif
