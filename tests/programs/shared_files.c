/*
 * What a step tries against the layers whose files its root shares. Run as root of a step, whose image has, below the
 * directory DIR, a file of the same text for every attack:
 *
 *	shared_files DIR
 *
 * Whether a layer has changed is for the caller to see, who has its digest. Here: lines that begin with WRONG, for what
 * does not look as it would on files of the root's own; the status is their number.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define TEXT "as the layer has it\n"
#define EVIL "written by a step..\n"
#define SIZE (sizeof(TEXT) - 1)
#define ROUNDS 400

static int failures;

static void must(const char *what, int holds)
{
	if (holds)
		return;
	printf("WRONG %s: %s\n", what, strerror(errno));
	failures++;
}

static int reads(const char *path, const char *text)
{
	char have[64] = "";
	int fd = open(path, O_RDONLY);
	ssize_t got = fd < 0 ? -1 : read(fd, have, sizeof(have) - 1);

	close(fd);
	return got >= 0 && strcmp(have, text) == 0;
}

static char *proc_fd(int fd)
{
	static char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return path;
}

/* Tries to write by a descriptor, in every way there is. */
static void scribble(int fd)
{
	struct iovec part = {(void *)EVIL, SIZE};

	if (fd < 0)
		return;
	if (fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 0, 4) < 0)
		errno = 0;
	if (write(fd, EVIL, SIZE) < 0 && pwrite(fd, EVIL, SIZE, 0) < 0 && pwritev(fd, &part, 1, 0) < 0)
		errno = 0;
	if (ftruncate(fd, 1) == 0 && pwrite(fd, EVIL, SIZE, 0) < 0)
		errno = 0;
	char *mapped = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (mapped != MAP_FAILED) {
		memcpy(mapped, EVIL, SIZE);
		msync(mapped, SIZE, MS_SYNC);
		munmap(mapped, SIZE);
	}
	mapped = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
	if (mapped != MAP_FAILED) {
		if (mprotect(mapped, SIZE, PROT_READ | PROT_WRITE) == 0)
			memcpy(mapped, EVIL, SIZE);
		munmap(mapped, SIZE);
	}
}

/* What needs no right to write on the descriptor. */
static void meddle(int fd)
{
	static const unsigned long requests[] = {FS_IOC_SETFLAGS, FS_IOC_FSSETXATTR, FS_IOC_SETVERSION, 0x40806685UL};
	const struct timespec past[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
	int flags = FS_APPEND_FL | FS_NODUMP_FL | FS_IMMUTABLE_FL;

	fchmod(fd, 04777);
	fchown(fd, 7, 8);
	futimens(fd, past);
	fsetxattr(fd, "user.evil", "1", 1, 0);
	fremovexattr(fd, "user.layer");
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
		must("a request that changes an inode is refused", ioctl(fd, requests[i], &flags) < 0);
	must("flags can be read", ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 || errno == ENOTTY || errno == EOPNOTSUPP);
}

/* ---- By name ---- */

static void open_for_writing(void)
{
	static const int ways[] = {O_WRONLY, O_RDWR, O_WRONLY | O_APPEND, O_WRONLY | O_TRUNC, O_RDONLY | O_TRUNC};
	char name[32];

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		snprintf(name, sizeof(name), "open%zu", i);
		int fd = open(name, ways[i]);
		must("a file of a layer can be opened for writing", fd >= 0);
		scribble(fd);
		close(fd);
	}
	must("what is written is there", reads("open0", EVIL));
	must("what is appended is behind", reads("open2", TEXT EVIL) || !reads("open2", TEXT));
}

static void change_by_name(void)
{
	const struct timeval past[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
	struct stat st;

	must("chmod", chmod("chmod", 04711) == 0 && stat("chmod", &st) == 0 && (st.st_mode & 07777) == 04711);
	must("chown", chown("chown", 3, 4) == 0 && stat("chown", &st) == 0 && st.st_uid == 3 && st.st_gid == 4);
	must("utimes", utimes("utimes", past) == 0 && stat("utimes", &st) == 0 && st.st_mtime == 1);
	must("truncate", truncate("truncate", 3) == 0 && stat("truncate", &st) == 0 && st.st_size == 3);
	must("setxattr", setxattr("setxattr", "user.evil", "1", 1, 0) == 0 || errno == EOPNOTSUPP);
	removexattr("setxattr", "user.layer");
}

/* A change leaves no trace in the directory, which has not changed. */
static void directory_time(void)
{
	const struct timespec past[2] = {{.tv_sec = 7}, {.tv_sec = 7}};
	struct stat st;

	must("a directory's time is set", utimensat(AT_FDCWD, "dir", past, 0) == 0);
	must("a file in it is written", (close(open("dir/file", O_RDWR)), 1) && chmod("dir/file", 0600) == 0);
	must("its directory's time is as before", stat("dir", &st) == 0 && st.st_mtime == 7);
}

static void looks_like_one_of_ours(void)
{
	struct stat st;
	struct statx x;

	must("a file of a layer has one link", stat("links", &st) == 0 && st.st_nlink == 1);
	must("statx says so, too", statx(AT_FDCWD, "links", 0, STATX_NLINK, &x) == 0 && x.stx_nlink == 1);
	must("two names of a layer's are two", stat("pair1", &st) == 0 && st.st_nlink == 2);
	int fd = open("pair1", O_WRONLY);
	must("what is written by one name", fd >= 0 && write(fd, EVIL, SIZE) == SIZE);
	close(fd);
	must("is read by the other", reads("pair2", EVIL));
}

/* ---- By descriptor ---- */

static void kept_descriptor(void)
{
	struct stat st, named;
	int before = open("kept", O_RDONLY);
	int writer = open("kept", O_RDWR);

	scribble(writer);
	scribble(before);
	must("a descriptor from before the change is for reading", write(before, "x", 1) < 0 && errno == EBADF);
	meddle(before);
	must("by it the file of that name is changed",
	     fstat(before, &st) == 0 && stat("kept", &named) == 0 && st.st_ino == named.st_ino &&
		     st.st_mode == named.st_mode && (st.st_mode & 0777) == 0777);
	close(before);
	close(writer);
}

static void reopened_descriptor(void)
{
	struct stat st;
	int fd = open("reopen", O_RDONLY);
	int again = open(proc_fd(fd), O_RDWR);

	must("a descriptor is opened anew for writing", again >= 0);
	scribble(again);
	must("and that is the file of its name", reads("reopen", EVIL));
	close(again);
	close(fd);
	fd = open("reopen_path", O_PATH);
	again = open(proc_fd(fd), O_RDWR);
	must("one that only names a file, too", again >= 0);
	scribble(again);
	must("and that is it, too", reads("reopen_path", EVIL));
	fd = open("mode_by_fd", O_RDONLY);
	must("its mode is changed by its name", chmod("mode_by_fd", 0640) == 0);
	must("and by a descriptor's of before", chmod(proc_fd(fd), 0604) == 0);
	must("and so is its owner", chown(proc_fd(fd), 5, 6) == 0);
	must("in the file of its name",
	     stat("mode_by_fd", &st) == 0 && (st.st_mode & 07777) == 0604 && st.st_uid == 5 && st.st_gid == 6);
	close(again);
	fchmodat(fd, "", 0777, AT_EMPTY_PATH);
	syscall(452 /* fchmodat2 */, fd, "", 0777, AT_EMPTY_PATH);
	fchownat(fd, "", 1, 1, AT_EMPTY_PATH);
	utimensat(fd, "", NULL, AT_EMPTY_PATH);
	close(fd);
}

/* It has no name in the root any more, but one in the layer. */
static void removed_file(void)
{
	int fd = open("removed", O_RDONLY);

	must("unlink", unlink("removed") == 0);
	meddle(fd);
	int again = open(proc_fd(fd), O_RDWR);
	must("a removed file can be opened anew for writing", again >= 0);
	scribble(again);
	must("a removed file gets no name again",
	     linkat(AT_FDCWD, proc_fd(fd), AT_FDCWD, "undead", AT_SYMLINK_FOLLOW) < 0);
	close(again);
	close(fd);
	fd = open("removed2", O_RDONLY);
	unlink("removed2");
	again = open(proc_fd(fd), O_RDWR | O_TRUNC);
	scribble(again);
	truncate(proc_fd(fd), 0);
	chmod(proc_fd(fd), 0777);
	setxattr(proc_fd(fd), "user.evil", "1", 1, 0);
	close(again);
	close(fd);
}

static void mapped_file(void)
{
	int fd = open("mapped", O_RDONLY);
	char *shared = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
	char *own = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	int writer = open("mapped", O_RDWR);

	must("it is mapped", shared != MAP_FAILED && own != MAP_FAILED);
	scribble(writer);
	own[0] = 'X';
	must("a mapping for reading stays one", mprotect(shared, SIZE, PROT_READ | PROT_WRITE) < 0);
	must("memory is not written through", (madvise(shared, SIZE, MADV_REMOVE), shared[0] == TEXT[0]));
	int memory = open("/proc/self/mem", O_RDWR);
	if (memory >= 0) {
		pwrite(memory, EVIL, SIZE, (off_t)(unsigned long)shared);
		pwrite(memory, EVIL, SIZE, (off_t)(unsigned long)own);
	}
	close(memory);
	close(writer);
	close(fd);
}

/* ---- Names ---- */

static void moved_and_linked(void)
{
	int fd;

	must("link", link("link", "linked") == 0);
	fd = open("linked", O_WRONLY);
	scribble(fd);
	close(fd);
	must("both names are of one file", reads("link", EVIL));
	must("rename", rename("rename", "renamed") == 0);
	fd = open("renamed", O_WRONLY);
	scribble(fd);
	close(fd);
	must("rename over one", rename("over1", "over2") == 0 && reads("over2", TEXT));
	chmod("over2", 0777);
	must("exchange", syscall(SYS_renameat2, AT_FDCWD, "swap1", AT_FDCWD, "swap2", RENAME_EXCHANGE) == 0);
	fd = open("swap1", O_WRONLY | O_TRUNC);
	scribble(fd);
	close(fd);
	must("a directory is renamed", rename("moved", "moved2") == 0);
	fd = open("moved2/file", O_RDWR);
	scribble(fd);
	close(fd);
	symlink("symlinked", "sym");
	fd = open("sym", O_RDWR);
	scribble(fd);
	close(fd);
	must("through a link", reads("symlinked", EVIL));
}

/* A lock and a change by a descriptor that is no way to either. */
static void only_names(void)
{
	int fd = open("lock", O_PATH);

	must("what only names a file takes no lock", flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EBADF);
	must("and still only names it", fchmod(fd, 0600) < 0 && errno == EBADF);
	close(fd);
}

static void locks_and_watches(void)
{
	int fd = open("lock", O_RDONLY);
	struct stat before, after;

	must("seek", lseek(fd, 5, SEEK_SET) == 5);
	must("flock", flock(fd, LOCK_EX | LOCK_NB) == 0);
	must("a lock is on the file of the root", fstat(fd, &before) == 0 && stat("lock", &after) == 0 &&
							  before.st_ino == after.st_ino && before.st_nlink == 1);
	must("and the position is as it was", lseek(fd, 0, SEEK_CUR) == 5);
	int watch = inotify_init1(IN_NONBLOCK);
	char event[512];
	must("watch", inotify_add_watch(watch, "watch", IN_MODIFY) >= 0);
	int writer = open("watch", O_WRONLY);
	must("a write", write(writer, "x", 1) == 1);
	must("is seen", read(watch, event, sizeof(event)) > 0);
	close(writer);
	close(watch);
	close(fd);
}

/* ---- Races ---- */

static volatile int stop;

static void *open_and_write(void *name)
{
	while (!stop) {
		int fd = open(name, O_RDWR);
		if (fd >= 0)
			pwrite(fd, EVIL, SIZE, 0);
		close(fd);
	}
	return NULL;
}

static void *shuffle_descriptors(void *name)
{
	while (!stop) {
		int fd = open(name, O_RDONLY);
		dup2(fd, 77);
		close(fd);
		close(77);
	}
	return NULL;
}

/* Two threads change what a descriptor and a name lead to while a third changes what they lead to. */
static void race(void)
{
	char name[64];
	pthread_t threads[2];

	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "race%d", i);
		stop = 0;
		pthread_create(&threads[0], NULL, open_and_write, name);
		pthread_create(&threads[1], NULL, shuffle_descriptors, name);
		for (int round = 0; round < ROUNDS / 20; round++) {
			fchmod(77, 0777);
			ftruncate(77, 0);
			int fd = open(proc_fd(77), O_RDWR);
			scribble(fd);
			close(fd);
			rename(name, "race-away");
			rename("race-away", name);
		}
		stop = 1;
		pthread_join(threads[0], NULL);
		pthread_join(threads[1], NULL);
	}
	/* The same by processes. */
	for (int i = 0; i < 4; i++) {
		if (fork() > 0)
			continue;
		for (int round = 0; round < ROUNDS; round++) {
			snprintf(name, sizeof(name), "fork%d", round % 20);
			int fd = open(name, round & 1 ? O_RDWR : O_WRONLY | O_APPEND);
			if (fd >= 0)
				write(fd, EVIL, SIZE);
			close(fd);
			if (round % 3 == 0)
				unlink(name);
		}
		_exit(0);
	}
	while (wait(NULL) > 0)
		;
}

/* A program is replaced while it runs. */
static void running_program(void)
{
	int ends[2];

	must("pipe", pipe(ends) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		dup2(ends[0], 0);
		close(ends[1]);
		execl("./program", "cat", NULL);
		_exit(127);
	}
	usleep(200000);
	int fd = open("program", O_RDWR);
	scribble(fd);
	close(fd);
	must("a running program goes on", write(ends[1], "x", 1) == 1);
	close(ends[0]);
	close(ends[1]);
	int status = 0;
	waitpid(pid, &status, 0);
	must("and ends as it should", WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(int argc, char **argv)
{
	if (argc != 2 || chdir(argv[1]) < 0)
		return 99;
	looks_like_one_of_ours();
	open_for_writing();
	change_by_name();
	directory_time();
	kept_descriptor();
	reopened_descriptor();
	removed_file();
	mapped_file();
	moved_and_linked();
	only_names();
	locks_and_watches();
	running_program();
	race();
	return failures;
}
