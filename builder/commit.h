/*
 * A container becomes an image: its upper directory is moved into the layer store, its configuration written, the image
 * named. Nothing is copied, compressed or visible before it is whole.
 *
 * Two cases copy instead, and leave the container as it was: --squash (the new layer is the whole root, which the
 * container's own upper directory is not), and a container that is mounted in this session and in use there.
 *
 * A container that has not changed since its last commit gets no further layer: that commit is made again, with what
 * the configuration is now. Where that is the same, too, it is the same image.
 *
 * A commit that is killed is finished or taken back, as far as it had come, by the next one who acquires the container:
 * before the upper directory is moved everything that is to become true is written to commit.json.
 */
#ifndef COOPER_BUILDER_COMMIT_H
#define COOPER_BUILDER_COMMIT_H

#include "builder/acquire.h"
#include "builder/container.h"

struct commit_options {
	bool squash;
	enum image_format format; /* used when has_format; else the container's */
	bool has_format;
	const char *name; /* full name in the store, or NULL */
	/* Where the image goes next wants its layers packed so: that is done in the same reading. NULL: it waits. */
	const struct codec_recipe *recipe;
	bool unlisted;		   /* not in the table of images: the caller adds it when it is where it should go */
	int64_t timestamp;	   /* --timestamp, or -1: created and all mtimes of the new layer */
	int64_t source_date_epoch; /* or -1: created; mtimes too when rewrite_timestamp */
	bool rewrite_timestamp;
	const int64_t *created; /* where neither is given: created, instead of now; or NULL */
	bool omit_history;
	const char *created_by, *comment; /* of the history entry; NULL = the defaults */
	bool identity_label; /* label io.cooper.version (and Buildah's io.buildah.version is never claimed) */
	const struct strlist *unset_env;
	const struct strlist *annotations, *unset_annotations;
	bool created_annotation; /* org.opencontainers.image.created */
};
/* The image is in the store afterwards; the container goes on from it (its upper directory is empty again, the new
 * layer is one of its layers). The caller holds the container and is inside. */
int commit_container(struct workshop *w, struct container *c, const struct commit_options *options, struct image *image,
		     struct error **err);

#endif
