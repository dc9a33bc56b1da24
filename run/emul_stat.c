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

/* `file` is closed. */
static void answer_stat(struct emulation *e, const struct trap *trap, int file, uint64_t address, struct answer *answer)
{
	cleanup_close int fd = file;
	struct owner_record record;
	struct stat st;

	if (fd < 0 || !emul_record_find(e, fd, &record) || fstat(fd, &st) < 0 ||
	    !supervisor_still_waits(&e->supervisor, trap))
		return;
	owner_apply(&record, &st);
	emul_return(answer, write_stat(e, trap, address, &st));
}

void emul_stat_call(void *context, const struct trap *trap, struct answer *answer)
{
	answer_stat(context, trap, emul_open(context, trap, AT_FDCWD, trap->args[0], EMUL_FOLLOW | EMUL_PEEK),
		    trap->args[1], answer);
}

void emul_lstat(void *context, const struct trap *trap, struct answer *answer)
{
	answer_stat(context, trap, emul_open(context, trap, AT_FDCWD, trap->args[0], EMUL_PEEK), trap->args[1], answer);
}

void emul_fstat(void *context, const struct trap *trap, struct answer *answer)
{
	int fd = (int)trap->args[0];

	if (emul_fd_is_plain(context, trap, fd))
		return;
	answer_stat(context, trap, fd < 0 ? -EBADF : emul_open_fd(context, trap, fd), trap->args[1], answer);
}

static unsigned flags_of(int flags)
{
	return EMUL_PEEK | (flags & AT_SYMLINK_NOFOLLOW ? 0 : EMUL_FOLLOW) | (flags & AT_EMPTY_PATH ? EMUL_EMPTY : 0);
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
	answer_stat(context, trap, emul_open(context, trap, (int)trap->args[0], trap->args[1], flags_of(flags)),
		    trap->args[2], answer);
}

static void apply_to_statx(const struct owner_record *record, struct statx *st)
{
	struct stat plain = {.st_mode = st->stx_mode, .st_rdev = makedev(st->stx_rdev_major, st->stx_rdev_minor)};

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
	cleanup_close int fd = emul_open(e, trap, (int)trap->args[0], trap->args[1], flags_of(flags));
	if (fd < 0 || !emul_record_find(e, fd, &record) ||
	    statx(fd, "", AT_EMPTY_PATH | (flags & AT_STATX_SYNC_TYPE), (unsigned)trap->args[3], &st) < 0 ||
	    !supervisor_still_waits(&e->supervisor, trap))
		return;
	apply_to_statx(&record, &st);
	emul_return(answer, emul_write(e, trap, trap->args[4], &st, sizeof(st)));
}
