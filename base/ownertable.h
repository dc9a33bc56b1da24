/*
 * Records of ownership (base/owner.h) of what cannot carry an attribute: symlinks and FIFOs, on which user.* is
 * refused; and devices that a step has made where ids are mapped, whose record must be where a step cannot write it.
 * The file itself is then an ordinary one of ours (a device: an empty regular file).
 *
 * A record belongs to an inode, known by its number and time of birth, so that a rename keeps it and who gets the
 * number later does not inherit it. A copy of the whole (`cp -a` of a store) has other inodes, and its table speaks of
 * nothing: that is noticed by the tree itself, which stands in the table, too. One table belongs to one tree, whose
 * inodes are on one file system; it lies beside the tree (containers/<id>/owners for `upper`, layers/<name>/owners for
 * `fs`), goes where the tree goes, and is never shown to a step.
 */
#ifndef COOPER_BASE_OWNERTABLE_H
#define COOPER_BASE_OWNERTABLE_H

#include "base/owner.h"

#include <stddef.h>

#define OWNER_TABLE_FILE "owners"

struct owner_key {
	uint64_t ino;
	int64_t born_seconds; /* 0 where the file system does not say: then the number alone */
	uint32_t born_nanoseconds;
};

struct owner_slot {
	struct owner_key key;
	struct owner_record record;
	bool is_used;
};

struct owner_table {
	struct owner_slot *slots; /* a power of two of them, at most half in use */
	size_t size;
	size_t count;
	bool has_changed; /* since it was loaded or saved */
};

void owner_table_done(struct owner_table *table);
CLEANUP_FOR_VALUE(struct owner_table, owner_table_done)

/* The key of what fd holds (may be O_PATH), or dirfd/name, itself not followed. */
int owner_key_of(int dirfd, const char *name, struct owner_key *key, struct error **err);
/* The record, borrowed until the next change; NULL: none. A NULL table is empty. */
const struct owner_record *owner_table_find(const struct owner_table *table, const struct owner_key *key);
void owner_table_put(struct owner_table *table, const struct owner_key *key, const struct owner_record *record);
void owner_table_remove(struct owner_table *table, const struct owner_key *key);
void owner_table_add_all(struct owner_table *table, const struct owner_table *from);

/* Before it is saved: `tree` is what it belongs to. An empty table is not changed. */
int owner_table_bind(struct owner_table *table, int tree, struct error **err);
/* False when it was saved for another tree, of which this one may be a copy. An empty one is anybody's. */
bool owner_table_is_of(const struct owner_table *table, int tree);

/* dirfd/name; a missing file is an empty table. -EINVAL for a damaged one. What is there is added to *table. */
int owner_table_load(int dirfd, const char *name, struct owner_table *table, struct error **err);
/* Whole or not at all; an empty table is no file. */
int owner_table_save(int dirfd, const char *name, struct owner_table *table, struct error **err);

#endif
