/* Numbers of descriptors: dup(2), close_range(2), and the one that nobody may take. */
#include "conformance.h"

#include <linux/close_range.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/uio.h>

static void numbers(void)
{
	int fd = open("/dev/null", O_RDONLY);

	for (int at = 3; at < 256; at++)
		if (at != fd)
			close(at);
	SHOW(dup2(fd, 50));
	SHOW(dup2(fd, 50));
	SHOW(dup3(fd, 51, O_CLOEXEC));
	SHOW(fcntl(51, F_GETFD));
	SHOW(dup3(fd, fd, 0));
	SHOW(dup2(fd, fd));
	SHOW(dup2(99, 52));
	SHOW(dup2(fd, -1));
	SHOW(fcntl(fd, F_DUPFD, 60));
	SHOW(fcntl(fd, F_DUPFD_CLOEXEC, 60));
	SHOW(close(99));
	SHOW(close(-1));
	SHOW(syscall(SYS_close_range, 50, 51, 0));
	SHOW(fcntl(50, F_GETFD));
	SHOW(syscall(SYS_close_range, 60, 61, CLOSE_RANGE_CLOEXEC));
	SHOW(fcntl(60, F_GETFD));
	SHOW(syscall(SYS_close_range, 9, 8, 0));
	SHOW(syscall(SYS_close_range, 8, 9, 64));
	SHOW(syscall(SYS_close_range, 55, ~0U, 0));
	SHOW(fcntl(60, F_GETFD));
	CHECK(open("/dev/null", O_RDONLY));
}

/* A loop over all numbers, as daemons have it, and a table that is full up to a limit. */
static void many(void)
{
	struct rlimit limit = {.rlim_cur = 1024, .rlim_max = 1024};
	int opened = 0;

	for (int at = 3; at < 2000; at++)
		close(at);
	SHOW(setrlimit(RLIMIT_NOFILE, &limit));
	SHOW(syscall(SYS_close_range, 3, ~0U, 0));
	while (opened < 2000 && open("/dev/null", O_RDONLY) >= 0)
		opened++;
	printf("%d\n", opened > 900);
	printf("%s\n", strerrorname_np(errno));
	SHOW(syscall(SYS_close_range, 3, ~0U, 0));
	copy_self("who");
	fflush(stdout);
	execl("./who", "who", "--ids", NULL);
}

static void private_table(void)
{
	SHOW(syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_UNSHARE));
	SHOW(syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC));
}

static void special(void)
{
	uint64_t value = 7;
	int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);

	SHOW(write(fd, &value, 8));
	SHOW(read(fd, &value, 8));
	printf("%d\n", (int)value);
	int poller = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event = {.events = EPOLLIN};
	SHOW(epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event));
	SHOW(epoll_wait(poller, &event, 1, 0));
	value = 1;
	SHOW(write(fd, &value, 8));
	SHOW(epoll_wait(poller, &event, 1, 0));
	int timer = timerfd_create(CLOCK_MONOTONIC, 0);
	struct itimerspec soon = {.it_value.tv_nsec = 1};
	SHOW(timerfd_settime(timer, 0, &soon, NULL));
	SHOW(read(timer, &value, 8));
	make("plain", "x");
	int plain = open("plain", O_RDONLY);
	SHOW(epoll_ctl(poller, EPOLL_CTL_ADD, plain, &event));
	struct pollfd both[2] = {{.fd = plain, .events = POLLIN}, {.fd = 99, .events = POLLIN}};
	SHOW(poll(both, 2, 0));
	printf("%x %x\n", both[0].revents, both[1].revents);
	int size = 0;
	SHOW(ioctl(plain, FIONREAD, &size));
	SHOW(ioctl(plain, TIOCGWINSZ, &size));
	int ends[2];
	SHOW(pipe2(ends, O_NONBLOCK | O_CLOEXEC));
	SHOW(read(ends[0], &value, 1));
	struct iovec text = {"abc", 3};
	SHOW(vmsplice(ends[1], &text, 1, 0));
	SHOW(writev(ends[1], &text, 1));
	SHOW(read(ends[0], &value, 6));
}

void test_descriptors(void)
{
	apart(numbers);
	apart(many);
	apart(private_table);
	apart(special);
}
