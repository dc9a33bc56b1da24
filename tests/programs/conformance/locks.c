/* flock(2), locks of processes and of open files (fcntl(2)), leases. */
#include "conformance.h"

#include <sys/file.h>
#include <sys/wait.h>

static void whole_files(void)
{
	int one = open("f", O_RDWR | O_CREAT, 0600), two = open("f", O_RDWR);

	SHOW(flock(one, LOCK_EX));
	SHOW(flock(two, LOCK_EX | LOCK_NB));
	SHOW(flock(two, LOCK_SH | LOCK_NB));
	SHOW(flock(one, LOCK_SH));
	SHOW(flock(two, LOCK_SH | LOCK_NB));
	SHOW(flock(one, LOCK_UN));
	close(two);
	two = dup(one);
	SHOW(flock(one, LOCK_EX | LOCK_NB));
	SHOW(flock(two, LOCK_EX | LOCK_NB));
	close(one);
	one = open("f", O_RDONLY);
	SHOW(flock(one, LOCK_SH | LOCK_NB));
	close(two);
	SHOW(flock(one, LOCK_SH | LOCK_NB));
	int path = open("f", O_PATH);
	SHOW(flock(path, LOCK_SH));
}

static void in_child(int fd, int command, struct flock lock)
{
	fflush(stdout);
	if (fork() == 0) {
		int rc = fcntl(fd, command, &lock);
		printf("child: %d %s type %d\n", rc, rc < 0 ? strerrorname_np(errno) : "", lock.l_type);
		fflush(stdout);
		_exit(0);
	}
	wait(NULL);
}

static void ranges(void)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 10};
	int fd = open("g", O_RDWR | O_CREAT, 0600), other = open("g", O_RDWR);

	SHOW(fcntl(fd, F_SETLK, &lock));
	in_child(fd, F_SETLK, lock);
	in_child(fd, F_GETLK, lock);
	/* Of the same process: no conflict; and closing any descriptor gives the lock up. */
	SHOW(fcntl(other, F_SETLK, &lock));
	close(other);
	in_child(fd, F_SETLK, lock);
	other = open("g", O_RDWR);
	SHOW(fcntl(fd, F_OFD_SETLK, &lock));
	SHOW(fcntl(other, F_OFD_SETLK, &lock));
	lock.l_start = 10;
	SHOW(fcntl(other, F_OFD_SETLK, &lock));
	lock.l_type = F_UNLCK;
	lock.l_start = 0;
	SHOW(fcntl(fd, F_OFD_SETLK, &lock));
	lock.l_type = F_RDLCK;
	SHOW(fcntl(other, F_OFD_SETLK, &lock));
	lock.l_len = -1;
	SHOW(fcntl(other, F_SETLK, &lock));
}

static void leases(void)
{
	make("h", "x");
	int fd = open("h", O_RDONLY);
	SHOW(fcntl(fd, F_GETLEASE));
	SHOW(fcntl(fd, F_SETPIPE_SZ, 4096));
	SHOW(fcntl(fd, F_GETSIG));
	SHOW(fcntl(fd, F_GETOWN));
}

void test_locks(void)
{
	apart(whole_files);
	apart(ranges);
	apart(leases);
}
