/*
 * Calls that the kernel has to carry out with a path or an address of ours, because what they act on cannot be lent to
 * us: sockets (translate_address.c), watches, descriptors of the O_PATH kind. What we give them is written into the
 * loader's area of the caller. The kernel's working directory of all processes of the step is its root, so that what lies
 * in it has a short name there.
 *
 * What is written there could be changed by another thread before the kernel reads it: who has one is stopped as a
 * whole meanwhile (trace_hold_others()).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "run/loader/protocol.h"
#include "run/translate_pass_internal.h"

int pass_kernel_name(struct translation *t, const struct spot *spot, char *text, size_t size)
{
	const char *path = buf_str(&spot->path);
	char proc[FD_PROC_PATH_SIZE];
	char real[PATH_MAX];
	int length;

	if (spot->mount == &t->mounts[0]) {
		length = snprintf(text, size, "%s", path + strspn(path, "/"));
	} else {
		int above = spot->parent >= 0 ? spot->parent : spot->fd;
		ssize_t got = readlink(fd_proc_path(above, proc), real, sizeof(real) - 1);
		if (got <= 0)
			return -ENOENT;
		real[got] = '\0';
		length = spot->parent >= 0 ? snprintf(text, size, "%s/%s", real, spot->leaf)
					   : snprintf(text, size, "%s", real);
	}
	return length < 0 || (size_t)length >= size ? -ENAMETOOLONG : length;
}

uint64_t pass_slot_of(const struct task *task, pid_t tid)
{
	if (!task->image || !task->image->scratch)
		return 0;
	uint64_t slot = task->image->scratch + (uint64_t)((unsigned)tid % LOADER_SLOTS) * LOADER_SLOT_SIZE;
	return taskmem_is_own(tid, slot, LOADER_SLOT_SIZE) ? slot : 0;
}

void pass_leave_out(struct trace_regs *regs, int code)
{
	regs->number = -1;
	regs->result = code;
}

/* ---- Paths ---- */

/* The call gets a path of ours as its argument `at`; the thing itself is meant. */
static int write_path(struct translation *t, const struct trap *trap, const struct spot *spot, uint64_t *argument)
{
	struct task *task = view_task(t, trap);
	uint64_t slot = task ? pass_slot_of(task, trap->tid) : 0;
	char path[PATH_MAX];
	t->goes_by_path = true;
	int rc = !slot || spot->is_magic ? -EACCES : pass_kernel_name(t, spot, path, sizeof(path));

	if (rc == 0) /* the root itself */
		snprintf(path, sizeof(path), ".");
	if (rc >= 0)
		rc = emul_write(&t->emulation, trap, slot, path, strlen(path) + 1);
	*argument = slot;
	return rc;
}

static bool translate_watch(struct translation *t, const struct trap *trap, struct trace_regs *regs)
{
	cleanup(spot_done) struct spot spot = SPOT_INIT;
	unsigned how = regs->args[2] & IN_DONT_FOLLOW ? 0 : VIEW_FOLLOW;
	int rc = view_find_at(t, trap, AT_FDCWD, regs->args[1], how, &spot);

	/* What is done to the file in other roots is none of the step's business, and what it does itself would be done
	 * to another. */
	if (rc == 0)
		rc = make_private(t, &spot);
	if (rc == 0)
		rc = write_path(t, trap, &spot, &regs->args[1]);
	if (rc < 0)
		pass_leave_out(regs, rc);
	return true;
}

/* O_PATH: such a descriptor cannot be handed over (the kernel's ADDFD refuses it), so the kernel opens it there. What
 * it can be used for afterwards is asked of us again. */
static bool translate_open_path(struct translation *t, const struct trap *trap, struct trace_regs *regs)
{
	cleanup(spot_done) struct spot spot = SPOT_INIT;
	bool has_dirfd = regs->number == SYS_openat;
	size_t at = has_dirfd ? 1 : 0;
	int flags = (int)regs->args[at + 1] & (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int rc = view_find_at(t, trap, has_dirfd ? (int)regs->args[0] : AT_FDCWD, regs->args[at],
			      flags & O_NOFOLLOW ? 0 : VIEW_FOLLOW, &spot);

	regs->number = SYS_openat;
	if (rc == 0)
		rc = write_path(t, trap, &spot, &regs->args[1]);
	regs->args[0] = (uint64_t)AT_FDCWD;
	regs->args[2] = (uint64_t)(flags | O_NOFOLLOW);
	regs->args[3] = 0;
	if (rc < 0)
		pass_leave_out(regs, rc);
	return true;
}

/* A directory on the way could have become a link when the kernel went there. What it has come to is of use to nobody
 * (view_is_hosts()), and nobody comes there by chance. */
static void check_opened(struct translation *t, pid_t tid, const struct trace_regs *regs)
{
	cleanup(buf_done) struct buf name = BUF_INIT((size_t)2 * PATH_MAX);
	char path[64];
	char real[PATH_MAX];

	if (regs->result < 0)
		return;
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", tid, (int)regs->result);
	ssize_t length = readlink(path, real, sizeof(real) - 1);
	if (length <= 0 || real[0] != '/')
		return;
	real[length] = '\0';
	if (!view_name_of_real(t, real, &name))
		kill(tid, SIGKILL);
}

static bool is_open_call(int number)
{
#ifdef SYS_open
	if (number == SYS_open)
		return true;
#endif
	return number == SYS_openat;
}

/* ---- The doors ---- */

static bool translate_one(struct translation *t, const struct trap *trap, struct trace_regs *regs)
{
	switch (regs->number) {
	case SYS_bind:
	case SYS_connect:
		return address_pass(t, trap, regs, 1, regs->number == SYS_bind);
	case SYS_sendto:
		return address_pass(t, trap, regs, 4, /* makes */ false);
	case SYS_sendmsg:
		return address_pass_message(t, trap, regs);
	case SYS_sendmmsg:
		return address_pass_messages(t, trap, regs);
	case SYS_inotify_add_watch:
		return translate_watch(t, trap, regs);
#ifdef SYS_open
	case SYS_open:
#endif
	case SYS_openat:
		return translate_open_path(t, trap, regs);
	default:
		return false;
	}
}

/* Who else could change what is read here, before the kernel reads it, stands still until it has. What the kernel tells
 * nobody can change before: there everybody goes on, and may be who has to send it. */
bool translate_call(struct translation *t, pid_t tid, struct trace_regs *regs, bool *changed)
{
	const struct trap trap = {.tid = tid, .number = (int)regs->number};

	if (names_are_asked(t, &trap, regs)) {
		*changed = true;
		return false;
	}
	t->goes_by_path = false;
	int rc = trace_hold_others(t, tid);
	bool holds = rc != 0;
	if (rc < 0)
		pass_leave_out(regs, rc);
	*changed = rc < 0 || translate_one(t, &trap, regs) || holds;
	/* Others go on when the first message sleeps: the second would be read after that. Fewer than all may be sent.
	 */
	if (holds && regs->number == SYS_sendmmsg && regs->args[2] > 1)
		regs->args[2] = 1;
	return holds;
}

void translate_call_done(struct translation *t, pid_t tid, struct trace_regs *regs, int asked)
{
	struct trap trap = {.tid = tid, .number = asked};

	address_forget_alias(t, tid);
	if (is_open_call(asked))
		check_opened(t, tid, regs);
	if (asked == SYS_sendmmsg && regs->number == SYS_sendmsg)
		address_count_one(t, &trap, regs);
	else if (asked == SYS_sendmmsg)
		address_count_all(t, &trap, regs);
	else if (regs->result >= 0)
		names_show(t, &trap, regs);
	if (regs->number == SYS_bind && regs->result == 0)
		address_dress_socket(t, &trap, regs->args[1], regs->args[2]);
}
