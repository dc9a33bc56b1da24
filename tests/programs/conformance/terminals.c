/* Terminals that a program makes for itself (pts(4)). */
#include "conformance.h"

#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>

/* A session of its own, with the other end as its terminal. */
static void live_on(const char *name)
{
	char text[8] = "";

	SHOW(setsid() > 0 ? 0 : -1);
	CHECK(open("/dev/tty", O_RDWR));
	int fd = open(name, O_RDWR | O_NOCTTY);
	CHECK(fd);
	SHOW(ioctl(fd, TIOCSCTTY, 0));
	int own = open("/dev/tty", O_RDWR);
	CHECK(own);
	SHOW(write(own, "there", 5));
	SHOW(read(fd, text, sizeof(text)));
	printf("child has read %.5s", text);
	fflush(stdout);
	_exit(isatty(fd) ? 7 : 8);
}

void test_terminals(void)
{
	char text[16] = "";
	struct winsize size = {.ws_row = 5, .ws_col = 6};
	int status = -1;
	int master = posix_openpt(O_RDWR | O_NOCTTY);

	CHECK(master);
	SHOW(grantpt(master));
	SHOW(unlockpt(master));
	const char *name = ptsname(master);
	printf("name %d\n", name && strncmp(name, "/dev/pts/", 9) == 0);
	SHOW(ioctl(master, TIOCSWINSZ, &size));
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0)
		live_on(name);
	SHOW(read(master, text, 5));
	printf("%s\n", text);
	SHOW(write(master, "back\n", 5));
	waitpid(pid, &status, 0);
	printf("ended %x\n", status);
	int fd = open(name, O_RDWR | O_NOCTTY);
	CHECK(fd);
	SHOW(ioctl(fd, TIOCGWINSZ, &size));
	printf("%d x %d\n", size.ws_row, size.ws_col);
	SHOW(tcgetattr(fd, &(struct termios){0}));
}
