/*
 * The life of a root that is a directory: layers merged into one tree, by copying or by links, and what is shared with
 * them.
 */
#include "builder/rootcopy.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/atomicfile.h"
#include "base/buf.h"
#include "base/fd.h"
#include "base/ovlmark.h"
#include "base/tree.h"
#include "builder/rootcopy_internal.h"

bool rootcopy_exists(int dir)
{
	return faccessat(dir, ROOTCOPY "/.", F_OK, 0) == 0;
}

/* ---- what is shared ---- */

#define LINKED_SIZE_MAX ((size_t)1 << 30)

void rootcopy_links_done(struct rootcopy_links *links)
{
	free(links->inodes);
	*links = (struct rootcopy_links){0};
}

static int compare_inodes(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

bool rootcopy_links_has(const struct rootcopy_links *links, uint64_t ino)
{
	return links && links->count && bsearch(&ino, links->inodes, links->count, sizeof(ino), compare_inodes);
}

int rootcopy_load_links(int dir, struct rootcopy_links *links, struct error **err)
{
	cleanup(buf_done) struct buf bytes = BUF_INIT(LINKED_SIZE_MAX);
	cleanup_error struct error *trouble = NULL;
	int rc = fd_read_file(dir, ROOTCOPY_LINKED, &bytes, &trouble);

	if (rc == -ENOENT)
		return 0;
	if (rc == 0 && bytes.len % sizeof(*links->inodes) != 0)
		rc = error_set(&trouble, EINVAL, "'%s' is damaged", ROOTCOPY_LINKED);
	if (rc < 0) {
		if (err)
			*err = take_ptr(&trouble);
		return rc;
	}
	links->count = bytes.len / sizeof(*links->inodes);
	links->inodes = bytes.len ? mem_dup(bytes.data, bytes.len) : NULL;
	return 1;
}

int rootcopy_links_save(int dir, const uint64_t *inodes, size_t count, struct error **err)
{
	cleanup(rootcopy_links_done) struct rootcopy_links links = {0};
	size_t kept = 0;
	int rc = rootcopy_load_links(dir, &links, err);

	if (rc < 0)
		return rc;
	links.inodes = mem_grow(links.inodes, links.count + count + 1, sizeof(*links.inodes));
	if (count)
		memcpy(links.inodes + links.count, inodes, count * sizeof(*inodes));
	links.count += count;
	qsort(links.inodes, links.count, sizeof(*links.inodes), compare_inodes);
	for (size_t i = 0; i < links.count; i++)
		if (i == 0 || links.inodes[i] != links.inodes[i - 1])
			links.inodes[kept++] = links.inodes[i];
	return atomic_file_write(dir, ROOTCOPY_LINKED, 0600, links.inodes, kept * sizeof(*links.inodes), /* flags */ 0,
				 err);
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

	if (!*entry->path)
		return TREE_GO_ON;
	/* What is not there hides nothing, nor does what is below it. */
	if (fstatat(*to, entry->path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return TREE_SKIP_CHILDREN;
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

/* `links` is NULL for copies. */
static int merge_one(int layer, int to, struct tree_links *links, bool is_first, struct error **err)
{
	int rc = is_first ? 0 : tree_walk(layer, make_way, /* after */ NULL, &to, err);

	if (rc >= 0 && links)
		return tree_link(layer, to, links, err);
	if (rc >= 0)
		rc = tree_copy(layer, to, err);
	if (rc >= 0)
		rc = tree_walk(layer, drop_marks, /* after */ NULL, &to, err);
	return rc;
}

static int merge_all(const int *lowers, size_t count, int to, struct tree_links *links, struct error **err)
{
	for (size_t i = count; i-- > 0;) {
		int rc = merge_one(lowers[i], to, links, i + 1 == count, err);
		if (rc < 0)
			return error_prefix(err, "copy the layers");
	}
	return 0;
}

int rootcopy_merge(const int *lowers, size_t count, int to, enum rootcopy_kind kind, struct error **err)
{
	cleanup(tree_links_done) struct tree_links links = {0};

	return merge_all(lowers, count, to, kind == ROOTCOPY_LINKS ? &links : NULL, err);
}

/* ---- making ---- */

static bool is_to_be_own(int dir)
{
	return faccessat(dir, ROOTCOPY_OWN, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int remove_file(int dir, const char *name, struct error **err)
{
	if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
		return error_set_errno(err, "remove '%s'", name);
	return 0;
}

/* The tree of the layers, and the list and set that speak of it. */
static int make_lower(int dir, const int *lowers, size_t count, int to, bool by_links, struct error **err)
{
	cleanup(tree_links_done) struct tree_links made = {0};
	cleanup(rootcopy_links_done) struct rootcopy_links links = {0};
	int rc = remove_file(dir, ROOTCOPY_LINKED, err);

	if (rc >= 0)
		rc = remove_file(dir, ROOTCOPY_NEXT, err);
	if (rc >= 0)
		rc = merge_all(lowers, count, to, by_links ? &made : NULL, err);
	if (rc >= 0 && by_links)
		rc = rootcopy_links_save(dir, made.inodes, made.count, err);
	if (rc >= 0)
		rc = rootcopy_load_links(dir, &links, err);
	return rc < 0 ? rc : rootcopy_scan(dir, to, ROOTCOPY_LIST, &links, SCAN_ANEW, /* changes */ NULL, err);
}

int rootcopy_make(int dir, const int *lowers, size_t count, int upper, enum rootcopy_kind kind, struct error **err)
{
	struct stat st;
	int rc = tree_remove(dir, ROOTCOPY_MAKING, err);

	if (rc < 0)
		return rc;
	if (mkdirat(dir, ROOTCOPY_MAKING, 0755) < 0)
		return error_set_errno(err, "make a directory for the copy");
	cleanup_close int to = fd_open_dir(dir, ROOTCOPY_MAKING, err);
	if (to < 0)
		return to;
	/* The list knows the layers only: what upper has on them counts as changed. */
	rc = make_lower(dir, lowers, count, to, kind == ROOTCOPY_LINKS && !is_to_be_own(dir), err);
	if (rc < 0)
		return rc;
	if (fstat(upper, &st) < 0 || fchown(to, st.st_uid, st.st_gid) < 0 || fchmod(to, st.st_mode & 07777) < 0)
		return error_set_errno(err, "make the root of the copy");
	/* Not a layer yet: its files are copied. */
	rc = merge_one(upper, to, /* links */ NULL, /* is_first */ false, err);
	if (rc >= 0 && renameat(dir, ROOTCOPY_MAKING, dir, ROOTCOPY) < 0)
		rc = error_set_errno(err, "put the copy into its place");
	return rc;
}

/* The store had a layer of the same bytes already, and upper, whose files the root was to share, was removed: they are
 * the root's own, are changed in place, and cannot be listed as shared. */
static bool has_lost_shares(int dir)
{
	cleanup(buf_done) struct buf path = BUF_INIT((size_t)4 * PATH_MAX);
	struct stat st;

	if (fd_read_file(dir, ROOTCOPY_WITNESS, &path, NULL) < 0)
		return false;
	cleanup_close int copy = fd_open_dir(dir, ROOTCOPY, NULL);
	return copy < 0 || fstatat(copy, buf_str(&path), &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_nlink == 1;
}

struct owned {
	const struct rootcopy_links *links;
	bool *is_own; /* of each */
};

static int note_own(const struct tree_entry *entry, void *context, struct error **err)
{
	const struct owned *owned = context;
	const struct rootcopy_links *links = owned->links;
	uint64_t ino = entry->st->st_ino;

	if (!S_ISREG(entry->st->st_mode) || entry->st->st_nlink > 1 || !rootcopy_links_has(links, ino))
		return TREE_GO_ON;
	const uint64_t *found = bsearch(&ino, links->inodes, links->count, sizeof(ino), compare_inodes);
	owned->is_own[found - links->inodes] = true;
	return TREE_GO_ON;
}

/* Those have their only name in the root. With a second one there they would pass for shared, and a change would part
 * the two. */
static int forget_lost_shares(int dir, int copy, struct rootcopy_links *links, struct error **err)
{
	cleanup_free bool *is_own = mem_alloc(links->count + 1);
	struct owned owned = {.links = links, .is_own = is_own};
	size_t kept = 0;
	int rc = tree_walk(copy, note_own, /* after */ NULL, &owned, err);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < links->count; i++)
		if (!is_own[i])
			links->inodes[kept++] = links->inodes[i];
	links->count = kept;
	return atomic_file_write(dir, ROOTCOPY_LINKED, 0600, links->inodes, kept * sizeof(*links->inodes),
				 /* flags */ 0, err);
}

int rootcopy_mark(int dir, struct error **err)
{
	if (!has_lost_shares(dir)) {
		if (renameat(dir, ROOTCOPY_NEXT, dir, ROOTCOPY_LIST) == 0)
			return 0;
		if (errno != ENOENT)
			return error_set_errno(err, "keep the list of the container's files");
	}
	unlinkat(dir, ROOTCOPY_NEXT, 0);
	cleanup(rootcopy_links_done) struct rootcopy_links links = {0};
	cleanup_close int copy = fd_open_dir(dir, ROOTCOPY, err);
	int rc = copy < 0 ? copy : rootcopy_load_links(dir, &links, err);
	if (rc > 0)
		rc = forget_lost_shares(dir, copy, &links, err);
	return rc < 0 ? rc : rootcopy_scan(dir, copy, ROOTCOPY_LIST, &links, SCAN_ANEW, /* changes */ NULL, err);
}

/* ---- sharing no more ---- */

struct owning {
	const struct rootcopy_links *links;
	int scratch;
	struct privatised *files;
	size_t count, cap;
};

static void note_privatised(struct owning *owning, uint64_t before, const struct stat *now)
{
	if (owning->count == owning->cap) {
		owning->cap = owning->cap ? owning->cap * 2 : 256;
		owning->files = mem_grow(owning->files, owning->cap, sizeof(*owning->files));
	}
	owning->files[owning->count++] = (struct privatised){.before = before, .now = *now};
}

static int own_entry(const struct tree_entry *entry, void *context, struct error **err)
{
	struct owning *owning = context;
	struct stat st;

	if (!S_ISREG(entry->st->st_mode) || entry->st->st_nlink < 2 ||
	    !rootcopy_links_has(owning->links, entry->st->st_ino))
		return TREE_GO_ON;
	int rc = tree_copy_one(entry, owning->scratch, err);
	if (rc < 0)
		return rc;
	if (renameat(owning->scratch, entry->name, entry->dirfd, entry->name) < 0 ||
	    fstatat(entry->dirfd, entry->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return error_set_errno(err, "replace '%s'", entry->path);
	note_privatised(owning, entry->st->st_ino, &st);
	return TREE_GO_ON;
}

/* A directory whose entries were replaced has the time that it had. */
static int keep_time(const struct tree_entry *entry, void *context, struct error **err)
{
	const struct timespec times[2] = {entry->st->st_atim, entry->st->st_mtim};

	utimensat(entry->dirfd, *entry->path ? entry->name : ".", times, AT_SYMLINK_NOFOLLOW);
	return TREE_GO_ON;
}

static int own_all(int dir, const struct rootcopy_links *links, struct error **err)
{
	struct owning owning = {.links = links};
	cleanup_close int copy = fd_open_dir(dir, ROOTCOPY, err);
	int rc = copy < 0 ? copy : tree_remove(dir, ROOTCOPY_MAKING, err);

	if (rc < 0)
		return rc;
	if (mkdirat(dir, ROOTCOPY_MAKING, 0700) < 0)
		return error_set_errno(err, "make a directory for copies");
	cleanup_close int scratch = fd_open_dir(dir, ROOTCOPY_MAKING, err);
	owning.scratch = scratch;
	rc = scratch < 0 ? scratch : tree_walk(copy, own_entry, keep_time, &owning, err);
	/* Killed before this, what was copied counts as changed: the next layer says it once more, which is no harm. */
	if (rc >= 0)
		rc = rootcopy_list_privatise(dir, owning.files, owning.count, err);
	free(owning.files);
	tree_remove(dir, ROOTCOPY_MAKING, NULL);
	return rc;
}

int rootcopy_own(int dir, struct error **err)
{
	cleanup(rootcopy_links_done) struct rootcopy_links links = {0};

	if (!is_to_be_own(dir)) {
		cleanup_close int mark = openat(dir, ROOTCOPY_OWN, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (mark < 0)
			return error_set_errno(err, "remember that the container's files are its own");
	}
	int rc = rootcopy_load_links(dir, &links, err);
	if (rc <= 0)
		return rc;
	if (rootcopy_exists(dir))
		rc = own_all(dir, &links, err);
	if (rc >= 0)
		rc = remove_file(dir, ROOTCOPY_NEXT, err);
	return rc < 0 ? error_prefix(err, "copy what the container shares with its layers")
		      : remove_file(dir, ROOTCOPY_LINKED, err);
}
