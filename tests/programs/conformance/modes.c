/* chmod(2) in its four forms, umask(2), and files that are closed to their owner. */
#include "conformance.h"

#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <sys/wait.h>
#include <sys/xattr.h>

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

/* Access lists (acl(5)) of nobody but the owner, the group and others: user::rwx,group::r-x,other::r-- */
struct list {
	struct posix_acl_xattr_header header;
	struct posix_acl_xattr_entry entries[3];
};
static const struct list list = {
	{POSIX_ACL_XATTR_VERSION},
	{{ACL_USER_OBJ, 7, ACL_UNDEFINED_ID}, {ACL_GROUP_OBJ, 5, ACL_UNDEFINED_ID}, {ACL_OTHER, 4, ACL_UNDEFINED_ID}}};

/* With a mask, which keeps it a list: what the owner may is what was asked for, in the mode and in the list. */
static void show_masked(const char *path, unsigned owner)
{
	const struct {
		struct posix_acl_xattr_header header;
		struct posix_acl_xattr_entry entries[4];
	} masked = {{POSIX_ACL_XATTR_VERSION},
		    {{ACL_USER_OBJ, (unsigned short)owner, ACL_UNDEFINED_ID},
		     {ACL_GROUP_OBJ, 5, ACL_UNDEFINED_ID},
		     {ACL_MASK, 4, ACL_UNDEFINED_ID},
		     {ACL_OTHER, 1, ACL_UNDEFINED_ID}}};
	unsigned char got[sizeof(masked) + 1];

	SHOW(setxattr(path, "system.posix_acl_access", &masked, sizeof(masked), 0));
	look_briefly(path);
	ssize_t size = getxattr(path, "system.posix_acl_access", got, sizeof(got));
	printf("%s: %zd bytes, %s\n", path, size,
	       size == (ssize_t)sizeof(masked) && memcmp(got, &masked, sizeof(masked)) == 0 ? "the same"
											    : "another list");
}

static void set_lists(void)
{
	static const mode_t modes[] = {0, 0444, 06400, 0755};

	make("listed", "x");
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		SHOW(chmod("listed", modes[i]));
		SHOW(setxattr("listed", "system.posix_acl_access", &list, sizeof(list), 0));
		look("listed");
		SHOW(chmod("listed", modes[i]));
		look_briefly("listed");
	}
	struct list closed = list;
	closed.entries[0].e_perm = 0;
	SHOW(setxattr("listed", "system.posix_acl_access", &closed, sizeof(closed), 0));
	look("listed");
	make("listed", "again");
	show_masked("listed", 0);
	show_masked("listed", 4);
	SHOW(chmod("listed", 0751));
	show_masked("listed", 5);
	SHOW(chown("listed", 7, 8));
	look("listed");
	SHOW(mkdir("listed-dir", 0));
	SHOW(setxattr("listed-dir", "system.posix_acl_access", &list, sizeof(list), 0));
	look("listed-dir");
}

/* One that a directory hands on takes the place of the umask. */
static void inherit_lists(void)
{
	SHOW(mkdir("heirs", 02777));
	SHOW(setxattr("heirs", "system.posix_acl_default", &list, sizeof(list), 0));
	SHOW(umask(077));
	CHECK(open("heirs/file", O_CREAT | O_WRONLY, 06711));
	look_briefly("heirs/file");
	SHOW(mkdir("heirs/dir", 0777));
	look_briefly("heirs/dir");
	SHOW(mkdir("heirs/dir/dir", 0707));
	look_briefly("heirs/dir/dir");
	SHOW(mkfifo("heirs/fifo", 0666));
	look_briefly("heirs/fifo");
	SHOW(mknod("heirs/node", S_IFREG | 0222, 0));
	look_briefly("heirs/node");
	SHOW(symlink("file", "heirs/link"));
	look_briefly("heirs/link");
	struct list shut = list;
	shut.entries[0].e_perm = 4;
	SHOW(setxattr("heirs", "system.posix_acl_default", &shut, sizeof(shut), 0));
	CHECK(open("heirs/shut", O_CREAT | O_WRONLY, 0666));
	SHOW(chown("heirs/shut", 7, 8));
	look_briefly("heirs/shut");
	SHOW(mkdir("heirs/shut-dir", 0777));
	SHOW(chown("heirs/shut-dir", 7, 8));
	look_briefly("heirs/shut-dir");
	SHOW(umask(022));
}

/* What is made in a directory that hands its group on, by who is not in it. */
static void of_others(void)
{
	be_user(100, 200);
	SHOW(umask(0));
	CHECK(open("handed-on/file", O_CREAT | O_WRONLY, 06755));
	look_briefly("handed-on/file");
	CHECK(open("handed-on/quiet", O_CREAT | O_WRONLY, 06745));
	look_briefly("handed-on/quiet");
	SHOW(mkfifo("handed-on/fifo", 02777));
	look_briefly("handed-on/fifo");
	SHOW(mkdir("handed-on/dir", 0777));
	look_briefly("handed-on/dir");
}

/* Set-id bits go with a write, whichever way, and with a new owner. Root of a user namespace has no say in that. */
static void lose_set_ids(void)
{
	static const mode_t modes[] = {04755, 02755, 02745, 04111, 06455};

	make("set-id", "some text");
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		SHOW(chmod("set-id", modes[i]));
		int fd = open("set-id", O_RDWR);
		look_briefly("set-id");
		SHOW(write(fd, "x", 1));
		look_briefly("set-id");
		SHOW(chmod("set-id", modes[i]));
		SHOW(ftruncate(fd, 3));
		look_briefly("set-id");
		close(fd);
		SHOW(chmod("set-id", modes[i]));
		SHOW(truncate("set-id", 2));
		look_briefly("set-id");
		SHOW(chmod("set-id", modes[i]));
		close(open("set-id", O_WRONLY | O_TRUNC));
		look_briefly("set-id");
		SHOW(chmod("set-id", modes[i]));
		SHOW(chown("set-id", 7, 8));
		look_briefly("set-id");
		SHOW(mkfifo("set-id-fifo", 0600));
		SHOW(chmod("set-id-fifo", modes[i]));
		SHOW(chown("set-id-fifo", 7, 8));
		look_briefly("set-id-fifo");
		SHOW(unlink("set-id-fifo"));
	}
}

void test_modes(void)
{
	forms();
	apart(set_lists);
	apart(inherit_lists);
	apart(lose_set_ids);
	SHOW(mkdir("handed-on", 0777));
	SHOW(chown("handed-on", 5, 6));
	SHOW(chmod("handed-on", 02777));
	apart(of_others);
	apart(closed);
	apart(masks);
}
