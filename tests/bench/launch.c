/*
 * Runs one command and appends what it cost to a file: microseconds of wall time, of user and of system time of all its
 * processes, KiB of memory of the largest of them, and its exit status.
 *
 *	launch FILE COMMAND [ARGUMENT...]
 *
 * With $BENCH_MEMORY_OF it is the largest of the processes of that name: who runs a package manager for somebody is not
 * as large as that. They are looked at ten times a second, each has its own high-water mark (proc(5), VmHWM).
 *
 * The processes in $BENCH_DAEMONS (their ids, with blanks between) work for it as well: what their CPU time, and that
 * of the children they have waited for, grows by meanwhile is added.
 *
 * In C, because the memory that a process had before exec counts for what it executes (getrusage(2), ru_maxrss): a
 * shell or Python in this place would give every small command their own size, and their fork would be a part of its
 * time.
 */
#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long microseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static long long as_microseconds(struct timeval time)
{
	return (long long)time.tv_sec * 1000000 + time.tv_usec;
}

struct cpu {
	long long user; /* microseconds */
	long long system;
};

/* /proc/PID/stat: utime, stime, cutime and cstime are the 14th to 17th field; the second is in parentheses and may hold
 * anything. */
static struct cpu cpu_of_process(long pid)
{
	char path[64], text[1024];
	unsigned long user = 0, system = 0;
	long waited_user = 0, waited_system = 0;
	long long tick = 1000000 / sysconf(_SC_CLK_TCK);

	snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
	FILE *file = fopen(path, "re");
	size_t n = file ? fread(text, 1, sizeof(text) - 1, file) : 0;
	if (file)
		fclose(file);
	text[n] = '\0';
	const char *end = strrchr(text, ')');
	if (!end || sscanf(end + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %ld %ld", &user, &system,
			   &waited_user, &waited_system) != 4)
		return (struct cpu){0, 0};
	return (struct cpu){((long long)user + waited_user) * tick, ((long long)system + waited_system) * tick};
}

static struct cpu cpu_of_daemons(void)
{
	const char *at = getenv("BENCH_DAEMONS");
	struct cpu sum = {0, 0};
	long pid;
	int taken = 0;

	for (; at && sscanf(at, "%ld%n", &pid, &taken) == 1; at += taken) {
		struct cpu one = cpu_of_process(pid);
		sum.user += one.user;
		sum.system += one.system;
	}
	return sum;
}

/* The line of /proc/PID/status that begins with `field`, as a number; -1 when there is none. */
static long status_number(const char *status, const char *field)
{
	const char *at = strstr(status, field);
	long number;

	return at && sscanf(at + strlen(field), "%ld", &number) == 1 ? number : -1;
}

static int read_status(long pid, char *text, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%ld/status", pid);
	FILE *file = fopen(path, "re");
	size_t n = file ? fread(text, 1, size - 1, file) : 0;
	if (file)
		fclose(file);
	text[n] = '\0';
	return n > 0;
}

static int is_ours(long pid)
{
	char status[4096];

	while (pid > 1 && pid != getpid())
		pid = read_status(pid, status, sizeof(status)) ? status_number(status, "\nPPid:") : -1;
	return pid == getpid();
}

static atomic_long largest_of_name; /* KiB */

static void look_at(long pid, const char *name)
{
	char status[4096], found[64] = "";

	if (!read_status(pid, status, sizeof(status)) || sscanf(status, "Name:\t%63[^\n]", found) != 1 ||
	    strcmp(found, name) != 0 || !is_ours(pid))
		return;
	long size = status_number(status, "\nVmHWM:");
	if (size > largest_of_name)
		largest_of_name = size;
}

static void *watch_memory(void *name)
{
	const struct timespec pause = {.tv_nsec = 100 * 1000 * 1000};

	for (;;) {
		DIR *all = opendir("/proc");
		for (struct dirent *entry; all && (entry = readdir(all));)
			if (atol(entry->d_name) > 0)
				look_at(atol(entry->d_name), name);
		if (all)
			closedir(all);
		nanosleep(&pause, NULL);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "usage: launch FILE COMMAND [ARGUMENT...]\n");
		return 2;
	}
	FILE *out = fopen(argv[1], "ae");
	if (!out) {
		perror(argv[1]);
		return 2;
	}
	/* What outlives its parent becomes our child, so that its time counts as well. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	/* Whoever executed us may have waited for children of his own (`cooper unshare` has, for newuidmap): not ours.
	 */
	struct rusage before;
	getrusage(RUSAGE_CHILDREN, &before);
	struct cpu daemons_before = cpu_of_daemons();
	long long start = microseconds();
	pid_t pid = fork();
	if (pid == 0) {
		execvp(argv[2], argv + 2);
		perror(argv[2]);
		_exit(127);
	}
	int status = 0;
	pthread_t watcher;
	char *name = getenv("BENCH_MEMORY_OF");
	if (name && *name)
		pthread_create(&watcher, NULL, watch_memory, name);
	if (pid < 0 || waitpid(pid, &status, 0) < 0) {
		perror(argv[2]);
		return 2;
	}
	long long wall = microseconds() - start;
	/* Orphans that have ended. One that stays (a daemon, a FUSE server) is not waited for. */
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	struct rusage usage;
	getrusage(RUSAGE_CHILDREN, &usage);
	struct cpu daemons = cpu_of_daemons();
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	fprintf(out, "%lld %lld %lld %ld %d\n", wall,
		as_microseconds(usage.ru_utime) - as_microseconds(before.ru_utime) + daemons.user - daemons_before.user,
		as_microseconds(usage.ru_stime) - as_microseconds(before.ru_stime) + daemons.system -
			daemons_before.system,
		largest_of_name > 0 ? largest_of_name : usage.ru_maxrss, code);
	return fclose(out) == 0 ? code : 2;
}
