/*
 * The container's side of a copy. Every path is resolved inside the container's root, and what is made is touched by
 * directory descriptor and name, so that nothing in the image can lead us out of it.
 */
#include "builder/copy_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/attributes.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/ovlmark.h"
#include "base/owner.h"
#include "base/parse.h"
#include "base/rootpath.h"
#include "base/tree.h"

/* ---- paths --------------------------------------------------------------------------------------------------------
 */

static int set_directory(struct copy_job *job, int fd, const char *path, const struct copy_entry *entry,
			 struct error **err);

/* What was made on the way to a destination; `path` goes on behind `length`. */
static int set_own_directory(struct copy_job *job, int fd, const char *path, size_t length, struct error **err)
{
	const struct copy_entry entry = {.st = {.st_mode = S_IFDIR | 0755}, .attributes = -1};
	cleanup_free char *made = mem_strndup(path, length);

	return set_directory(job, fd, made, &entry, err);
}

/* --link: the way to the destination is made of directories of its own; a symlink on it is replaced. */
static int make_own_directories(struct copy_job *job, const char *path, struct error **err)
{
	cleanup(strlist_done) struct strlist names = {0};
	cleanup_close int dir = openat(job->root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return error_set_errno(err, "open the container's root");
	strlist_split(&names, path, '/');
	for (size_t i = 0, end = 0; i < names.count; i++) {
		const char *name = names.items[i];
		struct stat st;
		end += strlen(name) + (i > 0);
		if (!*name)
			continue;
		if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISDIR(st.st_mode) &&
		    unlinkat(dir, name, 0) < 0)
			return error_set_errno(err, "replace '%s'", path);
		bool made = mkdirat(dir, name, 0755) == 0;
		if (!made && errno != EEXIST)
			return error_set_errno(err, "make '%s'", path);
		int next = fd_open_dir(dir, name, err);
		if (next < 0)
			return next;
		fd_close(dir);
		dir = next;
		int rc = made ? set_own_directory(job, dir, path, end, err) : 0;
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* What comes one after the other mostly comes into the same directory: that is not looked up again. `length` is that of
 * its path. */
static bool is_same_directory(const struct copy_job *job, const char *path, size_t length)
{
	return job->above && strncmp(job->above, path, length) == 0 && !job->above[length];
}

static void forget_directory(struct copy_job *job)
{
	fd_close(take_fd(&job->above_fd));
	free(take_ptr(&job->above));
}

/* Borrowed from the job, until something is put elsewhere. */
static int open_parent(struct copy_job *job, const char *path, char **leaf, struct error **err)
{
	const char *slash = strrchr(path, '/');
	size_t length = slash ? (size_t)(slash - path) : 0;

	if (slash && slash[1] && is_same_directory(job, path, length)) {
		*leaf = mem_strdup(slash + 1);
		return job->above_fd;
	}
	forget_directory(job);
	cleanup_free char *above = mem_strndup(path, length);
	int rc = job->options->link ? make_own_directories(job, above, err) : 0;
	if (rc < 0)
		return rc;
	int fd = rootpath_open_parent(job->root, path, /* create */ true, leaf, err);
	if (fd < 0)
		return fd;
	job->above = take_ptr(&above);
	job->above_fd = fd;
	return fd;
}

/* ---- taking a place -------------------------------------------------------------------------------------------------
 *
 * What is replaced stays until its successor is whole: that is made beside it and renamed over it. Where nothing is
 * replaced it is made under its own name.
 */

static bool is_taken(int parent, const char *leaf)
{
	struct stat st;

	return fstatat(parent, leaf, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Of names that are asked for again and again the kernel knows that they are not there; under hundreds of layers that
 * is worth something. */
static char *name_beside(struct copy_job *job, int parent)
{
	char *name = NULL;

	do {
		free(name);
		name = mem_printf(".cooper-copy-%u", job->beside++);
	} while (is_taken(parent, name));
	job->beside = 0;
	return name;
}

static int is_directory_error(const char *path, struct error **err)
{
	return error_set(err, EISDIR, "cannot put a file in the place of the directory '%s'", path);
}

/* The name to make something under that is no directory. */
static int choose_name(struct copy_job *job, int parent, const char *leaf, const char *path, char **name,
		       struct error **err)
{
	struct stat st;

	if (fstatat(parent, leaf, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno != ENOENT)
			return error_set_errno(err, "'%s'", path);
		*name = mem_strdup(leaf);
		return 0;
	}
	if (S_ISDIR(st.st_mode))
		return is_directory_error(path, err);
	*name = name_beside(job, parent);
	return 0;
}

static int settle(int parent, const char *name, const char *leaf, const char *path, struct error **err)
{
	if (strcmp(name, leaf) == 0)
		return 0;
	if (renameat(parent, name, parent, leaf) < 0)
		return error_set_errno(err, "replace '%s'", path);
	/* Between two names of one file rename(2) does nothing. */
	unlinkat(parent, name, 0);
	return 0;
}

/* Gives what was made under `name` its place, or takes it away when `rc` says that it did not become whole. */
static int settle_or_drop(int parent, const char *name, const char *leaf, const char *path, int rc, struct error **err)
{
	if (rc >= 0)
		rc = settle(parent, name, leaf, path, err);
	if (rc < 0)
		unlinkat(parent, name, 0);
	return rc;
}

/* ---- owners, modes, attributes ------------------------------------------------------------------------------------
 */

void copy_owner_of(const struct copy_job *job, const struct stat *st, uint32_t *uid, uint32_t *gid)
{
	*uid = job->has_owner ? job->uid : job->keep_owner ? st->st_uid : 0;
	*gid = job->has_owner ? job->gid : job->keep_owner ? st->st_gid : 0;
}

static int unmapped(uint32_t uid, uint32_t gid, const char *path, struct error **err)
{
	return error_set(err, EINVAL,
			 "'%s' cannot belong to %u:%u, which your subordinate ids do not reach (see /etc/subuid and "
			 "/etc/subgid)",
			 path, uid, gid);
}

/* What cannot carry a record: the table beside the container's tree has it. */
static int record_aside(const struct copy_job *job, int parent, const char *leaf, const struct owner_record *record,
			struct error **err)
{
	struct owner_key key;
	int rc = owner_key_of(parent, leaf, &key, err);

	if (rc == 0)
		owner_table_put(job->owners, &key, record);
	return rc;
}

/* Where there is one id only, another owner is written down instead of given. `fd` is -1 for what is only known as
 * parent/leaf. */
static int record_owner(const struct copy_job *job, int parent, const char *leaf, int fd, const struct stat *st,
			uint32_t uid, uint32_t gid, const char *path, struct error **err)
{
	bool is_device = S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode);
	struct owner_record record = {
		.uid = uid,
		.gid = gid,
		.mode = is_device ? st->st_mode & S_IFMT : 0,
		.major = is_device ? major(st->st_rdev) : 0,
		.minor = is_device ? minor(st->st_rdev) : 0,
	};

	if (fd < 0)
		return record_aside(job, parent, leaf, &record, err);
	int rc = records_note(job->w, job->c, job->root, path, &record, err);
	if (rc == 0)
		rc = owner_set(fd, &record, err);
	return rc < 0 ? error_prefix(err, "'%s'", path) : 0;
}

/* Of a symlink or a node, which is only known by its name. Owner first: chown(2) clears the set-id bits. */
static int set_owner(struct copy_job *job, int parent, const char *leaf, const struct stat *st, const char *path,
		     struct error **err)
{
	uint32_t uid, gid;

	copy_owner_of(job, st, &uid, &gid);
	if (job->single_id)
		return uid || gid ? record_owner(job, parent, leaf, /* fd */ -1, st, uid, gid, path, err) : 0;
	if (fchownat(parent, leaf, uid, gid, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	return errno == EINVAL ? unmapped(uid, gid, path, err) : error_set_errno(err, "give '%s' its owner", path);
}

static void times_of(const struct copy_job *job, const struct stat *st, struct timespec times[2])
{
	times[0] = (struct timespec){.tv_nsec = UTIME_OMIT};
	times[1] = (struct timespec){.tv_sec = job->options->mtime >= 0 ? job->options->mtime : st->st_mtim.tv_sec};
}

/* Those of overlayfs and of cooper itself are data here, but nothing that a copy would want: they are left behind. */
static bool is_copied(const char *name)
{
	return (text_has_prefix(name, "user.") || strcmp(name, "security.capability") == 0) &&
	       ovlmark_classify(name) == OVLMARK_PLAIN;
}

/* In a tree of the store what stands for a file's capabilities is ours, and a step cannot write it. */
static bool is_copied_within_store(const char *name)
{
	return is_copied(name) || (strcmp(name, OVLMARK_CAPABILITY) == 0 && !owner_is_root());
}

/* ---- files --------------------------------------------------------------------------------------------------------
 */

/* A file without a name vanishes with its process, also when that is killed. -EOPNOTSUPP: overlayfs before Linux 6.1,
 * some file systems. */
static int make_nameless(int parent)
{
	int fd = openat(parent, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	return fd < 0 ? -errno : fd;
}

static int make_file(struct copy_job *job, const char *path, struct copy_place *place, struct error **err)
{
	const int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	struct stat st;

	place->fd = openat(place->parent, place->leaf, flags, 0600);
	if (place->fd >= 0) {
		place->name = mem_strdup(place->leaf);
		return 0;
	}
	if (errno != EEXIST)
		return error_set_errno(err, "make '%s'", path);
	if (fstatat(place->parent, place->leaf, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
		return is_directory_error(path, err);
	place->fd = make_nameless(place->parent);
	if (place->fd >= 0)
		return 0;
	place->name = name_beside(job, place->parent);
	place->fd = openat(place->parent, place->name, flags, 0600);
	return place->fd < 0 ? error_set_errno(err, "make '%s'", path) : 0;
}

int copy_place_file(struct copy_job *job, const char *path, struct copy_place *place, struct error **err)
{
	cleanup(copy_place_done) struct copy_place made = COPY_PLACE_INIT;

	made.parent = open_parent(job, path, &made.leaf, err);
	int rc = made.parent < 0 ? made.parent : make_file(job, path, &made, err);
	if (rc < 0)
		return rc;
	*place = made;
	made = COPY_PLACE_INIT;
	return 0;
}

int copy_settle_file(struct copy_job *job, const char *path, struct copy_place *place, struct error **err)
{
	char link[FD_PROC_PATH_SIZE];

	if (!place->name) {
		place->name = name_beside(job, place->parent);
		if (linkat(AT_FDCWD, fd_proc_path(place->fd, link), place->parent, place->name, AT_SYMLINK_FOLLOW) <
		    0) {
			free(take_ptr(&place->name));
			return error_set_errno(err, "replace '%s'", path);
		}
	}
	if (strcmp(place->name, place->leaf) != 0 &&
	    renameat(place->parent, place->name, place->parent, place->leaf) < 0)
		return error_set_errno(err, "replace '%s'", path);
	place->is_settled = true;
	return 0;
}

void copy_place_done(struct copy_place *place)
{
	struct stat ours, there;

	/* Not what somebody else has put in its place. */
	if (!place->is_settled && place->name && place->fd >= 0 && fstat(place->fd, &ours) == 0 &&
	    fstatat(place->parent, place->name, &there, AT_SYMLINK_NOFOLLOW) == 0 && ours.st_dev == there.st_dev &&
	    ours.st_ino == there.st_ino)
		unlinkat(place->parent, place->name, 0);
	fd_close(place->fd);
	free(place->leaf);
	free(place->name);
	*place = COPY_PLACE_INIT;
}

/* What files and directories have alike, through a descriptor of either. */
static int set_owner_and_mode(struct copy_job *job, int fd, const char *path, const struct copy_entry *entry,
			      struct error **err)
{
	uint32_t uid, gid;
	mode_t mode = mode_change_apply(&job->mode, entry->st.st_mode);
	struct stat now;
	int rc = 0;

	copy_owner_of(job, &entry->st, &uid, &gid);
	/* Looking costs less than giving it the owner that it has. */
	bool has_it = !job->single_id && fstat(fd, &now) == 0 && now.st_uid == uid && now.st_gid == gid;
	if (job->single_id && (uid || gid))
		rc = record_owner(job, /* parent */ -1, /* leaf */ NULL, fd, &entry->st, uid, gid, path, err);
	else if (!job->single_id && !has_it && fchown(fd, uid, gid) < 0)
		rc = errno == EINVAL ? unmapped(uid, gid, path, err)
				     : error_set_errno(err, "give '%s' its owner", path);
	if (rc < 0)
		return rc;
	if (!job->is_root)
		rc = owner_set_mode(fd, mode);
	else if (fchmod(fd, mode & 07777) < 0)
		rc = -errno;
	if (rc < 0)
		return error_set(err, -rc, "give '%s' its mode: %s", path, strerror(-rc));
	/* What the file system of the store does not take is no reason to fail: cp(1) -a goes on, too. */
	if (entry->attributes >= 0)
		attributes_copy(entry->attributes, fd, job->keep_owner ? is_copied_within_store : is_copied,
				ATTRIBUTES_AT_BEST, /* err */ NULL);
	return 0;
}

int copy_finish_file(struct copy_job *job, const char *path, const struct copy_place *place,
		     const struct copy_entry *entry, struct error **err)
{
	struct timespec times[2];
	int rc = set_owner_and_mode(job, place->fd, path, entry, err);

	if (rc < 0)
		return rc;
	times_of(job, &entry->st, times);
	return futimens(place->fd, times) < 0 ? error_set_errno(err, "give '%s' its time", path) : 0;
}

int copy_place_hardlink(struct copy_job *job, const char *path, const char *existing, struct error **err)
{
	cleanup_free char *leaf = NULL, *existing_leaf = NULL, *name = NULL;
	const int parent = open_parent(job, path, &leaf, err);

	if (parent < 0)
		return parent;
	cleanup_close int existing_parent =
		rootpath_open_parent(job->root, existing, /* create */ false, &existing_leaf, err);
	if (existing_parent < 0)
		return existing_parent;
	/* A link to itself would take the file away. */
	if (strcmp(path, existing) == 0)
		return 0;
	int rc = choose_name(job, parent, leaf, path, &name, err);
	if (rc < 0)
		return rc;
	if (linkat(existing_parent, existing_leaf, parent, name, /* flags */ 0) < 0)
		return error_set_errno(err, "link '%s' to '%s'", path, existing);
	rc = records_note_link(job->w, job->c, job->root, path, existing, err);
	return settle_or_drop(parent, name, leaf, path, rc, err);
}

/* ---- links and nodes ----------------------------------------------------------------------------------------------
 */

int copy_place_symlink(struct copy_job *job, const char *path, const struct copy_entry *entry, struct error **err)
{
	cleanup_free char *leaf = NULL, *name = NULL;
	struct timespec times[2];
	const int parent = open_parent(job, path, &leaf, err);

	if (parent < 0)
		return parent;
	int rc = choose_name(job, parent, leaf, path, &name, err);
	if (rc < 0)
		return rc;
	if (symlinkat(entry->link, parent, name) < 0)
		return error_set_errno(err, "make the link '%s'", path);
	rc = set_owner(job, parent, name, &entry->st, path, err);
	times_of(job, &entry->st, times);
	if (rc >= 0 && utimensat(parent, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		rc = error_set_errno(err, "give '%s' its time", path);
	rc = settle_or_drop(parent, name, leaf, path, rc, err);
	forget_directory(job); /* a path that leads through it is another one from here on */
	return rc;
}

/* A device that the kernel does not let us make is an empty file with a record of what it should be. */
static int record_device(struct copy_job *job, const char *path, const struct copy_entry *entry, struct error **err)
{
	cleanup(copy_place_done) struct copy_place place = COPY_PLACE_INIT;
	struct stat st = entry->st;
	struct timespec times[2];
	uint32_t uid, gid;
	int rc = copy_place_file(job, path, &place, err);

	if (rc < 0)
		return rc;
	copy_owner_of(job, &st, &uid, &gid);
	rc = record_owner(job, /* parent */ -1, /* leaf */ NULL, place.fd, &st, uid, gid, path, err);
	if (rc < 0)
		return rc;
	rc = owner_set_mode(place.fd, mode_change_apply(&job->mode, st.st_mode));
	if (rc < 0)
		return error_set(err, -rc, "give '%s' its mode: %s", path, strerror(-rc));
	times_of(job, &st, times);
	if (futimens(place.fd, times) < 0)
		return error_set_errno(err, "give '%s' its time", path);
	return copy_settle_file(job, path, &place, err);
}

static int place_empty_file(struct copy_job *job, const char *path, const struct copy_entry *like, struct error **err)
{
	cleanup(copy_place_done) struct copy_place place = COPY_PLACE_INIT;
	struct copy_entry entry = *like;
	int rc = copy_place_file(job, path, &place, err);

	entry.st.st_mode = S_IFREG | (like->st.st_mode & 07777);
	if (rc >= 0)
		rc = copy_finish_file(job, path, &place, &entry, err);
	return rc < 0 ? rc : copy_settle_file(job, path, &place, err);
}

/* Owner, mode and time of a node that stands at parent/name. */
static int finish_node(struct copy_job *job, int parent, const char *name, const struct stat *st, const char *path,
		       struct error **err)
{
	struct timespec times[2];
	int rc = set_owner(job, parent, name, st, path, err);

	if (rc < 0)
		return rc;
	times_of(job, st, times);
	/* A step of another container may have this one mounted and put a link there meanwhile. */
	if (fchmodat(parent, name, mode_change_apply(&job->mode, st->st_mode), AT_SYMLINK_NOFOLLOW) < 0 ||
	    utimensat(parent, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return error_set_errno(err, "give '%s' its mode", path);
	return 0;
}

int copy_place_node(struct copy_job *job, const char *path, const struct copy_entry *entry, struct error **err)
{
	const struct stat *st = &entry->st;
	bool is_device = S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode);
	cleanup_free char *leaf = NULL, *name = NULL;

	/* BuildKit makes a file of it, Buildah leaves it out. */
	if (S_ISSOCK(st->st_mode) && job->options->root)
		return place_empty_file(job, path, entry, err);
	if (S_ISSOCK(st->st_mode)) {
		log_warn("'%s' is a socket and means nothing without its server; not copied", path);
		return 0;
	}
	/* A character device 0:0 in an upper directory would be a whiteout (base/ovlmark.h). */
	if (is_device && st->st_rdev == 0)
		return record_device(job, path, entry, err);
	const int parent = open_parent(job, path, &leaf, err);
	if (parent < 0)
		return parent;
	int rc = choose_name(job, parent, leaf, path, &name, err);
	if (rc < 0)
		return rc;
	if (mknodat(parent, name, (st->st_mode & S_IFMT) | 0600, is_device ? st->st_rdev : 0) < 0)
		return is_device && errno == EPERM ? record_device(job, path, entry, err)
						   : error_set_errno(err, "make '%s'", path);
	rc = finish_node(job, parent, name, st, path, err);
	return settle_or_drop(parent, name, leaf, path, rc, err);
}

/* ---- directories --------------------------------------------------------------------------------------------------
 */

/* Opens the directory that is or comes at parent/leaf. A symlink that leads to a directory inside the root is followed,
 * unless --link is given. */
static int make_directory(struct copy_job *job, int parent, const char *leaf, const char *path, struct error **err)
{
	struct stat st;

	if (mkdirat(parent, leaf, 0700) == 0)
		return fd_open_dir(parent, leaf, err);
	if (errno != EEXIST)
		return error_set_errno(err, "make '%s'", path);
	if (fstatat(parent, leaf, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return error_set_errno(err, "'%s'", path);
	if (S_ISLNK(st.st_mode) && job->options->link) {
		if (unlinkat(parent, leaf, 0) < 0 || mkdirat(parent, leaf, 0700) < 0)
			return error_set_errno(err, "replace '%s'", path);
		return fd_open_dir(parent, leaf, err);
	}
	int fd = rootpath_open(job->root, path, O_RDONLY | O_DIRECTORY, 0, NULL);
	if (fd < 0)
		return error_set(err, ENOTDIR, "cannot put a directory in the place of '%s', which is none", path);
	return fd;
}

static int set_directory(struct copy_job *job, int fd, const char *path, const struct copy_entry *entry,
			 struct error **err)
{
	/* It may have been there before, as somebody else's. */
	int rc = job->single_id ? owner_clear(fd, err) : 0;

	return rc < 0 ? rc : set_owner_and_mode(job, fd, path, entry, err);
}

int copy_place_directory(struct copy_job *job, const char *path, const struct copy_entry *entry, struct error **err)
{
	cleanup_free char *leaf = NULL;

	if (strcmp(path, "/") == 0)
		return 0;
	const int parent = open_parent(job, path, &leaf, err);
	if (parent < 0)
		return parent;
	cleanup_close int fd = make_directory(job, parent, leaf, path, err);
	int rc = fd < 0 ? fd : set_directory(job, fd, path, entry, err);
	if (rc < 0)
		return rc;
	/* What comes next mostly comes into it. */
	forget_directory(job);
	job->above = mem_strdup(path);
	job->above_fd = take_fd(&fd);
	return 0;
}

void copy_place_directory_time(struct copy_job *job, const char *path, const struct stat *st)
{
	struct timespec times[2];

	times_of(job, st, times);
	/* By a name, as it may be open without the right to read it. */
	if (is_same_directory(job, path, strlen(path)) && utimensat(job->above_fd, ".", times, 0) == 0)
		return;
	cleanup_close int fd = rootpath_open(job->root, path, O_RDONLY | O_DIRECTORY, 0, NULL);
	if (fd >= 0)
		futimens(fd, times);
}

int copy_make_destination(struct copy_job *job, const char *path, struct error **err)
{
	struct stat st;
	int rc = job->options->link ? make_own_directories(job, path, err) : 0;

	if (rc < 0)
		return rc;
	if (rootpath_stat(job->root, path, /* follow */ true, &st, NULL) == 0) {
		if (S_ISDIR(st.st_mode))
			return 0;
		return error_set(err, ENOTDIR, "'%s' is not a directory", path);
	}
	struct rootpath_dir made = {
		.mode = mode_change_apply(&job->mode, S_IFDIR | 0755),
		.uid = job->has_owner ? job->uid : 0,
		.gid = job->has_owner ? job->gid : 0,
		/* Also root's: a directory with the set-group-id bit would hand its group on. */
		.set_owner = !job->single_id,
		.record_owner = job->has_owner && job->single_id,
		.mtime = job->options->mtime,
		.follow_dangling = true, /* as BuildKit does */
	};
	cleanup_close int fd = rootpath_mkdirs(job->root, path, &made, err);
	return fd < 0 ? fd : 0;
}
