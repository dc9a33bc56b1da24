/*
 * The report behind a build. In: what the builder has measured; out: lines or JSON.
 */
#include "cmd/build_report.h"

#include <string.h>

#include "base/parse.h"
#include "base/terminal.h"
#include "run/ladder.h"

#define NOTABLE_MS 100 /* finding or unpacking a base that was faster is not worth a line */
#define TEXT_COLUMNS 100

/* ---- JSON ---------------------------------------------------------------------------------------------------------
 */

static json_t *step_json(const struct build_step_report *report)
{
	char digest[DIGEST_TEXT_SIZE];
	json_t *object = json_object();

	json_set_string(object, "stage", report->stage);
	json_set_i64(object, "step", (int64_t)report->number);
	json_set_i64(object, "steps", (int64_t)report->count);
	json_set_take(object, "text", json_from_bytes(report->text));
	json_set_bool(object, "cached", report->cached);
	json_set_i64(object, "elapsed_ms", report->spent_ms);
	if (!digest_is_null(&report->diff_id)) {
		json_set_string(object, "layer", digest_format(&report->diff_id, digest));
		json_set_i64(object, "size", (int64_t)report->size);
	}
	return object;
}

json_t *build_report_json(const struct build_result *result)
{
	json_t *root = json_object();
	json_t *list = json_array();

	for (size_t i = 0; i < result->report_count; i++)
		json_array_append_new(list, step_json(&result->reports[i]));
	json_set_i64(root, "elapsed_ms", result->spent_ms);
	json_set_i64(root, "images_ms", result->images_ms);
	json_set_i64(root, "steps", (int64_t)result->steps);
	json_set_i64(root, "cached", (int64_t)result->cached);
	json_set_take(root, "report", list);
	if (result->rung)
		json_set_string(root, "isolation", rung_name((enum rung)result->rung));
	return root;
}

/* ---- lines --------------------------------------------------------------------------------------------------------
 */

static void say(const struct build_options *options, enum build_event_kind kind, const char *platform, const char *text)
{
	const struct build_event event = {.kind = kind, .platform = platform, .text = text};

	if (options->event)
		options->event(&event, options->progress_context);
	else if (options->progress)
		options->progress(text, options->progress_context);
}

static char *seconds(int64_t ms)
{
	return mem_printf("%lld.%02llds", (long long)(ms / 1000), (long long)(ms % 1000 / 10));
}

static void say_row(const struct build_options *options, const char *time, const char *size, const char *text)
{
	cleanup_free char *line = mem_printf("%8s %10s  %s", time, size, text);

	say(options, BUILD_SAYS, /* platform */ NULL, line);
}

/* The first line of the instruction, on one line of a terminal or a log: the whole stands above. */
static char *step_text(const struct build_step_report *report)
{
	size_t length = strcspn(report->text, "\n");
	bool is_cut = report->text[length] || length > TEXT_COLUMNS;

	if (length > TEXT_COLUMNS)
		for (length = TEXT_COLUMNS; ((unsigned char)report->text[length] & 0xc0) == 0x80;)
			length--; /* no half of a character */
	char *text = mem_printf("%s%zu/%zu: %.*s%s", report->stage, report->number, report->count, (int)length,
				report->text, is_cut ? "…" : "");
	terminal_disarm(text, strlen(text));
	return text;
}

static void say_step(const struct build_options *options, const struct build_step_report *report)
{
	bool has_layer = !digest_is_null(&report->diff_id);
	cleanup_free char *time = report->cached ? mem_strdup("cached") : seconds(report->spent_ms);
	cleanup_free char *size = has_layer ? format_size(report->size) : mem_strdup("");
	cleanup_free char *text = step_text(report);

	if (report->number > 1 || report->spent_ms >= NOTABLE_MS)
		say_row(options, time, size, text);
}

static void say_table(const struct build_options *options, const struct build_result *result)
{
	cleanup_free char *whole = seconds(result->spent_ms);
	cleanup_free char *last =
		mem_printf("%zu of %zu steps from the cache; %s", result->cached, result->steps, whole);

	if (result->steps)
		say_row(options, "TIME", "SIZE", "STEP");
	if (result->steps && result->images_ms >= NOTABLE_MS) {
		cleanup_free char *time = seconds(result->images_ms);
		say_row(options, time, "", "base images");
	}
	for (size_t i = 0; i < result->report_count; i++)
		say_step(options, &result->reports[i]);
	say(options, BUILD_SAYS, /* platform */ NULL, last);
}

void build_report_say(const struct build_options *options, const char *platform, const struct build_result *result,
		      bool as_event)
{
	if (options->quiet)
		return;
	if (!as_event) {
		say_table(options, result);
		return;
	}
	cleanup_json json_t *root = build_report_json(result);
	cleanup(buf_done) struct buf text = BUF_INIT(BUF_MAX_DEFAULT);
	json_format(root, &text);
	if (!text.overflow)
		say(options, BUILD_SUMMARY, platform, buf_str(&text));
}
