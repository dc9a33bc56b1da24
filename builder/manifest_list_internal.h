/*
 * What manifest_list.c (lists and their changes) and manifest_list_add.c (images on their way into one) share.
 */
#ifndef COOPER_BUILDER_MANIFEST_LIST_INTERNAL_H
#define COOPER_BUILDER_MANIFEST_LIST_INTERNAL_H

#include "builder/manifest_list.h"

typedef int list_edit(struct image_index *index, void *context, struct error **err);
/* Changes the list that the user calls `list`; `origins` (may be NULL) are those of what is new in it. */
int list_change(struct workshop *w, const char *list, list_edit *edit, void *context, const struct strlist *origins,
		struct image_entry *entry, struct error **err);

/* Makes the list, or amends the one that is there, and puts `images` into it; origins (may be NULL) are theirs. */
int list_create(struct workshop *w, const char *name, enum manifest_list_create_mode mode,
		const struct strlist *annotations, const struct image_index *images, const struct strlist *origins,
		struct image_entry *entry, struct error **err);
/* Whether list_create() could take the name now: 0, or its failure. */
int list_check_name(struct workshop *w, const char *name, enum manifest_list_create_mode mode, struct error **err);
/* Adds the entries of `images` to the index. */
int list_put_all(struct image_index *index, const struct image_index *images, struct error **err);

/* Remembers that the layers of an image are in the repository "domain/path". */
void list_origin_set(struct strlist *origins, const struct digest *image, const char *repository);
/* "K=V", in a sorted list. */
void list_annotation_set(struct strlist *annotations, const char *pair);
void list_entry_change(struct descriptor *entry, const struct list_entry_changes *changes);

#endif
