/*
 * The record of what a file should be where the kernel does not let us make it so: an owner that no id maps to, a
 * device node, a mode. Kept in the extended attribute user.cooper.o of a regular file or directory (20 bytes,
 * little-endian u32: uid, gid, type and permission bits, major, minor). A device is an empty regular file with such a
 * record. user.* attributes are refused on symlinks, FIFOs and sockets: there the record cannot be kept (-EPERM), and
 * belongs into a table beside the tree (base/ownertable.h).
 *
 * Permission bits are the kernel's as long as it lets us set them, and then count as they are found on the file: a
 * chmod is a chmod. Only where that cannot be is the mode a part of the record, and says so (OWNER_HAS_MODE).
 */
#ifndef COOPER_BASE_OWNER_H
#define COOPER_BASE_OWNER_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#define OWNER_XATTR "user.cooper.o"

#define OWNER_HAS_MODE ((mode_t)1 << 16)

struct owner_record {
	uint32_t uid;
	uint32_t gid;
	mode_t mode; /* type (S_IFCHR, S_IFBLK, or 0 for "as it is"); with OWNER_HAS_MODE the permission bits as well */
	uint32_t major;
	uint32_t minor;
};

/* A record is data of a layer, and a layer may come from anywhere: only what owner_set() could have written counts. */
bool owner_record_is_valid(const struct owner_record *record);
/* `fd` may be O_PATH. 0; -ENODATA when there is none; -EINVAL for a malformed one. */
int owner_get(int fd, struct owner_record *record, struct error **err);
/* A file that is shut to its owner, us, takes no record: it is opened to us, and the mode that it had becomes a part of
 * the record where that has none. */
int owner_set(int fd, const struct owner_record *record, struct error **err);
int owner_clear(int fd, struct error **err);
/* Puts what the record says over *st: st_uid, st_gid, st_mode (but for set-id bits that the file itself has lost, to a
 * write), st_rdev. */
void owner_apply(const struct owner_record *record, struct stat *st);

/* Root in more than name: he may give files away, read what is closed to its owner, and change ids. The root of a
 * container without capabilities may not; for him all is as for any other user. */
bool owner_is_root(void);
/* The extended attribute that keeps what a file may when it is run: security.capability, or, where that may not be set,
 * the one that stands for it in a tree of the store (base/ovlmark.h). */
const char *owner_capability_xattr(void);
/* Where there is no user namespace and we are not root, what is root's is ours: shows our own ids as 0. For everybody
 * else nothing changes. Before owner_apply(). */
void owner_see(struct stat *st);
/* fchmod(2) of what must stay open to us, though we may not override modes: the owner's bits are kept, and the mode
 * that was meant is recorded when it is another. 0 or a negative errno. */
int owner_set_mode(int fd, mode_t mode);

#endif
