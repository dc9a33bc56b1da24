/* chmod(2) in its four forms, umask(2), and files that are closed to their owner. */
#include "conformance.h"

#include <sys/wait.h>

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

static void forms(void)
{
	make("f", "x");
	SHOW(symlink("f", "link"));
	SHOW(chmod("f", 0));
	look("f");
	SHOW(chmod("f", 07777));
	look_briefly("f");
	SHOW(chmod("f", 0177777));
	look_briefly("f");
	SHOW(chmod("link", 0600));
	look_briefly("f");
	SHOW(syscall(SYS_fchmodat2, AT_FDCWD, "link", 0640, 0));
	look_briefly("f");
	SHOW(syscall(SYS_fchmodat2, AT_FDCWD, "f", 0644, AT_SYMLINK_NOFOLLOW));
	SHOW(syscall(SYS_fchmodat2, AT_FDCWD, "f", 0644, 0x8));
	int fd = open("f", O_RDONLY);
	SHOW(fchmod(fd, 0400));
	SHOW(syscall(SYS_fchmodat2, fd, "", 0444, AT_EMPTY_PATH));
	look_briefly("f");
	close(fd);
	SHOW(fchmod(99, 0400));
	fd = open("f", O_PATH);
	SHOW(fchmod(fd, 0600));
	char proc[64];
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	SHOW(chmod(proc, 0610));
	close(fd);
	look_briefly("f");
	SHOW(chmod("none", 0600));
	SHOW(chmod("f/", 0600));
	SHOW(fchmodat(AT_FDCWD, "f", 0611, 0));
	SHOW(mkdir("d", 0755));
	SHOW(chmod("d", 0));
	look("d");
	make("d/in", "x");
	look_briefly("d/in");
	SHOW(chmod("d", 01777));
	look_briefly("d");
	SHOW(mkfifo("fifo", 0600));
	SHOW(chmod("fifo", 0));
	look_briefly("fifo");
}

/* Root reads, writes and executes what nobody may. */
static void closed(void)
{
	char text[8] = "";

	make("closed", "secret");
	SHOW(chmod("closed", 0));
	int fd = open("closed", O_RDWR);
	SHOW(read(fd, text, 6));
	SHOW(write(fd, "!", 1));
	close(fd);
	look_briefly("closed");
	SHOW(mkdir("dark", 0));
	make("dark/f", "x");
	SHOW(rename("dark/f", "dark/g"));
	SHOW(link("dark/g", "dark/h"));
	SHOW(unlink("dark/h"));
	SHOW(symlink("x", "dark/s"));
	SHOW(mkdir("dark/sub", 0));
	SHOW(rmdir("dark/sub"));
	look_briefly("dark");
	look_briefly("dark/g");
	fd = open("new", O_RDWR | O_CREAT, 0);
	SHOW(write(fd, "x", 1));
	close(fd);
	look_briefly("new");
	CHECK(open("new", O_RDWR | O_TRUNC));
	SHOW(access("new", R_OK | W_OK));
	SHOW(access("new", X_OK));
	copy_self("program");
	SHOW(chmod("program", 0));
	SHOW(execl("./program", "program", "--ids", NULL));
	SHOW(chmod("program", 0100));
	fflush(stdout);
	if (fork() == 0) {
		execl("./program", "program", "--ids", NULL);
		_exit(1);
	}
	wait(NULL);
}

static void masks(void)
{
	SHOW(umask(0));
	SHOW(umask(077));
	CHECK(open("private", O_CREAT | O_WRONLY, 0666));
	look_briefly("private");
	SHOW(umask(0177777));
	SHOW(umask(0));
	CHECK(open("public", O_CREAT | O_WRONLY, 0666));
	look_briefly("public");
	fflush(stdout);
	if (fork() == 0) {
		umask(0123);
		_exit(0);
	}
	wait(NULL);
	SHOW(umask(022));
}

void test_modes(void)
{
	forms();
	apart(closed);
	apart(masks);
}
