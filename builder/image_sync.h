/*
 * Many images from one place to another: all tags of a repository, a tree of directories that an earlier sync made, or
 * what a YAML file lists; into a registry or a tree of directories. As skopeo-sync(1) has it:
 *
 *	quay.io/me/app:1  to  docker  reg.example.org/mirror  ->  reg.example.org/mirror/app:1
 *						 scoped       ->  reg.example.org/mirror/quay.io/me/app:1
 *			  to  dir     /media/usb	      ->  /media/usb/app:1
 */
#ifndef COOPER_BUILDER_IMAGE_SYNC_H
#define COOPER_BUILDER_IMAGE_SYNC_H

#include "builder/image_copy.h"

enum sync_kind { SYNC_DOCKER, SYNC_DIR, SYNC_YAML };

struct image_sync_options {
	enum sync_kind from, to;   /* `to` is not SYNC_YAML, and not SYNC_DIR with SYNC_DIR */
	bool scoped;		   /* the source's whole name below the destination, instead of its last part */
	bool keep_going;	   /* one that fails does not keep the others from being copied */
	bool dry_run;		   /* only tell */
	const char *append_suffix; /* to every tag; NULL */
	struct image_copy_options copy;
};

/* *copied counts the images. Which image goes where is told as progress (log_info). With keep_going the failure comes
 * at the end, and each has been told as a warning. */
int image_sync(struct workshop *w, const char *source, const char *destination,
	       const struct image_sync_options *options, size_t *copied, struct error **err);

#endif
