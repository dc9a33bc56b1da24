/*
 * One stage: its steps in order, each taken from the cache or made. Looking up goes as far as the cache does, without
 * the user namespace; finishing does the rest inside.
 */
#include "builder/build_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "builder/build_question.h"
#include "builder/copy.h"
#include "builder/explain.h"
#include "builder/fetch.h"
#include "imagefmt/layer.h"
#include "imagefmt/packahead.h"

/* ---- its life -------------------------------------------------------------------------------------------------------
 */

void stage_run_init(struct stage_run *run, const struct plan *plan, size_t number)
{
	const struct plan_stage *stage = plan->stages[number];

	*run = (struct stage_run){.plan = stage, .number = number, .lock = -1, .dir = -1};
	run->below = mem_alloc(sizeof(*run->below));
	run->records = mem_alloc((stage->step_count + 1) * sizeof(*run->records));
	run->inputs = mem_alloc((stage->step_count + 1) * sizeof(*run->inputs));
	run->cached = mem_alloc((stage->step_count + 1) * sizeof(*run->cached));
	run->spent_ms = mem_alloc((stage->step_count + 1) * sizeof(*run->spent_ms));
}

void stage_run_done(struct stage_run *run)
{
	free(run->below);
	free(run->records);
	free(run->inputs);
	free(run->cached);
	free(run->spent_ms);
	container_done(&run->c);
	explain_close(run->explain);
	fd_close(run->lock);
	fd_close(run->dir);
}

void stage_run_clean_up(struct build *build, struct stage_run *run)
{
	cleanup_error struct error *error = NULL;

	if (run->dir < 0)
		return;
	fd_close(take_fd(&run->dir));
	if (container_remove(build->w, &run->c, &error) < 0)
		log_debug("%s; prune removes it", error_message(error));
	fd_close(take_fd(&run->lock));
}

bool stage_run_is_done(const struct stage_run *run)
{
	return run->is_ready && run->done == run->plan->step_count;
}

static bool is_input_done(const struct build *build, const struct plan_input *input)
{
	return input->kind != INPUT_STAGE || stage_run_is_done(&build->stages[input->index]);
}

static bool is_step_ready(const struct build *build, const struct plan_step *step)
{
	if (!is_input_done(build, &step->input))
		return false;
	for (size_t i = 0; step->mounts && i < step->instruction->run.mount_count; i++)
		if (!is_input_done(build, &step->mounts[i]))
			return false;
	return true;
}

bool stage_run_can_go_on(const struct build *build, const struct stage_run *run)
{
	size_t last = build->options->single_layer ? run->plan->step_count : run->done + 1;

	if (!is_input_done(build, &run->plan->base))
		return false;
	for (size_t i = run->done; i < run->plan->step_count && i < last; i++)
		if (!is_step_ready(build, &run->plan->steps[i]))
			return false;
	return true;
}

static void need(bool *needed, const struct plan_input *input)
{
	if (input->kind == INPUT_STAGE)
		needed[input->index] = true;
}

void build_stages_needed(const struct build *build, bool *needed)
{
	const struct plan *plan = build->plan;

	memset(needed, 0, plan->stage_count * sizeof(*needed));
	needed[plan->target] = true;
	/* Each stands behind what it needs. */
	for (size_t i = plan->stage_count; i-- > 0;) {
		const struct stage_run *run = &build->stages[i];
		needed[i] = needed[i] && !stage_run_is_done(run);
		if (needed[i] && !run->is_ready)
			need(needed, &run->plan->base);
		for (size_t k = run->done; needed[i] && k < run->plan->step_count; k++) {
			const struct plan_step *step = &run->plan->steps[k];
			need(needed, &step->input);
			for (size_t m = 0; step->mounts && m < step->instruction->run.mount_count; m++)
				need(needed, &step->mounts[m]);
		}
	}
}

/* ---- layers ---------------------------------------------------------------------------------------------------------
 */

void stage_run_begin(struct build *build, struct stage_run *run)
{
	const struct plan_input *base = &run->plan->base;
	const struct digest *diff_ids = NULL;
	size_t count = 0;

	if (run->is_ready)
		return;
	build_input_layers(build, base, &diff_ids, &count);
	for (size_t i = 0; i < count; i++)
		image_config_add_diff_id(&run->c.config, &diff_ids[i]);
	if (base->kind == INPUT_STAGE)
		strlist_copy(&run->c.layer_types, &build->stages[base->index].c.layer_types);
	for (size_t i = 0; base->kind == INPUT_IMAGE && i < count; i++) {
		const struct descriptor *layer = &build->images[base->index]->image.manifest.layers[i];
		char digest[DIGEST_TEXT_SIZE];
		strlist_printf(&run->c.layer_types, "%s %s %llu", layer->media_type,
			       digest_format(&layer->digest, digest), (unsigned long long)layer->size);
	}
	run->is_ready = true;
}

static void add_layer(struct stage_run *run, const struct build_record *record)
{
	char digest[DIGEST_TEXT_SIZE];

	image_config_add_diff_id(&run->c.config, &record->diff_id);
	strlist_printf(&run->c.layer_types, "%s %s %llu", layer_media_type(FORMAT_OCI, CODEC_NONE),
		       digest_format(&record->diff_id, digest), (unsigned long long)record->size);
}

void stage_run_take(struct stage_run *run, const struct build_record *records, const bool *cached,
		    const int64_t *spent_ms, size_t count)
{
	for (size_t i = run->done; i < count; i++) {
		run->done = i;
		run->spent_ms[i] = spent_ms[i];
		stage_run_add(run, digest_is_null(&records[i].diff_id) ? NULL : &records[i], cached[i]);
	}
}

void stage_run_add(struct stage_run *run, const struct build_record *record, bool cached)
{
	if (record)
		add_layer(run, record);
	if (record)
		run->records[run->done] = *record;
	run->cached[run->done] = cached;
	run->done++;
}

/* ---- from the cache -------------------------------------------------------------------------------------------------
 */

static bool may_look_up(const struct build *build, const struct stage_run *run)
{
	return !run->plan->no_cache && !build->options->single_layer;
}

/* The record was made or used now. */
static void touch(struct build *build, const struct stage_run *run, const struct digest *key)
{
	build_cache_touch(workshop_store(build->w), key, workshop_options(build->w)->now, run->c.config.diff_id_count);
}

/* Is the layer that the cache speaks of whole? What was not on disk when the machine went down is forgotten, and made
 * again. */
static bool is_whole(struct build *build, const struct build_record *record)
{
	struct store *store = workshop_store(build->w);
	cleanup_error struct error *error = NULL;
	cleanup_close int layer = layer_open(store, &record->diff_id, &error);

	if (layer >= 0)
		return true;
	log_info("%s; the step that gave it is done again", error_message(error));
	/* Under the same name a whole one takes its place. */
	if (layer == -EUCLEAN && layer_remove(store, &record->diff_id, NULL) < 0)
		log_debug("the broken layer stays");
	return false;
}

/* In the store, or in a cache of another machine. */
static bool is_known(struct build *build, const struct stage_run *run, const struct digest *key,
		     struct build_record *record)
{
	const struct build_options *options = build->options;

	if (!may_look_up(build, run))
		return false;
	if (build_cache_load(workshop_store(build->w), key, record, NULL) >= 0 &&
	    record->created >= options->cache_oldest) {
		/* A layer that must be checked first is for who is inside. */
		bool is_inside = workshop_is_inside(build->w);
		bool is_good = is_inside ? is_whole(build, record)
					 : layer_is_checked(workshop_store(build->w), &record->diff_id);
		if (is_good)
			touch(build, run, key);
		if (is_good || !is_inside)
			return is_good;
	}
	return build->imports && cache_imports_find(build->imports, key, options->cache_oldest, record);
}

/* Then it was asked, whatever has become of the answer, and need not be put together again: in a build of hundreds of
 * steps in which nothing has changed that is a sixth of the work. */
static bool has_come_here_before(const struct stage_run *run, const struct plan_step *step)
{
	return run->explain && explain_goes_on(run->explain, (size_t)(step - run->plan->steps), step->text);
}

/* Caches of other machines know keys alone. */
static bool was_never_asked(struct build *build, const struct stage_run *run, const struct plan_step *step,
			    enum key_of_stages of)
{
	struct digest question;

	if (!may_look_up(build, run))
		return true;
	return !build->imports && build_step_question(build, run, step, of, &question, NULL) >= 0 &&
	       !build_question_is_known(workshop_store(build->w), &question, workshop_options(build->w)->now);
}

bool build_step_is_unheard_of(struct build *build, const struct stage_run *run, const struct plan_step *step)
{
	return !build->options->explain && build_step_is_seen(build, step) &&
	       !(may_look_up(build, run) && has_come_here_before(run, step)) &&
	       was_never_asked(build, run, step, KEY_OF_LAYERS);
}

/* The same of a stage's files, by themselves. */
static bool is_unheard_of_by_files(struct build *build, const struct stage_run *run, const struct plan_step *step)
{
	return !build->options->explain && build_step_is_seen_of_stage(build, step) &&
	       was_never_asked(build, run, step, KEY_OF_FILES);
}

void build_step_note_question(struct build *build, const struct stage_run *run, const struct plan_step *step)
{
	bool is_of_stage = build_step_is_seen_of_stage(build, step);
	struct digest question;

	if ((is_of_stage || build_step_is_seen(build, step)) &&
	    build_step_question(build, run, step, is_of_stage ? KEY_OF_FILES : KEY_OF_LAYERS, &question, NULL) >= 0)
		build_question_note(workshop_store(build->w), &question);
}

/* What went into the key is heard by the copy as well (build_seen.h): where that is soon enough, nobody looks for it. */
static bool is_told_by_copy(struct build *build, const struct plan_step *step)
{
	return !build->options->explain && build_step_is_seen(build, step);
}

/* 1: found. 0: not there, or not to be known. */
static int find_cached(struct build *build, struct stage_run *run, const struct plan_step *step, struct digest *key,
		       bool *has_key, struct build_record *record, struct error **err)
{
	cleanup_error struct error *error = NULL;

	if (build_step_is_unheard_of(build, run, step))
		return build_step_check_sources(build, step, err);
	int rc = build_step_key(build, run, step, KEY_OF_LAYERS, /* parts */ NULL, key, &error);
	if (rc == -ENODATA)
		return 0;
	if (rc < 0) {
		if (err)
			*err = take_ptr(&error);
		return rc;
	}
	*has_key = true;
	bool found = is_known(build, run, key, record);
	if (found || !is_told_by_copy(build, step))
		build_explain_note(build, run, step, KEY_OF_LAYERS, key);
	if (!found)
		return 0;
	if (build->imports)
		build_step_note_question(build, run, step);
	record->key = *key;
	return 1;
}

/* A step that reads stages which are not built, and need not be if what they lead to is known. 1: found. */
static int find_by_definition(struct build *build, struct stage_run *run, const struct plan_step *step,
			      struct build_record *record)
{
	struct digest key;

	/* What cannot be known now is found out when the stages are there. */
	if (build_step_key(build, run, step, KEY_OF_DEFINITIONS, /* parts */ NULL, &key, NULL) < 0 ||
	    !is_known(build, run, &key, record))
		return 0;
	record->by_definition = key;
	return 1;
}

static void use_cached(struct build *build, struct stage_run *run, const struct build_record *record)
{
	build_explain_tell(build, run, &run->plan->steps[run->done], &record->key, /* cached */ true);
	build_say_ended(build, run, record, /* cached */ true);
	stage_run_add(run, record, /* cached */ true);
}

static int place_error(const struct build *build, const struct plan_step *step, struct error **err)
{
	return source_error(&build->options->file->source, &step->range, err);
}

static void start(struct build *build, struct stage_run *run)
{
	stage_run_begin(build, run);
	build_explain_begin(build, run);
	build_say_from(build, run);
}

int stage_run_look_up(struct build *build, struct stage_run *run, struct error **err)
{
	if (!is_input_done(build, &run->plan->base))
		return 0;
	if (!run->is_ready)
		start(build, run);
	while (run->done < run->plan->step_count) {
		const struct plan_step *step = &run->plan->steps[run->done];
		struct build_record record;
		struct digest key;
		bool has_key = false;
		if (step->has_layer && !may_look_up(build, run))
			return 0;
		run->step_began_ms = clock_ms();
		int found = !step->has_layer		 ? 0
			    : is_step_ready(build, step) ? find_cached(build, run, step, &key, &has_key, &record, err)
							 : find_by_definition(build, run, step, &record);
		if (found < 0)
			return place_error(build, step, err);
		/* Who makes it announces it. */
		if (step->has_layer && !found) {
			run->looked_up = run->done + 1;
			return 0;
		}
		build_say_started(build, run);
		if (found) {
			use_cached(build, run, &record);
			continue;
		}
		build_say_ended(build, run, /* record */ NULL, /* cached */ false);
		stage_run_add(run, /* record */ NULL, /* cached */ true);
	}
	build_explain_end(run);
	return 0;
}

/* ---- made -----------------------------------------------------------------------------------------------------------
 */

/* `parts` is told what a copy has seen. */
static int perform(struct build *build, struct stage_run *run, const struct plan_step *step, struct key_parts *parts,
		   struct error **err)
{
	switch (step->kind) {
	case INSTRUCTION_RUN:
		return build_exec_run(build, run, step, err);
	case INSTRUCTION_WORKDIR:
		return build_files_workdir(build, run, step, err);
	default:
		return build_files_copy(build, run, step, parts, err);
	}
}

static void remember(struct build *build, const struct stage_run *run, const struct digest *key,
		     const struct build_record *record)
{
	cleanup_error struct error *error = NULL;
	const char *text = run->plan->steps[run->done].text;

	if (build_cache_save(workshop_store(build->w), key, record, text, &error) < 0)
		log_warn("%s; the step will be done again", error_message(error));
	touch(build, run, key);
}

/* The step's changes, as a layer. One that stands alone is made in a container of its own. */
static int make_layer(struct build *build, struct stage_run *run, const struct plan_step *step, struct key_parts *parts,
		      struct build_record *record, struct error **err)
{
	struct stage_run aside = {.plan = run->plan, .lock = -1, .dir = -1};
	struct stage_run *place = build_step_stands_alone(step) ? &aside : run;

	int rc = build_layer_begin(build, place, err);
	if (rc >= 0)
		rc = perform(build, place, step, parts, err);
	if (rc >= 0)
		rc = build_layer_end(build, place, record, err);
	pack_ahead_free(take_ptr(&build->ahead));
	stage_run_clean_up(build, &aside);
	stage_run_done(&aside);
	return rc;
}

static bool has_remotes(const struct plan_step *step)
{
	if (step->kind != INSTRUCTION_ADD)
		return false;
	const struct strlist *sources = &step->instruction->copy.sources;
	for (size_t i = 0; i < sources->count; i++)
		if (copy_is_remote(sources->items[i]))
			return true;
	return false;
}

/* What is only known by its files: a copy from a stage whose layers are others than before, and downloads. 1: found. */
static int find_by_files(struct build *build, struct stage_run *run, const struct plan_step *step,
			 const struct digest *by_layers, struct digest *key, bool *has_key, struct build_record *record,
			 struct error **err)
{
	cleanup(key_parts_done) struct key_parts parts = KEY_PARTS_INIT;

	if ((step->input.kind != INPUT_STAGE && !has_remotes(step)) || is_unheard_of_by_files(build, run, step))
		return 0;
	int rc = build_step_key(build, run, step, KEY_OF_FILES, &parts, key, err);
	if (rc < 0)
		return rc;
	build_explain_note_parts(run, step, by_layers ? by_layers : key, &parts);
	*has_key = true;
	return is_known(build, run, key, record);
}

/* The key of what was copied, which is not always what was looked at; NULL: there is none. `parts` (may be NULL) were
 * told of it. */
static const struct digest *key_as_seen(struct build *build, struct stage_run *run, const struct plan_step *step,
					struct key_parts *parts, const struct digest *before, struct digest *seen)
{
	run->inputs[run->done] = build->seen;
	if (build_step_key(build, run, step, KEY_OF_LAYERS, /* parts */ NULL, seen, NULL) < 0)
		return NULL;
	if (before && !digest_equal(before, seen))
		log_info("files changed between the look into the cache and the copy");
	if (parts)
		build_explain_note_parts(run, step, seen, parts);
	build_step_note_question(build, run, step);
	return seen;
}

/* The same of a copy from a stage that nobody has looked at. */
static bool files_as_seen(const struct build *build, const struct stage_run *run, const struct plan_step *step,
			  const struct digest *key, struct key_parts *parts, struct digest *of_files)
{
	if (build_step_key_of_inputs(run, step, KEY_OF_FILES, &build->seen, of_files, NULL) < 0)
		return false;
	build_explain_note_parts(run, step, key ? key : of_files, parts);
	return true;
}

/* `key` is NULL where it is not known yet, or there is none. */
static int make_step(struct build *build, struct stage_run *run, const struct plan_step *step, const struct digest *key,
		     struct error **err)
{
	cleanup(key_parts_done) struct key_parts parts = KEY_PARTS_INIT;
	struct build_record record;
	struct digest of_files, as_seen;
	bool is_of_stage = build_step_is_seen_of_stage(build, step), has_files = false;
	bool is_told = !key || is_told_by_copy(build, step);

	int rc = find_by_files(build, run, step, key, &of_files, &has_files, &record, err);
	bool found = rc == 1;
	if (rc >= 0)
		build_explain_tell(build, run, step, key ? key : has_files ? &of_files : NULL, found);
	build->seen = (struct digest){0};
	if (rc == 0)
		rc = make_layer(build, run, step, is_told || (is_of_stage && !has_files) ? &parts : NULL, &record, err);
	build_remotes_done(&build->remotes);
	if (rc < 0)
		return rc;
	if (!digest_is_null(&build->seen) && is_of_stage)
		has_files = has_files || files_as_seen(build, run, step, key, &parts, &of_files);
	else if (!digest_is_null(&build->seen))
		key = key_as_seen(build, run, step, is_told ? &parts : NULL, key, &as_seen);
	record.key = key ? *key : (struct digest){0};
	if (has_files)
		record.by_files = of_files;
	if (key)
		remember(build, run, key, &record);
	if (has_files && !found)
		remember(build, run, &of_files, &record);
	if (has_files && is_of_stage)
		build_step_note_question(build, run, step);
	if (build_step_reads_stages(step) &&
	    build_step_key(build, run, step, KEY_OF_DEFINITIONS, /* parts */ NULL, &record.by_definition, NULL) >= 0)
		remember(build, run, &record.by_definition, &record);
	build_say_ended(build, run, &record, found);
	stage_run_add(run, &record, found);
	return 0;
}

/* A step that several come to at once, stages of one build for several platforms or builds beside each other, is made
 * by one of them; the others wait for it and find it in the cache. Who waits here holds nothing that others wait for.
 */
static int make_step_once(struct build *build, struct stage_run *run, const struct plan_step *step,
			  const struct digest *key, struct error **err)
{
	struct store *store = workshop_store(build->w);
	char hex[DIGEST_HEX_SIZE];
	struct build_record record;
	int rc = 0;

	digest_hex(key, hex);
	cleanup_close int turn = store_lock(store, BUILD_STEP_LOCK, hex, LOCK_EXCLUSIVE, LOCK_WAIT,
					    "a step that this build has in common with another stage or build", err);
	if (turn < 0)
		return turn;
	if (is_known(build, run, key, &record)) {
		record.key = *key;
		build_explain_note(build, run, step, KEY_OF_LAYERS, key);
		use_cached(build, run, &record);
	} else {
		rc = make_step(build, run, step, key, err);
	}
	store_drop_lock(store, BUILD_STEP_LOCK, hex);
	return rc;
}

/* The same for a step without a key yet, by its question. *made is false where somebody else has asked it meanwhile. */
static int make_unheard_of(struct build *build, struct stage_run *run, const struct plan_step *step, bool *made,
			   struct error **err)
{
	struct store *store = workshop_store(build->w);
	char hex[DIGEST_HEX_SIZE];
	struct digest question;
	int rc = build_step_question(build, run, step, KEY_OF_LAYERS, &question, err);

	if (rc >= 0)
		rc = build_step_check_sources(build, step, err);
	if (rc < 0)
		return rc;
	digest_hex(&question, hex);
	cleanup_close int turn = store_lock(store, BUILD_STEP_LOCK, hex, LOCK_EXCLUSIVE, LOCK_WAIT,
					    "a step that this build has in common with another stage or build", err);
	if (turn < 0)
		return turn;
	*made = build_step_is_unheard_of(build, run, step);
	if (*made)
		rc = make_step(build, run, step, /* key */ NULL, err);
	store_drop_lock(store, BUILD_STEP_LOCK, hex);
	return rc;
}

/* --layers=false: all changes stay together until the stage ends. */
static int make_change(struct build *build, struct stage_run *run, const struct plan_step *step, struct error **err)
{
	int rc = build_layer_begin(build, run, err);

	build_explain_tell(build, run, step, /* key */ NULL, /* cached */ false);
	if (rc >= 0)
		rc = perform(build, run, step, /* parts */ NULL, err);
	build_remotes_done(&build->remotes);
	run->spent_ms[run->done] = clock_ms() - run->step_began_ms;
	run->done += rc >= 0;
	return rc;
}

static int next_step(struct build *build, struct stage_run *run, struct error **err)
{
	const struct plan_step *step = &run->plan->steps[run->done];
	struct build_record record;
	struct digest key;
	bool has_key = false;

	run->step_began_ms = clock_ms();
	build_say_started(build, run);
	if (!step->has_layer) {
		build_say_ended(build, run, /* record */ NULL, /* cached */ false);
		stage_run_add(run, /* record */ NULL, /* cached */ false);
		return 0;
	}
	if (build->options->single_layer)
		return make_change(build, run, step, err);
	/* Read again: since it was looked up the steps before it may have taken an hour. Not where none stood before it: a
	 * copy that reads something else than what was looked at is known by that. */
	if (run->looked_up != run->done + 1 || !is_told_by_copy(build, step))
		run->inputs[run->done] = (struct digest){0};
	/* Whose shell may stay open is waited for by nobody. */
	bool may_share = may_look_up(build, run) && !build->options->debug;
	if (may_share && build_step_is_unheard_of(build, run, step)) {
		bool made = false;
		int rc = make_unheard_of(build, run, step, &made, err);
		if (rc < 0 || made)
			return rc;
	}
	int found = find_cached(build, run, step, &key, &has_key, &record, err);
	if (found < 0)
		return found;
	if (found) {
		use_cached(build, run, &record);
		return 0;
	}
	return has_key && may_share ? make_step_once(build, run, step, &key, err)
				    : make_step(build, run, step, has_key ? &key : NULL, err);
}

/* --layers=false: the one layer, of the last step that could have had one. */
static int end_single_layer(struct build *build, struct stage_run *run, struct error **err)
{
	struct build_record record;
	size_t last = SIZE_MAX;

	for (size_t i = 0; i < run->plan->step_count; i++)
		if (run->plan->steps[i].has_layer)
			last = i;
	if (last == SIZE_MAX)
		return 0;
	int rc = build_layer_begin(build, run, err);
	if (rc >= 0)
		rc = build_layer_end(build, run, &record, err);
	if (rc < 0)
		return rc;
	add_layer(run, &record);
	run->records[last] = record;
	return 0;
}

/* The layers that the steps stand on are there as trees. */
static int unpack_base(struct build *build, const struct stage_run *run, struct error **err)
{
	const struct plan_input *base = &run->plan->base;

	return base->kind == INPUT_IMAGE ? fetch_unpack(build->w, &build->images[base->index]->image, err) : 0;
}

int stage_run_finish(struct build *build, struct stage_run *run, struct error **err)
{
	bool was_done = stage_run_is_done(run);

	if (!run->is_ready)
		start(build, run);
	int64_t began_ms = clock_ms();
	int rc = run->done < run->plan->step_count ? unpack_base(build, run, err) : 0;
	run->base_ms += clock_ms() - began_ms;
	while (rc >= 0 && run->done < run->plan->step_count) {
		const struct plan_step *step = &run->plan->steps[run->done];
		if (!is_step_ready(build, step))
			break;
		rc = next_step(build, run, err);
		if (rc < 0)
			rc = place_error(build, step, err);
	}
	if (rc >= 0 && build->options->single_layer && !was_done)
		rc = end_single_layer(build, run, err);
	stage_run_clean_up(build, run);
	build_explain_end(run);
	return rc;
}
