/*
 * Places for secrets, and what killed processes have left of them.
 */
#include "builder/secret_place.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/directory.h"
#include "base/fd.h"
#include "base/parse.h"
#include "base/tree.h"

#define SHARED "/dev/shm"
#define SHARED_NAME "cooper-secrets-"
#define ATTEMPTS 16

/* ---- where nothing can be mounted ---- */

/* Nobody who lives has it: a lock ends with its holder, also with one in another pid namespace of the same pod. */
static bool is_left_behind(int dirfd, const char *name)
{
	cleanup_close int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && st.st_uid == geteuid() && flock(fd, LOCK_EX | LOCK_NB) == 0;
}

static void sweep_shared(void)
{
	cleanup_directory DIR *dir = NULL;
	int rc = directory_open(AT_FDCWD, SHARED, &dir, NULL);

	/* What is not seen now is seen by the next one. */
	for (const struct dirent *entry; rc == 0 && (entry = directory_next(dir, &rc, NULL));)
		if (text_has_prefix(entry->d_name, SHARED_NAME) && is_left_behind(dirfd(dir), entry->d_name))
			tree_remove(dirfd(dir), entry->d_name, NULL); /* the next one tries again */
}

/* -EAGAIN: a sweeper came between making it and locking it. */
static int make_shared(int *fd, char **path, struct error **err)
{
	char name[] = SHARED "/" SHARED_NAME "XXXXXX";
	struct stat st;

	if (!mkdtemp(name))
		return error_set_errno(err, "make a place for secrets in '%s'", SHARED);
	cleanup_close int made = fd_open_dir(AT_FDCWD, name, NULL);
	if (made < 0 || flock(made, LOCK_EX) < 0 || fstat(made, &st) < 0 || st.st_nlink == 0)
		return -EAGAIN;
	*fd = take_fd(&made);
	*path = mem_strdup(name);
	return 0;
}

static int open_shared(int *fd, char **path, struct error **err)
{
	struct statfs fs;
	int rc = -EAGAIN;

	if (statfs(SHARED, &fs) < 0 || fs.f_type != TMPFS_MAGIC || access(SHARED, W_OK) < 0)
		return error_set(err, ENOTSUP,
				 "there is no place in memory for secrets: '%s' is not there or cannot be written",
				 SHARED);
	sweep_shared();
	for (int i = 0; i < ATTEMPTS && rc == -EAGAIN; i++)
		rc = make_shared(fd, path, err);
	return rc == -EAGAIN ? error_set(err, EAGAIN, "make a place for secrets in '%s'", SHARED) : rc;
}

/* ---- where something can ---- */

static int open_mounted(struct workshop *w, int *fd, char **path, struct error **err)
{
	struct store *store = workshop_store(w);
	int tmp = store_tmp(store, err);

	if (tmp < 0)
		return tmp;
	cleanup_free char *name = store_tmp_name(store, "secrets");
	cleanup_free char *place = store_tmp_path(store, name);
	if (mkdirat(tmp, name, 0700) < 0)
		return error_set_errno(err, "make a place for secrets");
	if (mount("tmpfs", place, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") < 0) {
		int rc = error_set_errno(err, "mount a file system in memory for secrets");
		unlinkat(tmp, name, AT_REMOVEDIR);
		return rc;
	}
	*path = take_ptr(&place);
	*fd = fd_open_dir(AT_FDCWD, *path, err);
	return *fd < 0 ? *fd : 0;
}

/* ---- the doors ---- */

int secret_place_open(struct workshop *w, int *fd, char **path, struct error **err)
{
	if (*fd >= 0)
		return 0;
	return workshop_is_translated(w) ? open_shared(fd, path, err) : open_mounted(w, fd, path, err);
}

void secret_place_close(struct workshop *w, int *fd, char **path)
{
	if (*path && workshop_is_translated(w))
		tree_remove(AT_FDCWD, *path, NULL);
	fd_close(take_fd(fd));
	if (*path && !workshop_is_translated(w)) {
		umount2(*path, MNT_DETACH | UMOUNT_NOFOLLOW);
		rmdir(*path);
	}
	free(take_ptr(path));
}
