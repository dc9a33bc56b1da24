/*
 * Where records are: an attribute of files and directories; the table beside the tree for what carries no attribute;
 * and for what is not in the tree (volumes, /dev, file systems without attributes) a table that ends with the step.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/rootpath.h"
#include "run/emul_internal.h"

static bool carries_attributes(mode_t mode)
{
	return S_ISREG(mode) || S_ISDIR(mode);
}

/* Is it in the tree that the table belongs to, and not in what is mounted over it? */
static bool is_in_tree(const struct emulation *e, int fd)
{
	struct statx st;

	return e->root_mount != 0 && statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &st) == 0 &&
	       st.stx_mnt_id == e->root_mount;
}

/* Where the record of what fd holds is kept; false: it ends with the step. */
static bool find_place(const struct emulation *e, int fd, char path[PATH_MAX], struct emulation_place *place)
{
	char proc[FD_PROC_PATH_SIZE];

	if (!e->options.find_place && !is_in_tree(e, fd))
		return false;
	/* The path is the mount's own where it is another namespace's: nothing of the mounts above it is ours. */
	ssize_t length = readlink(fd_proc_path(fd, proc), path, PATH_MAX - 1);
	path[length > 0 ? length : 0] = '\0';
	if (e->options.find_place)
		return e->options.find_place(e->options.place_context, path, place);
	*place = (struct emulation_place){.owners = e->options.owners, .upper = e->options.upper, .path = path};
	return true;
}

/* The same thing as it lies in the upper directory: an overlay shows a file that it has copied up under the number that
 * it had below. */
static int find_in_upper(const struct emulation_place *place, struct owner_key *key)
{
	if (place->path[0] == '\0' || place->upper < 0)
		return -ENOENT;
	cleanup_close int there = rootpath_open(place->upper, place->path, O_PATH | O_NOFOLLOW, 0, NULL);
	return there < 0 ? there : owner_key_of(there, "", key, NULL);
}

/* One name of several may still be shown under the number that it had below, and another under that of the copy. */
static const struct owner_record *find_by_copy(const struct emulation *e, int fd, const struct stat *st)
{
	char path[PATH_MAX];
	struct emulation_place place;
	struct owner_key stored;

	if (st->st_nlink < 2 || !find_place(e, fd, path, &place) || find_in_upper(&place, &stored) < 0)
		return NULL;
	return owner_table_find(place.owners, &stored);
}

static const struct owner_record *find_aside(const struct emulation *e, int fd)
{
	char path[PATH_MAX];
	struct emulation_place place;
	struct owner_key key;
	struct stat st;

	if (!e->options.find_place && e->options.owners->count == 0 && e->kept.count == 0)
		return NULL;
	if (owner_key_of(fd, "", &key, NULL) < 0 || fstat(fd, &st) < 0)
		return NULL;
	bool is_aside = !carries_attributes(st.st_mode);
	const struct owner_record *found = is_aside ? find_by_copy(e, fd, &st) : NULL;
	if (!found && !e->options.find_place)
		found = owner_table_find(e->options.owners, &key);
	else if (!found && is_aside && find_place(e, fd, path, &place))
		found = owner_table_find(place.owners, &key);
	return found ? found : owner_table_find(&e->kept, &key);
}

/* ---- what has none ---- */

/* The same few files are asked for again and again, and most have no record. Which those are is remembered for the
 * step's own tree, where nobody else writes records: until one is set here, or the inode changes. */
static struct plain_file *plain_place(struct emulation *e, const struct statx *st)
{
	return &e->plain[st->stx_ino & (PLAIN_FILES - 1)];
}

static struct plain_file plain_of(const struct statx *st)
{
	return (struct plain_file){
		.ino = st->stx_ino,
		.dev_major = st->stx_dev_major,
		.dev_minor = st->stx_dev_minor,
		.ctime_s = st->stx_ctime.tv_sec,
		.ctime_ns = st->stx_ctime.tv_nsec,
	};
}

#define LOOK_WANTED (STATX_TYPE | STATX_INO | STATX_CTIME | STATX_MNT_ID)

/* Only of the step's own tree something is remembered. */
static bool is_memorable(const struct emulation *e, const struct statx *st)
{
	return !e->options.find_place && e->root_mount != 0 && st->stx_mnt_id == e->root_mount;
}

/* False: nothing is remembered of it. What could be learned is in *st, as its mask says. */
static bool look_at(const struct emulation *e, int dirfd, const char *path, struct statx *st)
{
	st->stx_mask = 0;
	return statx(dirfd, path, AT_EMPTY_PATH | AT_STATX_DONT_SYNC, LOOK_WANTED, st) == 0 && is_memorable(e, st);
}

static bool is_plain(struct emulation *e, const struct statx *st)
{
	const struct plain_file *have = e->plain ? plain_place(e, st) : NULL;
	const struct plain_file is = plain_of(st);

	return have && have->ino == is.ino && have->dev_major == is.dev_major && have->dev_minor == is.dev_minor &&
	       have->ctime_s == is.ctime_s && have->ctime_ns == is.ctime_ns;
}

static void remember_plain(struct emulation *e, const struct statx *st)
{
	if (!e->plain)
		e->plain = mem_alloc(PLAIN_FILES * sizeof(*e->plain));
	*plain_place(e, st) = plain_of(st);
}

static void forget_plain(struct emulation *e, int fd)
{
	struct statx st;

	if (e->plain && look_at(e, fd, "", &st))
		*plain_place(e, &st) = (struct plain_file){0};
}

/* ---- what has one ---- */

bool emul_record_find(struct emulation *e, int fd, struct owner_record *record)
{
	struct statx st;
	bool is_seen = look_at(e, fd, "", &st);

	if (is_seen && is_plain(e, &st))
		return false;
	/* -ENODATA also for what carries no attributes. */
	if (owner_get(fd, record, NULL) == 0)
		return true;
	const struct owner_record *aside = find_aside(e, fd);
	if (aside)
		*record = *aside;
	else if (is_seen)
		remember_plain(e, &st);
	return aside != NULL;
}

/* ---- what surely has none ---- */

/* Among several trees each has a table of its own, of what carries no attribute. */
static bool may_be_in_table(const struct emulation *e, mode_t mode)
{
	return e->options.owners->count > 0 || e->kept.count > 0 ||
	       (e->options.find_place && !carries_attributes(mode));
}

/* A path below /proc from where we are: in the step's root our /proc is the working directory (emul_inside.c). */
static const char *in_own_proc(const struct emulation *e, const char *path)
{
	return e->is_inside ? path + strlen("/proc/") : path;
}

/* /proc and its like have no attributes at all. */
static bool lacks_attribute(const char *path, int flags)
{
	char value;
	ssize_t size = flags & AT_SYMLINK_NOFOLLOW ? lgetxattr(path, OWNER_XATTR, &value, sizeof(value))
						   : getxattr(path, OWNER_XATTR, &value, sizeof(value));

	return size < 0 && (errno == ENODATA || errno == EOPNOTSUPP);
}

/* What is remembered of one file is not to be what was found of another, which has got its name or number meanwhile:
 * it is held. */
static bool look_closer(struct emulation *e, int dirfd, const char *path, int flags)
{
	char proc[FD_PROC_PATH_SIZE];
	struct statx st;
	cleanup_close int fd = openat(dirfd, path, O_PATH | O_CLOEXEC | (flags & AT_SYMLINK_NOFOLLOW ? O_NOFOLLOW : 0));

	if (fd < 0 || !look_at(e, fd, "", &st) || !lacks_attribute(in_own_proc(e, fd_proc_path(fd, proc)), 0))
		return false;
	remember_plain(e, &st);
	return true;
}

/* 1 and 0, or a negative errno when it is not there. Where no table has a record, what lacks the attribute has none,
 * whatever it is and wherever it lies. `at_cwd` is the same path from the working directory. */
static int surely_has_none(struct emulation *e, int dirfd, const char *path, int flags, const char *at_cwd)
{
	struct statx st;

	if (statx(dirfd, path, flags | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC, LOOK_WANTED, &st) < 0)
		return -errno;
	bool may_be_known = is_memorable(e, &st);
	if (may_be_known && is_plain(e, &st))
		return 1;
	if (may_be_in_table(e, st.stx_mode))
		return 0;
	if (!carries_attributes(st.stx_mode))
		return 1;
	return may_be_known ? look_closer(e, dirfd, path, flags) : lacks_attribute(at_cwd, flags);
}

int emul_path_lacks_record(struct emulation *e, const char *path, bool follow)
{
	return surely_has_none(e, AT_FDCWD, path, follow ? 0 : AT_SYMLINK_NOFOLLOW, path);
}

/* This is what the dynamic loader and every stream asks of every file that it opens. */
bool emul_fd_is_plain(struct emulation *e, const struct trap *trap, int fd)
{
	char path[64];

	if (fd < 0 || e->shows_others)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", trap->tid, fd);
	const char *below = e->proc == AT_FDCWD ? path : path + strlen("/proc/");
	return surely_has_none(e, e->proc, below, /* flags */ 0, in_own_proc(e, path)) == 1;
}

static bool is_nothing(const struct owner_record *record)
{
	return record->uid == 0 && record->gid == 0 && record->mode == 0;
}

static void put_aside(struct owner_table *table, const struct owner_key *key, const struct owner_record *record)
{
	if (is_nothing(record))
		owner_table_remove(table, key);
	else
		owner_table_put(table, key, record);
}

int emul_copy_up(int fd)
{
	char proc[FD_PROC_PATH_SIZE];
	struct stat st;

	if (fstat(fd, &st) < 0 || fchownat(fd, "", (uid_t)-1, (gid_t)-1, AT_EMPTY_PATH) < 0)
		return -errno;
	/* Even such a change of owner takes set-id bits away, but a directory's. */
	bool has_lost = st.st_mode & (S_ISUID | S_ISGID) && !S_ISLNK(st.st_mode) && !S_ISDIR(st.st_mode);
	return has_lost && chmod(fd_proc_path(fd, proc), st.st_mode & 07777) < 0 ? -errno : 0;
}

int emul_record_set_aside(struct emulation *e, int fd, const struct owner_record *record)
{
	char path[PATH_MAX];
	struct emulation_place place;
	struct owner_key shown, stored;
	int rc = owner_key_of(fd, "", &shown, NULL);

	forget_plain(e, fd);
	if (rc < 0)
		return rc;
	if (!find_place(e, fd, path, &place)) {
		put_aside(&e->kept, &shown, record);
		return 0;
	}
	put_aside(place.owners, &shown, record);
	/* What a step has changed lies in the upper directory, or is found by its ctime, and a record beside the inode does
	 * neither: an owner that stays as it is does both (chown(2)). */
	rc = emul_copy_up(fd);
	if (rc < 0)
		log_debug("'%s' does not look changed: %s", path, strerror(-rc));
	if (find_in_upper(&place, &stored) == 0)
		put_aside(place.owners, &stored, record);
	return 0;
}

int emul_record_set(struct emulation *e, int fd, const struct owner_record *record)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!carries_attributes(st.st_mode))
		return emul_record_set_aside(e, fd, record);
	forget_plain(e, fd);
	int rc = is_nothing(record) ? owner_clear(fd, NULL) : owner_set(fd, record, NULL);
	/* tmpfs before Linux 6.6, /proc, and others that a step can have mounted: it ends with the step. */
	if (rc == -EOPNOTSUPP || rc == -EPERM || rc == -EACCES)
		return emul_record_set_aside(e, fd, record);
	return rc;
}

int emul_stat(struct emulation *e, int fd, struct stat *st, bool *is_recorded)
{
	struct owner_record record;

	if (fstat(fd, st) < 0)
		return -errno;
	emul_see(e, st);
	*is_recorded = emul_record_find(e, fd, &record);
	if (*is_recorded)
		owner_apply(&record, st);
	return 0;
}

/* As the kernel chooses it: the group of a directory with the set-group-id bit is handed on. */
int emul_new_owner(struct emulation *e, const struct credentials *credentials, int parent, struct owner_record *owner)
{
	struct stat st;

	*owner = (struct owner_record){.uid = credentials->uid[ID_FS], .gid = credentials->gid[ID_FS]};
	if (fstat(parent, &st) < 0)
		return -errno;
	if (!(st.st_mode & S_ISGID))
		return 0;
	struct owner_record record;
	emul_see(e, &st);
	owner->gid = emul_record_find(e, parent, &record) ? record.gid : st.st_gid;
	return 0;
}

mode_t emul_new_mode(const struct credentials *credentials, const struct owner_record *owner, mode_t mode)
{
	bool is_foreign = !credentials_in_group(credentials, owner->gid) && !credentials_can(credentials, CAP_FSETID);

	return is_foreign && (mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) ? mode & ~(mode_t)S_ISGID : mode;
}
