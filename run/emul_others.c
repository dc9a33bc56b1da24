/*
 * Calls that change another process by its number. Where a step has numbers of its own (a pid namespace) the kernel
 * knows whom they can mean. Where it shares ours they mean anybody of our user: the kernel asks for no more than the
 * same user to cut a process's limits, which kills it, or to take its processors away; and Landlock, which keeps
 * signals in, knows nothing of these.
 */
#include <errno.h>
#include <linux/ioprio.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run/emul_internal.h"

/* Are these two in one namespace of this kind? Who cannot be looked at is in another. */
static bool share_namespace(pid_t a, pid_t b, const char *kind)
{
	char path[64];
	struct stat st[2];

	for (size_t i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "/proc/%d/ns/%s", i == 0 ? a : b, kind);
		if (stat(path, &st[i]) < 0)
			return false;
	}
	return st[0].st_ino == st[1].st_ino && st[0].st_dev == st[1].st_dev;
}

bool emul_is_of_step(struct emulation *e, pid_t number)
{
	if (e->is_told_of_all)
		return number != getpid() && tasks_known(e->tasks, number);
	/* A session (emulated.h) is the user's own. Else its user namespace tells a step's processes from others. */
	if (e->options.find_place || !share_namespace(e->first, getpid(), "pid"))
		return true;
	return share_namespace(e->first, number, "user");
}

static bool can_mean_anybody(const struct emulation *e)
{
	return e->is_told_of_all || (!e->options.find_place && share_namespace(e->first, getpid(), "pid"));
}

/* prlimit(2), sched_setaffinity(2) and its kin: the first argument; 0, the caller, is not asked about. */
void emul_change_process(void *context, const struct trap *trap, struct answer *answer)
{
	if (!emul_is_of_step(context, (pid_t)trap->args[0]))
		emul_return(answer, -ESRCH);
}

/* Of one process, a group, or all of a user's, who is many here. */
static void change_some(struct emulation *e, const struct trap *trap, bool is_user, struct answer *answer)
{
	pid_t number = (pid_t)trap->args[1];

	if (is_user && can_mean_anybody(e))
		emul_return(answer, -EPERM);
	else if (!is_user && number != 0 && !emul_is_of_step(e, number))
		emul_return(answer, -ESRCH);
}

void emul_setpriority(void *context, const struct trap *trap, struct answer *answer)
{
	change_some(context, trap, (int)trap->args[0] == PRIO_USER, answer);
}

void emul_ioprio_set(void *context, const struct trap *trap, struct answer *answer)
{
	change_some(context, trap, (int)trap->args[0] == IOPRIO_WHO_USER, answer);
}
