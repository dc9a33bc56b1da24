/*
 * The tracer's half of the translated root: births, deaths and execs of the step's threads, signals on their way, and
 * the few calls that the kernel has to carry out with other arguments than it was given.
 *
 * A thread that is born is held until its creator's event says of whom; so it is in the table before its first call.
 * Signals: a call that waits for our answer when one arrives is carried out by us and answered, never twice
 * (WAIT_KILLABLE_RECV), or was not taken up yet, and then must be asked again without the program knowing: the kernel
 * means ERESTARTSYS, which would show as EINTR to a handler without SA_RESTART; we make it ERESTARTNOINTR.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "run/loader/protocol.h"
#include "run/translate_trace_internal.h"

#define TRACE_OPTIONS                                                                                                  \
	(PTRACE_O_TRACESECCOMP | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | \
	 PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD)
#define SYSCALL_STOP (SIGTRAP | 0x80)
#define ERESTARTNOINTR 513

/* ---- Going on ---- */

void trace_go_on(pid_t tid, int signal_number)
{
	/* ESRCH: killed meanwhile; its end is the next that is heard of it. */
	ptrace(PTRACE_CONT, tid, NULL, (void *)(long)signal_number);
}

/* ---- Births ---- */

static uint64_t clone_flags_of(pid_t creator, unsigned event)
{
	struct trace_regs regs;

	if (trace_read_regs(creator, &regs) < 0)
		return event == PTRACE_EVENT_CLONE ? CLONE_THREAD | CLONE_FS | CLONE_VM : 0;
	/* clone3(2) is refused, so that its arguments need not be read from memory. */
	return regs.number == SYS_clone ? regs.args[0] : 0;
}

static void hear_birth(struct translation *t, pid_t creator, unsigned event)
{
	unsigned long child = 0;

	if (ptrace(PTRACE_GETEVENTMSG, creator, NULL, &child) == 0 && child > 0) {
		uint64_t flags = clone_flags_of(creator, event);
		tasks_born(t->emulation.tasks, creator, (pid_t)child, flags & CLONE_THREAD, flags & CLONE_FS);
		struct task *task = tasks_known(t->emulation.tasks, (pid_t)child);
		if (task)
			task->shares_memory = (flags & CLONE_VM) != 0;
		struct traced_thread *thread = traced_thread_of(t, (pid_t)child);
		if (thread->is_held)
			trace_go_on((pid_t)child, 0);
		else
			thread->is_announced = true;
		thread->is_held = false;
	}
	trace_go_on(creator, 0);
}

static void hear_stop(struct translation *t, pid_t tid, int signal_number)
{
	bool is_known = tasks_known(t->emulation.tasks, tid) != NULL;
	struct traced_thread *thread = traced_thread_of(t, tid);

	if (!is_known) {
		thread->is_held = true;
		return;
	}
	if (thread->is_announced) {
		thread->is_announced = false;
		trace_go_on(tid, 0);
	} else if (signal_number == SIGSTOP || signal_number == SIGTSTP || signal_number == SIGTTIN ||
		   signal_number == SIGTTOU) {
		/* Stopped by job control: it stays so until SIGCONT, and its parent may see it. */
		ptrace(PTRACE_LISTEN, tid, NULL, NULL);
	} else {
		trace_go_on(tid, 0);
	}
}

static void hear_end(struct translation *t, pid_t tid, int status)
{
	if (traced_take_helper(t, tid))
		return;
	if (tid == t->first) {
		t->has_ended = true;
		t->status = status;
	}
	/* There are none when the first has ended before its message came: what went wrong is on its way. */
	if (t->emulation.tasks)
		tasks_gone(t->emulation.tasks, tid);
	traced_forget(t, tid);
}

/* ---- exec ---- */

static void hear_exec(struct translation *t, pid_t tid)
{
	unsigned long before = (unsigned long)tid;

	ptrace(PTRACE_GETEVENTMSG, tid, NULL, &before);
	struct exec_plan *plan = NULL;
	struct traced_thread **place = traced_place(t, (pid_t)before);
	if (*place)
		plan = take_ptr(&(*place)->exec);
	if ((pid_t)before != tid) {
		tasks_become(t->emulation.tasks, (pid_t)before, tid);
		traced_forget(t, (pid_t)before);
	}
	/* The first is our own init. */
	if (!t->is_armed) {
		t->is_armed = true;
		trace_go_on(tid, 0);
		return;
	}
	struct traced_thread *thread = traced_thread_of(t, tid);
	free(take_ptr(&thread->restore));
	if (thread->exec)
		exec_plan_free(thread->exec);
	thread->exec = plan;
	translate_exec_done(t, tid, plan);
	trace_go_on(tid, 0);
}

/* ---- Signals ---- */

static void deliver(struct translation *t, pid_t tid, int signal_number)
{
	struct trace_regs regs;

	/* See above. A call that the kernel carries out itself means what it says. */
	if (trace_read_regs(tid, &regs) == 0 && regs.number >= 0 && regs.result == -ERESTARTSYS &&
	    translation_answers((int)regs.number)) {
		regs.result = -ERESTARTNOINTR;
		trace_write_regs(tid, &regs);
	}
	trace_go_on(tid, signal_number);
}

/* ---- The loop ---- */

void trace_hear(struct translation *t, pid_t tid, int status)
{
	if (!WIFSTOPPED(status)) {
		hear_end(t, tid, status);
		return;
	}
	int signal_number = WSTOPSIG(status);
	unsigned event = (unsigned)status >> 16;
	/* The first process, before its message has come that says who it is: its exec waits for that. */
	if (!t->emulation.tasks) {
		struct trace_regs regs;
		t->is_waiting = event == PTRACE_EVENT_SECCOMP && trace_read_regs(tid, &regs) == 0 &&
				regs.number == SYS_execveat;
		if (!t->is_waiting)
			trace_go_on(tid, event == 0 ? signal_number : 0);
		return;
	}
	if (signal_number == SYSCALL_STOP) {
		trace_hear_exit(t, tid);
		return;
	}
	switch (event) {
	case PTRACE_EVENT_SECCOMP:
		trace_hear_call(t, tid);
		break;
	case PTRACE_EVENT_FORK:
	case PTRACE_EVENT_VFORK:
	case PTRACE_EVENT_CLONE:
		hear_birth(t, tid, event);
		break;
	case PTRACE_EVENT_EXEC:
		hear_exec(t, tid);
		break;
	case PTRACE_EVENT_STOP:
		hear_stop(t, tid, signal_number);
		break;
	default:
		deliver(t, tid, signal_number);
		break;
	}
}

static bool hear_of(struct translation *t, pid_t tid)
{
	struct rusage usage;
	int status;

	if (wait4(tid, &status, __WALL | WNOHANG, &usage) <= 0)
		return false;
	if (tid == t->first)
		t->usage = usage;
	trace_hear(t, tid, status);
	return true;
}

bool trace_hear_of_all(struct translation *t)
{
	bool heard = false;

	for (size_t i = 0; i < TRACED_BUCKETS; i++)
		for (const struct traced_thread *at = t->traced->buckets[i]; at; at = at->next)
			if (!at->is_kept_back && hear_of(t, at->tid)) {
				heard = true;
				break; /* the table may be another */
			}
	for (size_t i = 0; i < t->traced->helper_count; i++)
		heard |= hear_of(t, t->traced->helpers[i]);
	return heard;
}

static bool is_helper(const struct translation *t, pid_t pid)
{
	for (size_t i = 0; i < t->traced->helper_count; i++)
		if (t->traced->helpers[i] == pid)
			return true;
	return false;
}

/* Somebody of whom there is something to hear; 0: nobody. */
static pid_t find_next(void)
{
	siginfo_t info = {0};

	return waitid(P_ALL, 0, &info, WEXITED | WSTOPPED | WNOWAIT | WNOHANG | __WALL) < 0 ? 0 : info.si_pid;
}

void translation_wait(struct translation *t)
{
	traced_let_rest_go(t);
	for (pid_t next; (next = find_next()) != 0;) {
		bool is_ours = *traced_place(t, next) || is_helper(t, next);
		if (!(is_ours ? hear_of(t, next) : trace_hear_of_all(t) || trace_hear_of_stranger(t, next)))
			return;
	}
}

void trace_release(struct translation *t)
{
	if (t->is_waiting)
		trace_go_on(t->first, 0);
	t->is_waiting = false;
}

bool translation_has_ended(const struct translation *t, int *status, struct rusage *usage)
{
	if (t->has_ended)
		*status = t->status;
	if (t->has_ended && usage)
		*usage = t->usage;
	return t->has_ended;
}

int translation_seize(struct translation *t, pid_t pid, struct error **err)
{
	t->first = pid;
	traced_thread_of(t, pid);
	if (ptrace(PTRACE_SEIZE, pid, NULL, (void *)(long)TRACE_OPTIONS) < 0)
		return error_set_errno(err, "trace the step's first process (a profile around us may forbid ptrace)");
	return 0;
}

/* One round over all: true when there was somebody. */
static bool kill_all(struct translation *t)
{
	bool found = false;

	for (size_t i = 0; i < TRACED_BUCKETS; i++) {
		for (struct traced_thread *at = t->traced->buckets[i], *next; at; at = next) {
			int status;
			next = at->next;
			found = true;
			kill(at->tid, SIGKILL);
			pid_t ended = waitpid(at->tid, &status, __WALL | WNOHANG);
			if (ended < 0 || (ended > 0 && !WIFSTOPPED(status)))
				hear_end(t, at->tid, status);
			else if (ended > 0)
				trace_go_on(at->tid, 0);
		}
	}
	if (found)
		trace_end_strangers(t);
	return found;
}

/* A process ends when its last thread has been waited for: so in rounds. */
void translation_end(struct translation *t)
{
	const struct timespec pause = {.tv_nsec = 1000000};

	for (size_t i = 0; t->traced && i < t->traced->helper_count; i++) {
		kill(t->traced->helpers[i], SIGKILL);
		waitpid(t->traced->helpers[i], NULL, 0);
	}
	while (t->traced && kill_all(t))
		nanosleep(&pause, NULL);
}
