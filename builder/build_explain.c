/*
 * Why a step was or was not taken from the cache: what it reads now beside what it read when its stage was built last
 * (explain.h). Noted in every build, told with --explain.
 */
#include "builder/build_internal.h"

#include <string.h>
#include <sys/stat.h>

#include "base/json.h"
#include "builder/explain.h"

#define CHANGES_TOLD ((size_t)10)
#define TOLD_MAX ((size_t)1 << 20)

/* ---- noting ---------------------------------------------------------------------------------------------------------
 */

/* The stage on this machine: the context's directory, or where that does not last the names of the image; the file;
 * the stage. */
static int place_of(const struct build *build, const struct stage_run *run, struct digest *place)
{
	const struct build_options *options = build->options;
	cleanup(build_key_done) struct build_key key = BUILD_KEY_INIT;
	cleanup_free char *platform = platform_format(&build->platform);
	struct stat st;

	build_key_text(&key, "explain", options->file->source.name);
	build_key_text(&key, "platform", platform);
	build_key_text(&key, "stage", run->plan->name);
	if (options->context && build_context_is_lasting(options->context) &&
	    fstat(build_context_fd(options->context), &st) == 0) {
		build_key_number(&key, "device", st.st_dev);
		build_key_number(&key, "inode", st.st_ino);
	} else if (options->names) {
		build_key_list(&key, "names", options->names);
	}
	return build_key_finish(&key, place, NULL);
}

void build_explain_begin(const struct build *build, struct stage_run *run)
{
	struct digest place;

	if (!run->explain && run->plan->step_count && place_of(build, run, &place) >= 0)
		run->explain = explain_open(workshop_store(build->w), &place, run->plan->step_count);
}

static struct explain_step step_of(const struct stage_run *run, const struct plan_step *step, const struct digest *key)
{
	return (struct explain_step){.number = (size_t)(step - run->plan->steps), .text = step->text, .key = key};
}

void build_explain_note(struct build *build, const struct stage_run *run, const struct plan_step *step,
			enum key_of_stages of, const struct digest *key)
{
	const struct explain_step noted = step_of(run, step, key);
	cleanup(key_parts_done) struct key_parts parts = KEY_PARTS_INIT;
	struct digest again;

	if (!run->explain)
		return;
	if (explain_knows(run->explain, &noted)) {
		explain_note(run->explain, &noted, /* parts */ NULL);
		return;
	}
	/* Once more, listening. What has changed meanwhile gives parts that do not fit the key, and a wrong reason. */
	if (build_step_key(build, run, step, of, &parts, &again, NULL) < 0)
		return;
	build_explain_note_parts(run, step, key, &parts);
}

void build_explain_note_parts(const struct stage_run *run, const struct plan_step *step, const struct digest *key,
			      struct key_parts *parts)
{
	const struct explain_step noted = step_of(run, step, key);

	key_parts_end(parts);
	if (run->explain)
		explain_note(run->explain, &noted, parts);
}

void build_explain_end(const struct stage_run *run)
{
	if (run->explain)
		explain_save(run->explain, stage_run_is_done(run));
}

/* ---- telling --------------------------------------------------------------------------------------------------------
 */

static void add_note(struct key_changes *changes, const char *text)
{
	key_changes_add(changes, KEY_NOTE, "", text);
}

static bool is_first_layer(const struct stage_run *run, const struct plan_step *step)
{
	for (const struct plan_step *other = run->plan->steps; other < step; other++)
		if (other->has_layer)
			return false;
	return true;
}

/* A change in words. */
static char *text_of(const struct stage_run *run, const struct plan_step *step, const struct key_change *change)
{
	if (change->kind == KEY_NOTE)
		return mem_strdup(change->change);
	if (change->kind == KEY_FILE)
		return mem_printf("'%s': %s", change->name, change->change);
	if (change->kind == KEY_VARIABLE)
		return mem_printf("the variable %s: %s", change->name, change->change);
	if (strcmp(change->name, KEY_LAYERS_BELOW) != 0)
		return mem_printf("%s: %s", change->name, change->change);
	return mem_strdup(!is_first_layer(run, step)		? "a step before it gave another layer"
			  : run->plan->base.kind == INPUT_STAGE ? "the stage that it is FROM came out different"
								: "the base image is another one");
}

/* Nothing has changed, and still there is no result. */
static const char *why_unknown(const struct build *build, const struct digest *key)
{
	struct build_record record;

	if (build_cache_peek(workshop_store(build->w), key, &record, NULL) < 0)
		return "nothing has changed, but there is no result: it failed the last time, or the cache was pruned";
	return record.created < build->options->cache_oldest ? "its result is older than --cache-ttl allows"
							     : "nothing has changed, but its layer is gone or broken";
}

static void add_text_change(const char *before, const struct plan_step *step, struct key_changes *changes)
{
	if (!before || strcmp(before, step->text) == 0)
		return;
	size_t length = strcspn(before, "\n");
	cleanup_free char *text =
		mem_printf("the instruction changed; it was: %.*s%s", (int)length, before, before[length] ? "…" : "");
	add_note(changes, text);
}

static void find_reasons(const struct build *build, const struct stage_run *run, const struct plan_step *step,
			 const struct digest *key, struct key_changes *changes)
{
	const struct explain_step noted = step_of(run, step, key);
	cleanup(key_changes_done) struct key_changes found = {0};
	const char *before = NULL;

	if (run->plan->no_cache || build->options->single_layer) {
		add_note(changes, run->plan->no_cache ? "the cache is not asked (--no-cache)"
						      : "without layers there is no cache (--layers=false)");
		return;
	}
	enum explain_verdict verdict =
		run->explain && key ? explain_compare(run->explain, &noted, &found, &before) : EXPLAIN_FIRST;
	if (verdict == EXPLAIN_FIRST)
		add_note(changes, "nothing is known of an earlier build of this stage here");
	else if (verdict == EXPLAIN_NEW)
		add_note(changes, "there was no such step in the last build");
	else if (verdict == EXPLAIN_SAME)
		add_note(changes, why_unknown(build, key));
	if (verdict == EXPLAIN_CHANGED)
		add_text_change(before, step, changes);
	for (size_t i = 0; i < found.count && i < CHANGES_TOLD; i++)
		key_changes_add(changes, found.items[i].kind, found.items[i].name, found.items[i].change);
	if (found.count > CHANGES_TOLD) {
		cleanup_free char *more = mem_printf("and %zu more", found.count - CHANGES_TOLD);
		add_note(changes, more);
	}
}

static void tell_lines(const struct build *build, const struct stage_run *run, const struct plan_step *step,
		       const struct key_changes *changes, bool cached)
{
	for (size_t i = 0; i < changes->count; i++) {
		cleanup_free char *text = text_of(run, step, &changes->items[i]);
		build_say(build, "    %s: %s", cached ? "cached" : "not cached", text);
	}
}

/* [{"change":"content changed","name":"src/a","text":"'src/a': content changed","what":"file"}] */
static void raise_changes(const struct build *build, const struct stage_run *run, const struct plan_step *step,
			  const struct key_changes *changes, bool cached)
{
	static const char *const kinds[] = {[KEY_VALUE] = "value",
					    [KEY_VARIABLE] = "variable",
					    [KEY_FILE] = "file",
					    [KEY_REST] = "files",
					    [KEY_NOTE] = "note"};
	cleanup(buf_done) struct buf text = BUF_INIT(TOLD_MAX);
	cleanup_json json_t *root = json_object();
	json_t *list = json_array();

	for (size_t i = 0; i < changes->count; i++) {
		const struct key_change *change = &changes->items[i];
		cleanup_free char *words = text_of(run, step, change);
		json_t *item = json_object();
		json_set_string(item, "what", kinds[change->kind]);
		if (change->kind != KEY_NOTE) {
			json_set_take(item, "name", json_from_bytes(change->name));
			json_set_take(item, "change", json_from_bytes(change->change));
		}
		json_set_take(item, "text", json_from_bytes(words));
		json_array_append_new(list, item);
	}
	json_set_take(root, "changes", list);
	json_set_bool(root, "cached", cached);
	json_format(root, &text);
	const struct build_event event = {
		.kind = BUILD_STEP_WHY,
		.stage = run->number + 1,
		.stages = build->plan->stage_count,
		.step = (size_t)(step - run->plan->steps) + 2,
		.steps = run->plan->step_count + 1,
		.platform = build->platform_name,
		.text = buf_str(&text),
	};
	build_raise(build, &event);
}

void build_explain_tell(const struct build *build, const struct stage_run *run, const struct plan_step *step,
			const struct digest *key, bool cached)
{
	cleanup(key_changes_done) struct key_changes changes = {0};

	if (!build->options->explain || build->options->quiet)
		return;
	if (cached)
		add_note(&changes, "nothing that it depends on has changed since it was made");
	else
		find_reasons(build, run, step, key, &changes);
	if (build->options->event)
		raise_changes(build, run, step, &changes, cached);
	else
		tell_lines(build, run, step, &changes, cached);
}
