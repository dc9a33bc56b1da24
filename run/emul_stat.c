/*
 * The stat family: what has a record is shown as the record says. All else the kernel answers itself, in whatever form
 * the caller's ABI has.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "run/emul_compat.h"
#include "run/emul_internal.h"

/* In the form of the caller's ABI; the kernel's struct stat is the C library's on 64-bit machines. */
static int write_stat(struct emulation *e, const struct trap *trap, uint64_t address, const struct stat *st)
{
	struct emul_compat_stat compat;

	if (trap->arch != AUDIT_ARCH_I386)
		return emul_write(e, trap, address, st, sizeof(*st));
	emul_compat_stat(st, &compat);
	return emul_write(e, trap, address, &compat, sizeof(compat));
}

/* What we find there may be our own. */
static bool is_of_proc(const struct emulation *e, dev_t device)
{
	return e->shows_others && device == e->proc_device;
}

/* `file` is closed. */
static void answer_stat(struct emulation *e, const struct trap *trap, int file, uint64_t address, struct answer *answer)
{
	cleanup_close int fd = file;
	struct owner_record record;
	struct stat st;
	bool is_recorded = fd >= 0 && emul_record_find(e, fd, &record);

	if (fd < 0 || (!is_recorded && !e->shows_others) || fstat(fd, &st) < 0 || is_of_proc(e, st.st_dev) ||
	    !supervisor_still_waits(&e->supervisor, trap))
		return;
	emul_see(e, &st);
	if (is_recorded)
		owner_apply(&record, &st);
	emul_return(answer, write_stat(e, trap, address, &st));
}

/* What the call names, if it may have a record. */
static int open_to_look(struct emulation *e, const struct trap *trap, int dirfd, uint64_t address, unsigned flags)
{
	char path[PATH_MAX];
	int rc = emul_read_path(e, trap, address, flags, path);

	if (rc < 0)
		return rc;
	if (emul_path_is_plain(e, path, flags))
		return -ENODATA;
	emul_come_back(e);
	/* Where all have to be answered, also what only a descriptor leads to. */
	return emul_open_text(e, trap, dirfd, path, flags | (e->shows_others ? 0 : EMUL_PEEK));
}

void emul_stat_call(void *context, const struct trap *trap, struct answer *answer)
{
	answer_stat(context, trap, open_to_look(context, trap, AT_FDCWD, trap->args[0], EMUL_FOLLOW), trap->args[1],
		    answer);
}

void emul_lstat(void *context, const struct trap *trap, struct answer *answer)
{
	answer_stat(context, trap, open_to_look(context, trap, AT_FDCWD, trap->args[0], 0), trap->args[1], answer);
}

void emul_fstat(void *context, const struct trap *trap, struct answer *answer)
{
	int fd = (int)trap->args[0];

	if (emul_fd_is_plain(context, trap, fd))
		return;
	emul_come_back(context);
	answer_stat(context, trap, fd < 0 ? -EBADF : emul_open_fd(context, trap, fd), trap->args[1], answer);
}

static unsigned flags_of(int flags)
{
	return (flags & AT_SYMLINK_NOFOLLOW ? 0 : EMUL_FOLLOW) | (flags & AT_EMPTY_PATH ? EMUL_EMPTY : 0);
}

/* The form in which today's C libraries ask fstat(2). */
static bool is_plain_fstat(struct emulation *e, const struct trap *trap, int flags)
{
	char path[1];

	if (!(flags & AT_EMPTY_PATH))
		return false;
	if (trap->args[1] && (emul_read(e, trap, trap->args[1], path, sizeof(path)) < 0 || path[0] != '\0'))
		return false;
	return emul_fd_is_plain(e, trap, (int)trap->args[0]);
}

void emul_fstatat(void *context, const struct trap *trap, struct answer *answer)
{
	int flags = (int)trap->args[3];

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT) || is_plain_fstat(context, trap, flags))
		return;
	answer_stat(context, trap, open_to_look(context, trap, (int)trap->args[0], trap->args[1], flags_of(flags)),
		    trap->args[2], answer);
}

/* `record` may be NULL. */
static void apply_to_statx(const struct emulation *e, const struct owner_record *record, struct statx *st)
{
	struct stat plain = {
		.st_uid = st->stx_uid,
		.st_gid = st->stx_gid,
		.st_mode = st->stx_mode,
		.st_rdev = makedev(st->stx_rdev_major, st->stx_rdev_minor),
	};

	emul_see(e, &plain);
	if (record)
		owner_apply(record, &plain);
	st->stx_uid = plain.st_uid;
	st->stx_gid = plain.st_gid;
	st->stx_mode = (uint16_t)plain.st_mode;
	st->stx_rdev_major = major(plain.st_rdev);
	st->stx_rdev_minor = minor(plain.st_rdev);
}

void emul_statx(void *context, const struct trap *trap, struct answer *answer)
{
	struct emulation *e = context;
	int flags = (int)trap->args[2];
	struct owner_record record;
	struct statx st;

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_STATX_SYNC_TYPE) ||
	    is_plain_fstat(e, trap, flags))
		return;
	cleanup_close int fd = open_to_look(e, trap, (int)trap->args[0], trap->args[1], flags_of(flags));
	bool is_recorded = fd >= 0 && emul_record_find(e, fd, &record);
	if (fd < 0 || (!is_recorded && !e->shows_others) ||
	    statx(fd, "", AT_EMPTY_PATH | (flags & AT_STATX_SYNC_TYPE), (unsigned)trap->args[3], &st) < 0 ||
	    is_of_proc(e, makedev(st.stx_dev_major, st.stx_dev_minor)) || !supervisor_still_waits(&e->supervisor, trap))
		return;
	apply_to_statx(e, is_recorded ? &record : NULL, &st);
	emul_return(answer, emul_write(e, trap, trap->args[4], &st, sizeof(st)));
}
