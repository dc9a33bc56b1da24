/*
 * Views of a build. In: events and lines of output; out: bytes for a terminal or a program. Nothing of what steps print
 * is ever cut: on a terminal it scrolls by above the lines that are drawn anew.
 */
#include "cmd/build_view.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/parse.h"
#include "base/terminal.h"

#define FRAME_MAX ((size_t)256 << 20)
#define RUNNING_MAX ((size_t)20) /* lines drawn; more stages are not shown one by one */
#define TRANSFERS_MAX ((size_t)16)
#define WIDTH_DEFAULT ((size_t)80)

struct view_step {
	size_t stage, step;
	char *platform; /* NULL */
	char *label;
	int64_t started_ms;
	bool is_announced; /* its line was printed, because it said something */
};

/* A blob on its way. */
struct view_transfer {
	char *text; /* "pull sha256:…" */
	uint64_t done, size;
	uint64_t began; /* bytes that were there when we heard of it first */
	int64_t began_ms;
};

struct build_view {
	enum build_view_kind kind;
	int to;
	struct buf frame;
	size_t drawn; /* lines at the bottom that the next frame takes away */
	struct view_step *running;
	size_t running_count;
	struct view_transfer *transfers;
	size_t transfer_count;
};

struct build_view *build_view_new(enum build_view_kind kind, int to)
{
	struct build_view *view = mem_alloc(sizeof(*view));

	*view = (struct build_view){.kind = kind, .to = to, .frame = BUF_INIT(FRAME_MAX)};
	return view;
}

static void view_step_done(struct view_step *step)
{
	free(step->label);
	free(step->platform);
}

void build_view_free(struct build_view *view)
{
	if (!view)
		return;
	for (size_t i = 0; i < view->running_count; i++)
		view_step_done(&view->running[i]);
	free(view->running);
	for (size_t i = 0; i < view->transfer_count; i++)
		free(view->transfers[i].text);
	free(view->transfers);
	buf_done(&view->frame);
	free(view);
}

static void flush(struct build_view *view)
{
	/* Nobody is left to tell when it cannot be written. */
	fd_write_all(view->to, buf_str(&view->frame), view->frame.len, NULL);
	buf_clear(&view->frame);
}

/* ---- JSON ---------------------------------------------------------------------------------------------------------
 */

static void add_object(struct build_view *view, const char *kind, const char *text, json_t *object)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	cleanup_free char *time = format_time(now.tv_sec, now.tv_nsec);
	json_set_string(object, "event", kind);
	json_set_take(object, "text", json_from_bytes(text));
	json_set_string(object, "time", time);
	json_format(object, &view->frame);
	buf_append_char(&view->frame, '\n');
	json_decref(object);
}

static void add_place(json_t *object, const struct build_event *event)
{
	json_set_i64(object, "stage", (int64_t)event->stage);
	json_set_i64(object, "stages", (int64_t)event->stages);
	json_set_i64(object, "step", (int64_t)event->step);
	json_set_i64(object, "steps", (int64_t)event->steps);
}

static void add_event_object(struct build_view *view, const struct build_event *event)
{
	static const char *const names[] = {[BUILD_STEP_STARTED] = "started",
					    [BUILD_STEP_DONE] = "done",
					    [BUILD_STEP_CACHED] = "cached",
					    [BUILD_SAYS] = "says",
					    [BUILD_TRANSFER] = "transfer"};
	json_t *object = json_object();

	json_set_string_opt(object, "platform", event->platform);
	if (event->kind == BUILD_STEP_DONE || event->kind == BUILD_STEP_CACHED) {
		json_set_i64(object, "elapsed_ms", event->spent_ms);
		if (event->size)
			json_set_i64(object, "size", (int64_t)event->size);
	}
	if (event->kind == BUILD_TRANSFER) {
		json_set_i64(object, "done", (int64_t)event->step);
		json_set_i64(object, "size", (int64_t)event->steps);
	} else if (event->kind != BUILD_SAYS) {
		add_place(object, event);
	}
	add_object(view, names[event->kind], event->text, object);
}

/* The changes are an object of ours, whose parts become fields of the event. */
static void add_why(struct build_view *view, const struct build_event *event)
{
	json_t *object = NULL;

	if (json_parse(event->text, strlen(event->text), "changes", &object, NULL) < 0)
		return;
	add_place(object, event);
	json_set_string_opt(object, "platform", event->platform);
	add_object(view, "why", "", object);
}

/* Of ours; what cannot be read is left out. */
static void add_summary(struct build_view *view, const struct build_event *event)
{
	json_t *object = NULL;

	if (json_parse(event->text, strlen(event->text), "summary", &object, NULL) < 0)
		return;
	json_set_string_opt(object, "platform", event->platform);
	add_object(view, "summary", "", object);
}

/* ---- terminal -----------------------------------------------------------------------------------------------------
 */

static size_t width_of(const struct build_view *view)
{
	struct winsize size;

	return ioctl(view->to, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : WIDTH_DEFAULT;
}

/* "[linux/arm64] ", or nothing. */
static char *platform_label(const struct build_event *event)
{
	return event->platform ? mem_printf("[%s] ", event->platform) : mem_strdup("");
}

/* "[1/2] STEP 2/3: RUN make", the first line of the instruction. */
static char *make_label(const struct build_event *event)
{
	size_t length = strcspn(event->text, "\n");
	cleanup_free char *platform = platform_label(event);
	cleanup_free char *stage =
		event->stages > 1 ? mem_printf("[%zu/%zu] ", event->stage, event->stages) : mem_strdup("");
	char *label = mem_printf("%s%sSTEP %zu/%zu: %.*s%s", platform, stage, event->step, event->steps, (int)length,
				 event->text, event->text[length] ? "…" : "");

	terminal_disarm(label, strlen(label));
	return label;
}

static bool is_for(const struct view_step *step, const char *platform)
{
	return step->platform && platform ? strcmp(step->platform, platform) == 0 : step->platform == platform;
}

static struct view_step *find_running(struct build_view *view, const struct build_event *event)
{
	for (size_t i = 0; i < view->running_count; i++) {
		struct view_step *step = &view->running[i];
		if (step->stage == event->stage && step->step == event->step && is_for(step, event->platform))
			return step;
	}
	return NULL;
}

static void add_running(struct build_view *view, const struct build_event *event)
{
	view->running = mem_grow(view->running, view->running_count + 1, sizeof(*view->running));
	view->running[view->running_count++] = (struct view_step){.stage = event->stage,
								  .step = event->step,
								  .platform = mem_strdup(event->platform),
								  .label = make_label(event),
								  .started_ms = clock_ms()};
}

static void append_seconds(struct buf *into, int64_t ms)
{
	buf_printf(into, "%lld.%llds", (long long)(ms / 1000), (long long)(ms % 1000 / 100));
}

static void end_step(struct build_view *view, const struct build_event *event)
{
	struct view_step *step = find_running(view, event);
	bool cached = event->kind == BUILD_STEP_CACHED;

	if (!step)
		return;
	buf_printf(&view->frame, "%s  ", step->is_announced ? "-->" : step->label);
	if (cached)
		buf_append_str(&view->frame, "(cached)");
	else
		append_seconds(&view->frame, clock_ms() - step->started_ms);
	buf_append_char(&view->frame, '\n');
	view_step_done(step);
	*step = view->running[--view->running_count];
}

/* The step that speaks is named before it does; of several, each line says whose it is. */
static void announce_speaker(struct build_view *view)
{
	if (view->running_count != 1 || view->running[0].is_announced)
		return;
	buf_printf(&view->frame, "%s\n", view->running[0].label);
	view->running[0].is_announced = true;
}

/* Below the step's line, a line for each reason. */
static void draw_why(struct build_view *view, const struct build_event *event)
{
	cleanup_json json_t *object = NULL;
	cleanup_free char *platform = platform_label(event);

	if (json_parse(event->text, strlen(event->text), "changes", &object, NULL) < 0)
		return;
	struct json_place at = json_root("changes", object);
	struct json_place changes = json_field(&at, "changes");
	bool cached = false;
	ssize_t count = json_get_bool(json_field(&at, "cached"), &cached, NULL) < 0 ? 0 : json_get_count(changes, NULL);
	announce_speaker(view);
	for (ssize_t i = 0; i < count; i++) {
		struct json_place change = json_element(&changes, (size_t)i);
		cleanup_free char *words = NULL;
		if (json_get_string(json_field(&change, "text"), &words, NULL) < 0 || !words)
			continue;
		terminal_disarm(words, strlen(words));
		buf_printf(&view->frame, "%s    %s: %s\n", platform, cached ? "cached" : "not cached", words);
	}
}

/* What the builder says. */
static void draw_words(struct build_view *view, const struct build_event *event)
{
	cleanup_free char *platform = platform_label(event);

	buf_printf(&view->frame, "%s%s\n", platform, event->text);
}

/* As many whole characters as fit; counted as if each took one column. */
static size_t clipped(const char *text, size_t columns)
{
	size_t at = 0;

	for (; text[at]; at++) {
		bool begins = ((unsigned char)text[at] & 0xc0) != 0x80;
		if (begins && columns-- == 0)
			break;
	}
	return at;
}

static void draw_line(struct build_view *view, const char *text, int64_t ms, size_t width)
{
	cleanup(buf_done) struct buf seconds = BUF_INIT(64);

	if (ms >= 0)
		append_seconds(&seconds, ms);
	size_t room = width > seconds.len + 4 ? width - seconds.len - 4 : 0;
	buf_printf(&view->frame, "%.*s  %s\n", (int)clipped(text, room), text, buf_str(&seconds));
	view->drawn++;
}

/* What the step is just writing, behind the last carriage return, as a bar or a percentage would have it. */
static void draw_partial(struct build_view *view, const char *partial, size_t width)
{
	size_t size = strlen(partial);
	while (size && partial[size - 1] == '\r')
		size--;
	const char *bar = memrchr(partial, '\r', size);
	const char *start = bar ? bar + 1 : partial;
	cleanup_free char *text = mem_strndup(start, size - (size_t)(start - partial));

	terminal_disarm(text, strlen(text));
	for (char *c = text; *c; c++)
		if (*c == '\t' || *c == '\n')
			*c = ' ';
	if (*text)
		draw_line(view, text, /* ms */ -1, width);
}

/* "pull 3f2a9c1e0b44 [=======>      ] 12.3 MB / 45.6 MB  3.2 MB/s" */
static void draw_transfer(struct build_view *view, const struct view_transfer *transfer, size_t width)
{
	static const char bar[] = "========================";
	int64_t spent_ms = clock_ms() - transfer->began_ms;
	uint64_t moved = transfer->done > transfer->began ? transfer->done - transfer->began : 0;
	cleanup_free char *done = format_size(transfer->done);
	cleanup_free char *size = format_size(transfer->size);
	cleanup_free char *rate = format_size(spent_ms > 0 ? moved * 1000 / (uint64_t)spent_ms : 0);
	int full = (int)(sizeof(bar) - 1);
	int part = transfer->size ? (int)((double)transfer->done / (double)transfer->size * full) : full;
	const char *hex = strchr(transfer->text, ':');
	cleanup_free char *line = mem_printf("%.4s %.12s [%.*s%*s] %s / %s  %s/s", transfer->text, hex ? hex + 1 : "",
					     part, bar, full - part, "", done, size, rate);

	draw_line(view, line, /* ms */ -1, width);
}

static void draw(struct build_view *view, const char *partial)
{
	size_t width = width_of(view);
	size_t shown = view->running_count < RUNNING_MAX ? view->running_count : RUNNING_MAX;

	view->drawn = 0;
	if (partial && *partial)
		draw_partial(view, partial, width);
	for (size_t i = 0; i < shown; i++)
		draw_line(view, view->running[i].label, clock_ms() - view->running[i].started_ms, width);
	for (size_t i = 0; i < view->transfer_count && i < TRANSFERS_MAX; i++)
		draw_transfer(view, &view->transfers[i], width);
}

static void take_transfer(struct build_view *view, const struct build_event *event)
{
	size_t i = 0;

	while (i < view->transfer_count && strcmp(view->transfers[i].text, event->text) != 0)
		i++;
	if (i == view->transfer_count) {
		view->transfers = mem_grow(view->transfers, i + 1, sizeof(*view->transfers));
		view->transfers[view->transfer_count++] = (struct view_transfer){
			.text = mem_strdup(event->text), .began = event->step, .began_ms = clock_ms()};
	}
	struct view_transfer *transfer = &view->transfers[i];
	transfer->done = event->step < event->steps ? event->step : event->steps;
	transfer->size = event->steps;
	if (transfer->done < transfer->size)
		return;
	free(transfer->text);
	*transfer = view->transfers[--view->transfer_count];
}

/* ECMA-48: cursor up, erase to the end of the screen. */
static void erase(struct build_view *view)
{
	if (view->drawn)
		buf_printf(&view->frame, "\033[%zuA\033[J", view->drawn);
	view->drawn = 0;
}

/* ---- both ---------------------------------------------------------------------------------------------------------
 */

void build_view_begin(struct build_view *view)
{
	if (view->kind == BUILD_VIEW_TERMINAL)
		erase(view);
}

void build_view_output(struct build_view *view, const char *line)
{
	if (view->kind == BUILD_VIEW_JSON) {
		add_object(view, "output", line, json_object());
		return;
	}
	announce_speaker(view);
	buf_printf(&view->frame, "%s\n", line);
}

void build_view_event(struct build_view *view, const struct build_event *event)
{
	if (event->kind == BUILD_SUMMARY)
		add_summary(view, event);
	else if (event->kind == BUILD_STEP_WHY && view->kind == BUILD_VIEW_JSON)
		add_why(view, event);
	else if (event->kind == BUILD_STEP_WHY)
		draw_why(view, event);
	else if (view->kind == BUILD_VIEW_JSON)
		add_event_object(view, event);
	else if (event->kind == BUILD_TRANSFER)
		take_transfer(view, event);
	else if (event->kind == BUILD_STEP_STARTED)
		add_running(view, event);
	else if (event->kind == BUILD_SAYS)
		draw_words(view, event);
	else
		end_step(view, event);
}

void build_view_end(struct build_view *view, const char *partial)
{
	if (view->kind == BUILD_VIEW_TERMINAL)
		draw(view, partial);
	flush(view);
}

void build_view_close(struct build_view *view)
{
	if (view->kind != BUILD_VIEW_TERMINAL)
		return;
	erase(view);
	flush(view);
}
