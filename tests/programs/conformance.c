/*
 * What a program sees of owners, modes, ids and capabilities, as lines of text: the same by a step that has many ids
 * and by one that is only told so. Run as root in an empty directory: conformance DIRECTORY. Numbers of inodes, devices
 * and times are not printed. Every call's result and errno is.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/openat2.h>
#include <linux/securebits.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define SHOW(call) show(#call, (long)(call))

static long show(const char *what, long result)
{
	int code = errno;

	printf("%s = %ld%s%s\n", what, result < 0 ? -1 : result, result < 0 ? " " : "",
	       result < 0 ? strerrorname_np(code) : "");
	return result;
}

/* A call whose result is a number that may differ. */
#define CHECK(call) (void)show(#call, (long)(call) < 0 ? -1 : 0)

static void print_mode(const char *how, const char *path, int rc, unsigned mode, unsigned uid, unsigned gid,
		       unsigned nlink)
{
	if (rc < 0)
		printf("%s %s: %s\n", how, path, strerrorname_np(errno));
	else
		printf("%s %s: %o %u:%u %u\n", how, path, mode, uid, gid, S_ISDIR(mode) ? 0 : nlink);
}

/* All ways to ask. */
static void look(const char *path)
{
	struct stat st = {0};
	struct statx stx = {0};

	int rc = stat(path, &st);
	print_mode("stat", path, rc, st.st_mode, st.st_uid, st.st_gid, (unsigned)st.st_nlink);
	rc = lstat(path, &st);
	print_mode("lstat", path, rc, st.st_mode, st.st_uid, st.st_gid, (unsigned)st.st_nlink);
	rc = statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &stx);
	print_mode("statx", path, rc, stx.stx_mode, stx.stx_uid, stx.stx_gid, stx.stx_nlink);
	int fd = open(path, O_PATH | O_NOFOLLOW);
	rc = fd < 0 ? -1 : fstat(fd, &st);
	print_mode("fstat", path, rc, st.st_mode, st.st_uid, st.st_gid, (unsigned)st.st_nlink);
	rc = fd < 0 ? -1 : statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stx);
	print_mode("statx by fd", path, rc, stx.stx_mode, stx.stx_uid, stx.stx_gid, stx.stx_nlink);
	if (fd >= 0)
		close(fd);
}

static void make(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		printf("make %s: %s\n", path, strerrorname_np(errno));
	close(fd);
}

static void print_ids(void)
{
	uid_t r, e, s;
	gid_t groups[64];

	getresuid(&r, &e, &s);
	printf("uids %u %u %u fs %d; ", r, e, s, setfsuid((uid_t)-1));
	getresgid(&r, &e, &s);
	printf("gids %u %u %u fs %d; %u %u %u %u;", r, e, s, setfsgid((gid_t)-1), getuid(), geteuid(), getgid(),
	       getegid());
	int count = getgroups(64, groups);
	for (int i = 0; i < count; i++)
		printf(" %u", groups[i]);
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {0};
	syscall(SYS_capget, &header, data);
	printf("; caps %x %x %x keep %d secure %d\n", data[0].effective, data[0].permitted, data[0].inheritable,
	       prctl(PR_GET_KEEPCAPS), prctl(PR_GET_SECUREBITS));
}

/* In a process of its own, for what cannot be taken back. */
static void apart(void (*part)(void))
{
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		part();
		fflush(stdout);
		_exit(0);
	}
	int status = -1;
	waitpid(pid, &status, 0);
	printf("status %x\n", status);
}

/* ---- files ---- */

static void owners(void)
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

static void paths(void)
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

static void attributes(void)
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

/* ---- ids ---- */

static void drop_all(void)
{
	const gid_t groups[] = {100, 200};

	print_ids();
	SHOW(setgroups(2, groups));
	SHOW(setgid(1000));
	SHOW(setuid(1000));
	print_ids();
	SHOW(setuid(0));
	SHOW(seteuid(0));
	SHOW(setgid(0));
	SHOW(setgroups(0, NULL));
	SHOW(setresuid(-1, 0, -1));
	SHOW(chown("file", 0, 0));
	SHOW(getgroups(1, (gid_t[]){0}));
	SHOW(syscall(SYS_getgroups, -1, NULL));
	print_ids();
}

static void go_and_return(void)
{
	SHOW(setegid(8));
	SHOW(seteuid(5));
	print_ids();
	SHOW(seteuid(6));
	SHOW(setreuid(5, 0));
	print_ids();
	SHOW(setregid(8, 8));
	SHOW(seteuid(0));
	print_ids();
	SHOW(setfsuid(9));
	SHOW(setfsuid(-1));
	SHOW(setfsgid(9));
	print_ids();
	SHOW(setresuid(1, 2, 3));
	print_ids();
	SHOW(setresuid(3, 1, 2));
	SHOW(setresuid(4, -1, -1));
	SHOW(setresgid(-1, -1, -1));
	SHOW(setreuid(-1, -1));
	print_ids();
}

static void keep_capabilities(void)
{
	SHOW(prctl(PR_SET_KEEPCAPS, 1));
	SHOW(prctl(PR_SET_KEEPCAPS, 2));
	SHOW(setresuid(7, 7, 7));
	print_ids();
	SHOW(setresgid(7, 7, 7));
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{.effective = 1 << CAP_SETGID, .permitted = 1 << CAP_SETGID}};
	SHOW(syscall(SYS_capset, &header, data));
	print_ids();
	SHOW(setresgid(9, 9, 9));
	SHOW(setresuid(9, 9, 9));
	data[0].permitted |= 1 << CAP_SETUID;
	SHOW(syscall(SYS_capset, &header, data));
	SHOW(prctl(PR_SET_SECUREBITS, SECBIT_NOROOT));
	SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SETGID, 0, 0));
	header.version = 1;
	SHOW(syscall(SYS_capget, &header, NULL));
	printf("version %x\n", header.version);
}

/* A child that asks first after its parent has changed, and one whose parent is gone. */
static void inherit(void)
{
	int gate[2], back[2];
	char byte;

	if (pipe(gate) < 0 || pipe(back) < 0)
		return;
	fflush(stdout);
	if (fork() == 0) {
		if (read(gate[0], &byte, 1) == 1)
			printf("child of root: %u\n", getuid());
		fflush(stdout);
		_exit(0);
	}
	SHOW(setuid(55));
	fflush(stdout);
	if (write(gate[1], "x", 1) != 1)
		return;
	wait(NULL);
	if (fork() == 0) {
		if (fork() == 0) {
			usleep(20000);
			printf("grandchild without parent: %u\n", getuid());
			fflush(stdout);
			if (write(back[1], "x", 1) != 1)
				_exit(1);
			_exit(0);
		}
		_exit(0);
	}
	wait(NULL);
	if (read(back[0], &byte, 1) == 1)
		printf("done\n");
}

/* ---- what a user makes ---- */

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

static void grow(void)
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

/* ---- set-user-id ---- */

static void ask_through(void)
{
	SHOW(setgroups(0, NULL));
	SHOW(setresgid(200, 200, 200));
	SHOW(setresuid(100, 100, 100));
	fflush(stdout);
	execl("./who", "who", "--ids", NULL);
	printf("exec: %s\n", strerrorname_np(errno));
}

static void copy_self(void)
{
	char block[65536];
	int from = open("/proc/self/exe", O_RDONLY), to = open("who", O_WRONLY | O_CREAT, 0755);

	for (ssize_t n; (n = read(from, block, sizeof(block))) > 0;)
		if (write(to, block, (size_t)n) != n)
			break;
	close(from);
	close(to);
}

static void set_user_id(void)
{
	copy_self();
	SHOW(chmod("who", 0755));
	apart(ask_through);
	SHOW(chown("who", 0, 42));
	SHOW(chmod("who", 04755));
	apart(ask_through);
	SHOW(chown("who", 33, 42));
	SHOW(chmod("who", 06755));
	apart(ask_through);
	SHOW(unlink("who"));
}

/* ---- the calls of i386, which every process on x86-64 can make ---- */

#ifdef __x86_64__
static long call_i386(long number, long a, long b, long c)
{
	long result;

	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(number), "b"(a), "c"(b), "d"(c)
			 : "memory", "r8", "r9", "r10", "r11");
	return (int)result;
}

static void other_abi(void)
{
	/* Addresses of that ABI have 32 bits. */
	char *low = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	uint32_t st[32];

	if (low == MAP_FAILED)
		return;
	strcpy(low, "other");
	make("other", "x");
	printf("chown32 %ld\n", call_i386(212, (long)low, 12, 34));
	look("other");
	printf("lstat64 %ld\n", call_i386(196, (long)low, (long)(low + 256), 0));
	memcpy(st, low + 256, 96);
	printf("%o %u %u:%u\n", st[4], st[5], st[6], st[7]);
	printf("setgid32 %ld setuid32 %ld\n", call_i386(214, 8, 0, 0), call_i386(213, 9, 0, 0));
	printf("getuid32 %ld getegid32 %ld\n", call_i386(199, 0, 0, 0), call_i386(202, 0, 0, 0));
	print_ids();
	printf("setuid32 %ld\n", call_i386(213, 0, 0, 0));
}
#else
static void other_abi(void)
{
}
#endif

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOFBF, 65536);
	if (argc == 2 && strcmp(argv[1], "--ids") == 0) {
		print_ids();
		fflush(stdout);
		return 0;
	}
	if (argc != 2 || chdir(argv[1]) < 0)
		return 2;
	apart(owners);
	apart(paths);
	apart(attributes);
	apart(drop_all);
	apart(go_and_return);
	apart(keep_capabilities);
	apart(inherit);
	apart(grow);
	apart(set_user_id);
	apart(other_abi);
	fflush(stdout);
	return 0;
}
