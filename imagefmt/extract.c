/*
 * One entry after the other: its name is cleaned, its directory opened, what stands in its place removed, and the thing
 * made. Marks of removal (".wh.") act on what lower layers have, never on what this layer brings, in whatever order
 * they come (OCI image-spec layer.md, "Whiteouts").
 */
#include "imagefmt/extract_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/ovlmark.h"
#include "base/owner.h"
#include "base/parse.h"
#include "base/rootpath.h"
#include "base/tree.h"
#include "imagefmt/dirlist.h"
#include "imagefmt/layerroot.h"
#include "imagefmt/layerxattr.h"

int extractor_new(int dirfd, const struct unpack_options *options, const struct piece_keeper *keeper,
		  struct extractor **extractor, struct error **err)
{
	struct stat st;

	if (fstat(dirfd, &st) < 0)
		return error_set_errno(err, "stat the directory to unpack into");
	struct extractor *x = mem_alloc(sizeof(*x));
	x->root = dirfd;
	x->options = *options;
	x->is_root = owner_is_root();
	x->egid = getegid();
	/* What is there already may hand its group on; so may our own root. */
	x->chown_all = options->plain || (st.st_mode & S_ISGID) != 0 || st.st_gid != x->egid;
	buf_init(&x->path, TAR_PATH_MAX);
	if (keeper != NULL)
		extract_queue_new(x, keeper, &x->queue);
	*extractor = x;
	return 0;
}

void extractor_free(struct extractor *x)
{
	if (x == NULL)
		return;
	extract_queue_free(x->queue);
	buf_done(&x->path);
	extract_dirs_done(x);
	path_map_done(&x->added);
	access_lists_done(&x->unkept);
	free(x);
}

/* ---- names ---- */

enum name_verdict { NAME_GOOD, NAME_IGNORED };

static bool is_component(const char *at, size_t length, const char *name)
{
	return strlen(name) == length && memcmp(at, name, length) == 0;
}

static void drop_component(struct buf *path)
{
	const char *slash = memrchr(path->data, '/', path->len);

	path->len = slash != NULL ? (size_t)(slash - path->data) : 0;
	path->data[path->len] = '\0';
}

/* "./a//b/../c/" becomes "a/c", as text: that is how every other tool reads it. */
static int clean_path(const char *name, struct buf *path, struct error **err)
{
	buf_clear(path);
	for (const char *at = name; *at != '\0';) {
		size_t length = strcspn(at, "/");
		if (is_component(at, length, "..")) {
			if (path->len == 0)
				return error_set(err, EBADMSG, "it leads out of the layer");
			drop_component(path);
		} else if (length > 0 && !is_component(at, length, ".")) {
			if (path->len > 0)
				buf_append_char(path, '/');
			buf_append(path, at, length);
		}
		at += length + (at[length] == '/');
	}
	return path->overflow ? error_set(err, ENAMETOOLONG, "its name is too long") : 0;
}

/* Names that begin with ".wh." belong to the marks: in the middle of a path they mean nothing that could be kept. */
static int check_marks(const char *path, enum name_verdict *verdict, struct error **err)
{
	*verdict = NAME_GOOD;
	for (const char *at = path; *at != '\0';) {
		size_t length = strcspn(at, "/");
		bool is_last = at[length] == '\0';
		/* aufs kept its own things under such names, and old images still have them. */
		if (text_has_prefix(at, LAYER_WHITEOUT_META) && !(is_last && strcmp(at, LAYER_WHITEOUT_OPAQUE) == 0)) {
			*verdict = NAME_IGNORED;
			return 0;
		}
		if (!is_last && text_has_prefix(at, LAYER_WHITEOUT_PREFIX))
			return error_set(err, EBADMSG, "a directory cannot be named '%.*s'", (int)length, at);
		at += length + !is_last;
	}
	return 0;
}

/* Remembers, for options.plain, that this layer has the path and the directories above it. */
static void note_added(struct extractor *x, const char *path)
{
	if (!x->options.plain)
		return;
	for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/'))
		path_map_put(&x->added, path, (size_t)(slash - path), 0, NULL);
	path_map_put(&x->added, path, strlen(path), 0, NULL);
}

static int open_target(struct extractor *x, const char *path, int64_t mtime, struct extract_target *target,
		       struct error **err)
{
	const char *slash = strrchr(path, '/');

	target->path = path;
	target->leaf = slash != NULL ? slash + 1 : path;
	target->dir_length = slash != NULL ? (size_t)(slash - path) : 0;
	target->dirfd = extract_open_dir(x, path, target->dir_length, mtime, err);
	return target->dirfd < 0 ? target->dirfd : 0;
}

static bool stands_in_the_way(int rc)
{
	return rc == -EEXIST;
}

/* ---- marks of removal ---- */

/* Removes from the directory what this layer has not brought; `path` is the directory's. */
static int remove_lower_children(struct extractor *x, int dirfd, const char *path, struct error **err)
{
	cleanup(dir_list_done) struct dir_list list = {0};
	cleanup_close int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return error_set_errno(err, "open '%s'", path);
	int rc = dir_list_read(fd, &list, err);
	for (size_t i = 0; rc == 0 && i < list.count; i++) {
		const char *name = list.names[i].name;
		cleanup_free char *child = mem_printf("%s%s%s", path, *path != '\0' ? "/" : "", name);
		if (!path_map_has(&x->added, child)) {
			rc = extract_make_way(x, fd, name, err);
			continue;
		}
		/* What it has brought may be a directory with things of below in it. */
		cleanup_close int sub = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub >= 0)
			rc = remove_lower_children(x, sub, child, err);
	}
	return rc;
}

static int add_opaque(struct extractor *x, const struct extract_target *target, struct error **err)
{
	cleanup_free char *path = mem_strndup(target->path, target->dir_length);

	if (x->options.plain)
		return remove_lower_children(x, target->dirfd, path, err);
	/* overlayfs merges roots whatever they say. */
	if (target->dir_length == 0)
		return error_set(err, ENOTSUP, "a layer cannot remove the whole of the layers below");
	return ovlmark_set_opaque(target->dirfd, err);
}

static int remove_lower(struct extractor *x, const struct extract_target *target, const char *name, struct error **err)
{
	cleanup_free char *path = target->dir_length > 0
					  ? mem_printf("%.*s/%s", (int)target->dir_length, target->path, name)
					  : mem_strdup(name);

	if (!path_map_has(&x->added, path))
		return extract_make_way(x, target->dirfd, name, err);
	cleanup_close int fd = openat(target->dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd >= 0 ? remove_lower_children(x, fd, path, err) : 0;
}

static int add_whiteout(struct extractor *x, const struct extract_target *target, struct error **err)
{
	const char *name = target->leaf + strlen(LAYER_WHITEOUT_PREFIX);
	struct stat st;

	if (*name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return error_set(err, EBADMSG, "it removes no name that a file could have");
	if (x->options.plain)
		return remove_lower(x, target, name, err);
	if (fstatat(target->dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno != ENOENT)
			return error_set_errno(err, "stat '%s'", name);
		return ovlmark_make_whiteout(target->dirfd, name, err);
	}
	/* The layer brings one of the same name: it hides the lower one anyway, except that directories are merged. */
	if (!S_ISDIR(st.st_mode))
		return 0;
	cleanup_close int fd = openat(target->dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return error_set_errno(err, "open '%s'", name);
	return ovlmark_set_opaque(fd, err);
}

static int add_mark(struct extractor *x, const struct extract_target *target, struct error **err)
{
	return strcmp(target->leaf, LAYER_WHITEOUT_OPAQUE) == 0 ? add_opaque(x, target, err)
								: add_whiteout(x, target, err);
}

/* ---- the others ---- */

static int add_directory(struct extractor *x, const struct extract_target *target, const struct tar_entry *entry,
			 struct error **err)
{
	cleanup_close int fd = extract_make_dir(x, target->dirfd, target->leaf, entry->mode, err);

	if (fd < 0)
		return fd;
	const struct extract_place place = {.fd = fd};
	int rc = extract_set_owner(x, &place, entry, err);
	if (rc == 0)
		rc = extract_set_xattrs(x, &place, entry, err);
	if (rc == 0)
		rc = extract_dir_later(x, fd, target->path, strlen(target->path), entry->mode, entry->mtime, err);
	if (rc == 0) /* what follows is most often in it */
		extract_enter_dir(x, target->leaf, take_fd(&fd));
	return rc;
}

/* "./": the owner, mode and time of the tree itself. */
static int add_root(struct extractor *x, const struct tar_entry *entry, struct error **err)
{
	if (entry->type != TAR_DIRECTORY)
		return error_set(err, EBADMSG, "the root of a layer can only be a directory");
	cleanup_close int fd = openat(x->root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_set_errno(err, "open the root");
	const struct extract_place place = {.fd = fd};
	int rc = extract_set_owner(x, &place, entry, err);
	if (rc == 0)
		rc = extract_set_xattrs(x, &place, entry, err);
	if (rc == 0 && !x->options.plain)
		rc = layer_root_say(fd, err);
	return rc < 0 ? rc : extract_dir_later(x, fd, "", 0, entry->mode, entry->mtime, err);
}

static int finish_other(struct extractor *x, const struct extract_target *target, const struct tar_entry *entry,
			struct error **err)
{
	const struct extract_place place = {.fd = -1, .dirfd = target->dirfd, .leaf = target->leaf};
	int rc = extract_set_owner(x, &place, entry, err);

	if (rc == 0)
		rc = extract_set_xattrs(x, &place, entry, err);
	/* The node is ours and new: between mknod and here nobody else could have put a symlink there. */
	if (rc == 0 && entry->type != TAR_SYMLINK &&
	    fchmodat(target->dirfd, target->leaf, entry->mode & 07777, /* flags */ 0) < 0)
		rc = error_set_errno(err, "set the mode");
	return rc < 0 ? rc : extract_set_time(&place, entry->mtime, err);
}

static int make_symlink(const struct extract_target *target, const struct tar_entry *entry, struct error **err)
{
	return symlinkat(entry->link, target->dirfd, target->leaf) < 0 ? error_set_errno(err, "make the symlink") : 0;
}

static int make_fifo(const struct extract_target *target, const struct tar_entry *entry, struct error **err)
{
	return mknodat(target->dirfd, target->leaf, S_IFIFO | 0600, 0) < 0 ? error_set_errno(err, "make the FIFO") : 0;
}

static int make_device(const struct extract_target *target, const struct tar_entry *entry, struct error **err)
{
	mode_t type = entry->type == TAR_CHARDEV ? S_IFCHR : S_IFBLK;

	return mknodat(target->dirfd, target->leaf, type | 0600, makedev(entry->major, entry->minor)) < 0
		       ? error_set_errno(err, "make the device")
		       : 0;
}

static int add_node(struct extractor *x, const struct extract_target *target, const struct tar_entry *entry,
		    int (*make)(const struct extract_target *, const struct tar_entry *, struct error **),
		    struct error **err)
{
	cleanup_error struct error *first = NULL;
	int rc = make(target, entry, &first);

	if (stands_in_the_way(rc)) {
		rc = extract_make_way(x, target->dirfd, target->leaf, err);
		if (rc == 0)
			rc = make(target, entry, err);
	} else if (rc < 0 && err != NULL) {
		*err = take_ptr(&first);
	}
	return rc < 0 ? rc : finish_other(x, target, entry, err);
}

static int record_device(struct extractor *x, const struct extract_target *target, const struct tar_entry *entry,
			 struct error **err)
{
	cleanup_close int fd = extract_create_file(x, target, 0600, err);

	if (fd < 0)
		return fd;
	int rc = extract_record_device(x, fd, entry, err);
	return rc < 0 ? rc : extract_set_time(&(struct extract_place){.fd = fd}, entry->mtime, err);
}

/* A character device 0:0 that comes as data is recorded always: made, it would be a whiteout to overlayfs. Others are
 * recorded where user namespaces may not make them (mknod(2), EPERM). */
static int add_device(struct extractor *x, const struct extract_target *target, const struct tar_entry *entry,
		      struct error **err)
{
	cleanup_error struct error *error = NULL;

	if (entry->major > TAR_DEVICE_MAX || entry->minor > TAR_DEVICE_MAX)
		return error_set(err, EBADMSG, "no device can be %u:%u", entry->major, entry->minor);
	if (entry->type == TAR_CHARDEV && entry->major == 0 && entry->minor == 0)
		return record_device(x, target, entry, err);
	int rc = add_node(x, target, entry, make_device, &error);
	if (rc == -EPERM || rc == -EINVAL)
		return record_device(x, target, entry, err);
	if (rc < 0 && err != NULL)
		*err = take_ptr(&error);
	return rc;
}

/* The file of a hard link: opened (O_PATH) inside the root, itself not followed. */
static int open_link_target(struct extractor *x, const char *path, struct error **err)
{
	cleanup_close int fd = rootpath_open(x->root, path, O_PATH | O_NOFOLLOW, 0, NULL);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || ovlmark_is_whiteout(&st))
		return error_set(err, ENOENT, "a hard link to '%s', which this layer does not have", path);
	if (S_ISDIR(st.st_mode))
		return error_set(err, EBADMSG, "a hard link to the directory '%s'", path);
	return take_fd(&fd);
}

static bool is_same_file(int fd, const struct extract_target *target)
{
	struct stat a;
	struct stat b;

	return fstat(fd, &a) == 0 && fstatat(target->dirfd, target->leaf, &b, AT_SYMLINK_NOFOLLOW) == 0 &&
	       a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* linkat(2) by descriptor wants CAP_DAC_READ_SEARCH in the first namespace; through /proc it is for everybody, except
 * for symlinks, whose magic link would be followed to what they point at. */
static int link_file(struct extractor *x, int fd, const char *path, const struct extract_target *target)
{
	char proc[FD_PROC_PATH_SIZE];
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISLNK(st.st_mode))
		return linkat(AT_FDCWD, fd_proc_path(fd, proc), target->dirfd, target->leaf, AT_SYMLINK_FOLLOW) < 0
			       ? -errno
			       : 0;
	cleanup_free char *leaf = NULL;
	cleanup_close int dirfd = rootpath_open_parent(x->root, path, /* create */ false, &leaf, NULL);
	if (dirfd < 0)
		return dirfd;
	return linkat(dirfd, leaf, target->dirfd, target->leaf, /* flags */ 0) < 0 ? -errno : 0;
}

static int add_hardlink(struct extractor *x, const struct extract_target *target, const struct tar_entry *entry,
			struct error **err)
{
	cleanup(buf_done) struct buf path = BUF_INIT(TAR_PATH_MAX);
	int rc = clean_path(entry->link, &path, err);

	if (rc < 0)
		return error_prefix(err, "its hard link '%s'", entry->link);
	cleanup_close int fd = open_link_target(x, buf_str(&path), err);
	if (fd < 0)
		return fd;
	if (is_same_file(fd, target))
		return 0;
	rc = link_file(x, fd, buf_str(&path), target);
	if (stands_in_the_way(rc)) {
		rc = extract_make_way(x, target->dirfd, target->leaf, err);
		if (rc < 0)
			return rc;
		rc = link_file(x, fd, buf_str(&path), target);
	}
	return rc < 0 ? error_set(err, -rc, "link it to '%s': %s", buf_str(&path), strerror(-rc)) : 0;
}

static int add_by_type(struct extractor *x, struct tar_reader *reader, const struct extract_target *target,
		       const struct tar_entry *entry, struct error **err)
{
	switch (entry->type) {
	case TAR_FILE:
		return extract_add_file(x, reader, target, entry, err);
	case TAR_DIRECTORY:
		return add_directory(x, target, entry, err);
	case TAR_SYMLINK:
		return add_node(x, target, entry, make_symlink, err);
	case TAR_HARDLINK:
		return add_hardlink(x, target, entry, err);
	case TAR_FIFO:
		return add_node(x, target, entry, make_fifo, err);
	case TAR_CHARDEV:
	case TAR_BLOCKDEV:
		return add_device(x, target, entry, err);
	}
	return error_set(err, EBADMSG, "unknown type of entry");
}

static int add(struct extractor *x, struct tar_reader *reader, const struct tar_entry *entry, struct error **err)
{
	enum name_verdict verdict;
	struct extract_target target;
	int rc = clean_path(entry->path, &x->path, err);

	if (rc < 0)
		return rc;
	const char *path = buf_str(&x->path);
	if (*path == '\0')
		return add_root(x, entry, err);
	rc = check_marks(path, &verdict, err);
	if (rc < 0)
		return rc;
	if (verdict == NAME_IGNORED) {
		log_debug("'%s' belongs to aufs and is left out", path);
		return 0;
	}
	rc = open_target(x, path, entry->mtime, &target, err);
	if (rc < 0)
		return rc;
	if (text_has_prefix(target.leaf, LAYER_WHITEOUT_PREFIX))
		return add_mark(x, &target, err);
	rc = add_by_type(x, reader, &target, entry, err);
	if (rc == 0)
		note_added(x, path);
	return rc;
}

/* What is waiting to be written stood before: its failure comes first, whenever it shows itself. */
static int first_failure(struct extractor *x, int rc, struct error **err)
{
	struct error *earlier = NULL;
	int code = x->queue != NULL ? extract_queue_finish(x->queue, &earlier) : 0;

	if (code == 0)
		return rc;
	error_clear(err);
	if (err != NULL)
		*err = take_ptr(&earlier);
	error_free(earlier);
	return code;
}

int extractor_add(struct extractor *x, struct tar_reader *reader, const struct tar_entry *entry, struct error **err)
{
	uint64_t max_entries = x->options.max_entries;

	/* Sparse files count with their holes: whoever reads or packs them meets all of it. */
	if (entry->size > x->options.max_bytes - x->bytes)
		return error_set(err, EFBIG, "'%s': the layer holds more than %llu bytes", entry->path,
				 (unsigned long long)x->options.max_bytes);
	if (x->entries == max_entries)
		return error_set(err, EFBIG, "the layer has more than %llu entries", (unsigned long long)max_entries);
	x->bytes += entry->size;
	x->entries++;
	int rc = add(x, reader, entry, err);
	return rc < 0 ? first_failure(x, error_prefix(err, "'%s'", entry->path), err) : 0;
}

void extractor_hand_over(struct extractor *x)
{
	if (x->queue != NULL)
		extract_queue_flush(x->queue);
}

int extractor_finish(struct extractor *x, struct unpack_result *result, struct error **err)
{
	int rc = x->queue != NULL ? extract_queue_finish(x->queue, err) : 0;

	if (rc == 0)
		rc = extract_finish_dirs(x, err);
	if (rc < 0)
		return rc;
	access_lists_warn(&x->unkept);
	result->entries = x->entries;
	result->recorded = x->recorded;
	result->lost = x->lost;
	return 0;
}
