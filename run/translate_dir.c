/*
 * Names: what makes, moves and removes them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "run/translate_internal.h"

/* The place of a name that is to be made, changed or removed, and whether that may be. */
static int find_name(struct translation *t, const struct trap *trap, int dirfd, uint64_t path, struct spot *spot)
{
	int rc = view_find(t, trap, dirfd, path, VIEW_MISSING, spot);

	if (rc < 0)
		return rc;
	if (view_is_mount(t, spot))
		return -EBUSY;
	if (spot->parent < 0)
		return -EBUSY; /* "/", "." and their like */
	rc = view_check_writable(spot);
	return rc == 0 && spot->mount->kind == VIEW_PROC ? spot->fd < 0 ? -ENOENT : -EPERM : rc;
}

/* The same for what must not be there yet. */
static int find_new(struct translation *t, const struct trap *trap, int dirfd, uint64_t path, struct spot *spot)
{
	int rc = find_name(t, trap, dirfd, path, spot);

	if (rc == -EBUSY || rc == -EROFS)
		return spot->fd >= 0 ? -EEXIST : rc;
	return rc == 0 && spot->fd >= 0 ? -EEXIST : rc;
}

/* Once more, when the directory's real bits were in our way. */
#define WITH_ACCESS(t, parent, call)                                                       \
	({                                                                                 \
		int result_ = (call);                                                      \
		if (result_ < 0 && errno == EACCES && make_accessible((t), (parent)) == 0) \
			result_ = (call);                                                  \
		result_ < 0 ? -errno : result_;                                            \
	})

/* What was made gets its owner and mode before anybody asks for it. */
static int dress(struct translation *t, const struct spot *spot, mode_t mode, const struct owner_record *owner)
{
	cleanup_close int fd = openat(spot->parent, spot->leaf, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : make_dressed(t, fd, mode, owner);
}

/* ---- mkdir, rmdir, unlink ---- */

static int make_directory(struct translation *t, const struct trap *trap, const struct spot *spot, mode_t mode)
{
	struct owner_record owner;
	struct stat st;
	mode_t umask;
	int rc = make_birth(t, trap, spot->parent, &owner, &umask);

	if (rc == 0)
		rc = WITH_ACCESS(t, spot->parent, mkdirat(spot->parent, spot->leaf, 0700));
	if (rc < 0)
		return rc;
	mode = (mode & ~umask & 01777);
	if (view_stat(t, spot->parent, &st) == 0)
		mode |= st.st_mode & S_ISGID;
	return dress(t, spot, mode, &owner);
}

static void answer_mkdir(struct translation *t, const struct trap *trap, int dirfd, uint64_t path, uint64_t mode,
			 struct answer *answer)
{
	cleanup(spot_done) struct spot spot = SPOT_INIT;
	int rc = find_new(t, trap, dirfd, path, &spot);

	emul_return(answer, rc < 0 ? rc : make_directory(t, trap, &spot, (mode_t)mode));
}

void tr_mkdir(void *context, const struct trap *trap, struct answer *answer)
{
	answer_mkdir(context, trap, AT_FDCWD, trap->args[0], trap->args[1], answer);
}

void tr_mkdirat(void *context, const struct trap *trap, struct answer *answer)
{
	answer_mkdir(context, trap, (int)trap->args[0], trap->args[1], trap->args[2], answer);
}

/* ---- By the place alone ---- */

/* A name in a directory that is known (translate_places.c), which may be changed there: what it is needs no descriptor
 * then, and the kernel says of it what there is to say. */
struct name {
	const struct place *place; /* valid while it has this serial */
	uint64_t serial;
	char leaf[NAME_MAX + 1];
	mode_t type; /* 0: there is none */
};

/* 1: found. 0: another way is to be gone. */
static int find_in_place(struct translation *t, const struct trap *trap, uint64_t address, struct name *name)
{
	char path[PATH_MAX];
	const char *leaf;

	if (t->mounts[0].read_only || emul_read_text(&t->emulation, trap, address, path, sizeof(path)) < 0 ||
	    view_find_place(t, trap, path, &name->place, &leaf) <= 0)
		return 0;
	name->serial = name->place->serial;
	snprintf(name->leaf, sizeof(name->leaf), "%s", leaf);
	return 1;
}

/* False: that cannot be seen. */
static bool look_at(struct name *name)
{
	struct stat st;
	bool is_there = fstatat(name->place->fd, name->leaf, &st, AT_SYMLINK_NOFOLLOW) == 0;

	name->type = is_there ? st.st_mode & S_IFMT : 0;
	return is_there || errno == ENOENT;
}

/* Is a directory or link of that name somewhere on the way of others? */
static bool is_on_ways(const struct name *name)
{
	return S_ISDIR(name->type) || S_ISLNK(name->type);
}

static char *path_of(const struct name *name)
{
	return mem_printf("%s/%s", name->place->name, name->leaf);
}

/* It is there no more, or another. */
static void forget_name(struct translation *t, const struct name *name)
{
	cleanup_free char *path = is_on_ways(name) ? path_of(name) : NULL;

	if (path)
		places_forget(t, path);
}

/* Their places may be forgotten with the first. */
static void forget_both(struct translation *t, const struct name *from, const struct name *to)
{
	cleanup_free char *from_path = path_of(from);
	cleanup_free char *to_path = path_of(to);

	places_forget(t, from_path);
	places_forget(t, to_path);
}

/* What has been done, or why not; 0 as above: where real bits are in the way, too. */
static int finish_in_place(int rc, struct answer *answer)
{
	if (rc == -EACCES)
		return 0;
	emul_return(answer, rc);
	return 1;
}

static int unlink_in_place(struct translation *t, const struct trap *trap, uint64_t path, int flags,
			   struct answer *answer)
{
	struct name name = {.type = S_IFDIR};

	if (!find_in_place(t, trap, path, &name) || (!(flags & AT_REMOVEDIR) && !look_at(&name)))
		return 0;
	int rc = unlinkat(name.place->fd, name.leaf, flags) < 0 ? -errno : 0;
	if (rc == 0)
		forget_name(t, &name);
	return finish_in_place(rc, answer);
}

static int rename_in_place(struct translation *t, const struct trap *trap, uint64_t from_path, uint64_t to_path,
			   struct answer *answer)
{
	struct name from, to;

	if (!find_in_place(t, trap, from_path, &from) || !find_in_place(t, trap, to_path, &to))
		return 0;
	/* The way to the second may have taken the slot of the first. */
	if (from.place->serial != from.serial)
		return 0;
	if (!look_at(&from))
		return 0;
	if (!from.type)
		return finish_in_place(-ENOENT, answer);
	if (!look_at(&to))
		return 0;
	int rc = renameat(from.place->fd, from.leaf, to.place->fd, to.leaf) < 0 ? -errno : 0;
	if (rc == 0 && (is_on_ways(&from) || is_on_ways(&to)))
		forget_both(t, &from, &to);
	return finish_in_place(rc, answer);
}

/* Of what can be named, but not removed: "/", ".", ".." (rmdir(2), unlink(2)) and what is mounted. */
static int refusal_of(const char *path, int flags)
{
	size_t length = strlen(path);

	while (length > 0 && path[length - 1] == '/')
		length--;
	size_t leaf = length;
	while (leaf > 0 && path[leaf - 1] != '/')
		leaf--;
	const char *name = path + leaf;
	bool is_dots = length - leaf == 2 && memcmp(name, "..", 2) == 0;
	bool is_dot = length - leaf == 1 && *name == '.';
	if (!flags)
		return is_dots || is_dot || length == 0 ? -EISDIR : -EBUSY;
	return is_dots ? -ENOTEMPTY : is_dot ? -EINVAL : -EBUSY;
}

static void answer_unlink(struct translation *t, const struct trap *trap, int dirfd, uint64_t path, int flags,
			  struct answer *answer)
{
	cleanup(spot_done) struct spot spot = SPOT_INIT;
	char text[PATH_MAX];

	if (!(flags & ~AT_REMOVEDIR) && unlink_in_place(t, trap, path, flags, answer))
		return;
	int rc = flags & ~AT_REMOVEDIR ? -EINVAL : find_name(t, trap, dirfd, path, &spot);

	if (rc == -EBUSY && emul_read_text(&t->emulation, trap, path, text, sizeof(text)) > 0)
		rc = refusal_of(text, flags);
	if (rc == 0 && spot.fd < 0)
		rc = -ENOENT;
	if (rc == 0)
		rc = WITH_ACCESS(t, spot.parent, unlinkat(spot.parent, spot.leaf, flags));
	if (rc == 0 && places_are_changed_by(spot.fd))
		places_forget(t, NULL);
	emul_return(answer, rc);
}

void tr_rmdir(void *context, const struct trap *trap, struct answer *answer)
{
	answer_unlink(context, trap, AT_FDCWD, trap->args[0], AT_REMOVEDIR, answer);
}

void tr_unlink(void *context, const struct trap *trap, struct answer *answer)
{
	answer_unlink(context, trap, AT_FDCWD, trap->args[0], 0, answer);
}

void tr_unlinkat(void *context, const struct trap *trap, struct answer *answer)
{
	answer_unlink(context, trap, (int)trap->args[0], trap->args[1], (int)trap->args[2], answer);
}

/* ---- rename ---- */

static int rename_spots(struct translation *t, struct spot *from, struct spot *to, unsigned flags)
{
	struct stat st;

	if (from->fd < 0)
		return -ENOENT;
	if (from->mount != to->mount)
		return -EXDEV;
	if (fstat(from->fd, &st) < 0)
		return -errno;
	/* Of an exchange the other is what it is, which was looked at when it was found. */
	if ((from->wants_directory || (to->wants_directory && !(flags & RENAME_EXCHANGE))) && !S_ISDIR(st.st_mode))
		return -ENOTDIR;
	/* The kernel would leave a mark of removal behind: there is no overlay here. */
	if (flags & RENAME_WHITEOUT)
		return -EINVAL;
	int rc = WITH_ACCESS(t, to->parent, renameat2(from->parent, from->leaf, to->parent, to->leaf, flags));
	if (rc == -EACCES && make_accessible(t, from->parent) == 0)
		rc = WITH_ACCESS(t, to->parent, renameat2(from->parent, from->leaf, to->parent, to->leaf, flags));
	if (rc == 0 && (places_are_changed_by(from->fd) || places_are_changed_by(to->fd)))
		places_forget(t, NULL);
	return rc;
}

static void answer_rename(struct translation *t, const struct trap *trap, int from_dir, uint64_t from_path, int to_dir,
			  uint64_t to_path, uint64_t flags, struct answer *answer)
{
	cleanup(spot_done) struct spot from = SPOT_INIT;
	cleanup(spot_done) struct spot to = SPOT_INIT;

	if (flags == 0 && rename_in_place(t, trap, from_path, to_path, answer))
		return;
	int rc = find_name(t, trap, from_dir, from_path, &from);

	if (rc == 0)
		rc = find_name(t, trap, to_dir, to_path, &to);
	emul_return(answer, rc < 0 ? rc : rename_spots(t, &from, &to, (unsigned)flags));
}

void tr_rename(void *context, const struct trap *trap, struct answer *answer)
{
	answer_rename(context, trap, AT_FDCWD, trap->args[0], AT_FDCWD, trap->args[1], 0, answer);
}

void tr_renameat(void *context, const struct trap *trap, struct answer *answer)
{
	answer_rename(context, trap, (int)trap->args[0], trap->args[1], (int)trap->args[2], trap->args[3], 0, answer);
}

void tr_renameat2(void *context, const struct trap *trap, struct answer *answer)
{
	answer_rename(context, trap, (int)trap->args[0], trap->args[1], (int)trap->args[2], trap->args[3],
		      trap->args[4], answer);
}

/* ---- links ---- */

/* A file without a name (O_TMPFILE) gets one through the magic link: the kernel asks for a right that we lack to do it
 * by the descriptor alone. */
static int link_spots(struct translation *t, struct spot *from, const struct spot *to)
{
	char proc[FD_PROC_PATH_SIZE];
	struct stat st;

	if (from->mount != to->mount && !from->is_magic)
		return -EXDEV;
	if (fstat(from->fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EPERM;
	/* In an overlay, too, a link to a file of a layer is one to a copy of it. What was removed gets no name again,
	 * though its inode has others. */
	bool was_shared = view_is_shared(t, &st);
	int rc = make_private(t, from);
	if (rc < 0)
		return rc;
	if (was_shared && from->parent < 0 && fstat(from->fd, &st) == 0 && st.st_nlink == 0)
		return -ENOENT;
	fd_proc_path(from->fd, proc);
	if (from->parent >= 0)
		return WITH_ACCESS(t, to->parent, linkat(from->parent, from->leaf, to->parent, to->leaf, 0));
	return WITH_ACCESS(t, to->parent, linkat(AT_FDCWD, proc, to->parent, to->leaf, AT_SYMLINK_FOLLOW));
}

static void answer_link(struct translation *t, const struct trap *trap, int from_dir, uint64_t from_path, int to_dir,
			uint64_t to_path, int flags, struct answer *answer)
{
	cleanup(spot_done) struct spot from = SPOT_INIT;
	cleanup(spot_done) struct spot to = SPOT_INIT;
	unsigned how = (flags & AT_SYMLINK_FOLLOW ? VIEW_FOLLOW : 0) | (flags & AT_EMPTY_PATH ? VIEW_EMPTY : 0);
	int rc = flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH) ? -EINVAL
							      : view_find(t, trap, from_dir, from_path, how, &from);

	if (rc == 0)
		rc = find_new(t, trap, to_dir, to_path, &to);
	if (rc == 0 && to.wants_directory)
		rc = -ENOENT;
	emul_return(answer, rc < 0 ? rc : link_spots(t, &from, &to));
}

void tr_link(void *context, const struct trap *trap, struct answer *answer)
{
	answer_link(context, trap, AT_FDCWD, trap->args[0], AT_FDCWD, trap->args[1], 0, answer);
}

void tr_linkat(void *context, const struct trap *trap, struct answer *answer)
{
	answer_link(context, trap, (int)trap->args[0], trap->args[1], (int)trap->args[2], trap->args[3],
		    (int)trap->args[4], answer);
}

static int make_link(struct translation *t, const struct trap *trap, const char *target, const struct spot *spot)
{
	struct owner_record owner;
	mode_t umask;
	int rc = spot->wants_directory ? -ENOENT : make_birth(t, trap, spot->parent, &owner, &umask);

	if (rc == 0)
		rc = WITH_ACCESS(t, spot->parent, symlinkat(target, spot->parent, spot->leaf));
	return rc < 0 || (owner.uid == 0 && owner.gid == 0) ? rc : dress(t, spot, 0777, &owner);
}

static void answer_symlink(struct translation *t, const struct trap *trap, uint64_t target, int dirfd, uint64_t path,
			   struct answer *answer)
{
	cleanup(spot_done) struct spot spot = SPOT_INIT;
	char text[PATH_MAX];
	ssize_t length = emul_read_text(&t->emulation, trap, target, text, sizeof(text));
	int rc = length < 0 ? (int)length : length == 0 ? -ENOENT : find_new(t, trap, dirfd, path, &spot);

	emul_return(answer, rc < 0 ? rc : make_link(t, trap, text, &spot));
}

void tr_symlink(void *context, const struct trap *trap, struct answer *answer)
{
	answer_symlink(context, trap, trap->args[0], AT_FDCWD, trap->args[1], answer);
}

void tr_symlinkat(void *context, const struct trap *trap, struct answer *answer)
{
	answer_symlink(context, trap, trap->args[0], (int)trap->args[1], trap->args[2], answer);
}

/* ---- mknod ---- */

static bool is_device(mode_t mode)
{
	return S_ISCHR(mode) || S_ISBLK(mode);
}

/* A device is an empty file with a record; FIFOs and sockets are real. */
static int make_node(struct translation *t, const struct trap *trap, const struct spot *spot, mode_t mode, uint32_t dev)
{
	struct owner_record owner;
	mode_t umask;
	mode_t type = mode & S_IFMT ? mode & S_IFMT : S_IFREG;
	int rc = spot->wants_directory ? -ENOENT : make_birth(t, trap, spot->parent, &owner, &umask);

	if (rc < 0)
		return rc;
	if (type == S_IFDIR || type == S_IFLNK)
		return type == S_IFDIR ? -EPERM : -EINVAL;
	/* 0:0 is overlayfs' mark of a removed file; in an overlay the kernel refuses it. */
	if (is_device(type) && (owner.uid != 0 || (S_ISCHR(type) && dev == 0)))
		return -EPERM;
	if (is_device(type)) {
		owner.mode = type;
		owner.major = (dev & 0xfff00) >> 8;
		owner.minor = (dev & 0xff) | (dev >> 12 & 0xfff00);
	}
	rc = WITH_ACCESS(t, spot->parent,
			 mknodat(spot->parent, spot->leaf, (is_device(type) ? S_IFREG : type) | 0600, 0));
	return rc < 0 ? rc : dress(t, spot, mode & ~umask & 07777, &owner);
}

static void answer_mknod(struct translation *t, const struct trap *trap, int dirfd, const uint64_t *args,
			 struct answer *answer)
{
	cleanup(spot_done) struct spot spot = SPOT_INIT;
	int rc = find_new(t, trap, dirfd, args[0], &spot);

	emul_return(answer, rc < 0 ? rc : make_node(t, trap, &spot, (mode_t)args[1], (uint32_t)args[2]));
}

void tr_mknod(void *context, const struct trap *trap, struct answer *answer)
{
	answer_mknod(context, trap, AT_FDCWD, trap->args, answer);
}

void tr_mknodat(void *context, const struct trap *trap, struct answer *answer)
{
	answer_mknod(context, trap, (int)trap->args[0], trap->args + 1, answer);
}
