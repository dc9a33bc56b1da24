/*
 * A kernel before Linux 6.7, as far as programs of other machines are concerned: binfmt_misc cannot be mounted in a
 * user namespace. Nor is a pidfd asked who it is of (Linux 6.13). For LD_PRELOAD.
 *
 *	cc -shared -fPIC -O1 -o older_kernel.so older_kernel.c
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>

int fsopen(const char *type, unsigned flags)
{
	int (*real)(const char *, unsigned) = (int (*)(const char *, unsigned))dlsym(RTLD_NEXT, "fsopen");

	if (strcmp(type, "binfmt_misc") == 0) {
		errno = EPERM;
		return -1;
	}
	return real(type, flags);
}

int ioctl(int fd, unsigned long request, ...)
{
	int (*real)(int, unsigned long, ...) = (int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl");
	va_list rest;

	va_start(rest, request);
	void *argument = va_arg(rest, void *);
	va_end(rest);
	/* PIDFD_GET_INFO, of any size. */
	if (_IOC_TYPE(request) == 0xff && _IOC_NR(request) == 11) {
		errno = ENOTTY;
		return -1;
	}
	return real(fd, request, argument);
}
