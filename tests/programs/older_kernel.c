/*
 * A kernel before Linux 6.7, as far as programs of other machines are concerned: binfmt_misc cannot be mounted in a
 * user namespace. For LD_PRELOAD.
 *
 *	cc -shared -fPIC -O1 -o older_kernel.so older_kernel.c
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <string.h>

int fsopen(const char *type, unsigned flags)
{
	int (*real)(const char *, unsigned) = (int (*)(const char *, unsigned))dlsym(RTLD_NEXT, "fsopen");

	if (strcmp(type, "binfmt_misc") == 0) {
		errno = EPERM;
		return -1;
	}
	return real(type, flags);
}
