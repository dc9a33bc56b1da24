/*
 * Working containers. The container's layers are those of its configuration's diff_ids, plus `upper`.
 *
 *	containers/<id>/state.json	what struct container holds
 *	containers/<id>/base-<random>	of that, the layers and their history (container_base.h)
 *	containers/<id>/upper		the directory that collects changes
 *	containers/<id>/scratch		work directories of overlayfs
 *	containers/<id>/merged		where it is mounted, and `mounted`: by which session (rootfs.h)
 *	containers/<id>/commit/fs, commit.json	a commit on its way (commit.c)
 *	containers/by-name/<name>	a symlink that holds the id; it is made first and may dangle after a crash
 */
#ifndef COOPER_BUILDER_CONTAINER_H
#define COOPER_BUILDER_CONTAINER_H

#include "builder/settings.h"
#include "builder/workshop.h"
#include "imagefmt/images.h"

#define CONTAINER_ID_SIZE 65

struct container {
	char id[CONTAINER_ID_SIZE]; /* 64 hex digits */
	char *name;
	int64_t created;		      /* seconds since the epoch */
	int64_t created_ns;		      /* on top of it, may be more than a second: the moment it was made */
	char *image_name;		      /* as the user's or the store's full name; "" for scratch */
	struct digest image_id, image_digest; /* null for scratch */
	char *image_manifest;		      /* text of the base's manifest, "" for scratch */
	enum image_format format;	      /* what commit writes when nothing else is said */
	struct image_config config;	      /* as changed by `cooper config` so far */
	struct strlist annotations;
	struct strlist layer_types; /* media type, digest and size of each base layer: "type digest size", parallel to
				       diff_ids */
	char *created_by;	    /* --created-by of config; NULL */
	char *history_comment;
	struct history *pending; /* --add-history: entries since the last commit */
	size_t pending_count;
	struct digest last_commit;   /* id of the image that its last commit made; null before the first */
	struct settings settings;    /* what `from` was told for later runs */
	struct container_base *base; /* its file of layers and history (container_base.h); NULL before it is on disk */
};

void container_done(struct container *c);
CLEANUP_FOR_VALUE(struct container, container_done)

struct container_options {
	const char *name;      /* NULL: made of the image's name (Buildah's rules) */
	const char *name_base; /* what the automatic name is made of: image text as the user gave it */
	const char *suffix;    /* instead of "working-container" in it; NULL = that */
	bool note_base;	       /* annotations name the base (image-spec "annotations.md", image.base.*) */
	enum image_format format;
	const struct platform *platform; /* of a container from scratch; NULL = this machine's */
	const struct settings *settings; /* NULL = none */
};
/* A new container of an image (NULL: scratch); state is on disk afterwards. Its layers must be unpacked already. A
 * taken name gives -EEXIST with Buildah's text. */
int container_create(struct workshop *w, const struct image *image, const struct container_options *options,
		     struct container *c, struct error **err);
/* Such a container, for a stage of a build: it has CONTAINER_STAGE_MARK in its directory from its first moment until
 * somebody is to find it (build_layer.c), and whoever makes it holds it, so that prune can tell one whose build has
 * died. Returns the descriptor. */
#define CONTAINER_STAGE_MARK "build"
MUST_CHECK int container_create_for_stage(struct workshop *w, const struct container_options *options,
					  struct container *c, struct error **err);
/* By name, id or unique prefix of it; -ENOENT "container not known". Loads the state. */
int container_find(struct workshop *w, const char *text, struct container *c, struct error **err);
/* Exclusive use of a container: held while it is run, changed, committed or removed. Reload the state after taking it
 * (container_acquire does all three: find, lock, reload). Returns the descriptor. */
MUST_CHECK int container_acquire(struct workshop *w, const char *text, struct container *c, struct error **err);
/* container_acquire() for who works with what is in it: -EBUSY for the container of a stage whose build is running or
 * was killed. It has no base that a user could know of; only rm and prune are for such. */
MUST_CHECK int container_acquire_to_use(struct workshop *w, const char *text, struct container *c, struct error **err);
/* Finishes or takes back a commit that was interrupted; container_acquire() does it. */
int container_recover(struct workshop *w, struct container *c, struct error **err);
/* Descriptor of containers/<id>. */
MUST_CHECK int container_open_dir(struct workshop *w, const struct container *c, struct error **err);
/* True when there is something of this name in it (a path of our own; links are not followed). */
bool container_has(struct workshop *w, const struct container *c, const char *name);
/* The name without a number that Buildah's rules give: "debian-working-container"; "working-container" for scratch
 * (text NULL). A 64-digit id or a digest gives its first 12 digits. Newly allocated. */
MUST_CHECK char *container_default_name(const char *image_text);
/* A container that something is taken out of: found, held as by container_acquire(), and never waited for: two commands
 * that copy out of each other's containers would wait for ever. -ENOENT as container_find(), -EBUSY when it is in use.
 * Returns the descriptor. */
MUST_CHECK int container_borrow(struct workshop *w, const char *text, struct container *c, struct error **err);
int container_save(struct workshop *w, const struct container *c, struct error **err);
int container_rename(struct workshop *w, struct container *c, const char *name, struct error **err);
/* Removes state, upper and lock file, in the user namespace if need be; refused while it is mounted elsewhere. The
 * caller holds it. */
int container_remove(struct workshop *w, const struct container *c, struct error **err);

struct container_list {
	struct container *items; /* oldest first */
	size_t count;
};
void container_list_done(struct container_list *list);
CLEANUP_FOR_VALUE(struct container_list, container_list_done)
int containers_list(struct workshop *w, struct container_list *list, struct error **err);
/* Removes the lock files and names of containers that are no more. */
int containers_forget(struct workshop *w, struct error **err);
/* Commits that were interrupted are finished or taken back: what they have made so far is named by nobody else. It may
 * wait for containers, so not for who holds the store alone: somebody who has a container may wait for him. */
int containers_recover(struct workshop *w, struct error **err);
/* All layers that containers stand on now. */
int containers_layers(struct workshop *w, struct digest **diff_ids, size_t *count, struct error **err);

#endif
