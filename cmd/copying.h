/*
 * What copy and add have in common: their options and the whole of their work.
 */
#ifndef COOPER_CMD_COPYING_H
#define COOPER_CMD_COPYING_H

#include "builder/copy.h"
#include "cmd/flags.h"

struct copy_flags {
	const char *chown, *chmod, *from, *contextdir, *ignorefile, *checksum, *link, *timestamp, *unpack,
		*empty_wildcard;
	bool quiet, cache, parents, add_history, no_follow_symlinks;
	struct strlist exclude;
	struct registry_flags registry;
};
extern const struct option_group copy_group;

/* copy (add false) or add: args are CONTAINER SRC... [DST]. Prints the digest unless --quiet. */
int copy_command_run(struct command_context *context, const struct copy_flags *flags, bool add,
		     const struct strlist *args, struct error **err);

#endif
