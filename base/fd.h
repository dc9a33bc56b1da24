/*
 * Descriptors: every one is born O_CLOEXEC and held in `cleanup_close int fd = -1;`.
 */
#ifndef COOPER_BASE_FD_H
#define COOPER_BASE_FD_H

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct stat;
struct strlist;

void fd_close(int fd); /* ignores negative ones; keeps errno */
static inline void fd_close_cleanup(int *fd)
{
	fd_close(*fd);
}
#define cleanup_close __attribute__((__cleanup__(fd_close_cleanup)))

/* Hands a descriptor on: yields it and leaves -1 behind. */
#define take_fd(p)                 \
	({                         \
		int taken_ = *(p); \
		*(p) = -1;         \
		taken_;            \
	})

/* Writes all of it, through short writes and EINTR. 0 or -errno (with the error set, without a name). */
int fd_write_all(int fd, const void *data, size_t size, struct error **err);
/* Reads until `size` bytes or the end; the count read. */
ssize_t fd_read_full(int fd, void *data, size_t size, struct error **err);
/* Appends all that is left to read; -EFBIG when the buffer's limit is passed. */
int fd_read_all(int fd, struct buf *into, struct error **err);
/* Reads dirfd/path (a regular file, not followed when it is a symlink) whole: for files of ours. -ENOENT, -EFBIG. */
int fd_read_file(int dirfd, const char *path, struct buf *into, struct error **err);
/* Reads a file that the user or the administrator named, or keeps in a known place: symlinks are followed (Kubernetes
 * mounts Secrets as links, dotfile managers make them), and a pipe (`<(…)` of a shell) or /dev/null is as good as a
 * file. Never for a path that comes out of an image or a context. -ENOENT, -EISDIR, -EFBIG. */
int fd_read_user_file(const char *path, struct buf *into, struct error **err);
/* The names in a directory of theirs, sorted bytewise, without "." and "..", are appended. A directory that cannot be read to its end
 * is an error and not a shorter one: what is left out may be what forbids something. -ENOENT, -ENOTDIR. */
int fd_read_user_dir(const char *path, struct strlist *names, struct error **err);
/* Copies the rest of `from` to `to`: FICLONE when both are whole files, then copy_file_range, then read/write.
 * Gives the bytes copied. */
int fd_copy(int from, int to, uint64_t *copied, struct error **err);
/* The same for the next `size` bytes; -EIO when `from` ends before. */
int fd_copy_range(int from, int to, uint64_t size, struct error **err);
/* True when `to`, an empty file, now shares all of `from`, holes included; both then stand at the end. False: copy. */
bool fd_clone(int from, int to, uint64_t *copied);
/* A sealed or at least unlinked memory file positioned at 0, holding `data`. */
MUST_CHECK int fd_from_memory(const char *name, const void *data, size_t size, struct error **err);
/* openat() of a directory, O_PATH-free, with O_DIRECTORY|O_CLOEXEC|O_NOFOLLOW. */
MUST_CHECK int fd_open_dir(int dirfd, const char *path, struct error **err);
/* The descriptor of our own standard output or error when that is the file which stat(2) has found, by whatever name
 * (/dev/stdout, /dev/fd/1, its own); else -1. Who is to write to such a file writes to the descriptor: opened again it
 * would be written over from its start, and a file that is renamed to /dev/stdout takes the place of that link. */
int fd_own_output(const struct stat *st);
/* "/proc/self/fd/N": lets path-only system calls work on an O_PATH descriptor. Buffer of FD_PROC_PATH_SIZE. */
#define FD_PROC_PATH_SIZE 32
const char *fd_proc_path(int fd, char text[FD_PROC_PATH_SIZE]);

#endif
