/*
 * Names that are made: directories, links, nodes.
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

int view_find_name(struct translation *t, const struct trap *trap, int dirfd, uint64_t path, struct spot *spot)
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
	int rc = view_find_name(t, trap, dirfd, path, spot);

	if (rc == -EBUSY || rc == -EROFS)
		return spot->fd >= 0 ? -EEXIST : rc;
	return rc == 0 && spot->fd >= 0 ? -EEXIST : rc;
}

/* What was made gets its owner and mode before anybody asks for it. */
static int dress(struct translation *t, const struct spot *spot, mode_t mode, const struct owner_record *owner)
{
	cleanup_close int fd = openat(spot->parent, spot->leaf, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : make_dressed(t, fd, mode, owner);
}

/* ---- mkdir ---- */

static int make_directory(struct translation *t, const struct trap *trap, const struct spot *spot, mode_t mode)
{
	struct birth birth;
	int rc = make_birth(t, trap, spot->mount, spot->parent, &birth);

	if (rc < 0)
		return rc;
	mode = (birth_mode(&birth, mode) & 01777) | (birth.hands_group_on ? S_ISGID : 0);
	rc = WITH_ACCESS(t, spot->parent, mkdirat(spot->parent, spot->leaf, birth_bits(S_IFDIR, mode)));
	if (rc < 0)
		return rc;
	places_made(t);
	return dress(t, spot, mode, &birth.owner);
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

/* ---- links ---- */

/* What a descriptor holds has no name of its own in the call: it lies where the kernel says. */
static bool is_elsewhere(const struct translation *t, const struct spot *from, const struct spot *to)
{
	cleanup(buf_done) struct buf name = BUF_INIT((size_t)2 * PATH_MAX);

	if (!from->is_magic)
		return from->mount != to->mount;
	return view_name(t, from->fd, &name) && view_mount_of(t, buf_str(&name)) != to->mount;
}

/* A file without a name (O_TMPFILE) gets one through the magic link: the kernel asks for a right that we lack to do it
 * by the descriptor alone. */
static int link_spots(struct translation *t, struct spot *from, const struct spot *to)
{
	char proc[FD_PROC_PATH_SIZE];
	struct stat st;

	if (is_elsewhere(t, from, to))
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
	places_made(t); /* it may be one to a link */
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
	struct birth birth;
	int rc = spot->wants_directory ? -ENOENT : make_birth(t, trap, spot->mount, spot->parent, &birth);

	if (rc == 0)
		rc = WITH_ACCESS(t, spot->parent, symlinkat(target, spot->parent, spot->leaf));
	places_made(t);
	return rc < 0 || (birth.owner.uid == 0 && birth.owner.gid == 0) ? rc : dress(t, spot, 0777, &birth.owner);
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
	struct birth birth;
	mode_t type = mode & S_IFMT ? mode & S_IFMT : S_IFREG;
	int rc = spot->wants_directory ? -ENOENT : make_birth(t, trap, spot->mount, spot->parent, &birth);

	if (rc < 0)
		return rc;
	if (type == S_IFDIR || type == S_IFLNK)
		return type == S_IFDIR ? -EPERM : -EINVAL;
	/* 0:0 is overlayfs' mark of a removed file; in an overlay the kernel refuses it. */
	if (is_device(type) && (birth.owner.uid != 0 || (S_ISCHR(type) && dev == 0)))
		return -EPERM;
	if (is_device(type)) {
		birth.owner.mode = type;
		birth.owner.major = (dev & 0xfff00) >> 8;
		birth.owner.minor = (dev & 0xff) | (dev >> 12 & 0xfff00);
	}
	mode = birth_mode(&birth, mode);
	mode_t real_type = is_device(type) ? S_IFREG : type;
	rc = WITH_ACCESS(t, spot->parent,
			 mknodat(spot->parent, spot->leaf, real_type | birth_bits(real_type, mode), 0));
	return rc < 0 ? rc : dress(t, spot, mode, &birth.owner);
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
