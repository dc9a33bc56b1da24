/*
 * Calls with a path that the kernel has to carry out, because what they act on cannot be lent to us: sockets (bind,
 * connect, messages to a name), watches, descriptors of the O_PATH kind. They get a path or an address that we write
 * into the loader's area of the caller. The kernel's working directory of all processes of the
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

/* The caller's slot of the area; 0 where it has none, or has put a memory in its place that others write to, too: what
 * we write there is for the kernel, as we have written it. */
static uint64_t slot_of(const struct task *task, pid_t tid)
{
	if (!task->image || !task->image->scratch)
		return 0;
	uint64_t slot = task->image->scratch + (uint64_t)((unsigned)tid % LOADER_SLOTS) * LOADER_SLOT_SIZE;
	return taskmem_is_own(tid, slot, LOADER_SLOT_SIZE) ? slot : 0;
}

/* Where in the slot what is written: a path or an address; the header of a message that has it; its control data. */
#define HEADER_AT 256
#define CONTROL_AT 512
#define CONTROL_MAX ((size_t)2048)

/* An address with a path: written into the caller's slot as the kernel is to read it. Its new size, or -errno. */
static int write_address(struct translation *t, const struct trap *trap, struct sockaddr_un *address, size_t size,
			 bool makes)
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
		rc = pass_kernel_name(t, &spot, address->sun_path, sizeof(address->sun_path));
	if (rc < 0)
		return rc;
	size = offsetof(struct sockaddr_un, sun_path) + (size_t)rc + 1;
	rc = emul_write(&t->emulation, trap, slot, address, size);
	return rc < 0 ? rc : (int)size;
}

/* 1: it has a path. Others are the kernel's to judge. */
static int read_address(struct translation *t, const struct trap *trap, uint64_t at, uint64_t size,
			struct sockaddr_un *address)
{
	memset(address, 0, sizeof(*address));
	if (at == 0 || size <= offsetof(struct sockaddr_un, sun_path))
		return 0;
	if (emul_read(&t->emulation, trap, at, address, size > sizeof(*address) ? sizeof(*address) : size) < 0)
		return 0;
	return address->sun_family == AF_UNIX && address->sun_path[0] != '\0';
}

static void leave_out(struct trace_regs *regs, int code)
{
	regs->number = -1;
	regs->result = code;
}

/* The address is the arguments `at` and `at` + 1. */
static bool translate_address(struct translation *t, const struct trap *trap, struct trace_regs *regs, size_t at,
			      bool makes)
{
	struct sockaddr_un address;

	if (!read_address(t, trap, regs->args[at], regs->args[at + 1], &address))
		return false;
	size_t size = regs->args[at + 1] > sizeof(address) ? sizeof(address) : (size_t)regs->args[at + 1];
	int rc = write_address(t, trap, &address, size, makes);
	if (rc < 0) {
		leave_out(regs, rc);
	} else {
		regs->args[at] = slot_of(view_task(t, trap), trap->tid);
		regs->args[at + 1] = (uint64_t)rc;
	}
	return true;
}

/* ---- Messages ---- */

/* The message's control data, when credentials are in it: copied, and as the kernel will take them. */
static bool claim_credentials(struct translation *t, const struct trap *trap, const struct msghdr *header,
			      char control[CONTROL_MAX])
{
	const struct task *task = view_task(t, trap);
	uint64_t at = (uint64_t)(uintptr_t)header->msg_control;

	return task && header->msg_controllen >= sizeof(struct cmsghdr) && header->msg_controllen <= CONTROL_MAX &&
	       emul_read(&t->emulation, trap, at, control, header->msg_controllen) == 0 &&
	       names_claim(task, control, header->msg_controllen);
}

static bool translate_message(struct translation *t, const struct trap *trap, struct trace_regs *regs)
{
	_Alignas(struct cmsghdr) char control[CONTROL_MAX];
	struct sockaddr_un address;
	struct msghdr header;
	int rc = 0;

	if (emul_read(&t->emulation, trap, regs->args[1], &header, sizeof(header)) < 0)
		return false;
	bool has_path = read_address(t, trap, (uint64_t)(uintptr_t)header.msg_name, header.msg_namelen, &address) != 0;
	bool has_credentials = claim_credentials(t, trap, &header, control);
	if (!has_path && !has_credentials)
		return false;
	uint64_t slot = slot_of(view_task(t, trap), trap->tid);
	if (!slot)
		rc = -EACCES;
	if (rc == 0 && has_path) {
		size_t size = header.msg_namelen > sizeof(address) ? sizeof(address) : header.msg_namelen;
		rc = write_address(t, trap, &address, size, /* makes */ false);
		header.msg_name = (void *)(uintptr_t)slot;
		header.msg_namelen = (socklen_t)rc;
	}
	if (rc >= 0 && has_credentials) {
		rc = emul_write(&t->emulation, trap, slot + CONTROL_AT, control, header.msg_controllen);
		header.msg_control = (void *)(uintptr_t)(slot + CONTROL_AT);
	}
	if (rc >= 0)
		rc = emul_write(&t->emulation, trap, slot + HEADER_AT, &header, sizeof(header));
	if (rc < 0)
		leave_out(regs, rc);
	else
		regs->args[1] = slot + HEADER_AT;
	return true;
}

#define MESSAGES_MAX 1024 /* UIO_MAXIOV */

static bool needs_translation(struct translation *t, const struct trap *trap, const struct msghdr *header)
{
	_Alignas(struct cmsghdr) char control[CONTROL_MAX];
	struct sockaddr_un address;

	return read_address(t, trap, (uint64_t)(uintptr_t)header->msg_name, header->msg_namelen, &address) ||
	       claim_credentials(t, trap, header, control);
}

/* Several at once: those before the first that has to be changed, or that one alone. Who sends them sends the rest then
 * (sendmmsg(2), "RETURN VALUE"). */
static bool translate_messages(struct translation *t, const struct trap *trap, struct trace_regs *regs)
{
	struct mmsghdr message;

	for (uint64_t i = 0; i < regs->args[2] && i < MESSAGES_MAX; i++) {
		if (emul_read(&t->emulation, trap, regs->args[1] + i * sizeof(message), &message, sizeof(message)) < 0)
			return false;
		if (!needs_translation(t, trap, &message.msg_hdr))
			continue;
		if (i > 0) {
			regs->args[2] = i;
			return true;
		}
		regs->number = SYS_sendmsg;
		regs->args[2] = regs->args[3];
		return translate_message(t, trap, regs);
	}
	return false;
}

/* One of several was sent: its length goes where the others would have theirs. */
static void count_message(struct translation *t, const struct trap *trap, struct trace_regs *regs)
{
	uint32_t length = (uint32_t)regs->result;

	if (regs->result >= 0 && emul_write(&t->emulation, trap, regs->args[1] + offsetof(struct mmsghdr, msg_len),
					    &length, sizeof(length)) == 0)
		regs->result = 1;
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
	char real[sizeof(bound.sun_path)];
	if (pass_kernel_name(t, &spot, real, sizeof(real)) > 0)
		names_note(t, real, path);
}

/* ---- Paths ---- */

/* The call gets a path of ours as its argument `at`; the thing itself is meant. */
static int write_path(struct translation *t, const struct trap *trap, const struct spot *spot, uint64_t *argument)
{
	struct task *task = view_task(t, trap);
	uint64_t slot = task ? slot_of(task, trap->tid) : 0;
	char path[PATH_MAX];
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
		leave_out(regs, rc);
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
		leave_out(regs, rc);
	return true;
}

/* ---- The doors ---- */

static bool translate_one(struct translation *t, const struct trap *trap, struct trace_regs *regs)
{
	switch (regs->number) {
	case SYS_bind:
	case SYS_connect:
		return translate_address(t, trap, regs, 1, regs->number == SYS_bind);
	case SYS_sendto:
		return translate_address(t, trap, regs, 4, /* makes */ false);
	case SYS_sendmsg:
		return translate_message(t, trap, regs);
	case SYS_sendmmsg:
		return translate_messages(t, trap, regs);
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
	int rc = trace_hold_others(t, tid);
	bool holds = rc != 0;
	if (rc < 0)
		leave_out(regs, rc);
	*changed = rc < 0 || translate_one(t, &trap, regs) || holds;
	/* Others go on when the first message sleeps: the second would be read after that. Fewer than all may be sent.
	 */
	if (holds && regs->number == SYS_sendmmsg && regs->args[2] > 1)
		regs->args[2] = 1;
	if (regs->number >= 0)
		return holds;
	trace_let_others_go(t, tid);
	return false;
}

void translate_call_done(struct translation *t, pid_t tid, struct trace_regs *regs, int asked)
{
	struct trap trap = {.tid = tid, .number = asked};

	trace_let_others_go(t, tid);
	if (asked == SYS_sendmmsg && regs->number == SYS_sendmsg)
		count_message(t, &trap, regs);
	else if (regs->result >= 0)
		names_show(t, &trap, regs);
	if (regs->number == SYS_bind && regs->result == 0)
		dress_socket(t, &trap, regs->args[1], regs->args[2]);
}
