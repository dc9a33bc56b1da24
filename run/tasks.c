/*
 * The table of threads. What the kernel says about one (its process, its parent) is read from /proc when it is met.
 */
#include "run/tasks.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/parse.h"

#define BUCKETS 1024 /* a power of two */
/* Threads whose descriptors are kept; each has one. */
#define RECENT 128
#define STATUS_SIZE ((size_t)4096)
#define CHILDREN_SIZE ((size_t)64 << 10)
/* A chain of parents none of which has ever asked. */
#define ANCESTORS_MAX 32
#define UNKNOWN_PROCESS 0

struct tasks {
	struct task *buckets[BUCKETS];
	pid_t first;
	pid_t self;
	struct credentials *initial;
	size_t specials; /* of the table, who may have other credentials than these */
	bool is_told;	 /* of every birth and death: nobody's number is another's */
	bool has_pidfds; /* that tell all of it */
	pid_t recent[RECENT];
	size_t next_recent;
};

/* ---- What /proc says ---- */

/* The number behind "name:" in the text of /proc/TID/status. */
static bool read_field(const char *text, const char *name, pid_t *value)
{
	const char *at = strstr(text, name);

	return at && sscanf(at + strlen(name), "%d", value) == 1;
}

static ssize_t read_proc(const char *path, char *text, size_t size)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : fd_read_full(fd, text, size - 1, NULL);

	if (got >= 0)
		text[got] = '\0';
	return got;
}

static bool read_parents(pid_t tid, pid_t *tgid, pid_t *parent)
{
	cleanup_free char *path = mem_printf("/proc/%d/status", tid);
	cleanup_free char *text = mem_alloc(STATUS_SIZE);

	return read_proc(path, text, STATUS_SIZE) > 0 && read_field(text, "\nTgid:", tgid) &&
	       read_field(text, "\nPPid:", parent);
}

static ino_t inode_in_proc(pid_t tid)
{
	cleanup_free char *path = mem_printf("/proc/%d", tid);
	struct stat st;

	return stat(path, &st) < 0 ? 0 : st.st_ino;
}

/* proc_pid_stat(5): the 22nd field, the 20th behind the name in brackets, which may hold anything. */
static uint64_t time_of_start(pid_t tid)
{
	cleanup_free char *path = mem_printf("/proc/%d/stat", tid);
	cleanup_free char *text = mem_alloc(STATUS_SIZE);
	uint64_t ticks = 0;

	if (read_proc(path, text, STATUS_SIZE) <= 0)
		return 0;
	const char *at = strrchr(text, ')');
	for (int field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	return at && sscanf(at, "%" SCNu64, &ticks) == 1 ? ticks : 0;
}

/* ---- What a pidfd says ---- */

/* Two reads of /proc cost ten times as much. Linux 6.13 tells what is needed; newer than the headers of Debian 12. */
#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL
#endif
struct pidfd_answer {
	uint64_t mask, cgroup;
	uint32_t pid, tgid, ppid; /* in the numbers of our namespace */
	uint32_t ids[8];
	uint32_t exit_code;
};
_Static_assert(sizeof(struct pidfd_answer) == 64, "the first version's size");
#define ASK_PIDFD _IOWR(0xff, 11, struct pidfd_answer)
#define ASK_PIDFD_FOR_NUMBERS UINT64_C(1)

static int open_pidfd(pid_t tid)
{
	return (int)syscall(SYS_pidfd_open, tid, PIDFD_THREAD);
}

/* 0, or -ESRCH for a thread that has ended; another error where there is no such thing. */
static int ask_pidfd(pid_t tid, struct task_identity *identity, struct pidfd_answer *answer)
{
	struct stat st;
	cleanup_close int fd = open_pidfd(tid);

	*answer = (struct pidfd_answer){.mask = ASK_PIDFD_FOR_NUMBERS};
	/* Who answers this has inodes that are given once (Linux 6.9). */
	if (fd < 0 || ioctl(fd, ASK_PIDFD, answer) < 0 || fstat(fd, &st) < 0)
		return -errno;
	*identity = (struct task_identity){.of_pidfd = st.st_ino};
	return 0;
}

/* To make one costs twenty times as much as to ask one that is there. As long as its process has not ended and been
 * waited for, nobody else has the number. */
static bool pidfd_has_ended(int pidfd)
{
	return syscall(SYS_pidfd_send_signal, pidfd, /* none, only whether it could be sent */ 0, NULL, 0) < 0 &&
	       errno == ESRCH;
}

/* ---- Who it is ---- */

/* False: it has ended. */
static bool look_up(const struct tasks *tasks, pid_t tid, struct task_identity *identity, pid_t *tgid, pid_t *parent)
{
	struct pidfd_answer answer;

	if (tasks->has_pidfds) {
		if (ask_pidfd(tid, identity, &answer) < 0)
			return false;
		*tgid = (pid_t)answer.tgid;
		*parent = (pid_t)answer.ppid;
		return true;
	}
	*identity = (struct task_identity){.proc_inode = inode_in_proc(tid), .started = time_of_start(tid)};
	return read_parents(tid, tgid, parent);
}

/* Empty: it has ended. */
static struct task_identity identity_of(const struct tasks *tasks, pid_t tid)
{
	struct task_identity identity;
	pid_t tgid, parent;

	return look_up(tasks, tid, &identity, &tgid, &parent) ? identity : (struct task_identity){0};
}

/* Does the number still belong to whom the record is of? */
static bool is_identical(const struct tasks *tasks, struct task *task)
{
	struct task_identity *known = &task->identity;
	struct task_identity now;
	struct pidfd_answer answer;

	if (task->pidfd >= 0)
		return !pidfd_has_ended(task->pidfd);
	if (tasks->has_pidfds) {
		int rc = ask_pidfd(task->tid, &now, &answer);
		/* Want of descriptors makes nobody another. */
		return rc == 0 ? now.of_pidfd == known->of_pidfd : rc != -ESRCH;
	}
	ino_t inode = inode_in_proc(task->tid);
	if (inode == known->proc_inode)
		return true;
	if (time_of_start(task->tid) != known->started)
		return false;
	known->proc_inode = inode; /* it had been forgotten there */
	return true;
}

/* ---- The table ---- */

struct tasks *tasks_new(pid_t first, struct credentials *credentials)
{
	struct tasks *tasks = mem_alloc(sizeof(*tasks));
	struct task_identity self;
	struct pidfd_answer answer;

	tasks->first = first;
	tasks->self = getpid();
	tasks->initial = credentials_share(credentials);
	tasks->has_pidfds = ask_pidfd(tasks->self, &self, &answer) == 0;
	return tasks;
}

static void fs_release(struct task_fs *fs)
{
	if (!fs || --fs->references > 0)
		return;
	fd_close(fs->cwd);
	fd_close(fs->root);
	free(fs);
}

static void image_release(struct task_image *image)
{
	if (!image || --image->references > 0)
		return;
	free(image->exe);
	free(image);
}

static void drop_descriptors(struct task *task)
{
	taskmem_drop(&task->mem);
	fd_close(take_fd(&task->pidfd));
}

static void task_free(struct task *task)
{
	fs_release(task->fs);
	image_release(task->image);
	credentials_free(task->credentials);
	credentials_free(task->after_exec);
	drop_descriptors(task);
	free(task);
}

void tasks_free(struct tasks *tasks)
{
	if (!tasks)
		return;
	for (size_t i = 0; i < BUCKETS; i++) {
		for (struct task *task = tasks->buckets[i], *next; task; task = next) {
			next = task->next;
			task_free(task);
		}
	}
	credentials_free(tasks->initial);
	free(tasks);
}

static struct task **find_place(struct tasks *tasks, pid_t tid)
{
	struct task **place = &tasks->buckets[(unsigned)tid & (BUCKETS - 1)];

	while (*place && (*place)->tid != tid)
		place = &(*place)->next;
	return place;
}

static void identify_all(struct tasks *tasks);

static void mark_special(struct tasks *tasks, struct task *task)
{
	if (tasks->specials == 0)
		identify_all(tasks);
	tasks->specials += !task->is_special;
	task->is_special = true;
}

/* Who has only asked, or has got back what all have. Nothing is asked of /proc for who has what all have. */
static void unmark_special(struct tasks *tasks, struct task *task)
{
	if (!task->is_special || task->after_exec || !credentials_are_equal(task->credentials, tasks->initial))
		return;
	credentials_free(task->credentials);
	task->credentials = credentials_share(tasks->initial);
	task->is_special = false;
	tasks->specials--;
}

static struct task *add(struct tasks *tasks, pid_t tid, pid_t tgid, struct credentials *credentials)
{
	struct task **place = find_place(tasks, tid);
	struct task *task = mem_alloc(sizeof(*task));

	task->tid = tid;
	task->tgid = tgid;
	task->credentials = credentials_share(credentials);
	task->mem = TASKMEM_INIT;
	task->pidfd = -1;
	if (credentials != tasks->initial)
		mark_special(tasks, task);
	*place = task;
	return task;
}

static void forget(struct tasks *tasks, pid_t tid)
{
	struct task **place = find_place(tasks, tid);
	struct task *task = *place;

	if (!task)
		return;
	*place = task->next;
	tasks->specials -= task->is_special;
	task_free(task);
}

/* ---- Meeting ---- */

/* False also when somebody else has its number. */
static bool has_ended(const struct task *task)
{
	if (task->pidfd >= 0)
		return pidfd_has_ended(task->pidfd);
	return syscall(SYS_tgkill, task->tgid, task->tid, 0) < 0 && errno == ESRCH;
}

/* Whose number it is and of which process. False: it has ended. */
static bool identify(const struct tasks *tasks, struct task *task, pid_t *parent)
{
	task->is_identified = look_up(tasks, task->tid, &task->identity, &task->tgid, parent);
	return task->is_identified;
}

/* Somebody is about to be another than all the rest. Until now it was enough to know that somebody has asked. Whoever
 * has got a number since has it with what all have had so far. */
static void identify_all(struct tasks *tasks)
{
	pid_t parent;

	if (tasks->is_told)
		return;
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct task *task = tasks->buckets[i]; task; task = task->next)
			if (!task->is_identified)
				identify(tasks, task, &parent);
}

/* Is it the thread that was met? Asked only where it could be believed to be somebody that it is not. */
static bool is_still_the_same(struct tasks *tasks, struct task *task)
{
	return tasks->specials == 0 || tasks->is_told || is_identical(tasks, task);
}

/* One that is killed ends without a call. Who it was is to cost nobody anything from then on. */
static void forget_ended_specials(struct tasks *tasks)
{
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct task *task = tasks->buckets[i], *next; task; task = next) {
			next = task->next;
			if (task->is_special && has_ended(task))
				forget(tasks, task->tid);
		}
}

static struct task *meet(struct tasks *tasks, pid_t tid, unsigned depth)
{
	struct task *known = *find_place(tasks, tid);
	struct task_identity identity;
	pid_t tgid, parent;

	if (known && is_still_the_same(tasks, known))
		return known;
	forget(tasks, tid);
	if (tasks->specials > 0 && !tasks->is_told)
		forget_ended_specials(tasks);
	if (tasks->specials == 0 && !tasks->is_told)
		return add(tasks, tid, tid == tasks->first ? tid : UNKNOWN_PROCESS, tasks->initial);
	if (!look_up(tasks, tid, &identity, &tgid, &parent))
		return NULL;
	pid_t creator = tgid != tid ? tgid : parent;
	bool is_ours = tid != tasks->first && creator > 0 && creator != tasks->self && depth < ANCESTORS_MAX;
	const struct task *from = is_ours ? meet(tasks, creator, depth + 1) : NULL;
	struct task *met = add(tasks, tid, tgid, from ? from->credentials : tasks->initial);
	met->identity = identity;
	met->is_identified = true;
	return met;
}

/* The new image is the file that was named: then the exec has happened. */
static bool runs_file(const struct task *task)
{
	cleanup_free char *path = mem_printf("/proc/%d/exe", task->tid);
	struct stat st;

	/* A script runs as its interpreter. */
	if (task->exec_ino == 0)
		return true;
	return stat(path, &st) == 0 && st.st_dev == task->exec_dev && st.st_ino == task->exec_ino;
}

static void finish_exec(struct task *task)
{
	struct credentials *after = take_ptr(&task->after_exec);

	if (runs_file(task)) {
		credentials_free(task->credentials);
		task->credentials = after;
	} else {
		credentials_free(after);
	}
}

/* Whose descriptors were kept longest gives them up. */
static void keep(struct tasks *tasks, const struct task *task)
{
	if (task->mem.fd >= 0)
		return;
	for (size_t i = 0; i < RECENT; i++)
		if (tasks->recent[i] == task->tid)
			return;
	struct task *old = *find_place(tasks, tasks->recent[tasks->next_recent]);
	if (old)
		drop_descriptors(old);
	tasks->recent[tasks->next_recent] = task->tid;
	tasks->next_recent = (tasks->next_recent + 1) % RECENT;
}

struct task *tasks_find(struct tasks *tasks, pid_t tid)
{
	struct task *task = meet(tasks, tid, /* depth */ 0);

	if (!task)
		return NULL;
	if (task->after_exec)
		finish_exec(task);
	unmark_special(tasks, task);
	keep(tasks, task);
	/* While it waits, and is who it was: from here on it is told by this. */
	if (tasks->specials > 0 && tasks->has_pidfds && !tasks->is_told && task->pidfd < 0)
		task->pidfd = open_pidfd(tid);
	return task;
}

/* ---- Settling ---- */

/* Who was not met yet, and who has got the number of somebody that was. */
static void settle_one(struct tasks *tasks, pid_t tgid, pid_t tid, struct credentials *credentials)
{
	struct task *task = *find_place(tasks, tid);

	if (task && task->credentials != credentials && (tasks->is_told || is_identical(tasks, task)))
		return;
	/* With the same credentials, as the one who settles has himself, the record stays. */
	if (!task || task->credentials != credentials) {
		forget(tasks, tid);
		task = add(tasks, tid, tgid, credentials);
	}
	if (tasks->is_told)
		return;
	/* It may be of who had the number while all were alike. */
	if (task->pidfd >= 0 && pidfd_has_ended(task->pidfd))
		fd_close(take_fd(&task->pidfd));
	task->tgid = tgid;
	task->identity = identity_of(tasks, tid);
	task->is_identified = true;
}

static void settle_children(struct tasks *tasks, pid_t tgid, pid_t tid, struct credentials *credentials)
{
	cleanup_free char *path = mem_printf("/proc/%d/task/%d/children", tgid, tid);
	cleanup_free char *text = mem_alloc(CHILDREN_SIZE);
	const char *at = text;
	int length;
	pid_t child;

	if (read_proc(path, text, CHILDREN_SIZE) <= 0)
		return;
	for (; sscanf(at, "%d %n", &child, &length) == 1; at += length)
		settle_one(tasks, child, child, credentials);
}

typedef void visit_thread(struct tasks *tasks, pid_t tgid, pid_t tid, struct credentials *credentials);

static void each_thread(struct tasks *tasks, const struct task *task, visit_thread *visit)
{
	cleanup_free char *path = mem_printf("/proc/%d/task", task->tgid);
	DIR *dir = opendir(path);
	uint64_t tid;

	for (const struct dirent *entry; dir && (entry = readdir(dir)) != NULL;)
		if (parse_u64(entry->d_name, INT32_MAX, "thread", &tid, NULL) == 0)
			visit(tasks, task->tgid, (pid_t)tid, task->credentials);
	if (dir)
		closedir(dir);
}

void tasks_settle(struct tasks *tasks, struct task *task)
{
	mark_special(tasks, task);
	settle_children(tasks, task->tgid, task->tid, task->credentials);
	each_thread(tasks, task, settle_one);
}

/* ---- Exec and exit ---- */

static void drop_memory(struct tasks *tasks, pid_t tgid, pid_t tid, struct credentials *credentials)
{
	struct task *task = *find_place(tasks, tid);

	if (task)
		taskmem_drop(&task->mem);
}

/* Is it the first thread of its process? */
static bool is_process(const struct tasks *tasks, struct task *task)
{
	pid_t parent;

	/* Without a signal: only whether there is such a thread in the process of that number. */
	if (task->tgid == UNKNOWN_PROCESS && syscall(SYS_tgkill, task->tid, task->tid, 0) == 0)
		return true;
	if (task->tgid == UNKNOWN_PROCESS && !identify(tasks, task, &parent))
		return true; /* it has ended */
	return task->tid == task->tgid;
}

void tasks_exec(struct tasks *tasks, struct task *task, struct credentials *after, dev_t dev, ino_t ino)
{
	bool is_thread = !is_process(tasks, task);

	taskmem_drop(&task->mem);
	/* The thread that executes becomes the process: its number is then the process' own. One that is killed now is
	 * forgotten when the process is met. */
	struct task *process = is_thread ? meet(tasks, task->tgid, /* depth */ 0) : task;
	if (!process) {
		credentials_free(after);
		return;
	}
	if (is_thread) {
		process->tgid = process->tid;
		each_thread(tasks, process, drop_memory);
	}
	if (after)
		mark_special(tasks, process);
	credentials_free(process->after_exec);
	process->after_exec = after;
	process->exec_dev = dev;
	process->exec_ino = ino;
}

void tasks_exit(struct tasks *tasks, pid_t tid, bool whole_process)
{
	/* One that was never met has what its creator has, and is met only where that matters to its own children. */
	struct task *task = tasks->specials > 0 ? meet(tasks, tid, /* depth */ 0) : *find_place(tasks, tid);

	if (!task)
		return;
	unmark_special(tasks, task);
	if (task->credentials != tasks->initial) {
		if (whole_process)
			each_thread(tasks, task, settle_children);
		else
			settle_children(tasks, task->tgid, tid, task->credentials);
	}
	forget(tasks, tid);
}

/* ---- Told by the kernel ---- */

struct task *tasks_known(struct tasks *tasks, pid_t tid)
{
	return *find_place(tasks, tid);
}

struct task_fs *task_fs_new(int cwd, int root, mode_t umask)
{
	struct task_fs *fs = mem_alloc(sizeof(*fs));

	*fs = (struct task_fs){.references = 1, .cwd = cwd, .root = root, .umask = umask};
	return fs;
}

static int copy_fd(int fd)
{
	return fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

struct task_fs *task_fs_own(struct task *task)
{
	struct task_fs *old = task->fs;

	if (old->references > 1) {
		task->fs = task_fs_new(copy_fd(old->cwd), copy_fd(old->root), old->umask);
		fs_release(old);
	}
	return task->fs;
}

void task_set_image(struct task *task, const char *exe)
{
	image_release(task->image);
	task->shares_memory = false;
	task->image = mem_alloc(sizeof(*task->image));
	*task->image = (struct task_image){.references = 1, .exe = mem_strdup(exe)};
}

void tasks_born(struct tasks *tasks, pid_t creator, pid_t tid, bool is_thread, bool shares_fs)
{
	const struct task *from = *find_place(tasks, creator);

	if (!from)
		return;
	tasks->is_told = true;
	forget(tasks, tid); /* a number that is used again */
	struct task *task = add(tasks, tid, is_thread ? from->tgid : tid, from->credentials);
	task->fs = from->fs;
	if (task->fs)
		task->fs->references++;
	if (task->fs && !shares_fs)
		task_fs_own(task);
	/* A copy of the memory has the loader at the same place. */
	task->image = from->image;
	if (task->image)
		task->image->references++;
}

void tasks_gone(struct tasks *tasks, pid_t tid)
{
	forget(tasks, tid);
}

void tasks_become(struct tasks *tasks, pid_t from, pid_t to)
{
	struct task **place = find_place(tasks, from);
	struct task *task = *place;

	if (!task || from == to)
		return;
	*place = task->next;
	forget(tasks, to);
	task->tid = task->tgid = to;
	taskmem_drop(&task->mem);
	place = find_place(tasks, to);
	task->next = NULL;
	*place = task;
}
