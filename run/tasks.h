/*
 * The threads of a step that have asked something: what the supervisor knows of each and the kernel does not.
 *
 * A thread is met when its first call is trapped. What it has then is what its creator had when it was created. No
 * fork is trapped: the creator is looked up then (a thread's is its process, a process's is its parent), and whoever is
 * about to change or to end, tasks_settle() first gives what it has to all of its children that were not met yet.
 * So a child that outlives its parent, or asks first after its parent has changed, still gets what its parent was.
 * One that is killed ends without a call. Who gets its number later is told from it by its pidfd, its inode or the time
 * of its start, and met anew. None of this matters while all have what the step's first process has, as most steps do all
 * their life: then nobody is looked up.
 *
 * Descriptors below /proc/TID are kept for the threads that asked last; the others open them again.
 */
#ifndef COOPER_RUN_TASKS_H
#define COOPER_RUN_TASKS_H

#include "base/error.h"
#include "run/credentials.h"
#include "run/taskmem.h"

#include <stdbool.h>
#include <sys/types.h>

/* What is shared as the kernel's fs_struct is (CLONE_FS), for who keeps it in the kernel's stead. */
struct task_fs {
	unsigned references;
	int cwd;      /* O_PATH; -1: the kernel's is right */
	int root;     /* O_PATH; -1: the step's */
	mode_t umask; /* meaningful where cwd is kept */
};

/* What a process executes, for who keeps that in the kernel's stead. */
struct task_image {
	unsigned references;
	char *exe;	  /* the program's path in the step */
	uint64_t scratch; /* address of the loader's area in its memory; 0: not asked for yet */
};

/* Whose number it is, as numbers are given again. */
struct task_identity {
	uint64_t of_pidfd; /* the inode of its pidfd, which nobody else ever has; 0: the kernel has none */
	/* Else as /proc knows it: the inode is the same for as long as it is remembered there, the start always. */
	ino_t proc_inode;
	uint64_t started; /* in ticks since the machine's start; 0: it was gone */
};

struct task {
	pid_t tid;
	pid_t tgid; /* of its process; 0: not looked up yet */
	struct task_identity identity;
	bool is_identified; /* the two above are known: from the moment when somebody is another than the rest */
	int pidfd;	    /* of those that asked last, from that moment on; -1 */
	struct credentials *credentials;
	bool is_special;	  /* these may be others than the step's first process has */
	struct task_fs *fs;	  /* NULL: the kernel's is right */
	struct task_image *image; /* NULL: the kernel's is right */
	bool shares_memory;	  /* with who created it (CLONE_VM) */
	struct taskmem mem;
	/* What an exec that is under way will give, and the file that it is of: taken when the thread next asks and
	 * runs that file (tasks_find()), dropped when it does not. */
	struct credentials *after_exec;
	dev_t exec_dev;
	ino_t exec_ino;
	struct task *next; /* of the same bucket */
};

struct tasks;

/* `first` is the step's first process, and what it and all that nobody knows the parent of is. Takes a reference. */
MUST_CHECK struct tasks *tasks_new(pid_t first, struct credentials *credentials);
void tasks_free(struct tasks *tasks);
CLEANUP_FOR(struct tasks, tasks_free)

/* The thread, met now if it was not before. Valid until the next call of one of these. NULL when it is gone. */
struct task *tasks_find(struct tasks *tasks, pid_t tid);
/* Before it changes or ends: see above. */
void tasks_settle(struct tasks *tasks, struct task *task);
/* Before it executes a file: its memory will be another. `after` (taken) is what it will be if the exec succeeds. */
void tasks_exec(struct tasks *tasks, struct task *task, struct credentials *after, dev_t dev, ino_t ino);
/* For who hears of every birth and death from the kernel: tasks_find() then meets nobody by itself. `creator` is known;
 * the new thread has its credentials, and what of fs and image is not shared is copied. */
void tasks_born(struct tasks *tasks, pid_t creator, pid_t tid, bool is_thread, bool shares_fs);
void tasks_gone(struct tasks *tasks, pid_t tid);
/* The exec of a thread that was not its process's first has succeeded: it has that number now. */
void tasks_become(struct tasks *tasks, pid_t from, pid_t to);
/* Known already, or NULL. */
struct task *tasks_known(struct tasks *tasks, pid_t tid);
MUST_CHECK struct task_fs *task_fs_new(int cwd, int root, mode_t umask);
/* Makes it one that the task does not share. */
struct task_fs *task_fs_own(struct task *task);
void task_set_image(struct task *task, const char *exe);

/* It ends, by its own call: alone, or with its whole process. */
void tasks_exit(struct tasks *tasks, pid_t tid, bool whole_process);

#endif
