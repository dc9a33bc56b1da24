/*
 * Which extended attributes travel between a layer's tree and its tar, and under which name. Capabilities, IMA
 * signatures and user.* are data. Marks of overlayfs and of cooper stay where they are (base/ovlmark.h); labels of the
 * machine's own policy (security.selinux, trusted.*) are left out, as containers/storage does, and access lists
 * (accesslists.h) in both directions.
 */
#ifndef COOPER_IMAGEFMT_LAYERXATTR_H
#define COOPER_IMAGEFMT_LAYERXATTR_H

#include "base/mem.h"

#include <stdbool.h>

#define LAYER_WHITEOUT_PREFIX ".wh."
#define LAYER_WHITEOUT_META ".wh..wh."
#define LAYER_WHITEOUT_OPAQUE ".wh..wh..opq"

/* The name in the tar of an attribute found in a tree, newly allocated; NULL when it stays behind. */
MUST_CHECK char *layer_xattr_to_tar(const char *name);
/* The name in the tree of an attribute found in a tar; NULL when it is left out. */
MUST_CHECK char *layer_xattr_to_tree(const char *name);
/* A file capability may carry the id of a namespace's root on this machine (capabilities(7), revision 3): makes it
 * revision 2, in place. Other values are left alone. */
void layer_xattr_normalise(const char *name, void *value, size_t *size);

#endif
