/*
 * The table of i386, and its struct stat. Its numbers come from a header that must not meet the one of x86-64.
 */
#include "run/emul_compat.h"

#ifdef __x86_64__
#include <asm/unistd_32.h>
#endif
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/prctl.h>

#include "run/emul_internal.h"

void emul_compat_stat(const struct stat *st, struct emul_compat_stat *compat)
{
	*compat = (struct emul_compat_stat){
		.dev = st->st_dev,
		.low_ino = (uint32_t)st->st_ino,
		.mode = st->st_mode,
		.nlink = (uint32_t)st->st_nlink,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.rdev = st->st_rdev,
		.size = st->st_size,
		.blksize = (uint32_t)st->st_blksize,
		.blocks = (uint64_t)st->st_blocks,
		.atime = (uint32_t)st->st_atim.tv_sec,
		.atime_nsec = (uint32_t)st->st_atim.tv_nsec,
		.mtime = (uint32_t)st->st_mtim.tv_sec,
		.mtime_nsec = (uint32_t)st->st_mtim.tv_nsec,
		.ctime = (uint32_t)st->st_ctim.tv_sec,
		.ctime_nsec = (uint32_t)st->st_ctim.tv_nsec,
		.ino = st->st_ino,
	};
}

#ifdef __x86_64__
#define TRAP(name, function)                                                         \
	{                                                                            \
		.arch = AUDIT_ARCH_I386, .number = __NR_##name, .handle = (function) \
	}
#define TRAP_MAKING(name, function, n)                                                \
	{                                                                             \
		.arch = AUDIT_ARCH_I386, .number = __NR_##name, .handle = (function), \
		.when = {.arg = (n), .mask = EMUL_MAKING_FLAGS},                      \
	}
#define TRAP_OTHER(name, function)                                                    \
	{                                                                             \
		.arch = AUDIT_ARCH_I386, .number = __NR_##name, .handle = (function), \
		.when = {.arg = 0, .mask = UINT32_MAX},                               \
	}
#define REFUSE(name)                                           \
	{                                                      \
		.arch = AUDIT_ARCH_I386, .number = __NR_##name \
	}

static const struct trap_entry entries[] = {
	TRAP(chown32, emul_chown),
	TRAP(lchown32, emul_lchown),
	TRAP(fchown32, emul_fchown),
	TRAP(stat64, emul_stat_call),
	TRAP(lstat64, emul_lstat),
	TRAP(fstat64, emul_fstat),
	TRAP(fstatat64, emul_fstatat),
	TRAP(statx, emul_statx),
	TRAP(getuid32, emul_getuid),
	TRAP(geteuid32, emul_geteuid),
	TRAP(getgid32, emul_getgid),
	TRAP(getegid32, emul_getegid),
	TRAP(getresuid32, emul_getresuid),
	TRAP(getresgid32, emul_getresgid),
	TRAP(getgroups32, emul_getgroups),
	TRAP(setuid32, emul_setuid),
	TRAP(setgid32, emul_setgid),
	TRAP(setreuid32, emul_setreuid),
	TRAP(setregid32, emul_setregid),
	TRAP(setresuid32, emul_setresuid),
	TRAP(setresgid32, emul_setresgid),
	TRAP(setfsuid32, emul_setfsuid),
	TRAP(setfsgid32, emul_setfsgid),
	TRAP(setgroups32, emul_setgroups),
	{.arch = AUDIT_ARCH_I386,
	 .number = __NR_prctl,
	 .handle = emul_prctl,
	 .when = {.mask = UINT32_MAX, .values = {EMUL_PRCTL_OPTIONS}, .count = EMUL_PRCTL_OPTION_COUNT}},
	TRAP(mknod, emul_mknod),
	TRAP_MAKING(open, emul_open_call, 1),
	TRAP(creat, emul_creat),
	TRAP(mkdir, emul_mkdir),
	TRAP(symlink, emul_symlink),
	TRAP_MAKING(openat, emul_openat, 2),
	TRAP(rename, emul_move),
	TRAP(link, emul_link),
	TRAP(renameat, emul_moveat),
	TRAP(renameat2, emul_moveat),
	TRAP(linkat, emul_linkat),
	TRAP(utimensat, emul_utimensat),
	TRAP(utimensat_time64, emul_utimensat),
	TRAP(utime, emul_change),
	TRAP(utimes, emul_change),
	TRAP(futimesat, emul_changeat),
	TRAP(chmod, emul_chmod),
	TRAP(fchmod, emul_fchmod),
	TRAP(fchmodat, emul_fchmodat),
	{.arch = AUDIT_ARCH_I386, .number = 452, .handle = emul_fchmodat2}, /* fchmodat2 */
	EMUL_CALLS_OF_EVERY_ABI,
	EMUL_CALLS_ABOUT_OTHERS,
	REFUSE(io_uring_setup),
	/* Of 16 bits. */
	REFUSE(chown),
	REFUSE(lchown),
	REFUSE(fchown),
	REFUSE(stat),
	REFUSE(lstat),
	REFUSE(fstat),
	REFUSE(oldstat),
	REFUSE(oldlstat),
	REFUSE(oldfstat),
	REFUSE(getuid),
	REFUSE(geteuid),
	REFUSE(getgid),
	REFUSE(getegid),
	REFUSE(getresuid),
	REFUSE(getresgid),
	REFUSE(getgroups),
	REFUSE(setuid),
	REFUSE(setgid),
	REFUSE(setreuid),
	REFUSE(setregid),
	REFUSE(setresuid),
	REFUSE(setresgid),
	REFUSE(setfsuid),
	REFUSE(setfsgid),
	REFUSE(setgroups),
	/* setxattrat to removexattrat, newer than the header. */
	{.arch = AUDIT_ARCH_I386, .number = 463},
	{.arch = AUDIT_ARCH_I386, .number = 464},
	{.arch = AUDIT_ARCH_I386, .number = 465},
	{.arch = AUDIT_ARCH_I386, .number = 466},
};

static const struct trap_entry others[] = {EMUL_CALLS_ABOUT_OTHERS};

const struct trap_table emul_compat_others = {.entries = others, .count = ARRAY_COUNT(others)};
const struct trap_table emul_compat_table = {.entries = entries, .count = ARRAY_COUNT(entries)};
#endif
