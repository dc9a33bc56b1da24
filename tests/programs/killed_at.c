/*
 * To be preloaded into a command: kills all of its processes at the Nth change of a directory, before or behind it. The
 * file KILLED_AT_FILE holds the number of changes that are still allowed, shared by all processes of the command, and
 * then -1; KILLED_AT_AFTER=1 lets the last one happen.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static atomic_int *left;
static int after;

__attribute__((constructor)) static void begin(void)
{
	const char *file = getenv("KILLED_AT_FILE");
	int fd = file ? open(file, O_RDWR | O_CLOEXEC) : -1;
	void *map = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(*left), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (fd >= 0)
		close(fd);
	if (map != MAP_FAILED)
		left = map;
	const char *wants_after = getenv("KILLED_AT_AFTER");

	after = wants_after && *wants_after;
}

/* True for the one that is the last. */
static int count(void)
{
	return left && atomic_load(left) >= 0 && atomic_fetch_sub(left, 1) == 0;
}

static void end(void)
{
	kill(0, SIGKILL);
}

#define CHANGE(name, parameters, arguments)                                         \
	int name parameters                                                         \
	{                                                                           \
		int(*real) parameters = (int(*) parameters)dlsym(RTLD_NEXT, #name); \
		int is_last = count();                                              \
                                                                                    \
		if (is_last && !after)                                              \
			end();                                                      \
		int result = real arguments;                                        \
		if (is_last)                                                        \
			end();                                                      \
		return result;                                                      \
	}

CHANGE(renameat, (int from, const char *old, int to, const char *new), (from, old, to, new))
CHANGE(renameat2, (int from, const char *old, int to, const char *new, unsigned flags), (from, old, to, new, flags))
CHANGE(linkat, (int from, const char *old, int to, const char *new, int flags), (from, old, to, new, flags))
CHANGE(symlinkat, (const char *target, int to, const char *new), (target, to, new))
CHANGE(unlinkat, (int dir, const char *name, int flags), (dir, name, flags))
CHANGE(mkdirat, (int dir, const char *name, mode_t mode), (dir, name, mode))
