/*
 * Families that are killed while they grow: processes that make threads and processes without end, all ended at once by
 * a signal to their group. Their creator waits for those that are his; the rest is the supervisor's.
 *
 *	cc -static -O1 -pthread -o killed_at_birth killed_at_birth.c; killed_at_birth ROUNDS
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void *rest(void *nothing)
{
	struct stat st;

	stat("/etc/passwd", &st);
	return nothing;
}

static void *grow(void *nothing)
{
	for (;;) {
		pthread_t thread;
		if (pthread_create(&thread, NULL, rest, NULL) == 0)
			pthread_detach(thread);
		if (fork() == 0) {
			rest(NULL);
			_exit(0);
		}
	}
	return nothing;
}

int main(int argc, char **argv)
{
	unsigned rounds = 0;

	if (argc != 2 || sscanf(argv[1], "%u", &rounds) != 1)
		return 2;
	for (unsigned i = 0; i < rounds; i++) {
		pid_t family = fork();
		if (family == 0) {
			pthread_t thread;
			setpgid(0, 0);
			signal(SIGCHLD, SIG_IGN);
			pthread_create(&thread, NULL, grow, NULL);
			pthread_create(&thread, NULL, grow, NULL);
			grow(NULL);
		}
		setpgid(family, family);
		usleep(1000 + i * 997 % 19000);
		kill(-family, SIGKILL);
		if (waitpid(family, NULL, 0) != family)
			return 1;
	}
	puts("all have ended");
	return 0;
}
