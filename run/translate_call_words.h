/*
 * The words that the table of calls (translate_calls.c) is written in: one for each thing that is done with a call.
 */
#ifndef COOPER_RUN_TRANSLATE_CALL_WORDS_H
#define COOPER_RUN_TRANSLATE_CALL_WORDS_H

#include <linux/audit.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "run/loader/protocol.h"
#include "run/translate_internal.h"

#if defined(__x86_64__)
#define NATIVE AUDIT_ARCH_X86_64
#else
#define NATIVE AUDIT_ARCH_AARCH64
#endif

/* Newer than the headers of Debian 12; one number everywhere. */
#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif
#ifndef SYS_futex_wake
#define SYS_futex_wake 454
#define SYS_futex_wait 455
#define SYS_futex_requeue 456
#endif
#ifndef SYS_mseal
#define SYS_mseal 462
#endif

#define ANSWER(name, function)                                             \
	{                                                                  \
		.arch = NATIVE, .number = SYS_##name, .handle = (function) \
	}
#define ALLOW(name)                                                        \
	{                                                                  \
		.arch = NATIVE, .number = SYS_##name, .action = TRAP_ALLOW \
	}
#define TRACE(name)                                                       \
	{                                                                 \
		.arch = NATIVE, .number = SYS_##name, .action = TRAP_STOP \
	}
#define REFUSE(name, error)                                                                  \
	{                                                                                    \
		.arch = NATIVE, .number = SYS_##name, .action = TRAP_REFUSE, .code = (error) \
	}
/* Nothing is done to the loader's descriptor. */
#define IS_LOADER(n)                                                                      \
	{                                                                                 \
		.arg = (n), .mask = UINT32_MAX, .values = {LOADER_DESCRIPTOR}, .count = 1 \
	}
#define GUARD(name, n)                                                                                                 \
	{                                                                                                              \
		.arch = NATIVE, .number = SYS_##name, .action = TRAP_ALLOW, .guard = IS_LOADER(n), .guard_code = EBADF \
	}
/* Another process by its number; 0 is the caller. */
#define OTHER(name)                                                                  \
	{                                                                            \
		.arch = NATIVE, .number = SYS_##name, .handle = emul_change_process, \
		.when = {.arg = 0, .mask = UINT32_MAX},                              \
	}
#define NEW_NAMESPACES                                                                                            \
	{                                                                                                         \
		.mask = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET | \
			CLONE_NEWCGROUP | CLONE_UNTRACED                                                          \
	}
#define OWN_PRCTL                                                                                          \
	{                                                                                                  \
		.mask = UINT32_MAX,                                                                        \
		.values = {EMUL_PRCTL_OPTIONS, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS}, \
		.count = EMUL_PRCTL_OPTION_COUNT + 3                                                       \
	}

#define TELLS_ADDRESS(name, n)                                                                                      \
	{                                                                                                           \
		.arch = NATIVE, .number = SYS_##name, .when = {.arg = (n), .mask = UINT32_MAX}, .action = TRAP_STOP \
	}

/* Of the types that file systems have (ioctl(2), _IOC_TYPE): 'f', 'v', 'X', btrfs', f2fs'; and sockets'. Those that
 * only ask of a file, and those that write to one that is open for it, are harmless. */
#define FILE_REQUESTS(name, function)                                                                         \
	{                                                                                                     \
		.arch = NATIVE, .number = SYS_##name,                                                         \
		.pass = {.arg = 1,                                                                            \
			 .mask = UINT32_MAX,                                                                  \
			 .values = {FS_IOC_GETFLAGS, FS_IOC_GETVERSION, FS_IOC_FIEMAP, FICLONE, FICLONERANGE, \
				    FS_IOC_FSGETXATTR},                                                       \
			 .count = 6},                                                                         \
		.when = {.arg = 1,                                                                            \
			 .mask = 0xff00,                                                                      \
			 .values = {'f' << 8, 'v' << 8, 'X' << 8, 0x9400, 0xf500, 0x8900},                    \
			 .count = 6},                                                                         \
		.handle = (function), .guard = IS_LOADER(0), .guard_code = EBADF                              \
	}

/* What only names a thing is opened where it is used. */
#define OPEN(name, n, function)                                                                                  \
	{                                                                                                        \
		.arch = NATIVE, .number = SYS_##name, .when = {.arg = (n), .mask = O_PATH}, .action = TRAP_STOP, \
		.handle = (function), .handles_rest = true                                                       \
	}

#endif
