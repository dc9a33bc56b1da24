/* rename(2), link(2), unlink(2), mkdir(2), rmdir(2) and what they refuse. */
#include "conformance.h"

#include <linux/fs.h>

static int rename2(const char *from, const char *to, unsigned flags)
{
	return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flags);
}

static void renames(void)
{
	make("a", "first");
	make("b", "second");
	SHOW(chown("a", 1, 2));
	SHOW(chown("b", 3, 4));
	SHOW(rename2("a", "b", RENAME_NOREPLACE));
	SHOW(rename2("a", "b", RENAME_EXCHANGE));
	print_file("a");
	look_briefly("a");
	look_briefly("b");
	SHOW(rename2("a", "none", RENAME_EXCHANGE));
	SHOW(rename2("a", "b", RENAME_EXCHANGE | RENAME_NOREPLACE));
	SHOW(rename2("a", "b", 1 << 10));
	SHOW(rename2("a", "c", RENAME_NOREPLACE));
	SHOW(rename("c", "b"));
	print_file("b");
	SHOW(rename("none", "b"));
	SHOW(rename("b", "b"));
	SHOW(rename("b", "no/b"));
	SHOW(mkdir("d", 0755));
	SHOW(mkdir("e", 0755));
	make("e/f", "x");
	SHOW(rename("b", "d"));
	SHOW(rename("d", "b"));
	SHOW(rename("d", "e"));
	SHOW(rename("e", "d"));
	SHOW(rename("d", "d/below"));
	SHOW(rename("d/", "e/"));
	SHOW(rename("b/", "x"));
	SHOW(rename("b", "x/"));
	SHOW(rename("e", "new/"));
	SHOW(rename("new", "e"));
	SHOW(rename("e/.", "x"));
	SHOW(rename("e/..", "x"));
	SHOW(rename("e", "."));
	SHOW(rename("", "x"));
	SHOW(rename2("e", "b", RENAME_EXCHANGE));
	look_briefly("e");
	look_briefly("b/f");
	SHOW(symlink("e", "link"));
	SHOW(rename("link", "moved-link"));
	SHOW(rename("moved-link", "e"));
	look_briefly("e");
	char longname[300];
	memset(longname, 'n', sizeof(longname) - 1);
	longname[sizeof(longname) - 1] = '\0';
	show("rename to a long name", rename("e", longname));
	SHOW(syscall(SYS_rename, "e", 1L));
}

static void links(void)
{
	make("f", "x");
	SHOW(chown("f", 5, 6));
	SHOW(link("f", "g"));
	look_briefly("g");
	SHOW(link("f", "g"));
	SHOW(link("none", "h"));
	SHOW(mkdir("dir", 0755));
	SHOW(link("dir", "h"));
	SHOW(symlink("f", "sym"));
	SHOW(link("sym", "to-link"));
	look_briefly("to-link");
	SHOW(linkat(AT_FDCWD, "sym", AT_FDCWD, "to-file", AT_SYMLINK_FOLLOW));
	look_briefly("to-file");
	SHOW(linkat(AT_FDCWD, "f", AT_FDCWD, "i", 0x8));
	SHOW(link("f", "dir/"));
	SHOW(link("f", "new/"));
	SHOW(link("f/", "new"));
	int fd = open("f", O_RDONLY);
	char proc[64];
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	SHOW(linkat(AT_FDCWD, proc, AT_FDCWD, "by-proc", AT_SYMLINK_FOLLOW));
	look_briefly("by-proc");
	SHOW(linkat(fd, "", AT_FDCWD, "by-nothing", 0));
	close(fd);
	int dir = open("dir", O_RDONLY | O_DIRECTORY);
	SHOW(linkat(AT_FDCWD, "f", dir, "inside", 0));
	SHOW(renameat(dir, "inside", AT_FDCWD, "outside"));
	look_briefly("outside");
	SHOW(unlinkat(dir, "nothing", 0));
	close(dir);
}

static void removals(void)
{
	SHOW(mkdir("r", 0755));
	SHOW(mkdir("r/s", 0755));
	SHOW(unlink("r"));
	SHOW(rmdir("r"));
	SHOW(rmdir("r/s/."));
	SHOW(rmdir("r/s/.."));
	SHOW(rmdir("r/s/"));
	SHOW(rmdir("r/s"));
	SHOW(rmdir("f"));
	SHOW(rmdir("."));
	SHOW(rmdir(".."));
	SHOW(rmdir("/"));
	SHOW(unlink("/"));
	SHOW(unlink("f/"));
	SHOW(unlink("f"));
	SHOW(unlink("f"));
	SHOW(unlink(""));
	SHOW(unlinkat(AT_FDCWD, "g", 1));
	SHOW(unlinkat(AT_FDCWD, "r", AT_REMOVEDIR));
	SHOW(symlink("dir", "to-dir"));
	SHOW(rmdir("to-dir"));
	SHOW(rmdir("to-dir/"));
	SHOW(unlink("to-dir"));
	/* What is open lives on. */
	int fd = open("kept", O_RDWR | O_CREAT, 0600);
	SHOW(unlink("kept"));
	SHOW(write(fd, "alive", 5));
	struct stat st;
	SHOW(fstat(fd, &st));
	printf("links %u size %ld\n", (unsigned)st.st_nlink, (long)st.st_size);
	SHOW(fchown(fd, 9, 9));
	SHOW(fchmod(fd, 0640));
	SHOW(fstat(fd, &st));
	printf("%o %u:%u\n", st.st_mode, st.st_uid, st.st_gid);
	char name[64], text[300];
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	ssize_t length = readlink(name, text, sizeof(text) - 1);
	text[length > 0 ? length : 0] = '\0';
	char *base = strrchr(text, '/');
	printf("named %s\n", base ? base : text);
	int again = (int)SHOW(open(name, O_RDONLY) >= 0 ? 0 : -1);
	(void)again;
	close(fd);
}

static void directories(void)
{
	SHOW(mkdir("new/", 0755));
	SHOW(mkdir("new", 0755));
	SHOW(mkdir("f1", 0));
	look_briefly("f1");
	SHOW(mkdir("f1/in", 0700));
	SHOW(mkdir("no/in", 0700));
	SHOW(mkdir("", 0700));
	SHOW(mkdir(".", 0700));
	SHOW(mkdir("/", 0700));
	make("plain", "x");
	SHOW(mkdir("plain/in", 0700));
	SHOW(mkdir("plain", 0700));
	SHOW(symlink("nowhere", "dangling"));
	SHOW(mkdir("dangling", 0700));
	SHOW(mkdir("sticky", 07777));
	look_briefly("sticky");
	SHOW(chmod("sticky", 02755));
	SHOW(mkdir("sticky/child", 0777));
	look_briefly("sticky/child");
	CHECK(open("dangling", O_WRONLY | O_CREAT, 0600));
	look_briefly("nowhere");
	CHECK(open("dangling", O_WRONLY | O_CREAT | O_EXCL, 0600));
	CHECK(open("new", O_WRONLY));
	CHECK(open("new", O_RDONLY | O_CREAT, 0600));
	CHECK(open("plain", O_RDONLY | O_DIRECTORY));
	CHECK(open("plain/", O_RDONLY));
	CHECK(open("absent/", O_WRONLY | O_CREAT, 0600));
	CHECK(open("dangling", O_RDONLY | O_NOFOLLOW));
}

/* The same long paths again and again, while a name on the way comes to mean something else. */
static const char *at(const char *name)
{
	static char paths[4][PATH_MAX];
	static unsigned next;
	char *path = paths[next++ % 4];

	if (!getcwd(path, PATH_MAX))
		path[0] = '\0';
	strncat(path, "/", PATH_MAX - strlen(path) - 1);
	strncat(path, name, PATH_MAX - strlen(path) - 1);
	return path;
}

static void print_at(const char *name)
{
	char text[64] = "";
	int fd = open(at(name), O_RDONLY);
	struct stat st;

	if (fd < 0) {
		printf("%s: %s\n", name, strerror(errno));
		return;
	}
	ssize_t got = read(fd, text, sizeof(text) - 1);
	close(fd);
	printf("%s: %.*s", name, (int)(got > 0 ? got : 0), text);
	if (stat(at(name), &st) == 0)
		printf(", %ld of %u:%u\n", (long)st.st_size, st.st_uid, st.st_gid);
	else
		printf(", %s\n", strerror(errno));
}

static void meanings(void)
{
	SHOW(mkdir(at("one"), 0755));
	SHOW(mkdir(at("two"), 0755));
	make("one/f", "first");
	make("two/f", "the second");
	SHOW(symlink("one", at("way")));
	print_at("one/f");
	print_at("two/f");
	print_at("way/f");
	print_at("way/none");
	/* Another link in its place. */
	SHOW(symlink("two", at("way.new")));
	SHOW(rename(at("way.new"), at("way")));
	print_at("way/f");
	/* Directories that are moved, exchanged, removed and made anew. */
	SHOW(rename(at("two"), at("three")));
	print_at("two/f");
	print_at("way/f");
	print_at("three/f");
	SHOW(rename2(at("one"), at("three"), RENAME_EXCHANGE));
	print_at("one/f");
	print_at("three/f");
	SHOW(mkdir(at("two"), 0755));
	print_at("way/f");
	make("two/f", "third");
	print_at("way/f");
	SHOW(unlink(at("two/f")));
	SHOW(rmdir(at("two")));
	print_at("two/f");
	SHOW(unlink(at("way")));
	print_at("way/f");
	SHOW(rename(at("three"), at("way")));
	print_at("way/f");
	/* Links to what is beside them, in a row, in a circle, and to what is not. */
	SHOW(symlink("f", at("way/a")));
	SHOW(symlink("a", at("way/b")));
	SHOW(symlink("b", at("way/c")));
	SHOW(symlink("c", at("way/d")));
	SHOW(symlink("d", at("way/e")));
	SHOW(symlink("itself", at("way/itself")));
	SHOW(symlink("../one/f", at("way/over")));
	SHOW(symlink(".", at("way/here")));
	SHOW(symlink("..", at("way/up")));
	SHOW(chown(at("way/e"), 11, 12));
	print_at("way/a");
	print_at("way/e");
	print_at("way/itself");
	print_at("way/over");
	print_at("way/here/f");
	print_at("way/up/one/f");
	CHECK(open(at("way/here"), O_RDONLY | O_DIRECTORY));
	CHECK(open(at("way/a"), O_RDONLY | O_NOFOLLOW));
	CHECK(open(at("way/a"), O_RDONLY | O_DIRECTORY));
	CHECK(open(at("way/f/x"), O_RDONLY));
	/* A file in the place of a directory, and the way round. */
	SHOW(mkdir(at("thing"), 0755));
	print_at("thing/f");
	SHOW(rmdir(at("thing")));
	make("thing", "now a file");
	print_at("thing");
	print_at("thing/f");
	/* In a root of one's own the same path is another. */
	SHOW(mkdir(at("root"), 0755));
	SHOW(mkdir(at("root/way"), 0755));
	make("root/way/f", "inside");
	SHOW(chroot(at("root")));
	SHOW(chdir("/"));
	print_at("way/f");
	CHECK(open("/way/f", O_RDONLY));
}

/* The same below links, and of directories on the way to others. */
static void meanings_below(void)
{
	SHOW(mkdir(at("deep"), 0755));
	SHOW(mkdir(at("deep/er"), 0755));
	SHOW(mkdir(at("deep/er/est"), 0755));
	make("deep/er/est/f", "bottom");
	SHOW(symlink("deep", at("short")));
	/* What is missing behind a link, and then is there. */
	print_at("short/er/later/f");
	print_at("short/no/way/f");
	print_at("short/er/est/f");
	print_at("short/er/est/f/x");
	SHOW(mkdir(at("short/er/later"), 0755));
	make("deep/er/later/f", "came later");
	print_at("short/er/later/f");
	print_at("deep/er/later/f");
	/* A directory in the middle is moved away, and another takes its place. */
	SHOW(rename(at("deep/er"), at("deep/away")));
	print_at("short/er/est/f");
	print_at("deep/er/est/f");
	print_at("deep/away/est/f");
	SHOW(mkdir(at("deep/er"), 0755));
	print_at("deep/er/est/f");
	SHOW(mkdir(at("deep/er/est"), 0755));
	make("deep/er/est/f", "another");
	print_at("short/er/est/f");
	print_at("deep/er/est/f");
	/* One whose name only begins alike stays. */
	SHOW(mkdir(at("deep/er2"), 0755));
	make("deep/er2/f", "neighbour");
	print_at("deep/er2/f");
	SHOW(rename(at("deep/er"), at("deep/er3")));
	print_at("deep/er2/f");
	print_at("deep/er/est/f");
	print_at("deep/er3/est/f");
	/* A link in the middle is removed, made anew, and moved. */
	SHOW(symlink("er3", at("deep/link")));
	print_at("deep/link/est/f");
	SHOW(unlink(at("deep/link")));
	print_at("deep/link/est/f");
	SHOW(symlink("away", at("deep/link")));
	print_at("deep/link/est/f");
	SHOW(rename(at("deep/link"), at("deep/moved")));
	print_at("deep/link/est/f");
	print_at("deep/moved/est/f");
	SHOW(rename(at("deep/moved"), at("deep/er2/f")));
	print_at("deep/er2/f/est/f");
	SHOW(rename(at("short"), at("shorter")));
	print_at("short/er3/est/f");
	print_at("shorter/er3/est/f");
}

/* What cannot be moved and removed, by long paths. */
static void refusals(void)
{
	struct stat st;
	const struct timespec times[2] = {{.tv_sec = 5}, {.tv_sec = 6}};

	SHOW(mkdir(at("d"), 0755));
	SHOW(mkdir(at("d/e"), 0755));
	make("d/f", "x");
	SHOW(symlink("f", at("d/l")));
	SHOW(rename(at("d/none"), at("d/x")));
	SHOW(rename(at("none/f"), at("d/x")));
	SHOW(rename(at("d/f"), at("none/x")));
	SHOW(rename(at("d/f/x"), at("d/x")));
	SHOW(rename(at("d/f"), at("d/e")));
	SHOW(rename(at("d/e"), at("d/f")));
	SHOW(rename(at("d"), at("d/e/d")));
	SHOW(rename(at("d/e"), at("d")));
	SHOW(rename(at("d/f"), at("d/f")));
	SHOW(rmdir(at("d")));
	SHOW(rmdir(at("d/f")));
	SHOW(rmdir(at("d/l")));
	SHOW(rmdir(at("d/none")));
	SHOW(rmdir(at("none/none")));
	SHOW(unlink(at("d/e")));
	SHOW(unlink(at("d/none")));
	SHOW(unlink(at("d/f/x")));
	SHOW(utimensat(AT_FDCWD, at("d/l"), times, 0));
	SHOW(utimensat(AT_FDCWD, at("d/none"), times, 0));
	SHOW(utimensat(AT_FDCWD, at("d/f/x"), times, 0));
	SHOW(stat(at("d/f"), &st));
	printf("%ld %ld\n", (long)st.st_atim.tv_sec, (long)st.st_mtim.tv_sec);
	SHOW(utimensat(AT_FDCWD, at("d/l"), times, AT_SYMLINK_NOFOLLOW));
	SHOW(lstat(at("d/l"), &st));
	printf("%ld %ld\n", (long)st.st_atim.tv_sec, (long)st.st_mtim.tv_sec);
	/* The '/' behind a name asks for a directory of that name, also in an exchange. */
	SHOW(rename2(at("d/f"), at("d/e/"), RENAME_EXCHANGE));
	SHOW(rename2(at("d/f"), at("d/e/"), RENAME_EXCHANGE));
	SHOW(rename2(at("d/e/"), at("d/f"), RENAME_EXCHANGE));
	SHOW(rename2(at("d/f/"), at("d/e"), RENAME_EXCHANGE));
	int fd = open(at("d/f"), O_PATH);
	SHOW(fsync(fd));
	close(fd);
	SHOW(fsync(fd));
	SHOW(fstat(fd, &st));
	SHOW(fstat(-1, &st));
}

/* The same name again and again behind it, until no more fits. */
static const char *far(const char *start, const char *name)
{
	static char path[PATH_MAX];
	size_t length = (size_t)snprintf(path, sizeof(path), "%s", at(start));

	while (length + strlen(name) + 1 < sizeof(path))
		length += (size_t)snprintf(path + length, sizeof(path) - length, "/%s", name);
	return path;
}

/* Paths of two thousand names, each of which could be asked for at length. */
static void distances(void)
{
	struct stat st;
	char start[64];

	SHOW(mkdir(at("real"), 0755));
	SHOW(mkdir(at("real/b"), 0755));
	SHOW(symlink("real", at("link")));
	SHOW(symlink(".", at("real/s")));
	make("real/b/f", "near");
	for (int i = 0; i < 20; i++) {
		snprintf(start, sizeof(start), "link/none%d", i);
		SHOW(stat(far(start, "a"), &st));
		SHOW(stat(far(i % 2 ? "real/s" : "link/s", "s"), &st));
		SHOW(stat(far("real/b", "a"), &st));
	}
	/* As many links as may be followed, and one more (path_resolution(7)); so many names that are not there. */
	snprintf(start, sizeof(start), "link/b/f");
	print_at(start);
	print_at("real/s/s/s/s/s/s/s/s/s/s/s/s/s/s/s/s/s/s/s/s/s/s/s/s/s/s/s/s/s/s/s/s/s/s/s/s/s/s/s/s/b/f");
	print_at("link/s/s/s/s/s/s/s/s/s/s/s/s/s/s/s/s/s/s/s/s/s/s/s/s/s/s/s/s/s/s/s/s/s/s/s/s/s/s/s/s/b/f");
	print_at("link/s/b/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/f");
	print_at("link/s/b/1/2/3/4/5/6/7/8/9/10/11/12/13/f");
}

void test_names(void)
{
	apart(renames);
	apart(links);
	apart(removals);
	apart(directories);
	apart(meanings);
	apart(meanings_below);
	apart(refusals);
	apart(distances);
}
