/* Working directory, root, and what readdir(3) gives. */
#include "conformance.h"

#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

static void print_here(void)
{
	char text[4096];

	if (!getcwd(text, sizeof(text))) {
		printf("nowhere: %s\n", strerrorname_np(errno));
		return;
	}
	const char *tail = strstr(text, "/directories");
	printf("here %s\n", tail ? tail : text);
}

static void walks(void)
{
	char text[8];

	SHOW(mkdir("a", 0755));
	SHOW(mkdir("a/b", 0755));
	SHOW(symlink("a/b", "link"));
	make("f", "x");
	SHOW(chdir("link"));
	print_here();
	SHOW(chdir(".."));
	print_here();
	SHOW(chdir("../f"));
	SHOW(chdir("none"));
	SHOW(chdir(""));
	SHOW(syscall(SYS_chdir, 1L));
	SHOW(getcwd(text, 2) != NULL ? 0 : -1);
	SHOW(syscall(SYS_getcwd, 1L, 4096));
	SHOW(syscall(SYS_getcwd, text, 0));
	int fd = open("..", O_RDONLY | O_DIRECTORY);
	SHOW(chdir("b"));
	SHOW(fchdir(fd));
	print_here();
	SHOW(rename("a/b", "moved"));
	close(fd);
	fd = open("f", O_RDONLY);
	SHOW(fchdir(fd));
	SHOW(fchdir(99));
	close(fd);
	SHOW(chdir("moved"));
	SHOW(rename("../moved", "../again"));
	print_here();
	SHOW(rmdir("../again"));
	print_here();
	SHOW(mkdir("x", 0755));
	CHECK(open("x", O_WRONLY | O_CREAT, 0600));
	CHECK(open(".", O_RDONLY));
	/* From what was removed the way up is there still. */
	SHOW(chown("../f", 3, 4));
	look_briefly("../f");
	SHOW(mkdir("../up", 02755));
	SHOW(chown("../up/..//up", 5, 6));
	SHOW(mkfifo("../up/fifo", 0644));
	look_briefly("../up/fifo");
	SHOW(chdir(".."));
	print_here();
}

static int share(void *unused)
{
	return chdir("shared") + (int)umask(0123);
}

/* CLONE_FS: what a child does to it, its creator has. */
static void shared(void)
{
	static char stack[65536] __attribute__((aligned(16)));
	int status = 0;

	SHOW(mkdir("shared", 0755));
	fflush(stdout);
	pid_t pid = clone(share, stack + sizeof(stack), CLONE_FS | SIGCHLD, NULL);
	waitpid(pid, &status, 0);
	printf("child %o\n", WEXITSTATUS(status));
	print_here();
	SHOW(umask(022));
}

static void roots(void)
{
	struct stat st;

	SHOW(mkdir("root", 0755));
	SHOW(mkdir("root/in", 0755));
	make("root/in/f", "inside");
	make("outside", "outside");
	SHOW(symlink("/in/f", "root/absolute"));
	SHOW(symlink("/../../outside", "root/escape"));
	int out = open(".", O_RDONLY | O_DIRECTORY);
	SHOW(chroot("none"));
	SHOW(chroot("outside"));
	SHOW(chroot("root"));
	print_file("/in/f");
	print_file("/absolute");
	print_file("/../in/f");
	CHECK(open("/escape", O_RDONLY));
	CHECK(open("/outside", O_RDONLY));
	/* The working directory is still where it was. */
	print_file("outside");
	SHOW(getcwd((char[4096]){""}, 4096) ? 0 : -1);
	SHOW(chdir("/in"));
	char text[4096];
	printf("%s\n", getcwd(text, sizeof(text)) ? text : "?");
	SHOW(chdir("../.."));
	printf("%s\n", getcwd(text, sizeof(text)) ? text : "?");
	SHOW(stat("outside", &st));
	/* The old way out. */
	SHOW(fchdir(out));
	print_file("outside");
	SHOW(chroot("."));
	print_file("/outside");
	print_file("/root/in/f");
}

static void root_of_user(void)
{
	be_user(100, 200);
	SHOW(chroot("."));
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void lists(void)
{
	char *names[32];
	size_t count = 0;

	SHOW(mkdir("list", 0755));
	make("list/f", "x");
	SHOW(mkdir("list/d", 0755));
	SHOW(symlink("x", "list/l"));
	SHOW(mkfifo("list/p", 0600));
	DIR *dir = opendir("list");
	for (const struct dirent *entry; dir && count < 32 && (entry = readdir(dir));) {
		char line[300];
		snprintf(line, sizeof(line), "%s %d", entry->d_name, entry->d_type);
		names[count++] = strdup(line);
	}
	qsort(names, count, sizeof(names[0]), by_name);
	for (size_t i = 0; i < count; i++)
		printf("%s\n", names[i]);
	int fd = dir ? dirfd(dir) : -1;
	SHOW(faccessat(fd, "f", R_OK, 0));
	SHOW(unlinkat(fd, "f", 0));
	SHOW(lseek(fd, 0, SEEK_SET));
	rewinddir(dir);
	count = 0;
	while (readdir(dir))
		count++;
	printf("%zu\n", count);
	closedir(dir);
}

void test_directories(void)
{
	apart(walks);
	apart(shared);
	apart(roots);
	apart(root_of_user);
	apart(lists);
}
