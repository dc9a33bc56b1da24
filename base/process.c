/*
 * Starting other programs. posix_spawn(3) is glibc's vfork: no copy of our page tables, and the errno of a failed exec
 * comes back as its result. The child's descriptors are described as file actions.
 */
#include "base/process.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/env.h"
#include "base/fd.h"
#include "base/strlist.h"

/* Descriptors of a child are few and low; a larger number is our mistake. */
#define CHILD_FD_MAX 1023
#define PATH_DEFAULT "/usr/local/bin:/usr/bin:/bin"
#define READ_CHUNK ((size_t)16 << 10)
#define DRAIN_CHUNKS 64
/* How often a child is looked at where pidfd_open(2) is filtered. */
#define LOOK_MS 20

/* ---- Starting ---- */

struct plan {
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int *copies; /* of each `from`, above all targets */
	size_t copy_count;
};

static void plan_done(struct plan *plan)
{
	posix_spawn_file_actions_destroy(&plan->actions);
	posix_spawnattr_destroy(&plan->attributes);
	for (size_t i = 0; i < plan->copy_count; i++)
		fd_close(plan->copies[i]);
	free(plan->copies);
}
CLEANUP_FOR_VALUE(struct plan, plan_done)

/* posix_spawn's functions return the code; without memory they have only ENOMEM. */
static void must(int rc)
{
	assert(rc == 0);
}

static bool names_target(const struct process_spec *spec, int to)
{
	for (size_t i = 0; i < spec->fd_count; i++) {
		if (spec->fds[i].to == to)
			return true;
	}
	return false;
}

static int highest_target(const struct process_spec *spec)
{
	int highest = STDERR_FILENO;

	for (size_t i = 0; i < spec->fd_count; i++) {
		assert(spec->fds[i].to >= 0 && spec->fds[i].to <= CHILD_FD_MAX);
		if (spec->fds[i].to > highest)
			highest = spec->fds[i].to;
	}
	return highest;
}

/* The sources are first copied above every target, here in the parent: then no dup2 in the child can overwrite a source
 * that another one still needs (1→2, 2→1), and from == to loses its close-on-exec flag like the others. */
static int plan_fds(struct plan *plan, const struct process_spec *spec, struct error **err)
{
	int highest = highest_target(spec);

	plan->copies = mem_alloc(spec->fd_count * sizeof(*plan->copies));
	for (size_t i = 0; i < spec->fd_count; i++) {
		int copy = fcntl(spec->fds[i].from, F_DUPFD_CLOEXEC, highest + 1);
		if (copy < 0)
			return error_set_errno(err, "start '%s': copy descriptor %d", spec->program, spec->fds[i].from);
		plan->copies[plan->copy_count++] = copy;
	}
	for (int fd = 0; fd <= highest; fd++) {
		if (names_target(spec, fd))
			continue;
		if (fd <= STDERR_FILENO)
			must(posix_spawn_file_actions_addopen(&plan->actions, fd, "/dev/null",
							      fd == STDIN_FILENO ? O_RDONLY : O_WRONLY, 0));
		else
			must(posix_spawn_file_actions_addclose(&plan->actions, fd));
	}
	for (size_t i = 0; i < spec->fd_count; i++)
		must(posix_spawn_file_actions_adddup2(&plan->actions, plan->copies[i], spec->fds[i].to));
	/* Also what we inherited without close-on-exec from whoever started us. */
	must(posix_spawn_file_actions_addclosefrom_np(&plan->actions, highest + 1));
	return 0;
}

enum grouping { GROUP_OURS, GROUP_OWN };

/* The child starts as if from a shell: nothing blocked, nothing ignored, whatever we do with signals. */
static void plan_attributes(struct plan *plan, enum grouping grouping)
{
	short flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;
	sigset_t all;
	sigset_t none;

	sigfillset(&all);
	sigemptyset(&none);
	must(posix_spawnattr_setsigdefault(&plan->attributes, &all));
	must(posix_spawnattr_setsigmask(&plan->attributes, &none));
	if (grouping == GROUP_OWN) {
		must(posix_spawnattr_setpgroup(&plan->attributes, 0));
		flags |= POSIX_SPAWN_SETPGROUP;
	}
	must(posix_spawnattr_setflags(&plan->attributes, flags));
}

/* What to execute. Only process_find() searches PATH, so that what it found is what is started. */
static char *path_of(const char *program)
{
	return strchr(program, '/') ? mem_strdup(program) : process_find(program);
}

static int start(const struct process_spec *spec, enum grouping grouping, pid_t *pid, struct error **err)
{
	cleanup_free char *path = path_of(spec->program);
	if (!path)
		return error_set(err, ENOENT, "start '%s': no such program", spec->program);
	cleanup(plan_done) struct plan plan = {0};
	pid_t child;

	must(posix_spawn_file_actions_init(&plan.actions));
	must(posix_spawnattr_init(&plan.attributes));
	plan_attributes(&plan, grouping);
	int rc = plan_fds(&plan, spec, err);
	if (rc < 0)
		return rc;
	int code = posix_spawn(&child, path, &plan.actions, &plan.attributes, spec->argv,
			       spec->envp ? spec->envp : environ);
	if (code != 0)
		return error_set(err, code, "start '%s': %s", spec->program, strerror(code));
	*pid = child;
	return 0;
}

int process_start(const struct process_spec *spec, pid_t *pid, struct error **err)
{
	return start(spec, GROUP_OURS, pid, err);
}

int process_wait(pid_t pid, int *status, struct error **err)
{
	int raw = 0;
	pid_t got;

	do {
		got = waitpid(pid, &raw, 0);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return error_set_errno(err, "wait for process %d", (int)pid);
	*status = WIFSIGNALED(raw) ? 128 + WTERMSIG(raw) : WEXITSTATUS(raw);
	return 0;
}

/* ---- Running to the end ---- */

/* One output of the child that is collected. */
struct tap {
	int fd;		  /* our end; -1 at the end of it, or when nobody wants it */
	int child_fd;	  /* the child's end, until it is started */
	struct buf *into; /* borrowed; NULL for none */
};

struct run {
	pid_t pid; /* 0 before the start and after the wait */
	enum grouping grouping;
	int pidfd; /* readable once it has ended; -1 where the kernel has none */
	int input;
	struct tap taps[2]; /* stdout, stderr */
	struct process_fd *fds;
	size_t fd_count;
};

static void close_now(int *fd)
{
	fd_close(*fd);
	*fd = -1;
}

/* With its group, when it has one: its pid stays taken until it is waited for, and so does the group's number. */
static void kill_child(const struct run *run)
{
	kill(run->grouping == GROUP_OWN ? -run->pid : run->pid, SIGKILL);
}

/* A child that is still there is not left behind: not running, and not as a zombie. */
static void run_done(struct run *run)
{
	int status;

	if (run->pid > 0) {
		kill_child(run);
		process_wait(run->pid, &status, /* err */ NULL);
	}
	fd_close(run->pidfd);
	fd_close(run->input);
	for (size_t i = 0; i < ARRAY_COUNT(run->taps); i++) {
		fd_close(run->taps[i].fd);
		fd_close(run->taps[i].child_fd);
	}
	free(run->fds);
}
CLEANUP_FOR_VALUE(struct run, run_done)

static void add_fd(struct run *run, int from, int to)
{
	run->fds = mem_grow(run->fds, run->fd_count + 1, sizeof(*run->fds));
	run->fds[run->fd_count++] = (struct process_fd){.from = from, .to = to};
}

static int open_tap(struct run *run, int target, struct buf *into, struct error **err)
{
	struct tap *tap = &run->taps[target - STDOUT_FILENO];
	int ends[2];

	if (!into)
		return 0;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_set_errno(err, "make a pipe");
	*tap = (struct tap){.fd = ends[0], .child_fd = ends[1], .into = into};
	/* Only our end: the child's would be non-blocking for the child as well. */
	if (fcntl(tap->fd, F_SETFL, O_NONBLOCK) < 0)
		return error_set_errno(err, "make a pipe");
	add_fd(run, tap->child_fd, target);
	return 0;
}

/* The input is a memory file, not a pipe: nothing to feed, no SIGPIPE when the child does not read it. */
static int run_start(struct run *run, const struct process_spec *spec, const void *input, size_t input_size,
		     struct error **err)
{
	for (size_t i = 0; i < spec->fd_count; i++)
		add_fd(run, spec->fds[i].from, spec->fds[i].to);
	if (input) {
		run->input = fd_from_memory("input", input, input_size, err);
		if (run->input < 0)
			return run->input;
		add_fd(run, run->input, STDIN_FILENO);
	}
	struct process_spec child = *spec;
	child.fds = run->fds;
	child.fd_count = run->fd_count;
	int rc = start(&child, run->grouping, &run->pid, err);
	for (size_t i = 0; i < ARRAY_COUNT(run->taps); i++)
		close_now(&run->taps[i].child_fd);
	if (rc == 0)
		run->pidfd = (int)syscall(SYS_pidfd_open, run->pid, 0);
	return rc;
}

/* Takes what is there now; past the buffer's limit it is read and dropped, so that the child does not stand still.
 * Bounded by what the largest pipe holds: a child that never stops writing must not keep us from the clock. */
static void read_available(struct tap *tap, char *chunk)
{
	for (int i = 0; i < DRAIN_CHUNKS && tap->fd >= 0; i++) {
		ssize_t got = read(tap->fd, chunk, READ_CHUNK);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno == EAGAIN)
			return;
		if (got <= 0)
			close_now(&tap->fd);
		else
			buf_append(tap->into, chunk, (size_t)got);
	}
}

static void drain(struct tap *tap)
{
	char chunk[READ_CHUNK];

	read_available(tap, chunk);
	if (tap->into && tap->into->secret)
		mem_wipe(chunk, sizeof(chunk));
}

static bool has_ended(pid_t pid)
{
	siginfo_t info = {0};

	/* WNOWAIT: it stays waitable, so that its number cannot be given to another. */
	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == pid;
}

/* How long to sleep: -1 for ever, 0 when the time is over. */
static int sleep_ms(const struct run *run, int64_t deadline)
{
	int64_t left = deadline < 0 ? INT_MAX : deadline - clock_ms();

	if (left < 0)
		left = 0;
	if (run->pidfd < 0 && left > LOOK_MS)
		return LOOK_MS;
	return deadline < 0 && run->pidfd >= 0 ? -1 : (int)left;
}

/* Collects until the child has ended: its own end counts, not that of the pipes, which a daemon it leaves behind may
 * hold. False when the time was over first. */
static bool collect(struct run *run, int64_t deadline)
{
	for (;;) {
		bool ended = has_ended(run->pid);
		/* Looked at before draining: what it wrote before its end is in the pipes by then. */
		for (size_t i = 0; i < ARRAY_COUNT(run->taps); i++)
			drain(&run->taps[i]);
		if (ended)
			return true;
		if (deadline >= 0 && clock_ms() >= deadline)
			return false;
		struct pollfd polls[] = {
			{.fd = run->pidfd, .events = POLLIN},
			{.fd = run->taps[0].fd, .events = POLLIN},
			{.fd = run->taps[1].fd, .events = POLLIN},
		};
		poll(polls, ARRAY_COUNT(polls), sleep_ms(run, deadline));
	}
}

int process_run(const struct process_spec *spec, const void *input, size_t input_size, struct buf *out,
		struct buf *errors, int timeout_ms, struct process_result *result, struct error **err)
{
	cleanup(run_done) struct run run = {
		.grouping = timeout_ms > 0 ? GROUP_OWN : GROUP_OURS,
		.pidfd = -1,
		.input = -1,
		.taps = {{.fd = -1, .child_fd = -1}, {.fd = -1, .child_fd = -1}},
	};
	struct process_result ended = {0};

	int rc = open_tap(&run, STDOUT_FILENO, out, err);
	if (rc == 0)
		rc = open_tap(&run, STDERR_FILENO, errors, err);
	if (rc == 0)
		rc = run_start(&run, spec, input, input_size, err);
	if (rc < 0)
		return rc;
	if (!collect(&run, timeout_ms > 0 ? clock_ms() + timeout_ms : -1)) {
		ended.timed_out = true;
		kill_child(&run);
	}
	rc = process_wait(run.pid, &ended.status, err);
	run.pid = 0;
	if (rc == 0)
		*result = ended;
	return rc;
}

/* ---- Finding ---- */

static bool is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

char *process_find(const char *program)
{
	cleanup(strlist_done) struct strlist dirs = {0};
	const char *path = env_plain("PATH");

	if (strchr(program, '/'))
		return is_program(program) ? mem_strdup(program) : NULL;
	strlist_split(&dirs, path ? path : PATH_DEFAULT, ':');
	for (size_t i = 0; i < dirs.count; i++) {
		/* An empty entry means the working directory, and "." or "bin" something in it: a build context, not
		 * a place for programs. */
		if (*dirs.items[i] != '/')
			continue;
		cleanup_free char *candidate = mem_printf("%s/%s", dirs.items[i], program);
		if (is_program(candidate))
			return take_ptr(&candidate);
	}
	return NULL;
}
