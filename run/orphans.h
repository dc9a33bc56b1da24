/*
 * What a step that has no pid namespace leaves behind. With one the kernel ends all of it; without one a daemon that
 * the step has started would live on, in the step's user namespace and on its mounts.
 */
#ifndef COOPER_RUN_ORPHANS_H
#define COOPER_RUN_ORPHANS_H

#include <stdbool.h>
#include <sys/types.h>

struct strlist;

/* Before the fork: processes that lose their parent come to us from now on. */
void orphans_expect(void);
/* After the step's first process has ended: kills those that are in another user namespace than we, until there are
 * none, and takes no more. */
void orphans_kill(void);

/* Takes `pid` off the process table, if it is a child of ours that has ended and was the step's: a command has a session
 * of its own (setsid(2)), which no child that cooper starts has. Not for those that are traced. */
bool orphans_reap(pid_t pid);
/* The numbers of our children are appended; none where the kernel does not list them (CONFIG_PROC_CHILDREN). */
void orphans_list(struct strlist *pids);

#endif
