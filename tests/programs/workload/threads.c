/* Sixteen threads that make files, start programs and remove files, all at once. Prints how much has failed. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 16
#define ROUNDS 50

extern char **environ;

static int start(void)
{
	char *const arguments[] = {"true", NULL};
	pid_t pid;
	int status = -1;

	if (posix_spawnp(&pid, "true", NULL, NULL, arguments, environ) != 0)
		return 1;
	waitpid(pid, &status, 0);
	return status != 0;
}

static void *work(void *number)
{
	long failures = 0;
	char path[64];

	for (int i = 0; i < ROUNDS; i++) {
		snprintf(path, sizeof(path), "thread-%ld-%d", (long)number, i);
		int fd = open(path, O_CREAT | O_RDWR | O_EXCL | O_CLOEXEC, 0644);
		failures += fd < 0 || write(fd, path, strlen(path)) < 0;
		close(fd);
		if (i % 10 == 0)
			failures += start();
		failures += unlink(path) < 0;
	}
	return (void *)failures;
}

int main(void)
{
	pthread_t threads[THREADS];
	long failures = 0;
	void *result;

	for (long i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, work, (void *)i);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &result);
		failures += (long)result;
	}
	printf("failures %ld\n", failures);
	return failures != 0;
}
