/*
 * Runs one step: makes its first process, writes its id maps, and stays beside it until everything that it started has
 * ended and what it was given to stand on is removed. In: a struct run_spec. Out: a status.
 *
 * The way of a step: prepare what can be prepared without it (step_prepare.c); fork it into its namespaces (child.c
 * goes on there); write maps, say go; watch (step_watch.c); wait; clean up. All that is removed afterwards is held by
 * descriptor from before the first instruction of the step.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "run/channel.h"
#include "run/fallback.h"
#include "run/ociruntime.h"
#include "run/orphans.h"
#include "run/step_internal.h"
#include "run/userns.h"

#define SIGNAL_BASE 128
#define STATUS_NOT_FOUND 127
#define STATUS_NOT_EXECUTABLE 126

/* ---- The fork ---- */

static unsigned long clone_flags(unsigned namespaces)
{
	unsigned long flags = CLONE_NEWUSER | CLONE_NEWNS;

	flags |= namespaces & CHILD_OWN_PID ? CLONE_NEWPID : 0;
	flags |= namespaces & CHILD_OWN_NET ? CLONE_NEWNET : 0;
	flags |= namespaces & CHILD_OWN_IPC ? CLONE_NEWIPC : 0;
	flags |= namespaces & CHILD_OWN_UTS ? CLONE_NEWUTS : 0;
	flags |= namespaces & CHILD_OWN_CGROUP ? CLONE_NEWCGROUP : 0;
	return flags;
}

/* clone(2) and not clone3(2): it has every flag that is needed here, and container runtimes answer clone3 with ENOSYS
 * because their filters cannot see its arguments. */
static int fork_child(struct step *step, struct error **err)
{
	unsigned long namespaces = step->translation ? 0 : clone_flags(step->plan.namespaces);
	unsigned long flags = namespaces | CLONE_PIDFD | SIGCHLD;
	long pid = syscall(SYS_clone, flags, /* stack: copied */ NULL, &step->pidfd, NULL, NULL);

	if (pid == 0) {
		close(step->channel); /* or we would not see the parent's end close */
		child_main(&step->plan);
	}
	if (pid < 0)
		return error_set_errno(err, "make the step's namespaces");
	step->pid = (pid_t)pid;
	fd_close(take_fd(&step->child_channel));
	relay_hand_over(&step->relay);
	/* The mounts are the child's now, and end with its namespace. */
	sources_close(&step->sources);
	return 0;
}

static int write_map(const struct step *step, const char *name, const struct id_extents *extents, struct error **err)
{
	cleanup_free char *path = mem_printf("/proc/%d/%s", step->pid, name);
	cleanup_free char *lines = idmap_identity_lines(extents);
	cleanup_close int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, lines, strlen(lines)) < 0)
		return error_set_errno(err, "write the step's %s", name);
	return 0;
}

/* The child has its namespaces; give it what only we can, and let it go on. */
static int release_child(struct step *step, struct error **err)
{
	int rc = step->plan.sealed ? channel_expect(step->channel, CHANNEL_READY, err) : 0;

	if (rc == 0 && step->translation)
		rc = translation_seize(step->translation, step->pid, err);
	if (rc == 0 && !step->translation)
		rc = write_map(step, "uid_map", &step->map.uids, err);
	if (rc == 0 && !step->translation)
		rc = write_map(step, "gid_map", &step->map.gids, err);
	/* Not earlier: the child of a process that is not dumpable has to be asked before its maps can be written. */
	if (rc == 0 && step->spec->seal)
		userns_seal();
	if (rc == 0 && step->cgroup.dir >= 0)
		rc = cgroup_add(&step->cgroup, step->pid, err);
	if (rc < 0)
		return rc;
	rc = channel_send(step->channel, CHANNEL_GO, 0, NULL, 0, -1);
	if (rc < 0)
		return error_set(err, -rc, "start the step's set-up: %s", strerror(-rc));
	if (step->spec->network != RUN_NETWORK_PRIVATE)
		return 0;
	/* While the child mounts, the helper starts. */
	rc = network_start(step->plan.network_helper, step->pid, &step->network, err);
	if (rc == 0)
		channel_send(step->channel, CHANNEL_NETWORK_UP, 0, NULL, 0, -1);
	return rc;
}

/* ---- Afterwards ---- */

/* It is waited for as all that is traced is, and may have been already. */
static int collect_traced(struct step *step, int *status, struct rusage *usage)
{
	while (!translation_has_ended(step->translation, status, usage)) {
		struct pollfd signals = {.fd = step->signals, .events = POLLIN};
		translation_wait(step->translation);
		if (translation_has_ended(step->translation, status, usage))
			break;
		if (poll(&signals, 1, -1) < 0 && errno != EINTR)
			return -errno;
		step_pass_signals(step);
	}
	step->pid = 0;
	return 0;
}

/* Takes the first process off the table. Its mounts are gone with it: the kernel unmounts when the last process of the
 * namespace ends, and this one ends last. */
static int collect(struct step *step, int *status, struct rusage *usage)
{
	*status = -1;
	if (step->pid <= 0)
		return 0;
	if (step->translation)
		return collect_traced(step, status, usage);
	while (wait4(step->pid, status, 0, usage) < 0)
		if (errno != EINTR)
			return -errno;
	step->pid = 0;
	return 0;
}

static void clean_up(struct step *step)
{
	if (step->pid > 0) {
		int status = 0;
		syscall(SYS_pidfd_send_signal, step->pidfd, SIGKILL, NULL, 0);
		collect(step, &status, NULL);
	}
	/* Nothing of the step lives on, before what it was given is taken away. */
	translation_free(take_ptr(&step->translation));
	network_stop(&step->network);
	if (step->expects_orphans)
		orphans_kill();
	tty_done(&step->tty);
	relay_done(&step->relay);
	cgroup_close(&step->cgroup);
	stubs_undo(&step->stubs);
	sources_remove(&step->sources);
	if (step->signals >= 0) {
		/* What came in after the end is for us again. */
		sigprocmask(SIG_SETMASK, &step->mask, NULL);
		close(step->signals);
	}
	fd_close(step->channel);
	fd_close(step->child_channel);
	fd_close(step->pidfd);
	fd_close(step->init);
	fd_close(step->bundle);
	free(step->runtime);
	idmap_done(&step->map);
	emulation_free(step->emulation);
	credentials_free(step->identity);
	buf_done(&step->supervisor);
	free(step->killed_for);
}
CLEANUP_FOR_VALUE(struct step, clean_up)

static char *exec_message(const char *command, int code)
{
	if (code == ENOENT && !strchr(command, '/'))
		return mem_printf("exec '%s': executable file not found in $PATH", command);
	return mem_printf("exec '%s': %s", command, strerror(code));
}

/* An OCI runtime that cannot start the command ends with a status and words of its own, as a command might. But then it
 * has not written the command's pid. */
static int ask_runtime(struct step *step, int status, struct error **err)
{
	bool failed = step->bundle >= 0 && status != 0 && WIFEXITED(status) && !step->killed_for;

	if (step->exec_code)
		return error_set(err, step->exec_code, "runtime '%s': %s", step->runtime, strerror(step->exec_code));
	if (!failed || WEXITSTATUS(status) > SIGNAL_BASE || faccessat(step->bundle, OCIRUNTIME_PID_FILE, F_OK, 0) == 0)
		return 0;
	step->exec_code = step->command_code;
	return step->exec_code ? 0
			       : error_set(err, EIO,
					   "the runtime '%s' has not started the step (its status is %d, its "
					   "words are above)",
					   step->runtime, WEXITSTATUS(status));
}

static int make_result(const struct step *step, int status, const struct rusage *usage, struct run_result *result,
		       struct error **err)
{
	struct run_result made = {.usage = *usage, .started = step->exec_code == 0, .rung = (int)step_rung(step)};

	made.status = WIFSIGNALED(status) ? SIGNAL_BASE + WTERMSIG(status) : WEXITSTATUS(status);
	if (step->exec_code) {
		made.status = step->exec_code == ENOENT || step->exec_code == ENOTDIR ? STATUS_NOT_FOUND
										      : STATUS_NOT_EXECUTABLE;
		made.message = exec_message(step->spec->argv->items[0], step->exec_code);
	} else if (step->killed_for) {
		made.message = mem_printf("the step was killed: %s", step->killed_for);
		/* It had ended by itself just then. */
		if (made.status == 0)
			made.status = SIGNAL_BASE + SIGKILL;
	} else if (made.status == SIGNAL_BASE + SIGKILL && cgroup_was_out_of_memory(&step->cgroup)) {
		made.message = mem_strdup("the step was killed: it has used more than its memory limit allows");
	} else if (made.status == 0 && disk_was_spent(&step->disk)) {
		/* It was faster than our looks. */
		made.status = SIGNAL_BASE + SIGKILL;
		made.message = mem_strdup("the step has written more than its disk limit allows");
	}
	*result = made;
	return 0;
}

/* What is decided before the fork. */
static void trace_plan(const struct step *step)
{
	const struct run_spec *spec = step->spec;
	unsigned own = step->plan.namespaces;
	cleanup_free char *argv = strlist_join(spec->argv, " ");

	trace(RUN, "namespaces: user mnt%s%s%s%s%s; ids: %s", own & CHILD_OWN_PID ? " pid" : "",
	      own & CHILD_OWN_NET ? " net" : "", own & CHILD_OWN_IPC ? " ipc" : "", own & CHILD_OWN_UTS ? " uts" : "",
	      own & (CHILD_OWN_CGROUP | CHILD_LATE_CGROUP) ? " cgroup" : "", step_has_many_ids(step) ? "many" : "one");
	trace(RUN, "root: %s, %zu layers", spec->root.mounted >= 0 ? "mounted already" : "overlay",
	      spec->root.lower_count);
	for (size_t i = 0; i < spec->mount_count; i++)
		trace(RUN, "mount: %s on %s", spec->mounts[i].source ? spec->mounts[i].source : "(of our own)",
		      spec->mounts[i].target);
	if (step->plan.network_helper)
		trace(RUN, "network: %s", step->plan.network_helper);
	trace(RUN, "exec as '%s' in '%s': %s", spec->user ? spec->user : "", spec->cwd ? spec->cwd : "/", argv);
}

/* One attempt. *proc_is_refused: it came to nothing for want of a fresh /proc, and may succeed without a pid namespace.
 */
static int attempt(const struct run_spec *spec, bool with_pid, bool *proc_is_refused, struct run_result *result,
		   struct error **err)
{
	cleanup(clean_up) struct step step = {
		.spec = spec,
		.plan = {.spec = spec, .namespaces = step_namespaces(spec, with_pid)},
		.init = -1,
		.pidfd = -1,
		.channel = -1,
		.child_channel = -1,
		.signals = -1,
		.bundle = -1,
		.sources = SOURCES_INIT,
		.tty = TTY_INIT,
		.relay = RELAY_INIT,
		.network = NETWORK_INIT,
		.cgroup = CGROUP_INIT,
		.supervisor = BUF_INIT(BUF_MAX_DEFAULT),
	};
	struct error *trouble = NULL;
	struct rusage usage = {0};
	int status = 0;
	int rc = step_prepare(&step, err);

	if (rc == 0 && trace_is_on(TRACE_RUN))
		trace_plan(&step);
	if (rc == 0)
		rc = fork_child(&step, err);
	if (rc < 0)
		return rc;
	trace(RUN, "process %d", step.pid);
	rc = release_child(&step, &trouble);
	if (rc < 0)
		step_kill(&step, "its set-up failed");
	/* Also after a failure: the child may know better what has happened, and has made places to remove. */
	int watched = step_watch(&step, err);
	if (watched == 0)
		watched = collect(&step, &status, &usage);
	if (step.failure < 0 || step.wants_no_pid) {
		error_free(trouble);
		*proc_is_refused = step.wants_no_pid;
		return step.wants_no_pid ? -EPERM : step.failure;
	}
	if (rc < 0) {
		error_clear(err);
		rc = error_set(err, -rc, "%s", error_message(trouble));
		error_free(trouble);
		return rc;
	}
	if (watched < 0)
		return watched;
	if (!step.is_set_up)
		return error_set(err, EIO, "the step's set-up has ended with status %d", status);
	trace(RUN, "ended with wait status 0x%x", (unsigned)status);
	rc = step.runtime ? ask_runtime(&step, status, err) : 0;
	if (rc < 0)
		return rc;
	return make_result(&step, status, &usage, result, err);
}

static int check_spec(const struct run_spec *spec, struct error **err)
{
	const struct run_root *root = &spec->root;

	if (!spec->argv || spec->argv->count == 0)
		return error_set(err, EINVAL, "no command to run");
	if (root->mounted < 0 && root->upper < 0 && root->lower_count == 0)
		return error_set(err, EINVAL, "the step has no root");
	return 0;
}

int run_step(const struct run_spec *spec, struct run_result *result, struct error **err)
{
	bool with_pid = !fallback_is_known(FALLBACK_PROC);
	bool proc_is_refused = false;
	int rc = check_spec(spec, err);

	if (rc < 0)
		return rc;
	rc = attempt(spec, with_pid, &proc_is_refused, result, err);
	if (!proc_is_refused)
		return rc;
	fallback_warn(FALLBACK_PROC, "the kernel refuses a new /proc here (parts of ours are masked), the step shares "
				     "our processes instead of having its own");
	return attempt(spec, /* with_pid */ false, &proc_is_refused, result, err);
}
