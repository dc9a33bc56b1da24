/*
 * overlayfs' marks in a tree that is mounted with `userxattr` (Documentation/filesystems/overlayfs.rst): a whiteout is
 * a character device 0:0, an opaque directory has user.overlay.opaque=y. Where the tree itself lies on an overlay,
 * which takes no such device, a whiteout is a socket that nobody may open (mode 0): no layer has sockets. The kernel
 * does not know it, so such trees are read by us alone (ovlmark_kernel_reads()). All other user.overlay.* attributes
 * are the kernel's bookkeeping. An attribute of that name that came from a tar or a step is data: it is kept as
 * user.overlay.overlay.* (which Linux 6.7 shows unescaped inside the mount) and comes out under its own name.
 */
#ifndef COOPER_BASE_OVLMARK_H
#define COOPER_BASE_OVLMARK_H

#include "base/error.h"

#include <stdbool.h>
#include <sys/stat.h>

bool ovlmark_is_whiteout(const struct stat *st);
int ovlmark_make_whiteout(int dirfd, const char *name, struct error **err);
/* False for a tree whose whiteouts may be of the kind that overlayfs takes for a socket. */
bool ovlmark_kernel_reads(int dirfd);
/* `fd` may be O_PATH. */
bool ovlmark_is_opaque(int fd);
int ovlmark_set_opaque(int fd, struct error **err);
int ovlmark_clear_opaque(int fd, struct error **err);

/* Where file capabilities are kept in a tree of who may not set them (security.capability wants the host's root). */
#define OVLMARK_CAPABILITY "user.cooper.capability"

/* What an extended attribute found in a layer tree means. */
enum ovlmark_xattr {
	OVLMARK_PLAIN,	 /* data, under this name */
	OVLMARK_KERNEL,	 /* bookkeeping of overlayfs or of cooper: never leaves the store */
	OVLMARK_ESCAPED, /* data, under the name that ovlmark_unescape() gives */
};
enum ovlmark_xattr ovlmark_classify(const char *name);
/* The name under which data is kept: itself, or the escaped form for user.overlay.*, trusted.overlay.* and
 * user.cooper.*. Never a name that is OVLMARK_KERNEL. Heap. */
MUST_CHECK char *ovlmark_escape(const char *name);
MUST_CHECK char *ovlmark_unescape(const char *name);

#endif
