/*
 * Reading, writing and copying through descriptors: short counts, EINTR and the kernel's shortcuts are dealt with here.
 */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/directory.h"
#include "base/strlist.h"

/* <linux/memfd.h>, Linux 6.3; Debian 12's headers are older. */
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

#define READ_CHUNK ((size_t)64 << 10)
/* Most files that are read whole are smaller than this. Files of /proc/sys make the kernel allocate what is asked for.
 */
#define FIRST_CHUNK ((size_t)4 << 10)
#define COPY_CHUNK ((size_t)64 << 10)
/* copy_file_range(2) takes this much at a time: interruptible, and far below SSIZE_MAX. */
#define COPY_RANGE_CHUNK ((size_t)1 << 30)
/* Below this a clone costs more (a shared extent, a journal entry) than copying the bytes. */
#define CLONE_SIZE_MIN ((off_t)64 << 10)

void fd_close(int fd)
{
	int saved = errno;

	if (fd >= 0)
		close(fd); /* never repeated on EINTR: Linux has closed it (close(2)) */
	errno = saved;
}

int fd_write_all(int fd, const void *data, size_t size, struct error **err)
{
	const char *next = data;

	while (size > 0) {
		ssize_t done = write(fd, next, size);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return error_set_errno(err, "write");
		next += done;
		size -= (size_t)done;
	}
	return 0;
}

ssize_t fd_read_full(int fd, void *data, size_t size, struct error **err)
{
	size_t total = 0;

	while (total < size) {
		ssize_t got = read(fd, (char *)data + total, size - total);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return error_set_errno(err, "read");
		if (got == 0)
			break;
		total += (size_t)got;
	}
	return (ssize_t)total;
}

/* Appends what one full read of `size` bytes gives; *ended when that was all. */
static int read_chunk(int fd, char *chunk, size_t size, struct buf *into, bool *ended, struct error **err)
{
	ssize_t got = fd_read_full(fd, chunk, size, err);

	if (got < 0)
		return (int)got;
	buf_append(into, chunk, (size_t)got);
	*ended = (size_t)got < size;
	return into->overflow ? error_set(err, EFBIG, "larger than %zu bytes", into->max) : 0;
}

static int read_in_chunks(int fd, struct buf *into, struct error **err)
{
	cleanup_free char *chunk = mem_grow(NULL, READ_CHUNK, 1);
	bool ended = false;
	int rc = 0;

	while (rc == 0 && !ended)
		rc = read_chunk(fd, chunk, READ_CHUNK, into, &ended, err);
	if (into->secret)
		mem_wipe(chunk, READ_CHUNK);
	return rc;
}

int fd_read_all(int fd, struct buf *into, struct error **err)
{
	char first[FIRST_CHUNK];
	bool ended = false;
	int rc = read_chunk(fd, first, sizeof(first), into, &ended, err);

	if (into->secret)
		mem_wipe(first, sizeof(first));
	return rc < 0 || ended ? rc : read_in_chunks(fd, into, err);
}

int fd_read_file(int dirfd, const char *path, struct buf *into, struct error **err)
{
	/* O_NONBLOCK: a FIFO in the place of the file must not hang us before we see what it is. */
	cleanup_close int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return error_set_errno(err, "open '%s'", path);
	if (fstat(fd, &st) < 0)
		return error_set_errno(err, "stat '%s'", path);
	if (S_ISDIR(st.st_mode))
		return error_set(err, EISDIR, "'%s' is a directory", path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, EINVAL, "'%s' is not a regular file", path);
	int rc = fd_read_all(fd, into, err);
	return rc < 0 ? error_prefix(err, "'%s'", path) : 0;
}

int fd_read_user_file(const char *path, struct buf *into, struct error **err)
{
	/* A directory is opened as well; then read(2) says so. */
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return error_set_errno(err, "open '%s'", path);
	int rc = fd_read_all(fd, into, err);
	return rc < 0 ? error_prefix(err, "'%s'", path) : 0;
}

int fd_read_user_dir(const char *path, struct strlist *names, struct error **err)
{
	cleanup_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_directory DIR *dir = NULL;
	cleanup(strlist_done) struct strlist found = {0};

	if (fd < 0)
		return error_set_errno(err, "open '%s'", path);
	int rc = directory_take(&fd, &dir, err);
	for (const struct dirent *entry; rc == 0 && (entry = directory_next(dir, &rc, err));)
		strlist_append(&found, entry->d_name);
	if (rc < 0)
		return rc;
	strlist_sort(&found);
	strlist_append_all(names, &found);
	return 0;
}

bool fd_clone(int from, int to, uint64_t *copied)
{
	struct stat source;
	struct stat target;

	if (fstat(from, &source) < 0 || fstat(to, &target) < 0)
		return false;
	if (!S_ISREG(source.st_mode) || !S_ISREG(target.st_mode) || source.st_size < CLONE_SIZE_MIN ||
	    target.st_size != 0)
		return false;
	if (lseek(from, 0, SEEK_CUR) != 0 || lseek(to, 0, SEEK_CUR) != 0)
		return false;
	/* Any failure means "not here": another file system, no reflinks, a seccomp filter. Copying decides. */
	if (ioctl(to, FICLONE, from) < 0)
		return false;
	off_t end = lseek(to, 0, SEEK_END);
	lseek(from, end, SEEK_SET);
	*copied = (uint64_t)end;
	return true;
}

static size_t at_most(uint64_t left, size_t chunk)
{
	return left < chunk ? (size_t)left : chunk;
}

/* Copies inside the kernel as far as it can. What it refuses or ends early (it gives 0 for files of /proc) is left to
 * the caller, who reads on from where this stopped; only errors of the target itself end the copy. */
static int copy_in_kernel(int from, int to, uint64_t limit, uint64_t *copied, struct error **err)
{
	while (*copied < limit) {
		ssize_t done = copy_file_range(from, NULL, to, NULL, at_most(limit - *copied, COPY_RANGE_CHUNK), 0);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EFBIG))
			return error_set_errno(err, "copy");
		if (done <= 0)
			break;
		*copied += (uint64_t)done;
	}
	return 0;
}

static int copy_by_hand(int from, int to, uint64_t limit, uint64_t *copied, struct error **err)
{
	char chunk[COPY_CHUNK];

	while (*copied < limit) {
		ssize_t got = read(from, chunk, at_most(limit - *copied, COPY_CHUNK));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return error_set_errno(err, "read");
		if (got == 0)
			break;
		int rc = fd_write_all(to, chunk, (size_t)got, err);
		if (rc < 0)
			return rc;
		*copied += (uint64_t)got;
	}
	return 0;
}

/* Most files end within the first chunk: two calls by hand cost less than copy_file_range's setup. */
static int copy_bytes(int from, int to, uint64_t limit, uint64_t *copied, struct error **err)
{
	int rc = copy_by_hand(from, to, at_most(limit, COPY_CHUNK), copied, err);

	if (rc < 0 || *copied < COPY_CHUNK)
		return rc;
	rc = copy_in_kernel(from, to, limit, copied, err);
	return rc < 0 ? rc : copy_by_hand(from, to, limit, copied, err);
}

int fd_copy(int from, int to, uint64_t *copied, struct error **err)
{
	uint64_t total = 0;

	if (!fd_clone(from, to, &total)) {
		int rc = copy_bytes(from, to, UINT64_MAX, &total, err);
		if (rc < 0)
			return rc;
	}
	if (copied)
		*copied = total;
	return 0;
}

int fd_copy_range(int from, int to, uint64_t size, struct error **err)
{
	uint64_t total = 0;
	int rc = copy_bytes(from, to, size, &total, err);

	if (rc == 0 && total < size)
		return error_set(err, EIO, "the file became shorter while it was copied");
	return rc;
}

/* The kind of memory file that this kernel and its vm.memfd_noexec allow, the most useful first: one that may be
 * executed and sealed (Linux 6.3 wants to be told), the same as older kernels call it. */
static int open_memory(const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);

	if (fd < 0)
		fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0700);
	return fd;
}

int fd_from_memory(const char *name, const void *data, size_t size, struct error **err)
{
	cleanup_close int fd = open_memory(name);

	if (fd < 0)
		return error_set_errno(err, "make the memory file '%s'", name);
	int rc = fd_write_all(fd, data, size, err);
	if (rc < 0)
		return rc;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return error_set_errno(err, "seek in the memory file '%s'", name);
	/* Fails for the file in /tmp: that one is only unlinked, as the header says. */
	fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
	return take_fd(&fd);
}

int fd_open_dir(int dirfd, const char *path, struct error **err)
{
	int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return error_set_errno(err, "open directory '%s'", path);
	return fd;
}

int fd_own_output(const struct stat *st)
{
	struct stat own;

	for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++)
		if (fstat(fd, &own) == 0 && own.st_dev == st->st_dev && own.st_ino == st->st_ino)
			return fd;
	return -1;
}

const char *fd_proc_path(int fd, char text[FD_PROC_PATH_SIZE])
{
	snprintf(text, FD_PROC_PATH_SIZE, "/proc/self/fd/%d", fd);
	return text;
}
