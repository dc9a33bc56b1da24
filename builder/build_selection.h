/*
 * What a COPY or ADD reads, as a digest: names, modes, owners, types, sizes, link targets, contents and extended
 * attributes of the files that it selects; of a directory's attributes where owners count, which may be recorded there.
 * Neither times nor what is not selected.
 */
#ifndef COOPER_BUILDER_BUILD_SELECTION_H
#define COOPER_BUILDER_BUILD_SELECTION_H

#include "builder/build_key.h"
#include "builder/build_memo.h"
#include "dockerfile/ignore.h"

#include <sys/stat.h>

struct owner_table;

struct build_selection {
	int root;			   /* that sources are in */
	const struct ignore_rules *ignore; /* relative to the root; NULL */
	const struct strlist *sources;	   /* expanded, as the instruction has them; NULL: all */
	const struct strlist *excludes;	   /* relative to each copied directory; NULL */
	const char *base;		  /* that relative sources are in, absolute, and that does not count; NULL: / */
	bool keep_owner;		  /* from a stage or an image */
	const struct owner_table *owners; /* what is recorded of them beside the tree; NULL: nothing */
	bool parents;
	bool keep_links;	 /* a source that is a link is copied as one */
	bool git_modes;		 /* modes as git keeps them: 0644 or 0755 */
	bool names_only;	 /* whether the sources are there, and nothing of what they hold */
	struct build_memo *memo; /* NULL: all is read */
};

/* -ENOENT names a source that is not there or left out. */
int build_selection_add(const struct build_selection *selection, struct build_key *key, struct error **err);

/* What it puts there: for each source this, and for each file below it that. Mode, type and device are the stat's, the
 * rest stands in `file`. */
void build_selection_put_source(struct build_key *key, bool is_dir, const char *name);
void build_selection_put_file(struct build_key *key, const struct stat *st, struct build_key_file *file);

#endif
