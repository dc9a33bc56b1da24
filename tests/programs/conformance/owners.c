/* chown(2) and its kin. */
#include "conformance.h"

void test_owners(void)
{
	make("file", "x");
	SHOW(chmod("file", 06755));
	SHOW(chown("file", 33, (gid_t)-1));
	look("file");
	SHOW(chmod("file", 04755));
	SHOW(chown("file", (uid_t)-1, (gid_t)-1));
	look("file");
	SHOW(lchown("file", 1, 2));
	SHOW(chown("missing", 1, 2));
	SHOW(chown("file/below", 1, 2));
	SHOW(fchownat(AT_FDCWD, "file", 3, 4, 0x10));
	SHOW(symlink("file", "link"));
	SHOW(chown("link", 5, 6));
	look("link");
	SHOW(lchown("link", 7, 8));
	look("link");
	SHOW(mkdir("dir", 0750));
	SHOW(chown("dir", 9, 10));
	SHOW(chmod("dir", 02775));
	look("dir");
	SHOW(chown("dir", 11, 12));
	look("dir");
	int fd = open("file", O_RDONLY);
	SHOW(fchown(fd, 13, 14));
	SHOW(fchownat(fd, "", 15, 16, AT_EMPTY_PATH));
	close(fd);
	SHOW(fchown(-1, 1, 1));
	SHOW(fchown(77, 1, 1));
	look("file");
	fd = open("link", O_PATH | O_NOFOLLOW);
	SHOW(fchown(fd, 1, 1));
	SHOW(fchownat(fd, "", 17, 18, AT_EMPTY_PATH));
	close(fd);
	look("link");
	SHOW(mkfifo("fifo", 0640));
	SHOW(chown("fifo", 19, 20));
	look("fifo");
	SHOW(link("file", "hard"));
	SHOW(chown("hard", 21, 22));
	look("file");
	SHOW(rename("file", "renamed"));
	look("renamed");
	SHOW(rename("link", "link2"));
	look("link2");
	SHOW(unlink("link2"));
	SHOW(symlink("other", "link2"));
	look("link2");
	SHOW(chown("file", 60001, 60002));
	SHOW(fchownat(AT_FDCWD, "", 1, 1, AT_EMPTY_PATH));
	struct stat st;
	SHOW(stat(".", &st));
	printf("here %u:%u\n", st.st_uid, st.st_gid);
	SHOW(chown(".", 0, 0));
}
