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
#include <signal.h>
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
#define MESSAGES_MAX 32 /* their headers fill half of it */

/* What the kernel would take for an address. */
union address {
	struct sockaddr_un local;
	struct sockaddr_storage any;
};

#define PATH_AT offsetof(struct sockaddr_un, sun_path)

/* Our own directory, as the kernel finds it from the root: in short. */
static const char *scratch_name(struct translation *t)
{
	const char *root = t->mounts[0].real;
	const char *slash = strrchr(root, '/');
	size_t above = slash ? (size_t)(slash - root) + 1 : 0;
	cleanup_free char *real = t->scratch_path ? NULL : view_real_name(t, t->scratch);

	if (real && above > 0 && strncmp(real, root, above) == 0)
		t->scratch_path = mem_printf("../%s", real + above);
	else if (real)
		t->scratch_path = take_ptr(&real);
	return t->scratch_path;
}

static void alias_name(pid_t tid, char name[32])
{
	snprintf(name, 32, "socket-%d", tid);
}

/* A further name of the socket, where the step changes none: a directory on the way to its own could be a link to
 * somewhere else when the kernel goes there. In a volume of another file system it cannot have one (-EXDEV). */
static int make_alias(struct translation *t, const struct trap *trap, const struct spot *spot, char *text, size_t size)
{
	char proc[FD_PROC_PATH_SIZE];
	char name[32];
	const char *above = scratch_name(t);

	alias_name(trap->tid, name);
	unlinkat(t->scratch, name, 0);
	if (!above || linkat(AT_FDCWD, fd_proc_path(spot->fd, proc), t->scratch, name, AT_SYMLINK_FOLLOW) < 0)
		return -EXDEV;
	t->has_aliases = true;
	int length = snprintf(text, size, "%s/%s", above, name);
	return length < 0 || (size_t)length >= size ? -ENAMETOOLONG : length;
}

/* What a socket is called for who wants to reach it. */
static int name_socket(struct translation *t, const struct trap *trap, const struct spot *spot, char *text, size_t size)
{
	struct stat st;

	if (spot->fd < 0 || fstat(spot->fd, &st) < 0)
		return -ENOENT;
	/* As the kernel says of what is none. */
	if (!S_ISSOCK(st.st_mode))
		return -ECONNREFUSED;
	/* A file that is mounted has a name of ours already. */
	int rc = spot->mount->is_file ? -EXDEV : make_alias(t, trap, spot, text, size);
	if (rc != -EXDEV && rc != -ENAMETOOLONG)
		return rc;
	t->goes_by_path = true;
	return pass_kernel_name(t, spot, text, size);
}

/* The kernel's name of the path in it, in its place. The new size, or -errno. */
static int translate_path(struct translation *t, const struct trap *trap, union address *address, size_t size,
			  bool makes)
{
	cleanup(spot_done) struct spot spot = SPOT_INIT;
	char path[sizeof(address->local.sun_path) + 1] = "";

	memcpy(path, address->local.sun_path,
	       (size > sizeof(address->local) ? sizeof(address->local) : size) - PATH_AT);
	int rc = view_find_text(t, trap, AT_FDCWD, path, makes ? VIEW_MISSING : VIEW_FOLLOW, &spot);
	if (rc == 0 && makes && spot.fd >= 0)
		rc = -EADDRINUSE;
	if (rc == 0 && makes)
		rc = view_check_writable(&spot);
	memset(address->local.sun_path, 0, sizeof(address->local.sun_path));
	t->goes_by_path = makes;
	if (rc == 0)
		rc = makes ? pass_kernel_name(t, &spot, address->local.sun_path, sizeof(address->local.sun_path))
			   : name_socket(t, trap, &spot, address->local.sun_path, sizeof(address->local.sun_path));
	return rc < 0 ? rc : (int)PATH_AT + rc + 1;
}

/* Any address that could hold a path is copied to the caller's slot, also one that holds none: it lies in a memory that
 * may be shared with another process, and would be another one when the kernel reads it. The new size, or -errno. */
static int move_address(struct translation *t, const struct trap *trap, uint64_t at, size_t size, uint64_t *slot,
			bool makes)
{
	union address address = {0};
	int rc = (int)size;

	if (emul_read(&t->emulation, trap, at, &address, size) < 0)
		return -EFAULT;
	if (address.local.sun_family == AF_UNIX && address.local.sun_path[0] != '\0')
		rc = translate_path(t, trap, &address, size, makes);
	/* Mostly there is nothing at the path (a name service's): the slot is looked at behind it. */
	const struct task *task = view_task(t, trap);
	if (rc >= 0 && task && !*slot)
		*slot = slot_of(task, trap->tid);
	if (rc >= 0 && !*slot)
		return -EACCES;
	int written = rc < 0 ? rc : emul_write(&t->emulation, trap, *slot, &address, (size_t)rc);
	return written < 0 ? written : rc;
}

static void leave_out(struct trace_regs *regs, int code)
{
	regs->number = -1;
	regs->result = code;
}

/* The address is the arguments `at` and `at` + 1. One that is too short for a path or too long for the kernel is its
 * own to judge: it knows that by the argument. */
static bool translate_address(struct translation *t, const struct trap *trap, struct trace_regs *regs, size_t at,
			      bool makes)
{
	uint32_t size = (uint32_t)regs->args[at + 1];
	uint64_t slot = 0;

	if (regs->args[at] == 0 || size <= PATH_AT || size > sizeof(union address))
		return false;
	int rc = move_address(t, trap, regs->args[at], size, &slot, makes);
	if (rc < 0) {
		leave_out(regs, rc);
	} else {
		regs->args[at] = slot;
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

/* The header as it is now, and what it leads to as far as that is a name, where nobody else writes. */
static int move_message(struct translation *t, const struct trap *trap, struct msghdr *header, uint64_t slot)
{
	_Alignas(struct cmsghdr) char control[CONTROL_MAX];
	int rc = slot ? 0 : -EACCES;

	/* The kernel cuts what is longer. */
	if (header->msg_namelen > sizeof(union address))
		header->msg_namelen = sizeof(union address);
	if (rc == 0 && header->msg_name && header->msg_namelen > PATH_AT) {
		rc = move_address(t, trap, (uint64_t)(uintptr_t)header->msg_name, header->msg_namelen, &slot,
				  /* makes */ false);
		header->msg_name = (void *)(uintptr_t)slot;
		header->msg_namelen = (socklen_t)rc;
	}
	if (rc >= 0 && claim_credentials(t, trap, header, control)) {
		rc = emul_write(&t->emulation, trap, slot + CONTROL_AT, control, header->msg_controllen);
		header->msg_control = (void *)(uintptr_t)(slot + CONTROL_AT);
	}
	return rc < 0 ? rc : emul_write(&t->emulation, trap, slot + HEADER_AT, header, sizeof(*header));
}

static bool translate_message(struct translation *t, const struct trap *trap, struct trace_regs *regs)
{
	struct task *task = view_task(t, trap);
	struct msghdr header;

	if (emul_read(&t->emulation, trap, regs->args[1], &header, sizeof(header)) < 0) {
		leave_out(regs, -EFAULT);
		return true;
	}
	uint64_t slot = task ? slot_of(task, trap->tid) : 0;
	int rc = move_message(t, trap, &header, slot);
	if (rc < 0)
		leave_out(regs, rc);
	else
		regs->args[1] = slot + HEADER_AT;
	return true;
}

/* How many messages without names and credentials, which need nothing but a header that stays as it is, come first;
 * they are put into the slot. */
static unsigned gather_messages(struct translation *t, const struct trap *trap, const struct trace_regs *regs,
				struct mmsghdr messages[MESSAGES_MAX])
{
	_Alignas(struct cmsghdr) char control[CONTROL_MAX];
	unsigned wanted = (uint32_t)regs->args[2] > MESSAGES_MAX ? MESSAGES_MAX : (uint32_t)regs->args[2];
	unsigned count = 0;

	for (; count < wanted; count++) {
		struct msghdr *header = &messages[count].msg_hdr;
		if (emul_read(&t->emulation, trap, regs->args[1] + count * sizeof(messages[0]), &messages[count],
			      sizeof(messages[0])) < 0)
			break;
		if ((header->msg_name && header->msg_namelen > PATH_AT) || claim_credentials(t, trap, header, control))
			break;
	}
	return count;
}

/* Several at once: as many as have no names, or the first alone. Who sends them sends the rest then (sendmmsg(2),
 * "RETURN VALUE"). */
static bool translate_messages(struct translation *t, const struct trap *trap, struct trace_regs *regs)
{
	struct mmsghdr messages[MESSAGES_MAX];
	struct task *task = view_task(t, trap);
	unsigned count = gather_messages(t, trap, regs, messages);

	if ((uint32_t)regs->args[2] == 0)
		return false;
	if (count == 0) {
		regs->number = SYS_sendmsg;
		regs->args[2] = regs->args[3];
		return translate_message(t, trap, regs);
	}
	uint64_t slot = task ? slot_of(task, trap->tid) : 0;
	int rc = slot ? emul_write(&t->emulation, trap, slot, messages, count * sizeof(messages[0])) : -EACCES;
	if (rc < 0)
		leave_out(regs, rc);
	regs->args[1] = slot;
	regs->args[2] = count;
	return true;
}

/* Their lengths go where the step has them. */
static void count_messages(struct translation *t, const struct trap *trap, const struct trace_regs *regs)
{
	struct task *task = view_task(t, trap);
	uint64_t slot = task ? slot_of(task, trap->tid) : 0;
	uint32_t length;

	for (int64_t i = 0; slot && i < regs->result && i < MESSAGES_MAX; i++) {
		uint64_t at = (uint64_t)i * sizeof(struct mmsghdr) + offsetof(struct mmsghdr, msg_len);
		if (emul_read(&t->emulation, trap, slot + at, &length, sizeof(length)) == 0)
			emul_write(&t->emulation, trap, regs->args[1] + at, &length, sizeof(length));
	}
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
	struct stat st;
	mode_t umask;

	if (size > sizeof(bound) || emul_read(&t->emulation, trap, address, &bound, size) < 0 ||
	    bound.sun_family != AF_UNIX || bound.sun_path[0] == '\0')
		return;
	char path[sizeof(bound.sun_path) + 1] = "";
	memcpy(path, bound.sun_path, sizeof(bound.sun_path));
	/* What is there now may be another thing than was made, but a socket is nobody else's, and of no layer. */
	if (view_find_text(t, trap, AT_FDCWD, path, VIEW_MISSING, &spot) < 0 || spot.fd < 0 || spot.parent < 0 ||
	    fstat(spot.fd, &st) < 0 || !S_ISSOCK(st.st_mode) || make_birth(t, trap, spot.parent, &owner, &umask) < 0)
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
	t->goes_by_path = false;
	int rc = trace_hold_others(t, tid);
	bool holds = rc != 0;
	if (rc < 0)
		leave_out(regs, rc);
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

	if (t->has_aliases) {
		char name[32];
		alias_name(tid, name);
		unlinkat(t->scratch, name, 0);
	}
	if (is_open_call(asked))
		check_opened(t, tid, regs);
	if (asked == SYS_sendmmsg && regs->number == SYS_sendmsg)
		count_message(t, &trap, regs);
	else if (asked == SYS_sendmmsg)
		count_messages(t, &trap, regs);
	else if (regs->result >= 0)
		names_show(t, &trap, regs);
	if (regs->number == SYS_bind && regs->result == 0)
		dress_socket(t, &trap, regs->args[1], regs->args[2]);
}
