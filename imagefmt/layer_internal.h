/*
 * What layer.c (places and trust), layer_make.c, layer_record.c and layer_blob.c share.
 */
#ifndef COOPER_IMAGEFMT_LAYER_INTERNAL_H
#define COOPER_IMAGEFMT_LAYER_INTERNAL_H

#include "imagefmt/layer.h"

#include <stdbool.h>

/* ---- layer_record.c ---- */
/* Of layers/<name> or any directory that holds a record. -ENOENT. */
int layer_record_load(int dirfd, const char *name, struct layer_record *record, struct error **err);
/* Writes <name>/record below dirfd, whole or not at all. */
int layer_record_save(int dirfd, const char *name, const struct layer_record *record, struct error **err);
/* Adds a copy of the blob, or replaces what is said about it. True when the record changed. */
bool layer_record_add_blob(struct layer_record *record, const struct layer_blob *blob);
void layer_blob_copy(struct layer_blob *to, const struct layer_blob *from);

/* ---- layer.c ---- */
MUST_CHECK int layer_lock(struct store *store, const struct digest *diff_id, struct error **err);
/* The name below layers/ of the layer under the store's id map; -ENOENT. Outside the user namespace, where no map is
 * set, any map's. */
int layer_find(struct store *store, const struct digest *diff_id, char **name, struct error **err);
/* The same, for who would make it: with -ENOENT too *name is set, to where the layer belongs. */
int layer_place(struct store *store, const struct digest *diff_id, char **name, struct error **err);
/* Adds the records beside the tree of layers/<name>. */
/* Its records were saved for another tree (base/ownertable.h): somebody has copied the store. */
bool layer_is_copy(struct store *store, const char *name);
int layer_load_owners_of(struct store *store, const char *name, struct owner_table *owners, struct error **err);
/* The tree of layers/<name>, whatever it is worth. */
MUST_CHECK int layer_open_tree(struct store *store, const char *name, struct error **err);
/* Whether the tree that the record is about is sure to be whole: see layer.h about reboots. */
bool layer_is_trusted(struct store *store, const struct layer_record *record);
/* Moves layers/<name> out of sight and removes it there, so that nobody sees half of it. Missing is success. */
int layer_remove_named(struct store *store, const char *name, struct error **err);
/* Loads the record, lets `change` alter it and writes it back, under the layer's lock. */
int layer_change_record(struct store *store, const struct digest *diff_id,
			bool (*change)(struct layer_record *record, const void *context), const void *context,
			struct error **err);

/* ---- layer_make.c ---- */
/* Under the lock: checks the tree layers/<name> of an earlier boot, once, and makes it again when it is not whole.
 * -EUCLEAN when that cannot be done. */
int layer_check(struct store *store, const struct digest *diff_id, const char *name, struct error **err);

#endif
