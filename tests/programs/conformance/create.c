/* What root and a user make, in directories with and without the set-group-id bit. */
#include "conformance.h"

#include <grp.h>
#include <linux/openat2.h>
#include <sys/sysmacros.h>

static void create(void)
{
	struct stat st;

	umask(027);
	int fd = open("made", O_WRONLY | O_CREAT | O_EXCL, 0666);
	CHECK(fd);
	SHOW(fstat(fd, &st));
	printf("made %o %u:%u\n", st.st_mode, st.st_uid, st.st_gid);
	SHOW(write(fd, "abc", 3));
	close(fd);
	CHECK(open("made", O_WRONLY | O_CREAT | O_EXCL, 0666));
	CHECK(open("made", O_RDONLY | O_CREAT, 0666));
	CHECK(open("read-only", O_RDWR | O_CREAT, 0400));
	CHECK(creat("created", 0777));
	CHECK(open("no/such", O_WRONLY | O_CREAT, 0666));
	SHOW(mkdir("made-dir", 0777));
	SHOW(mkdir("made-dir", 0777));
	SHOW(mkdirat(AT_FDCWD, "made-dir/sub", 01777));
	SHOW(symlink("made", "made-link"));
	SHOW(mkfifo("made-fifo", 0666));
	SHOW(mknod("made-node", S_IFREG | 0666, 0));
	struct open_how how = {.flags = O_WRONLY | O_CREAT, .mode = 0640};
	CHECK(syscall(SYS_openat2, AT_FDCWD, "made-openat2", &how, sizeof(how)));
	CHECK(open("setgid/of-the-directory", O_WRONLY | O_CREAT, 0666));
	SHOW(mkdir("setgid/dir", 0777));
	int flags = fcntl(open("closing", O_WRONLY | O_CREAT | O_CLOEXEC, 0600), F_GETFD);
	printf("cloexec %d\n", flags);
	look("made");
	look("read-only");
	look("created");
	look("made-dir");
	look("made-dir/sub");
	look("made-link");
	look("made-fifo");
	look("made-node");
	look("made-openat2");
	look("setgid/of-the-directory");
	look("setgid/dir");
}

static void create_as_user(void)
{
	const gid_t groups[] = {300};

	SHOW(setgroups(1, groups));
	SHOW(setresgid(200, 200, 200));
	SHOW(setresuid(100, 100, 100));
	SHOW(chdir("open"));
	create();
	SHOW(chown("made", 100, 300));
	look("made");
	SHOW(chown("made", 100, 301));
	SHOW(chown("made", 101, -1));
	SHOW(mknod("device", S_IFCHR | 0666, makedev(1, 3)));
}

static void create_as_root(void)
{
	SHOW(chdir("rooted"));
	create();
}

void test_create(void)
{
	SHOW(mkdir("open", 0777));
	SHOW(chmod("open", 0777));
	SHOW(chown("open", 100, 200));
	SHOW(mkdir("open/setgid", 0777));
	SHOW(chown("open/setgid", 0, 55));
	SHOW(chmod("open/setgid", 02777));
	SHOW(mkdir("rooted", 0755));
	SHOW(mkdir("rooted/setgid", 0777));
	SHOW(chown("rooted/setgid", 0, 66));
	SHOW(chmod("rooted/setgid", 02777));
	apart(create_as_user);
	apart(create_as_root);
}
