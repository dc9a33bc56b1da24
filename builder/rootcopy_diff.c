/*
 * The difference of a root that is a directory: what the scan has found changed is put into the upper directory.
 *
 * A file that can be shared is linked there; it is written down as shared before it is. All else is copied, names of
 * one file as names of one copy. Nothing in the root is touched, so that the state that was found stays true.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomicfile.h"
#include "base/attributes.h"
#include "base/fd.h"
#include "base/inodetable.h"
#include "base/ovlmark.h"
#include "builder/rootcopy_internal.h"
#include "imagefmt/accesslists.h"

struct difference {
	int copy;  /* the root */
	int upper; /* what becomes the layer */
	struct changes changes;
	char *above; /* the directory that was made last in upper, and that are open: */
	int copy_above, upper_above;
	struct inode_table names; /* of what was copied and has several */
};

static void difference_done(struct difference *d)
{
	changes_done(&d->changes);
	inode_table_done(&d->names);
	fd_close(d->upper);
	fd_close(d->copy_above);
	fd_close(d->upper_above);
	free(d->above);
}
CLEANUP_FOR_VALUE(struct difference, difference_done)

/* ---- directories ---- */

/* No layer has one, and what is made in the directory would inherit it. */
static bool is_no_access_list(const char *name)
{
	return !access_lists_is_name(name);
}

static int copy_directory_attributes(int from, int to, const struct stat *st, const char *path, struct error **err)
{
	if (fchown(to, st->st_uid, st->st_gid) < 0 || fchmod(to, st->st_mode & 07777) < 0)
		return error_set_errno(err, "'%s'", path);
	/* These are data and records: the marks of layers were taken away when the copy was made. */
	return attributes_copy(from, to, is_no_access_list, /* flags */ 0, err);
}

/* Makes the directory `path` and those above it, with the attributes that they have in the root. */
static int make_directories(const struct difference *d, const char *path, struct error **err)
{
	for (const char *end = path; *end;) {
		end += strcspn(end, "/");
		cleanup_free char *part = mem_strndup(path, (size_t)(end - path));
		struct stat st;
		end += *end == '/';
		if (mkdirat(d->upper, part, 0700) < 0) {
			if (errno == EEXIST)
				continue;
			return error_set_errno(err, "make '%s'", part);
		}
		cleanup_close int from = openat(d->copy, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		cleanup_close int made = fd_open_dir(d->upper, part, err);
		if (made < 0)
			return made;
		if (from < 0 || fstat(from, &st) < 0)
			return error_set_errno(err, "'%s'", part);
		int rc = copy_directory_attributes(from, made, &st, part, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* The same for what holds `path`, and opens it. Changes come in the order of the tree, so mostly it is the last one. */
static int go_above(struct difference *d, const char *path, struct error **err)
{
	const char *slash = strrchr(path, '/');
	cleanup_free char *above = mem_strndup(path, slash ? (size_t)(slash - path) : 0);
	const char *name = *above ? above : ".";

	if (d->above && strcmp(d->above, above) == 0)
		return 0;
	int rc = make_directories(d, above, err);
	if (rc < 0)
		return rc;
	fd_close(take_fd(&d->copy_above));
	fd_close(take_fd(&d->upper_above));
	d->copy_above = fd_open_dir(d->copy, name, err);
	d->upper_above = d->copy_above < 0 ? -1 : fd_open_dir(d->upper, name, err);
	mem_replace(&d->above, d->upper_above < 0 ? NULL : above);
	return d->upper_above < 0 ? -ENOENT : 0;
}

/* Directories get their times last, when nothing more is put into them. */
static int set_directory_time(const struct tree_entry *entry, void *context, struct error **err)
{
	const int *copy = context;
	struct stat st;

	if (*entry->path && fstatat(*copy, entry->path, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		const struct timespec times[2] = {st.st_atim, st.st_mtim};
		utimensat(entry->dirfd, entry->name, times, AT_SYMLINK_NOFOLLOW);
	}
	return TREE_GO_ON;
}

static int visit_nothing(const struct tree_entry *entry, void *context, struct error **err)
{
	return TREE_GO_ON;
}

/* ---- changes ---- */

static const char *leaf_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static int share(const struct difference *d, const char *path, struct error **err)
{
	const char *leaf = leaf_of(path);

	if (linkat(d->copy_above, leaf, d->upper_above, leaf, 0) < 0)
		return error_set_errno(err, "take '%s'", path);
	return 0;
}

static int copy(struct difference *d, const char *path, struct error **err)
{
	const char *leaf = leaf_of(path);
	struct stat st;

	if (fstatat(d->copy_above, leaf, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return error_set_errno(err, "take '%s'", path);
	const char *first = st.st_nlink > 1 ? inode_table_visit(&d->names, &st, path) : NULL;
	if (first)
		return linkat(d->upper, first, d->upper_above, leaf, 0) < 0
			       ? error_set_errno(err, "link '%s' to '%s'", path, first)
			       : 0;
	const struct tree_entry entry = {.path = path, .name = leaf, .dirfd = d->copy_above, .st = &st};
	return tree_copy_one(&entry, d->upper_above, err);
}

static int apply(struct difference *d, const struct change *change, struct error **err)
{
	if (change->kind == CHANGE_DIRECTORY)
		return make_directories(d, change->path, err);
	int rc = go_above(d, change->path, err);
	if (rc < 0)
		return rc;
	switch (change->kind) {
	case CHANGE_SHARE:
		return share(d, change->path, err);
	case CHANGE_REMOVAL:
		return ovlmark_make_whiteout(d->upper_above, leaf_of(change->path), err);
	default:
		return copy(d, change->path, err);
	}
}

static int apply_all(struct difference *d, struct error **err)
{
	int rc = 0;

	for (size_t i = 0; rc >= 0 && i < d->changes.count; i++)
		rc = apply(d, &d->changes.items[i], err);
	if (rc >= 0 && d->changes.count)
		rc = tree_walk(d->upper, visit_nothing, set_directory_time, &d->copy, err);
	return rc < 0 ? rc : 0;
}

/* Before anything is linked it is written down: a file that is in the set and not shared is no harm. */
static int announce_shares(int dir, const struct changes *changes, struct error **err)
{
	cleanup_free uint64_t *inodes = mem_grow(NULL, changes->count + 1, sizeof(*inodes));
	size_t count = 0;

	for (size_t i = 0; i < changes->count; i++)
		if (changes->items[i].kind == CHANGE_SHARE)
			inodes[count++] = changes->items[i].ino;
	return count ? rootcopy_links_save(dir, inodes, count, err) : 0;
}

/* One file that only the root has, and is to become the layer's, too: rootcopy_mark() asks it whether it did. */
static int call_witness(int dir, int copy, const struct changes *changes, struct error **err)
{
	struct stat st;

	if (unlinkat(dir, ROOTCOPY_WITNESS, 0) < 0 && errno != ENOENT)
		return error_set_errno(err, "remove '%s'", ROOTCOPY_WITNESS);
	for (size_t i = 0; i < changes->count; i++) {
		const struct change *change = &changes->items[i];
		if (change->kind == CHANGE_SHARE && fstatat(copy, change->path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    st.st_nlink == 1)
			return atomic_file_write(dir, ROOTCOPY_WITNESS, 0600, change->path, strlen(change->path),
						 /* flags */ 0, err);
	}
	return 0;
}

/* ---- the door ---- */

static int renew_upper(int dir, int copy, struct error **err)
{
	struct stat st;

	if (fstat(copy, &st) < 0)
		return error_set_errno(err, "look at the copy");
	int rc = tree_remove(dir, "upper", err);
	if (rc < 0)
		return rc;
	if (mkdirat(dir, "upper", 0755) < 0 || fchownat(dir, "upper", st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fchmodat(dir, "upper", st.st_mode & 07777, 0) < 0)
		return error_set_errno(err, "make the container's directory");
	cleanup_close int upper = fd_open_dir(dir, "upper", err);
	rc = upper < 0 ? upper : attributes_copy(copy, upper, is_no_access_list, /* flags */ 0, err);
	return rc < 0 ? rc : take_fd(&upper);
}

int rootcopy_fill_upper(int dir, struct error **err)
{
	cleanup(rootcopy_links_done) struct rootcopy_links links = {0};
	cleanup(difference_done) struct difference d = {.copy = -1, .upper = -1, .copy_above = -1, .upper_above = -1};
	cleanup_close int copy = fd_open_dir(dir, ROOTCOPY, err);
	int rc = copy < 0 ? copy : rootcopy_load_links(dir, &links, err);

	if (rc < 0)
		return rc;
	unsigned flags = SCAN_FOR_LAYER | (rc > 0 ? SCAN_MAY_SHARE : 0);
	d.copy = copy;
	rc = rootcopy_scan(dir, copy, ROOTCOPY_NEXT, &links, flags, &d.changes, err);
	if (rc >= 0)
		rc = announce_shares(dir, &d.changes, err);
	if (rc >= 0)
		rc = call_witness(dir, copy, &d.changes, err);
	if (rc >= 0)
		rc = d.upper = renew_upper(dir, copy, err);
	if (rc >= 0)
		rc = apply_all(&d, err);
	return rc < 0 ? rc : 0;
}
