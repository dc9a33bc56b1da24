/*
 * How a commit survives being killed. The steps, in this order:
 *
 *	1. commit.json says what will be: the next state, the layer, the image
 *	2. upper is renamed to commit		<- from here on the commit can only go forward or be undone by renaming
 *back
 *	3. commit becomes the layer		<- from here on it can only go forward
 *	4. the image gets its entry and name
 *	5. state.json
 *	6. an empty upper
 *	7. commit.json is removed
 *
 * container_recover() finds out how far it had come and does the rest. Every step may have been done already.
 */
#include "builder/commit_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomicfile.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/tree.h"
#include "builder/container_internal.h"
#include "builder/container_state.h"
#include "imagefmt/layer.h"

#define JOURNAL "commit.json"
#define MOVED "commit"

struct journal {
	struct container next;
	struct digest diff_id;
	struct new_image image;
	char *name;
};

static void journal_done(struct journal *journal)
{
	container_done(&journal->next);
	new_image_done(&journal->image);
	free(journal->name);
}
CLEANUP_FOR_VALUE(struct journal, journal_done)

static int journal_save(int dir, const struct container *next, const struct digest *diff_id,
			const struct new_image *image, struct error **err)
{
	cleanup_json json_t *root = json_object();
	cleanup(buf_done) struct buf text = BUF_INIT(CONTAINER_STATE_SIZE_MAX);
	char digest[DIGEST_TEXT_SIZE];
	json_t *state = NULL;

	int rc = container_state_format(next, &state, err);
	if (rc < 0)
		return rc;
	json_set_take(root, "state", state);
	json_set_string(root, "diffID", digest_format(diff_id, digest));
	json_set_string(root, "mediaType", image->manifest.media_type);
	json_set_string(root, "manifest", digest_format(&image->manifest.digest, digest));
	json_set_i64(root, "manifestSize", (int64_t)image->manifest.size);
	json_set_string(root, "imageID", digest_format(&image->id, digest));
	json_set_i64(root, "created", image->created);
	json_set_string_opt(root, "name", image->name);
	json_format(root, &text);
	return atomic_file_write(dir, JOURNAL, 0600, text.data, text.len, ATOMIC_FILE_SYNC, err);
}

static int get_digest(struct json_place at, struct digest *digest, struct error **err)
{
	cleanup_free char *text = NULL;
	int rc = json_require(&at, err);

	if (rc >= 0)
		rc = json_get_string(at, &text, err);
	return rc < 0 ? rc : digest_parse(text, digest, err);
}

static int journal_load(int dir, struct journal *journal, struct error **err)
{
	cleanup_json json_t *root = NULL;
	int rc = json_load_at(dir, JOURNAL, CONTAINER_STATE_SIZE_MAX, &root, err);

	if (rc < 0)
		return rc;
	struct json_place at = json_root(JOURNAL, root);
	struct json_place state = json_field(&at, "state");
	rc = json_require(&state, err);
	if (rc >= 0)
		rc = container_state_parse(state.value, JOURNAL, &journal->next, err);
	if (rc >= 0)
		rc = get_digest(json_field(&at, "diffID"), &journal->diff_id, err);
	if (rc >= 0)
		rc = get_digest(json_field(&at, "manifest"), &journal->image.manifest.digest, err);
	if (rc >= 0)
		rc = get_digest(json_field(&at, "imageID"), &journal->image.id, err);
	if (rc >= 0)
		rc = json_get_string(json_field(&at, "mediaType"), &journal->image.manifest.media_type, err);
	if (rc >= 0)
		rc = json_get_u64(json_field(&at, "manifestSize"), &journal->image.manifest.size, err);
	if (rc >= 0)
		rc = json_get_i64(json_field(&at, "created"), &journal->image.created, err);
	if (rc >= 0)
		rc = json_get_string(json_field(&at, "name"), &journal->name, err);
	journal->image.name = journal->name;
	return rc;
}

/* Steps 4 to 7. */
static int finish(struct workshop *w, int dir, const struct container *next, const struct new_image *image,
		  struct error **err)
{
	int rc = images_add(workshop_store(w), &image->manifest, &image->id, image->created, image->name, err);

	if (rc >= 0)
		rc = container_save(w, next, err);
	if (rc >= 0 && faccessat(dir, "upper", F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		rc = container_make_upper(w, dir, next, err);
	if (rc >= 0 && unlinkat(dir, JOURNAL, 0) < 0 && errno != ENOENT)
		rc = error_set_errno(err, "end the commit");
	return rc;
}

/* The moved upper directory as layer_adopt() wants it named: seen from this process's directory in tmp/. It stays with
 * the container until it is a layer, because what lies in tmp/ is swept when its process is gone. */
static char *moved_path(const struct container *c)
{
	return mem_printf("../../containers/%s/" MOVED, c->id);
}

int commit_move(struct workshop *w, int dir, const struct container *next, const struct pack_result *layer,
		const struct new_image *image, struct error **err)
{
	cleanup_free char *moved = moved_path(next);
	int rc = journal_save(dir, next, &layer->diff_id, image, err);

	if (rc < 0)
		return rc;
	if (renameat(dir, "upper", dir, MOVED) < 0)
		return error_set_errno(err, "take the container's changes");
	rc = store_tmp(workshop_store(w), err);
	if (rc >= 0)
		rc = layer_adopt(workshop_store(w), moved, layer, err);
	if (rc < 0) {
		/* Nothing has changed yet; should this fail, too, the next one who acquires the container does it. */
		if (renameat(dir, MOVED, dir, "upper") == 0)
			unlinkat(dir, JOURNAL, 0);
		return rc;
	}
	return finish(w, dir, next, image, err);
}

static bool is_there(int dir, const char *name)
{
	return faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

struct recovery {
	int dir;
	const struct journal *journal;
};

/* Removing what layer_adopt() had no need of, and making an upper with an owner, are done inside. */
static int recover_task(struct workshop *w, void *context, struct buf *result, struct error **err)
{
	const struct recovery *job = context;
	int rc = tree_remove(job->dir, MOVED, err);

	return rc < 0 ? rc : finish(w, job->dir, &job->journal->next, &job->journal->image, err);
}

static int go_back(int dir, struct error **err)
{
	if (is_there(dir, MOVED) && renameat(dir, MOVED, dir, "upper") < 0)
		return error_set_errno(err, "take back an interrupted commit");
	if (unlinkat(dir, JOURNAL, 0) < 0)
		return error_set_errno(err, "take back an interrupted commit");
	return 0;
}

int container_recover(struct workshop *w, struct container *c, struct error **err)
{
	cleanup_close int dir = container_open_dir(w, c, err);
	cleanup(journal_done) struct journal journal = {0};

	if (dir < 0)
		return dir;
	if (!is_there(dir, JOURNAL))
		return 0;
	int rc = journal_load(dir, &journal, err);
	if (rc < 0)
		return error_prefix(err, "container '%s'", c->name);
	bool saved = c->config.diff_id_count == journal.next.config.diff_id_count;
	cleanup(layer_record_done) struct layer_record record = {0};
	rc = workshop_idmap(w, /* map */ NULL, err);
	if (rc < 0)
		return rc;
	bool has_layer = layer_load_record(workshop_store(w), &journal.diff_id, &record, NULL) == 0;
	if (!saved && (is_there(dir, "upper") || !has_layer)) {
		log_debug("container '%s': an interrupted commit is taken back", c->name);
		return go_back(dir, err);
	}
	log_debug("container '%s': an interrupted commit is finished", c->name);
	struct recovery job = {dir, &journal};
	rc = workshop_call(w, recover_task, &job, /* result */ NULL, err);
	if (rc < 0)
		return error_prefix(err, "finish the interrupted commit of container '%s'", c->name);
	container_done(c);
	*c = journal.next;
	journal.next = (struct container){0};
	return 0;
}
