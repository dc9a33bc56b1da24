/* What a path means: links, "..", descriptors, changed roots, and addresses that are none. */
#include "conformance.h"

void test_paths(void)
{
	SHOW(mkdir("p", 0755));
	SHOW(mkdir("p/q", 0755));
	make("p/q/f", "x");
	SHOW(chown("p/q/f", 1, 2));
	SHOW(symlink("../q/f", "p/q/up"));
	look("p/q/up");
	look("p/q/../q/./f");
	SHOW(chdir("p/q"));
	look("../q/f");
	SHOW(chown("../q/f", 3, 4));
	look("f");
	char absolute[4096], target[4200];
	if (!getcwd(absolute, sizeof(absolute)))
		return;
	snprintf(target, sizeof(target), "%s/f", absolute);
	SHOW(symlink(target, "absolute"));
	SHOW(chown("absolute", 5, 6));
	look("f");
	SHOW(lchown("absolute", 7, 8));
	look("absolute");
	int dir = open("..", O_RDONLY | O_DIRECTORY);
	struct stat st;
	SHOW(fstatat(dir, "q/absolute", &st, 0));
	printf("%u:%u\n", st.st_uid, st.st_gid);
	SHOW(fchownat(dir, "q/f", 9, 10, 0));
	SHOW(fstatat(dir, "q/f", &st, AT_SYMLINK_NOFOLLOW));
	printf("%u:%u\n", st.st_uid, st.st_gid);
	SHOW(fstatat(dir, "q/f/", &st, 0));
	SHOW(fstatat(dir, "", &st, 0));
	SHOW(fstatat(-5, "q", &st, 0));
	int fd = open("f", O_RDONLY);
	char proc[64];
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	SHOW(chown(proc, 11, 12));
	look("f");
	SHOW(syscall(SYS_newfstatat, AT_FDCWD, 1L, &st, 0));
	SHOW(syscall(SYS_newfstatat, AT_FDCWD, "f", 1L, 0));
	SHOW(syscall(SYS_chown, 1L, 1, 1));
	SHOW(symlink("loop", "loop"));
	SHOW(chown("loop", 1, 1));
	SHOW(lchown("loop", 1, 1));
	look("loop");
	char longname[5000];
	memset(longname, 'a', sizeof(longname) - 1);
	longname[sizeof(longname) - 1] = '\0';
	show("chown a long name", chown(longname, 1, 1));
	longname[300] = '\0';
	show("stat a long leaf", stat(longname, &st));
	SHOW(chroot(".."));
	SHOW(chdir("/q"));
	SHOW(chown("/q/f", 30, 31));
	look("/q/f");
	look("../../q/f");
}
