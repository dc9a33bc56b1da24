/*
 * What a COPY sees of its sources while it copies them, for its key: the same values in the same order that
 * build_selection_add() puts there when it looks first. So a step that cannot be in the cache reads each file once, and
 * a step's record stands for what was written: who changes a file between look and copy changes the key.
 *
 *	struct build_seen seen = {.key = &inputs, .memo = memo};	// a key with all but the files in it
 *	...	copy_into_container() with options.seen = &seen
 *	if (!seen.is_unsure) build_key_finish(&inputs, ...)
 */
#ifndef COOPER_BUILDER_BUILD_SEEN_H
#define COOPER_BUILDER_BUILD_SEEN_H

#include "builder/build_key.h"
#include "builder/build_memo.h"

struct build_seen {
	struct build_key *key;	 /* borrowed */
	struct build_memo *memo; /* may be NULL */
	bool keep_owner;	 /* owners count, as in a stage that is copied from */
	bool is_unsure;		 /* a file changed while it was copied, in a way that leaves open what was written */
};

/* A source: `name` of a file, as its path has it; NULL for a directory. */
void build_seen_source(struct build_seen *seen, const char *name);
/* A file of it: `path` in the copied directory, "" for a source that is no directory; `link` of a symlink, `content` of
 * a regular file, and of a directory where owners count, else NULL. `shown` is where the user finds it. */
void build_seen_file(struct build_seen *seen, const char *path, const char *shown, const struct stat *st,
		     const char *link, const struct digest *content);

#endif
