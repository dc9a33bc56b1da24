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

#endif
