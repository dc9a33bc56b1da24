/*
 * What goes into the keys of a script's steps: script_key.c for commands, copy_key.c for copies.
 */
#ifndef COOPER_BUILDER_SCRIPT_INTERNAL_H
#define COOPER_BUILDER_SCRIPT_INTERNAL_H

#include "builder/build_key.h"
#include "builder/copy.h"
#include "builder/step.h"

int script_key_run(struct workshop *w, const struct container *c, const struct step_options *options,
		   struct build_key *key, struct error **err);
/* -ENODATA: it cannot be known before it is done (a download without a checksum). */
int script_key_copy(struct workshop *w, const struct container *c, const struct strlist *sources,
		    const char *destination, const struct copy_options *options, struct build_key *key,
		    struct error **err);

#endif
