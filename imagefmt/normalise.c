/*
 * What a finished upper directory has and a layer must not: taken away, so that the tree under its name is the one that
 * anybody gets who unpacks its tar.
 */
#include "imagefmt/normalise.h"

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
#include "imagefmt/layerroot.h"

#define XATTR_LIST_SIZE ((size_t)64 << 10)
#define OPAQUE_XATTR "user.overlay.opaque"

void normaliser_init(struct normaliser *n, int root, const struct normalise_options *options, const struct buf *path)
{
	*n = (struct normaliser){.options = options, .path = path};
	n->has_sockets_as_marks = !ovlmark_kernel_reads(root);
	n->xattr_list = mem_grow(NULL, XATTR_LIST_SIZE, 1);
}

void normaliser_done(struct normaliser *n)
{
	owner_table_done(&n->kept);
	access_lists_done(&n->lost);
	free(n->xattr_list);
}

/* ---- what is below ---- */

/* What the layers below show at the path of the thing at hand; false: nothing. */
static bool find_below(const struct normaliser *n, struct stat *st)
{
	for (size_t i = 0; i < n->options->lower_count; i++) {
		cleanup_close int fd = -1;
		enum lower_verdict verdict = lower_find(n->options->lowers[i], buf_str(n->path), &fd);
		if (verdict != LOWER_SAYS_NOTHING)
			return verdict == LOWER_HAS_IT && fstat(fd, st) == 0 && !ovlmark_is_whiteout(st);
	}
	return false;
}

static bool is_directory_below(const struct normaliser *n)
{
	struct stat st;

	return find_below(n, &st) && S_ISDIR(st.st_mode);
}

/* ---- one file or directory ---- */

/* A record that a step has written stays out of the layer; the file is what the kernel says. */
static int judge_record(const struct normaliser *n, int fd, struct error **err)
{
	const struct vouchers *vouchers = n->options->vouchers;
	struct owner_record record;

	if (!vouchers || (owner_get(fd, &record, NULL) == 0 && vouch_check(vouchers, buf_str(n->path), &record)))
		return 0;
	log_warn("'%s' was marked by a step as a device or as belonging to somebody else; the mark is left out",
		 buf_str(n->path));
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

/* Removes access lists, and all that overlayfs keeps for itself; of its marks only `opaque` is ours to judge. */
static int drop_bookkeeping(struct normaliser *n, int fd, bool is_device, bool *is_opaque, bool *has_xattrs,
			    struct error **err)
{
	ssize_t size = flistxattr(fd, n->xattr_list, XATTR_LIST_SIZE);
	bool has_lists = false;

	*is_opaque = false;
	if (size < 0 && errno != EOPNOTSUPP)
		return error_set_errno(err, "'%s': list the attributes", buf_str(n->path));
	*has_xattrs = size > 0;
	for (const char *name = n->xattr_list; size > 0 && name < n->xattr_list + size; name += strlen(name) + 1) {
		int rc = 0;
		has_lists = has_lists || access_lists_is_name(name);
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
			return error_set_errno(err, "'%s': remove '%s'", buf_str(n->path), name);
		if (rc < 0)
			return rc;
	}
	int rc = has_lists ? access_lists_drop(&n->lost, fd, buf_str(n->path), err) : 0;
	return rc < 0 ? rc : 0;
}

/* A tar has whole seconds: so has the tree. By name where there is no descriptor. */
static int set_time(const struct normaliser *n, int fd, const char *name, struct stat *st, bool force,
		    struct error **err)
{
	int64_t limit = n->options->clamp_mtime;
	bool is_late = limit >= 0 && (n->options->set_mtime || st->st_mtim.tv_sec > limit);
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = st->st_mtim.tv_sec}};

	if (is_late)
		times[1].tv_sec = limit;
	if (!is_late && !force && st->st_mtim.tv_nsec == 0)
		return 0;
	if ((name ? utimensat(fd, name, times, AT_SYMLINK_NOFOLLOW) : futimens(fd, times)) < 0)
		return error_set_errno(err, "'%s': set the time", buf_str(n->path));
	st->st_mtim = times[1];
	return 0;
}

int normalise_time_again(struct normaliser *n, int fd, struct stat *st, struct error **err)
{
	return set_time(n, fd, /* name */ NULL, st, /* force */ true, err);
}

/* ---- each kind of thing ---- */

int normalise_file(struct normaliser *n, int fd, struct stat *st, bool *has_xattrs, struct error **err)
{
	bool is_device;
	bool is_opaque;
	int rc = record_device(n, fd, st, &is_device, err);

	if (rc == 0)
		rc = drop_bookkeeping(n, fd, is_device, &is_opaque, has_xattrs, err);
	return rc < 0 ? rc : set_time(n, fd, /* name */ NULL, st, /* force */ false, err);
}

/* It took the place of something, which the step has removed: that must not come back when the socket goes. */
static int leave_whiteout(const struct normaliser *n, int dirfd, const char *name, struct stat *st, struct error **err)
{
	struct stat below;

	if (!find_below(n, &below))
		return NORMALISE_REMOVED;
	int rc = ovlmark_make_whiteout(dirfd, name, err);
	if (rc >= 0 && fstatat(dirfd, name, st, AT_SYMLINK_NOFOLLOW) < 0)
		rc = error_set_errno(err, "'%s': look at the whiteout", buf_str(n->path));
	return rc < 0 ? rc : NORMALISE_REPLACED;
}

int normalise_other(struct normaliser *n, int dirfd, const char *name, struct stat *st, bool merges, struct error **err)
{
	/* Where overlayfs makes the marks, a socket is a step's, whatever its mode. */
	bool may_be_mark = !S_ISSOCK(st->st_mode) || n->has_sockets_as_marks;

	if (may_be_mark && ovlmark_is_whiteout(st) && merges)
		return NORMALISE_KEPT;
	/* overlayfs makes no whiteout where nothing is below. A step can, in a root that is a plain directory: under
	 * another parent it would remove what that has. */
	bool is_socket = S_ISSOCK(st->st_mode);
	if (!is_socket && !ovlmark_is_whiteout(st)) {
		int rc = keep_record(n, dirfd, name, err);
		if (rc >= 0 && !S_ISLNK(st->st_mode))
			rc = access_lists_drop_at(&n->lost, dirfd, name, buf_str(n->path), err);
		return rc < 0 ? rc : set_time(n, dirfd, name, st, /* force */ false, err);
	}
	/* A socket is of the process that made it; no tar has them. */
	if (unlinkat(dirfd, name, 0) < 0)
		return error_set_errno(err, "'%s': remove it", buf_str(n->path));
	return is_socket && merges ? leave_whiteout(n, dirfd, name, st, err) : NORMALISE_REMOVED;
}

int normalise_dir(struct normaliser *n, int fd, struct stat *st, bool *merges, bool *has_xattrs, struct error **err)
{
	bool is_opaque;
	int rc = drop_bookkeeping(n, fd, /* is_device */ false, &is_opaque, has_xattrs, err);

	/* The kernel marks every new directory; where nothing is below, the mark would hide what another parent has. */
	if (rc == 0 && is_opaque && (!*merges || !is_directory_below(n)))
		rc = ovlmark_clear_opaque(fd, err);
	*merges = *merges && !is_opaque;
	return rc < 0 ? rc : set_time(n, fd, /* name */ NULL, st, /* force */ false, err);
}

int normalise_root(struct normaliser *n, int fd, struct stat *st, struct error **err)
{
	size_t below = n->options->root_is_unsaid ? 0 : n->options->lower_count;
	bool is_opaque;
	bool has_xattrs;
	int rc = drop_bookkeeping(n, fd, /* is_device */ false, &is_opaque, &has_xattrs, err);

	if (rc == 0 && is_opaque)
		rc = ovlmark_clear_opaque(fd, err);
	if (rc == 0)
		rc = layer_root_settle(fd, n->options->lowers, below, err);
	return rc < 0 ? rc : set_time(n, fd, /* name */ NULL, st, /* force */ true, err);
}

void normaliser_say_lists(struct normaliser *n)
{
	access_lists_warn(&n->lost);
}

void normaliser_keep_owners(struct normaliser *n)
{
	struct owner_table *owners = n->options->owners;

	if (owners == NULL || owners->count == 0)
		return;
	owner_table_done(owners);
	n->kept.has_changed = true;
	*owners = n->kept;
	n->kept = (struct owner_table){0};
}
