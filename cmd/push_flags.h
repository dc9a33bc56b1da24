/*
 * What every command that pushes can be told about it: one table for push, manifest push, image copy, image sync,
 * commit and build.
 */
#ifndef COOPER_CMD_PUSH_FLAGS_H
#define COOPER_CMD_PUSH_FLAGS_H

#include "builder/acquire.h"
#include "cmd/command.h"

struct push_flags {
	bool if_absent, check_push, foreign;
};
extern const struct option_group push_group;
/* After registry_flags_read(), which sets the rest of `export->registry`. */
void push_flags_apply(const struct push_flags *flags, struct export_options *export);
/* -EINVAL when one of them is given and nothing goes to a registry; `way` is what would make it so. */
int push_flags_check(const struct push_flags *flags, bool pushes, const char *way, struct error **err);

/* What has been pushed, for its end. */
struct push_end {
	const char *destination;
	const struct digest *digest; /* of what is there now */
	const char *digestfile;	     /* gets it; NULL: no file */
	bool quiet;		     /* it is not told */
	const struct digest *rm;     /* the image, when it is to leave the store; else NULL */
};
/* Behind a sending that gave `rc`: a failure goes on as push_status() has it, what has arrived is told, written down, and
 * removed. */
int push_end(struct store *store, int rc, const struct push_end *end, struct error **err);

#endif
