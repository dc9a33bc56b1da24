/*
 * The flow of a commit: the upper directory is put in order and read once, configuration and manifest are written, the
 * directory is moved.
 */
#include "builder/commit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/tree.h"
#include "builder/commit_internal.h"
#include "builder/records.h"
#include "builder/rootcopy.h"
#include "builder/rootfs.h"
#include "imagefmt/blob.h"
#include "imagefmt/layer.h"

struct commit {
	struct workshop *w;
	const struct container *c;
	const struct commit_options *options;
	struct blob_writer *writer; /* of the packed layer; NULL: it is not packed now */
	int64_t created;	    /* seconds */
	char *created_text;
};

static int64_t creation_time(struct workshop *w, const struct commit_options *options)
{
	if (options->timestamp >= 0)
		return options->timestamp;
	if (options->source_date_epoch >= 0)
		return options->source_date_epoch;
	return options->created ? *options->created : workshop_options(w)->now;
}

/* ---- the tree of the new layer ---- */

enum standing { OVER_LAYERS, ALONE };

/* `owners` comes with the records of the container, and leaves with those of the tree. */
static int finish_container(const struct commit *job, int tree, enum standing standing, struct owner_table *owners,
			    struct pack_result *packed, struct error **err)
{
	const struct commit_options *options = job->options;
	bool clamp = options->source_date_epoch >= 0 && options->rewrite_timestamp;
	cleanup(records_done) struct records records = RECORDS_INIT;
	int rc = records_open(job->w, job->c, &records, err);

	if (rc < 0)
		return rc;
	const struct normalise_options normalise = {
		.lowers = records.lowers,
		.lower_count = standing == OVER_LAYERS ? records.lower_count : 0,
		.clamp_mtime = options->timestamp >= 0 ? options->timestamp
			       : clamp		       ? options->source_date_epoch
						       : -1,
		.set_mtime = options->timestamp >= 0,
		.vouchers = records_vouchers(&records),
		.root_is_unsaid = records_root_is_unsaid(job->w, job->c),
		.owners = owners,
	};
	return job->writer ? pack_finish_packed(tree, &normalise, options->recipe, job->writer, packed, err)
			   : pack_finish(tree, &normalise, packed, err);
}

/* The upper directory itself: the records beside it are moved with it. */
static int finish_upper(const struct commit *job, int upper, struct pack_result *packed, struct error **err)
{
	cleanup(owner_table_done) struct owner_table owners = {0};
	cleanup_close int dir = container_open_dir(job->w, job->c, err);
	int rc = dir < 0 ? dir : records_load_owners(job->w, job->c, &owners, err);

	if (rc >= 0)
		rc = records_follow_copy(dir, &owners, err);
	if (rc >= 0)
		rc = finish_container(job, upper, OVER_LAYERS, &owners, packed, err);
	return rc < 0 ? rc : records_save_owners(job->w, job->c, &owners, err);
}

/* The new layer is in its place. Where its blob cannot be kept, the layer is packed once more. */
static void keep_blob(const struct commit *job, const struct pack_result *packed)
{
	cleanup_error struct error *error = NULL;
	const struct codec_recipe *recipe = job->options->recipe;
	cleanup(layer_blob_done) struct layer_blob blob = {0};

	if (!job->writer)
		return;
	int rc = blob_writer_commit(job->writer, &blob.digest, &blob.size, &error);
	if (rc >= 0) {
		blob.codec = recipe->codec;
		blob.made_by = mem_strdup(recipe->name);
		rc = layer_add_blob(workshop_store(job->w), &packed->diff_id, &blob, &error);
	}
	if (rc < 0)
		log_debug("%s; the layer is packed again", error_message(error));
}

/* ---- once more ---- */

static bool is_unchanged(const struct container *c, const struct pack_result *packed)
{
	return packed->entries == 0 && (!digest_is_null(&c->last_commit) || commit_has_pending_layers(c));
}

/* Layers from the cache are as old as they are, so that a script that changes nothing makes the same image again. */
static int64_t time_of_layers(const struct commit *job)
{
	const struct container *c = job->c;
	int64_t seconds = job->created, nanoseconds = 0;

	if (job->options->timestamp >= 0 || job->options->source_date_epoch >= 0)
		return seconds;
	for (size_t i = 0; i < c->pending_count; i++) {
		const struct history *entry = &c->pending[i];
		if (!entry->empty_layer && entry->created &&
		    parse_time(entry->created, "created", &seconds, &nanoseconds, NULL) < 0)
			return job->created;
	}
	return seconds;
}

/* Where the caller does not say when the image was made and it is as it was, it was made when it was: the same image
 * then, and a commit that failed on its way to a registry can be repeated. */
static int same_image(const struct commit *job, struct container *next, int64_t *created, bool *same,
		      struct error **err)
{
	const struct image_config *config = &job->c->config;
	const char *last = config->history_count ? config->history[config->history_count - 1].created : NULL;
	cleanup(container_done) struct container made = {0};
	struct digest id;
	int64_t seconds, nanoseconds;

	*same = false;
	if (job->options->timestamp >= 0 || job->options->source_date_epoch >= 0 || !last ||
	    parse_time(last, "created", &seconds, &nanoseconds, NULL) < 0)
		return 0;
	int rc = commit_next_state(job->c, job->options, /* layer */ NULL, last, &made, err);
	if (rc >= 0)
		rc = commit_image_id(&made, job->options, seconds, &id, err);
	if (rc < 0 || !digest_equal(&id, &job->c->last_commit))
		return rc;
	*next = made;
	made = (struct container){0};
	*created = seconds;
	*same = true;
	return 0;
}

/* The last commit again, with the configuration of now. */
static int commit_again(const struct commit *job, struct new_image *image, struct container *next, struct error **err)
{
	int64_t created = time_of_layers(job);
	cleanup_free char *created_text = format_time(created, 0);
	bool same;
	int rc = same_image(job, next, &created, &same, err);

	if (rc >= 0 && !same)
		rc = commit_next_state(job->c, job->options, /* layer */ NULL, created_text, next, err);
	if (rc >= 0)
		rc = commit_write_image(job->w, next, job->options, created, image, err);
	if (rc < 0)
		return rc;
	next->last_commit = image->id;
	return commit_list_image(job->w, image, err);
}

/* ---- moving ---- */

static int commit_by_moving(const struct commit *job, int dir, struct new_image *image, struct container *next,
			    struct error **err)
{
	struct pack_result packed = {0};
	bool is_copy = rootcopy_exists(dir);
	int rc = is_copy ? rootcopy_fill_upper(dir, err) : 0;
	if (rc < 0)
		return rc;
	cleanup_close int upper = fd_open_dir(dir, "upper", err);
	if (upper < 0)
		return upper;
	rc = finish_upper(job, upper, &packed, err);
	if (rc >= 0 && is_unchanged(job->c, &packed)) {
		rc = commit_again(job, image, next, err);
		return rc < 0 ? rc : container_save(job->w, next, err);
	}
	if (rc >= 0)
		rc = commit_next_state(job->c, job->options, &packed, job->created_text, next, err);
	if (rc >= 0)
		rc = commit_write_image(job->w, next, job->options, job->created, image, err);
	if (rc < 0)
		return rc;
	next->last_commit = image->id;
	rc = commit_move(job->w, dir, next, &packed, image, err);
	if (rc >= 0)
		keep_blob(job, &packed);
	/* What has changed is in the layer now. Killed before this, the next commit says it once more, which is no
	 * harm. */
	return rc >= 0 && is_copy ? rootcopy_mark(dir, err) : rc;
}

/* ---- copying ---- */

/* A layer made of a copy of `from` in tmp/<name>. */
static int layer_from_copy(const struct commit *job, int from, const char *name, struct new_image *image,
			   struct error **err)
{
	struct store *store = workshop_store(job->w);
	struct pack_result packed = {0};
	struct stat st;
	int tmp = store_tmp(store, err);

	if (tmp < 0)
		return tmp;
	if (mkdirat(tmp, name, 0700) < 0 || fstat(from, &st) < 0)
		return error_set_errno(err, "make a directory for the copy");
	cleanup_close int tree = fd_open_dir(tmp, name, err);
	if (tree < 0)
		return tree;
	int rc = tree_copy(from, tree, err);
	if (rc < 0)
		return rc;
	const struct timespec times[2] = {st.st_atim, st.st_mtim};
	if (fchown(tree, st.st_uid, st.st_gid) < 0 || fchmod(tree, st.st_mode & 07777) < 0 || futimens(tree, times) < 0)
		return error_set_errno(err, "copy the root directory");
	cleanup(owner_table_done) struct owner_table known = {0};
	cleanup(owner_table_done) struct owner_table owners = {0};
	rc = records_load_owners(job->w, job->c, &known, err);
	if (rc >= 0)
		rc = records_translate(&from, 1, &known, tree, &owners, err);
	if (rc >= 0)
		rc = finish_container(job, tree, job->options->squash ? ALONE : OVER_LAYERS, &owners, &packed, err);
	cleanup(container_done) struct container next = {0};
	if (rc >= 0 && !job->options->squash && is_unchanged(job->c, &packed))
		return commit_again(job, image, &next, err);
	if (rc >= 0)
		rc = commit_next_state(job->c, job->options, &packed, job->created_text, &next, err);
	if (rc >= 0)
		rc = commit_write_image(job->w, &next, job->options, job->created, image, err);
	if (rc >= 0)
		rc = layer_adopt(store, name, &owners, &packed, err);
	if (rc >= 0)
		keep_blob(job, &packed);
	if (rc >= 0)
		rc = commit_list_image(job->w, image, err);
	return rc;
}

static int commit_by_copying(const struct commit *job, int from, struct new_image *image, struct error **err)
{
	cleanup_free char *name = store_tmp_name(workshop_store(job->w), "commit");
	int rc = layer_from_copy(job, from, name, image, err);
	int tmp = store_tmp(workshop_store(job->w), NULL);

	if (tmp >= 0)
		tree_remove(tmp, name, NULL); /* gone already when it became the layer */
	return rc;
}

static int commit_squashed(const struct commit *job, struct new_image *image, struct error **err)
{
	cleanup(rootfs_close) struct rootfs *root = NULL;
	int rc = rootfs_open(job->w, job->c, &root, err);

	return rc < 0 ? rc : commit_by_copying(job, rootfs_fd(root), image, err);
}

/* Moves the upper directory, taking the session's mount away for that time; *moved is false when that is not possible
 * because somebody works in it. */
static int commit_upper(const struct commit *job, struct new_image *image, struct container *next, bool *moved,
			struct error **err)
{
	bool was_mounted = false;
	cleanup_error struct error *busy = NULL;
	cleanup_close int dir = container_open_dir(job->w, job->c, err);

	if (dir < 0)
		return dir;
	int rc = rootfs_suspend(job->w, job->c, &was_mounted, &busy);
	if (rc == -EBUSY) {
		log_info("container '%s' is mounted and in use, copying its changes instead of moving them",
			 job->c->name);
		cleanup_close int upper = fd_open_dir(dir, "upper", err);
		*moved = false;
		return upper < 0 ? upper : commit_by_copying(job, upper, image, err);
	}
	if (rc < 0) {
		if (err)
			*err = take_ptr(&busy);
		return rc;
	}
	*moved = true;
	rc = commit_by_moving(job, dir, image, next, err);
	/* Mounted again even after a failure, over whatever layers the container has then. */
	cleanup_error struct error *again = NULL;
	if (was_mounted && rootfs_resume(job->w, rc < 0 ? job->c : next, &again) < 0)
		log_warn("%s; mount it again with `cooper mount`", error_message(again));
	return rc;
}

/* ---- a layer and no image ---- */

/* Out of the container's own history entries, its next state. */
static int state_with_layer(const struct container *c, const struct pack_result *layer, const struct history *history,
			    struct container *next, struct error **err)
{
	char digest[DIGEST_TEXT_SIZE];
	int rc = container_copy(c, next, err);

	if (rc < 0)
		return rc;
	if (next->config.diff_id_count >= MANIFEST_LAYERS_MAX)
		return error_set(err, E2BIG, "an image cannot have more than %d layers (run without --cache)",
				 MANIFEST_LAYERS_MAX);
	image_config_add_diff_id(&next->config, &layer->diff_id);
	strlist_printf(&next->layer_types, "%s %s %llu", layer_media_type(FORMAT_OCI, CODEC_NONE),
		       digest_format(&layer->diff_id, digest), (unsigned long long)layer->size);
	next->pending = mem_grow(next->pending, next->pending_count + 1, sizeof(*next->pending));
	next->pending[next->pending_count++] = (struct history){
		.created = mem_strdup(history->created),
		.created_by = mem_strdup(history->created_by),
		.comment = mem_strdup(history->comment),
	};
	/* Its commit is not made again, there is something new. */
	next->last_commit = (struct digest){0};
	return 0;
}

static void replace_state(struct container *c, struct container *next)
{
	container_done(c);
	*c = *next;
	*next = (struct container){0};
}

/* What has changed, as a layer of `next`; with `unless_empty` nothing when nothing has. */
static int move_changes(const struct commit *job, int dir, const struct history *history, bool unless_empty,
			struct pack_result *packed, struct container *next, struct error **err)
{
	bool is_copy = rootcopy_exists(dir);
	int rc = is_copy ? rootcopy_fill_upper(dir, err) : 0;
	cleanup_close int upper = rc < 0 ? rc : fd_open_dir(dir, "upper", err);

	if (upper < 0)
		return upper;
	rc = finish_upper(job, upper, packed, err);
	if (rc < 0 || (unless_empty && packed->entries == 0))
		return rc;
	rc = state_with_layer(job->c, packed, history, next, err);
	if (rc >= 0)
		rc = commit_move(job->w, dir, next, packed, /* image */ NULL, err);
	return rc >= 0 && is_copy ? rootcopy_mark(dir, err) : rc;
}

/* Puts the session's mount back over what the container's layers are now, whatever has happened. */
static void mount_again(struct workshop *w, const struct container *c)
{
	cleanup_error struct error *again = NULL;

	if (rootfs_resume(w, c, &again) < 0)
		log_warn("%s; mount it again with `cooper mount`", error_message(again));
}

int commit_layer(struct workshop *w, struct container *c, const struct commit_options *options,
		 const struct history *history, bool unless_empty, struct pack_result *packed, struct error **err)
{
	const struct commit job = {.w = w, .c = c, .options = options, .created = creation_time(w, options)};
	cleanup(container_done) struct container next = {0};
	bool was_mounted = false;
	cleanup_close int dir = container_open_dir(w, c, err);
	int rc = dir < 0 ? dir : rootfs_check_free(w, c, err);

	if (rc >= 0)
		rc = rootfs_check_ids(w, c, err);
	if (rc >= 0)
		rc = rootfs_suspend(w, c, &was_mounted, err);
	if (rc < 0)
		return rc;
	rc = move_changes(&job, dir, history, unless_empty, packed, &next, err);
	if (rc >= 0 && next.name)
		replace_state(c, &next);
	if (was_mounted)
		mount_again(w, c);
	return rc < 0 ? error_prefix(err, "make a layer of the changes in container '%s'", c->name) : 0;
}

int commit_take_layer(struct workshop *w, struct container *c, const struct pack_result *layer,
		      const struct history *history, struct error **err)
{
	cleanup(container_done) struct container next = {0};
	bool was_mounted = false;
	cleanup_close int dir = container_open_dir(w, c, err);
	int rc = dir < 0 ? dir : rootfs_check_free(w, c, err);

	if (rc >= 0)
		rc = state_with_layer(c, layer, history, &next, err);
	if (rc >= 0)
		rc = rootfs_suspend(w, c, &was_mounted, err);
	if (rc < 0)
		return rc;
	/* A copy in an overlay's place lacks the layer; it is made again when it is needed. */
	rc = rootcopy_exists(dir) ? tree_remove(dir, ROOTCOPY, err) : 0;
	if (rc >= 0)
		rc = container_save(w, &next, err);
	if (rc >= 0)
		replace_state(c, &next);
	if (was_mounted)
		mount_again(w, c);
	return rc;
}

/* ---- the flow ---- */

static int load_image(struct workshop *w, const struct new_image *made, struct image *image, struct error **err)
{
	cleanup(image_entry_done) struct image_entry entry = {.id = made->id, .created = made->created};
	char text[DIGEST_TEXT_SIZE];
	int rc = 0;

	if (made->unlisted)
		descriptor_copy(&entry.manifest, &made->manifest);
	else
		rc = images_find(workshop_store(w), digest_format(&made->id, text), &entry, err);

	return rc < 0 ? rc : image_load(workshop_store(w), &entry, image, err);
}

int commit_container(struct workshop *w, struct container *c, const struct commit_options *options, struct image *image,
		     struct error **err)
{
	struct commit job = {.w = w, .c = c, .options = options, .created = creation_time(w, options)};
	cleanup_free char *created_text = format_time(job.created, 0);
	cleanup(new_image_done) struct new_image made = {0};
	cleanup(container_done) struct container next = {0};
	bool moved = false;

	job.created_text = created_text;
	int rc = rootfs_check_free(w, c, err);
	if (rc >= 0)
		rc = rootfs_check_ids(w, c, err);
	if (rc < 0)
		return rc;
	cleanup_close int hold = store_hold(workshop_store(w), err);
	if (hold < 0)
		return hold;
	cleanup(blob_writer_free) struct blob_writer *writer = NULL;
	if (options->recipe)
		rc = blob_writer_new(workshop_store(w), /* want */ NULL, BLOB_SIZE_UNKNOWN, &writer, err);
	if (rc < 0)
		return rc;
	job.writer = writer;
	rc = options->squash ? commit_squashed(&job, &made, err) : commit_upper(&job, &made, &next, &moved, err);
	if (rc < 0)
		return error_prefix(err, "commit container '%s'", c->name);
	if (moved)
		replace_state(c, &next);
	return load_image(w, &made, image, err);
}
