/*
 * Layers and upper directory become one root: by an overlay, or, where a container has no layers below, by the upper
 * directory itself. In: a container or an image. Out: descriptors, for run_step() or for a moment's reading and
 * writing. What stays mounted for the user is rootfs_mount.c's.
 */
#include "builder/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/ovlmark.h"
#include "base/tree.h"
#include "builder/rootcopy.h"
#include "builder/rootfs_internal.h"
#include "imagefmt/layer.h"
#include "imagefmt/layer_stack.h"

bool rootfs_has_copy(struct workshop *w, const struct container *c)
{
	return container_has(w, c, ROOTCOPY "/."); /* as rootcopy_exists() */
}

/* ---- layers ---- */

void rootfs_layers_done(struct rootfs_layers *layers)
{
	for (size_t i = 0; i < layers->lower_count; i++)
		fd_close(layers->lowers[i]);
	free(layers->lowers);
	/* 0 is what a struct holds that was only zeroed, and never a directory. */
	int *fds[] = {&layers->upper, &layers->scratch, &layers->mounted};
	for (size_t i = 0; i < ARRAY_COUNT(fds); i++) {
		if (*fds[i] > 0)
			fd_close(*fds[i]);
	}
	rootcopy_links_done(&layers->shared);
	*layers = ROOTFS_LAYERS_INIT;
}

struct overlay_spec rootfs_overlay_spec(const struct rootfs_layers *layers)
{
	return (struct overlay_spec){
		.lowers = layers->lowers,
		.lower_count = layers->lower_count,
		.upper = layers->upper,
		.scratch = layers->scratch,
	};
}

/* The trees of these layers, topmost first. */
int rootfs_open_lowers(struct workshop *w, const struct digest *diff_ids, size_t count, struct rootfs_layers *layers,
		       struct error **err)
{
	struct layer_trees trees = {0};
	/* Where no kernel puts them together, there is nothing to be gained. */
	enum layer_trees_are are = workshop_is_translated(w) ? TREES_ARE_LAYERS : TREES_MAY_BE_PILES;
	int rc = layer_stack_open(workshop_store(w), diff_ids, count, are, &trees, err);

	if (rc < 0)
		return rc;
	layers->lowers = trees.fds;
	layers->lower_count = trees.count;
	return 0;
}

/* ---- whose ids ---- */

/* In the container's directory: the ids that its files belong to, as they are mapped. The text of a symlink: made and
 * read by one call. */
#define OWN_IDS "ids"
#define IDS_MAX ((size_t)PATH_MAX - 1) /* a map whose text is longer is told from others by its beginning */

/* All that have one id keep the same records, in a namespace and without. */
static int format_ids(struct workshop *w, char **text, struct error **err)
{
	const struct idmap *map = NULL;
	int rc = workshop_idmap(w, &map, err);

	if (rc < 0)
		return rc;
	*text = map->kind == IDMAP_SINGLE ? mem_strdup("one id") : idmap_format(map);
	if (strlen(*text) > IDS_MAX)
		(*text)[IDS_MAX] = '\0';
	return 0;
}

/* At every use; the first one counts. */
static int note_ids(struct workshop *w, int dir, struct error **err)
{
	cleanup_free char *ids = NULL;
	int rc = format_ids(w, &ids, err);

	if (rc >= 0 && symlinkat(ids, dir, OWN_IDS) < 0 && errno != EEXIST)
		return error_set_errno(err, "note the container's ids");
	return rc;
}

/* Why there are no subordinate ids is the cause, where there were some before: newuidmap is out of $PATH, say. */
static int refuse_ids(struct workshop *w, const struct container *c, struct error **err)
{
	const struct idmap *map = NULL;
	int rc = workshop_idmap(w, &map, err);

	if (rc < 0)
		return rc;
	error_set(err, EUCLEAN,
		  "container '%s' was used with other ids than this command has (use the isolation and the "
		  "subordinate ids that it was used with: COOPER_ISOLATION=translated, or without it)",
		  c->name);
	if (map->reason)
		error_hint(err, "now there is one id: %s", map->reason);
	return -EUCLEAN;
}

int rootfs_check_ids(struct workshop *w, const struct container *c, struct error **err)
{
	char noted[PATH_MAX];
	cleanup_free char *ids = NULL;
	cleanup_close int dir = container_open_dir(w, c, err);

	if (dir < 0)
		return dir;
	ssize_t length = readlinkat(dir, OWN_IDS, noted, sizeof(noted));
	if (length < 0)
		return 0; /* not used yet, or by an older version */
	int rc = format_ids(w, &ids, err);
	if (rc < 0)
		return error_prefix(err, "container '%s'", c->name);
	if (strlen(ids) == (size_t)length && memcmp(ids, noted, (size_t)length) == 0)
		return 0;
	return refuse_ids(w, c, err);
}

int rootfs_open_upper(struct workshop *w, const struct container *c, struct rootfs_layers *layers, struct error **err)
{
	cleanup_close int dir = container_open_dir(w, c, err);

	if (dir < 0)
		return dir;
	int rc = note_ids(w, dir, err);
	if (rc < 0)
		return rc;
	layers->upper = fd_open_dir(dir, "upper", err);
	if (layers->upper < 0)
		return error_prefix(err, "container '%s'", c->name);
	layers->scratch = fd_open_dir(dir, "scratch", NULL);
	if (layers->scratch >= 0)
		return 0;
	if (mkdirat(dir, "scratch", 0700) < 0 && errno != EEXIST)
		return error_set_errno(err, "make a work directory");
	layers->scratch = fd_open_dir(dir, "scratch", err);
	return layers->scratch < 0 ? layers->scratch : 0;
}

/* ---- where overlays are refused ---- */

/* A file in the runroot, which does not outlive the machine's run, tells that an overlay was possible on this file
 * system: found out once. */
#define OVERLAY_WORKS "overlay-works"

static bool is_refusal(int rc)
{
	return rc == -EINVAL || rc == -EPERM || rc == -ENODEV || rc == -ENOSYS || rc == -EOPNOTSUPP;
}

/* 0, or what the kernel says against overlays here. */
static int try_overlay(struct workshop *w, const struct rootfs_layers *layers, struct error **err)
{
	int run = store_folder(workshop_store(w), STORE_RUN, NULL);
	cleanup_free char *work = NULL;
	struct overlay_spec spec = rootfs_overlay_spec(layers);

	struct stat st;
	if (fstat(layers->upper, &st) < 0)
		return error_set_errno(err, "look at the container's directory");
	cleanup_free char *mark = mem_printf(OVERLAY_WORKS "-%llx", (unsigned long long)st.st_dev);
	if (run >= 0 && faccessat(run, mark, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	int mount = overlay_open(&spec, &work, err);
	if (mount < 0)
		return mount;
	fd_close(mount);
	tree_remove(layers->scratch, work, NULL);
	/* Without the mark it is tried again next time, which costs a millisecond. */
	if (run >= 0)
		fd_close(openat(run, mark, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
	return 0;
}

static int use_copy(struct workshop *w, const struct container *c, struct rootfs_layers *layers, struct error **err)
{
	cleanup_close int dir = container_open_dir(w, c, err);

	if (dir < 0)
		return dir;
	/* Where the step's kernel writes by itself nothing may be shared (the store of a translated root, used again
	 * where there is one id and a namespace). */
	int rc = workshop_is_translated(w) ? 0 : rootcopy_own(dir, err);
	if (rc < 0)
		return rc;
	layers->mounted = fd_open_dir(dir, ROOTCOPY, err);
	if (layers->mounted < 0)
		return layers->mounted;
	rc = rootcopy_load_links(dir, &layers->shared, err);
	if (rc < 0)
		return rc;
	/* Where a step has no memory of its own to make things in, they lie here. */
	if (workshop_is_translated(w) && mkdirat(dir, "scratch", 0700) < 0 && errno != EEXIST)
		return error_set_errno(err, "make a work directory");
	layers->scratch = workshop_is_translated(w) ? fd_open_dir(dir, "scratch", err) : -1;
	return workshop_is_translated(w) && layers->scratch < 0 ? layers->scratch : 0;
}

/* Layers and upper; or the copy in their place, which is made when it is seen that there can be no overlay. */
static int open_trees(struct workshop *w, const struct container *c, struct rootfs_layers *layers, struct error **err)
{
	if (rootfs_has_copy(w, c))
		return use_copy(w, c, layers, err);
	int rc = rootfs_open_lowers(w, c->config.diff_ids, c->config.diff_id_count, layers, err);
	if (rc >= 0)
		rc = rootfs_open_upper(w, c, layers, err);
	if (rc < 0 || layers->lower_count == 0)
		return rc;
	cleanup_error struct error *why = NULL;
	rc = workshop_is_translated(w) ? -EPERM : try_overlay(w, layers, &why);
	if (!is_refusal(rc)) {
		if (rc < 0 && err)
			*err = take_ptr(&why);
		return rc;
	}
	if (why)
		log_warn("%s; copying the layers of container '%s' instead", error_message(why), c->name);
	cleanup_close int dir = container_open_dir(w, c, err);
	/* Only a translated root knows how to leave what is shared alone. */
	enum rootcopy_kind kind = workshop_is_translated(w) ? ROOTCOPY_LINKS : ROOTCOPY_COPIES;
	rc = dir < 0 ? dir : rootcopy_make(dir, layers->lowers, layers->lower_count, layers->upper, kind, err);
	return rc < 0 ? rc : use_copy(w, c, layers, err);
}

static void fill_root(struct rootfs_layers *layers)
{
	layers->root = (struct run_root){
		.lowers = layers->lowers,
		.lower_count = layers->lower_count,
		.upper = layers->upper,
		.scratch = layers->scratch,
		.mounted = layers->mounted,
		.shared = layers->shared.inodes,
		.shared_count = layers->shared.count,
	};
}

int rootfs_layers_open(struct workshop *w, const struct container *c, struct rootfs_layers *layers, struct error **err)
{
	cleanup(rootfs_layers_done) struct rootfs_layers opened = ROOTFS_LAYERS_INIT;
	int rc = rootfs_check_free(w, c, err);

	if (rc >= 0)
		rc = rootfs_check_ids(w, c, err);
	if (rc < 0)
		return rc;
	cleanup_free char *path = rootfs_overlay_path(w, c);
	if (path) {
		opened.mounted = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (opened.mounted < 0)
			return error_set_errno(err, "%s", path);
	} else {
		rc = open_trees(w, c, &opened, err);
		if (rc < 0)
			return error_prefix(err, "container '%s'", c->name);
	}
	fill_root(&opened);
	*layers = opened;
	opened = ROOTFS_LAYERS_INIT;
	return 0;
}

/* ---- opening for a moment ---- */

struct rootfs {
	int root;
	int mount;   /* a mount that is attached nowhere and goes with this descriptor; -1: none was needed */
	int scratch; /* where `work` lies, or -1 */
	char *work;  /* removed in the end */
	bool is_copied;
};

int rootfs_fd(const struct rootfs *rootfs)
{
	return rootfs->root;
}

bool rootfs_is_copied(const struct rootfs *rootfs)
{
	return rootfs->is_copied;
}

void rootfs_close(struct rootfs *rootfs)
{
	if (!rootfs)
		return;
	fd_close(rootfs->root);
	fd_close(rootfs->mount);
	if (rootfs->work && rootfs->scratch >= 0)
		tree_remove(rootfs->scratch, rootfs->work, NULL);
	fd_close(rootfs->scratch);
	free(rootfs->work);
	free(rootfs);
}

static struct rootfs *rootfs_new(void)
{
	struct rootfs *rootfs = mem_alloc(sizeof(*rootfs));

	rootfs->root = rootfs->mount = rootfs->scratch = -1;
	return rootfs;
}

/* An overlay that nobody else sees, neither the session that we may be part of nor the host. */
static int mount_aside(struct rootfs *rootfs, struct rootfs_layers *layers, struct error **err)
{
	struct overlay_spec spec = rootfs_overlay_spec(layers);

	if (layers->lower_count > 1 && !ovlmark_kernel_reads(layers->lowers[0]))
		return error_set(err, EINVAL,
				 "the store lies on an overlay, where deletions are kept in a way that the kernel does "
				 "not know");
	rootfs->mount = overlay_open(&spec, &rootfs->work, err);
	if (rootfs->mount < 0)
		return rootfs->mount;
	rootfs->scratch = take_fd(&layers->scratch);
	/* The mount's own descriptor is of the O_PATH kind. */
	rootfs->root = openat(rootfs->mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return rootfs->root < 0 ? error_set_errno(err, "open the root") : 0;
}

/* The same as a copy in tmp/. */
static int copy_aside(struct workshop *w, struct rootfs *rootfs, const struct rootfs_layers *layers, struct error **err)
{
	struct store *store = workshop_store(w);
	int tmp = store_tmp(store, err);

	if (tmp < 0)
		return tmp;
	rootfs->work = store_tmp_name(store, "root");
	if (mkdirat(tmp, rootfs->work, 0755) < 0)
		return error_set_errno(err, "make a directory for the copy");
	rootfs->scratch = fd_open_dir(tmp, ".", err);
	if (rootfs->scratch < 0)
		return rootfs->scratch;
	rootfs->is_copied = true;
	rootfs->root = fd_open_dir(tmp, rootfs->work, err);
	/* It is read only, and where no kernel mounts it for a step nobody can write: the files may be the layers'. */
	enum rootcopy_kind kind = workshop_is_translated(w) ? ROOTCOPY_LINKS : ROOTCOPY_COPIES;
	return rootfs->root < 0 ? rootfs->root
				: rootcopy_merge(layers->lowers, layers->lower_count, rootfs->root, kind, err);
}

int rootfs_open(struct workshop *w, const struct container *c, struct rootfs **rootfs, struct error **err)
{
	cleanup(rootfs_close) struct rootfs *opened = rootfs_new();
	cleanup(rootfs_layers_done) struct rootfs_layers layers = ROOTFS_LAYERS_INIT;
	int rc = rootfs_layers_open(w, c, &layers, err);

	if (rc < 0)
		return rc;
	if (layers.mounted >= 0) {
		opened->root = take_fd(&layers.mounted);
	} else if (layers.lower_count == 0) {
		opened->root = take_fd(&layers.upper);
	} else {
		rc = mount_aside(opened, &layers, err);
		if (rc < 0)
			return error_prefix(err, "open the root of container '%s'", c->name);
	}
	*rootfs = take_ptr(&opened);
	return 0;
}

int rootfs_own(struct workshop *w, const struct container *c, struct error **err)
{
	cleanup_close int dir = container_open_dir(w, c, err);
	int rc = dir < 0 ? dir : rootcopy_own(dir, err);

	return rc < 0 ? error_prefix(err, "container '%s'", c->name) : 0;
}

int rootfs_open_image(struct workshop *w, const struct image *image, struct rootfs **rootfs, struct error **err)
{
	cleanup(rootfs_close) struct rootfs *opened = rootfs_new();
	cleanup(rootfs_layers_done) struct rootfs_layers layers = ROOTFS_LAYERS_INIT;
	int rc = rootfs_open_lowers(w, image->config.diff_ids, image->config.diff_id_count, &layers, err);

	if (rc < 0)
		return rc;
	if (layers.lower_count == 0)
		return error_set(err, EINVAL, "the image has no layers");
	cleanup_error struct error *why = NULL;
	rc = workshop_is_translated(w) ? -EPERM : mount_aside(opened, &layers, &why);
	if (is_refusal(rc)) {
		if (why)
			log_warn("%s; copying the layers of the image instead", error_message(why));
		rc = copy_aside(w, opened, &layers, err);
	} else if (rc < 0 && err) {
		*err = take_ptr(&why);
	}
	if (rc < 0)
		return error_prefix(err, "open the root of the image");
	*rootfs = take_ptr(&opened);
	return 0;
}
