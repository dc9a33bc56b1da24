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

char *unshare_session_current(struct workshop *w)
{
	const char *name = env_plain(SESSION_VARIABLE);
	cleanup_free char *prefix = namespace_name();

	if (!workshop_is_inside(w) || !name || !prefix)
		return NULL;
	size_t size = strlen(prefix);
	if (strncmp(name, prefix, size) != 0 || name[size] != '-' || strchr(name, '/'))
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
	/* The pid tells one session from a later one whose namespace got the same inode number. */
	cleanup_free char *name = mem_printf("%s-%d", prefix, (int)getpid());
	cleanup_close int lock =
		store_lock(workshop_store(w), "session", name, LOCK_EXCLUSIVE, LOCK_TRY, "the session's lock", err);
	if (lock < 0)
		return lock;
	if (fcntl(lock, F_SETFD, 0) < 0)
		return error_set_errno(err, "leave the session's lock to what is started");
	if (setenv(SESSION_VARIABLE, name, /* overwrite */ 1) < 0)
		return error_set_errno(err, "set %s", SESSION_VARIABLE);
	*fd = take_fd(&lock);
	return 0;
}

bool unshare_session_is_alive(struct workshop *w, const char *name)
{
	int locks = store_folder(workshop_store(w), STORE_LOCKS, NULL);
	if (locks < 0 || strchr(name, '/'))
		return false;
	cleanup_free char *file = mem_printf("session-%s", name);
	/* Not lock_take(), which would make the file. */
	cleanup_close int fd = openat(locks, file, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return false;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return true;
	unlinkat(locks, file, 0);
	return false;
}
