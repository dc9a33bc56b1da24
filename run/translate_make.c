/*
 * Owner and mode of what is made and changed in a translated root. The one id that we are has to keep access to all of
 * it: what the step's root may read, we must be able to read. So a mode that would lock us out is written down, and the
 * file's own has the owner's bits besides.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "run/translate_internal.h"

static mode_t needed_bits(mode_t type)
{
	return S_ISDIR(type) ? 0700 : 0600;
}

/* What belongs to us is root's; there is nobody else. */
static void see_ids(const struct translation *t, struct stat *st)
{
	if (st->st_uid == t->uid)
		st->st_uid = 0;
	if (st->st_gid == t->gid)
		st->st_gid = 0;
}

/* ---- What has no record ---- */

/* Most things have none, and are asked for again and again: which is remembered of the last ones, by what changes when
 * somebody else gives one a record. */
struct plain {
	dev_t dev;
	ino_t ino;
	struct timespec ctime;
};

#define PLAIN_SLOTS 16384

static struct plain *plain_slot(struct translation *t, const struct stat *st)
{
	if (!t->plain)
		t->plain = mem_alloc(PLAIN_SLOTS * sizeof(*t->plain));
	return &t->plain[st->st_ino % PLAIN_SLOTS];
}

static bool is_plain(struct translation *t, const struct stat *st)
{
	const struct plain *plain = plain_slot(t, st);

	return plain->ino == st->st_ino && plain->dev == st->st_dev && plain->ctime.tv_sec == st->st_ctim.tv_sec &&
	       plain->ctime.tv_nsec == st->st_ctim.tv_nsec;
}

static void note_plain(struct translation *t, const struct stat *st)
{
	*plain_slot(t, st) = (struct plain){.dev = st->st_dev, .ino = st->st_ino, .ctime = st->st_ctim};
}

int make_record(struct translation *t, int fd, const struct owner_record *record)
{
	struct stat st;

	/* The clock of files may stand still between the two. */
	if (fstat(fd, &st) == 0)
		*plain_slot(t, &st) = (struct plain){0};
	return emul_record_set(&t->emulation, fd, record);
}

bool view_stat_plain(struct translation *t, struct stat *st)
{
	see_ids(t, st);
	/* The other names are the layer's, and of other roots. */
	if (view_is_shared(t, st))
		st->st_nlink = 1;
	return is_plain(t, st);
}

/* Files and directories carry it; whether one is kept aside is asked only where any is. */
static bool find_record(struct translation *t, int fd, const struct stat *st, struct owner_record *record)
{
	struct emulation *e = &t->emulation;

	if (e->options.owners->count > 0 || e->kept.count > 0)
		return emul_record_find(e, fd, record);
	return (S_ISREG(st->st_mode) || S_ISDIR(st->st_mode)) && owner_get(fd, record, NULL) == 0;
}

int view_look(struct translation *t, int fd, struct sight *seen)
{
	*seen = (struct sight){0};
	if (fstat(fd, &seen->real) < 0)
		return -errno;
	seen->shown = seen->real;
	if (view_stat_plain(t, &seen->shown))
		return 0;
	seen->has_record = find_record(t, fd, &seen->real, &seen->record);
	if (seen->has_record)
		owner_apply(&seen->record, &seen->shown);
	else
		note_plain(t, &seen->real);
	return 0;
}

int view_stat(struct translation *t, int fd, struct stat *st)
{
	struct sight seen;
	int rc = view_look(t, fd, &seen);

	if (rc == 0)
		*st = seen.shown;
	return rc;
}

bool view_learn(struct translation *t, const struct leaf *leaf)
{
	const struct emulation *e = &t->emulation;
	char path[FD_PROC_PATH_SIZE + NAME_MAX + 2];
	char proc[FD_PROC_PATH_SIZE];
	char value;

	if (e->options.owners->count > 0 || e->kept.count > 0)
		return false;
	snprintf(path, sizeof(path), "%s/%s", fd_proc_path(leaf->place->fd, proc), leaf->name);
	if ((S_ISREG(leaf->st.st_mode) || S_ISDIR(leaf->st.st_mode)) &&
	    (lgetxattr(path, OWNER_XATTR, &value, sizeof(value)) >= 0 || errno != ENODATA))
		return false;
	note_plain(t, &leaf->st);
	return true;
}

static bool has_something(const struct owner_record *record)
{
	return record->uid || record->gid || record->mode;
}

bool records_are_same(const struct owner_record *a, const struct owner_record *b)
{
	return a->uid == b->uid && a->gid == b->gid && a->mode == b->mode && a->major == b->major &&
	       a->minor == b->minor;
}

/* It has been changed, and has no record still. */
static void note_plain_again(struct translation *t, int fd)
{
	struct stat st;

	if (fstat(fd, &st) == 0)
		note_plain(t, &st);
}

int make_mode(struct translation *t, int fd, struct sight *seen, mode_t mode)
{
	char proc[FD_PROC_PATH_SIZE];

	mode &= 07777;
	mode_t real = mode | needed_bits(seen->real.st_mode);
	struct owner_record after = seen->record;
	after.mode = (after.mode & S_IFMT) | (real != mode ? OWNER_HAS_MODE | mode : 0);
	/* The record first: killed in between, the file is closed rather than open. */
	int rc = records_are_same(&seen->record, &after) ? 0 : make_record(t, fd, &after);
	if (rc == 0 && chmod(fd_proc_path(fd, proc), real) < 0)
		rc = -errno;
	if (rc < 0)
		return rc;
	seen->record = after;
	seen->has_record = has_something(&after);
	if (!seen->has_record)
		note_plain_again(t, fd);
	return 0;
}

int make_dressed(struct translation *t, int fd, mode_t mode, const struct owner_record *owner)
{
	char proc[FD_PROC_PATH_SIZE];
	struct owner_record record = *owner;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	mode &= 07777;
	mode_t real = mode | needed_bits(st.st_mode);
	if (real != mode)
		record.mode |= OWNER_HAS_MODE | mode;
	if (!S_ISLNK(st.st_mode) && (st.st_mode & 07777) != real && chmod(fd_proc_path(fd, proc), real) < 0)
		return -errno;
	if (S_ISLNK(st.st_mode))
		record.mode = 0;
	return has_something(&record) ? make_record(t, fd, &record) : 0;
}

int make_dressed_file(struct translation *t, int fd, mode_t mode, const struct owner_record *owner)
{
	struct owner_record record = *owner;

	mode &= 07777;
	mode_t real = mode | needed_bits(S_IFREG);
	if (real != mode)
		record.mode |= OWNER_HAS_MODE | mode;
	if (fchmod(fd, real) < 0)
		return -errno;
	if (has_something(&record))
		return make_record(t, fd, &record);
	note_plain_again(t, fd);
	return 0;
}

int make_birth(struct translation *t, const struct trap *trap, int parent, struct owner_record *owner, mode_t *umask)
{
	const struct task *task = view_task(t, trap);
	struct stat st;

	if (!task || !task->fs)
		return -ESRCH;
	*owner = (struct owner_record){.uid = task->credentials->uid[ID_FS], .gid = task->credentials->gid[ID_FS]};
	*umask = task->fs->umask;
	int rc = view_stat(t, parent, &st);
	if (rc == 0 && st.st_mode & S_ISGID)
		owner->gid = st.st_gid;
	return rc;
}

int make_accessible(struct translation *t, int fd)
{
	struct stat st;
	struct sight seen;

	if (fstat(fd, &st) < 0)
		return -errno;
	mode_t needed = needed_bits(st.st_mode);
	/* Of what a layer shares nothing is changed; the builder shares only what is open to us. */
	if (view_is_shared(t, &st))
		return -EACCES;
	if (st.st_uid != geteuid() || (st.st_mode & needed) == needed || S_ISLNK(st.st_mode))
		return -EACCES;
	int rc = view_look(t, fd, &seen);
	return rc < 0 ? rc : make_mode(t, fd, &seen, seen.shown.st_mode);
}
