/*
 * A process beside a step that answers some of its system calls: the listening end of a seccomp filter
 * (seccomp_unotify(2)). One supervisor per step, one table of calls, no threads: who runs the step polls
 * the listener with all else that it waits for, and calls supervisor_serve() when it is readable.
 *
 *	parent: supervisor_program(table, &program)      before the fork
 *	child:  listener = supervisor_install(&program)  CAP_SYS_ADMIN or no_new_privs; sends it to the parent
 *	parent: supervisor_init(&s, table, context); supervisor_take(&s, listener); poll; supervisor_serve(&s, revents)
 *
 * It is a means of compatibility and no border: what a call's pointers lead to can be changed by another thread of the
 * step between the handler's look and the kernel's. So a handler never lets the kernel go on (ANSWER_CONTINUE) because
 * of what it has read there, if that would give the step more than the kernel gives it anyway. A filter around us that
 * refuses a call wins over this one (ERRNO goes before USER_NOTIF), and so does the step's own.
 *
 * Until supervisor_arm() is called everything is let through: the step's own set-up, which comes after the filter.
 */
#ifndef COOPER_RUN_SUPERVISOR_H
#define COOPER_RUN_SUPERVISOR_H

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define TRAP_ARGS 6

/* One call that waits for its answer. */
struct trap {
	uint64_t id;   /* the kernel's name for it */
	pid_t tid;     /* the thread, as a number in our pid namespace */
	uint32_t arch; /* AUDIT_ARCH_… of the call's ABI: says how numbers and structs are to be read */
	int number;
	uint64_t args[TRAP_ARGS]; /* of a 32-bit ABI: the low half */
};

enum answer_kind {
	ANSWER_CONTINUE, /* the kernel carries the call out as if nobody had looked */
	ANSWER_RETURN,	 /* the call returns `value`: a result, or a negative errno */
	ANSWER_FD,	 /* the call returns a new descriptor of the step's: a copy of `fd` */
	ANSWER_LATER,	 /* somebody else gives it (supervisor_answer()): the caller waits on */
};

struct answer {
	enum answer_kind kind;
	int64_t value;
	int fd;	      /* ANSWER_FD: the supervisor closes it. Never O_PATH: the kernel refuses those (EBADF) */
	bool cloexec; /* ANSWER_FD */
	/* ANSWER_FD: the caller goes on when we have closed ours, not before. What a close(2) of its own does then
	 * (flock(2) gives up, a program that was written can be executed) does not wait for us. It costs a second
	 * round. */
	bool alone;
};

/* Fills *answer, which comes as ANSWER_CONTINUE. It is called for one trap at a time and does not block: what it opens
 * of the step's is opened O_PATH first. */
typedef void trap_handler(void *context, const struct trap *trap, struct answer *answer);

/* When a call is trapped, as far as a filter can see: the low half of one argument. All zero: always. */
struct trap_condition {
	unsigned arg;
	uint32_t mask;	     /* (argument & mask) … */
	uint32_t values[12]; /* … is one of these, */
	unsigned count;	     /* or, with none, is not 0 */
};

/* What the filter itself does with a call. */
enum trap_action {
	TRAP_BY_HANDLER, /* it waits for the answer of `handle`; without one it is refused */
	TRAP_ALLOW,	 /* the kernel's, also in a closed table */
	TRAP_STOP,	 /* it stops for the tracer, PTRACE_EVENT_SECCOMP */
	TRAP_REFUSE,	 /* it fails with `code`, ENOSYS when that is 0 */
};

struct trap_entry {
	uint32_t arch;
	int number;
	struct trap_condition when; /* else: `otherwise` */
	trap_handler *handle;	    /* NULL: the call is refused with ENOSYS, by the filter itself */
	enum trap_action action;
	enum trap_action otherwise; /* TRAP_BY_HANDLER stands for TRAP_ALLOW here, unless `handles_rest` */
	bool handles_rest;	    /* where the condition does not hold, `handle` answers */
	uint16_t code;
	bool is_anywhere; /* the handler does not mind where `supervisor.come_back` would bring it */
	/* Where this holds the call is the kernel's, whatever `when` says. */
	struct trap_condition pass;
	/* A further condition, asked first of all, and what it does (TRAP_REFUSE with EBADF: a descriptor that is guarded). */
	struct trap_condition guard;
	uint16_t guard_code;
};

/* Sorted by nothing; every pair of arch and number at most once. Calls that are not in it are the kernel's. With
 * `closed`, they are ENOSYS instead (a translated root must know every call). Architectures without an entry, and
 * x32, are ENOSYS as a whole; with `others_pass` they are the kernel's, for who traps calls only to give more than it
 * does. */
struct trap_table {
	const struct trap_entry *entries; /* at least one; all of one architecture */
	size_t count;
	const struct trap_table *also; /* further entries, also of another architecture; NULL */
	bool closed;
	bool others_pass;
};

/* Appends the filter, struct sock_filter[]. -E2BIG. */
int supervisor_program(const struct trap_table *table, struct buf *program, struct error **err);
/* Puts the calling thread under it and returns the listener. -EBUSY when a filter around us has one already (a nested
 * cooper, a container engine): there can be one only. Kernels before 5.19 lack WAIT_KILLABLE_RECV: there a call may
 * be interrupted by a signal and come twice. */
MUST_CHECK int supervisor_install(const struct buf *program, struct error **err);

struct supervisor {
	struct trap_table table;
	void *context; /* for the handlers, borrowed */
	/* Called with the context before every handler that is not `is_anywhere`; NULL: nothing is to be done. */
	void (*come_back)(void *context);
	int listener; /* -1 before supervisor_take() */
	bool is_armed;
	struct trap_index *index;
	void *request, *response; /* as large as this kernel's */
	size_t request_size, response_size;
	uint64_t answered; /* for the trace */
	uint64_t handed_over;
	bool keeps_callers; /* on our processor, while they take a descriptor */
	bool stays;	    /* on that processor between them: starts no threads and no programs of others */
	struct stay *stay;  /* NULL: it does not */
};
#define SUPERVISOR_INIT ((struct supervisor){.listener = -1})

/* `table` is borrowed for the life of the supervisor. */
int supervisor_init(struct supervisor *s, const struct trap_table *table, void *context, struct error **err);
/* What waits then fails with ENOSYS in the step. */
void supervisor_done(struct supervisor *s);
CLEANUP_FOR_VALUE(struct supervisor, supervisor_done)

/* Takes the listener. */
void supervisor_take(struct supervisor *s, int listener);
void supervisor_arm(struct supervisor *s);
/* Answers one call; `events` is what poll(2) says of the listener. It is closed when the last process under the filter
 * has ended. A call that is gone meanwhile (killed) is no failure. */
int supervisor_serve(struct supervisor *s, short events, struct error **err);
/* For who has said ANSWER_LATER, also a process that was forked since: the answer, by the listener that both have. */
void supervisor_answer(struct supervisor *s, const struct trap *trap, const struct answer *answer);
/* Puts a copy of `fd` into the caller's table while it waits: its number there, or a negative errno. */
MUST_CHECK int supervisor_give(const struct supervisor *s, const struct trap *trap, int fd, bool cloexec);
/* The same of several at once, close-on-exec; one that is -1 is left out (-EBADF). */
void supervisor_give_all(struct supervisor *s, const struct trap *trap, const int *fds, int *numbers, size_t count);
/* The same in the place of the caller's descriptor `number`. 0 or a negative errno. */
int supervisor_replace(const struct supervisor *s, const struct trap *trap, int fd, int number, bool cloexec);
/* For a handler that has opened something below /proc/TID: true when the caller still waits, so that what was opened
 * is the caller's and not that of a process that has got its number. */
bool supervisor_still_waits(const struct supervisor *s, const struct trap *trap);

#endif
