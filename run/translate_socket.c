/*
 * Sockets with a path: bind and connect are carried out by the kernel, for a socket cannot be lent to us, with an
 * address that we write into the loader's area of the caller. The kernel's working directory of all processes of the
 * step is its root, so that what lies in it has a short name there (sun_path has 108 bytes).
 *
 * What is written there could be changed by another thread before the kernel reads it: who has one is stopped as a
 * whole meanwhile (trace_hold_others()).
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "run/loader/protocol.h"
#include "run/translate_internal.h"

/* What the kernel is to be told instead of the step's path. */
static int name_for_kernel(struct translation *t, const struct spot *spot, char *text, size_t size)
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

/* The caller's slot of the area. */
static uint64_t slot_of(const struct task *task, pid_t tid)
{
	return task->image && task->image->scratch
		       ? task->image->scratch + (uint64_t)((unsigned)tid % LOADER_SLOTS) * LOADER_SLOT_SIZE
		       : 0;
}

static int rewrite(struct translation *t, const struct trap *trap, struct sockaddr_un *address, size_t size, bool makes,
		   struct trace_regs *regs, size_t at)
{
	cleanup(spot_done) struct spot spot = SPOT_INIT;
	char path[sizeof(address->sun_path) + 1] = "";
	struct task *task = view_task(t, trap);
	uint64_t slot = task ? slot_of(task, trap->tid) : 0;

	memcpy(path, address->sun_path, size - offsetof(struct sockaddr_un, sun_path));
	if (!slot)
		return -EACCES;
	int rc = view_find_text(t, trap, AT_FDCWD, path, makes ? VIEW_MISSING : VIEW_FOLLOW, &spot);
	if (rc == 0 && makes && spot.fd >= 0)
		rc = -EADDRINUSE;
	if (rc == 0 && makes)
		rc = view_check_writable(&spot);
	memset(address->sun_path, 0, sizeof(address->sun_path));
	if (rc == 0)
		rc = name_for_kernel(t, &spot, address->sun_path, sizeof(address->sun_path));
	if (rc < 0)
		return rc;
	size = offsetof(struct sockaddr_un, sun_path) + (size_t)rc + 1;
	rc = trace_hold_others(t, trap->tid);
	if (rc == 0)
		rc = emul_write(&t->emulation, trap, slot, address, size);
	regs->args[at] = slot;
	regs->args[at + 1] = size;
	return rc;
}

/* The address is the arguments `at` and `at` + 1. */
static void translate_address(struct translation *t, pid_t tid, struct trace_regs *regs, size_t at, bool makes,
			      bool *changed)
{
	struct trap trap = {.tid = tid, .number = (int)regs->number};
	struct sockaddr_un address = {0};
	uint64_t size = regs->args[at + 1];

	if (regs->args[at] == 0 || size <= offsetof(struct sockaddr_un, sun_path))
		return;
	if (size > sizeof(address))
		size = sizeof(address);
	/* Not ours to say: the kernel will. */
	if (emul_read(&t->emulation, &trap, regs->args[at], &address, size) < 0)
		return;
	/* Another thread could make a path of what is none now: the kernel reads our copy in any case. */
	int rc;
	if (address.sun_family == AF_UNIX && address.sun_path[0] != '\0') {
		rc = rewrite(t, &trap, &address, size, makes, regs, at);
	} else if (regs->args[at + 1] <= LOADER_SLOT_SIZE) {
		const struct task *task = view_task(t, &trap);
		uint64_t slot = task ? slot_of(task, tid) : 0;
		char copy[LOADER_SLOT_SIZE];
		rc = !slot ? -EACCES : emul_read(&t->emulation, &trap, regs->args[at], copy, regs->args[at + 1]);
		/* Read once more: it must still be what was judged. */
		if (rc == 0 && memcmp(copy, &address, size) != 0)
			rc = -EFAULT;
		if (rc == 0)
			rc = trace_hold_others(t, tid);
		if (rc == 0)
			rc = emul_write(&t->emulation, &trap, slot, copy, regs->args[at + 1]);
		regs->args[at] = slot;
	} else {
		rc = -EINVAL;
	}
	*changed = true;
	if (rc < 0) {
		trace_let_others_go(t, tid);
		regs->number = -1;
		regs->result = rc;
	}
}

/* The socket that was made has the mode that the umask says; the kernel's own is 0. */
static void dress_socket(struct translation *t, const struct trap *trap, uint64_t address, uint64_t size)
{
	struct sockaddr_un bound = {0};
	cleanup(spot_done) struct spot spot = SPOT_INIT;
	struct owner_record owner;
	mode_t umask;

	if (size > sizeof(bound) || emul_read(&t->emulation, trap, address, &bound, size) < 0 ||
	    bound.sun_family != AF_UNIX || bound.sun_path[0] == '\0')
		return;
	char path[sizeof(bound.sun_path) + 1] = "";
	memcpy(path, bound.sun_path, sizeof(bound.sun_path));
	if (view_find_text(t, trap, AT_FDCWD, path, VIEW_MISSING, &spot) < 0 || spot.fd < 0 || spot.parent < 0 ||
	    make_birth(t, trap, spot.parent, &owner, &umask) < 0)
		return;
	if (make_dressed(t, spot.fd, 0777 & ~umask, &owner) < 0)
		return;
}

/* ---- inotify ---- */

static void translate_watch(struct translation *t, pid_t tid, struct trace_regs *regs, bool *changed)
{
	struct trap trap = {.tid = tid, .number = (int)regs->number};
	cleanup(spot_done) struct spot spot = SPOT_INIT;
	struct task *task = view_task(t, &trap);
	uint64_t slot = task ? slot_of(task, tid) : 0;
	char path[PATH_MAX];
	ssize_t length = emul_read_text(&t->emulation, &trap, regs->args[1], path, sizeof(path));
	int rc = length < 0 ? (int)length : !slot ? -EACCES : 0;

	if (rc == 0)
		rc = view_find_text(t, &trap, AT_FDCWD, path, regs->args[2] & IN_DONT_FOLLOW ? 0 : VIEW_FOLLOW, &spot);
	if (rc == 0)
		rc = name_for_kernel(t, &spot, path, sizeof(path));
	if (rc == 0) /* the root itself */
		snprintf(path, sizeof(path), ".");
	if (rc >= 0)
		rc = trace_hold_others(t, tid);
	if (rc == 0)
		rc = emul_write(&t->emulation, &trap, slot, path, strlen(path) + 1);
	*changed = true;
	regs->args[1] = slot;
	if (rc < 0) {
		trace_let_others_go(t, tid);
		regs->number = -1;
		regs->result = rc;
	}
}

void translate_call(struct translation *t, pid_t tid, struct trace_regs *regs, bool *changed)
{
	switch (regs->number) {
	case SYS_bind:
	case SYS_connect:
		translate_address(t, tid, regs, 1, regs->number == SYS_bind, changed);
		break;
	case SYS_sendto:
		translate_address(t, tid, regs, 4, /* makes */ false, changed);
		break;
	case SYS_inotify_add_watch:
		translate_watch(t, tid, regs, changed);
		break;
	default:
		break;
	}
}

void translate_call_done(struct translation *t, pid_t tid, struct trace_regs *regs)
{
	struct trap trap = {.tid = tid, .number = (int)regs->number};

	trace_let_others_go(t, tid);
	if (regs->number == SYS_bind && regs->result == 0)
		dress_socket(t, &trap, regs->args[1], regs->args[2]);
}
