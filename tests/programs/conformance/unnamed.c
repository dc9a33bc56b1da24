/* O_TMPFILE, linkat(2) by a descriptor, O_PATH, and the flags of open(2). */
#include "conformance.h"

#include <linux/openat2.h>

static void unnamed(void)
{
	struct stat st;
	char proc[64];
	int fd = open(".", O_TMPFILE | O_RDWR, 0644);

	CHECK(fd);
	SHOW(fstat(fd, &st));
	printf("%o %u:%u %u\n", st.st_mode, st.st_uid, st.st_gid, (unsigned)st.st_nlink);
	SHOW(write(fd, "text", 4));
	SHOW(fchown(fd, 3, 4));
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	SHOW(chown(proc, 5, 6));
	SHOW(chmod(proc, 04751));
	SHOW(fstat(fd, &st));
	printf("%o %u:%u\n", st.st_mode, st.st_uid, st.st_gid);
	SHOW(linkat(AT_FDCWD, proc, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
	look_briefly("named");
	print_file("named");
	close(fd);
	fd = open(".", O_TMPFILE | O_WRONLY | O_EXCL, 0600);
	CHECK(fd);
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	SHOW(linkat(AT_FDCWD, proc, AT_FDCWD, "never", AT_SYMLINK_FOLLOW));
	close(fd);
	CHECK(open(".", O_TMPFILE | O_RDONLY, 0600));
	CHECK(open("none", O_TMPFILE | O_RDWR, 0600));
	CHECK(open("named", O_TMPFILE | O_RDWR, 0600));
	fd = open(".", O_TMPFILE | O_RDWR, 0);
	SHOW(fstat(fd, &st));
	printf("%o\n", st.st_mode);
	close(fd);
}

static void by_user(void)
{
	struct stat st;

	be_user(100, 200);
	int fd = open("open", O_TMPFILE | O_RDWR, 0666);
	CHECK(fd);
	SHOW(fstat(fd, &st));
	printf("%o %u:%u\n", st.st_mode, st.st_uid, st.st_gid);
	char proc[64];
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	SHOW(linkat(AT_FDCWD, proc, AT_FDCWD, "open/by-user", AT_SYMLINK_FOLLOW));
	look_briefly("open/by-user");
	SHOW(linkat(fd, "", AT_FDCWD, "open/by-descriptor", AT_EMPTY_PATH));
	look_briefly("open/by-descriptor");
	SHOW(linkat(fd, "", AT_FDCWD, "open/by-descriptor", AT_EMPTY_PATH));
	SHOW(linkat(fd, "", AT_FDCWD, "none/by-descriptor", AT_EMPTY_PATH));
}

/* What is made under the rules of openat2(2) is the user's, also behind a link that leads nowhere yet. */
static void by_rules(void)
{
	struct open_how how = {.flags = O_WRONLY | O_CREAT, .mode = 0644, .resolve = RESOLVE_BENEATH};

	be_user(100, 200);
	int dir = open("open", O_RDONLY | O_DIRECTORY);
	SHOW(symlinkat("/behind", dir, "absolute"));
	SHOW(symlinkat("../open/up", dir, "out"));
	SHOW(symlinkat("./aside", dir, "in"));
	CHECK(syscall(SYS_openat2, dir, "beneath", &how, sizeof(how)));
	look_briefly("open/beneath");
	CHECK(syscall(SYS_openat2, dir, "in", &how, sizeof(how)));
	look_briefly("open/aside");
	CHECK(syscall(SYS_openat2, dir, "out", &how, sizeof(how)));
	CHECK(syscall(SYS_openat2, dir, "absolute", &how, sizeof(how)));
	how.resolve = RESOLVE_IN_ROOT;
	CHECK(syscall(SYS_openat2, dir, "absolute", &how, sizeof(how)));
	look_briefly("open/behind");
	CHECK(syscall(SYS_openat2, dir, "../in-root", &how, sizeof(how)));
	look_briefly("open/in-root");
	how.resolve = RESOLVE_NO_SYMLINKS;
	SHOW(symlinkat("nothing", dir, "to-nothing"));
	CHECK(syscall(SYS_openat2, dir, "to-nothing", &how, sizeof(how)));
	CHECK(syscall(SYS_openat2, dir, "plain", &how, sizeof(how)));
	look_briefly("open/plain");
	how = (struct open_how){.flags = O_RDWR | O_TMPFILE, .mode = 0640, .resolve = RESOLVE_BENEATH};
	int fd = (int)syscall(SYS_openat2, dir, ".", &how, sizeof(how));
	SHOW(linkat(fd, "", dir, "unnamed", AT_EMPTY_PATH));
	look_briefly("open/unnamed");
}

static void only_names(void)
{
	struct stat st;
	char text[8];
	int fd = open("named", O_PATH);

	CHECK(fd);
	SHOW(read(fd, text, 1));
	SHOW(fchmod(fd, 0600));
	SHOW(fchown(fd, 1, 1));
	SHOW(ftruncate(fd, 0));
	SHOW(fstat(fd, &st));
	SHOW(fchdir(fd));
	printf("flags %x\n", fcntl(fd, F_GETFL) & (O_PATH | O_ACCMODE));
	close(fd);
	fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	CHECK(openat(fd, "named", O_RDONLY));
	SHOW(fchdir(fd));
	SHOW(fcntl(fd, F_GETFD));
	close(fd);
	CHECK(open("named", O_PATH | O_DIRECTORY));
	CHECK(open("none", O_PATH));
	CHECK(open("none", O_PATH | O_CREAT, 0600));
	SHOW(symlink("named", "link"));
	fd = open("link", O_PATH | O_NOFOLLOW);
	SHOW(fstat(fd, &st));
	printf("link %d\n", S_ISLNK(st.st_mode));
	close(fd);
	fd = open("link", O_PATH);
	SHOW(fstat(fd, &st));
	printf("link %d\n", S_ISLNK(st.st_mode));
	close(fd);
	CHECK(open("/proc/self", O_PATH));
	CHECK(open("/dev/null", O_PATH));
}

static void flags(void)
{
	char text[16] = "";

	make("f", "hello");
	int fd = open("f", O_WRONLY | O_APPEND);
	SHOW(write(fd, " you", 4));
	printf("flags %x\n", fcntl(fd, F_GETFL) & (O_APPEND | O_ACCMODE | O_NONBLOCK));
	SHOW(read(fd, text, 1));
	close(fd);
	print_file("f");
	fd = open("f", O_RDWR | O_TRUNC | O_NONBLOCK | O_CLOEXEC | O_SYNC);
	printf("flags %x, %x\n", fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK | O_SYNC), fcntl(fd, F_GETFD));
	close(fd);
	CHECK(open("f", O_RDONLY | O_NOATIME));
	CHECK(open("f", O_RDONLY | O_TRUNC));
	CHECK(open("f", O_ACCMODE));
	CHECK(open("f", O_RDONLY | 0x40000000));
	CHECK(open("f", O_CREAT | O_EXCL, 0600));
	CHECK(open("", O_RDONLY));
	CHECK(open("f", O_DIRECTORY | O_CREAT, 0600));
	CHECK(creat("made", 0604));
	look_briefly("made");
	CHECK(syscall(SYS_open, 1L, O_RDONLY));
	CHECK(openat(99, "f", O_RDONLY));
	CHECK(open("/dev/null", O_RDWR));
	CHECK(open("/dev/null", O_WRONLY | O_CREAT | O_TRUNC, 0600));
	CHECK(open("/dev/zero", O_RDONLY));
	CHECK(open("/", O_RDONLY));
	CHECK(open("/", O_WRONLY));
}

static void ways(void)
{
	struct {
		struct open_how how;
		uint64_t more;
	} how = {.how = {.flags = O_RDONLY}};

	SHOW(mkdir("d", 0755));
	make("d/f", "x");
	SHOW(symlink("../f", "d/up"));
	SHOW(symlink("f", "d/here"));
	int dir = open("d", O_RDONLY | O_DIRECTORY);
	CHECK(syscall(SYS_openat2, dir, "f", &how, sizeof(how.how)));
	CHECK(syscall(SYS_openat2, dir, "f", &how, sizeof(how)));
	how.more = 1;
	CHECK(syscall(SYS_openat2, dir, "f", &how, sizeof(how)));
	how.more = 0;
	CHECK(syscall(SYS_openat2, dir, "f", &how, 8));
	CHECK(syscall(SYS_openat2, dir, "f", 1L, sizeof(how.how)));
	how.how.resolve = RESOLVE_BENEATH;
	CHECK(syscall(SYS_openat2, dir, "f", &how, sizeof(how.how)));
	CHECK(syscall(SYS_openat2, dir, "here", &how, sizeof(how.how)));
	CHECK(syscall(SYS_openat2, dir, "up", &how, sizeof(how.how)));
	CHECK(syscall(SYS_openat2, dir, "../f", &how, sizeof(how.how)));
	CHECK(syscall(SYS_openat2, dir, "/f", &how, sizeof(how.how)));
	how.how.resolve = RESOLVE_NO_MAGICLINKS;
	CHECK(syscall(SYS_openat2, dir, "here", &how, sizeof(how.how)));
	how.how.resolve = 1 << 12;
	CHECK(syscall(SYS_openat2, dir, "f", &how, sizeof(how.how)));
	how.how.resolve = 0;
	how.how.mode = 0600;
	CHECK(syscall(SYS_openat2, dir, "f", &how, sizeof(how.how)));
	how.how.flags = O_WRONLY | O_CREAT | O_EXCL;
	CHECK(syscall(SYS_openat2, dir, "new", &how, sizeof(how.how)));
	look_briefly("d/new");
	how.how.mode = 0200000;
	CHECK(syscall(SYS_openat2, dir, "newer", &how, sizeof(how.how)));
	how.how = (struct open_how){.flags = O_PATH};
	CHECK(syscall(SYS_openat2, dir, "f", &how, sizeof(how.how)));
}

void test_unnamed(void)
{
	apart(unnamed);
	SHOW(mkdir("open", 0777));
	SHOW(chmod("open", 0777));
	apart(by_user);
	apart(by_rules);
	apart(only_names);
	apart(flags);
	apart(ways);
}
