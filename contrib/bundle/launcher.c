/*
 * bin/cooper of the bundle: starts the program through the loader that lies beside it, so that it runs on a system with
 * another C library, or none, and wherever the bundle was unpacked. (An interpreter in the program itself would have to
 * be an absolute path.) Static: what starts first cannot ask for libraries.
 *
 *	DIR/bin/cooper ARGS -> DIR/lib/ld.so --inhibit-cache --library-path DIR/lib --argv0 cooper DIR/lib/cooper ARGS
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXIT_OWN_ERROR 125 /* cooper's status for errors of its own */

static int fail(const char *what, const char *path)
{
	fprintf(stderr, "cooper: %s '%s': %s\n", what, path, strerror(errno));
	return EXIT_OWN_ERROR;
}

/* Cuts the last component off. */
static void cut(char *path)
{
	char *slash = strrchr(path, '/');

	if (slash)
		*slash = '\0';
}

static char *join(const char *dir, const char *name)
{
	char *path = NULL;

	return asprintf(&path, "%s/%s", dir, name) < 0 ? NULL : path;
}

int main(int argc, char **argv)
{
	char dir[PATH_MAX];
	/* Not argv[0], which is whatever the caller says. */
	ssize_t length = readlink("/proc/self/exe", dir, sizeof(dir) - 1);
	if (length < 0)
		return fail("read", "/proc/self/exe");
	dir[length] = '\0';
	cut(dir);
	cut(dir);
	char *library = join(dir, "lib");
	char *loader = join(dir, "lib/ld.so");
	char *program = join(dir, "lib/cooper");
	/* What the caller's shell preloads was built for the system's C library. */
	unsetenv("LD_PRELOAD");
	unsetenv("LD_AUDIT");
	/* Since Linux 5.18 there is always an argv[0]. */
	const char *head[] = {loader, "--inhibit-cache", "--library-path", library, "--argv0", argv[0], program};
	size_t count = sizeof(head) / sizeof(head[0]);
	size_t rest = (size_t)argc; /* the others and the NULL at the end */
	char **args = argc > 0 ? calloc(count + rest, sizeof(*args)) : NULL;
	if (!library || !loader || !program || !args)
		return fail("start", "cooper");
	memcpy(args, head, sizeof(head));
	memcpy(args + count, argv + 1, rest * sizeof(*args));
	execv(loader, args);
	return fail("start", loader);
}
