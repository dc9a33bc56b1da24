/*
 * What --volume and --mount name, opened. A source inside an image or another container is opened inside its root and
 * held as a descriptor from then on (CVE-2024-1753, CVE-2024-9675): nothing that changes its path later matters.
 */
#include "builder/step_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/owner.h"
#include "base/rootpath.h"
#include "base/tree.h"
#include "builder/acquire.h"
#include "builder/cache_mounts.h"
#include "builder/mount_root.h"
#include "imagefmt/digest.h"

#define CACHE_MODE 0755

static void keep_fd(struct step *step, int fd)
{
	step->fds = mem_grow(step->fds, step->fd_count + 1, sizeof(*step->fds));
	step->fds[step->fd_count++] = fd;
}

static const char *keep_text(struct step *step, const char *text)
{
	if (!text)
		return NULL;
	strlist_append(&step->owned, text);
	return step->owned.items[step->owned.count - 1];
}

static void add_mount(struct step *step, const struct run_mount *mount)
{
	step->mounts = mem_grow(step->mounts, step->mount_count + 1, sizeof(*step->mounts));
	step->mounts[step->mount_count++] = *mount;
}

/* ---- sources ---- */

static void keep_rootfs(struct step *step, struct rootfs *rootfs)
{
	step->roots = mem_grow(step->roots, step->root_count + 1, sizeof(*step->roots));
	step->roots[step->root_count++] = rootfs;
}

/* Of a step that was kept when it failed. */
static int open_kept(struct step *step, const char *from, int *root, struct error **err)
{
	struct rootfs *rootfs = NULL;
	int fd = mount_root_open(step->w, from, &rootfs, err);

	if (rootfs)
		keep_rootfs(step, rootfs);
	if (fd < 0)
		return error_prefix(err, "what the step mounted from");
	keep_fd(step, fd);
	*root = fd;
	return 0;
}

static int open_from(struct step *step, const char *name, int *root, struct error **err)
{
	if (mount_root_is(name))
		return open_kept(step, name, root, err);
	cleanup(container_done) struct container c = {0};
	struct rootfs *rootfs = NULL;
	int rc;

	if (container_find(step->w, name, &c, NULL) == 0) {
		cleanup(container_done) struct container held = {0};
		int lock = container_borrow(step->w, c.id, &held, err);
		if (lock < 0)
			return error_prefix(err, "--mount from=%s", name);
		keep_fd(step, lock); /* until the step is done */
		rc = rootfs_open(step->w, &held, &rootfs, err);
	} else {
		cleanup(image_done) struct image image = {0};
		struct acquire_options options = {.policy = PULL_MISSING};
		rc = acquire_image(step->w, name, &options, &image, err);
		if (rc >= 0)
			rc = rootfs_open_image(step->w, &image, &rootfs, err);
	}
	if (rc < 0)
		return error_prefix(err, "--mount from=%s", name);
	keep_rootfs(step, rootfs);
	*root = rootfs_fd(rootfs);
	return 0;
}

static int open_root(struct step *step, const struct mount_setting *setting, int *root, struct error **err)
{
	if (!setting->root)
		return open_from(step, setting->from, root, err);
	*root = *setting->root;
	return 0;
}

/* The user's own path; relative ones are relative to --contextdir, or to our working directory. */
static int open_host(struct step *step, const char *path, struct error **err)
{
	const char *context = step->options->contextdir;

	if (path[0] == '/' || !context) {
		int fd = open(path, O_PATH | O_CLOEXEC);
		return fd < 0 ? error_set_errno(err, "'%s'", path) : fd;
	}
	cleanup_close int root = open(context, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return error_set_errno(err, "--contextdir %s", context);
	return rootpath_open(root, path, O_PATH, 0, err);
}

static int open_source(struct step *step, const struct mount_setting *setting, struct error **err)
{
	const char *path = setting->source ? setting->source : "/";
	int fd;

	if (setting->from || setting->root) {
		int root = -1;
		int rc = open_root(step, setting, &root, err);
		if (rc < 0)
			return rc;
		fd = rootpath_open(root, path, O_PATH, 0, err);
	} else {
		fd = open_host(step, path, err);
	}
	if (fd >= 0)
		keep_fd(step, fd);
	return fd;
}

/* ---- kinds ---- */

static void base_mount(struct step *step, const struct mount_setting *setting, struct run_mount *mount)
{
	*mount = (struct run_mount){
		.type = RUN_MOUNT_BIND,
		.flags = setting->flags,
		.source_fd = -1,
		.target = keep_text(step, setting->target),
		.propagation = setting->propagation,
		.size = setting->size,
		.mode = setting->mode,
		.upper = -1,
		.work = -1,
	};
}

/* A file that the step may write is a copy, which goes with it: there is no overlay of one file. */
static int add_copy(struct step *step, struct run_mount *mount, int from, const struct stat *st, struct error **err)
{
	struct store *store = workshop_store(step->w);
	char link[FD_PROC_PATH_SIZE];
	int tmp = store_tmp(store, err);

	if (tmp < 0)
		return tmp;
	cleanup_free char *name = store_tmp_name(store, "file");
	cleanup_close int in = open(fd_proc_path(from, link), O_RDONLY | O_CLOEXEC);
	if (in < 0)
		return error_set_errno(err, "read what is mounted at '%s'", mount->target);
	cleanup_close int out = openat(tmp, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (out < 0)
		return error_set_errno(err, "copy what is mounted at '%s'", mount->target);
	strlist_append(&step->temporary, name);
	int rc = fd_copy(in, out, /* copied */ NULL, err);
	/* Owners that we cannot give do not matter: who may write is what the mode says. */
	if (rc >= 0 && fchown(out, st->st_uid, st->st_gid) < 0 && errno != EPERM && errno != EINVAL)
		rc = error_set_errno(err, "copy the owner");
	if (rc >= 0 && fchmod(out, st->st_mode & 07777) < 0)
		rc = error_set_errno(err, "copy the mode");
	if (rc < 0)
		return error_prefix(err, "copy what is mounted at '%s'", mount->target);
	mount->source_fd = openat(tmp, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (mount->source_fd < 0)
		return error_set_errno(err, "open the copy of what is mounted at '%s'", mount->target);
	keep_fd(step, mount->source_fd);
	add_mount(step, mount);
	return 0;
}

/* Changes to a directory that is mounted writable by --mount are thrown away, as in Dockerfiles; --volume writes
 * through. */
static int add_bind(struct step *step, const struct mount_setting *setting, bool discard_writes, struct error **err)
{
	struct run_mount mount;
	struct stat st;
	int fd = open_source(step, setting, err);

	if (fd < 0)
		return fd;
	base_mount(step, setting, &mount);
	mount.source_fd = fd;
	if (discard_writes && !(setting->flags & RUN_MOUNT_READ_ONLY)) {
		if (fstat(fd, &st) < 0)
			return error_set_errno(err, "--mount target=%s", setting->target);
		if (S_ISREG(st.st_mode))
			return add_copy(step, &mount, fd, &st, err);
		if (!S_ISDIR(st.st_mode))
			return error_set(err, EINVAL,
					 "--mount target=%s: only a file or a directory can be mounted rw (what is "
					 "written is thrown away); use --volume to write to the thing itself",
					 setting->target);
		mount.type = RUN_MOUNT_OVERLAY;
	}
	add_mount(step, &mount);
	return 0;
}

static int open_own_directory(struct step *step, const char *path, int *fd, struct error **err)
{
	if (!path)
		return 0;
	*fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*fd < 0)
		return error_set_errno(err, "--volume: '%s'", path);
	keep_fd(step, *fd);
	return 0;
}

static int add_overlay(struct step *step, const struct mount_setting *setting, struct error **err)
{
	struct run_mount mount;
	int fd = open_source(step, setting, err);

	if (fd < 0)
		return fd;
	base_mount(step, setting, &mount);
	mount.type = RUN_MOUNT_OVERLAY;
	mount.source_fd = fd;
	int rc = open_own_directory(step, setting->upper, &mount.upper, err);
	if (rc >= 0)
		rc = open_own_directory(step, setting->work, &mount.work, err);
	if (rc >= 0)
		add_mount(step, &mount);
	return rc;
}

/* ---- caches ---- */

static int open_caches(struct step *step, struct error **err)
{
	int fd = cache_mounts_open(workshop_store(step->w), err);

	if (fd >= 0)
		keep_fd(step, fd);
	return fd;
}

/* A new cache starts with what `from` has, or empty. */
static int fill_cache(struct step *step, const struct mount_setting *setting, int fd, struct error **err)
{
	mode_t mode = setting->mode ? setting->mode : CACHE_MODE;

	if (setting->from || setting->root) {
		int root = -1;
		int rc = open_root(step, setting, &root, err);
		if (rc < 0)
			return rc;
		cleanup_close int source =
			rootpath_open(root, setting->source ? setting->source : "/", O_RDONLY | O_DIRECTORY, 0, err);
		if (source < 0)
			return source;
		rc = tree_copy(source, fd, err);
		if (rc < 0)
			return rc;
	}
	const struct owner_record owner = {.uid = setting->uid, .gid = setting->gid};
	if (store_has_single_id(workshop_store(step->w))) {
		int rc = owner.uid || owner.gid ? owner_set(fd, &owner, err) : 0;
		if (rc < 0)
			return rc;
	} else if (fchown(fd, setting->uid, setting->gid) < 0) {
		return error_set_errno(err, "give the cache for '%s' to %u:%u", setting->target, setting->uid,
				       setting->gid);
	}
	return fchmod(fd, mode) < 0 ? error_set_errno(err, "set the mode of the cache for '%s'", setting->target) : 0;
}

/* Opens the cache, made in tmp/ and renamed when it is new, so that nobody sees one that is half filled. */
static int open_cache(struct step *step, const struct mount_setting *setting, int caches, const char *name,
		      struct error **err)
{
	int fd = fd_open_dir(caches, name, NULL);

	if (fd >= 0 || fd != -ENOENT)
		return fd >= 0 ? fd : fd_open_dir(caches, name, err);
	int tmp = store_tmp(workshop_store(step->w), err);
	if (tmp < 0)
		return tmp;
	cleanup_free char *made = store_tmp_name(workshop_store(step->w), "cache");
	if (mkdirat(tmp, made, 0700) < 0)
		return error_set_errno(err, "make the cache for '%s'", setting->target);
	cleanup_close int dir = fd_open_dir(tmp, made, err);
	int rc = dir < 0 ? dir : fill_cache(step, setting, dir, err);
	if (rc < 0)
		return rc;
	if (renameat(tmp, made, caches, name) == 0)
		return take_fd(&dir);
	/* Another step was faster. */
	tree_remove(tmp, made, NULL);
	return fd_open_dir(caches, name, err);
}

/* A cache of this step alone: the common one while nobody else has it, else one that is thrown away. */
static int lock_cache(struct step *step, const struct mount_setting *setting, const char *hex, bool *taken,
		      struct error **err)
{
	cleanup_free char *what = mem_printf("the cache for '%s'", setting->target);
	enum lock_wait wait = setting->sharing == SHARING_PRIVATE ? LOCK_TRY : LOCK_WAIT;
	enum lock_mode mode = setting->sharing == SHARING_SHARED ? LOCK_SHARED : LOCK_EXCLUSIVE;
	cleanup_error struct error *error = NULL;
	int lock = store_lock(workshop_store(step->w), "cache", hex, mode, wait, what, &error);

	*taken = lock >= 0;
	if (lock >= 0) {
		keep_fd(step, lock);
		return 0;
	}
	if (lock == -EWOULDBLOCK)
		return 0;
	if (err)
		*err = take_ptr(&error);
	return lock;
}

static int add_cache(struct step *step, const struct mount_setting *setting, struct error **err)
{
	char hex[DIGEST_HEX_SIZE];
	struct digest name;
	struct run_mount mount;
	bool taken = false;
	int rc = cache_mount_name(setting, &name, err);

	if (rc >= 0)
		rc = lock_cache(step, setting, digest_hex(&name, hex), &taken, err);
	if (rc < 0)
		return rc;
	int place = taken ? open_caches(step, err) : store_tmp(workshop_store(step->w), err);
	if (place < 0)
		return place;
	cleanup_free char *own = taken ? NULL : store_tmp_name(workshop_store(step->w), "private-cache");
	if (own)
		strlist_append(&step->temporary, own);
	int fd = open_cache(step, setting, place, own ? own : hex, err);
	if (fd < 0)
		return fd;
	keep_fd(step, fd);
	if (taken)
		cache_mount_note(workshop_store(step->w), &name, setting->id ? setting->id : setting->target,
				 workshop_options(step->w)->now);
	/* Without `from`, the source is a part of the cache itself. */
	if (setting->source && !setting->from && !setting->root) {
		fd = rootpath_open(fd, setting->source, O_PATH, 0, err);
		if (fd < 0)
			return error_prefix(err, "the cache for '%s'", setting->target);
		keep_fd(step, fd);
	}
	base_mount(step, setting, &mount);
	mount.source_fd = fd;
	mount.mode = 0;
	add_mount(step, &mount);
	return 0;
}

/* ---- what is shown and not kept ---- */

static int add_shown(struct step *step, const struct mount_setting *setting, struct error **err)
{
	cleanup(buf_done) struct buf value = BUF_SECRET(SECRET_SIZE_MAX);
	cleanup_free char *joined = NULL;
	cleanup(mount_setting_done) struct mount_setting shown = {
		.kind = setting->kind,
		.id = mem_strdup(setting->id),
		.env = mem_strdup(setting->env),
		.required = setting->required,
		.has_mode = setting->has_mode,
		.mode = setting->mode,
		.uid = setting->uid,
		.gid = setting->gid,
	};
	enum secret_outcome outcome;

	if (setting->target) {
		const char *base = setting->target[0] == '/' ? "" : step->cwd ? step->cwd : "/";
		joined = mem_printf("/%s/%s", base, setting->target);
		shown.target = rootpath_clean(joined);
	}
	int rc = secret_room_show(&step->secrets, step->options->grants, &shown, &value, &outcome, err);
	if (rc < 0)
		return rc;
	if (outcome == SECRET_MISSING)
		log_warn("--mount: no %s '%s' was given (--%s); going on without it",
			 setting->kind == MOUNT_SSH ? "ssh agent" : "secret", setting->id,
			 setting->kind == MOUNT_SSH ? "ssh" : "secret");
	return outcome == SECRET_MOUNTED ? add_bind(step, &shown, /* discard_writes */ false, err) : 0;
}

/* What --env says for this run stands over it. */
static void add_shown_env(struct step *step)
{
	const struct strlist *env = &step->secrets.env;

	for (size_t i = 0; i < env->count; i++) {
		const char *equals = strchr(env->items[i], '=');
		cleanup_free char *key = mem_strndup(env->items[i], (size_t)(equals - env->items[i]));
		if (!strlist_env_get(&step->settings.env, key))
			strlist_env_set(&step->env, key, equals + 1);
	}
}

/* ---- all ---- */

static int add_setting(struct step *step, const struct mount_setting *setting, bool discard_writes, struct error **err)
{
	struct run_mount mount;

	switch (setting->kind) {
	case MOUNT_BIND:
		return add_bind(step, setting, discard_writes, err);
	case MOUNT_OVERLAY:
		return add_overlay(step, setting, err);
	case MOUNT_CACHE:
		return add_cache(step, setting, err);
	case MOUNT_TMPFS:
		base_mount(step, setting, &mount);
		mount.type = RUN_MOUNT_TMPFS;
		add_mount(step, &mount);
		return 0;
	case MOUNT_SECRET:
	case MOUNT_SSH:
		return add_shown(step, setting, err);
	}
	return error_set(err, EINVAL, "a mount of an unknown kind");
}

static int add_volumes(struct step *step, const struct strlist *volumes, struct error **err)
{
	for (size_t i = 0; i < volumes->count; i++) {
		cleanup(mount_setting_done) struct mount_setting setting = {0};
		int rc = volume_parse(volumes->items[i], &setting, err);
		if (rc >= 0)
			rc = add_setting(step, &setting, /* discard_writes */ false, err);
		if (rc < 0)
			return error_prefix(err, "volume %s", volumes->items[i]);
	}
	return 0;
}

int step_mounts(struct step *step, struct error **err)
{
	int rc = add_volumes(step, &step->conf.volumes, err);

	if (rc >= 0)
		rc = add_volumes(step, &step->settings.volumes, err);
	for (size_t i = 0; rc >= 0 && i < step->settings.mounts.count; i++) {
		cleanup(mount_setting_done) struct mount_setting setting = {0};
		rc = mount_parse(step->settings.mounts.items[i], &setting, err);
		if (rc >= 0)
			rc = add_setting(step, &setting, /* discard_writes */ true, err);
	}
	for (size_t i = 0; rc >= 0 && i < step->options->mount_count; i++)
		rc = add_setting(step, &step->options->mounts[i], /* discard_writes */ true, err);
	add_shown_env(step);
	return rc;
}
