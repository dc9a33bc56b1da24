/*
 * Temporary directories: one for each process, locked while it lives, and the sweeping of those whose process is gone.
 */
#include "imagefmt/store_internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/directory.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/tree.h"

#define TMP_LOCK "lock" /* the file inside a temporary directory whose lock says that its process lives */
#define TMP_TRIES 100

static char *random_tmp_name(void)
{
	uint32_t random = 0;
	/* Only to keep names apart; mkdir decides. */
	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		random = 0;
	return mem_printf("%d-%08x", (int)getpid(), random);
}

/* Between mkdir and lock a sweeper may come by and take the directory for an orphan: it then holds the lock or has
 * removed everything. -EAGAIN: try another name. */
static int try_make_tmp(int parent, struct store_tmp *tmp, struct error **err)
{
	cleanup_free char *name = random_tmp_name();
	if (mkdirat(parent, name, 0700) < 0)
		return errno == EEXIST ? -EAGAIN : error_set_errno(err, "make '" TMP_FOLDER "/%s'", name);
	cleanup_close int fd = fd_open_dir(parent, name, NULL);
	if (fd < 0)
		return -EAGAIN;
	cleanup_close int lock = lock_take(fd, TMP_LOCK, LOCK_EXCLUSIVE, LOCK_TRY, name, NULL);
	if (lock == -EWOULDBLOCK || lock == -ENOENT)
		return -EAGAIN;
	if (lock < 0)
		return lock_take(fd, TMP_LOCK, LOCK_EXCLUSIVE, LOCK_TRY, name, err); /* again, for the words */
	tmp->fd = take_fd(&fd);
	tmp->lock = take_fd(&lock);
	tmp->name = take_ptr(&name);
	return 0;
}

/* What was inherited over a fork belongs to the parent, who removes it. */
static void drop_inherited_tmp(struct store_tmp *tmp)
{
	fd_close(tmp->fd);
	fd_close(tmp->lock);
	free(tmp->name);
	*tmp = (struct store_tmp){.fd = -1, .lock = -1};
}

int store_tmp(struct store *store, struct error **err)
{
	struct store_tmp *tmp = &store->tmp;
	if (tmp->pid == getpid())
		return tmp->fd;
	drop_inherited_tmp(tmp);

	cleanup_close int parent = store_open_below(store->folders[STORE_ROOT], TMP_FOLDER, err);
	if (parent < 0)
		return error_prefix(err, "store '%s'", store->root);
	int rc = -EAGAIN;
	for (int i = 0; i < TMP_TRIES && rc == -EAGAIN; i++)
		rc = try_make_tmp(parent, tmp, err);
	if (rc == -EAGAIN)
		rc = error_set(err, EAGAIN, "no directory of our own can be made in '" TMP_FOLDER "'");
	if (rc < 0)
		return error_prefix(err, "store '%s'", store->root);
	tmp->pid = getpid();
	/* Whoever adds to the store first frees what those who were interrupted have left, so far as it may remove it.
	 */
	struct store_swept swept;
	store_sweep(store, &swept, NULL);
	return tmp->fd;
}

char *store_tmp_name(struct store *store, const char *prefix)
{
	return mem_printf("%s-%u", prefix, store->tmp_names++);
}

char *store_tmp_path(struct store *store, const char *name)
{
	assert(store->tmp.pid == getpid());
	return mem_printf("%s/" TMP_FOLDER "/%s/%s", store->root, store->tmp.name, name);
}

int store_open_scratch(struct store *store, struct store **scratch, struct error **err)
{
	int tmp = store_tmp(store, err);
	if (tmp < 0)
		return tmp;
	cleanup_free char *name = store_tmp_name(store, "scratch");
	cleanup_free char *path = store_tmp_path(store, name);
	const struct store_options options = {.root = path, .runroot = path, .scratch = true};
	return store_open(&options, scratch, err);
}

/* Trees of other ids cannot be removed outside the user namespace; then the next sweep inside one does it. */
void store_remove_tmp(struct store *store)
{
	struct store_tmp *tmp = &store->tmp;
	if (tmp->pid == getpid()) {
		cleanup_error struct error *why = NULL;
		cleanup_close int parent = fd_open_dir(store->folders[STORE_ROOT], TMP_FOLDER, &why);
		if (parent < 0 || tree_remove(parent, tmp->name, &why) < 0)
			log_debug("'%s/" TMP_FOLDER "/%s' is left for a later prune: %s", store->root, tmp->name,
				  error_message(why));
	}
	drop_inherited_tmp(tmp);
}

/* ---- Sweeping ---- */

/* As random_tmp_name() writes it. Somebody may have given a directory of his own as the store's, with a tmp/ in it. */
static bool is_tmp_name(const char *name)
{
	size_t digits = strspn(name, "0123456789");
	return digits > 0 && name[digits] == '-' && strlen(name + digits + 1) == 8 &&
	       strspn(name + digits + 1, "0123456789abcdef") == 8;
}

/* Removes tmp/<name> if its process is gone. */
static int sweep_entry(int parent, const char *name, struct store_swept *swept, struct error **err)
{
	cleanup_close int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 && errno != ENOTDIR && errno != ELOOP)
		return error_set_errno(err, "open '%s'", name);

	cleanup_close int lock = -1;
	struct tree_usage usage = {0};
	if (fd >= 0) {
		lock = lock_take(fd, TMP_LOCK, LOCK_EXCLUSIVE, LOCK_TRY, name, NULL);
		if (lock == -EWOULDBLOCK)
			return 0; /* it lives */
		tree_usage(fd, &usage, /* only for the figures */ NULL);
	}
	int rc = tree_remove(parent, name, err);
	trace(STORE, "sweep " TMP_FOLDER "/%s: %s", name, rc < 0 ? strerror(-rc) : "removed");
	if (rc == 0) {
		swept->entries++;
		swept->bytes += usage.bytes;
	}
	return rc;
}

int store_sweep(struct store *store, struct store_swept *swept, struct error **err)
{
	struct store_swept total = {0};
	int parent = openat(store->folders[STORE_ROOT], TMP_FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (parent < 0 && errno == ENOENT) {
		*swept = total;
		return 0;
	}
	cleanup_directory DIR *dir = NULL;
	int rc = parent < 0 ? error_set_errno(err, "read '%s/" TMP_FOLDER "'", store->root)
			    : directory_take(&parent, &dir, err);
	for (const struct dirent *entry; rc == 0 && (entry = directory_next(dir, &rc, err));) {
		bool is_ours = store->tmp.pid == getpid() && strcmp(entry->d_name, store->tmp.name) == 0;
		if (is_ours || !is_tmp_name(entry->d_name))
			continue;
		/* One orphan that resists (files of other ids, outside the user namespace) must not protect the others.
		 */
		cleanup_error struct error *why = NULL;
		if (sweep_entry(dirfd(dir), entry->d_name, &total, &why) < 0)
			log_debug("'%s/" TMP_FOLDER "/%s' is left: %s", store->root, entry->d_name, error_message(why));
	}
	if (rc < 0)
		return rc;
	*swept = total;
	return 0;
}
