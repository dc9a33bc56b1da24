/*
 * Addresses of sockets, and messages to them (bind, connect, send): where one is a path of the step's the kernel gets
 * another, in the loader's area of the caller (translate_pass.c). sun_path has 108 bytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "run/loader/protocol.h"
#include "run/translate_pass_internal.h"

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

void address_forget_alias(struct translation *t, pid_t tid)
{
	char name[32];

	if (!t->has_aliases)
		return;
	alias_name(tid, name);
	unlinkat(t->scratch, name, 0);
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
		*slot = pass_slot_of(task, trap->tid);
	if (rc >= 0 && !*slot)
		return -EACCES;
	int written = rc < 0 ? rc : emul_write(&t->emulation, trap, *slot, &address, (size_t)rc);
	return written < 0 ? written : rc;
}

bool address_pass(struct translation *t, const struct trap *trap, struct trace_regs *regs, size_t at, bool makes)
{
	uint32_t size = (uint32_t)regs->args[at + 1];
	uint64_t slot = 0;

	if (regs->args[at] == 0 || size <= PATH_AT || size > sizeof(union address))
		return false;
	int rc = move_address(t, trap, regs->args[at], size, &slot, makes);
	if (rc < 0) {
		pass_leave_out(regs, rc);
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

bool address_pass_message(struct translation *t, const struct trap *trap, struct trace_regs *regs)
{
	struct task *task = view_task(t, trap);
	struct msghdr header;

	if (emul_read(&t->emulation, trap, regs->args[1], &header, sizeof(header)) < 0) {
		pass_leave_out(regs, -EFAULT);
		return true;
	}
	uint64_t slot = task ? pass_slot_of(task, trap->tid) : 0;
	int rc = move_message(t, trap, &header, slot);
	if (rc < 0)
		pass_leave_out(regs, rc);
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

bool address_pass_messages(struct translation *t, const struct trap *trap, struct trace_regs *regs)
{
	struct mmsghdr messages[MESSAGES_MAX];
	struct task *task = view_task(t, trap);
	unsigned count = gather_messages(t, trap, regs, messages);

	if ((uint32_t)regs->args[2] == 0)
		return false;
	if (count == 0) {
		regs->number = SYS_sendmsg;
		regs->args[2] = regs->args[3];
		return address_pass_message(t, trap, regs);
	}
	uint64_t slot = task ? pass_slot_of(task, trap->tid) : 0;
	int rc = slot ? emul_write(&t->emulation, trap, slot, messages, count * sizeof(messages[0])) : -EACCES;
	if (rc < 0)
		pass_leave_out(regs, rc);
	regs->args[1] = slot;
	regs->args[2] = count;
	return true;
}

void address_count_all(struct translation *t, const struct trap *trap, const struct trace_regs *regs)
{
	struct task *task = view_task(t, trap);
	uint64_t slot = task ? pass_slot_of(task, trap->tid) : 0;
	uint32_t length;

	for (int64_t i = 0; slot && i < regs->result && i < MESSAGES_MAX; i++) {
		uint64_t at = (uint64_t)i * sizeof(struct mmsghdr) + offsetof(struct mmsghdr, msg_len);
		if (emul_read(&t->emulation, trap, slot + at, &length, sizeof(length)) == 0)
			emul_write(&t->emulation, trap, regs->args[1] + at, &length, sizeof(length));
	}
}

void address_count_one(struct translation *t, const struct trap *trap, struct trace_regs *regs)
{
	uint32_t length = (uint32_t)regs->result;

	if (regs->result >= 0 && emul_write(&t->emulation, trap, regs->args[1] + offsetof(struct mmsghdr, msg_len),
					    &length, sizeof(length)) == 0)
		regs->result = 1;
}

void address_dress_socket(struct translation *t, const struct trap *trap, uint64_t address, uint64_t size)
{
	struct sockaddr_un bound = {0};
	cleanup(spot_done) struct spot spot = SPOT_INIT;
	struct birth birth;
	struct stat st;

	if (size > sizeof(bound) || emul_read(&t->emulation, trap, address, &bound, size) < 0 ||
	    bound.sun_family != AF_UNIX || bound.sun_path[0] == '\0')
		return;
	char path[sizeof(bound.sun_path) + 1] = "";
	memcpy(path, bound.sun_path, sizeof(bound.sun_path));
	/* What is there now may be another thing than was made, but a socket is nobody else's, and of no layer. */
	if (view_find_text(t, trap, AT_FDCWD, path, VIEW_MISSING, &spot) < 0 || spot.fd < 0 || spot.parent < 0 ||
	    fstat(spot.fd, &st) < 0 || !S_ISSOCK(st.st_mode) ||
	    make_birth(t, trap, spot.mount, spot.parent, &birth) < 0)
		return;
	if (make_dressed(t, spot.fd, birth_mode(&birth, 0777), &birth.owner) < 0)
		return;
	char real[sizeof(bound.sun_path)];
	if (pass_kernel_name(t, &spot, real, sizeof(real)) > 0)
		names_note(t, real, path);
}
