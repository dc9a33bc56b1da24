/* Extended attributes: the twelve calls, flags, sizes, and names that only some may use. */
#include "conformance.h"

#include <sys/xattr.h>

static void plain(void)
{
	char list[256];

	make("a", "x");
	SHOW(chown("a", 5, 6));
	SHOW(setxattr("a", "user.test", "v", 1, 0));
	SHOW(listxattr("a", NULL, 0));
	ssize_t size = listxattr("a", list, sizeof(list));
	for (ssize_t at = 0; at < size; at += (ssize_t)strlen(list + at) + 1)
		printf("attribute %s\n", list + at);
	SHOW(listxattr("a", list, 3));
	SHOW(llistxattr("a", list, sizeof(list)));
	int fd = open("a", O_RDONLY);
	SHOW(flistxattr(fd, list, sizeof(list)));
	SHOW(fgetxattr(fd, "user.test", list, sizeof(list)));
	SHOW(getxattr("a", "user.none", list, sizeof(list)));
	SHOW(removexattr("a", "user.test"));
	SHOW(listxattr("a", list, sizeof(list)));
	close(fd);
}

static void flags_and_sizes(void)
{
	char value[256] = "";

	make("b", "x");
	SHOW(setxattr("b", "user.one", "1", 1, XATTR_REPLACE));
	SHOW(setxattr("b", "user.one", "1", 1, XATTR_CREATE));
	SHOW(setxattr("b", "user.one", "2", 1, XATTR_CREATE));
	SHOW(setxattr("b", "user.one", "three", 5, XATTR_REPLACE));
	SHOW(setxattr("b", "user.one", "x", 1, 4));
	SHOW(getxattr("b", "user.one", NULL, 0));
	SHOW(getxattr("b", "user.one", value, 2));
	SHOW(getxattr("b", "user.one", value, sizeof(value)));
	printf("%s\n", value);
	SHOW(setxattr("b", "user.empty", NULL, 0, 0));
	SHOW(getxattr("b", "user.empty", value, sizeof(value)));
	SHOW(setxattr("b", "user.", "x", 1, 0));
	SHOW(setxattr("b", "", "x", 1, 0));
	SHOW(setxattr("b", "nothing", "x", 1, 0));
	SHOW(getxattr("b", "nothing.at.all", value, sizeof(value)));
	memset(value, 'a', sizeof(value) - 1);
	memcpy(value, "user.", 5);
	show("set a name of 255 bytes", setxattr("b", value, "x", 1, 0));
	show("remove it", removexattr("b", value));
	char longer[300];
	memset(longer, 'a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	show("set a name of 299 bytes", setxattr("b", longer, "x", 1, 0));
	show("get it", getxattr("b", longer, value, sizeof(value)));
	SHOW(syscall(SYS_setxattr, "b", "user.much", value, 65537, 0));
	SHOW(syscall(SYS_setxattr, "b", "user.bad", 1L, 4, 0));
	SHOW(syscall(SYS_getxattr, "b", "user.one", 1L, 4));
	SHOW(syscall(SYS_getxattr, "b", 1L, value, 4));
	SHOW(setxattr("none", "user.one", "1", 1, 0));
	SHOW(getxattr("none", "user.one", value, 1));
	SHOW(removexattr("b", "user.none"));
	SHOW(fsetxattr(99, "user.one", "1", 1, 0));
	SHOW(fgetxattr(99, "user.one", value, 1));
	SHOW(flistxattr(99, value, 1));
}

static void kinds(void)
{
	char value[64];

	SHOW(symlink("b", "link"));
	SHOW(lsetxattr("link", "user.one", "1", 1, 0));
	SHOW(lgetxattr("link", "user.one", value, sizeof(value)));
	SHOW(getxattr("link", "user.one", value, sizeof(value)));
	SHOW(lremovexattr("link", "user.one"));
	SHOW(llistxattr("link", value, sizeof(value)));
	SHOW(mkfifo("fifo", 0600));
	SHOW(setxattr("fifo", "user.one", "1", 1, 0));
	SHOW(getxattr("fifo", "user.one", value, sizeof(value)));
	SHOW(mkdir("d", 0755));
	SHOW(setxattr("d", "user.one", "1", 1, 0));
	SHOW(getxattr("d", "user.one", value, sizeof(value)));
	SHOW(chmod("d", 0500));
	SHOW(setxattr("d", "user.two", "1", 1, 0));
	int fd = open("b", O_RDONLY);
	SHOW(fsetxattr(fd, "user.by-descriptor", "1", 1, 0));
	SHOW(fremovexattr(fd, "user.by-descriptor"));
	close(fd);
	fd = open("b", O_PATH);
	SHOW(fsetxattr(fd, "user.one", "1", 1, 0));
	SHOW(fgetxattr(fd, "user.one", value, sizeof(value)));
	SHOW(flistxattr(fd, value, sizeof(value)));
	close(fd);
}

/* VFS_CAP_REVISION_2, cap_net_bind_service+ep */
static const unsigned char capability[20] = {1, 0, 0, 2, 0, 4};

static void of_files(void)
{
	unsigned char value[64];

	make("c", "x");
	SHOW(setxattr("c", "security.capability", capability, 20, 0));
	long size = SHOW(getxattr("c", "security.capability", value, sizeof(value)));
	printf("same %d\n", size == 20 && memcmp(value, capability, 20) == 0);
	SHOW(chown("c", 1, 1));
	SHOW(getxattr("c", "security.capability", value, sizeof(value)));
	SHOW(setxattr("c", "security.capability", "bad", 3, 0));
	SHOW(setxattr("c", "security.capability", capability, 20, 0));
	make("c", "written");
	SHOW(getxattr("c", "security.capability", value, sizeof(value)));
	SHOW(setxattr("c", "security.capability", capability, 20, 0));
	SHOW(removexattr("c", "security.capability"));
	SHOW(getxattr("c", "security.capability", value, sizeof(value)));
}

static void by_user(void)
{
	char value[64];

	be_user(100, 200);
	SHOW(setxattr("mine", "user.one", "1", 1, 0));
	SHOW(getxattr("mine", "user.one", value, sizeof(value)));
	SHOW(setxattr("mine", "security.capability", capability, 20, 0));
}

void test_attributes(void)
{
	plain();
	flags_and_sizes();
	kinds();
	of_files();
	make("mine", "x");
	SHOW(chown("mine", 100, 200));
	apart(by_user);
}
