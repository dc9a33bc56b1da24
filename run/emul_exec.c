/*
 * exec, exit and chroot: the kernel carries them out, and what is known of the thread follows.
 *
 * A set-user-id file makes its caller who the file is recorded to belong to. The kernel knows only one user, so for it
 * nothing changes; the credentials do, when the file is seen to run.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "run/emul_internal.h"
#include "run/shebang.h"

/* The interpreter's path in head[], as the file's first line has it; NULL: it is no script. */
static char *read_interpreter(int file, char head[SHEBANG_SIZE])
{
	char proc[FD_PROC_PATH_SIZE];
	char *interpreter, *argument;
	struct stat st;

	if (fstat(file, &st) < 0 || !S_ISREG(st.st_mode))
		return NULL;
	cleanup_close int fd = open(fd_proc_path(file, proc), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : pread(fd, head, SHEBANG_SIZE - 1, 0);
	head[got > 0 ? got : 0] = '\0';
	return shebang_is_script(head) && shebang_parse(head, &interpreter, &argument) == 0 ? interpreter : NULL;
}

/* What the kernel will run in place of a script: its bits count, and not the script's. `file` is exchanged; -1 when
 * that is not there, and the exec will fail. */
static void follow_script(struct emulation *e, const struct trap *trap, int *file)
{
	char head[SHEBANG_SIZE];
	const char *path;

	for (unsigned depth = 0; depth <= SHEBANG_DEPTH && (path = read_interpreter(*file, head)); depth++) {
		int next = emul_open_text(e, trap, AT_FDCWD, path, EMUL_FOLLOW | EMUL_PEEK);
		fd_close(*file);
		*file = next;
		if (next < 0)
			return;
	}
}

/* Do the file's set-id bits count at all? (execve(2), "Effect on set-user-ID programs") */
static bool bits_count(const struct trap *trap, int file)
{
	struct statvfs fs;
	struct emul_status status;

	if (fstatvfs(file, &fs) == 0 && fs.f_flag & ST_NOSUID)
		return false;
	return emul_read_status(trap, &status) == 0 && !status.no_new_privs;
}

static bool is_same(const struct credentials *a, const struct credentials *b)
{
	return memcmp(a->uid, b->uid, sizeof(a->uid)) == 0 && memcmp(a->gid, b->gid, sizeof(a->gid)) == 0 &&
	       a->permitted == b->permitted && a->effective == b->effective && a->ambient == b->ambient &&
	       a->securebits == b->securebits;
}

/* The credentials after the exec of this file, which is no script, or NULL when they stay. */
static struct credentials *after_exec(struct emulation *e, const struct trap *trap, struct credentials *now, int file,
				      struct stat *st)
{
	bool is_recorded;

	if (emul_stat(e, file, st, &is_recorded) < 0 || !S_ISREG(st->st_mode))
		return NULL;
	bool is_user = st->st_mode & S_ISUID;
	bool is_group = st->st_mode & S_ISGID && st->st_mode & S_IXGRP;
	if (credentials_are_plain_root(now) && !is_user && !is_group)
		return NULL;
	if ((is_user || is_group) && !bits_count(trap, file))
		is_user = is_group = false;
	struct credentials *after = credentials_share(now);
	credentials_exec(&after, is_user ? &st->st_uid : NULL, is_group ? &st->st_gid : NULL);
	if (is_same(now, after)) {
		credentials_free(after);
		return NULL;
	}
	return after;
}

/* `executed` is closed. */
static void note_exec(struct emulation *e, const struct trap *trap, int executed)
{
	cleanup_close int file = executed;
	struct task *task = emul_task(e, trap);
	struct stat st = {0};
	struct credentials *after = NULL;

	if (!task)
		return;
	if (file >= 0) {
		follow_script(e, trap, &file);
		after = file < 0 ? NULL : after_exec(e, trap, task->credentials, file, &st);
	}
	tasks_exec(e->tasks, task, after, st.st_dev, st.st_ino);
}

void emul_execve(void *context, const struct trap *trap, struct answer *answer)
{
	note_exec(context, trap, emul_open(context, trap, AT_FDCWD, trap->args[0], EMUL_FOLLOW | EMUL_PEEK));
}

void emul_execveat(void *context, const struct trap *trap, struct answer *answer)
{
	int flags = (int)trap->args[4];
	unsigned how =
		EMUL_PEEK | (flags & AT_SYMLINK_NOFOLLOW ? 0 : EMUL_FOLLOW) | (flags & AT_EMPTY_PATH ? EMUL_EMPTY : 0);

	note_exec(context, trap, emul_open(context, trap, (int)trap->args[0], trap->args[1], how));
}

void emul_exit(void *context, const struct trap *trap, struct answer *answer)
{
	struct emulation *e = context;

	tasks_exit(e->tasks, trap->tid, /* whole_process */ false);
}

void emul_exit_group(void *context, const struct trap *trap, struct answer *answer)
{
	struct emulation *e = context;

	tasks_exit(e->tasks, trap->tid, /* whole_process */ true);
}

/* From here on everybody's root is looked up: children of the caller have its new one. */
void emul_chroot(void *context, const struct trap *trap, struct answer *answer)
{
	struct emulation *e = context;
	const struct task *task = emul_task(e, trap);

	if (task && !credentials_can(task->credentials, CAP_SYS_CHROOT))
		emul_return(answer, -EPERM);
	else
		e->roots_differ = true;
}
