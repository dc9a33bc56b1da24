/*
 * The image of a build: the target's layers and configuration, at the times at which its steps were made, under its
 * names. With --squash as one layer.
 */
#include "builder/build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "builder/build_config.h"
#include "builder/build_internal.h"
#include "builder/commit_internal.h"
#include "builder/fetch.h"

/* ---- annotations ---- */

/* The manifest's annotations; among them, for type=inline, the records of its layers. */
static int make_annotations(const struct build *build, const struct container *state, struct strlist *annotations,
			    struct error **err)
{
	cleanup(cache_records_done) struct cache_records records = {0};
	cleanup(buf_done) struct buf text = BUF_INIT(CACHE_DOCUMENT_MAX);

	if (build->options->annotations)
		strlist_copy(annotations, build->options->annotations);
	if (!build->options->has_inline_cache)
		return 0;
	for (size_t i = 0; i < state->config.diff_id_count; i++)
		cache_records_add_layer(&records, &state->config.diff_ids[i]);
	build_add_records_of_image(build, &records);
	cache_records_format(&records, &text);
	if (text.overflow)
		return error_set(err, EFBIG, "--cache-to type=inline: the records are larger than %zu bytes",
				 CACHE_DOCUMENT_MAX);
	strlist_env_set(annotations, CACHE_ANNOTATION, buf_str(&text));
	return 0;
}

/* ---- the image ------------------------------------------------------------------------------------------------------
 */

/* When the stage's steps were made. What has no layer was made with the layer before it, so that a build that finds
 * everything in the cache gives the same image again. */
struct times {
	int64_t *of; /* each history entry; -1: it says so itself, or nobody knows */
	int64_t last;
};

static void find_times(const struct build *build, size_t number, struct times *times)
{
	const struct plan_stage *stage = build->plan->stages[number];
	const struct stage_run *run = &build->stages[number];

	if (stage->base.kind == INPUT_STAGE)
		find_times(build, stage->base.index, times);
	for (size_t i = 0; i < stage->step_count; i++) {
		const struct plan_step *step = &stage->steps[i];
		if (step->has_layer && !digest_is_null(&run->records[i].diff_id))
			times->last = run->records[i].created;
		if (step->history != SIZE_MAX)
			times->of[step->history] = times->last;
	}
}

/* Of the base image, when nothing has a time of its own. */
static int64_t base_time(const struct image_config *config)
{
	int64_t latest = -1, nanoseconds = 0;

	for (size_t i = 0; i < config->history_count; i++) {
		int64_t seconds = -1;
		if (config->history[i].created &&
		    parse_time(config->history[i].created, "created", &seconds, &nanoseconds, NULL) >= 0 &&
		    seconds > latest)
			latest = seconds;
	}
	return latest;
}

static int64_t fixed_time(const struct build *build)
{
	const struct build_options *options = build->options;

	return options->timestamp >= 0 ? options->timestamp : build->epoch;
}

/* An image without a layer of its own has the time at which its like was first made. */
static int64_t first_made(struct build *build, const struct image_config *config)
{
	cleanup(buf_done) struct buf text = BUF_INIT(CONFIG_SIZE_MAX);
	struct build_record record = {.created = workshop_options(build->w)->now};
	struct digest key;

	image_config_format(config, FORMAT_OCI, &text);
	buf_append_str(&text, " first made");
	if (digest_of(buf_str(&text), text.len, &key, NULL) < 0)
		return record.created;
	struct build_record known;
	if (build_cache_peek(workshop_store(build->w), &key, &known, NULL) >= 0)
		return known.created;
	record.diff_id = key; /* of no layer */
	(void)build_cache_save(workshop_store(build->w), &key, &record, "when an image was first made", NULL);
	return record.created;
}

static int64_t set_times(struct build *build, struct image_config *config)
{
	struct times times = {.last = fixed_time(build)};

	times.of = mem_grow(NULL, config->history_count + 1, sizeof(*times.of));
	for (size_t i = 0; i < config->history_count; i++)
		times.of[i] = -1;
	if (times.last < 0)
		times.last = base_time(config);
	find_times(build, build->plan->target, &times);
	int64_t created = fixed_time(build) >= 0 ? fixed_time(build) : times.last;
	if (created < 0)
		created = first_made(build, config);
	for (size_t i = 0; i < config->history_count; i++) {
		if (config->history[i].created)
			continue;
		config->history[i].created = format_time(times.of[i] >= 0 ? times.of[i] : created, 0);
	}
	free(times.of);
	return created;
}

/* In one layer only the last step that had one has it. */
static void merge_history(struct image_config *config, size_t layers)
{
	size_t entries = 0;

	for (size_t i = 0; i < config->history_count; i++)
		entries += !config->history[i].empty_layer;
	for (size_t i = 0; entries > layers && i < config->history_count; i++) {
		struct history *entry = &config->history[i];
		/* Those of the base come first and are right. */
		if (entry->empty_layer || !entry->comment || strcmp(entry->comment, BUILD_HISTORY_COMMENT) != 0)
			continue;
		entry->empty_layer = true;
		entries--;
	}
}

/* The target as a container that was never on disk: what a commit writes an image of. */
static int target_state(struct build *build, struct container *state, int64_t *created, struct error **err)
{
	const struct build_options *options = build->options;
	const struct stage_run *run = &build->stages[build->plan->target];
	const struct plan_stage *stage = run->plan;
	int rc = image_config_copy(&state->config, &stage->config, err);

	if (rc < 0)
		return rc;
	state->format = options->format;
	state->name = mem_strdup("");
	state->image_name = mem_strdup("");
	state->image_manifest = mem_strdup("");
	for (size_t i = state->config.diff_id_count; i < run->c.config.diff_id_count; i++)
		image_config_add_diff_id(&state->config, &run->c.config.diff_ids[i]);
	strlist_copy(&state->layer_types, &run->c.layer_types);
	merge_history(&state->config, state->config.diff_id_count);
	for (size_t i = 0; options->labels && i < options->labels->count; i++) {
		const char *text = options->labels->items[i];
		cleanup_free char *key = mem_strndup(text, strcspn(text, "="));
		strlist_env_set(&state->config.labels, key, text[strlen(key)] ? text + strlen(key) + 1 : "");
	}
	if (options->platform) {
		platform_done(&state->config.platform);
		platform_copy(&state->config.platform, &build->platform);
	}
	*created = set_times(build, &state->config);
	return 0;
}

static int name_image(struct build *build, const struct new_image *made, struct error **err)
{
	const struct strlist *names = build->options->names;
	struct store *store = workshop_store(build->w);
	int rc = 0;

	if (!names || names->count == 0)
		return images_add(store, &made->manifest, &made->id, made->created, /* name */ NULL, err);
	for (size_t i = 0; rc >= 0 && i < names->count; i++)
		rc = images_add(store, &made->manifest, &made->id, made->created, names->items[i], err);
	return rc;
}

/* By its manifest: others, with other annotations, may have the same configuration. */
static int load_image(struct build *build, const struct digest *manifest, struct image *image, struct error **err)
{
	cleanup(image_entry_done) struct image_entry entry = {0};
	char text[DIGEST_TEXT_SIZE];
	cleanup_free char *name = mem_printf("@%s", digest_format(manifest, text));
	int rc = images_find(workshop_store(build->w), name, &entry, err);

	return rc < 0 ? rc : image_load(workshop_store(build->w), &entry, image, err);
}

static int write_image(struct build *build, struct image *image, struct error **err)
{
	cleanup(container_done) struct container state = {0};
	cleanup(new_image_done) struct new_image made = {0};
	cleanup(strlist_done) struct strlist annotations = {0};
	int64_t created = 0;
	int rc = target_state(build, &state, &created, err);

	if (rc >= 0)
		rc = make_annotations(build, &state, &annotations, err);
	if (rc < 0)
		return rc;
	const struct commit_options commit = {
		.format = build->options->format,
		.has_format = true,
		.timestamp = -1,
		.source_date_epoch = -1,
		.annotations = &annotations,
	};
	rc = commit_write_image(build->w, &state, &commit, created, &made, err);
	if (rc >= 0)
		rc = name_image(build, &made, err);
	if (rc >= 0)
		rc = load_image(build, &made.manifest.digest, image, err);
	return rc < 0 ? error_prefix(err, "write the image") : 0;
}

/* ---- in one layer ---- */

struct squash {
	struct build *build;
	struct container *state;
	int64_t created;
};

/* Inside: a container of the state, committed as one layer. */
static int squash_task(struct workshop *w, void *context, struct buf *result, struct error **err)
{
	const struct squash *job = context;
	const struct build_options *options = job->build->options;
	struct stage_run run = {.lock = -1, .dir = -1};
	cleanup(image_done) struct image image = {0};

	run.c = *job->state;
	*job->state = (struct container){0};
	/* Where no step stands on them, they are packed still. */
	const struct plan_stage *target = job->build->plan->stages[job->build->plan->target];
	const struct build_image *below = build_image_below(job->build, &target->base);
	int rc = below ? fetch_unpack(w, &below->image, err) : 0;
	if (rc >= 0)
		rc = build_layer_begin(job->build, &run, err);
	const struct commit_options commit = {
		.squash = true,
		.format = options->format,
		.has_format = true,
		.timestamp = options->timestamp,
		.source_date_epoch = job->build->epoch,
		.rewrite_timestamp = options->rewrite_timestamp,
		.created = &job->created,
		.annotations = options->annotations,
	};
	if (rc >= 0)
		rc = commit_container(w, &run.c, &commit, &image, err);
	stage_run_clean_up(job->build, &run);
	if (rc >= 0)
		buf_append(result, &image.entry.manifest.digest, sizeof(image.entry.manifest.digest));
	stage_run_done(&run);
	return rc;
}

static int write_squashed(struct build *build, struct image *image, struct error **err)
{
	cleanup(container_done) struct container state = {0};
	cleanup(buf_done) struct buf result = BUF_INIT(sizeof(struct digest));
	struct squash job = {.build = build, .state = &state};
	int rc = target_state(build, &state, &job.created, err);

	if (rc >= 0)
		rc = workshop_call(build->w, squash_task, &job, &result, err);
	if (rc < 0)
		return rc;
	struct digest manifest;
	if (result.len != sizeof(manifest))
		return error_set(err, EIO, "the squashed image was not named");
	memcpy(&manifest, result.data, sizeof(manifest));
	rc = load_image(build, &manifest, image, err);
	const struct strlist *names = build->options->names;
	for (size_t i = 0; rc >= 0 && names && i < names->count; i++)
		rc = images_add(workshop_store(build->w), &image->entry.manifest, &image->entry.id,
				image->entry.created, names->items[i], err);
	return rc;
}

int build_image_write(struct build *build, struct image *image, struct error **err)
{
	return build->options->squash ? write_squashed(build, image, err) : write_image(build, image, err);
}
