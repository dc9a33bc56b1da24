/* Calls that change a process by its number: oneself, a child, and nobody; and what a machine is called. */
#include "conformance.h"

#include <sched.h>
#include <signal.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#define NOBODY 999999

static void change(pid_t pid)
{
	struct rlimit now = {7, 7};
	struct sched_param plain = {0};
	cpu_set_t all;

	SHOW(prlimit(pid, RLIMIT_CORE, NULL, &now));
	now.rlim_cur = 0;
	SHOW(prlimit(pid, RLIMIT_CORE, &now, NULL));
	CPU_ZERO(&all);
	for (int i = 0; i < 64; i++)
		CPU_SET(i, &all);
	SHOW(sched_setaffinity(pid, sizeof(all), &all));
	SHOW(sched_setparam(pid, &plain));
	SHOW(sched_setscheduler(pid, SCHED_BATCH, &plain));
	SHOW(setpriority(PRIO_PROCESS, (id_t)pid, 3));
	SHOW(getpriority(PRIO_PROCESS, (id_t)pid));
	SHOW(syscall(SYS_ioprio_set, 1, pid, 2 << 13 | 5));
	SHOW(syscall(SYS_ioprio_get, 1, pid) >> 13);
}

static void machine(void)
{
	struct utsname name;

	SHOW(uname(&name));
	printf("%s %s %s\n", name.sysname, name.nodename, name.machine);
	SHOW(personality(PER_LINUX32) >= 0 ? 0 : -1);
	SHOW(uname(&name));
	printf("%s\n", name.machine);
	SHOW(syscall(SYS_uname, NULL));
}

void test_others(void)
{
	apart(machine);
	int ready[2];
	char byte;

	change(0);
	change(getpid());
	if (pipe(ready) < 0)
		return;
	fflush(stdout);
	pid_t child = fork();
	if (child == 0) {
		close(ready[1]);
		_exit(read(ready[0], &byte, 1) != 0);
	}
	change(child);
	SHOW(setpriority(PRIO_PGRP, 0, 4));
	close(ready[1]);
	waitpid(child, NULL, 0);
	change(child);
	change(NOBODY);
	int handle = (int)syscall(SYS_pidfd_open, getpid(), 0);
	CHECK(handle);
	SHOW(syscall(SYS_pidfd_send_signal, handle, 0, NULL, 0));
	CHECK(syscall(SYS_pidfd_open, NOBODY, 0));
	int sink[2];
	SHOW(pipe(sink));
	SHOW(fcntl(sink[0], F_SETOWN, getpid()));
	SHOW(fcntl(sink[0], F_GETOWN) == getpid());
	SHOW(fcntl(sink[0], F_SETOWN, 0));
}
