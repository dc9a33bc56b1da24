/*
 * The second ABI of a machine: programs for i386 on x86-64. Its calls have numbers of their own and mean the same; only
 * struct stat is another. Calls of the time when an id had 16 bits are refused (ENOSYS): no C library of this century
 * makes them.
 */
#ifndef COOPER_RUN_EMUL_COMPAT_H
#define COOPER_RUN_EMUL_COMPAT_H

#include "run/supervisor.h"

#include <sys/stat.h>

#ifdef __x86_64__
extern const struct trap_table emul_compat_table;
/* Of all that only what is about other processes: for who emulates no ids. */
extern const struct trap_table emul_compat_others;
#define EMUL_COMPAT_TABLE (&emul_compat_table)
#define EMUL_COMPAT_OTHERS (&emul_compat_others)
#else
#define EMUL_COMPAT_TABLE NULL
#define EMUL_COMPAT_OTHERS NULL
#endif

/* struct stat64 of arch/x86/include/uapi/asm/stat.h, for i386. */
struct emul_compat_stat {
	uint64_t dev;
	uint32_t unused;
	uint32_t low_ino;
	uint32_t mode;
	uint32_t nlink;
	uint32_t uid;
	uint32_t gid;
	uint64_t rdev;
	uint32_t unused_too;
	int64_t size;
	uint32_t blksize;
	uint64_t blocks;
	uint32_t atime, atime_nsec;
	uint32_t mtime, mtime_nsec;
	uint32_t ctime, ctime_nsec;
	uint64_t ino;
} __attribute__((packed));

void emul_compat_stat(const struct stat *st, struct emul_compat_stat *compat);

#endif
