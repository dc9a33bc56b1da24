/*
 * What the kernel tells a step of sockets, in its own words: their names, which are the host's (run/translate_pass.c
 * has bound them), and who is at the other end, by the one id that there is. It is changed in the caller's memory,
 * behind the call, to what the step knows.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "run/translate_internal.h"

#define CONTROL_MAX ((size_t)4096)
#define PATH_AT offsetof(struct sockaddr_un, sun_path)

/* ---- Names ---- */

/* Sockets come and go; the names of the last ones are enough. */
#define NAMES_MAX 256

struct socket_name {
	char *real, *shown;
};

static void name_done(struct socket_name *name)
{
	free(name->real);
	free(name->shown);
}

void names_free(struct translation *t)
{
	for (size_t i = 0; i < t->socket_name_count; i++)
		name_done(&t->socket_names[i]);
	free(t->socket_names);
	t->socket_names = NULL;
	t->socket_name_count = 0;
}

void names_note(struct translation *t, const char *real, const char *shown)
{
	/* The same name again is another socket: the last one counts, and is found first. */
	if (t->socket_name_count == NAMES_MAX) {
		name_done(&t->socket_names[0]);
		memmove(t->socket_names, t->socket_names + 1, --t->socket_name_count * sizeof(*t->socket_names));
	}
	t->socket_names = mem_grow(t->socket_names, t->socket_name_count + 1, sizeof(*t->socket_names));
	t->socket_names[t->socket_name_count++] =
		(struct socket_name){.real = mem_strdup(real), .shown = mem_strdup(shown)};
}

/* As it was bound, or, who has not seen that, from the step's root. */
static void find_shown(const struct translation *t, const char *real, struct buf *shown)
{
	for (size_t i = t->socket_name_count; i-- > 0;) {
		if (strcmp(t->socket_names[i].real, real) == 0) {
			buf_append_str(shown, t->socket_names[i].shown);
			return;
		}
	}
	if (real[0] != '/')
		buf_printf(shown, "/%s", real);
	else if (!view_name_of_real(t, real, shown))
		buf_append_str(shown, real);
}

/* The address at `at`, where there was room for so many bytes, and its length. */
static void show_address(struct translation *t, const struct trap *trap, uint64_t at, uint64_t room, uint64_t length_at)
{
	cleanup(buf_done) struct buf shown = BUF_INIT((size_t)4 * PATH_MAX);
	struct sockaddr_un address = {0};
	char real[sizeof(address.sun_path) + 1] = "";
	uint32_t length;

	if (!at || emul_read(&t->emulation, trap, length_at, &length, sizeof(length)) < 0)
		return;
	size_t there = length < room ? length : (size_t)room;
	if (there > sizeof(address))
		there = sizeof(address);
	if (there <= PATH_AT || emul_read(&t->emulation, trap, at, &address, there) < 0 ||
	    address.sun_family != AF_UNIX || address.sun_path[0] == '\0')
		return;
	memcpy(real, address.sun_path, there - PATH_AT);
	find_shown(t, real, &shown);
	/* One that is too long for an address nobody has bound by this name. */
	size_t size = shown.len < sizeof(address.sun_path) ? shown.len : sizeof(address.sun_path) - 1;
	memset(address.sun_path, 0, sizeof(address.sun_path));
	memcpy(address.sun_path, buf_str(&shown), size);
	length = (uint32_t)(PATH_AT + size + 1);
	if (emul_write(&t->emulation, trap, at, &address, length < room ? length : (size_t)room) == 0)
		emul_write(&t->emulation, trap, length_at, &length, sizeof(length));
}

/* ---- Credentials ---- */

static bool is_in(uint32_t id, const uint32_t ids[ID_SLOTS])
{
	return id == ids[ID_REAL] || id == ids[ID_EFFECTIVE] || id == ids[ID_SAVED];
}

/* All of a message's control data of this kind. */
static struct ucred *next_credentials(char *control, size_t size, size_t *at)
{
	while (*at + CMSG_LEN(0) <= size) {
		struct cmsghdr header;
		memcpy(&header, control + *at, sizeof(header));
		if (header.cmsg_len < CMSG_LEN(0) || header.cmsg_len > size - *at)
			return NULL;
		struct ucred *found = (struct ucred *)(void *)(control + *at + CMSG_LEN(0));
		*at += CMSG_ALIGN(header.cmsg_len);
		if (header.cmsg_level == SOL_SOCKET && header.cmsg_type == SCM_CREDENTIALS &&
		    header.cmsg_len >= CMSG_LEN(sizeof(*found)))
			return found;
	}
	return NULL;
}

/* What it may not claim stays as it is, and the kernel refuses it (unix(7), "SCM_CREDENTIALS"). */
bool names_claim(const struct task *task, char *control, size_t size)
{
	const struct credentials *c = task->credentials;
	struct ucred *who;
	bool found = false;

	for (size_t at = 0; (who = next_credentials(control, size, &at)) != NULL;) {
		found = true;
		if (!is_in(who->uid, c->uid) || !is_in(who->gid, c->gid))
			continue;
		who->uid = getuid();
		who->gid = getgid();
	}
	return found;
}

/* Who is one of the step's is who it believes to be, in this slot. */
static bool believe(const struct translation *t, struct ucred *who, enum id_slot slot)
{
	const struct task *task = tasks_known(t->emulation.tasks, who->pid);

	if (who->uid != getuid())
		return false;
	who->uid = task ? task->credentials->uid[slot] : 0;
	who->gid = task ? task->credentials->gid[slot] : 0;
	return true;
}

/* SO_PEERCRED of socket(7). */
static void show_peer(struct translation *t, const struct trap *trap, const uint64_t *args)
{
	struct ucred who;
	uint32_t length;

	if ((int)args[1] != SOL_SOCKET || emul_read(&t->emulation, trap, args[4], &length, sizeof(length)) < 0 ||
	    length != sizeof(who) || emul_read(&t->emulation, trap, args[3], &who, sizeof(who)) < 0)
		return;
	if (believe(t, &who, ID_EFFECTIVE))
		emul_write(&t->emulation, trap, args[3], &who, sizeof(who));
}

/* ---- Messages ---- */

static void show_control(struct translation *t, const struct trap *trap, uint64_t address, size_t size)
{
	_Alignas(struct cmsghdr) char control[CONTROL_MAX];
	struct ucred *who;
	bool changed = false;

	if (!address || size < CMSG_LEN(0) || size > sizeof(control) ||
	    emul_read(&t->emulation, trap, address, control, size) < 0)
		return;
	for (size_t at = 0; (who = next_credentials(control, size, &at)) != NULL;)
		changed |= believe(t, who, ID_REAL);
	if (changed)
		emul_write(&t->emulation, trap, address, control, size);
}

static void show_message(struct translation *t, const struct trap *trap, uint64_t at, uint64_t room)
{
	struct msghdr header;

	if (emul_read(&t->emulation, trap, at, &header, sizeof(header)) < 0)
		return;
	show_address(t, trap, (uint64_t)(uintptr_t)header.msg_name, room, at + offsetof(struct msghdr, msg_namelen));
	show_control(t, trap, (uint64_t)(uintptr_t)header.msg_control, header.msg_controllen);
}

/* ---- The calls ---- */

/* Where the length of an address stands, which says before the call how much room there is. */
static uint64_t place_of_length(const struct trace_regs *regs)
{
	switch (regs->number) {
	case SYS_accept:
	case SYS_accept4:
	case SYS_getsockname:
	case SYS_getpeername:
		return regs->args[2];
	case SYS_recvfrom:
		return regs->args[5];
	case SYS_recvmsg:
	case SYS_recvmmsg: /* its first; who asks for several has the same room in all */
		return regs->args[1] + offsetof(struct msghdr, msg_namelen);
	default:
		return 0;
	}
}

bool names_are_asked(struct translation *t, const struct trap *trap, struct trace_regs *regs)
{
	uint32_t room = 0;
	uint64_t at = place_of_length(regs);

	if (regs->number == SYS_getsockopt)
		return true;
	if (at == 0)
		return false;
	if (emul_read(&t->emulation, trap, at, &room, sizeof(room)) < 0)
		room = 0;
	regs->note = room;
	return true;
}

void names_show(struct translation *t, const struct trap *trap, const struct trace_regs *regs)
{
	const uint64_t *args = regs->args;

	switch (trap->number) {
	case SYS_accept:
	case SYS_accept4:
	case SYS_getsockname:
	case SYS_getpeername:
		show_address(t, trap, args[1], regs->note, args[2]);
		break;
	case SYS_recvfrom:
		show_address(t, trap, args[4], regs->note, args[5]);
		break;
	case SYS_recvmsg:
		show_message(t, trap, args[1], regs->note);
		break;
	case SYS_recvmmsg:
		for (int64_t i = 0; i < regs->result; i++)
			show_message(t, trap, args[1] + (uint64_t)i * sizeof(struct mmsghdr), regs->note);
		break;
	case SYS_getsockopt:
		show_peer(t, trap, args);
		break;
	default:
		break;
	}
}
