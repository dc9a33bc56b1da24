/*
 * The threads that are traced: a table by their ids, and keeping those still that share a memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "run/translate_trace_internal.h"

struct traced_thread **traced_place(struct translation *t, pid_t tid)
{
	struct traced_thread **place = &t->traced->buckets[(unsigned)tid % TRACED_BUCKETS];

	while (*place && (*place)->tid != tid)
		place = &(*place)->next;
	return place;
}

struct traced_thread *traced_thread_of(struct translation *t, pid_t tid)
{
	struct traced_thread **place = traced_place(t, tid);

	if (!*place) {
		*place = mem_alloc(sizeof(**place));
		(*place)->tid = tid;
	}
	return *place;
}

void traced_forget(struct translation *t, pid_t tid)
{
	struct traced_thread **place = traced_place(t, tid);
	struct traced_thread *thread = *place;

	if (!thread)
		return;
	*place = thread->next;
	free(thread->restore);
	if (thread->exec)
		exec_plan_free(thread->exec);
	free(thread);
}

void trace_new(struct translation *t)
{
	t->traced = mem_alloc(sizeof(*t->traced));
}

void trace_free(struct translation *t)
{
	if (!t->traced)
		return;
	for (size_t i = 0; i < TRACED_BUCKETS; i++)
		while (t->traced->buckets[i])
			traced_forget(t, t->traced->buckets[i]->tid);
	free(t->traced->helpers);
	free(take_ptr(&t->traced));
}

struct exec_plan **trace_exec_plan(struct translation *t, pid_t tid)
{
	return &traced_thread_of(t, tid)->exec;
}

bool trace_any(const struct translation *t, trace_question *ask, const void *what)
{
	for (size_t i = 0; i < TRACED_BUCKETS; i++)
		for (const struct traced_thread *at = t->traced->buckets[i]; at; at = at->next)
			if (ask(at->tid, what))
				return true;
	return false;
}

void trace_add_helper(struct translation *t, pid_t pid)
{
	struct traced *traced = t->traced;

	traced->helpers = mem_grow(traced->helpers, traced->helper_count + 1, sizeof(*traced->helpers));
	traced->helpers[traced->helper_count++] = pid;
}

bool traced_take_helper(struct translation *t, pid_t pid)
{
	for (size_t i = 0; i < t->traced->helper_count; i++) {
		if (t->traced->helpers[i] != pid)
			continue;
		t->traced->helpers[i] = t->traced->helpers[--t->traced->helper_count];
		return true;
	}
	return false;
}

/* ---- Keeping others still ---- */

#define HOLD_ROUNDS 80
/* Most have stopped when others have had their turn once or twice; only then it is worth to sleep. */
#define EAGER_ROUNDS 30
#define QUICK_ROUNDS 3

static void pass_time(unsigned round)
{
	const struct timespec pause = {.tv_nsec = 100000};

	if (round < EAGER_ROUNDS)
		sched_yield();
	else
		nanosleep(&pause, NULL);
}

/* proc_pid_syscall(5): what it waits in writes nothing to the process's memory, or cannot while it is to stop. */
static bool is_harmless(pid_t tid)
{
	static const int calls[] = {
#ifdef SYS_vfork
		SYS_vfork,
#endif
		SYS_clone,    SYS_fsync,      SYS_fdatasync, SYS_sync,	 SYS_syncfs,  SYS_sync_file_range,
		SYS_msync,    SYS_write,      SYS_pwrite64,  SYS_writev, SYS_pwritev, SYS_pwritev2,
		SYS_sendfile, SYS_fallocate,  SYS_ftruncate, SYS_close,	 SYS_munmap,  SYS_execveat,
		SYS_exit,     SYS_exit_group, SYS_futex,
	};
	cleanup_free char *path = mem_printf("/proc/%d/syscall", tid);
	cleanup(buf_done) struct buf text = BUF_INIT(4096);
	int number;

	/* Gone; "running", for which the stop comes first; -1 is a fault, behind which it comes, too. */
	if (fd_read_file(AT_FDCWD, path, &text, NULL) < 0 || sscanf(buf_str(&text), "%d", &number) != 1)
		return true;
	for (size_t i = 0; i < ARRAY_COUNT(calls); i++)
		if (calls[i] == number)
			return true;
	return number < 0;
}

#define LONG_ROUNDS 30000 /* some three seconds: a disk's */

/* 1 when this thread has come to a stop. One that waits in the kernel for what no signal interrupts does not, and is
 * waited for only if it could write meanwhile what it waits for (a file that is read from a disk); -EAGAIN when that
 * takes too long. */
static int wait_for_stop(struct traced_thread *thread)
{
	int status;

	for (unsigned i = 0; i < LONG_ROUNDS; i++) {
		pid_t got = waitpid(thread->tid, &status, __WALL | WNOHANG);
		if (got < 0)
			return 0;
		if (got > 0) {
			thread->is_kept_back = true;
			thread->kept_status = status;
			return 1;
		}
		if (i >= HOLD_ROUNDS && is_harmless(thread->tid))
			return 0;
		pass_time(i);
	}
	return -EAGAIN;
}

int trace_hold_others(struct translation *t, pid_t tid)
{
	const struct task *caller = tasks_known(t->emulation.tasks, tid);
	int holds = 0;

	for (size_t i = 0; caller && i < TRACED_BUCKETS; i++) {
		for (struct traced_thread *at = t->traced->buckets[i]; at; at = at->next) {
			const struct task *task = tasks_known(t->emulation.tasks, at->tid);
			/* Who has the same image has the same memory, or had it once. */
			if (!task || at->tid == tid || at->is_held || at->is_kept_back || task->image != caller->image)
				continue;
			if (task->tgid != caller->tgid && !task->shares_memory && !caller->shares_memory)
				continue;
			int rc = ptrace(PTRACE_INTERRUPT, at->tid, NULL, NULL) == 0 ? wait_for_stop(at) : 0;
			if (rc < 0)
				return rc;
			holds |= rc;
		}
	}
	return holds;
}

/* proc_pid_stat(5): the state behind the name, which may hold anything. Waiting for memory is another one, 'D'. */
static bool is_asleep(pid_t tid)
{
	cleanup_free char *path = mem_printf("/proc/%d/stat", tid);
	cleanup(buf_done) struct buf text = BUF_INIT(4096);

	if (fd_read_file(AT_FDCWD, path, &text, NULL) < 0)
		return false;
	const char *at = strrchr(buf_str(&text), ')');
	return at && strncmp(at, ") S", 3) == 0;
}

void trace_wait_through(pid_t tid)
{
	for (unsigned i = 0; i < LONG_ROUNDS; i++) {
		siginfo_t info = {0};
		/* It has come to an end of the call: that is heard of by who waits for it. */
		if (waitid(P_PID, (id_t)tid, &info, WEXITED | WSTOPPED | WNOWAIT | WNOHANG | __WALL) < 0 || info.si_pid)
			return;
		/* Most are done before this is worth a look. */
		if (i >= QUICK_ROUNDS && is_asleep(tid))
			return;
		pass_time(i);
	}
}

void trace_let_others_go_when_asleep(struct translation *t, pid_t tid)
{
	trace_wait_through(tid);
	if (is_asleep(tid))
		trace_let_others_go(t, tid);
}

static void let_go_once(struct translation *t, pid_t tid)
{
	for (size_t i = 0; i < TRACED_BUCKETS; i++) {
		for (struct traced_thread *at = t->traced->buckets[i], *next; at; at = next) {
			next = at->next;
			if (!at->is_kept_back || at->tid == tid)
				continue;
			at->is_kept_back = false;
			trace_hear(t, at->tid, at->kept_status);
			/* Hearing may have changed the table: from the start of the bucket. */
			next = t->traced->buckets[i];
		}
	}
}

/* Who goes on may have come to such a call himself, and is done with it before this returns: two that do nothing else
 * would have us go deeper with each. So who is kept back for them waits until all else has been looked at. */
void trace_let_others_go(struct translation *t, pid_t tid)
{
	struct traced *traced = t->traced;

	if (traced->is_letting_go) {
		traced->is_more_to_go = true;
		return;
	}
	traced->is_letting_go = true;
	let_go_once(t, tid);
	traced->is_letting_go = false;
	/* It wakes the loop that calls translation_wait(). */
	if (traced->is_more_to_go)
		kill(getpid(), SIGCHLD);
}

void traced_let_rest_go(struct translation *t)
{
	if (!t->traced || !t->traced->is_more_to_go)
		return;
	t->traced->is_more_to_go = false;
	trace_let_others_go(t, /* tid */ 0);
}
