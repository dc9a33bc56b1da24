/*
 * The layers that stand on each other in an image, found whole once. Each command that uses an image must know of every
 * layer that it is there, under which name, and still to be trusted (layer.h); with hundreds of them that is most of
 * what it does. So what one command has found is written down in cache/stacks/, one small file for each list of layers,
 * and holds for this boot and this directory of layers. A tree appears whole and goes whole: one that has the name that
 * was found is still good, and one that has not is looked for as if nothing had been written down.
 */
#ifndef COOPER_IMAGEFMT_LAYER_STACK_H
#define COOPER_IMAGEFMT_LAYER_STACK_H

#include "base/buf.h"
#include "imagefmt/digest.h"
#include "imagefmt/store.h"

/* Lets the store know (store_know_layer()) what was found of these layers. False: nothing, or only of what is below the
 * topmost. */
bool layer_stack_recall(struct store *store, const struct digest *diff_ids, size_t count);
/* The same, and all of them are there. */
bool layer_stack_is_there(struct store *store, const struct digest *diff_ids, size_t count);
/* Writes down what the store knows of these layers, if that is where all of them are. Few are found as fast. */
void layer_stack_remember(struct store *store, const struct digest *diff_ids, size_t count);
/* The same for something else that is so of these layers, `what`, a word. */
bool layer_stack_is_noted(struct store *store, const struct digest *diff_ids, size_t count, const char *what);
void layer_stack_note(struct store *store, const struct digest *diff_ids, size_t count, const char *what);
/* The same with a text. False: there is none. */
bool layer_stack_read(struct store *store, const struct digest *diff_ids, size_t count, const char *what,
		      struct buf *text);
void layer_stack_write(struct store *store, const struct digest *diff_ids, size_t count, const char *what,
		       const struct buf *text);
/* Whether something is so of each of these layers: asked of each, bottommost first, until one says no. Of many it is
 * written down as `what`, and of a list whose lower part is known already only the topmost is asked. */
typedef bool layer_stack_ask(struct store *store, const struct digest *diff_id, size_t at, const void *context);
bool layer_stack_is_all(struct store *store, const struct digest *diff_ids, size_t count, const char *what,
			layer_stack_ask *ask, const void *context);
/* The trees of layers as an overlay takes them, topmost first. */
struct layer_trees {
	int *fds;
	size_t count;
};
void layer_trees_done(struct layer_trees *trees);
CLEANUP_FOR_VALUE(struct layer_trees, layer_trees_done)
enum layer_trees_are {
	TREES_ARE_LAYERS,  /* one for each layer */
	TREES_MAY_BE_PILES /* of many, small ones are put together (layer_pile.h) */
};
/* Opens the trees of these layers. One that stands there twice counts once, above: overlayfs refuses it (ELOOP), and
 * the lower of the two shows nothing that the upper one does not. Errors are layer_open()'s. Needs the user namespace.
 */
int layer_stack_open(struct store *store, const struct digest *diff_ids, size_t count, enum layer_trees_are are,
		     struct layer_trees *trees, struct error **err);

/* Forgets all of them. */
int layer_stacks_clear(struct store *store, struct error **err);

#endif
