/*
 * Calls that the tracer stops: programs that are executed, and the few that the kernel has to carry out with other
 * arguments than it was given. Those are put back behind it.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "run/loader/protocol.h"
#include "run/translate_trace_internal.h"

static void go_to_exit(pid_t tid)
{
	ptrace(PTRACE_SYSCALL, tid, NULL, NULL);
}

void trace_restore_after(struct translation *t, pid_t tid, const struct trace_regs *original)
{
	struct traced_thread *thread = traced_thread_of(t, tid);

	free(thread->restore);
	thread->restore = mem_dup(original, sizeof(*original));
}

/* Leaves the loader's descriptor out: up to it now, and behind it when that is done. */
static bool split_range(struct traced_thread *thread, struct trace_regs *regs)
{
	uint32_t first = (uint32_t)regs->args[0], last = (uint32_t)regs->args[1];

	if (first > LOADER_DESCRIPTOR || last < LOADER_DESCRIPTOR)
		return false;
	if (first == LOADER_DESCRIPTOR) {
		regs->args[0] = LOADER_DESCRIPTOR + 1;
		if (last == LOADER_DESCRIPTOR)
			regs->args[1] = LOADER_DESCRIPTOR + 1; /* nobody has it */
		return true;
	}
	regs->args[1] = LOADER_DESCRIPTOR - 1;
	if (last > LOADER_DESCRIPTOR) {
		thread->again_first = LOADER_DESCRIPTOR + 1;
		thread->again_last = last;
	}
	return true;
}

void trace_hear_call(struct translation *t, pid_t tid)
{
	struct trace_regs regs;
	bool changed = false, holds = false;

	t->stops++;
	if (trace_read_regs(tid, &regs) < 0) {
		trace_go_on(tid, 0);
		return;
	}
	struct trace_regs original = regs;
	if (!t->is_armed) {
		/* Of the child that sets the step up: its init, which is ours. */
		trace_go_on(tid, 0);
		return;
	}
	if (regs.number == SYS_execve || regs.number == SYS_execveat) {
		t->execs++;
		translate_exec(t, tid, &regs, &changed);
		/* When it fails the arguments are put back. */
		if (changed && regs.number >= 0)
			trace_restore_after(t, tid, &original);
	} else if (regs.number == SYS_close_range) {
		struct traced_thread *thread = traced_thread_of(t, tid);
		changed = split_range(thread, &regs);
		if (changed)
			trace_restore_after(t, tid, &original);
		changed |= thread->restore != NULL;
	} else {
		holds = translate_call(t, tid, &regs, &changed);
		original.note = regs.note;
		if (changed && regs.number >= 0)
			trace_restore_after(t, tid, &original);
	}
	if (changed)
		trace_write_regs(tid, &regs);
	bool goes_by_path = t->goes_by_path;
	t->goes_by_path = false;
	if (changed && regs.number >= 0)
		go_to_exit(tid);
	else
		trace_go_on(tid, 0);
	/* Nobody exchanges a directory on the way meanwhile: that would be done by us. */
	if (goes_by_path && changed && regs.number >= 0)
		trace_wait_through(tid);
	/* Only now: one of them may have come to such a call itself, and would wait for this one to stop. */
	if (holds && regs.number < 0)
		trace_let_others_go(t, tid);
	else if (holds)
		trace_let_others_go_when_asleep(t, tid);
}

/* Behind a call whose arguments were changed. */
void trace_hear_exit(struct translation *t, pid_t tid)
{
	struct traced_thread *thread = traced_thread_of(t, tid);
	cleanup_free struct trace_regs *original = take_ptr(&thread->restore);
	struct trace_regs regs;
	bool is_done = original != NULL;

	if (original && trace_read_regs(tid, &regs) == 0) {
		bool is_restart = regs.result <= -ERESTARTSYS && regs.result >= -516;
		memcpy(regs.args, original->args, sizeof(regs.args));
		if (thread->again_last && regs.result == 0) {
			regs.args[0] = thread->again_first;
			regs.args[1] = thread->again_last;
			/* The rest; the arguments of the whole come back behind it. */
			thread->restore = take_ptr(&original);
			trace_go_back(&regs, SYS_close_range);
		} else if (is_restart) {
			/* It will be asked again as it was. */
			regs.number = original->number;
		}
		thread->again_first = thread->again_last = 0;
		if (original) {
			regs.note = original->note;
			translate_call_done(t, tid, &regs, (int)original->number);
		}
		trace_write_regs(tid, &regs);
	}
	trace_go_on(tid, 0);
	/* As behind a call that was left out. */
	if (is_done)
		trace_let_others_go(t, tid);
}
