/*
 * What a step that has no pid namespace leaves behind. With one the kernel ends all of it; without one a daemon that
 * the step has started would live on, in the step's user namespace and on its mounts.
 */
#ifndef COOPER_RUN_ORPHANS_H
#define COOPER_RUN_ORPHANS_H

/* Before the fork: processes that lose their parent come to us from now on. */
void orphans_expect(void);
/* After the step's first process has ended: kills those that are in another user namespace than we, until there are
 * none, and takes no more. */
void orphans_kill(void);

#endif
