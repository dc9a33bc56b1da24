/*
 * A pile: small layers that lie directly on each other in an image, put together as one tree. What the kernel asks for
 * an overlay grows with the number of its layers, and of some hundred layers most have a file or two. The tree of a
 * pile is a layer's as overlayfs knows it, with the whiteouts and opaque directories that its members have together, so
 * that an overlay that has it in their place shows the same: names, contents, owners, modes, times, attributes, and how
 * many links a file has. It holds copies, because a further link would be seen in that number. Of a directory that
 * several members have, that number is its own and no longer the 1 of a merged one; and inode numbers are those of the
 * copies.
 *
 * A pile has only those whiteouts that hide something of the trees below it: in a directory that it alone has, the
 * kernel would list the others as names of nothing. So it is made for the trees below it, too.
 *
 * Piles are derived, and made for one boot, one id map and one directory of layers:
 *
 *	layers/p-<hash>/fs		the tree
 *	layers/p-<hash>/members		for what it holds, and the names of its members' trees, a line each
 *					(the hash is of that and of the names of the trees below)
 *
 * A pile appears whole, by rename, and goes when one of its members has gone: who stands on the layers so keeps it.
 */
#ifndef COOPER_IMAGEFMT_LAYER_PILE_H
#define COOPER_IMAGEFMT_LAYER_PILE_H

#include "base/strlist.h"
#include "imagefmt/digest.h"
#include "imagefmt/store.h"

/* The layers of one pile. */
#define LAYER_PILE_COUNT ((size_t)32)

struct pile_member {
	const char *name; /* of the tree in layers/ */
	int tree;
};

/* Whether the layer of this tree is small, and nothing is kept beside the tree or said of its root directory. */
bool layer_pile_takes(struct store *store, const struct pile_member *member);
/* Trees, bottommost first. */
struct pile {
	const struct pile_member *members;
	size_t count;
	const struct pile_member *below; /* all that it is to lie on */
	size_t below_count;
};

/* Finds or makes a pile; *name is its name in layers/, newly allocated. -EOPNOTSUPP when something in its members is not
 * sure to be the same as a copy, -ESTALE when one was removed meanwhile. Needs the user namespace. */
int layer_pile_make(struct store *store, const struct pile *pile, char **name, struct error **err);
/* Moves piles that have one of the layers `gone` to store_tmp(), and adds their names there to `trash`, for who may
 * remove them. With none given: those of which a member is not there any more, or that are of an earlier boot. The
 * caller holds the store alone. */
int layer_piles_take_away(struct store *store, const struct strlist *gone, struct strlist *trash, struct error **err);

#endif
