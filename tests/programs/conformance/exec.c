/* execve(2) in all its forms, and the ways to have a child: vfork(2), posix_spawn(3), clone(2). */
#include "conformance.h"

#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>

extern char **environ;

static void print_status(void)
{
	int status = -1;

	wait(&status);
	printf("ended %x\n", status);
}

static void run(const char *path, char *const argv[])
{
	fflush(stdout);
	if (fork() == 0) {
		execve(path, argv, environ);
		printf("exec %s: %s\n", path, strerrorname_np(errno));
		fflush(stdout);
		_exit(0);
	}
	print_status();
}

static void programs(void)
{
	char *const arguments[] = {"zero", "--arguments", "two", NULL};

	copy_self("program");
	run("./program", arguments);
	run("program", arguments);
	SHOW(symlink("program", "link"));
	run("link", arguments);
	run("none", arguments);
	run(".", arguments);
	run("", arguments);
	run("program/", arguments);
	make("text", "no program");
	run("text", arguments);
	SHOW(chmod("text", 0755));
	run("text", arguments);
	make("empty", "");
	SHOW(chmod("empty", 0755));
	run("empty", arguments);
	make("short", "\177ELF");
	SHOW(chmod("short", 0755));
	run("short", arguments);
	SHOW(mkfifo("fifo", 0777));
	run("fifo", arguments);
	run("/dev/null", arguments);
}

static void script(const char *path, const char *line)
{
	make(path, line);
	chmod(path, 0755);
}

static void scripts(void)
{
	char *const arguments[] = {"zero", "one", "two", NULL};
	char *const nobody[] = {NULL};

	script("plain", "#!./program --arguments\n");
	run("./plain", arguments);
	run("plain", arguments);
	script("spaces", "#!  \t./program   --arguments and more  \n");
	run("./spaces", arguments);
	script("no-newline", "#!./program --arguments");
	run("./no-newline", arguments);
	script("of-script", "#!./plain extra\n");
	run("./of-script", arguments);
	script("missing", "#!./none\n");
	run("./missing", arguments);
	script("nothing", "#!\n");
	run("./nothing", arguments);
	script("itself", "#!./itself\n");
	run("./itself", arguments);
	SHOW(symlink("plain", "to-plain"));
	run("./to-plain", arguments);
	run("./plain", nobody);
	make("closed-script", "#!./program --arguments\n");
	run("./closed-script", arguments);
	SHOW(mkdir("dir", 0755));
	script("of-directory", "#!./dir\n");
	run("./of-directory", arguments);
}

static void by_descriptor(void)
{
	char *const arguments[] = {"zero", "--arguments", NULL};
	int fd = open("program", O_RDONLY);

	fflush(stdout);
	if (fork() == 0) {
		fexecve(fd, arguments, environ);
		_exit(1);
	}
	print_status();
	int path = open("program", O_PATH | O_CLOEXEC);
	if (fork() == 0) {
		syscall(SYS_execveat, path, "", arguments, environ, AT_EMPTY_PATH);
		_exit(1);
	}
	print_status();
	int dir = open(".", O_RDONLY | O_DIRECTORY);
	if (fork() == 0) {
		syscall(SYS_execveat, dir, "program", arguments, environ, 0);
		_exit(1);
	}
	print_status();
	SHOW(syscall(SYS_execveat, dir, "link", arguments, environ, AT_SYMLINK_NOFOLLOW));
	SHOW(syscall(SYS_execveat, dir, "program", arguments, environ, 0x8));
	SHOW(syscall(SYS_execveat, 99, "program", arguments, environ, 0));
	int memory = memfd_create("program", MFD_CLOEXEC);
	char block[65536];
	for (ssize_t n; (n = read(fd, block, sizeof(block))) > 0;)
		if (write(memory, block, (size_t)n) != n)
			break;
	fflush(stdout);
	if (fork() == 0) {
		fexecve(memory, arguments, environ);
		printf("exec: %s\n", strerrorname_np(errno));
		fflush(stdout);
		_exit(1);
	}
	print_status();
}

static void bad_addresses(void)
{
	char *const arguments[] = {"zero", NULL};

	SHOW(syscall(SYS_execve, 1L, arguments, environ));
	SHOW(syscall(SYS_execve, "./program", 1L, environ));
	/* Of the kernel: the loader has taken our place before it is seen. */
	char *longest = malloc(200000);
	memset(longest, 'a', 199999);
	longest[199999] = '\0';
	char *const large[] = {"zero", "--arguments", longest, NULL};
	SHOW(execve("./program", large, environ));
	free(longest);
}

static void children(void)
{
	char *const arguments[] = {"zero", "--arguments", NULL};
	pid_t pid = -1;

	fflush(stdout);
	int rc = posix_spawn(&pid, "./program", NULL, NULL, arguments, environ);
	print_status();
	SHOW(rc);
	printf("spawn: %s\n", strerrorname_np(posix_spawn(&pid, "./none", NULL, NULL, arguments, environ)));
	posix_spawn_file_actions_t actions;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 1, "spawned", O_WRONLY | O_CREAT, 0640);
	SHOW(posix_spawn(&pid, "./program", &actions, NULL, arguments, environ));
	print_status();
	look_briefly("spawned");
	print_file("spawned");
	fflush(stdout);
	pid = vfork();
	if (pid == 0) {
		execve("./none", arguments, environ);
		_exit(errno == ENOENT ? 5 : 6);
	}
	print_status();
	pid = vfork();
	if (pid == 0) {
		execve("./program", arguments, environ);
		_exit(1);
	}
	print_status();
}

/* What an exec keeps, and what not. */
static void kept(void)
{
	char *const arguments[] = {"sh", "--ids", NULL};

	SHOW(umask(0));
	SHOW(setresgid(1, 2, 3));
	SHOW(setresuid(4, 5, 6));
	execve("./program", arguments, environ);
}

void test_exec(void)
{
	programs();
	scripts();
	apart(by_descriptor);
	apart(bad_addresses);
	apart(children);
	apart(kept);
}
