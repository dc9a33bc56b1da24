/*
 * Ubuntu 24.04 for a program without an AppArmor profile, as far as it shows: a user namespace is made, and its root has no
 * capability. For LD_PRELOAD.
 *
 *	cc -shared -fPIC -O1 -o apparmor.so apparmor.c
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const char sysctl[] = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns";

static int open_one(void)
{
	int fd = memfd_create("one", MFD_CLOEXEC);

	if (fd < 0 || write(fd, "1\n", 2) != 2 || lseek(fd, 0, SEEK_SET) != 0)
		return -1;
	return fd;
}

static int open_other(const char *name, int dirfd, const char *path, int flags, unsigned mode)
{
	int (*real)(int, const char *, int, ...) = (int (*)(int, const char *, int, ...))dlsym(RTLD_NEXT, name);

	return strcmp(path, sysctl) == 0 ? open_one() : real(dirfd, path, flags, mode);
}

int openat(int dirfd, const char *path, int flags, ...)
{
	va_list rest;

	va_start(rest, flags);
	unsigned mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, unsigned) : 0;
	va_end(rest);
	return open_other("openat", dirfd, path, flags, mode);
}

int openat64(int dirfd, const char *path, int flags, ...)
{
	va_list rest;

	va_start(rest, flags);
	unsigned mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, unsigned) : 0;
	va_end(rest);
	return open_other("openat64", dirfd, path, flags, mode);
}

int chroot(const char *path)
{
	(void)path;
	errno = EPERM;
	return -1;
}

int mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data)
{
	(void)source, (void)target, (void)type, (void)flags, (void)data;
	errno = EPERM;
	return -1;
}
