/*
 * An image's root file system for the user: as a tar, or as files of his own. In: an image of the store; out: bytes or
 * a directory. Both are made in the worker, which alone can read all files of a layer. The image is anybody's: nothing
 * of it is followed, and of a file that becomes the user's the set-id bits go, since they would now give away his
 * rights.
 */
#include "builder/output_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/attributes.h"
#include "base/fd.h"
#include "base/inodetable.h"
#include "base/log.h"
#include "base/ovlmark.h"
#include "base/owner.h"
#include "base/parse.h"
#include "base/rootpath.h"
#include "base/tree.h"
#include "builder/fetch.h"
#include "builder/records.h"
#include "builder/rootfs.h"
#include "imagefmt/pack.h"
#include "imagefmt/stream.h"

struct tree_output {
	const struct image *image;
	int fd;		       /* of the tar */
	const char *directory; /* else */
	bool delete_others;
};

/* An image without layers has an empty root: in tmp/. */
static int open_root(struct workshop *w, const struct image *image, struct rootfs **rootfs, int *empty,
		     struct error **err)
{
	if (image->config.diff_id_count > 0) {
		/* The base of an image that only got another configuration may be packed still. */
		int rc = fetch_unpack(w, image, err);
		return rc < 0 ? rc : rootfs_open_image(w, image, rootfs, err);
	}
	int tmp = store_tmp(workshop_store(w), err);
	if (tmp < 0)
		return tmp;
	cleanup_free char *name = store_tmp_name(workshop_store(w), "empty");
	if (mkdirat(tmp, name, 0755) < 0)
		return error_set_errno(err, "make an empty directory");
	*empty = fd_open_dir(tmp, name, err);
	return *empty < 0 ? *empty : 0;
}

/* ---- tar ---- */

static int tar_task(struct workshop *w, void *context, struct buf *result, struct error **err)
{
	struct tree_output *output = context;
	cleanup(rootfs_close) struct rootfs *rootfs = NULL;
	cleanup_close int empty = -1;
	cleanup(owner_table_done) struct owner_table owners = {0};
	struct pack_result packed;
	int rc = open_root(w, output->image, &rootfs, &empty, err);

	if (rc >= 0)
		rc = records_load_image(w, output->image, rootfs, &owners, err);
	if (rc < 0)
		return rc;
	return pack_tree(rootfs ? rootfs_fd(rootfs) : empty, &owners, stream_fd_sink, &output->fd, &packed, err);
}

int output_tree_tar(struct workshop *w, const struct image *image, int fd, struct error **err)
{
	struct tree_output output = {.image = image, .fd = fd};

	return workshop_call(w, tar_task, &output, /* result */ NULL, err);
}

/* ---- files ---- */

struct tree_copier {
	int from, to;
	struct inode_table links;
};

static void tree_copier_done(struct tree_copier *copier)
{
	inode_table_done(&copier->links);
}
CLEANUP_FOR_VALUE(struct tree_copier, tree_copier_done)

/* What the file is in the image: its record counts where the kernel could not be told. */
static void read_stat(const struct tree_entry *entry, struct stat *st)
{
	struct owner_record record;
	cleanup_close int fd = openat(entry->dirfd, entry->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	*st = *entry->st;
	if (fd >= 0 && (S_ISREG(st->st_mode) || S_ISDIR(st->st_mode)) && owner_get(fd, &record, NULL) == 0)
		owner_apply(&record, st);
}

/* Capabilities would be the user's gift, ours and overlayfs' marks mean nothing outside of the store. */
static bool is_of_user(const char *name)
{
	return text_has_prefix(name, "user.") && ovlmark_classify(name) == OVLMARK_PLAIN;
}

static int copy_file(const struct tree_entry *entry, const struct stat *st, int parent, const char *leaf,
		     struct error **err)
{
	const struct timespec times[2] = {st->st_mtim, st->st_mtim};
	cleanup_close int from = openat(entry->dirfd, entry->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (from < 0)
		return error_set_errno(err, "read");
	cleanup_close int to = openat(parent, leaf, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to < 0)
		return error_set_errno(err, "make the file");
	int rc = fd_copy(from, to, /* copied */ NULL, err);
	if (rc < 0)
		return rc;
	attributes_copy(from, to, is_of_user, ATTRIBUTES_AT_BEST, /* err */ NULL);
	if (fchmod(to, st->st_mode & 0777) < 0 || futimens(to, times) < 0)
		return error_set_errno(err, "set mode and time");
	return 0;
}

static int copy_symlink(const struct tree_entry *entry, const struct stat *st, int parent, const char *leaf,
			struct error **err)
{
	const struct timespec times[2] = {st->st_mtim, st->st_mtim};
	char target[PATH_MAX];
	ssize_t size = readlinkat(entry->dirfd, entry->name, target, sizeof(target) - 1);

	if (size < 0)
		return error_set_errno(err, "read the link");
	target[size] = '\0';
	if (symlinkat(target, parent, leaf) < 0)
		return error_set_errno(err, "make the link");
	utimensat(parent, leaf, times, AT_SYMLINK_NOFOLLOW);
	return 0;
}

/* A further name of a file that was copied under `first`; its directories are ours, so no link is on the way. */
static int copy_link(const struct tree_copier *copier, const char *first, int parent, const char *leaf,
		     struct error **err)
{
	cleanup_free char *name = NULL;
	cleanup_close int there = rootpath_open_parent(copier->to, first, /* create */ false, &name, err);

	if (there < 0)
		return there;
	if (linkat(there, name, parent, leaf, 0) < 0 && errno != ENOENT) /* the first was left out */
		return error_set_errno(err, "link to '%s'", first);
	return 0;
}

/* A directory stays for a directory; all else makes way. */
static int make_way(int parent, const char *leaf, bool is_directory, struct error **err)
{
	struct stat there;

	if (fstatat(parent, leaf, &there, AT_SYMLINK_NOFOLLOW) < 0 || (is_directory && S_ISDIR(there.st_mode)))
		return 0;
	return tree_remove(parent, leaf, err);
}

static int place(struct tree_copier *copier, const struct tree_entry *entry, const struct stat *st, struct error **err)
{
	cleanup_free char *leaf = NULL;
	cleanup_close int parent = rootpath_open_parent(copier->to, entry->path, /* create */ false, &leaf, err);
	int rc = parent < 0 ? parent : make_way(parent, leaf, S_ISDIR(st->st_mode), err);

	if (rc < 0)
		return rc;
	if (S_ISDIR(st->st_mode))
		return mkdirat(parent, leaf, 0700) < 0 && errno != EEXIST ? error_set_errno(err, "make the directory")
									  : 0;
	const char *first = st->st_nlink > 1 ? inode_table_visit(&copier->links, entry->st, entry->path) : NULL;
	if (first)
		return copy_link(copier, first, parent, leaf, err);
	if (S_ISREG(st->st_mode))
		return copy_file(entry, st, parent, leaf, err);
	if (S_ISLNK(st->st_mode))
		return copy_symlink(entry, st, parent, leaf, err);
	if (S_ISFIFO(st->st_mode))
		return mkfifoat(parent, leaf, st->st_mode & 0777) < 0 ? error_set_errno(err, "make the FIFO") : 0;
	log_debug("'%s' is a device or socket: leaving it out", entry->path);
	return 0;
}

static int copy_entry(const struct tree_entry *entry, void *context, struct error **err)
{
	struct tree_copier *copier = context;
	struct stat st;

	if (!*entry->path)
		return TREE_GO_ON;
	read_stat(entry, &st);
	int rc = place(copier, entry, &st, err);
	return rc < 0 ? error_prefix(err, "'%s'", entry->path) : TREE_GO_ON;
}

/* When nothing is put into it any more. */
static int dress_directory(const struct tree_entry *entry, void *context, struct error **err)
{
	struct tree_copier *copier = context;
	struct stat st;

	if (!*entry->path)
		return TREE_GO_ON;
	read_stat(entry, &st);
	const struct timespec times[2] = {st.st_mtim, st.st_mtim};
	cleanup_close int fd = rootpath_open(copier->to, entry->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, err);
	if (fd < 0)
		return fd;
	/* The user must be able to look into his own directory, and to remove it. */
	if (fchmod(fd, (st.st_mode & 01777) | 0700) < 0 || futimens(fd, times) < 0)
		return error_set_errno(err, "set mode and time of '%s'", entry->path);
	return TREE_GO_ON;
}

static int remove_other(const struct tree_entry *entry, void *context, struct error **err)
{
	struct tree_copier *copier = context;
	struct stat st;

	if (!*entry->path || rootpath_stat(copier->from, entry->path, /* follow */ false, &st, NULL) == 0)
		return TREE_GO_ON;
	int rc = tree_remove(entry->dirfd, entry->name, err);
	return rc < 0 ? rc : TREE_SKIP_CHILDREN;
}

static int copy_task(struct workshop *w, void *context, struct buf *result, struct error **err)
{
	const struct tree_output *output = context;
	cleanup(rootfs_close) struct rootfs *rootfs = NULL;
	cleanup(tree_copier_done) struct tree_copier copier = {.from = -1, .to = -1};
	cleanup_close int empty = -1;
	/* The user's own words, made by us: links in them are his. */
	cleanup_close int to = open(output->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (to < 0)
		return error_set_errno(err, "open '%s'", output->directory);
	int rc = open_root(w, output->image, &rootfs, &empty, err);
	if (rc < 0)
		return rc;
	copier.from = rootfs ? rootfs_fd(rootfs) : empty;
	copier.to = to;
	rc = tree_walk(copier.from, copy_entry, dress_directory, &copier, err);
	if (rc >= 0 && output->delete_others)
		rc = tree_walk(to, remove_other, /* after */ NULL, &copier, err);
	return rc < 0 ? rc : 0;
}

int output_tree_copy(struct workshop *w, const struct image *image, const char *directory, bool delete_others,
		     struct error **err)
{
	struct tree_output output = {.image = image, .fd = -1, .directory = directory, .delete_others = delete_others};

	return workshop_call(w, copy_task, &output, /* result */ NULL, err);
}
