/*
 * What a build says of itself: events for who wants them, else lines. The process of a stage has the parent's pipe as
 * its standard error and says whose words they are by a mark, so that they come behind what the step has printed.
 */
#include "builder/build_internal.h"

#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"

/* One write, unless nobody is there to hear it. */
static void begin(const struct build *build)
{
	if (build->mark[0])
		(void)fd_write_all(STDERR_FILENO, build->mark, strlen(build->mark), NULL);
}

void build_raise(const struct build *build, const struct build_event *event)
{
	begin(build);
	build->options->event(event, build->options->progress_context);
}

static void tell(const struct build *build, const char *line)
{
	const char *platform = build->platform_name;
	const struct build_event event = {.kind = BUILD_SAYS, .platform = platform, .text = line};

	if (build->options->event) {
		build_raise(build, &event);
		return;
	}
	cleanup_free char *whole = platform ? mem_printf("[%s] %s", platform, line) : mem_strdup(line);
	begin(build);
	build->options->progress(whole, build->options->progress_context);
}

void build_say(const struct build *build, const char *fmt, ...)
{
	va_list args;

	if (build->options->quiet || (!build->options->progress && !build->options->event))
		return;
	va_start(args, fmt);
	cleanup_free char *line = mem_vprintf(fmt, args);
	va_end(args);
	tell(build, line);
}

/* ---- what is said ---------------------------------------------------------------------------------------------------
 */

static void announce(const struct build *build, const struct stage_run *run, size_t number, const char *text)
{
	cleanup_free char *stage = build->plan->stage_count > 1
					   ? mem_printf("[%zu/%zu] ", run->number + 1, build->plan->stage_count)
					   : mem_strdup("");
	size_t length = strcspn(text, "\n");

	build_say(build, "%sSTEP %zu/%zu: %.*s%s", stage, number, run->plan->step_count + 1, (int)length, text,
		  text[length] ? "…" : "");
}

/* False when nobody wants events, and lines are to be written. */
static bool raise_event(const struct build *build, const struct stage_run *run, enum build_event_kind kind,
			size_t number, const char *text, const struct build_record *record)
{
	const struct build_options *options = build->options;
	bool has_ended = number > 1 && kind != BUILD_STEP_STARTED;
	const struct build_event event = {
		.spent_ms = has_ended ? run->spent_ms[run->done] : 0,
		.size = record ? record->size : 0,
		.kind = kind,
		.stage = run->number + 1,
		.stages = build->plan->stage_count,
		.step = number,
		.steps = run->plan->step_count + 1,
		.platform = build->platform_name,
		.text = text,
	};

	if (options->event && !options->quiet)
		build_raise(build, &event);
	return options->event != NULL;
}

void build_say_started(const struct build *build, const struct stage_run *run)
{
	const char *text = run->plan->steps[run->done].text;

	if (!raise_event(build, run, BUILD_STEP_STARTED, run->done + 2, text, /* record */ NULL))
		announce(build, run, run->done + 2, text);
}

void build_say_ended(const struct build *build, struct stage_run *run, const struct build_record *record, bool cached)
{
	char hex[DIGEST_HEX_SIZE];
	enum build_event_kind kind = cached ? BUILD_STEP_CACHED : BUILD_STEP_DONE;

	run->spent_ms[run->done] = clock_ms() - run->step_began_ms;
	if (!raise_event(build, run, kind, run->done + 2, run->plan->steps[run->done].text, record) && record)
		build_say(build, "--> %s%.12s", cached ? "Using cache " : "", digest_hex(&record->diff_id, hex));
}

void build_say_from(const struct build *build, const struct stage_run *run)
{
	const char *name = run->plan->written->name;
	cleanup_free char *from = mem_printf("FROM %s%s%s", run->plan->base_text, name ? " AS " : "", name ? name : "");

	if (!raise_event(build, run, BUILD_STEP_STARTED, 1, from, /* record */ NULL))
		announce(build, run, 1, from);
	raise_event(build, run, BUILD_STEP_DONE, 1, from, /* record */ NULL);
}
