/* mknod(2) of every type, by root and by a user. */
#include "conformance.h"

#include <sys/sysmacros.h>

static void print_device(const char *path)
{
	struct stat st = {0};
	struct statx stx = {0};

	SHOW(stat(path, &st));
	printf("%s %o %u:%u %u:%u\n", path, st.st_mode, st.st_uid, st.st_gid, major(st.st_rdev), minor(st.st_rdev));
	SHOW(statx(AT_FDCWD, path, 0, STATX_BASIC_STATS, &stx));
	printf("%s %o %u:%u\n", path, stx.stx_mode, stx.stx_rdev_major, stx.stx_rdev_minor);
}

/* A directory may be made with slashes behind its name; and a group that one is not of has no set-group-id programs. */
static void by_user(void)
{
	be_user(100, 200);
	SHOW(mkdir("group/made//", 0755));
	look_briefly("group/made");
	close(open("group/program", O_WRONLY | O_CREAT, 02755));
	look_briefly("group/program");
	close(open("group/locked", O_WRONLY | O_CREAT, 02644));
	look_briefly("group/locked");
	SHOW(mknod("group/made/fifo", S_IFIFO | 06711, 0));
	look_briefly("group/made/fifo");
}

void test_nodes(void)
{
	SHOW(umask(027));
	SHOW(mknod("fifo", S_IFIFO | 0666, 0));
	look_briefly("fifo");
	SHOW(mknod("socket", S_IFSOCK | 0666, 0));
	look_briefly("socket");
	SHOW(mknod("file", S_IFREG | 0666, 0));
	look_briefly("file");
	SHOW(mknod("plain", 0666, 0));
	look_briefly("plain");
	SHOW(mknod("dir", S_IFDIR | 0777, 0));
	SHOW(mknod("link", S_IFLNK | 0777, 0));
	SHOW(mknod("odd", 0150000 | 0777, 0));
	SHOW(mknod("file", S_IFIFO | 0600, 0));
	SHOW(mknod("no/file", S_IFIFO | 0600, 0));
	SHOW(mknod("new/", S_IFIFO | 0600, 0));
	SHOW(mknodat(99, "x", S_IFIFO | 0600, 0));
	SHOW(mknod("", S_IFIFO | 0600, 0));
	CHECK(open("socket", O_RDONLY));
	CHECK(open("fifo", O_WRONLY | O_NONBLOCK));
	CHECK(open("fifo", O_RDWR));
	CHECK(open("fifo", O_RDONLY | O_NONBLOCK));
	SHOW(umask(0));
	SHOW(mkdir("group", 0));
	SHOW(chown("group", 5, 6));
	SHOW(chmod("group", 02777));
	SHOW(mknod("group/fifo", S_IFIFO | 06755, 0));
	look_briefly("group/fifo");
	SHOW(symlink("group/behind", "dangling"));
	close(open("dangling", O_WRONLY | O_CREAT, 0666));
	look_briefly("group/behind");
	apart(by_user);
}

/* Where ids are mapped a step is shown an empty file, and the layer has the device. */
void test_devices(void)
{
	SHOW(umask(027));
	SHOW(mknod("null", S_IFCHR | 0666, makedev(1, 3)));
	print_device("null");
	SHOW(mknod("disk", S_IFBLK | 0660, makedev(259, 70000)));
	print_device("disk");
	SHOW(chown("disk", 0, 6));
	SHOW(chmod("disk", 0640));
	print_device("disk");
	SHOW(rename("disk", "moved"));
	print_device("moved");
	SHOW(link("moved", "linked"));
	print_device("linked");
	SHOW(unlink("moved"));
	print_device("linked");
	SHOW(mknod("null", S_IFCHR | 0666, makedev(1, 3)));
	SHOW(umask(0));
	SHOW(mknod("set-id", S_IFBLK | 06750, makedev(7, 1)));
	print_device("set-id");
}
