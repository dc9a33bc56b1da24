/*
 * A readdir(3) that fails: in a program that includes this, every directory has `entries_left` further entries and then
 * an error (EIO); -1, as at first: all, and none.
 */
#ifndef COOPER_TESTS_UNIT_BASE_FAILING_READDIR_H
#define COOPER_TESTS_UNIT_BASE_FAILING_READDIR_H

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <sys/types.h>

static int entries_left = -1;

struct dirent *readdir(DIR *dir)
{
	static struct dirent *(*real)(DIR *);

	if (!real)
		real = (struct dirent * (*)(DIR *)) dlsym(RTLD_NEXT, sizeof(off_t) == 8 ? "readdir64" : "readdir");
	if (entries_left == 0) {
		errno = EIO;
		return NULL;
	}
	entries_left -= entries_left > 0;
	return real(dir);
}

#endif
