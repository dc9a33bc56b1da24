/*
 * Owner and mode of what is made and changed in a translated root. The one id that we are has to keep access to all of
 * it: what the step's root may read, we must be able to read. So a mode that would lock us out is written down, and the
 * file's own has the owner's bits besides.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "run/translate_internal.h"

#define DEFAULT_LIST_XATTR "system.posix_acl_default"

static mode_t needed_bits(mode_t type)
{
	return S_ISDIR(type) ? 0700 : 0600;
}

static bool is_shut(const struct stat *st)
{
	mode_t needed = needed_bits(st->st_mode);

	return !S_ISLNK(st->st_mode) && (st->st_mode & needed) != needed;
}

int make_record(struct translation *t, int fd, const struct owner_record *record)
{
	plain_forget(t, fd);
	return emul_record_set(&t->emulation, fd, record);
}

void view_show(const struct translation *t, struct stat *st)
{
	/* What belongs to us is root's; there is nobody else. */
	if (st->st_uid == t->uid)
		st->st_uid = 0;
	if (st->st_gid == t->gid)
		st->st_gid = 0;
	/* The other names are the layer's, and of other roots. */
	if (view_is_shared(t, st))
		st->st_nlink = 1;
}

int view_look(struct translation *t, const struct view_mount *mount, int fd, struct sight *seen)
{
	*seen = (struct sight){0};
	if (fstat(fd, &seen->real) < 0)
		return -errno;
	seen->shown = seen->real;
	view_show(t, &seen->shown);
	if (plain_has(t, mount, &seen->real))
		return 0;
	seen->has_record = plain_find_record(t, fd, &seen->real, &seen->record);
	if (seen->has_record)
		owner_apply(&seen->record, &seen->shown);
	else
		plain_note(t, &seen->real);
	return 0;
}

int view_stat(struct translation *t, const struct view_mount *mount, int fd, struct stat *st)
{
	struct sight seen;
	int rc = view_look(t, mount, fd, &seen);

	if (rc == 0)
		*st = seen.shown;
	return rc;
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

int make_mode(struct translation *t, int fd, struct sight *seen, mode_t mode)
{
	char proc[FD_PROC_PATH_SIZE];

	mode &= 07777;
	mode_t real = mode | needed_bits(seen->real.st_mode);
	struct owner_record after = seen->record;
	after.mode = (after.mode & S_IFMT) | (real != mode ? OWNER_HAS_MODE | mode : 0);
	fd_proc_path(fd, proc);
	/* What an access list has shut takes no record. */
	if (is_shut(&seen->real) && chmod(proc, real) < 0)
		return -errno;
	/* The record first: killed in between, the file is closed rather than open. */
	int rc = records_are_same(&seen->record, &after) ? 0 : make_record(t, fd, &after);
	if (rc == 0 && chmod(proc, real) < 0)
		rc = -errno;
	if (rc < 0)
		return rc;
	seen->record = after;
	seen->has_record = has_something(&after);
	if (!seen->has_record)
		plain_note_fd(t, fd);
	return 0;
}

mode_t mode_without_set_ids(mode_t mode)
{
	return mode & ~(mode_t)(S_ISUID | (mode & S_IXGRP ? S_ISGID : 0));
}

int make_written(struct translation *t, int fd)
{
	struct stat st;
	struct sight seen;

	xattr_drop_capability(fd);
	/* The kernel has taken them, unless we are the host's root. */
	if (fstat(fd, &st) < 0 || !(st.st_mode & (S_ISUID | S_ISGID)))
		return 0;
	int rc = view_look(t, /* mount */ NULL, fd, &seen);
	return rc < 0 ? rc : make_mode(t, fd, &seen, mode_without_set_ids(seen.shown.st_mode));
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

	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	mode &= 07777;
	mode_t real = mode | needed_bits(S_IFREG);
	if (real != mode)
		record.mode |= OWNER_HAS_MODE | mode;
	bool is_as_made = (st.st_mode & 07777) == real;
	if (!is_as_made && fchmod(fd, real) < 0)
		return -errno;
	if (has_something(&record))
		return make_record(t, fd, &record);
	if (is_as_made)
		plain_note(t, &st);
	else
		plain_note_fd(t, fd);
	return 0;
}

/* What a directory's default list leaves out takes the place of the umask (acl(5), "OBJECT CREATION AND DEFAULT ACLs").
 * What is made takes the list over: that the kernel does. */
static bool find_default_umask(int directory, mode_t *umask)
{
	char proc[FD_PROC_PATH_SIZE];
	fd_proc_path(directory, proc);
	ssize_t size = getxattr(proc, DEFAULT_LIST_XATTR, NULL, 0);
	if (size <= 0)
		return false;
	cleanup_free struct posix_acl_xattr_header *list = mem_alloc((size_t)size);
	const struct posix_acl_xattr_entry *entries = (const void *)(list + 1);
	size = getxattr(proc, DEFAULT_LIST_XATTR, list, (size_t)size);
	mode_t owner = 0, group = 0, others = 0;

	if (size < (ssize_t)sizeof(*list))
		return false;
	for (size_t i = 0; i < ((size_t)size - sizeof(*list)) / sizeof(*entries); i++) {
		mode_t bits = le16toh(entries[i].e_perm) & 07;
		switch (le16toh(entries[i].e_tag)) {
		case ACL_USER_OBJ:
			owner = bits;
			break;
		case ACL_MASK: /* comes behind the group's */
		case ACL_GROUP_OBJ:
			group = bits;
			break;
		case ACL_OTHER:
			others = bits;
			break;
		default:
			break;
		}
	}
	*umask = 0777 & ~(owner << 6 | group << 3 | others);
	return true;
}

mode_t birth_mode(const struct birth *birth, mode_t mode)
{
	/* Linux' mode_strip_sgid(). */
	bool runs_as_group = (mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP);

	return mode & ~birth->umask & 07777 & ~(mode_t)(runs_as_group && birth->is_of_others ? S_ISGID : 0);
}

mode_t birth_bits(mode_t type, mode_t mode)
{
	return (mode & 0777) | needed_bits(type);
}

int make_birth(struct translation *t, const struct trap *trap, const struct view_mount *mount, int directory,
	       struct birth *birth)
{
	const struct task *task = view_task(t, trap);
	struct stat st = {0};

	if (!task || !task->fs)
		return -ESRCH;
	int rc = view_stat(t, mount, directory, &st);
	if (rc < 0)
		return rc;
	birth->hands_group_on = st.st_mode & S_ISGID;
	birth->owner = (struct owner_record){
		.uid = task->credentials->uid[ID_FS],
		.gid = birth->hands_group_on ? st.st_gid : task->credentials->gid[ID_FS],
	};
	if (!find_default_umask(directory, &birth->umask))
		birth->umask = task->fs->umask;
	birth->is_of_others = !credentials_in_group(task->credentials, birth->owner.gid) &&
			      !credentials_can(task->credentials, CAP_FSETID);
	return 0;
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
	int rc = view_look(t, /* mount */ NULL, fd, &seen);
	return rc < 0 ? rc : make_mode(t, fd, &seen, seen.shown.st_mode);
}
