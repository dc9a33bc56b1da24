/* The forms of stat(2), statx(2), access(2), readlink(2) and statfs(2). */
#include "conformance.h"

#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

static void masks(void)
{
	struct statx st;

	make("f", "hello");
	SHOW(chmod("f", 04711));
	SHOW(chown("f", 7, 8));
	SHOW(chmod("f", 04711));
	const unsigned wanted[] = {0, STATX_TYPE, STATX_UID | STATX_GID, STATX_SIZE, STATX_BASIC_STATS, STATX_ALL};
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		memset(&st, 0xee, sizeof(st));
		SHOW(statx(AT_FDCWD, "f", 0, wanted[i], &st));
		printf("%x: has %x, %o %u:%u size %u\n", wanted[i], st.stx_mask & STATX_BASIC_STATS, st.stx_mode,
		       st.stx_uid, st.stx_gid, (unsigned)st.stx_size);
	}
	SHOW(statx(AT_FDCWD, "f", AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_ALL, &st));
	SHOW(statx(AT_FDCWD, "f", AT_STATX_SYNC_TYPE, STATX_ALL, &st));
	SHOW(statx(AT_FDCWD, "f", 0x40000, STATX_ALL, &st));
	SHOW(statx(AT_FDCWD, "f", 0, STATX__RESERVED, &st));
	SHOW(syscall(SYS_statx, AT_FDCWD, "f", 0, STATX_ALL, 1L));
	SHOW(statx(AT_FDCWD, "none", 0, STATX_ALL, &st));
	SHOW(statx(AT_FDCWD, "", 0, STATX_ALL, &st));
	SHOW(statx(AT_FDCWD, "", AT_EMPTY_PATH, STATX_TYPE, &st));
	printf("%o\n", st.stx_mode);
	SHOW(statx(99, "f", 0, STATX_ALL, &st));
	SHOW(statx(99, "", AT_EMPTY_PATH, STATX_ALL, &st));
}

static void forms(void)
{
	struct stat st;
	int fd = open("f", O_RDONLY);

	SHOW(fstatat(fd, "", &st, AT_EMPTY_PATH));
	printf("%u:%u %ld\n", st.st_uid, st.st_gid, (long)st.st_size);
	SHOW(fstatat(fd, "x", &st, 0));
	SHOW(fstatat(AT_FDCWD, "f", &st, AT_NO_AUTOMOUNT));
	SHOW(fstatat(AT_FDCWD, "f", &st, 0x8));
	SHOW(fstat(fd, &st));
	SHOW(syscall(SYS_fstat, fd, 1L));
	SHOW(fstat(99, &st));
	SHOW(fstat(-1, &st));
	close(fd);
	int ends[2];
	if (pipe(ends) < 0)
		return;
	SHOW(fstat(ends[0], &st));
	printf("pipe %o %u:%u\n", st.st_mode & S_IFMT, st.st_uid, st.st_gid);
	SHOW(stat("f/", &st));
	SHOW(stat("f/x", &st));
	SHOW(stat("./f", &st));
	SHOW(stat("..//stat/./f", &st));
	SHOW(lstat("/", &st));
	printf("/ %o %u:%u\n", st.st_mode, st.st_uid, st.st_gid);
	SHOW(stat("/..", &st));
	SHOW(stat("", &st));
}

void ask_access(void)
{
	const int modes[] = {F_OK, R_OK, W_OK, X_OK, R_OK | W_OK | X_OK, 8};

	for (unsigned i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		printf("mode %d\n", modes[i]);
		SHOW(access("plain", modes[i]));
		SHOW(access("none", modes[i]));
		SHOW(access("closed", modes[i]));
		SHOW(access("program", modes[i]));
		SHOW(access("d", modes[i]));
		SHOW(access("dangling", modes[i]));
		SHOW(syscall(SYS_faccessat2, AT_FDCWD, "closed", modes[i], AT_EACCESS));
		SHOW(syscall(SYS_faccessat2, AT_FDCWD, "dangling", modes[i], AT_SYMLINK_NOFOLLOW));
	}
	SHOW(syscall(SYS_faccessat2, AT_FDCWD, "plain", 0, 0x4000));
	SHOW(syscall(SYS_faccessat2, AT_FDCWD, "", R_OK, AT_EMPTY_PATH));
	int fd = open("plain", O_PATH);
	SHOW(syscall(SYS_faccessat2, fd, "", R_OK | W_OK, AT_EMPTY_PATH));
	close(fd);
}

void prepare_access(void)
{
	make("plain", "x");
	make("closed", "x");
	SHOW(chmod("closed", 0));
	make("program", "x");
	SHOW(chown("program", 100, 0));
	SHOW(chmod("program", 0700));
	SHOW(mkdir("d", 0750));
	SHOW(chown("d", 5, 200));
	SHOW(symlink("nowhere", "dangling"));
}

static void links(void)
{
	char text[64] = "................";

	SHOW(symlink("some/where", "link"));
	SHOW(readlink("link", text, sizeof(text)));
	printf("%.16s\n", text);
	SHOW(readlink("link", text, 4));
	SHOW(readlink("link", text, 0));
	SHOW(syscall(SYS_readlinkat, AT_FDCWD, "link", text, -1));
	SHOW(syscall(SYS_readlinkat, AT_FDCWD, "link", 1L, 64));
	SHOW(readlink("plain", text, sizeof(text)));
	SHOW(readlink("none", text, sizeof(text)));
	SHOW(readlink(".", text, sizeof(text)));
	SHOW(readlink("link/", text, sizeof(text)));
	int fd = open("link", O_PATH | O_NOFOLLOW);
	SHOW(readlinkat(fd, "", text, sizeof(text)));
	close(fd);
	fd = open("plain", O_RDONLY);
	SHOW(readlinkat(fd, "", text, sizeof(text)));
	close(fd);
	SHOW(symlink("", "empty"));
	SHOW(symlink("x", "link"));
	SHOW(symlink("x", "no/link"));
	SHOW(symlink("x", "trailing/"));
	SHOW(syscall(SYS_symlinkat, 1L, AT_FDCWD, "y"));
}

static void file_systems(void)
{
	struct statfs fs;
	struct statvfs vfs;

	SHOW(statfs("/proc", &fs));
	printf("proc %d\n", fs.f_type == 0x9fa0);
	SHOW(statfs(".", &fs));
	SHOW(statfs("none", &fs));
	SHOW(syscall(SYS_statfs, ".", 1L));
	int fd = open(".", O_RDONLY);
	SHOW(fstatfs(fd, &fs));
	SHOW(statvfs(".", &vfs));
	printf("longest name %lu\n", vfs.f_namemax);
	close(fd);
}

void test_stat(void)
{
	masks();
	forms();
	prepare_access();
	apart(ask_access);
	links();
	file_systems();
}
