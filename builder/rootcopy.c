/*
 * Layers copied into one tree, and the difference found again: a file has changed when its inode or its ctime has,
 * which nothing in a step can set back.
 */
#include "builder/rootcopy.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/atomicfile.h"
#include "base/buf.h"
#include "base/fd.h"
#include "base/ovlmark.h"
#include "base/owner.h"
#include "base/tree.h"

#define LIST "copy.list"
#define LIST_SIZE_MAX ((size_t)4 << 30)
#define MAKING "copy.making"
#define LINKS "copy.links"

bool rootcopy_exists(int dir)
{
	return faccessat(dir, ROOTCOPY "/.", F_OK, 0) == 0;
}

/* ---- the list ---- */

/* Extended attributes, among them the record of an owner (base/owner.h). */
static void describe_attributes(int fd, struct buf *text)
{
	cleanup_free char *names = mem_alloc(XATTR_LIST_MAX);
	cleanup_free char *value = mem_alloc(XATTR_SIZE_MAX);
	ssize_t size = flistxattr(fd, names, XATTR_LIST_MAX);

	for (const char *name = names; size > 0 && name < names + size; name += strlen(name) + 1) {
		ssize_t got = fgetxattr(fd, name, value, XATTR_SIZE_MAX);
		buf_printf(text, " %s=", name);
		for (ssize_t i = 0; i < got; i++)
			buf_printf(text, "%02x", (unsigned char)value[i]);
	}
}

/* What tells an unchanged entry. A directory's times change with its entries: there the attributes count. */
static void describe(const struct tree_entry *entry, struct buf *text)
{
	const struct stat *st = entry->st;

	if (S_ISDIR(st->st_mode)) {
		cleanup_close int fd =
			openat(entry->dirfd, entry->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		buf_printf(text, "d %o %u %u", (unsigned)st->st_mode, st->st_uid, st->st_gid);
		if (fd >= 0)
			describe_attributes(fd, text);
	} else {
		buf_printf(text, "f %llu %lld.%09ld", (unsigned long long)st->st_ino, (long long)st->st_ctim.tv_sec,
			   st->st_ctim.tv_nsec);
	}
}

static int list_entry(const struct tree_entry *entry, void *context, struct error **err)
{
	struct buf *text = context;

	if (*entry->path) {
		/* Path first, each ended by a NUL: a path may hold anything else. */
		buf_append(text, entry->path, strlen(entry->path) + 1);
		describe(entry, text);
		buf_append_char(text, '\0');
	}
	return TREE_GO_ON;
}

static int write_list(int dir, const char *name, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(LIST_SIZE_MAX);
	cleanup_close int copy = fd_open_dir(dir, name, err);
	int rc = copy < 0 ? copy : tree_walk(copy, list_entry, /* after */ NULL, &text, err);

	if (rc < 0)
		return rc;
	if (text.overflow)
		return error_set(err, EFBIG, "the list of the container's files is too large");
	return atomic_file_write(dir, LIST, 0600, buf_str(&text), text.len, /* flags */ 0, err);
}

int rootcopy_mark(int dir, struct error **err)
{
	return write_list(dir, ROOTCOPY, err);
}

/* ---- merging ---- */

/* Opens the directory that holds `path` below `root`, a tree of our own without links on the way. */
static int open_above(int root, const char *path, struct error **err)
{
	const char *slash = strrchr(path, '/');
	cleanup_free char *above = slash ? mem_strndup(path, (size_t)(slash - path)) : mem_strdup(".");

	return fd_open_dir(root, above, err);
}

static bool is_opaque_entry(const struct tree_entry *entry)
{
	cleanup_close int fd = openat(entry->dirfd, entry->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd >= 0 && ovlmark_is_opaque(fd);
}

/* Takes away what an entry of the next layer hides or replaces. */
static int make_way(const struct tree_entry *entry, void *context, struct error **err)
{
	const int *to = context;
	struct stat st;

	if (!*entry->path || fstatat(*to, entry->path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return TREE_GO_ON;
	bool both_dirs = S_ISDIR(st.st_mode) && S_ISDIR(entry->st->st_mode);
	if (both_dirs && !is_opaque_entry(entry))
		return TREE_GO_ON;
	cleanup_close int above = open_above(*to, entry->path, err);
	int rc = above < 0 ? above : tree_remove(above, entry->name, err);
	return rc < 0 ? rc : TREE_SKIP_CHILDREN;
}

/* Removes the marks that came along with a layer. */
static int drop_marks(const struct tree_entry *entry, void *context, struct error **err)
{
	const int *to = context;

	if (ovlmark_is_whiteout(entry->st)) {
		if (unlinkat(*to, entry->path, 0) < 0 && errno != ENOENT)
			return error_set_errno(err, "remove the mark '%s'", entry->path);
		return TREE_GO_ON;
	}
	if (!S_ISDIR(entry->st->st_mode) || !*entry->path || !is_opaque_entry(entry))
		return TREE_GO_ON;
	cleanup_close int fd = openat(*to, entry->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int rc = fd < 0 ? 0 : ovlmark_clear_opaque(fd, err);
	return rc < 0 ? rc : TREE_GO_ON;
}

static int merge_one(int layer, int to, struct error **err)
{
	int rc = tree_walk(layer, make_way, /* after */ NULL, &to, err);

	if (rc >= 0)
		rc = tree_copy(layer, to, err);
	if (rc >= 0)
		rc = tree_walk(layer, drop_marks, /* after */ NULL, &to, err);
	return rc;
}

int rootcopy_merge(const int *lowers, size_t count, int to, struct error **err)
{
	for (size_t i = count; i-- > 0;) {
		int rc = merge_one(lowers[i], to, err);
		if (rc < 0)
			return error_prefix(err, "copy the layers");
	}
	return 0;
}

int rootcopy_make(int dir, const int *lowers, size_t count, int upper, struct error **err)
{
	struct stat st;
	int rc = tree_remove(dir, MAKING, err);

	if (rc < 0)
		return rc;
	if (mkdirat(dir, MAKING, 0755) < 0)
		return error_set_errno(err, "make a directory for the copy");
	cleanup_close int to = fd_open_dir(dir, MAKING, err);
	if (to < 0)
		return to;
	rc = rootcopy_merge(lowers, count, to, err);
	if (rc < 0)
		return rc;
	if (fstat(upper, &st) < 0 || fchown(to, st.st_uid, st.st_gid) < 0 || fchmod(to, st.st_mode & 07777) < 0)
		return error_set_errno(err, "make the root of the copy");
	/* The list knows the layers only: what upper has on them counts as changed. */
	rc = write_list(dir, MAKING, err);
	if (rc >= 0)
		rc = merge_one(upper, to, err);
	if (rc >= 0 && renameat(dir, MAKING, dir, ROOTCOPY) < 0)
		rc = error_set_errno(err, "put the copy into its place");
	return rc;
}

/* ---- reading the list ---- */

struct listed {
	const char *path, *state; /* borrowed from the list's text */
	bool seen;
};

struct list {
	struct buf text;
	struct listed *items; /* sorted by path */
	size_t count;
};

static void list_done(struct list *list)
{
	buf_done(&list->text);
	free(list->items);
}

static int compare_listed(const void *a, const void *b)
{
	return strcmp(((const struct listed *)a)->path, ((const struct listed *)b)->path);
}

static int list_load(int dir, struct list *list, struct error **err)
{
	int rc = fd_read_file(dir, LIST, &list->text, err);

	if (rc < 0)
		return rc;
	const char *end = list->text.data + list->text.len;
	size_t cap = 0;
	for (const char *at = list->text.data; at && at < end;) {
		const char *state = at + strlen(at) + 1;
		if (state >= end)
			return error_set(err, EINVAL, "the list of the container's files is damaged");
		if (list->count == cap) {
			cap = cap ? cap * 2 : 1024;
			list->items = mem_grow(list->items, cap, sizeof(*list->items));
		}
		list->items[list->count++] = (struct listed){.path = at, .state = state};
		at = state + strlen(state) + 1;
	}
	if (list->count)
		qsort(list->items, list->count, sizeof(*list->items), compare_listed);
	return 0;
}

static struct listed *list_find(const struct list *list, const char *path)
{
	const struct listed key = {.path = path};

	return list->count ? bsearch(&key, list->items, list->count, sizeof(key), compare_listed) : NULL;
}

/* ---- the difference ---- */

/* Changed files are first linked together into a tree, which tree_copy() then copies with all it knows. */
struct difference {
	struct list list;
	int copy;  /* the root */
	int links; /* the tree of links */
};

/* Of a copy these are data and records: the marks of layers were taken away when it was made. */
static int copy_attributes(int from, int to, const char *path, struct error **err)
{
	cleanup_free char *names = mem_alloc(XATTR_LIST_MAX);
	cleanup_free char *value = mem_alloc(XATTR_SIZE_MAX);
	ssize_t size = flistxattr(from, names, XATTR_LIST_MAX);

	for (const char *name = names; size > 0 && name < names + size; name += strlen(name) + 1) {
		ssize_t got = fgetxattr(from, name, value, XATTR_SIZE_MAX);
		if (got >= 0 && fsetxattr(to, name, value, (size_t)got, 0) < 0 && strncmp(name, "user.", 5) == 0)
			return error_set_errno(err, "'%s': the attribute %s", path, name);
	}
	return 0;
}

static int copy_directory_attributes(int from, int to, const struct stat *st, const char *path, struct error **err)
{
	if (fchown(to, st->st_uid, st->st_gid) < 0 || fchmod(to, st->st_mode & 07777) < 0)
		return error_set_errno(err, "'%s'", path);
	return copy_attributes(from, to, path, err);
}

/* Makes the directory `path` and those above it, with the attributes that they have in the copy. */
static int link_directories(const struct difference *d, const char *path, struct error **err)
{
	for (const char *end = path; *end;) {
		end += strcspn(end, "/");
		cleanup_free char *part = mem_strndup(path, (size_t)(end - path));
		struct stat st;
		end += *end == '/';
		if (mkdirat(d->links, part, 0700) < 0) {
			if (errno == EEXIST)
				continue;
			return error_set_errno(err, "make '%s'", part);
		}
		cleanup_close int from = openat(d->copy, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		cleanup_close int to = fd_open_dir(d->links, part, err);
		if (to < 0)
			return to;
		if (from < 0 || fstat(from, &st) < 0)
			return error_set_errno(err, "'%s'", part);
		int rc = copy_directory_attributes(from, to, &st, part, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int link_above(const struct difference *d, const char *path, struct error **err)
{
	const char *slash = strrchr(path, '/');
	cleanup_free char *above = mem_strndup(path, slash ? (size_t)(slash - path) : 0);

	return link_directories(d, above, err);
}

static int link_changed(const struct tree_entry *entry, void *context, struct error **err)
{
	struct difference *d = context;
	cleanup(buf_done) struct buf state = BUF_INIT(BUF_MAX_DEFAULT);

	if (!*entry->path)
		return TREE_GO_ON;
	struct listed *listed = list_find(&d->list, entry->path);
	describe(entry, &state);
	bool same_kind = listed && (listed->state[0] == 'd') == S_ISDIR(entry->st->st_mode);
	if (listed)
		listed->seen = same_kind;
	if (listed && strcmp(listed->state, buf_str(&state)) == 0)
		return TREE_GO_ON;
	if (S_ISDIR(entry->st->st_mode))
		return link_directories(d, entry->path, err);
	/* Of a socket no layer has anything, and none of a step's may pass for a whiteout (base/ovlmark.h). */
	if (S_ISSOCK(entry->st->st_mode)) {
		if (listed)
			listed->seen = true;
		return TREE_GO_ON;
	}
	if (listed && !same_kind)
		listed->seen = true; /* a file in the place of a directory hides it */
	int rc = link_above(d, entry->path, err);
	if (rc >= 0 && linkat(entry->dirfd, entry->name, d->links, entry->path, 0) < 0)
		rc = error_set_errno(err, "take '%s'", entry->path);
	return rc < 0 ? rc : TREE_GO_ON;
}

/* What the list has and the copy has not. Below a directory that is gone itself nothing needs to be said. */
static int link_whiteouts(const struct difference *d, struct error **err)
{
	struct stat st;

	for (size_t i = 0; i < d->list.count; i++) {
		const char *path = d->list.items[i].path;
		const char *slash = strrchr(path, '/');
		cleanup_free char *above = slash ? mem_strndup(path, (size_t)(slash - path)) : mem_strdup(".");
		if (d->list.items[i].seen)
			continue;
		if (fstatat(d->copy, path, &st, AT_SYMLINK_NOFOLLOW) == 0) {
			/* A directory that took a file's place. It is made anew in the layer, and hides the file. */
			continue;
		}
		if (fstatat(d->copy, above, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
			continue;
		int rc = link_above(d, path, err);
		cleanup_close int fd = rc < 0 ? rc : fd_open_dir(d->links, above, err);
		if (fd < 0)
			return fd;
		rc = ovlmark_make_whiteout(fd, slash ? slash + 1 : path, err);
		if (rc < 0)
			return rc;
	}
	return 0;
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

static int renew_upper(int dir, struct error **err)
{
	struct stat st;

	if (fstatat(dir, ROOTCOPY, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return error_set_errno(err, "look at the copy");
	int rc = tree_remove(dir, "upper", err);
	if (rc < 0)
		return rc;
	if (mkdirat(dir, "upper", 0755) < 0 || fchownat(dir, "upper", st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fchmodat(dir, "upper", st.st_mode & 07777, 0) < 0)
		return error_set_errno(err, "make the container's directory");
	cleanup_close int copy = fd_open_dir(dir, ROOTCOPY, err);
	cleanup_close int upper = copy < 0 ? copy : fd_open_dir(dir, "upper", err);
	rc = upper < 0 ? upper : copy_attributes(copy, upper, "/", err);
	return rc < 0 ? rc : take_fd(&upper);
}

static int fill(int dir, struct difference *d, struct error **err)
{
	int rc = tree_walk(d->copy, link_changed, /* after */ NULL, d, err);

	if (rc >= 0)
		rc = link_whiteouts(d, err);
	if (rc >= 0)
		rc = tree_walk(d->links, visit_nothing, set_directory_time, &d->copy, err);
	if (rc < 0)
		return rc;
	cleanup_close int upper = renew_upper(dir, err);
	return upper < 0 ? upper : tree_copy(d->links, upper, err);
}

int rootcopy_fill_upper(int dir, struct error **err)
{
	struct difference d = {.list = {.text = BUF_INIT(LIST_SIZE_MAX)}, .copy = -1, .links = -1};
	int rc = tree_remove(dir, LINKS, err);

	if (rc < 0)
		return rc;
	if (mkdirat(dir, LINKS, 0700) < 0)
		return error_set_errno(err, "make a directory for the changes");
	cleanup_close int links = fd_open_dir(dir, LINKS, err);
	cleanup_close int copy = links < 0 ? links : fd_open_dir(dir, ROOTCOPY, err);
	if (copy < 0)
		return copy;
	d.links = links;
	d.copy = copy;
	rc = list_load(dir, &d.list, err);
	if (rc >= 0)
		rc = fill(dir, &d, err);
	list_done(&d.list);
	tree_remove(dir, LINKS, NULL);
	return rc;
}
