/*
 * The root directory of a layer's tree. In a tar it has an entry ("./") only when the layer says something of it: what
 * Docker, containers/storage and umoci apply, and containerd leaves aside. A tree remembers that it has one by a mark,
 * user.overlay.cooper.root, which no step can see or set. Over several layers the topmost that says something counts;
 * where none does, the root is 0755 and root's.
 */
#ifndef COOPER_IMAGEFMT_LAYERROOT_H
#define COOPER_IMAGEFMT_LAYERROOT_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* Whether the tar of this tree has (or will have) an entry for its root. */
bool layer_root_is_said(int tree);
int layer_root_say(int tree, struct error **err);
/* The root at `path` is what mkdir(2) makes: 0755, ours, without attributes that a tar would have. Needs no user
 * namespace; false when it cannot be told. */
bool layer_root_is_plain(const char *path);
/* Whether this layer's root is seen above those of the layers below it. Of a layer that was made before there was a
 * mark, a root that is not plain counts. */
bool layer_root_counts(int tree);
/* Gives a new upper directory the mode, owner and attributes that the root of these layers (topmost first) has. */
int layer_root_inherit(int upper, const int *lowers, size_t count, struct error **err);
/* The same from one directory, which has them: the root of the upper directory before. */
int layer_root_copy(int upper, int from, struct error **err);
/* A finished upper directory says something of its root when that is not what the layers below it make of it. */
int layer_root_settle(int upper, const int *lowers, size_t count, struct error **err);

#endif
