/*
 * What was not in the cache, in a worker in the user namespace. Stages that do not wait for each other are processes of
 * their own, those of all platforms under one limit; when one fails the others are ended. What a stage has made comes
 * back as its records through a pipe.
 */
#include "builder/build_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/processors.h"

#define MESSAGE_MAX ((size_t)256 << 10)
/* Also where there are fewer processors: stages wait for networks and disks as much as they compute. */
#define JOBS_AT_LEAST ((size_t)4)
#define LINE_MAX_KEPT ((size_t)64 << 10) /* a longer line is passed on in pieces */

/* ---- records as bytes ---- */

/* What a stage says in the end; its records, marks and message follow. Both ends are this program. */
struct report {
	int code, error_code, status;
	size_t build; /* of several, which failed */
	size_t message_size;
};

static void append_stage(struct buf *bytes, const struct stage_run *run)
{
	buf_append(bytes, &run->done, sizeof(run->done));
	buf_append(bytes, &run->base_ms, sizeof(run->base_ms));
	buf_append(bytes, &run->rung, sizeof(run->rung));
	buf_append(bytes, run->records, run->done * sizeof(*run->records));
	buf_append(bytes, run->cached, run->done * sizeof(*run->cached));
	buf_append(bytes, run->spent_ms, run->done * sizeof(*run->spent_ms));
	/* Of what was read when the steps were made, which may be other than when they were looked up. */
	buf_append(bytes, run->inputs, run->done * sizeof(*run->inputs));
}

/* Takes one stage's part of the bytes; how much that was, or 0 when they are no such thing. */
static size_t take_stage(struct build *build, struct stage_run *run, const char *bytes, size_t size)
{
	size_t done = 0;

	if (size < sizeof(done))
		return 0;
	memcpy(&done, bytes, sizeof(done));
	if (done > run->plan->step_count)
		return 0;
	size_t records_size = done * sizeof(*run->records), marks_size = done * sizeof(*run->cached),
	       times_size = done * sizeof(*run->spent_ms), inputs_size = done * sizeof(*run->inputs);
	size_t head = sizeof(done) + sizeof(run->base_ms) + sizeof(run->rung);
	size_t whole = head + records_size + marks_size + times_size + inputs_size;
	if (size < whole)
		return 0;
	memcpy(&run->base_ms, bytes + sizeof(done), sizeof(run->base_ms));
	memcpy(&run->rung, bytes + sizeof(done) + sizeof(run->base_ms), sizeof(run->rung));
	const char *at = bytes + head;
	cleanup_free struct build_record *records = mem_dup(at, records_size);
	cleanup_free bool *cached = mem_dup(at + records_size, marks_size);
	cleanup_free int64_t *times = mem_dup(at + records_size + marks_size, times_size);
	stage_run_begin(build, run);
	memcpy(run->inputs, at + records_size + marks_size + times_size, inputs_size);
	stage_run_take(run, records, cached, times, done);
	return whole;
}

/* ---- a stage as a process -------------------------------------------------------------------------------------------
 */

struct job {
	struct build *build;
	struct stage_run *run;
	pid_t pid;
	int result; /* what it says in the end */
	int output; /* what it and its RUNs say meanwhile */
	struct buf said;
	struct buf line;  /* the beginning of one */
	const char *mark; /* before its own words */
};

static void job_close(struct job *job)
{
	fd_close(take_fd(&job->result));
	fd_close(take_fd(&job->output));
	buf_done(&job->said);
	buf_done(&job->line);
}

__attribute__((noreturn)) static void child(struct build *build, struct stage_run *run, int result)
{
	cleanup_error struct error *error = NULL;
	struct report report = {0};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	report.code = build_name_platform(build, stage_run_finish(build, run, &error), &error);
	const char *message = error ? error_message(error) : "";
	report.error_code = error_code(error);
	report.status = build->status;
	report.message_size = strnlen(message, MESSAGE_MAX);
	cleanup(buf_done) struct buf bytes = BUF_INIT(BUF_MAX_DEFAULT);
	buf_append(&bytes, &report, sizeof(report));
	buf_append(&bytes, message, report.message_size);
	append_stage(&bytes, run);
	build_directories_save(build);
	(void)fd_write_all(result, bytes.data, bytes.len, NULL);
	/* Takes away what this process has in tmp/. */
	workshop_close(build->w);
	_exit(0);
}

static int start_job(struct build *build, struct stage_run *run, const char *mark, struct job *job, struct error **err)
{
	int result[2], output[2];

	if (pipe2(result, O_CLOEXEC) < 0)
		return error_set_errno(err, "make a pipe");
	if (pipe2(output, O_CLOEXEC) < 0) {
		int rc = error_set_errno(err, "make a pipe");
		fd_close(result[0]);
		fd_close(result[1]);
		return rc;
	}
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		build->output = output[1];
		memcpy(build->mark, mark, sizeof(build->mark));
		/* Everything that is said here goes the same way, so that it comes in its order. */
		if (dup2(output[1], STDERR_FILENO) < 0)
			_exit(1);
		child(build, run, result[1]);
	}
	fd_close(result[1]);
	fd_close(output[1]);
	*job = (struct job){.build = build,
			    .run = run,
			    .pid = pid,
			    .result = result[0],
			    .output = output[0],
			    .said = BUF_INIT(BUF_MAX_DEFAULT),
			    .line = BUF_INIT(BUF_MAX_DEFAULT),
			    .mark = mark};
	if (pid < 0) {
		job_close(job);
		return error_set_errno(err, "start a process for a stage");
	}
	return 0;
}

/* ---- what it says ---------------------------------------------------------------------------------------------------
 */

/* Of a step: with the platform and the stage's name before it, where there are several. */
static void print_line(struct job *job, const char *text, size_t size)
{
	const char *platform = job->build->platform_name ? job->build->platform_name : "";
	const char *name = job->run->plan->name;

	fprintf(stderr, "%s%s%s%s%s%s%.*s\n", *platform ? "[" : "", platform, *platform ? "] " : "", *name ? "[" : "",
		name, *name ? "] " : "", (int)size, text);
}

/* Our own words begin behind the mark, also where a step has left its last line open. */
static const char *find_own(const struct job *job)
{
	return memmem(job->line.data, job->line.len, job->mark, strlen(job->mark));
}

static void end_line(struct job *job)
{
	const char *text = buf_str(&job->line), *own = find_own(job);
	size_t size = own ? (size_t)(own - text) : job->line.len;

	if (size || !own)
		print_line(job, text, size);
	if (own) {
		size_t before = size + strlen(job->mark);
		fprintf(stderr, "%.*s\n", (int)(job->line.len - before), text + before);
	}
	buf_clear(&job->line);
}

static void take_output(struct job *job)
{
	char block[8192];
	ssize_t size = read(job->output, block, sizeof(block));

	if (size <= 0) {
		if (job->line.len)
			end_line(job);
		fd_close(take_fd(&job->output));
		return;
	}
	for (const char *text = block; text < block + size;) {
		const char *end = memchr(text, '\n', (size_t)(block + size - text));
		size_t length = (size_t)((end ? end : block + size) - text);
		buf_append(&job->line, text, length);
		if (end || (job->line.len > LINE_MAX_KEPT && !find_own(job)))
			end_line(job);
		text += length + (end != NULL);
	}
}

static void take_result(struct job *job)
{
	char block[8192];
	ssize_t size = read(job->result, block, sizeof(block));

	if (size > 0)
		buf_append(&job->said, block, (size_t)size);
	else
		fd_close(take_fd(&job->result));
}

/* Its process has ended: what has become of the stage. */
static int end_job(struct job *job, struct error **err)
{
	struct build *build = job->build;
	struct report report;
	const char *bytes = buf_str(&job->said);
	size_t size = job->said.len;

	while (waitpid(job->pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	job->pid = 0;
	if (size < sizeof(report))
		return error_set(err, EIO, "the process of stage '%s' died", job->run->plan->name);
	memcpy(&report, bytes, sizeof(report));
	bytes += sizeof(report);
	size -= sizeof(report);
	if (report.code < 0) {
		cleanup_free char *message = mem_strndup(bytes, report.message_size);
		build->status = report.status;
		error_set(err, report.error_code ? report.error_code : -report.code, "%s", message);
		return report.code;
	}
	if (report.message_size > size ||
	    take_stage(build, job->run, bytes + report.message_size, size - report.message_size) == 0)
		return error_set(err, EIO, "the process of stage '%s' died", job->run->plan->name);
	return 0;
}

/* ---- all of them ----------------------------------------------------------------------------------------------------
 */

struct jobs {
	const struct builds *builds;
	struct job *items;
	size_t count, limit;
	char mark[BUILD_MARK_SIZE];
};

static void end_all(struct jobs *jobs)
{
	for (size_t i = 0; i < jobs->count; i++) {
		struct job *job = &jobs->items[i];
		if (job->pid > 0) {
			kill(job->pid, SIGKILL);
			while (waitpid(job->pid, NULL, 0) < 0 && errno == EINTR)
				continue;
		}
		job_close(job);
	}
	free(jobs->items);
}
CLEANUP_FOR_VALUE(struct jobs, end_all)

static bool is_running(const struct jobs *jobs, const struct stage_run *run)
{
	for (size_t i = 0; i < jobs->count; i++)
		if (jobs->items[i].run == run)
			return true;
	return false;
}

/* Of one build. */
static int start_stages(struct jobs *jobs, struct build *build, struct error **err)
{
	cleanup_free bool *needed = mem_alloc(build->plan->stage_count * sizeof(*needed));

	build_stages_needed(build, needed);
	for (size_t i = 0; i < build->plan->stage_count && jobs->count < jobs->limit; i++) {
		struct stage_run *run = &build->stages[i];
		if (!needed[i] || is_running(jobs, run) || !stage_run_can_go_on(build, run))
			continue;
		jobs->items = mem_grow(jobs->items, jobs->count + 1, sizeof(*jobs->items));
		int rc = start_job(build, run, jobs->mark, &jobs->items[jobs->count], err);
		if (rc < 0)
			return rc;
		jobs->count++;
	}
	return 0;
}

static int start_ready(struct jobs *jobs, struct error **err)
{
	int rc = 0;

	for (size_t i = 0; rc >= 0 && i < jobs->builds->count; i++)
		rc = start_stages(jobs, &jobs->builds->items[i], err);
	return rc;
}

static int wait_for_some(struct jobs *jobs, struct error **err)
{
	cleanup_free struct pollfd *polled = mem_grow(NULL, 2 * jobs->count + 1, sizeof(*polled));

	for (size_t i = 0; i < jobs->count; i++) {
		polled[2 * i] = (struct pollfd){.fd = jobs->items[i].result, .events = POLLIN};
		polled[2 * i + 1] = (struct pollfd){.fd = jobs->items[i].output, .events = POLLIN};
	}
	if (poll(polled, 2 * jobs->count, -1) < 0)
		return errno == EINTR ? 0 : error_set_errno(err, "wait for stages");
	for (size_t i = 0; i < jobs->count; i++) {
		if (polled[2 * i + 1].revents)
			take_output(&jobs->items[i]);
		if (polled[2 * i].revents)
			take_result(&jobs->items[i]);
	}
	for (size_t i = jobs->count; i-- > 0;) {
		struct job *job = &jobs->items[i];
		if (job->result >= 0 || job->output >= 0)
			continue;
		int rc = end_job(job, err);
		if (rc < 0)
			return rc;
		job_close(job);
		jobs->items[i] = jobs->items[--jobs->count];
	}
	return 0;
}

static int run_at_once(const struct builds *builds, size_t limit, struct error **err)
{
	cleanup(end_all) struct jobs jobs = {.builds = builds, .limit = limit};
	unsigned char random[(sizeof(jobs.mark) - 1) / 2];

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return error_set_errno(err, "find a random number");
	format_hex(random, sizeof(random), jobs.mark);
	while (!builds_are_done(builds)) {
		int rc = start_ready(&jobs, err);
		if (rc >= 0 && jobs.count == 0)
			rc = error_set(err, EDEADLK, "stages wait for each other");
		if (rc >= 0)
			rc = wait_for_some(&jobs, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* In the order of the plan each stage stands behind what it needs. */
static int finish_stages(struct build *build, struct error **err)
{
	cleanup_free bool *needed = mem_alloc(build->plan->stage_count * sizeof(*needed));
	int rc = 0;

	build_stages_needed(build, needed);
	for (size_t i = 0; rc >= 0 && i < build->plan->stage_count; i++)
		rc = needed[i] ? stage_run_finish(build, &build->stages[i], err) : 0;
	return build_name_platform(build, rc, err);
}

static int run_in_order(const struct builds *builds, struct error **err)
{
	int rc = 0;

	for (size_t i = 0; rc >= 0 && i < builds->count; i++)
		rc = finish_stages(&builds->items[i], err);
	return rc;
}

static size_t job_limit(const struct builds *builds)
{
	int jobs = builds->items[0].options->jobs;
	size_t open = 0;

	for (size_t i = 0; i < builds->count; i++)
		for (size_t k = 0; k < builds->items[i].plan->stage_count; k++)
			open += !stage_run_is_done(&builds->items[i].stages[k]);
	size_t processors = process_processors(); /* that we may use: fewer in a cpuset */
	size_t limit = jobs > 0 ? (size_t)jobs : processors > JOBS_AT_LEAST ? processors : JOBS_AT_LEAST;
	return limit < open ? limit : open;
}

static bool has_run_ahead(const struct build *build)
{
	for (size_t i = 0; i < build->plan->stage_count; i++)
		for (size_t k = build->stages[i].done; k < build->plan->stages[i]->step_count; k++)
			if (build->plan->stages[i]->steps[k].kind == INSTRUCTION_RUN)
				return true;
	return false;
}

/* Lines of text: what a step prints goes through us, or its last line, which may have no end, would run into ours. */
static bool wants_lines(const struct builds *builds)
{
	const struct build_options *options = builds->items[0].options;
	bool runs = false;

	for (size_t i = 0; !runs && i < builds->count; i++)
		runs = has_run_ahead(&builds->items[i]);
	return runs && options->progress && !options->quiet && !options->debug;
}

/* How it went. Of what failed at the same time the first is told. */
static struct report report_of(const struct builds *builds, int code, const struct error *error)
{
	struct report report = {.code = code, .error_code = error_code(error)};

	if (error)
		report.message_size = strnlen(error_message(error), MESSAGE_MAX);
	for (size_t i = builds->count; i-- > 0;) {
		if (builds->items[i].status) {
			report.build = i;
			report.status = builds->items[i].status;
		}
	}
	return report;
}

/* Inside. Also when it fails the status comes back: the result travels with the code 0, and says how it went. */
static int work(struct workshop *w, void *context, struct buf *result, struct error **err)
{
	const struct builds *builds = context;
	size_t limit = job_limit(builds);
	cleanup_error struct error *error = NULL;

	for (size_t i = 0; i < builds->count; i++)
		build_cache_mounts_forget(&builds->items[i]);
	int rc = limit > 1 || wants_lines(builds) ? run_at_once(builds, limit, &error) : run_in_order(builds, &error);
	/* What copies have learned about files. */
	for (size_t i = 0; i < builds->count; i++)
		build_directories_save(&builds->items[i]);
	if (rc < 0)
		build_layer_sweep(w, NULL); /* those of processes that were ended */
	const struct report report = report_of(builds, rc, error);
	buf_append(result, &report, sizeof(report));
	buf_append(result, error_message(error), report.message_size);
	for (size_t i = 0; i < builds->count; i++)
		for (size_t k = 0; k < builds->items[i].plan->stage_count; k++)
			append_stage(result, &builds->items[i].stages[k]);
	return 0;
}

/* The worker's own words about how it failed. */
static int take_error(const struct report *report, const char *message, struct error **err)
{
	cleanup_free char *text = mem_strndup(message, report->message_size);

	error_set(err, report->error_code ? report->error_code : -report->code, "%s", text);
	return report->code;
}

static int take_stages(const struct builds *builds, const char *bytes, size_t size, struct error **err)
{
	for (size_t i = 0; i < builds->count; i++) {
		struct build *build = &builds->items[i];
		for (size_t k = 0; k < build->plan->stage_count; k++) {
			size_t taken = take_stage(build, &build->stages[k], bytes, size);
			if (taken == 0)
				return error_set(err, EIO, "the build's worker was not understood");
			bytes += taken;
			size -= taken;
		}
	}
	return 0;
}

int build_jobs_run(const struct builds *builds, struct error **err)
{
	cleanup(buf_done) struct buf result = BUF_INIT(BUF_MAX_DEFAULT);
	struct workshop *w = builds->items[0].w;
	struct report report;
	/* Who is inside already works on the same memory and has nothing to be told but how it went. */
	int rc = workshop_idmap(w, /* map */ NULL, err);
	if (rc < 0)
		return rc;
	bool is_own = !workshop_is_inside(w);
	rc = workshop_call(w, work, (void *)builds, &result, err);

	if (rc < 0)
		return rc;
	if (result.len < sizeof(report))
		return error_set(err, EIO, "the build's worker said nothing");
	memcpy(&report, result.data, sizeof(report));
	const char *message = result.data + sizeof(report);
	if (report.code < 0) {
		builds->items[report.build].status = report.status;
		return take_error(&report, message, err);
	}
	const char *stages = message + report.message_size;
	return is_own ? take_stages(builds, stages, result.len - (size_t)(stages - result.data), err) : 0;
}
