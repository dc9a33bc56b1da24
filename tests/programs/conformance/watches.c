/* inotify(7). */
#include "conformance.h"

#include <sys/inotify.h>

static void print_events(int fd)
{
	char buffer[4096] __attribute__((aligned(8)));
	ssize_t got = read(fd, buffer, sizeof(buffer));

	for (ssize_t at = 0; at < got;) {
		const struct inotify_event *event = (const struct inotify_event *)(buffer + at);
		printf("event %x watch %d '%s'\n", event->mask, event->wd, event->len ? event->name : "");
		at += (ssize_t)sizeof(*event) + event->len;
	}
	if (got < 0)
		printf("no event: %s\n", strerrorname_np(errno));
}

void test_watches(void)
{
	const uint32_t all = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_MODIFY | IN_DELETE_SELF |
			     IN_ATTRIB | IN_CLOSE_WRITE;

	SHOW(mkdir("d", 0755));
	make("d/there", "x");
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	CHECK(fd);
	SHOW(inotify_add_watch(fd, "d", all));
	SHOW(inotify_add_watch(fd, "d", all));
	SHOW(inotify_add_watch(fd, "none", all));
	SHOW(inotify_add_watch(fd, "d/there", IN_ONLYDIR | all));
	SHOW(inotify_add_watch(fd, "d", 0));
	SHOW(inotify_add_watch(99, "d", all));
	print_events(fd);
	make("d/made", "text");
	print_events(fd);
	SHOW(rename("d/made", "d/moved"));
	print_events(fd);
	SHOW(unlink("d/moved"));
	print_events(fd);
	SHOW(mkdir("d/sub", 0755));
	SHOW(rmdir("d/sub"));
	print_events(fd);
	SHOW(mkfifo("d/fifo", 0600));
	SHOW(symlink("there", "d/link"));
	SHOW(link("d/there", "d/second"));
	SHOW(chmod("d/second", 0640));
	print_events(fd);
	SHOW(inotify_add_watch(fd, "d/there", all));
	make("d/there", "more");
	print_events(fd);
	SHOW(inotify_rm_watch(fd, 1));
	SHOW(inotify_rm_watch(fd, 77));
	print_events(fd);
	SHOW(symlink("d", "link"));
	SHOW(inotify_add_watch(fd, "link", all | IN_DONT_FOLLOW) > 0 ? 0 : -1);
	SHOW(inotify_add_watch(fd, "link", all | IN_MASK_CREATE) > 0 ? 0 : -1);
}
