/* Threads: what they share, what is each one's own, and exec from one that is not the first. */
#include "conformance.h"

#include <pthread.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#define THREADS 8
#define ROUNDS 200

static void *own_ids(void *result)
{
	/* The call itself is the thread's, only the library's is the process's. */
	syscall(SYS_setresuid, 7, 7, 7);
	*(long *)result = syscall(SYS_getuid);
	return NULL;
}

static void ids(void)
{
	pthread_t thread;
	long seen = -1;

	pthread_create(&thread, NULL, own_ids, &seen);
	pthread_join(thread, NULL);
	printf("in the thread %ld, here %d\n", seen, getuid());
	/* The library's call is for all. */
	pthread_create(&thread, NULL, own_ids, &seen);
	pthread_join(thread, NULL);
	SHOW(setuid(9));
	print_ids();
}

static void *change_directory(void *unused)
{
	return (void *)(long)chdir("by-thread");
}

static void directory(void)
{
	pthread_t thread;
	char text[4096];

	SHOW(mkdir("by-thread", 0755));
	pthread_create(&thread, NULL, change_directory, NULL);
	pthread_join(thread, NULL);
	const char *here = getcwd(text, sizeof(text));
	printf("here %s\n", here ? strrchr(here, '/') : "?");
}

static void *work(void *number)
{
	long failures = 0;
	char path[64];

	for (int i = 0; i < ROUNDS; i++) {
		snprintf(path, sizeof(path), "work-%ld-%d", (long)number, i);
		int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
		failures += fd < 0 || write(fd, path, strlen(path)) < 0;
		close(fd);
		struct stat st;
		failures += stat(path, &st) < 0 || (size_t)st.st_size != strlen(path);
		failures += chown(path, 1, 2) < 0 || rename(path, "renamed") < 0;
	}
	return (void *)failures;
}

static void together(void)
{
	pthread_t threads[THREADS];
	long failures = 0;
	void *result;

	for (long i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, work, (void *)i);
	for (long i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &result);
		failures += (long)result;
	}
	printf("failures %ld\n", failures);
	look_briefly("renamed");
}

/* What the kernel itself is to look up: what is there, and what is not. */
static void *look_up(void *failures)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "no-socket"};

	for (int i = 0; i < ROUNDS; i++) {
		int socket_fd = socket(AF_UNIX, SOCK_STREAM, 0);
		int missing = open("missing", O_PATH), there = open(".", O_PATH);
		*(long *)failures += missing >= 0 || errno != ENOENT || there < 0;
		*(long *)failures += connect(socket_fd, (void *)&address, sizeof(address)) == 0 || errno != ENOENT;
		close(there);
		close(socket_fd);
	}
	return NULL;
}

static void side_by_side(void)
{
	pthread_t threads[THREADS];
	long failures[THREADS] = {0};

	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, look_up, &failures[i]);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		printf("%ld of %d failed\n", failures[i], ROUNDS);
	}
}

static int own, others, shared;
static volatile int is_over;

static void *exchange(void *unused)
{
	while (!is_over) {
		dup2(own, shared);
		dup2(others, shared);
	}
	return NULL;
}

/* A number that two files have in turns, asked for meanwhile: each keeps its owner. */
static void one_number(void)
{
	pthread_t thread;
	struct stat st;

	own = open("own", O_RDWR | O_CREAT, 0600);
	others = open("others", O_RDWR | O_CREAT, 0600);
	shared = dup(own);
	SHOW(fchown(others, 11, 12));
	pthread_create(&thread, NULL, exchange, NULL);
	for (int i = 0; i < 10 * ROUNDS; i++)
		if (fstat(shared, &st) < 0)
			printf("round %d: %s\n", i, strerror(errno));
	is_over = 1;
	pthread_join(thread, NULL);
	SHOW(fstat(others, &st));
	printf("%u:%u\n", st.st_uid, st.st_gid);
	SHOW(fstat(own, &st));
	printf("%u:%u\n", st.st_uid, st.st_gid);
}

static void *execute(void *unused)
{
	execl("./program", "program", "--ids", NULL);
	return NULL;
}

static void *wait_for_ever(void *unused)
{
	for (;;)
		pause();
	return NULL;
}

static void execute_from_thread(void)
{
	pthread_t threads[3];

	copy_self("program");
	pthread_create(&threads[0], NULL, wait_for_ever, NULL);
	pthread_create(&threads[1], NULL, wait_for_ever, NULL);
	pthread_create(&threads[2], NULL, execute, NULL);
	wait_for_ever(NULL);
}

static void *fork_here(void *unused)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(chdir("by-thread") == 0 ? 11 : 12);
	int status = 0;
	waitpid(pid, &status, 0);
	return (void *)(long)WEXITSTATUS(status);
}

static void fork_from_thread(void)
{
	pthread_t thread;
	void *result;

	pthread_create(&thread, NULL, fork_here, NULL);
	pthread_join(thread, &result);
	printf("child of a thread %ld\n", (long)result);
}

void test_threads(void)
{
	apart(ids);
	apart(directory);
	apart(together);
	apart(side_by_side);
	apart(one_number);
	apart(execute_from_thread);
	apart(fork_from_thread);
}
