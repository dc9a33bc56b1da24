/*
 * Finding, keeping and removing a working container. How one is made stands in container_make.c, what goes over all of
 * them in containers.c.
 */
#include "builder/container.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomicfile.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/tree.h"
#include "builder/container_base.h"
#include "builder/container_internal.h"
#include "builder/container_name.h"
#include "builder/container_state.h"
#include "builder/rootfs_internal.h"

#define STATE "state.json"

/* ---- on disk ---- */

int container_open_dir(struct workshop *w, const struct container *c, struct error **err)
{
	int containers = store_folder(workshop_store(w), STORE_CONTAINERS, err);

	if (containers < 0)
		return containers;
	int fd = fd_open_dir(containers, c->id, err);
	return fd < 0 ? error_prefix(err, "container '%s'", c->name) : fd;
}

bool container_has(struct workshop *w, const struct container *c, const char *name)
{
	int containers = store_folder(workshop_store(w), STORE_CONTAINERS, NULL);
	cleanup_free char *path = mem_printf("%s/%s", c->id, name);

	return containers >= 0 && faccessat(containers, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int container_write_state(int dirfd, const struct container *c, struct error **err)
{
	cleanup_json json_t *root = NULL;
	cleanup(buf_done) struct buf text = BUF_INIT(CONTAINER_STATE_SIZE_MAX);
	cleanup_free char *base = NULL;
	int rc = container_base_save(dirfd, c, &base, err);

	if (rc == 0)
		rc = container_state_format(c, base, &root, err);
	if (rc < 0)
		return rc;
	json_format(root, &text);
	if (text.overflow)
		return error_set(err, EFBIG, "the state of container '%s' is too large", c->name);
	rc = atomic_file_write(dirfd, STATE, 0600, text.data, text.len, ATOMIC_FILE_SYNC, err);
	if (rc == 0 && (!c->base || c->base->has_others))
		container_base_tidy(dirfd, c, base);
	return rc;
}

int container_save(struct workshop *w, const struct container *c, struct error **err)
{
	cleanup_close int dir = container_open_dir(w, c, err);

	if (dir < 0)
		return dir;
	int rc = container_write_state(dir, c, err);
	return rc < 0 ? error_prefix(err, "save container '%s'", c->name) : rc;
}

static int load_once(int containers, const char *id, struct container *c, struct error **err)
{
	cleanup_free char *path = mem_printf("%s/" STATE, id);
	cleanup_free char *what = mem_printf("container %.12s", id);
	cleanup_free char *base = NULL;
	cleanup_json json_t *root = NULL;
	cleanup(container_done) struct container read = {0};
	int rc = json_load_at(containers, path, CONTAINER_STATE_SIZE_MAX, &root, err);

	if (rc == 0)
		rc = container_state_parse(root, what, &read, &base, err);
	if (rc < 0)
		return rc;
	rc = base ? container_base_load(containers, id, base, &read, err) : 0;
	if (rc == -ENOENT)
		return -EAGAIN;
	if (rc < 0)
		return rc;
	*c = read;
	read = (struct container){0};
	return 0;
}

#define LOAD_TRIES 100

int container_load(struct workshop *w, const char *id, struct container *c, struct error **err)
{
	int containers = store_folder(workshop_store(w), STORE_CONTAINERS, err);
	int rc = containers < 0 ? containers : -EAGAIN;

	/* Who holds no lock may find that the state has changed, and the file that it names is gone. */
	for (int i = 0; i < LOAD_TRIES && rc == -EAGAIN; i++) {
		cleanup_error struct error *why = NULL;
		rc = load_once(containers, id, c, &why);
		if (rc < 0 && rc != -EAGAIN && err)
			*err = take_ptr(&why);
	}
	if (rc == -EAGAIN)
		return error_set(err, EIO, "container %.12s: its file of layers is gone", id);
	return rc;
}

/* ---- finding ---- */

static int unknown(const char *text, struct error **err)
{
	return error_set(err, ENOENT, "container \"%s\": container not known", text);
}

struct prefix {
	const char *text;
	char *id; /* of the last that was found */
	size_t found;
};

static int compare_prefix(int containers, const char *id, void *context, struct error **err)
{
	struct prefix *prefix = context;

	if (!text_has_prefix(id, prefix->text))
		return 0;
	memcpy(prefix->id, id, CONTAINER_ID_SIZE);
	prefix->found++;
	return 0;
}

/* The one id that begins with `text`. */
static int find_by_prefix(struct workshop *w, const char *text, char id[CONTAINER_ID_SIZE], struct error **err)
{
	struct prefix prefix = {.text = text, .id = id};
	int rc = containers_walk(w, compare_prefix, &prefix, err);

	if (rc < 0)
		return rc;
	if (prefix.found > 1)
		return error_set(err, EINVAL, "'%s' is the beginning of more than one container's id", text);
	return prefix.found ? 0 : unknown(text, err);
}

static int find_id(struct workshop *w, const char *text, char id[CONTAINER_ID_SIZE], struct error **err)
{
	if (!*text)
		return error_set(err, EINVAL, "container name or id must be specified");
	if (container_name_find(w, text, id, NULL) == 0)
		return 0;
	if (container_id_is_valid(text)) {
		memcpy(id, text, CONTAINER_ID_SIZE);
		return 0;
	}
	if (strspn(text, "0123456789abcdef") == strlen(text))
		return find_by_prefix(w, text, id, err);
	return unknown(text, err);
}

int container_find(struct workshop *w, const char *text, struct container *c, struct error **err)
{
	char id[CONTAINER_ID_SIZE];
	int rc = find_id(w, text, id, err);

	if (rc < 0)
		return rc;
	cleanup_error struct error *error = NULL;
	rc = container_load(w, id, c, &error);
	if (rc == -ENOENT)
		return unknown(text, err);
	if (rc < 0 && err)
		*err = take_ptr(&error);
	return rc;
}

/* Takes the lock, then reads the state: only now is it what it will stay. */
static int hold(struct workshop *w, const char *text, enum lock_wait wait, struct container *c, struct error **err)
{
	char id[CONTAINER_ID_SIZE];
	int rc = find_id(w, text, id, err);

	if (rc < 0)
		return rc;
	cleanup_free char *what = mem_printf("container '%s'", text);
	cleanup_close int lock = store_lock(workshop_store(w), "container", id, LOCK_EXCLUSIVE, wait, what, err);
	if (lock < 0)
		return lock;
	cleanup(container_done) struct container read = {0};
	rc = container_load(w, id, &read, err);
	if (rc == -ENOENT) {
		/* Removed while we waited: our waiting has made its lock file anew. */
		store_drop_lock(workshop_store(w), "container", id);
		error_clear(err);
		return unknown(text, err);
	}
	if (rc < 0)
		return rc;
	rc = container_recover(w, &read, err);
	if (rc < 0)
		return rc;
	*c = read;
	read = (struct container){0};
	return take_fd(&lock);
}

int container_acquire(struct workshop *w, const char *text, struct container *c, struct error **err)
{
	return hold(w, text, LOCK_WAIT, c, err);
}

int container_acquire_to_use(struct workshop *w, const char *text, struct container *c, struct error **err)
{
	cleanup(container_done) struct container held = {0};
	cleanup_close int lock = container_acquire(w, text, &held, err);

	if (lock < 0)
		return take_fd(&lock);
	if (container_has(w, &held, CONTAINER_STAGE_MARK))
		return error_set(err, EBUSY,
				 "container '%s' is a stage's of a build that did not end; `cooper rm` takes it away",
				 text);
	*c = held;
	held = (struct container){0};
	return take_fd(&lock);
}

int container_borrow(struct workshop *w, const char *text, struct container *c, struct error **err)
{
	cleanup_error struct error *failure = NULL;
	int fd = hold(w, text, LOCK_TRY, c, &failure);

	if (fd == -EWOULDBLOCK)
		return error_set(err, EBUSY, "container '%s' is in use; try again when that is done", text);
	if (fd < 0 && err)
		*err = take_ptr(&failure);
	return fd;
}

/* ---- changing ---- */

int container_rename(struct workshop *w, struct container *c, const char *name, struct error **err)
{
	cleanup_close int lock = container_names_lock(w, err);

	if (lock < 0)
		return lock;
	if (strcmp(c->name, name) == 0)
		return error_set(err, EEXIST, "renaming a container with the same name as its current name");
	int rc = container_name_check(name, err);
	if (rc >= 0)
		rc = container_name_take(w, name, c->id, err);
	if (rc < 0)
		return error_prefix(err, "renaming container '%s'", c->name);
	char *old = c->name;
	c->name = mem_strdup(name);
	rc = container_save(w, c, err);
	if (rc < 0) {
		container_name_drop(w, name);
		free(c->name);
		c->name = old;
		return rc;
	}
	container_name_drop(w, old);
	free(old);
	return 0;
}

struct removal {
	int dir;
	const char *name;
};

static int remove_inside(struct workshop *w, void *context, struct buf *result, struct error **err)
{
	const struct removal *removal = context;

	return tree_remove(removal->dir, removal->name, err);
}

/* What belongs to subordinate ids only root of the namespace can remove. The rest, which for most containers is all,
 * the user can: that spares newuidmap, three quarters of what a removal costs. */
static int remove_tree(struct workshop *w, int dir, const char *name, struct error **err)
{
	struct removal removal = {.dir = dir, .name = name};

	if (!workshop_is_inside(w) && tree_remove(dir, name, NULL) == 0)
		return 0;
	return workshop_call(w, remove_inside, &removal, /* result */ NULL, err);
}

int container_remove(struct workshop *w, const struct container *c, struct error **err)
{
	int rc = rootfs_check_free(w, c, err);

	if (rc < 0)
		return rc;
	cleanup_free char *mounted = rootfs_mounted_path(w, c);
	if (mounted) {
		rc = rootfs_umount(w, c, /* all */ true, err);
		if (rc < 0)
			return error_prefix(err, "remove container '%s'", c->name);
	}
	struct store *store = workshop_store(w);
	int containers = store_folder(store, STORE_CONTAINERS, err);
	int tmp = containers < 0 ? containers : store_tmp(store, err);
	if ((tmp == -ENOSPC || tmp == -EDQUOT) && store_use_reserve(store)) {
		error_clear(err);
		tmp = store_tmp(store, err);
	}
	if (tmp < 0)
		return tmp;
	cleanup_close int lock = container_names_lock(w, err);
	if (lock < 0)
		return lock;
	/* Gone in one step; what is behind it takes its time, and is swept later if we die meanwhile. */
	cleanup_free char *name = store_tmp_name(store, "removed");
	if (renameat(containers, c->id, tmp, name) < 0)
		return error_set_errno(err, "remove container '%s'", c->name);
	container_name_drop(w, c->name);
	fd_close(take_fd(&lock));
	store_drop_lock(store, "container", c->id);
	rc = remove_tree(w, tmp, name, err);
	return rc < 0 ? error_prefix(err, "remove container '%s'", c->name) : rc;
}
