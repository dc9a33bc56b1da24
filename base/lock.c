/*
 * Locks between processes, and the line that says what is waited for.
 */
#include "base/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"

/* Most locks are free again at once; only a wait that a person would notice is announced. */
#define POLL_MS 50
#define POLLS_BEFORE_NOTICE 10

/* 0 or -errno. */
static int lock_now(int fd, int operation)
{
	int rc;

	do {
		rc = flock(fd, operation);
	} while (rc < 0 && errno == EINTR);
	return rc < 0 ? -errno : 0;
}

static int lock_patiently(int fd, int operation, bool *said, const char *what)
{
	const struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};

	for (int i = 0; !*said && i < POLLS_BEFORE_NOTICE; i++) {
		int rc = lock_now(fd, operation | LOCK_NB);
		if (rc != -EWOULDBLOCK)
			return rc;
		nanosleep(&pause, NULL);
	}
	int rc = lock_now(fd, operation | LOCK_NB);
	if (rc != -EWOULDBLOCK)
		return rc;
	if (!*said)
		log_info("waiting for %s, which another cooper is using", what);
	*said = true;
	return lock_now(fd, operation);
}

/* The file may have been removed, and made again by another, while we waited: a lock on the old one excludes nobody. */
static bool is_current(int dirfd, const char *path, int fd)
{
	struct stat by_path;
	struct stat held;

	return fstatat(dirfd, path, &by_path, AT_SYMLINK_NOFOLLOW) == 0 && fstat(fd, &held) == 0 &&
	       by_path.st_dev == held.st_dev && by_path.st_ino == held.st_ino;
}

/* flock(2) asks for no right to write: to share, a file that can be read is enough. */
static int open_lock(int dirfd, const char *path, enum lock_mode mode, const char *what, struct error **err)
{
	int fd = openat(dirfd, path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd >= 0)
		return fd;
	if ((errno != EROFS && errno != EACCES) || mode != LOCK_SHARED)
		return error_set_errno(err, "open the lock of %s", what);
	int code = errno;
	fd = openat(dirfd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	if (errno == ENOENT)
		return error_set(err, code, "%s has no lock yet, and it cannot be made here: %s", what, strerror(code));
	return error_set_errno(err, "open the lock of %s", what);
}

int lock_take(int dirfd, const char *path, enum lock_mode mode, enum lock_wait wait, const char *what,
	      struct error **err)
{
	int operation = mode == LOCK_SHARED ? LOCK_SH : LOCK_EX;
	bool said = false;

	for (;;) {
		cleanup_close int fd = open_lock(dirfd, path, mode, what, err);
		if (fd < 0)
			return fd;
		int rc = wait == LOCK_TRY ? lock_now(fd, operation | LOCK_NB)
					  : lock_patiently(fd, operation, &said, what);
		if (rc == -EWOULDBLOCK)
			return error_set(err, EWOULDBLOCK, "%s is in use by another process", what);
		if (rc < 0) {
			errno = -rc;
			return error_set_errno(err, "lock %s", what);
		}
		if (is_current(dirfd, path, fd))
			return take_fd(&fd);
	}
}

int lock_take_directory(int dirfd, const char *path, enum lock_mode mode, const char *what, struct error **err)
{
	bool said = false;
	cleanup_close int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return error_set_errno(err, "open %s", what);
	int rc = lock_patiently(fd, mode == LOCK_SHARED ? LOCK_SH : LOCK_EX, &said, what);
	return rc < 0 ? error_set(err, -rc, "lock %s: %s", what, strerror(-rc)) : take_fd(&fd);
}
