/*
 * Names that are moved and removed. Most lie in a directory that is known, and are not looked at further.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "run/translate_internal.h"

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

/* ---- rmdir, unlink ---- */

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
	int rc = flags & ~AT_REMOVEDIR ? -EINVAL : view_find_name(t, trap, dirfd, path, &spot);

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
	int rc = view_find_name(t, trap, from_dir, from_path, &from);

	if (rc == 0)
		rc = view_find_name(t, trap, to_dir, to_path, &to);
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
