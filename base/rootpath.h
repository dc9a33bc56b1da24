/*
 * Paths inside a root that is not ours: an image, a build context, an archive being unpacked.
 *
 * Every path here is hostile text: symlinks, "..", absolute names and "//" are resolved as a process whose root were
 * `rootfd` would see them, by openat2(2) with RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS (Linux 5.6). Where openat2 is
 * filtered (ENOSYS or EPERM from an old seccomp profile) a walker with O_PATH | O_NOFOLLOW per component takes its
 * place, with the same results. No function here ever leaves the root, whatever is renamed meanwhile.
 */
#ifndef COOPER_BASE_ROOTPATH_H
#define COOPER_BASE_ROOTPATH_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

/* Opens `path` inside rootfd. flags as for open(2); O_CLOEXEC is added, O_NOFOLLOW keeps the last component as it is.
 * FIFOs never block: O_NONBLOCK is added for reads unless O_PATH. Returns the descriptor or -errno; expected: -ENOENT,
 * -ENOTDIR, -ELOOP. */
MUST_CHECK int rootpath_open(int rootfd, const char *path, int flags, mode_t mode, struct error **err);

/* Opens a regular file for reading: anything else is -EINVAL, larger than max is -EFBIG. That is its size now, it may
 * grow: fd_read_all() into a buffer with the same limit reads no more of it. */
MUST_CHECK int rootpath_open_file(int rootfd, const char *path, uint64_t max, struct error **err);

/* The directory that holds the last component of path (itself not followed), and that component's name, newly
 * allocated. "/", "." and names that end in "." or ".." give -EINVAL. With `create`, missing parents are made (0755).
 * O_PATH at least. */
MUST_CHECK int rootpath_open_parent(int rootfd, const char *path, bool create, char **leaf, struct error **err);

/* What rootpath_mkdirs() makes. */
struct rootpath_dir {
	mode_t mode; /* of each directory made, set exactly whatever the umask */
	uid_t uid;
	gid_t gid;
	bool set_owner;
	bool record_owner;    /* instead: what no id maps to is written down (base/owner.h) */
	int64_t mtime;	      /* seconds; set on each directory made unless negative */
	bool follow_dangling; /* a link that leads nowhere: what it names, inside the root, is made */
};

/* Makes path and what is missing above it, like mkdir -p, and opens it (at least O_PATH | O_DIRECTORY). Existing
 * directories are left as they are; a symlink on the way is followed inside the root, a dangling one is -ENOENT
 * unless `dir` says otherwise. NULL dir = 0755. */
MUST_CHECK int rootpath_mkdirs(int rootfd, const char *path, const struct rootpath_dir *dir, struct error **err);

/* fstatat(2) inside the root. */
int rootpath_stat(int rootfd, const char *path, bool follow, struct stat *st, struct error **err);
/* What a symlink holds, newly allocated; -EINVAL when it is none. */
int rootpath_readlink(int rootfd, const char *path, char **target, struct error **err);
/* Where path ends inside the root after all links, as "/a/b". Missing last components stay as written. */
int rootpath_resolve(int rootfd, const char *path, char **resolved, struct error **err);

/* Removes "//", "." and ".." as text, giving "/a/b" ("/" for the root). ".." above the root is dropped. */
MUST_CHECK char *rootpath_clean(const char *path);

#endif
