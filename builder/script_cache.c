/*
 * One step of a script: its key, and then either the layer that is known or the step itself.
 */
#include "builder/script_cache.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/directory.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "builder/build_cache.h"
#include "builder/commit_internal.h"
#include "builder/rootcopy.h"
#include "builder/script_internal.h"
#include "imagefmt/layer.h"

#define KEY_VERSION "cooper script 1"

struct script_step {
	struct workshop *w;
	struct container *c;
	int hold; /* of the store: a layer that is taken must not be swept */
	struct commit_options times;
	struct build_key key;
	struct digest digest;
	bool has_key;
	struct build_record record;
};

#define SCRIPT_STEP_INIT(workshop, container) \
	((struct script_step){.w = (workshop), .c = (container), .hold = -1, .key = BUILD_KEY_INIT})

static void script_step_done(struct script_step *step)
{
	fd_close(step->hold);
	build_key_done(&step->key);
}
CLEANUP_FOR_VALUE(struct script_step, script_step_done)

/* ---- texts ----------------------------------------------------------------------------------------------------------
 */

char *script_run_text(const struct strlist *argv)
{
	cleanup_free char *words = strlist_join(argv, " ");

	return mem_printf("%s%s", text_has_prefix(words, "/bin/sh -c ") ? "" : "/bin/sh -c ", words);
}

char *script_copy_text(bool add, const struct copy_result *copied, const char *destination)
{
	char hex[DIGEST_HEX_SIZE];

	return mem_printf("/bin/sh -c #(nop) %s %s:%s in %s", add ? "ADD" : "COPY", copied->kind,
			  digest_hex(&copied->digest, hex), destination ? destination : ".");
}

/* ---- the state ------------------------------------------------------------------------------------------------------
 */

static int64_t now_of(const struct script_step *step)
{
	int64_t epoch = step->times.source_date_epoch;

	return epoch >= 0 ? epoch : workshop_options(step->w)->now;
}

/* Also when it cannot be seen from here. */
static bool is_changed(const struct script_step *step)
{
	cleanup_close int dir = container_open_dir(step->w, step->c, NULL);
	cleanup_close int upper = dir < 0 || rootcopy_exists(dir) ? -1 : fd_open_dir(dir, "upper", NULL);
	cleanup_directory DIR *entries = NULL;
	int rc = upper < 0 ? upper : directory_take(&upper, &entries, NULL);

	return rc < 0 || directory_next(entries, &rc, NULL) || rc < 0;
}

/* What has changed without --cache is part of the state from here on. */
static int settle(struct script_step *step, struct error **err)
{
	struct pack_result packed = {0};
	cleanup_free char *created = format_time(now_of(step), 0);
	char created_by[] = "changes that no step with --cache has made";
	const struct history history = {.created = created, .created_by = created_by};

	if (!is_changed(step))
		return 0;
	int rc = commit_layer(step->w, step->c, &step->times, &history, /* unless_empty */ true, &packed, err);
	if (rc >= 0 && packed.entries)
		log_info("container '%s' was changed without --cache: that is a layer now, and the cache is used where "
			 "it comes out the same again",
			 step->c->name);
	return rc;
}

static int begin(struct script_step *step, const char *kind, struct error **err)
{
	int64_t epoch = workshop_options(step->w)->source_date_epoch;

	step->times =
		(struct commit_options){.timestamp = -1, .source_date_epoch = epoch, .rewrite_timestamp = epoch >= 0};
	step->hold = store_hold(workshop_store(step->w), err);
	int rc = step->hold < 0 ? step->hold : settle(step, err);
	if (rc < 0)
		return rc;
	const struct image_config *config = &step->c->config;
	build_key_text(&step->key, KEY_VERSION, kind);
	build_key_number(&step->key, "layers", config->diff_id_count);
	for (size_t i = 0; i < config->diff_id_count; i++)
		build_key_digest(&step->key, "", &config->diff_ids[i]);
	if (epoch >= 0)
		build_key_number(&step->key, "epoch", (uint64_t)epoch);
	return 0;
}

/* ---- the cache ------------------------------------------------------------------------------------------------------
 */

/* Is the result there, and its layer whole? */
static int find(struct script_step *step, bool *found, struct error **err)
{
	struct store *store = workshop_store(step->w);
	int rc = build_key_finish(&step->key, &step->digest, err);

	if (rc < 0)
		return rc;
	step->has_key = true;
	*found = build_cache_load(store, &step->digest, &step->record, NULL) >= 0;
	if (!*found || layer_is_checked(store, &step->record.diff_id))
		return 0;
	rc = workshop_enter(step->w, err);
	if (rc < 0)
		return rc;
	cleanup_error struct error *error = NULL;
	cleanup_close int layer = layer_open(store, &step->record.diff_id, &error);
	if (layer >= 0)
		return 0;
	log_info("%s; the step that gave it is done again", error_message(error));
	*found = false;
	/* Under the same name a whole one takes its place. */
	if (layer == -EUCLEAN && layer_remove(store, &step->record.diff_id, NULL) < 0)
		log_debug("the broken layer stays");
	return 0;
}

/* Makes the step's key and finds what is known of it. */
typedef int script_find(struct script_step *step, void *context, bool *found, struct error **err);

/* From where we are, if there is nothing that only root of the user namespace can do; else inside. */
static int look_up(struct script_step *step, bool reads_roots, script_find *try, void *context, bool *found,
		   struct error **err)
{
	cleanup_error struct error *error = NULL;
	int rc = workshop_idmap(step->w, /* map */ NULL, err); /* says which trees of layers are ours */

	if (rc < 0)
		return rc;
	if (!workshop_is_inside(step->w) && !reads_roots && !container_has(step->w, step->c, "mounted") &&
	    !is_changed(step)) {
		rc = try(step, context, found, &error);
		if (rc >= 0)
			return rc;
		log_debug("%s; looking again inside of the user namespace", error_message(error));
		struct script_step again = SCRIPT_STEP_INIT(step->w, step->c);
		script_step_done(step);
		*step = again;
	}
	rc = workshop_enter(step->w, err);
	return rc < 0 ? rc : try(step, context, found, err);
}

/* It was of use now (cache_prune.h). */
static void touch(const struct script_step *step)
{
	build_cache_touch(workshop_store(step->w), &step->digest, workshop_options(step->w)->now,
			  step->c->config.diff_id_count);
}

static int take(struct script_step *step, char *created_by, struct error **err)
{
	cleanup_free char *created = format_time(step->record.created, 0);
	const struct history history = {.created = created, .created_by = created_by};
	const struct pack_result layer = {.diff_id = step->record.diff_id, .size = step->record.size};

	touch(step);
	return commit_take_layer(step->w, step->c, &layer, &history, err);
}

/* What the step has changed becomes a layer, and is remembered where there is a key. */
static int keep(struct script_step *step, char *created_by, struct error **err)
{
	cleanup_free char *created = format_time(now_of(step), 0);
	const struct history history = {.created = created, .created_by = created_by};
	struct pack_result packed = {0};
	cleanup_error struct error *error = NULL;
	int rc = commit_layer(step->w, step->c, &step->times, &history, /* unless_empty */ false, &packed, err);

	if (rc < 0 || !step->has_key)
		return rc;
	step->record.diff_id = packed.diff_id;
	step->record.size = packed.size;
	step->record.created = now_of(step);
	if (build_cache_save(workshop_store(step->w), &step->digest, &step->record, created_by, &error) < 0)
		log_warn("%s; the step will be done again", error_message(error));
	touch(step);
	return 0;
}

/* ---- commands -------------------------------------------------------------------------------------------------------
 */

/* Files of a container or an image are read through an overlay. */
static bool mounts_roots(const struct settings *settings)
{
	for (size_t i = 0; settings && i < settings->mounts.count; i++)
		if (strstr(settings->mounts.items[i], "from="))
			return true;
	return false;
}

static int find_command(struct script_step *step, void *context, bool *found, struct error **err)
{
	int rc = begin(step, "run", err);

	if (rc >= 0)
		rc = script_key_run(step->w, step->c, context, &step->key, err);
	return rc < 0 ? rc : find(step, found, err);
}

int script_run(struct workshop *w, struct container *c, const struct step_options *options, struct run_result *result,
	       bool *cached, struct error **err)
{
	cleanup(script_step_done) struct script_step step = SCRIPT_STEP_INIT(w, c);
	cleanup_free char *text = script_run_text(options->argv);

	bool reads_roots = mounts_roots(&c->settings) || mounts_roots(options->settings);

	*cached = false;
	int rc = look_up(&step, reads_roots, find_command, (void *)options, cached, err);
	if (rc < 0)
		return rc;
	if (*cached) {
		*result = (struct run_result){.started = true};
		return take(&step, text, err);
	}
	step.record = (struct build_record){0};
	rc = workshop_enter(w, err);
	if (rc >= 0)
		rc = step_run(w, c, options, result, err);
	/* What a failed command has left stays as it is, for who looks into it. */
	return rc >= 0 && result->started && result->status == 0 ? keep(&step, text, err) : rc;
}

/* ---- copies ---------------------------------------------------------------------------------------------------------
 */

static const char *const kinds[] = {"file", "dir", "multi"};

static bool read_copied(const struct build_record *record, struct copy_result *result)
{
	for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
		if (kinds[i][0] != record->copied_kind)
			continue;
		*result = (struct copy_result){.digest = record->copied, .kind = kinds[i]};
		return true;
	}
	return false;
}

struct script_copying {
	const struct strlist *sources;
	const char *destination;
	const struct copy_options *options;
};

static int find_copy(struct script_step *step, void *context, bool *found, struct error **err)
{
	const struct script_copying *copying = context;
	cleanup_error struct error *error = NULL;
	int rc = begin(step, "copy", err);

	if (rc < 0)
		return rc;
	rc = script_key_copy(step->w, step->c, copying->sources, copying->destination, copying->options, &step->key,
			     &error);
	if (rc == -ENODATA)
		log_warn("what is downloaded without --checksum may be something else the next time, not caching it");
	/* What only root of the user namespace may read is no reason to give up. A source that is not there is the
	 * copy's to report. */
	if (rc < 0 && rc != -ENODATA && !workshop_is_inside(step->w)) {
		if (err)
			*err = take_ptr(&error);
		return rc;
	}
	if (rc < 0) {
		log_debug("no key: %s", error_message(error));
		return 0;
	}
	return find(step, found, err);
}

int script_copy(struct workshop *w, struct container *c, const struct strlist *sources, const char *destination,
		const struct copy_options *options, struct copy_result *result, bool *cached, struct error **err)
{
	cleanup(script_step_done) struct script_step step = SCRIPT_STEP_INIT(w, c);
	struct script_copying copying = {.sources = sources, .destination = destination, .options = options};

	*cached = false;
	int rc = look_up(&step, options->from != NULL, find_copy, &copying, cached, err);
	*cached = rc >= 0 && *cached && read_copied(&step.record, result);
	if (rc >= 0 && !*cached)
		rc = workshop_enter(w, err);
	if (rc >= 0 && !*cached)
		rc = copy_into_container(w, c, sources, destination, options, result, err);
	if (rc < 0)
		return rc;
	cleanup_free char *text = script_copy_text(options->add, result, destination);
	if (*cached)
		return take(&step, text, err);
	step.record = (struct build_record){.copied = result->digest, .copied_kind = result->kind[0]};
	return keep(&step, text, err);
}
