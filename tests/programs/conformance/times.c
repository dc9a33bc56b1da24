/* utimensat(2) and its older kin; truncate(2), fallocate(2). */
#include "conformance.h"

#include <sys/time.h>
#include <utime.h>

static void print_times(const char *path)
{
	struct stat st = {0};

	if (lstat(path, &st) < 0)
		printf("%s: %s\n", path, strerrorname_np(errno));
	else
		printf("%s a %ld.%09ld m %ld.%09ld\n", path, st.st_atim.tv_sec > 1600000000 ? -1 : st.st_atim.tv_sec,
		       st.st_atim.tv_sec > 1600000000 ? 0 : st.st_atim.tv_nsec,
		       st.st_mtim.tv_sec > 1600000000 ? -1 : st.st_mtim.tv_sec,
		       st.st_mtim.tv_sec > 1600000000 ? 0 : st.st_mtim.tv_nsec);
}

static void forms(void)
{
	const struct timespec both[2] = {{1000, 1}, {2000, 2}};
	const struct timespec one[2] = {{0, UTIME_OMIT}, {3000, 3}};
	const struct timespec none[2] = {{0, UTIME_OMIT}, {0, UTIME_OMIT}};
	const struct timespec now[2] = {{0, UTIME_NOW}, {0, UTIME_OMIT}};
	const struct timespec bad[2] = {{0, 1000000000}, {0, 0}};
	const struct timeval old[2] = {{5000, 5}, {6000, 6}};
	const struct timeval wrong[2] = {{5000, 1000000}, {6000, 6}};
	const struct utimbuf oldest = {7000, 8000};

	make("f", "x");
	SHOW(symlink("f", "link"));
	SHOW(utimensat(AT_FDCWD, "f", both, 0));
	print_times("f");
	SHOW(utimensat(AT_FDCWD, "link", one, 0));
	print_times("f");
	SHOW(utimensat(AT_FDCWD, "link", both, AT_SYMLINK_NOFOLLOW));
	print_times("link");
	print_times("f");
	SHOW(utimensat(AT_FDCWD, "f", none, 0));
	print_times("f");
	SHOW(utimensat(AT_FDCWD, "none", none, 0));
	SHOW(utimensat(AT_FDCWD, "f", now, 0));
	print_times("f");
	SHOW(utimensat(AT_FDCWD, "f", bad, 0));
	SHOW(utimensat(AT_FDCWD, "f", both, 0x8));
	SHOW(utimensat(AT_FDCWD, "none", both, 0));
	SHOW(syscall(SYS_utimensat, AT_FDCWD, "f", 1L, 0));
	int fd = open("f", O_RDONLY);
	SHOW(futimens(fd, both));
	print_times("f");
	SHOW(syscall(SYS_utimensat, fd, "", one, AT_EMPTY_PATH));
	print_times("f");
	SHOW(syscall(SYS_utimensat, fd, NULL, both, AT_SYMLINK_NOFOLLOW));
	SHOW(syscall(SYS_utimensat, AT_FDCWD, NULL, both, 0));
	SHOW(futimens(99, both));
	close(fd);
	fd = open("f", O_PATH);
	SHOW(futimens(fd, both));
	close(fd);
	SHOW(utimes("f", old));
	print_times("f");
	SHOW(utimes("f", wrong));
	SHOW(utime("f", &oldest));
	print_times("f");
	SHOW(utime("f", NULL));
	print_times("f");
	SHOW(mkdir("d", 0500));
	SHOW(utimensat(AT_FDCWD, "d", both, 0));
	print_times("d");
	SHOW(mkfifo("fifo", 0600));
	SHOW(utimensat(AT_FDCWD, "fifo", both, 0));
	print_times("fifo");
}

static void sizes(void)
{
	struct stat st;

	make("t", "hello world");
	SHOW(truncate("t", 5));
	print_file("t");
	SHOW(truncate("t", -1));
	SHOW(truncate("none", 1));
	SHOW(truncate(".", 1));
	SHOW(chmod("t", 0400));
	SHOW(truncate("t", 3));
	SHOW(chmod("t", 06755));
	SHOW(truncate("t", 8));
	look_briefly("t");
	SHOW(mkfifo("fifo2", 0600));
	SHOW(truncate("fifo2", 0));
	int fd = open("t", O_RDWR);
	SHOW(ftruncate(fd, 2));
	SHOW(fallocate(fd, 0, 0, 8192));
	SHOW(fstat(fd, &st));
	printf("size %ld\n", (long)st.st_size);
	SHOW(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	SHOW(pwrite(fd, "xyz", 3, 100));
	SHOW(lseek(fd, 0, SEEK_END));
	SHOW(copy_file_range(fd, (off_t[]){0}, fd, (off_t[]){4096}, 10, 0));
	close(fd);
	fd = open("t", O_RDONLY);
	SHOW(ftruncate(fd, 0));
	close(fd);
}

static void by_user(void)
{
	const struct timespec both[2] = {{1000, 1}, {2000, 2}};

	be_user(100, 200);
	SHOW(utimensat(AT_FDCWD, "mine", both, 0));
	print_times("mine");
}

void test_times(void)
{
	forms();
	sizes();
	make("mine", "x");
	SHOW(chown("mine", 100, 200));
	apart(by_user);
}
