/*
 * What a finished build tells: where the time went, how much came from the cache, the records that a cache for others
 * is made of, and what provenance wants to know.
 */
#include "builder/build.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "builder/build_internal.h"

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

/* ---- steps ---- */

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
		if (build->stages[i].rung > result->rung)
			result->rung = build->stages[i].rung;
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
void build_add_records_of_image(const struct build *build, struct cache_records *records)
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
	if (!build->options->has_cache_to) /* nobody wants them, and of hundreds each is compared with all */
		return;
	build_add_records_of_image(build, &result->records[CACHE_MIN]);
	for (size_t i = 0; i < build->plan->stage_count; i++)
		add_records(build, i, &result->records[CACHE_MAX]);
}

void build_result_gather(struct build *build, struct build_result *result)
{
	count_steps(build, result);
	gather_reports(build, result);
	find_definitions(build);
	gather_records(build, result);
	materials_gather(build, &result->materials);
	gather_args(build, &result->build_args);
}
