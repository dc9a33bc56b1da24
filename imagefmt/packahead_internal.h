/*
 * What the walk (pack.c) asks of a tar that was made ahead.
 */
#ifndef COOPER_IMAGEFMT_PACKAHEAD_INTERNAL_H
#define COOPER_IMAGEFMT_PACKAHEAD_INTERNAL_H

#include "imagefmt/packahead.h"

#include "base/buf.h"
#include "imagefmt/digest.h"
#include "imagefmt/pack.h"

/* The headers of a tar, and how much follows each: a digest of them, in their order. */
struct pack_outline {
	struct hasher *hasher;
	uint64_t entries;
};

int pack_outline_init(struct pack_outline *outline, struct error **err);
void pack_outline_done(struct pack_outline *outline);
CLEANUP_FOR_VALUE(struct pack_outline, pack_outline_done)
void pack_outline_add(struct pack_outline *outline, const struct buf *header, uint64_t size);

/* True when this is the outline of what was made ahead, which then is *result. Ends it: a second time it is false. */
bool pack_ahead_take(struct pack_ahead *ahead, struct pack_outline *outline, struct pack_result *result);

#endif
