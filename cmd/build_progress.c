/*
 * Progress of a build: in, events of the builder and bytes of its steps; out, standard error or the log file.
 */
#include "cmd/build_progress.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/env.h"
#include "base/fd.h"
#include "base/parse.h"
#include "cmd/build_view.h"

#define LINE_MAX_BYTES ((size_t)64 << 20)
#define CHUNK ((size_t)64 << 10)
#define REDRAW_MS 200
#define NEWLINE '\x1f' /* stands for one in the text of an event on its way */

static void print_line(const char *line, void *context)
{
	fprintf(stderr, "%s\n", line);
}

/* ---- events on their way ------------------------------------------------------------------------------------------
 */

/* "<mark>kind stage stages step steps ms size platform text": one write, so that nothing comes in between (pipe(7),
 * PIPE_BUF).
 */
static void send_event(const struct build_event *event, void *context)
{
	const struct build_progress_state *state = context;
	cleanup(buf_done) struct buf line = BUF_INIT(LINE_MAX_BYTES);

	buf_printf(&line, "%s%d %zu %zu %zu %zu %lld %llu %s ", state->mark, (int)event->kind, event->stage,
		   event->stages, event->step, event->steps, (long long)event->spent_ms,
		   (unsigned long long)event->size, event->platform ? event->platform : "-");
	for (const char *c = event->text; *c; c++)
		buf_append_char(&line, *c == '\n' ? NEWLINE : *c);
	buf_append_char(&line, '\n');
	fd_write_all(STDERR_FILENO, line.data, line.len, NULL);
}

static void send_transfer(const struct registry_transfer *transfer, void *context)
{
	char digest[DIGEST_TEXT_SIZE];
	cleanup_free char *text =
		mem_printf("%s %s", transfer->is_upload ? "push" : "pull", digest_format(transfer->digest, digest));
	const struct build_event event = {
		.kind = BUILD_TRANSFER, .step = (size_t)transfer->done, .steps = (size_t)transfer->size, .text = text};

	send_event(&event, context);
}

/* Takes a word and the blank behind it. */
static const char *take_word(char **text)
{
	const char *word = *text;
	char *end = *text + strcspn(*text, " ");

	if (*end)
		*end++ = '\0';
	*text = end;
	return word;
}

static size_t take_number(char **text)
{
	uint64_t value = 0;

	return parse_u64(take_word(text), SIZE_MAX, "event", &value, NULL) < 0 ? 0 : value;
}

static void receive_event(struct build_view *view, char *text)
{
	struct build_event event = {.kind = (enum build_event_kind)take_number(&text)};

	event.stage = take_number(&text);
	event.stages = take_number(&text);
	event.step = take_number(&text);
	event.steps = take_number(&text);
	event.spent_ms = (int64_t)take_number(&text);
	event.size = take_number(&text);
	const char *platform = take_word(&text);
	event.platform = strcmp(platform, "-") == 0 ? NULL : platform;
	event.text = text;
	for (char *c = text; *c; c++)
		if (*c == NEWLINE)
			*c = '\n';
	build_view_event(view, &event);
}

/* ---- the child behind standard error ------------------------------------------------------------------------------
 */

struct relay {
	int from;
	const char *mark;
	struct build_view *view;
	struct buf line; /* what has come of the next one */
};

static void end_line(struct relay *relay)
{
	cleanup_free char *text = buf_take(&relay->line);
	char *event = strstr(text, relay->mark);

	if (!event) {
		build_view_output(relay->view, text);
		return;
	}
	/* A step may leave its last line open. */
	if (event > text) {
		*event = '\0';
		build_view_output(relay->view, text);
	}
	receive_event(relay->view, event + strlen(relay->mark));
}

static void take_bytes(struct relay *relay, const char *bytes, size_t size)
{
	build_view_begin(relay->view);
	for (size_t i = 0; i < size; i++) {
		if (bytes[i] == '\n')
			end_line(relay);
		else
			buf_append_char(&relay->line, bytes[i] ? bytes[i] : ' ');
		/* A line without an end is given out in pieces rather than kept in memory. */
		if (relay->line.len + 1 >= relay->line.max)
			end_line(relay);
	}
	build_view_end(relay->view, buf_str(&relay->line));
}

/* Until nobody has the other end of the pipe any more. Signals from the terminal are for the build, whose last words
 * are still to be shown. */
static void run_relay(struct relay *relay)
{
	cleanup_free char *chunk = mem_alloc(CHUNK);

	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	for (;;) {
		struct pollfd poller = {.fd = relay->from, .events = POLLIN};
		ssize_t size = poll(&poller, 1, REDRAW_MS) > 0 ? read(relay->from, chunk, CHUNK) : 0;
		if (size == 0 && poller.revents)
			break;
		if (size >= 0)
			take_bytes(relay, chunk, (size_t)size);
		else if (errno != EINTR)
			break;
	}
	build_view_begin(relay->view);
	if (relay->line.len)
		end_line(relay);
	build_view_close(relay->view);
}

static int start_relay(struct build_progress_state *state, enum build_view_kind kind, int to, struct error **err)
{
	unsigned char random[(sizeof(state->mark) - 1) / 2];
	int ends[2];

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return error_set_errno(err, "find a random number");
	format_hex(random, sizeof(random), state->mark);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_set_errno(err, "make a pipe for --progress");
	cleanup_close int from = ends[0];
	cleanup_close int into = ends[1];
	fflush(stderr);
	pid_t child = fork();
	if (child < 0)
		return error_set_errno(err, "start a process for --progress");
	if (child == 0) {
		struct relay relay = {.from = from,
				      .mark = state->mark,
				      .view = build_view_new(kind, to),
				      .line = BUF_INIT(LINE_MAX_BYTES)};
		fd_close(into);
		run_relay(&relay);
		build_view_free(relay.view);
		buf_done(&relay.line);
		_exit(0);
	}
	state->relay = child;
	return dup2(into, STDERR_FILENO) < 0 ? error_set_errno(err, "replace standard error") : 0;
}

/* ---- which view ---------------------------------------------------------------------------------------------------
 */

static bool is_terminal(enum build_progress progress, const char *logfile)
{
	const char *term = env_plain("TERM");

	if (progress == BUILD_PROGRESS_TERMINAL)
		return true;
	return progress == BUILD_PROGRESS_AUTO && !logfile && isatty(STDERR_FILENO) && term &&
	       strcmp(term, "dumb") != 0;
}

int build_progress_begin(struct build_progress_state *state, enum build_progress progress, const char *logfile,
			 struct build_options *options, struct error **err)
{
	bool is_json = progress == BUILD_PROGRESS_JSON;
	bool has_view = is_json || is_terminal(progress, logfile);

	*state = (struct build_progress_state){.stderr_before = -1};
	options->event = has_view ? send_event : NULL;
	options->progress = has_view || progress == BUILD_PROGRESS_QUIET ? NULL : print_line;
	options->progress_context = state;
	options->registry.transfer = has_view ? send_transfer : NULL;
	options->registry.transfer_context = state;
	cleanup_close int file = -1;
	if (logfile && (file = open(logfile, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)) < 0)
		return error_set_errno(err, "--logfile '%s'", logfile);
	if (!logfile && !has_view)
		return 0;
	state->stderr_before = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	if (state->stderr_before < 0)
		return error_set_errno(err, "keep standard error");
	int to = logfile ? file : state->stderr_before;
	if (has_view)
		return start_relay(state, is_json ? BUILD_VIEW_JSON : BUILD_VIEW_TERMINAL, to, err);
	return dup2(to, STDERR_FILENO) < 0 ? error_set_errno(err, "replace standard error") : 0;
}

void build_progress_end(struct build_progress_state *state)
{
	fflush(stderr);
	if (state->stderr_before >= 0) {
		dup2(state->stderr_before, STDERR_FILENO);
		fd_close(state->stderr_before);
		state->stderr_before = -1;
	}
	while (state->relay > 0 && waitpid(state->relay, NULL, 0) < 0 && errno == EINTR)
		;
	state->relay = 0;
}
