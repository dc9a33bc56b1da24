/*
 * Signals leave the step only where Landlock has a scope for them (Linux 6.12), which then refuses by itself. Where it
 * has none, numbers are looked up here: the supervisor and the rest of the pod have the same user.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "run/translate_internal.h"

static bool is_of_step(struct translation *t, pid_t number)
{
	/* 0 and groups: a step's sessions are its own, and so are its groups. */
	if (number < -1)
		number = -number;
	return number == 0 || (number > 0 && emul_is_of_step(&t->emulation, number));
}

void tr_kill(void *context, const struct trap *trap, struct answer *answer)
{
	struct translation *t = context;
	pid_t number = (pid_t)trap->args[0];
	bool is_pair = trap->number == SYS_tgkill || trap->number == SYS_rt_tgsigqueueinfo;

	if (t->has_signal_scope)
		return;
	if (!is_of_step(t, number) || (is_pair && !is_of_step(t, (pid_t)trap->args[1])))
		emul_return(answer, number == -1 ? -EPERM : -ESRCH);
}

/* Who is not dumpable cannot be read by us either, and every path it names is in its memory. Nobody else here could
 * read it: the step's processes do not trace each other. */
void tr_prctl(void *context, const struct trap *trap, struct answer *answer)
{
	if ((int)trap->args[0] == PR_SET_DUMPABLE)
		emul_return(answer, trap->args[1] > 1 ? -EINVAL : 0);
	else
		emul_prctl(context, trap, answer);
}

/* What it gives can send signals as well, and the kernel's scope is asked then; but nobody else's is wanted. */
void tr_pidfd_open(void *context, const struct trap *trap, struct answer *answer)
{
	pid_t number = (pid_t)trap->args[0];

	if (number > 0 && !is_of_step(context, number))
		emul_return(answer, -ESRCH);
}

/* F_SETOWN: whom SIGIO goes to, or whatever other signal. F_SETOWN_EX says it in a memory that others can write to. */
static void set_owner(struct translation *t, const struct trap *trap, struct answer *answer)
{
	if (t->has_signal_scope)
		return;
	if ((int)trap->args[1] != F_SETOWN || !is_of_step(t, (pid_t)trap->args[2]))
		emul_return(answer, -EPERM);
}

void tr_fcntl(void *context, const struct trap *trap, struct answer *answer)
{
	/* A lease, too, would be on what other roots open. */
	if ((int)trap->args[1] == F_SETLEASE)
		tr_flock(context, trap, answer);
	else
		set_owner(context, trap, answer);
}
