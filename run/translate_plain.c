/*
 * Which things have no record (base/owner.h): most have none, and are asked for again and again, so that it is
 * remembered of the last ones.
 *
 * In the step's root only we write records, and each of ours is told here (plain_forget()): what was found there without
 * one has none still, whatever has become of its contents. Elsewhere, in volumes, others may give it one, and a change
 * of the inode is reason to look again.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/fd.h"
#include "run/translate_internal.h"

#define PLAIN_SLOTS 16384 /* a power of two */

struct plain {
	dev_t dev;
	ino_t ino;
	struct timespec ctime;
};

static struct plain *slot_of(struct translation *t, const struct stat *st)
{
	if (!t->plain)
		t->plain = mem_alloc(PLAIN_SLOTS * sizeof(*t->plain));
	return &t->plain[st->st_ino & (PLAIN_SLOTS - 1)];
}

void plain_note(struct translation *t, const struct stat *st)
{
	*slot_of(t, st) = (struct plain){.dev = st->st_dev, .ino = st->st_ino, .ctime = st->st_ctim};
}

void plain_note_fd(struct translation *t, int fd)
{
	struct stat st;

	if (fstat(fd, &st) == 0)
		plain_note(t, &st);
}

void plain_forget(struct translation *t, int fd)
{
	struct stat st;

	/* The clock of files may stand still between what is remembered and what is written now. */
	if (fstat(fd, &st) == 0)
		*slot_of(t, &st) = (struct plain){0};
}

bool plain_has(struct translation *t, const struct view_mount *mount, const struct stat *st)
{
	struct plain *plain = slot_of(t, st);

	if (plain->ino != st->st_ino || plain->dev != st->st_dev)
		return false;
	if (plain->ctime.tv_sec == st->st_ctim.tv_sec && plain->ctime.tv_nsec == st->st_ctim.tv_nsec)
		return true;
	if (mount != &t->mounts[0])
		return false;
	plain->ctime = st->st_ctim; /* for who does not know where it lies */
	return true;
}

/* Only files and directories carry one, and what does not is in a table, which mostly has none. */
static bool may_be_aside(const struct translation *t)
{
	const struct emulation *e = &t->emulation;

	return e->options.owners->count > 0 || e->kept.count > 0;
}

static bool carries_attributes(mode_t mode)
{
	return S_ISREG(mode) || S_ISDIR(mode);
}

bool plain_learn(struct translation *t, const struct leaf *leaf)
{
	char path[FD_PROC_PATH_SIZE + NAME_MAX + 2];
	char proc[FD_PROC_PATH_SIZE];
	char value;

	if (may_be_aside(t))
		return false;
	snprintf(path, sizeof(path), "%s/%s", fd_proc_path(leaf->place->fd, proc), leaf->name);
	if (carries_attributes(leaf->st.st_mode) &&
	    (lgetxattr(path, OWNER_XATTR, &value, sizeof(value)) >= 0 || errno != ENODATA))
		return false;
	plain_note(t, &leaf->st);
	return true;
}

void plain_learn_open(struct translation *t, int fd, const struct stat *st)
{
	char value;

	if (!may_be_aside(t) && !plain_has(t, &t->mounts[0], st) &&
	    fgetxattr(fd, OWNER_XATTR, &value, sizeof(value)) < 0 && errno == ENODATA)
		plain_note(t, st);
}

bool plain_find_record(struct translation *t, int fd, const struct stat *st, struct owner_record *record)
{
	if (may_be_aside(t))
		return emul_record_find(&t->emulation, fd, record);
	return carries_attributes(st->st_mode) && owner_get(fd, record, NULL) == 0;
}
