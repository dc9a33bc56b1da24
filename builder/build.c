/*
 * The door of a Dockerfile build: the plan, then what the cache knows, then the rest, then the image.
 */
#include "builder/build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "builder/build_config.h"
#include "builder/build_internal.h"
#include "builder/commit_internal.h"

void build_result_done(struct build_result *result)
{
	image_done(&result->image);
	for (size_t i = 0; i < result->report_count; i++) {
		free(result->reports[i].stage);
		free(result->reports[i].text);
	}
	free(result->reports);
	cache_mounts_done(&result->mounts);
	materials_done(&result->materials);
	strlist_done(&result->build_args);
	for (size_t i = 0; i < ARRAY_COUNT(result->records); i++)
		cache_records_done(&result->records[i]);
	*result = (struct build_result){0};
}

static void build_done(struct build *build)
{
	size_t stages = build->plan ? build->plan->stage_count : 0;
	size_t named = build->options->named_contexts ? build->options->named_contexts->count : 0;

	for (size_t i = 0; build->stages && i < stages; i++)
		stage_run_done(&build->stages[i]);
	free(build->stages);
	if (build->directories) {
		build_directories_save(build);
		/* The first is the caller's. */
		for (size_t i = 1; i <= named; i++)
			build_context_close(build->directories[i].context);
	}
	free(build->directories);
	build_remotes_done(&build->remotes);
	if (build->imports)
		cache_imports_free(build->imports);
	plan_free(build->plan);
	for (size_t i = 0; i < build->image_count; i++)
		build_image_free(build->images[i]);
	free(build->images);
	build_globals_done(&build->globals);
	platform_done(&build->platform);
}
CLEANUP_FOR_VALUE(struct build, build_done)

/* ---- plan -----------------------------------------------------------------------------------------------------------
 */

/* A word of some ARG of the file, whether its stage is built or not. */
static bool is_declared(const struct dockerfile *file, const char *key)
{
	for (size_t i = 0; i < file->stage_count; i++) {
		const struct stage *stage = &file->stages[i];
		for (size_t k = 0; k < stage->count; k++) {
			const struct instruction *arg = stage->instructions[k];
			for (size_t n = 0; arg->kind == INSTRUCTION_ARG && n < arg->pairs.count; n++)
				if (strcmp(arg->pairs.items[n].key, key) == 0)
					return true;
		}
	}
	return false;
}

/* Or of a trigger. */
static bool is_in_scope(const struct plan *plan, const char *key)
{
	for (size_t i = 0; i < plan->stage_count; i++)
		for (size_t k = 0; k < plan->stages[i]->scope.arg_count; k++)
			if (strcmp(plan->stages[i]->scope.args[k].key, key) == 0)
				return true;
	return false;
}

/* A mistyped --build-arg has no other effect than this warning. */
static void warn_of_unused(const struct build *build)
{
	const struct build_globals *globals = &build->globals;
	cleanup(strlist_done) struct strlist unused = {0};

	for (size_t i = 0; i < globals->given.count; i++) {
		const char *text = globals->given.items[i];
		cleanup_free char *key = mem_strndup(text, strcspn(text, "="));
		/* Predefined, of the head of the file, or for the builder. */
		bool is_used = strlist_env_get(&globals->args, key) || strlist_env_get(&globals->proxies, key) ||
			       text_has_prefix(key, "BUILDKIT_") || strcmp(key, "SOURCE_DATE_EPOCH") == 0;
		if (!is_used && !is_declared(build->options->file, key) && !is_in_scope(build->plan, key))
			strlist_append(&unused, key);
	}
	cleanup_free char *keys = strlist_join(&unused, " ");
	if (unused.count && !build->options->quiet)
		log_warn("one or more build args were not consumed: [%s]", keys);
}

static int make_plan(struct build *build, struct error **err)
{
	const struct build_options *options = build->options;
	const struct stage *target = NULL;
	cleanup(platform_done) struct platform host = {0};

	platform_host(&host);
	if (options->platform)
		platform_copy(&build->platform, options->platform);
	else
		platform_host(&build->platform);
	platform_complete(&build->platform);
	int rc = dockerfile_target(options->file, options->target, &target, err);
	if (rc < 0)
		return rc;
	const struct build_globals_options globals = {.build_args = options->build_args,
						      .target_platform = &build->platform,
						      .build_platform = &host,
						      .target = target};
	rc = build_globals_make(options->file, &globals, &build->globals, err);
	if (rc < 0)
		return rc;
	/* BuildKit's users say it this way. */
	const char *epoch = strlist_env_get(&build->globals.given, "SOURCE_DATE_EPOCH");
	if (epoch && *epoch)
		rc = parse_i64(epoch, 0, INT64_MAX, "--build-arg SOURCE_DATE_EPOCH", &build->epoch, err);
	if (rc < 0)
		return rc;
	const struct plan_options plan = {
		.file = options->file,
		.globals = &build->globals,
		.target = target,
		.platform = &build->platform,
		.named_contexts = options->named_contexts,
		.no_cache_stages = options->no_cache_stages,
		.no_cache = options->no_cache,
		.resolve = build_resolve_image,
		.resolve_context = build,
	};
	rc = plan_make(&plan, &build->plan, err);
	if (rc >= 0)
		warn_of_unused(build);
	return rc;
}

/* Directories of --build-context are opened here, where the user's network and credentials are. */
static int open_directories(struct build *build, struct error **err)
{
	size_t named = build->options->named_contexts ? build->options->named_contexts->count : 0;

	build->directories = mem_alloc((named + 1) * sizeof(*build->directories));
	build->directories[0].context = build->options->context;
	for (size_t i = 0; i < build->plan->stage_count; i++) {
		const struct plan_stage *stage = build->plan->stages[i];
		for (size_t k = 0; k < stage->step_count; k++) {
			const struct plan_step *step = &stage->steps[k];
			struct build_directory *directory = NULL;
			size_t mounts = step->mounts ? step->instruction->run.mount_count : 0;
			int rc = 0;
			if (step->input.kind == INPUT_NAMED)
				rc = build_directory_open(build, &step->input, &directory, err);
			for (size_t m = 0; rc >= 0 && m < mounts; m++)
				if (step->mounts[m].kind == INPUT_NAMED)
					rc = build_directory_open(build, &step->mounts[m], &directory, err);
			if (rc < 0)
				return source_error(&build->options->file->source, &step->range, err);
		}
	}
	return 0;
}

/* ---- stages ---------------------------------------------------------------------------------------------------------
 */

static int run_stages(struct build *build, struct error **err)
{
	const struct plan *plan = build->plan;

	build->stages = mem_alloc(plan->stage_count * sizeof(*build->stages));
	for (size_t i = 0; i < plan->stage_count; i++)
		stage_run_init(&build->stages[i], plan, i);
	for (size_t i = 0; i < plan->stage_count; i++) {
		int rc = stage_run_look_up(build, &build->stages[i], err);
		if (rc < 0)
			return rc;
	}
	return stage_run_is_done(&build->stages[plan->target]) ? 0 : build_jobs_run(build, err);
}

static void count_steps(const struct build *build, struct build_result *result)
{
	for (size_t i = 0; i < build->plan->stage_count; i++) {
		const struct plan_stage *stage = build->plan->stages[i];
		/* Those that were not needed in the end do not count. */
		for (size_t k = 0; k < stage->step_count && stage_run_is_done(&build->stages[i]); k++) {
			result->steps += stage->steps[k].has_layer;
			result->cached += stage->steps[k].has_layer && build->stages[i].cached[k];
		}
	}
}

static struct build_step_report *new_report(const struct build *build, size_t number, struct build_result *result)
{
	const struct plan *plan = build->plan;

	result->reports = mem_grow(result->reports, result->report_count + 1, sizeof(*result->reports));
	struct build_step_report *report = &result->reports[result->report_count++];
	*report = (struct build_step_report){
		.stage = plan->stage_count > 1 ? mem_printf("[%zu/%zu] ", number + 1, plan->stage_count)
					       : mem_strdup(""),
		.number = 1,
		.count = plan->stages[number]->step_count + 1,
	};
	return report;
}

static void add_base_report(const struct build *build, size_t number, struct build_result *result)
{
	struct build_step_report *report = new_report(build, number, result);

	report->text = mem_printf("FROM %s", build->plan->stages[number]->base_text);
	report->spent_ms = build->stages[number].base_ms;
}

static void add_report(const struct build *build, size_t number, size_t step, struct build_result *result)
{
	const struct stage_run *run = &build->stages[number];
	const struct build_record *record = &run->records[step];
	struct build_step_report *report = new_report(build, number, result);

	report->text = mem_strdup(run->plan->steps[step].text);
	report->number = step + 2; /* FROM is the first */
	report->cached = run->cached[step];
	report->spent_ms = run->spent_ms[step];
	report->diff_id = record->diff_id;
	report->size = digest_is_null(&record->diff_id) ? 0 : record->size;
}

/* Where the time went. */
static void gather_reports(const struct build *build, struct build_result *result)
{
	for (size_t i = 0; i < build->plan->stage_count; i++) {
		if (!stage_run_is_done(&build->stages[i]))
			continue;
		add_base_report(build, i, result);
		for (size_t k = 0; k < build->plan->stages[i]->step_count; k++)
			if (build->plan->stages[i]->steps[k].has_layer && k < build->stages[i].done)
				add_report(build, i, k, result);
	}
	result->images_ms = build->images_ms;
	result->spent_ms = clock_ms() - build->began_ms;
}

/* Proxies may have passwords in them, and change nothing about the result. */
static void gather_args(const struct build *build, struct strlist *args)
{
	for (size_t i = 0; i < build->globals.given.count; i++) {
		const char *text = build->globals.given.items[i];
		cleanup_free char *key = mem_strndup(text, strcspn(text, "="));
		if (!strlist_env_get(&build->globals.proxies, key))
			strlist_append(args, text);
	}
}

/* ---- the cache for others -------------------------------------------------------------------------------------------
 */

/* A step that reads stages, under its key by definition: who has no more than this needs not build them. */
static void add_by_definition(const struct stage_run *run, size_t step, struct cache_records *records)
{
	struct build_record record = run->records[step];

	if (digest_is_null(&record.by_definition))
		return;
	record.key = record.by_definition;
	cache_records_add(records, &record);
}

static void add_records(const struct build *build, size_t number, struct cache_records *records)
{
	const struct stage_run *run = &build->stages[number];

	for (size_t i = 0; i < run->plan->step_count; i++) {
		cache_records_add(records, &run->records[i]);
		add_by_definition(run, i, records);
	}
}

/* For those that were taken by another key. */
static void find_definitions(struct build *build)
{
	for (size_t i = 0; build->options->has_cache_to && i < build->plan->stage_count; i++) {
		const struct stage_run *run = &build->stages[i];
		for (size_t k = 0; k < run->done; k++) {
			const struct plan_step *step = &run->plan->steps[k];
			struct digest *key = &run->records[k].by_definition;
			/* One that has none cannot be known so. */
			if (step->has_layer && build_step_reads_stages(step) && digest_is_null(key))
				(void)build_step_key(build, run, step, KEY_OF_DEFINITIONS, /* parts */ NULL, key, NULL);
		}
	}
}

/* Of the stages whose layers the image has: the target and those that it is FROM. */
static void add_records_of_image(const struct build *build, struct cache_records *records)
{
	size_t number = build->plan->target;

	add_records(build, number, records);
	while (build->plan->stages[number]->base.kind == INPUT_STAGE) {
		number = build->plan->stages[number]->base.index;
		add_records(build, number, records);
	}
}

static void gather_records(const struct build *build, struct build_result *result)
{
	add_records_of_image(build, &result->records[CACHE_MIN]);
	for (size_t i = 0; i < build->plan->stage_count; i++)
		add_records(build, i, &result->records[CACHE_MAX]);
}

/* ---- cache mounts that travel ---------------------------------------------------------------------------------------
 */

static bool is_wanted(const char *wanted, const char *id)
{
	cleanup(strlist_done) struct strlist ids = {0};

	strlist_split(&ids, wanted, ',');
	return strcmp(wanted, "all") == 0 || strlist_contains(&ids, id);
}

/* One that the store does not have is brought from the caches of --cache-from first. */
static int take_mount(struct build *build, const struct plan_step *step, size_t index, struct cache_mounts *mounts,
		      struct error **err)
{
	cleanup(mount_setting_done) struct mount_setting setting = {0};
	struct cache_import_mount wanted = {0};

	build_mounts_describe_cache(build, step, index, &setting);
	if (!is_wanted(build->options->cache_mounts, setting.id))
		return 0;
	int rc = cache_mount_name(&setting, &wanted.name, err);
	if (rc < 0)
		return rc;
	wanted.id = setting.id;
	wanted.mode = setting.mode;
	wanted.uid = setting.uid;
	wanted.gid = setting.gid;
	cache_mounts_add(mounts, &wanted.name, setting.id);
	if (build->imports && !cache_mount_exists(workshop_store(build->w), &wanted.name) &&
	    cache_imports_mount(build->imports, &wanted))
		build_say(build, "cache mount '%s' taken from a cache", setting.id);
	return 0;
}

static int take_mounts(struct build *build, struct cache_mounts *mounts, struct error **err)
{
	int rc = 0;

	for (size_t i = 0; build->options->cache_mounts && i < build->plan->stage_count; i++) {
		const struct plan_stage *stage = build->plan->stages[i];
		for (size_t k = 0; k < stage->step_count; k++) {
			const struct plan_step *step = &stage->steps[k];
			size_t count = step->mounts ? step->instruction->run.mount_count : 0;
			for (size_t m = 0; rc >= 0 && m < count; m++)
				if (step->instruction->run.mounts[m].type == FILE_MOUNT_CACHE)
					rc = take_mount(build, step, m, mounts, err);
		}
	}
	return rc;
}

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
	add_records_of_image(build, &records);
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

/* ---- --squash
 * --------------------------------------------------------------------------------------------------------- */

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
	int rc = build_layer_begin(job->build, &run, err);
	const struct commit_options commit = {
		.squash = true,
		.format = options->format,
		.has_format = true,
		.timestamp = job->created,
		.source_date_epoch = job->build->epoch,
		.rewrite_timestamp = options->rewrite_timestamp,
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

/* ---- the flow -------------------------------------------------------------------------------------------------------
 */

int build_run(struct workshop *w, const struct build_options *options, struct build_result *result, struct error **err)
{
	cleanup(build_done) struct build build = {.w = w,
						  .options = options,
						  .output = STDERR_FILENO,
						  .epoch = options->source_date_epoch,
						  .began_ms = clock_ms(),
						  .remotes = {.w = w}};
	cleanup(build_result_done) struct build_result made = {0};

	/* Nothing that is made on the way may be swept before the image names it. */
	cleanup_close int hold = store_hold(workshop_store(w), err);
	if (hold < 0)
		return hold;
	/* The id map says which trees of layers are ours. */
	int rc = workshop_idmap(w, /* map */ NULL, err);
	if (rc >= 0)
		rc = make_plan(&build, err);
	if (rc >= 0)
		rc = open_directories(&build, err);
	if (rc >= 0 && options->cache_from_count)
		build.imports =
			cache_imports_new(w, options->cache_from, options->cache_from_count, &options->registry);
	if (rc >= 0)
		rc = take_mounts(&build, &made.mounts, err);
	if (rc >= 0)
		rc = run_stages(&build, err);
	if (rc < 0) {
		result->status = build.status;
		return rc;
	}
	rc = options->squash ? write_squashed(&build, &made.image, err) : write_image(&build, &made.image, err);
	if (rc < 0)
		return rc;
	count_steps(&build, &made);
	gather_reports(&build, &made);
	find_definitions(&build);
	gather_records(&build, &made);
	materials_gather(&build, &made.materials);
	gather_args(&build, &made.build_args);
	for (size_t i = 0; options->names && i < options->names->count; i++)
		build_say(&build, "COMMIT %s", options->names->items[i]);
	*result = made;
	made = (struct build_result){0};
	return 0;
}
