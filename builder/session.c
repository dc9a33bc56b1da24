/*
 * Who lives in which mount namespace: one lock file per session.
 */
#include "builder/session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/env.h"
#include "base/fd.h"

/* "mnt4026532567", or NULL where /proc is not what it should be. */
static char *namespace_name(void)
{
	struct stat st;

	return stat("/proc/self/ns/mnt", &st) < 0 ? NULL : mem_printf("mnt%llu", (unsigned long long)st.st_ino);
}

/* The pid, in "mnt<inode>-<pid>@<path of the lock>", tells one session from a later one whose namespace got the same
 * inode number. The path is there because a command of the session may work in another store (--root) than the session
 * was started with, and who meets the name in that store must find the lock too. */

static const char *lock_path(const char *name)
{
	const char *at = strchr(name, '@');

	return at && at[1] == '/' ? at + 1 : NULL;
}

char *unshare_session_current(struct workshop *w)
{
	const char *name = env_plain(SESSION_VARIABLE);
	cleanup_free char *prefix = namespace_name();

	if (!workshop_is_inside(w) || !name || !prefix)
		return NULL;
	size_t size = strlen(prefix);
	if (strncmp(name, prefix, size) != 0 || name[size] != '-' || !lock_path(name))
		return NULL;
	return mem_strdup(name);
}

int unshare_session_start(struct workshop *w, int *fd, struct error **err)
{
	cleanup_free char *current = unshare_session_current(w);
	if (current) {
		*fd = -1;
		return 0;
	}
	cleanup_free char *prefix = namespace_name();
	if (!prefix)
		return error_set(err, ENOENT, "/proc/self/ns/mnt cannot be read");
	cleanup_free char *id = mem_printf("%s-%d", prefix, (int)getpid());
	cleanup_close int lock =
		store_lock(workshop_store(w), "session", id, LOCK_EXCLUSIVE, LOCK_TRY, "the session's lock", err);
	if (lock < 0)
		return lock;
	if (fcntl(lock, F_SETFD, 0) < 0)
		return error_set_errno(err, "leave the session's lock to what is started");
	cleanup_free char *file = mem_printf("session-%s", id);
	cleanup_free char *path = store_path(workshop_store(w), STORE_LOCKS, file);
	cleanup_free char *name = mem_printf("%s@%s", id, path);
	if (setenv(SESSION_VARIABLE, name, /* overwrite */ 1) < 0)
		return error_set_errno(err, "set %s", SESSION_VARIABLE);
	*fd = take_fd(&lock);
	return 0;
}

bool unshare_session_is_alive(const char *name)
{
	const char *path = lock_path(name);
	const char *file = path ? strrchr(path, '/') + 1 : NULL;
	/* The record of a mount is a file that anything could stand in; what is removed below is a session's lock. */
	if (!path || strncmp(file, "session-mnt", strlen("session-mnt")) != 0)
		return false;
	/* Not lock_take(), which would make the file. */
	cleanup_close int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return false;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return true;
	unlink(path);
	return false;
}
