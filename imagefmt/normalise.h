/*
 * What a finished upper directory still has of overlayfs and of the moment, and what no tar would give back (access
 * lists, sockets): taken away while it is packed (pack_finish()), thing by thing, right before each is read. So every
 * file is opened once.
 */
#ifndef COOPER_IMAGEFMT_NORMALISE_H
#define COOPER_IMAGEFMT_NORMALISE_H

#include "base/buf.h"
#include "imagefmt/accesslists.h"
#include "imagefmt/pack.h"

#include <sys/stat.h>

struct normaliser {
	const struct normalise_options *options; /* borrowed */
	const struct buf *path;			 /* of the thing at hand, without '/' at its end; borrowed */
	struct owner_table kept;		 /* of options->owners what was met */
	struct access_lists lost;		 /* lists that were found; normaliser_say_lists() tells of them */
	char *xattr_list;
	bool has_sockets_as_marks; /* see base/ovlmark.h */
};

/* `root` is the upper directory. */
void normaliser_init(struct normaliser *n, int root, const struct normalise_options *options, const struct buf *path);
void normaliser_done(struct normaliser *n);
CLEANUP_FOR_VALUE(struct normaliser, normaliser_done)

/* Each gets what stat(2) says of the thing and leaves in *st the mtime that it now has. */
int normalise_root(struct normaliser *n, int fd, struct stat *st, struct error **err);
/* *has_xattrs: it has attributes, or had when it came. */
int normalise_file(struct normaliser *n, int fd, struct stat *st, bool *has_xattrs, struct error **err);
/* *merges: whether things of lower layers can be seen in the directory that holds this one; and then, in this one. */
int normalise_dir(struct normaliser *n, int fd, struct stat *st, bool *merges, bool *has_xattrs, struct error **err);
/* Links, nodes and marks. Gives one of these; but for the first, the directory has another time than before. */
enum normalise_outcome {
	NORMALISE_KEPT = 0,
	NORMALISE_REMOVED,  /* no layer has such a thing */
	NORMALISE_REPLACED, /* by a whiteout, which *st now tells of */
};
int normalise_other(struct normaliser *n, int dirfd, const char *name, struct stat *st, bool merges,
		    struct error **err);
/* What is taken out of a directory changes its time: this gives it back what normalise_dir() has left in *st. */
int normalise_time_again(struct normaliser *n, int fd, struct stat *st, struct error **err);
/* Warns when access lists were taken away, whatever has failed since: the next time they are not found any more. */
void normaliser_say_lists(struct normaliser *n);
/* Puts the records that were met into options->owners. */
void normaliser_keep_owners(struct normaliser *n);

#endif
