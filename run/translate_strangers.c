/*
 * Threads of the step that nobody has announced, and children of ours that are not traced.
 *
 * Who is killed while he creates somebody says nothing of it (PTRACE_EVENT_CLONE is a stop, and the killed do not stop).
 * A thread that was made goes with its process, and has to be waited for, or that never ends. A process is an orphan that
 * has not run yet: it is ended, as if the signal had come first.
 *
 * Who has been waited for as one that is traced, but not yet by his parent, is ours once more when that ends, without
 * being traced. And there may be children that cooper had before it was cooper (a shell's, which has executed it): theirs
 * is the first that waitid(2) names, always, and behind them the others have to be looked for.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/parse.h"
#include "base/strlist.h"
#include "run/orphans.h"
#include "run/translate_trace_internal.h"

struct stranger {
	bool is_traced; /* by us */
	bool is_thread;
	bool has_ended;
	bool is_asleep; /* in a call */
	pid_t parent;
};

/* proc_pid_status(5). */
static struct stranger look_at(pid_t tid)
{
	cleanup_free char *path = mem_printf("/proc/%d/status", tid);
	cleanup(buf_done) struct buf text = BUF_INIT(1 << 16);
	struct stranger seen = {0};
	char state;
	int process, tracer;

	if (fd_read_file(AT_FDCWD, path, &text, NULL) < 0)
		return seen;
	const char *at = strstr(buf_str(&text), "\nState:");
	if (!at || sscanf(at, " State: %c", &state) != 1 || !(at = strstr(at, "\nTgid:")) ||
	    sscanf(at, " Tgid: %d", &process) != 1 || !(at = strstr(at, "\nPPid:")) ||
	    sscanf(at, " PPid: %d TracerPid: %d", &seen.parent, &tracer) != 2)
		return seen;
	seen.is_traced = tracer == getpid();
	seen.is_thread = process != tid;
	seen.has_ended = state == 'Z' || state == 'X';
	seen.is_asleep = state == 'S';
	return seen;
}

/* ---- One of them ---- */

/* By us, or by the step's first process. */
static bool is_adopted(const struct translation *t, const struct stranger *stranger)
{
	return stranger->parent == getpid() || stranger->parent == t->first;
}

/* The first process creates one itself, which is no orphan; but not asleep. */
static bool is_made_now(const struct translation *t, const struct stranger *stranger)
{
	return stranger->parent == t->first && !look_at(t->first).is_asleep;
}

/* True when one has gone. */
static bool end(struct translation *t, pid_t tid)
{
	const struct stranger seen = look_at(tid);

	if (!seen.is_traced)
		return false;
	if (!seen.has_ended)
		kill(tid, SIGKILL);
	return seen.has_ended && waitpid(tid, NULL, __WALL | WNOHANG) == tid;
}

#define CREATOR_ROUNDS 100 /* of a millisecond */

/* The creator of one that looks like an orphan may live, too (CLONE_PARENT): that has nothing to wait for before it says
 * so. True when something was heard. */
static bool hear_of(struct translation *t, pid_t tid)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	const struct stranger seen = look_at(tid);

	if (!seen.is_traced || !(seen.is_thread ? seen.has_ended : is_adopted(t, &seen)))
		return false;
	for (unsigned i = 0; i < CREATOR_ROUNDS && !seen.has_ended; i++) {
		nanosleep(&pause, NULL);
		if (trace_hear_of_all(t))
			return true;
	}
	return !is_made_now(t, &seen) && end(t, tid);
}

/* ---- All of them ---- */

typedef bool use_stranger(struct translation *t, pid_t tid);

/* True when one of them says so. */
static bool use_each(struct translation *t, const struct strlist *numbers, use_stranger *use)
{
	bool used = false;
	uint64_t tid;

	for (size_t i = 0; i < numbers->count; i++)
		if (parse_u64(numbers->items[i], INT32_MAX, "number", &tid, NULL) == 0 && !*traced_place(t, (pid_t)tid))
			used |= use(t, (pid_t)tid);
	return used;
}

/* Threads that a process waits for which has ended otherwise; and orphans. */
static bool search(struct translation *t, use_stranger *use)
{
	cleanup(strlist_done) struct strlist numbers = {0};

	orphans_list(&numbers);
	for (size_t i = 0; i < TRACED_BUCKETS; i++) {
		for (const struct traced_thread *at = t->traced->buckets[i]; at; at = at->next) {
			const struct stranger seen = look_at(at->tid);
			cleanup_free char *path = mem_printf("/proc/%d/task", at->tid);
			if (seen.has_ended && !seen.is_thread)
				fd_read_user_dir(path, &numbers, NULL);
		}
	}
	return use_each(t, &numbers, use);
}

bool trace_hear_of_stranger(struct translation *t, pid_t pid)
{
	const struct stranger seen = look_at(pid);

	if (seen.is_traced)
		return hear_of(t, pid);
	return orphans_reap(pid) || search(t, hear_of);
}

void trace_end_strangers(struct translation *t)
{
	search(t, end);
}
