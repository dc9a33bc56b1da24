/*
 * Making a working container: its name, its upper directory, what it takes from its image.
 */
#include "builder/container.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/parse.h"
#include "base/tree.h"
#include "builder/cache_records.h"
#include "builder/container_internal.h"
#include "builder/container_name.h"
#include "builder/rootfs_internal.h"
#include "imagefmt/layer.h"
#include "imagefmt/layer_stack.h"
#include "imagefmt/layerroot.h"
#include "imagefmt/reference.h"

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
static bool is_plain(struct store *store, const struct digest *diff_id, size_t at, const void *context)
{
	cleanup_free char *path = layer_tree_path(store, diff_id);

	return layer_root_is_plain(path);
}

static bool has_plain_root(struct workshop *w, const struct container *c)
{
	return layer_stack_is_all(workshop_store(w), c->config.diff_ids, c->config.diff_id_count, "plain", is_plain,
				  /* context */ NULL);
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
	int rc = image_read_manifest(workshop_store(w), image, &text, err);

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

/* Leaves the mark by which prune knows it. */
static int mark_stage(int dir, struct error **err)
{
	int fd = openat(dir, CONTAINER_STAGE_MARK, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return error_set_errno(err, "mark the stage's container");
	fd_close(fd);
	return 0;
}

/* Builds the container's directory in tmp/ and moves it to its place. */
static int place(struct workshop *w, const struct container *c, bool is_stage, struct error **err)
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
		rc = container_write_state(dir, c, err);
	if (rc >= 0 && is_stage)
		rc = mark_stage(dir, err);
	if (rc >= 0 && renameat(tmp, name, containers, c->id) < 0)
		rc = error_set_errno(err, "move the container to its place");
	if (rc < 0)
		tree_remove(tmp, name, NULL);
	return rc;
}

/* The moment it was made, on top of the second in which the command began (or which it was told): so those that one
 * command makes have an order, too. */
static int64_t nanoseconds_since(int64_t second)
{
	struct timespec now = {0};

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec < second ? 0 : (now.tv_sec - second) * INT64_C(1000000000) + now.tv_nsec;
}

/* Under the lock of the names. */
static int take_name(struct workshop *w, const struct image *image, const struct container_options *options,
		     struct container *made, struct error **err)
{
	if (options->name) {
		made->name = mem_strdup(options->name);
		int rc = container_name_check(made->name, err);
		if (rc >= 0)
			rc = container_name_take(w, made->name, made->id, err);
		return rc < 0 ? error_prefix(err, "creating container") : 0;
	}
	cleanup_free char *base = automatic_name(image, options->name_base);
	if (options->suffix) {
		size_t stem = strlen(base) - strlen("working-container");
		cleanup_free char *suffixed = mem_printf("%.*s%s", (int)stem, base, options->suffix);
		mem_replace(&base, suffixed);
	}
	return container_name_take_free(w, base, made->id, &made->name, err);
}

static int begin(struct workshop *w, const struct image *image, const struct container_options *options,
		 struct container *made, struct error **err)
{
	made->created = workshop_options(w)->now;
	made->created_ns = nanoseconds_since(made->created);
	made->format = options->format;
	int rc = random_id(made->id, err);
	if (rc >= 0 && image)
		rc = fill_from_image(made, w, image, err);
	if (rc < 0)
		return rc;
	if (!image) {
		image_config_init(&made->config, options->platform);
		made->image_manifest = mem_strdup("");
	}
	made->image_name = mem_strdup(image ? image_name_of(image, options->name_base) : "");
	if (image && options->note_base)
		note_base(made, image);
	if (options->settings)
		settings_copy(&made->settings, options->settings);
	return 0;
}

/* `held` NULL: any container. Else one of a stage, whose lock it gets: taken before anybody sees the container, who would
 * take it for one whose build has died. */
static int create(struct workshop *w, const struct image *image, const struct container_options *options, int *held,
		  struct container *c, struct error **err)
{
	cleanup(container_done) struct container made = {0};
	cleanup_close int lock = -1;
	int rc = begin(w, image, options, &made, err);

	if (rc < 0)
		return rc;
	cleanup_close int names = container_names_lock(w, err);
	if (names < 0)
		return names;
	rc = take_name(w, image, options, &made, err);
	if (rc < 0)
		return rc;
	if (held)
		lock = store_lock(workshop_store(w), "container", made.id, LOCK_EXCLUSIVE, LOCK_WAIT, made.name, err);
	rc = held && lock < 0 ? lock : place(w, &made, held != NULL, err);
	if (rc < 0) {
		container_name_drop(w, made.name);
		if (lock >= 0)
			store_drop_lock(workshop_store(w), "container", made.id);
		return error_prefix(err, "creating container '%s'", made.name);
	}
	if (held)
		*held = take_fd(&lock);
	*c = made;
	made = (struct container){0};
	return 0;
}

int container_create(struct workshop *w, const struct image *image, const struct container_options *options,
		     struct container *c, struct error **err)
{
	return create(w, image, options, /* held */ NULL, c, err);
}

int container_create_for_stage(struct workshop *w, const struct container_options *options, struct container *c,
			       struct error **err)
{
	int held = -1;
	int rc = create(w, /* image */ NULL, options, &held, c, err);

	return rc < 0 ? rc : held;
}
