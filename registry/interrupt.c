/*
 * A signal as a descriptor (signalfd(2)), for the time that it is not to end the process.
 */
#include "registry/interrupt.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include "base/fd.h"

static const int ending[] = {SIGINT, SIGTERM, SIGHUP};

/* A blocked signal is queued even where it is ignored (signal(7)): nohup must stay what it is. */
static bool is_ignored(int number)
{
	struct sigaction action;

	return sigaction(number, NULL, &action) < 0 || action.sa_handler == SIG_IGN;
}

void interrupt_hold(struct interrupt *interrupt)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_COUNT(ending); i++)
		if (!is_ignored(ending[i]))
			sigaddset(&set, ending[i]);
	interrupt->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (interrupt->fd >= 0)
		sigprocmask(SIG_BLOCK, &set, &interrupt->before);
}

bool interrupt_take(struct interrupt *interrupt)
{
	struct signalfd_siginfo info;

	if (interrupt->fd >= 0 && interrupt->signal == 0 &&
	    read(interrupt->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		interrupt->signal = (int)info.ssi_signo;
	return interrupt->signal != 0;
}

void interrupt_release(struct interrupt *interrupt)
{
	if (interrupt->fd < 0)
		return;
	fd_close(take_fd(&interrupt->fd));
	sigprocmask(SIG_SETMASK, &interrupt->before, NULL);
}

void interrupt_pass_on(const struct interrupt *interrupt)
{
	if (interrupt->signal)
		raise(interrupt->signal);
}
