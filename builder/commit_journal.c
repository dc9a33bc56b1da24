/*
 * How a commit survives being killed. The steps, in this order:
 *
 *	1. commit.json says what will be: the next state, the layer, the image
 *	2. upper is renamed to commit		<- from here on it can go forward, or be undone by renaming back
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
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomicfile.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/tree.h"
#include "builder/container_base.h"
#include "builder/container_internal.h"
#include "builder/container_state.h"
#include "imagefmt/jsondigest.h"
#include "imagefmt/layer.h"

#define JOURNAL "commit.json"
#define MOVED "commit"

struct journal {
	struct container next;
	struct digest diff_id;
	bool has_image; /* else a layer is added to the container, and no more */
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

static void add_image(json_t *root, const struct new_image *image)
{
	char digest[DIGEST_TEXT_SIZE];

	json_set_string(root, "mediaType", image->manifest.media_type);
	json_set_string(root, "manifest", digest_format(&image->manifest.digest, digest));
	json_set_i64(root, "manifestSize", (int64_t)image->manifest.size);
	json_set_string(root, "imageID", digest_format(&image->id, digest));
	json_set_i64(root, "created", image->created);
	json_set_string_opt(root, "name", image->name);
	json_set_bool(root, "unlisted", image->unlisted);
}

static int journal_save(int dir, const struct container *next, const struct digest *diff_id,
			const struct new_image *image, struct error **err)
{
	cleanup_json json_t *root = json_object();
	cleanup(buf_done) struct buf text = BUF_INIT(CONTAINER_STATE_SIZE_MAX);
	char digest[DIGEST_TEXT_SIZE];
	cleanup_free char *base = NULL;
	json_t *state = NULL;

	/* The file that the state names is there first; taken back, it goes with the next save. */
	int rc = container_base_save(dir, next, &base, err);
	if (rc == 0)
		rc = container_state_format(next, base, &state, err);
	if (rc < 0)
		return rc;
	json_set_take(root, "state", state);
	json_set_string(root, "diffID", digest_format(diff_id, digest));
	if (image)
		add_image(root, image);
	json_format(root, &text);
	return atomic_file_write(dir, JOURNAL, 0600, text.data, text.len, ATOMIC_FILE_SYNC, err);
}

static int load_image(const struct json_place *at, struct journal *journal, struct error **err)
{
	struct new_image *image = &journal->image;
	int rc = json_require_digest(json_field(at, "manifest"), &image->manifest.digest, err);

	if (rc >= 0)
		rc = json_require_digest(json_field(at, "imageID"), &image->id, err);
	if (rc >= 0)
		rc = json_get_string(json_field(at, "mediaType"), &image->manifest.media_type, err);
	if (rc >= 0)
		rc = json_get_u64(json_field(at, "manifestSize"), &image->manifest.size, err);
	if (rc >= 0)
		rc = json_get_i64(json_field(at, "created"), &image->created, err);
	if (rc >= 0)
		rc = json_get_string(json_field(at, "name"), &journal->name, err);
	if (rc >= 0)
		rc = json_get_bool(json_field(at, "unlisted"), &image->unlisted, err);
	image->name = journal->name;
	return rc;
}

static int journal_load(int dir, struct journal *journal, struct error **err)
{
	cleanup_json json_t *root = NULL;
	cleanup_free char *base = NULL;
	int rc = json_load_at(dir, JOURNAL, CONTAINER_STATE_SIZE_MAX, &root, err);

	if (rc < 0)
		return rc;
	struct json_place at = json_root(JOURNAL, root);
	struct json_place state = json_field(&at, "state");
	rc = json_require(&state, err);
	if (rc >= 0)
		rc = container_state_parse(state.value, JOURNAL, &journal->next, &base, err);
	if (rc >= 0 && base)
		rc = container_base_load(dir, ".", base, &journal->next, err);
	if (rc >= 0)
		journal->next.base->has_others = true;
	if (rc >= 0)
		rc = json_require_digest(json_field(&at, "diffID"), &journal->diff_id, err);
	struct json_place manifest = json_field(&at, "manifest");
	journal->has_image = json_is_present(&manifest);
	return rc < 0 || !journal->has_image ? rc : load_image(&at, journal, err);
}

/* Steps 4 to 7. */
static int finish(struct workshop *w, int dir, const struct container *next, const struct new_image *image,
		  struct error **err)
{
	int rc = image ? commit_list_image(w, image, err) : 0;

	if (rc >= 0)
		rc = container_save(w, next, err);
	if (rc >= 0 && faccessat(dir, "upper", F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		rc = container_make_upper(w, dir, next, err);
	if (rc >= 0 && unlinkat(dir, JOURNAL, 0) < 0 && errno != ENOENT)
		rc = error_set_errno(err, "end the commit");
	return rc;
}

/* Undoes step 2. */
static int put_back(int dir)
{
	if (renameat(dir, MOVED "/" OWNER_TABLE_FILE, dir, OWNER_TABLE_FILE) < 0 && errno != ENOENT)
		return -errno;
	if (renameat(dir, MOVED "/fs", dir, "upper") < 0 && errno != ENOENT)
		return -errno;
	/* What is left is a record of a layer that never was. */
	tree_remove(dir, MOVED, NULL);
	return unlinkat(dir, JOURNAL, 0) < 0 && errno != ENOENT ? -errno : 0;
}

int commit_move(struct workshop *w, int dir, const struct container *next, const struct pack_result *layer,
		const struct new_image *image, struct error **err)
{
	int rc = journal_save(dir, next, &layer->diff_id, image, err);

	if (rc < 0)
		return rc;
	if ((mkdirat(dir, MOVED, 0700) < 0 && errno != EEXIST) || renameat(dir, "upper", dir, MOVED "/fs") < 0)
		return error_set_errno(err, "take the container's changes");
	if (renameat(dir, OWNER_TABLE_FILE, dir, MOVED "/" OWNER_TABLE_FILE) < 0 && errno != ENOENT) {
		rc = error_set_errno(err, "take the container's records");
		put_back(dir);
		return rc;
	}
	rc = layer_adopt_prepared(workshop_store(w), dir, MOVED, layer, err);
	if (rc < 0) {
		/* Nothing has changed yet; should this fail, too, the next one who acquires the container does it. */
		put_back(dir);
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

/* Making an upper with an owner is done inside. */
static int recover_task(struct workshop *w, void *context, struct buf *result, struct error **err)
{
	const struct recovery *job = context;

	const struct journal *journal = job->journal;

	return finish(w, job->dir, &journal->next, journal->has_image ? &journal->image : NULL, err);
}

static int go_back(int dir, struct error **err)
{
	int rc = put_back(dir);

	return rc < 0 ? error_set(err, -rc, "take back an interrupted commit: %s", strerror(-rc)) : 0;
}

int container_recover(struct workshop *w, struct container *c, struct error **err)
{
	if (!container_has(w, c, JOURNAL))
		return 0;
	cleanup_close int dir = container_open_dir(w, c, err);
	cleanup(journal_done) struct journal journal = {0};
	if (dir < 0)
		return dir;
	int rc = journal_load(dir, &journal, err);
	if (rc < 0)
		return error_prefix(err, "container '%s'", c->name);
	bool saved = c->config.diff_id_count == journal.next.config.diff_id_count;
	/* The moved tree is whole until it is the layer (step 3 is one rename), so as long as it is here it can go
	 * back. */
	if (!saved && (is_there(dir, "upper") || is_there(dir, MOVED "/fs"))) {
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
