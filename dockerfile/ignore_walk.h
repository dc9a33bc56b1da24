/*
 * Docker's ignore rules on a walk from the top: what they say of a directory is found out once and not again for each
 * file in it. Paths may come in any order; those of one directory one after the other are cheap.
 *
 *	cleanup(ignore_walk_done) struct ignore_walk walk = IGNORE_WALK_INIT(rules);
 *	if (ignore_walk_match(&walk, path)) … left out
 */
#ifndef COOPER_DOCKERFILE_IGNORE_WALK_H
#define COOPER_DOCKERFILE_IGNORE_WALK_H

#include "base/buf.h"
#include "dockerfile/ignore.h"

/* A directory that leads to the last path. */
struct ignore_level {
	size_t length; /* of its path */
	struct ignore_verdicts verdicts;
};

struct ignore_walk {
	const struct ignore_rules *rules; /* borrowed; not to be changed meanwhile. NULL: nothing is left out */
	struct buf path;		  /* of the innermost level */
	struct ignore_level *levels;
	size_t depth, room; /* levels that hold, and that were made */
	struct ignore_verdicts here;
};
#define IGNORE_WALK_INIT(ignore_rules_) \
	((struct ignore_walk){.rules = (ignore_rules_), .path = BUF_INIT(BUF_MAX_DEFAULT)})

void ignore_walk_done(struct ignore_walk *walk);
CLEANUP_FOR_VALUE(struct ignore_walk, ignore_walk_done)
/* As ignore_rules_match(); the empty path, the root itself, is never left out. */
bool ignore_walk_match(struct ignore_walk *walk, const char *path);

#endif
