/*
 * Sources of ADD that lie elsewhere: addresses and git repositories, fetched into a directory of our own before they
 * are copied, so that it is known by its contents whether the step has been done already.
 */
#ifndef COOPER_BUILDER_BUILD_REMOTE_H
#define COOPER_BUILDER_BUILD_REMOTE_H

#include "builder/build.h"
#include "builder/build_key.h"

struct build_remote {
	char *name;   /* of its directory in tmp/ */
	int root;     /* what is copied from: the directory, or the one inside that the address names */
	char *source; /* in it: the file's name, or "/" */
	bool is_tree;
	char *commit;	       /* of git; NULL */
	struct digest content; /* of a file */
	int64_t mtime;	       /* of a file, seconds */
};

struct build_remotes {
	struct workshop *w;
	struct build_remote *items; /* in the order of the instruction's sources that are elsewhere */
	size_t count;
};

void build_remotes_done(struct build_remotes *remotes);
CLEANUP_FOR_VALUE(struct build_remotes, build_remotes_done)
/* Fetches all of them; a no-op when they are here. -EBADMSG: another checksum. */
int build_remotes_fetch(struct build_remotes *remotes, const struct instruction *add,
			const struct registry_options *registry, struct error **err);
/* What they are. */
void build_remotes_key(const struct build_remotes *remotes, struct build_key *key);

#endif
