/*
 * Progress of a build: in, lines of the builder and bytes of its steps; out, standard error or the log file.
 */
#include "cmd/build_progress.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/parse.h"

#define LINE_MAX_BYTES ((size_t)64 << 20)
#define CHUNK ((size_t)64 << 10)

/* ---- lines for people ---- */

static void print_line(const char *line, void *context)
{
	fprintf(stderr, "%s\n", line);
}

/* ---- events ---- */

/* The relay's side. */
struct relay {
	int from, to;
	const char *mark;
	struct buf line;
};

static void write_event(const struct relay *relay, const char *kind, const char *text)
{
	cleanup_json json_t *event = json_object();
	cleanup(buf_done) struct buf out = BUF_INIT(2 * LINE_MAX_BYTES);
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	cleanup_free char *time = format_time(now.tv_sec, now.tv_nsec);
	json_set_string(event, "event", kind);
	json_set_take(event, "text", json_from_bytes(text));
	json_set_string(event, "time", time);
	json_format(event, &out);
	buf_append_char(&out, '\n');
	/* Nobody is left to tell when it cannot be written. */
	fd_write_all(relay->to, out.data, out.len, NULL);
}

static void end_line(struct relay *relay)
{
	const char *text = buf_str(&relay->line);
	bool is_step = text_has_prefix(text, relay->mark);

	write_event(relay, is_step ? "step" : "output", is_step ? text + strlen(relay->mark) : text);
	buf_clear(&relay->line);
}

static void relay_bytes(struct relay *relay, const char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (bytes[i] == '\n')
			end_line(relay);
		else if (relay->line.len + 1 < relay->line.max)
			buf_append_char(&relay->line, bytes[i] ? bytes[i] : ' ');
	}
}

/* The child: until nobody has the other end of the pipe any more. Signals from the terminal are for the build, whose
 * last words are still to be relayed. */
static void run_relay(struct relay *relay)
{
	cleanup_free char *chunk = mem_alloc(CHUNK);
	ssize_t size;

	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	while ((size = read(relay->from, chunk, CHUNK)) > 0 || (size < 0 && errno == EINTR))
		if (size > 0)
			relay_bytes(relay, chunk, (size_t)size);
	if (relay->line.len)
		end_line(relay);
}

/* One write, so that nothing of a step comes in between (pipe(7), PIPE_BUF; longer lines are split by nobody else as
 * long as the pipe has room). */
static void send_line(const char *line, void *context)
{
	const struct build_progress_state *state = context;
	cleanup_free char *marked = mem_printf("%s%s\n", state->mark, line);

	fd_write_all(STDERR_FILENO, marked, strlen(marked), NULL);
}

static int start_relay(struct build_progress_state *state, int to, struct error **err)
{
	unsigned char random[(sizeof(state->mark) - 1) / 2];
	int ends[2];

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return error_set_errno(err, "find a random number");
	format_hex(random, sizeof(random), state->mark);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_set_errno(err, "make a pipe for --progress=json");
	cleanup_close int from = ends[0];
	cleanup_close int into = ends[1];
	fflush(stderr);
	pid_t child = fork();
	if (child < 0)
		return error_set_errno(err, "start a process for --progress=json");
	if (child == 0) {
		struct relay relay = {.from = from, .to = to, .mark = state->mark, .line = BUF_INIT(LINE_MAX_BYTES)};
		fd_close(into);
		run_relay(&relay);
		_exit(0);
	}
	state->relay = child;
	return dup2(into, STDERR_FILENO) < 0 ? error_set_errno(err, "replace standard error") : 0;
}

/* ---- both ---- */

int build_progress_begin(struct build_progress_state *state, enum build_progress progress, const char *logfile,
			 struct build_options *options, struct error **err)
{
	bool is_json = progress == BUILD_PROGRESS_JSON;

	*state = (struct build_progress_state){.stderr_before = -1};
	options->progress = is_json ? send_line : progress == BUILD_PROGRESS_QUIET ? NULL : print_line;
	options->progress_context = state;
	cleanup_close int file = -1;
	if (logfile && (file = open(logfile, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)) < 0)
		return error_set_errno(err, "--logfile '%s'", logfile);
	if (!logfile && !is_json)
		return 0;
	state->stderr_before = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	if (state->stderr_before < 0)
		return error_set_errno(err, "keep standard error");
	int to = logfile ? file : state->stderr_before;
	if (is_json)
		return start_relay(state, to, err);
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
