/*
 * What is known of the records of ownership (imagefmt/vouch.h) in a container's root from before its steps: its layers,
 * and containers/<id>/records, the notes of what `copy` and `add` have recorded.
 */
#ifndef COOPER_BUILDER_RECORDS_H
#define COOPER_BUILDER_RECORDS_H

#include "base/ownertable.h"
#include "builder/container.h"
#include "imagefmt/vouch.h"

struct rootfs;

struct records {
	struct vouchers vouchers; /* points to `lowers` */
	int *lowers;		  /* the container's layers, topmost first */
	size_t lower_count;
	int notes;
	struct owner_table owners; /* of what cannot carry a record: the layers' and the container's own */
	bool trusted; /* one id is mapped: steps have no other way to say an owner, and every record counts */
};
#define RECORDS_INIT                                    \
	{                                               \
		.notes = -1, .vouchers = {.notes = -1 } \
	}

int records_open(struct workshop *w, const struct container *c, struct records *records, struct error **err);
void records_done(struct records *records);
CLEANUP_FOR_VALUE(struct records, records_done)
/* That none of the container's layers says anything of the root directory (imagefmt/layerroot.h). */
bool records_root_is_unsaid(struct workshop *w, const struct container *c);
/* NULL where every record counts. */
const struct vouchers *records_vouchers(const struct records *records);

/* The records alone. Where ids are mapped only the container's own: those of layers are of devices, and in their trees.
 */
int records_load_owners(struct workshop *w, const struct container *c, struct owner_table *owners, struct error **err);
/* Those of an image's layers, for what is seen in its root: `rootfs` is rootfs_open_image()'s; NULL: its layers. */
int records_load_image(struct workshop *w, const struct image *image, const struct rootfs *rootfs,
		       struct owner_table *owners, struct error **err);
/* Puts what has changed beside the container's upper directory. */
int records_save_owners(struct workshop *w, const struct container *c, struct owner_table *owners, struct error **err);
/* For a tree that was copied from others (topmost first): the records that `owners` has of things in them, under the
 * copies' own keys. `translated` may be `owners`. */
int records_translate(const int *from, size_t count, struct owner_table *owners, int to, struct owner_table *translated,
		      struct error **err);
/* Where a container's root is a copy (rootcopy.h): those of dir/copy, for what has just been put into dir/upper. */
int records_follow_copy(int dir, struct owner_table *owners, struct error **err);

/* Takes a note; `path` is inside `root`, the container's. It may lead through links, but its last name is meant as it
 * is. */
int records_note(struct workshop *w, const struct container *c, int root, const char *path,
		 const struct owner_record *record, struct error **err);
/* For `path` as another name of the file at `existing`: a record that is known there is known here. */
int records_note_link(struct workshop *w, const struct container *c, int root, const char *path, const char *existing,
		      struct error **err);

#endif
