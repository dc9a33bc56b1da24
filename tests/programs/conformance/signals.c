/* Signals between the step's processes, and calls that signals interrupt. */
#include "conformance.h"

#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>

static volatile sig_atomic_t heard;

static void hear(int number)
{
	heard++;
}

/* Each call is carried out once, whatever comes in between. */
void exactly_once(int flags)
{
	struct sigaction action = {.sa_handler = hear, .sa_flags = flags};
	const struct itimerval often = {{0, 200}, {0, 200}}, never = {0};
	unsigned wrong = 0;

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	for (int i = 0; i < 300; i++) {
		wrong += mkdir("once", 0755) < 0;
		int fd = open("once/f", O_CREAT | O_EXCL | O_WRONLY, 0600);
		wrong += fd < 0;
		close(fd);
		wrong += rename("once/f", "once/g") < 0;
		wrong += unlink("once/g") < 0;
		wrong += rmdir("once") < 0;
	}
	setitimer(ITIMER_REAL, &never, NULL);
	printf("heard %d wrong %u\n", heard > 0, wrong);
}

static void restarted(void)
{
	exactly_once(SA_RESTART);
}

static void interrupted(void)
{
	struct sigaction action = {.sa_handler = hear};
	int ends[2];
	char byte;

	sigaction(SIGALRM, &action, NULL);
	if (pipe(ends) < 0)
		return;
	alarm(1);
	SHOW(read(ends[0], &byte, 1));
	alarm(1);
	SHOW(pause());
}

static void between(void)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		pause();
		_exit(1);
	}
	SHOW(kill(pid, 0));
	SHOW(kill(pid, SIGSTOP));
	SHOW(waitpid(pid, &status, WUNTRACED) == pid ? 0 : -1);
	printf("stopped %d by %d\n", WIFSTOPPED(status), WSTOPSIG(status));
	SHOW(kill(pid, SIGCONT));
	SHOW(waitpid(pid, &status, WCONTINUED) == pid ? 0 : -1);
	printf("continues %d\n", WIFCONTINUED(status));
	SHOW(kill(pid, SIGTERM));
	SHOW(waitpid(pid, &status, 0) == pid ? 0 : -1);
	printf("ended by %d\n", WTERMSIG(status));
	SHOW(kill(pid, 0));
	SHOW(kill(getpid(), 999));
	SHOW(syscall(SYS_tgkill, getpid(), getpid(), 0));
	int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	CHECK(fd);
	SHOW(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
	struct sigaction action = {.sa_handler = hear};
	sigaction(SIGUSR1, &action, NULL);
	heard = 0;
	SHOW(raise(SIGUSR1));
	SHOW(kill(0, SIGUSR1));
	printf("heard %d\n", heard);
}

static void in_a_group(void)
{
	SHOW(setpgid(0, 0));
	between();
}

void test_signals(void)
{
	apart(restarted);
	apart(interrupted);
	apart(in_a_group);
}
