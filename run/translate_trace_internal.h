/*
 * What the tracer (translate_trace.c) knows of each thread, beside run/tasks.h, and the table of them
 * (translate_threads.c).
 */
#ifndef COOPER_RUN_TRANSLATE_TRACE_INTERNAL_H
#define COOPER_RUN_TRANSLATE_TRACE_INTERNAL_H

#include "run/translate_internal.h"

#define TRACED_BUCKETS 256

struct traced_thread {
	struct traced_thread *next;
	pid_t tid;
	bool is_held;			  /* it has stopped first, and its creator's event is still to come */
	bool is_announced;		  /* the other way round */
	struct trace_regs *restore;	  /* arguments to put back behind the call that is under way */
	uint64_t again_first, again_last; /* close_range(2): the rest of it, after the first half; 0, 0: none */
	struct exec_plan *exec;
	bool is_kept_back; /* stopped for another's sake; what it stopped with is `kept_status` */
	int kept_status;
};

struct traced {
	struct traced_thread *buckets[TRACED_BUCKETS];
	pid_t *helpers;
	size_t helper_count;
	bool is_letting_go, is_more_to_go; /* of those that are kept back */
};

/* Where it is, or would be, in the table. */
struct traced_thread **traced_place(struct translation *t, pid_t tid);
/* Makes it when it is not there. */
struct traced_thread *traced_thread_of(struct translation *t, pid_t tid);
void traced_forget(struct translation *t, pid_t tid);
/* True when it was a helper; then it is none any more. */
bool traced_take_helper(struct translation *t, pid_t pid);

/* Those whom trace_let_others_go() has left. */
void traced_let_rest_go(struct translation *t);

/* What the kernel means by a call that is to be asked again (linux/errno.h, not for programs). */
#define ERESTARTSYS 512

void trace_go_on(pid_t tid, int signal_number);
/* ---- translate_trace_calls.c: a thread has stopped before a call, or behind one whose arguments were changed ---- */
void trace_hear_call(struct translation *t, pid_t tid);
void trace_hear_exit(struct translation *t, pid_t tid);

/* What the kernel says of a thread, and what it goes on with. */
void trace_hear(struct translation *t, pid_t tid, int status);
/* Hears of those that are traced, one by one: where a child that is not the step's has ended first, it is its owner's to
 * wait for. True when there was something. */
bool trace_hear_of_all(struct translation *t);
/* Has the call made once more, with this number, when the thread goes on. */
void trace_go_back(struct trace_regs *regs, int64_t number);

/* ---- translate_strangers.c: who is not in the table ---- */

/* Something is to hear of `pid`, which is not in the table, and of nobody who is. True when somebody has been taken off
 * the process table; false: what is still to come (its creator's word, its end) is heard of by itself. */
bool trace_hear_of_stranger(struct translation *t, pid_t pid);
/* Ends all of the step's that are not in the table, as far as they have been made by now. */
void trace_end_strangers(struct translation *t);

#endif
