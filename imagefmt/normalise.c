/*
 * What a finished upper directory still has of overlayfs and of the moment, and what no tar would give back: taken
 * away, so that the tree under its name is the one that anybody gets who unpacks its tar.
 */
#include "imagefmt/pack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/ovlmark.h"
#include "base/owner.h"
#include "imagefmt/dirlist.h"
#include "imagefmt/layerroot.h"
#include "imagefmt/tarread.h"

#define XATTR_LIST_SIZE ((size_t)64 << 10)
#define OPAQUE_XATTR "user.overlay.opaque"

struct normaliser {
	const struct normalise_options *options;
	struct buf path;	 /* of the directory or file at hand */
	struct owner_table kept; /* of options->owners what was met */
	char *xattr_list;
	bool has_sockets_as_marks; /* see base/ovlmark.h */
};

static void normaliser_done(struct normaliser *n)
{
	buf_done(&n->path);
	owner_table_done(&n->kept);
	free(n->xattr_list);
}
CLEANUP_FOR_VALUE(struct normaliser, normaliser_done)

/* ---- what is below ---- */

static bool is_directory(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Is there a directory of this name below? */
static bool is_in_lowers(const struct normaliser *n, const char *path)
{
	for (size_t i = 0; i < n->options->lower_count; i++) {
		cleanup_close int fd = -1;
		enum lower_verdict verdict = lower_find(n->options->lowers[i], path, &fd);
		if (verdict != LOWER_SAYS_NOTHING)
			return verdict == LOWER_HAS_IT && is_directory(fd);
	}
	return false;
}

/* ---- one file or directory ---- */

/* A record that a step has written stays out of the layer; the file is what the kernel says. */
static int judge_record(const struct normaliser *n, int fd, struct error **err)
{
	const struct vouchers *vouchers = n->options->vouchers;
	struct owner_record record;

	if (!vouchers || (owner_get(fd, &record, NULL) == 0 && vouch_check(vouchers, buf_str(&n->path), &record)))
		return 0;
	log_warn("'%s' was marked by a step as a device or as belonging to somebody else; the mark is left out",
		 buf_str(&n->path));
	return owner_clear(fd, err);
}

/* A device that a step has made where ids are mapped: it could not write the record itself. The owner is the file's. */
static int record_device(const struct normaliser *n, int fd, const struct stat *st, bool *is_device, struct error **err)
{
	const struct owner_table *owners = n->options->owners;
	struct owner_key key;

	*is_device = false;
	if (owners == NULL || owners->count == 0)
		return 0;
	int rc = owner_key_of(fd, "", &key, err);
	const struct owner_record *found = rc < 0 ? NULL : owner_table_find(owners, &key);
	if (found == NULL || (found->mode & S_IFMT) == 0)
		return rc;
	struct owner_record record = *found;
	struct stat seen = *st;
	owner_see(&seen);
	record.uid = seen.st_uid;
	record.gid = seen.st_gid;
	*is_device = true;
	return owner_set(fd, &record, err);
}

static int keep_record(struct normaliser *n, int dirfd, const char *name, struct error **err)
{
	const struct owner_table *owners = n->options->owners;
	struct owner_key key;

	if (owners == NULL || owners->count == 0)
		return 0;
	int rc = owner_key_of(dirfd, name, &key, err);
	const struct owner_record *found = rc < 0 ? NULL : owner_table_find(owners, &key);
	if (found != NULL)
		owner_table_put(&n->kept, &key, found);
	return rc;
}

/* Removes all that overlayfs keeps for itself; of its marks only `opaque` is ours to judge. */
static int drop_bookkeeping(struct normaliser *n, int fd, bool is_device, bool *is_opaque, struct error **err)
{
	ssize_t size = flistxattr(fd, n->xattr_list, XATTR_LIST_SIZE);

	*is_opaque = false;
	if (size < 0 && errno != EOPNOTSUPP)
		return error_set_errno(err, "'%s': list the attributes", buf_str(&n->path));
	for (const char *name = n->xattr_list; size > 0 && name < n->xattr_list + size; name += strlen(name) + 1) {
		int rc = 0;
		if (ovlmark_classify(name) != OVLMARK_KERNEL)
			continue;
		if (strcmp(name, OWNER_XATTR) == 0 && is_device)
			continue; /* it is ours */
		/* As records are: where a step could write it itself it is nothing. */
		if (strcmp(name, OVLMARK_CAPABILITY) == 0 && !n->options->vouchers)
			continue;
		if (strcmp(name, OWNER_XATTR) == 0)
			rc = judge_record(n, fd, err);
		else if (strcmp(name, OPAQUE_XATTR) == 0 && ovlmark_is_opaque(fd))
			*is_opaque = true;
		else if (fremovexattr(fd, name) < 0 && errno != ENODATA)
			return error_set_errno(err, "'%s': remove '%s'", buf_str(&n->path), name);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* A tar has whole seconds: so has the tree. */
static int set_time(const struct normaliser *n, int dirfd, const char *name, const struct stat *st, bool force,
		    struct error **err)
{
	int64_t limit = n->options->clamp_mtime;
	bool is_late = limit >= 0 && (n->options->set_mtime || st->st_mtim.tv_sec > limit);
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = st->st_mtim.tv_sec}};

	if (is_late)
		times[1].tv_sec = limit;
	if (!is_late && !force && st->st_mtim.tv_nsec == 0)
		return 0;
	if (utimensat(dirfd, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return error_set_errno(err, "'%s': set the time", buf_str(&n->path));
	return 0;
}

static int normalise_file(struct normaliser *n, int dirfd, const char *name, struct error **err)
{
	cleanup_close int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	bool is_device;
	bool is_opaque;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_set_errno(err, "'%s': open", buf_str(&n->path));
	int rc = record_device(n, fd, &st, &is_device, err);
	if (rc == 0)
		rc = drop_bookkeeping(n, fd, is_device, &is_opaque, err);
	return rc < 0 ? rc : set_time(n, dirfd, name, &st, /* force */ false, err);
}

static int normalise_other(struct normaliser *n, int dirfd, const char *name, bool merges, bool *removed,
			   struct error **err)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return error_set_errno(err, "'%s': stat", buf_str(&n->path));
	/* Where overlayfs makes the marks, a socket is a step's, whatever its mode. */
	bool may_be_mark = !S_ISSOCK(st.st_mode) || n->has_sockets_as_marks;
	if (may_be_mark && ovlmark_is_whiteout(&st) && merges)
		return 0;
	/* overlayfs makes no whiteout where nothing is below. A step can, in a root that is a plain directory: under
	 * another parent it would remove what that has. */
	if (!S_ISSOCK(st.st_mode) && !ovlmark_is_whiteout(&st)) {
		int rc = keep_record(n, dirfd, name, err);
		return rc < 0 ? rc : set_time(n, dirfd, name, &st, /* force */ false, err);
	}
	/* A socket is of the process that made it; no tar has them. */
	if (unlinkat(dirfd, name, 0) < 0)
		return error_set_errno(err, "'%s': remove it", buf_str(&n->path));
	*removed = true;
	return 0;
}

/* ---- the walk ---- */

/* `merges`: things of lower layers can be seen in this directory. *removed is set when something was taken out of it.
 */
static int normalise_children(struct normaliser *n, int fd, bool merges, bool *removed, struct error **err);

static int normalise_dir(struct normaliser *n, int dirfd, const char *name, bool merges, struct error **err)
{
	cleanup_close int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	bool is_opaque;
	bool removed = false;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_set_errno(err, "'%s': open", buf_str(&n->path));
	int rc = drop_bookkeeping(n, fd, /* is_device */ false, &is_opaque, err);
	/* The kernel marks every new directory; where nothing is below, the mark would hide what another parent has. */
	if (rc == 0 && is_opaque && (!merges || !is_in_lowers(n, buf_str(&n->path))))
		rc = ovlmark_clear_opaque(fd, err);
	if (rc == 0)
		rc = normalise_children(n, fd, merges && !is_opaque, &removed, err);
	return rc < 0 ? rc : set_time(n, dirfd, name, &st, removed, err);
}

static int normalise_child(struct normaliser *n, int fd, const struct dir_name *child, bool merges, bool *removed,
			   struct error **err)
{
	unsigned char type = child->type;
	struct stat st;

	if (type == DT_UNKNOWN) {
		if (fstatat(fd, child->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return error_set_errno(err, "'%s': stat", buf_str(&n->path));
		type = IFTODT(st.st_mode);
	}
	if (type == DT_DIR)
		return normalise_dir(n, fd, child->name, merges, err);
	if (type == DT_REG)
		return normalise_file(n, fd, child->name, err);
	return normalise_other(n, fd, child->name, merges, removed, err);
}

static int normalise_children(struct normaliser *n, int fd, bool merges, bool *removed, struct error **err)
{
	cleanup(dir_list_done) struct dir_list list = {0};
	size_t path_end = n->path.len;
	int rc = dir_list_read(fd, &list, err);

	for (size_t i = 0; rc == 0 && i < list.count; i++) {
		if (path_end > 0)
			buf_append_char(&n->path, '/');
		buf_append_str(&n->path, list.names[i].name);
		if (n->path.overflow)
			return error_set(err, ENAMETOOLONG, "the path '%.100s…' is longer than %d bytes",
					 buf_str(&n->path), TAR_PATH_MAX);
		rc = normalise_child(n, fd, &list.names[i], merges, removed, err);
		n->path.len = path_end;
		n->path.data[path_end] = '\0';
	}
	return rc;
}

static int normalise_tree(int upper, const struct normalise_options *options, struct error **err)
{
	cleanup(normaliser_done) struct normaliser n = {.options = options};
	cleanup_close int root = openat(upper, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool removed = false;
	bool is_opaque;

	if (root < 0)
		return error_set_errno(err, "open the upper directory");
	n.has_sockets_as_marks = !ovlmark_kernel_reads(root);
	buf_init(&n.path, TAR_PATH_MAX);
	n.xattr_list = mem_grow(NULL, XATTR_LIST_SIZE, 1);
	int rc = drop_bookkeeping(&n, root, /* is_device */ false, &is_opaque, err);
	if (rc == 0 && is_opaque)
		rc = ovlmark_clear_opaque(root, err);
	if (rc == 0)
		rc = normalise_children(&n, root, /* merges */ options->lower_count > 0, &removed, err);
	if (rc == 0 && options->owners != NULL && options->owners->count > 0) {
		owner_table_done(options->owners);
		n.kept.has_changed = true;
		*options->owners = n.kept;
		n.kept = (struct owner_table){0};
	}
	return rc;
}

/* The root last: what is taken out of it changes its time. */
int pack_normalise(int upper, const struct normalise_options *options, struct error **err)
{
	const struct normaliser n = {.options = options};
	struct stat st;

	if (fstat(upper, &st) < 0)
		return error_set_errno(err, "stat the upper directory");
	int rc = normalise_tree(upper, options, err);
	if (rc == 0)
		rc = layer_root_settle(upper, options->lowers, options->lower_count, err);
	return rc < 0 ? rc : set_time(&n, upper, ".", &st, /* force */ true, err);
}
