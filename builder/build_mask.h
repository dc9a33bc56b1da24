/*
 * Secrets out of a step's output: what it writes goes through a process of ours that puts "***" in their place. Text
 * that is no beginning of a secret is passed on at once.
 */
#ifndef COOPER_BUILDER_BUILD_MASK_H
#define COOPER_BUILDER_BUILD_MASK_H

#include "base/buf.h"
#include "base/error.h"

#include <sys/types.h>

#define BUILD_MASK_MIN 3 /* bytes: shorter values are everywhere, and no secrets */

struct build_mask {
	struct buf *secrets;
	size_t count;
	pid_t pid;
	int to; /* what the step writes to; -1 before it is started */
};
#define BUILD_MASK_INIT ((struct build_mask){.to = -1})

/* Waits until all is passed on. */
void build_mask_done(struct build_mask *mask);
CLEANUP_FOR_VALUE(struct build_mask, build_mask_done)
/* The value as a whole without the line end behind it, and each of its lines. */
void build_mask_add(struct build_mask *mask, const struct buf *value);
/* Starts it, when there is something to mask; mask->to is then to be written to instead of `output`. */
int build_mask_start(struct build_mask *mask, int output, struct error **err);

#endif
