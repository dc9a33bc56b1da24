/*
 * Records are attributes, and no business of the step: their names are not there to be read, written or listed.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/limits.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/parse.h"
#include "run/emul_internal.h"

#define OWN_PREFIX "user.cooper."
#define NAME_SIZE 256

enum name_kind { NAME_PLAIN, NAME_OURS, NAME_CAPABILITY };

static enum name_kind read_kind(struct emulation *e, const struct trap *trap, char name[NAME_SIZE])
{
	if (emul_read_text(e, trap, trap->args[1], name, NAME_SIZE) <= 0) {
		*name = '\0';
		return NAME_PLAIN;
	}
	if (text_has_prefix(name, OWN_PREFIX))
		return NAME_OURS;
	return strcmp(name, "security.capability") == 0 ? NAME_CAPABILITY : NAME_PLAIN;
}

/* Which file a call names: by args[0], a path or a descriptor. */
enum way { BY_PATH, BY_LINK, BY_DESCRIPTOR };

static int open_named(struct emulation *e, const struct trap *trap, enum way way)
{
	int fd = (int)trap->args[0];

	if (way == BY_DESCRIPTOR)
		return fd < 0 ? -EBADF : emul_open_fd(e, trap, fd);
	return emul_open(e, trap, AT_FDCWD, trap->args[0], way == BY_PATH ? EMUL_FOLLOW : 0);
}

/* Where no user namespace has made us root: false when it is the kernel's to answer. */
static bool answer_kept(struct emulation *e, const struct trap *trap, enum way way, const char *name,
			enum emul_kept_call call, struct answer *answer)
{
	if (!e->options.without_namespace || *name == '\0' ||
	    (way == BY_DESCRIPTOR && emul_fd_is_path(trap, (int)trap->args[0])))
		return false;
	cleanup_close int fd = open_named(e, trap, way);
	return fd >= 0 && emul_keeps_modes(e, fd) && supervisor_still_waits(&e->supervisor, trap) &&
	       emul_answer_kept(e, trap, fd, name, call, answer);
}

/* For the kernel the caller is root still. */
static bool may_set_capabilities(struct emulation *e, const struct trap *trap)
{
	const struct task *task = emul_task(e, trap);

	return !task || credentials_can(task->credentials, CAP_SETFCAP);
}

/* Reading or removing what is not there. For a file that is not there either this is not the kernel's answer, but
 * nobody asks for such a name. */
static void get(struct emulation *e, const struct trap *trap, enum way way, struct answer *answer)
{
	char name[NAME_SIZE] = "";

	if (read_kind(e, trap, name) == NAME_OURS)
		emul_return(answer, -ENODATA);
	else
		answer_kept(e, trap, way, name, KEPT_GET, answer);
}

void emul_getxattr(void *context, const struct trap *trap, struct answer *answer)
{
	get(context, trap, BY_PATH, answer);
}

void emul_lgetxattr(void *context, const struct trap *trap, struct answer *answer)
{
	get(context, trap, BY_LINK, answer);
}

void emul_fgetxattr(void *context, const struct trap *trap, struct answer *answer)
{
	get(context, trap, BY_DESCRIPTOR, answer);
}

static void change(struct emulation *e, const struct trap *trap, enum way way, enum emul_kept_call call,
		   struct answer *answer)
{
	char name[NAME_SIZE] = "";
	enum name_kind kind = read_kind(e, trap, name);

	if (kind == NAME_OURS)
		emul_return(answer, call == KEPT_SET ? -EPERM : -ENODATA);
	else if (kind == NAME_CAPABILITY && !may_set_capabilities(e, trap))
		emul_return(answer, -EPERM);
	else if (!answer_kept(e, trap, way, name, call, answer) && e->options.scope == EMULATE_IDS_AND_MOVES)
		emul_keep_record(e, open_named(e, trap, way));
}

void emul_setxattr(void *context, const struct trap *trap, struct answer *answer)
{
	change(context, trap, BY_PATH, KEPT_SET, answer);
}

void emul_lsetxattr(void *context, const struct trap *trap, struct answer *answer)
{
	change(context, trap, BY_LINK, KEPT_SET, answer);
}

void emul_fsetxattr(void *context, const struct trap *trap, struct answer *answer)
{
	change(context, trap, BY_DESCRIPTOR, KEPT_SET, answer);
}

void emul_removexattr(void *context, const struct trap *trap, struct answer *answer)
{
	change(context, trap, BY_PATH, KEPT_REMOVE, answer);
}

void emul_lremovexattr(void *context, const struct trap *trap, struct answer *answer)
{
	change(context, trap, BY_LINK, KEPT_REMOVE, answer);
}

void emul_fremovexattr(void *context, const struct trap *trap, struct answer *answer)
{
	change(context, trap, BY_DESCRIPTOR, KEPT_REMOVE, answer);
}

/* ---- lists ---- */

static int64_t write_list(struct emulation *e, const struct trap *trap, const struct buf *names)
{
	if (trap->args[2] == 0)
		return (int64_t)names->len;
	if (trap->args[2] < names->len)
		return -ERANGE;
	int rc = emul_write(e, trap, trap->args[1], names->data, names->len);
	return rc < 0 ? rc : (int64_t)names->len;
}

/* All names but ours. */
static void drop_own(const char *list, size_t size, struct buf *names)
{
	for (const char *name = list; name < list + size; name += strlen(name) + 1)
		if (!text_has_prefix(name, OWN_PREFIX))
			buf_append(names, name, strlen(name) + 1);
}

/* `file` is closed. */
static void answer_list(struct emulation *e, const struct trap *trap, int file, struct answer *answer)
{
	cleanup_close int fd = file;
	char proc[FD_PROC_PATH_SIZE];

	if (fd < 0)
		return;
	ssize_t size = listxattr(fd_proc_path(fd, proc), NULL, 0);
	if (size <= 0)
		return;
	cleanup_free char *list = mem_alloc((size_t)size + 1);
	size = listxattr(proc, list, (size_t)size);
	if (size <= 0)
		return;
	cleanup(buf_done) struct buf names = BUF_INIT(2 * (size_t)XATTR_LIST_MAX);
	if (emul_keeps_modes(e, fd))
		emul_translate_list(list, (size_t)size, &names);
	else
		drop_own(list, (size_t)size, &names);
	if (names.len != (size_t)size || memcmp(names.data, list, names.len) != 0)
		emul_return(answer, write_list(e, trap, &names));
}

void emul_listxattr(void *context, const struct trap *trap, struct answer *answer)
{
	answer_list(context, trap, emul_open(context, trap, AT_FDCWD, trap->args[0], EMUL_FOLLOW), answer);
}

void emul_llistxattr(void *context, const struct trap *trap, struct answer *answer)
{
	answer_list(context, trap, emul_open(context, trap, AT_FDCWD, trap->args[0], 0), answer);
}

void emul_flistxattr(void *context, const struct trap *trap, struct answer *answer)
{
	int fd = (int)trap->args[0];

	answer_list(context, trap, fd < 0 ? -EBADF : emul_open_fd(context, trap, fd), answer);
}
