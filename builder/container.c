/*
 * Making, finding, keeping and removing working containers.
 */
#include "builder/container.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/atomicfile.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/tree.h"
#include "builder/cache_records.h"
#include "builder/container_base.h"
#include "builder/container_internal.h"
#include "builder/container_name.h"
#include "builder/container_state.h"
#include "builder/rootfs_internal.h"
#include "imagefmt/blob.h"
#include "imagefmt/layer.h"
#include "imagefmt/layer_stack.h"
#include "imagefmt/layerroot.h"
#include "imagefmt/reference.h"

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

static int write_state(int dirfd, const struct container *c, struct error **err)
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
	int rc = write_state(dir, c, err);
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

static int load(struct workshop *w, const char *id, struct container *c, struct error **err)
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

/* ---- making ---- */

static int random_id(char id[CONTAINER_ID_SIZE], struct error **err)
{
	uint8_t bytes[(CONTAINER_ID_SIZE - 1) / 2];

	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		return error_set_errno(err, "get random bytes");
	format_hex(bytes, sizeof(bytes), id);
	return 0;
}

/* Gives `upper` the mode and owner of the root directory that it will stand for. */
static int give_root_attributes(struct workshop *w, int dir, const struct container *c, struct error **err)
{
	cleanup(rootfs_layers_done) struct rootfs_layers layers = ROOTFS_LAYERS_INIT;
	cleanup_close int upper = fd_open_dir(dir, "upper", err);
	int rc = upper < 0 ? upper : rootfs_open_lowers(w, c->config.diff_ids, c->config.diff_id_count, &layers, err);

	return rc < 0 ? rc : layer_root_inherit(upper, layers.lowers, layers.lower_count, err);
}

struct root_attributes {
	int dir;
	const struct container *c;
};

static int root_attributes_task(struct workshop *w, void *context, struct buf *result, struct error **err)
{
	const struct root_attributes *job = context;

	return give_root_attributes(w, job->dir, job->c, err);
}

/* Most roots are 0755 and ours, as mkdir made it: then there is nothing to do that needs the user namespace. */
static bool has_plain_root(struct workshop *w, const struct container *c)
{
	struct store *store = workshop_store(w);
	const struct digest *diff_ids = c->config.diff_ids;
	size_t count = c->config.diff_id_count;

	if (layer_stack_is_noted(store, diff_ids, count, "plain"))
		return true;
	for (size_t i = 0; i < count; i++) {
		cleanup_free char *path = layer_tree_path(store, &diff_ids[i]);
		if (!layer_root_is_plain(path))
			return false;
	}
	layer_stack_note(store, diff_ids, count, "plain");
	return true;
}

int container_make_upper(struct workshop *w, int dir, const struct container *c, struct error **err)
{
	if (mkdirat(dir, "upper", 0755) < 0)
		return error_set_errno(err, "make the container's directory");
	if (fchmodat(dir, "upper", 0755, 0) < 0) /* whatever the umask */
		return error_set_errno(err, "make the container's directory");
	if (has_plain_root(w, c))
		return 0;
	struct root_attributes job = {dir, c};
	return workshop_call(w, root_attributes_task, &job, /* result */ NULL, err);
}

static int fill_from_image(struct container *c, struct workshop *w, const struct image *image, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);
	int rc = blob_read(workshop_store(w), &image->entry.manifest.digest, MANIFEST_SIZE_MAX, &text, err);

	if (rc < 0)
		return rc;
	rc = image_config_copy(&c->config, &image->config, err);
	if (rc < 0)
		return rc;
	c->image_manifest = buf_take(&text);
	c->image_id = image->entry.id;
	c->image_digest = image->entry.manifest.digest;
	strlist_copy(&c->annotations, &image->manifest.annotations);
	/* It speaks of the base's layers. */
	strlist_env_unset(&c->annotations, CACHE_ANNOTATION);
	for (size_t i = 0; i < image->manifest.layer_count; i++) {
		const struct descriptor *layer = &image->manifest.layers[i];
		char digest[DIGEST_TEXT_SIZE];
		strlist_printf(&c->layer_types, "%s %s %llu", layer->media_type, digest_format(&layer->digest, digest),
			       (unsigned long long)layer->size);
	}
	return 0;
}

/* The name of the image that the user meant: of several the one that holds what was typed. */
static const char *image_name_of(const struct image *image, const char *typed)
{
	const struct strlist *names = &image->entry.names;

	for (size_t i = 0; typed && i < names->count; i++) {
		if (strstr(names->items[i], typed))
			return names->items[i];
	}
	return names->count ? names->items[0] : typed ? typed : "";
}

static void note_base(struct container *c, const struct image *image)
{
	char digest[DIGEST_TEXT_SIZE];

	strlist_env_set(&c->annotations, "org.opencontainers.image.base.digest",
			digest_format(&c->image_digest, digest));
	if (image->entry.names.count)
		strlist_env_set(&c->annotations, "org.opencontainers.image.base.name", c->image_name);
	else
		strlist_env_unset(&c->annotations, "org.opencontainers.image.base.name");
}

static bool is_prefix_of_id(const char *text, const struct digest *id)
{
	char hex[DIGEST_HEX_SIZE];

	if (text_has_prefix(text, "sha256:"))
		text += strlen("sha256:");
	return strlen(text) >= 3 && text_has_prefix(digest_hex(id, hex), text);
}

static char *automatic_name(const struct image *image, const char *typed)
{
	char hex[DIGEST_HEX_SIZE];

	if (!image)
		return container_default_name(NULL);
	if (typed && is_prefix_of_id(typed, &image->entry.id))
		return container_default_name(digest_hex(&image->entry.id, hex));
	/* "oci-archive:FILE" whose image has no name: the container is called after the transport, not after the file.
	 */
	if (image->entry.names.count == 0 && typed && location_has_transport(typed)) {
		cleanup_free char *transport = mem_strndup(typed, strcspn(typed, ":"));
		return container_default_name(transport);
	}
	return container_default_name(image_name_of(image, typed));
}

/* Builds the container's directory in tmp/ and moves it to its place. */
static int place(struct workshop *w, const struct container *c, struct error **err)
{
	struct store *store = workshop_store(w);
	int containers = store_folder(store, STORE_CONTAINERS, err);
	int tmp = containers < 0 ? containers : store_tmp(store, err);

	if (tmp < 0)
		return tmp;
	cleanup_free char *name = store_tmp_name(store, "container");
	if (mkdirat(tmp, name, 0700) < 0)
		return error_set_errno(err, "make a directory for the container");
	cleanup_close int dir = fd_open_dir(tmp, name, err);
	if (dir < 0)
		return dir;
	int rc = container_make_upper(w, dir, c, err);
	if (rc >= 0 && mkdirat(dir, "scratch", 0700) < 0)
		rc = error_set_errno(err, "make a directory for the container");
	if (rc >= 0)
		rc = write_state(dir, c, err);
	if (rc >= 0 && renameat(tmp, name, containers, c->id) < 0)
		rc = error_set_errno(err, "move the container to its place");
	if (rc < 0)
		tree_remove(tmp, name, NULL);
	return rc;
}

int container_create(struct workshop *w, const struct image *image, const struct container_options *options,
		     struct container *c, struct error **err)
{
	cleanup(container_done) struct container made = {
		.created = workshop_options(w)->now, .format = options->format, .image_manifest = NULL};
	struct timespec now = {0};

	clock_gettime(CLOCK_REALTIME, &now);
	made.created_ns = now.tv_nsec;
	int rc = random_id(made.id, err);
	if (rc >= 0 && image)
		rc = fill_from_image(&made, w, image, err);
	if (rc < 0)
		return rc;
	if (!image) {
		image_config_init(&made.config, options->platform);
		made.image_manifest = mem_strdup("");
	}
	made.image_name = mem_strdup(image ? image_name_of(image, options->name_base) : "");
	if (image && options->note_base)
		note_base(&made, image);
	if (options->settings)
		settings_copy(&made.settings, options->settings);

	cleanup_close int lock = container_names_lock(w, err);
	if (lock < 0)
		return lock;
	if (options->name) {
		made.name = mem_strdup(options->name);
		rc = container_name_check(made.name, err);
		if (rc >= 0)
			rc = container_name_take(w, made.name, made.id, err);
		if (rc < 0)
			return error_prefix(err, "creating container");
	} else {
		cleanup_free char *base = automatic_name(image, options->name_base);
		if (options->suffix) {
			size_t stem = strlen(base) - strlen("working-container");
			cleanup_free char *suffixed = mem_printf("%.*s%s", (int)stem, base, options->suffix);
			mem_replace(&base, suffixed);
		}
		rc = container_name_take_free(w, base, made.id, &made.name, err);
		if (rc < 0)
			return rc;
	}
	rc = place(w, &made, err);
	if (rc < 0) {
		container_name_drop(w, made.name);
		return error_prefix(err, "creating container '%s'", made.name);
	}
	*c = made;
	made = (struct container){0};
	return 0;
}

/* ---- finding ---- */

static int unknown(const char *text, struct error **err)
{
	return error_set(err, ENOENT, "container \"%s\": container not known", text);
}

/* The one id that begins with `text`. */
static int find_by_prefix(struct workshop *w, const char *text, char id[CONTAINER_ID_SIZE], struct error **err)
{
	size_t found = 0;
	char *path = store_path(workshop_store(w), STORE_CONTAINERS, ".");
	DIR *dir = opendir(path);

	free(path);
	if (!dir)
		return error_set_errno(err, "read the containers");
	for (const struct dirent *entry; (entry = readdir(dir));) {
		if (!text_has_prefix(entry->d_name, text) || !container_id_is_valid(entry->d_name))
			continue;
		memcpy(id, entry->d_name, CONTAINER_ID_SIZE);
		found++;
	}
	closedir(dir);
	if (found > 1)
		return error_set(err, EINVAL, "'%s' is the beginning of more than one container's id", text);
	return found ? 0 : unknown(text, err);
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
	rc = load(w, id, c, &error);
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
	rc = load(w, id, &read, err);
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

static int compare_age(const void *a, const void *b)
{
	const struct container *one = a, *other = b;

	if (one->created != other->created)
		return one->created < other->created ? -1 : 1;
	if (one->created_ns != other->created_ns)
		return one->created_ns < other->created_ns ? -1 : 1;
	return strcmp(one->id, other->id);
}

void container_list_done(struct container_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		container_done(&list->items[i]);
	free(list->items);
	*list = (struct container_list){0};
}

int containers_list(struct workshop *w, struct container_list *list, struct error **err)
{
	cleanup(container_list_done) struct container_list found = {0};
	cleanup_free char *path = store_path(workshop_store(w), STORE_CONTAINERS, ".");
	DIR *dir = opendir(path);

	if (!dir && errno == ENOENT) {
		*list = found;
		return 0;
	}
	if (!dir)
		return error_set_errno(err, "read the containers");
	for (const struct dirent *entry; (entry = readdir(dir));) {
		struct container c;
		cleanup_error struct error *error = NULL;
		if (!container_id_is_valid(entry->d_name))
			continue;
		if (load(w, entry->d_name, &c, &error) < 0) {
			/* One that is being removed, or broken: the others are still to be listed. */
			if (error_code(error) != ENOENT)
				log_warn("container %.12s is left out: %s", entry->d_name, error_message(error));
			continue;
		}
		found.items = mem_grow(found.items, found.count + 1, sizeof(*found.items));
		found.items[found.count++] = c;
	}
	closedir(dir);
	if (found.count)
		qsort(found.items, found.count, sizeof(*found.items), compare_age);
	*list = found;
	found = (struct container_list){0};
	return 0;
}

int containers_forget_locks(struct workshop *w, struct error **err)
{
	static const char kind[] = "container-";
	struct store *store = workshop_store(w);
	int containers = store_folder(store, STORE_CONTAINERS, err);
	cleanup_free char *path = store_path(store, STORE_LOCKS, ".");
	DIR *dir = containers < 0 ? NULL : opendir(path);

	if (containers < 0)
		return containers;
	if (!dir)
		return errno == ENOENT ? 0 : error_set_errno(err, "read '%s'", path);
	for (const struct dirent *entry; (entry = readdir(dir));) {
		const char *id = entry->d_name + strlen(kind);
		if (text_has_prefix(entry->d_name, kind) && container_id_is_valid(id) &&
		    faccessat(containers, id, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
			store_forget_lock(store, "container", id);
	}
	closedir(dir);
	return 0;
}

int containers_recover(struct workshop *w, struct error **err)
{
	cleanup_free char *path = store_path(workshop_store(w), STORE_CONTAINERS, ".");
	DIR *dir = opendir(path);
	int rc = 0;

	if (!dir)
		return errno == ENOENT ? 0 : error_set_errno(err, "read the containers");
	for (const struct dirent *entry; rc >= 0 && (entry = readdir(dir));) {
		cleanup_free char *journal = mem_printf("%s/commit.json", entry->d_name);
		cleanup(container_done) struct container c = {0};
		if (!container_id_is_valid(entry->d_name) ||
		    faccessat(dirfd(dir), journal, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		cleanup_close int lock = container_acquire(w, entry->d_name, &c, err);
		if (lock < 0 && lock != -ENOENT)
			rc = lock;
		else if (lock < 0) /* removed meanwhile */
			error_clear(err);
	}
	closedir(dir);
	return rc;
}

int containers_layers(struct workshop *w, struct digest **diff_ids, size_t *count, struct error **err)
{
	cleanup(container_list_done) struct container_list list = {0};
	int rc = containers_list(w, &list, err);

	if (rc < 0)
		return rc;
	size_t total = 0;
	for (size_t i = 0; i < list.count; i++)
		total += list.items[i].config.diff_id_count;
	struct digest *all = mem_grow(NULL, total ? total : 1, sizeof(*all));
	size_t n = 0;
	for (size_t i = 0; i < list.count; i++) {
		const struct image_config *config = &list.items[i].config;
		for (size_t k = 0; k < config->diff_id_count; k++)
			all[n++] = config->diff_ids[k];
	}
	*diff_ids = all;
	*count = n;
	return 0;
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
