/*
 * Records are attributes, and no business of the step: their names are not there to be read, written or listed.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/parse.h"
#include "run/emul_internal.h"

#define OWN_PREFIX "user.cooper."
#define NAME_SIZE 256

enum name_kind { NAME_PLAIN, NAME_OURS, NAME_CAPABILITY };

static enum name_kind kind_of(struct emulation *e, const struct trap *trap, uint64_t address)
{
	char name[NAME_SIZE];

	if (emul_read_text(e, trap, address, name, sizeof(name)) <= 0)
		return NAME_PLAIN;
	if (text_has_prefix(name, OWN_PREFIX))
		return NAME_OURS;
	return strcmp(name, "security.capability") == 0 ? NAME_CAPABILITY : NAME_PLAIN;
}

/* For the kernel the caller is root still. */
static bool may_set_capabilities(struct emulation *e, const struct trap *trap)
{
	const struct task *task = emul_task(e, trap);

	return !task || credentials_can(task->credentials, CAP_SETFCAP);
}

/* Reading or removing what is not there. For a file that is not there either this is not the kernel's answer, but
 * nobody asks for such a name. */
void emul_getxattr(void *context, const struct trap *trap, struct answer *answer)
{
	if (kind_of(context, trap, trap->args[1]) == NAME_OURS)
		emul_return(answer, -ENODATA);
}

static void change(struct emulation *e, const struct trap *trap, int refusal, struct answer *answer)
{
	enum name_kind kind = kind_of(e, trap, trap->args[1]);

	if (kind == NAME_OURS)
		emul_return(answer, refusal);
	else if (kind == NAME_CAPABILITY && !may_set_capabilities(e, trap))
		emul_return(answer, -EPERM);
}

void emul_setxattr(void *context, const struct trap *trap, struct answer *answer)
{
	change(context, trap, -EPERM, answer);
}

void emul_removexattr(void *context, const struct trap *trap, struct answer *answer)
{
	change(context, trap, -ENODATA, answer);
}

/* ---- lists ---- */

/* Takes our names out of the list, in place; the new size. */
static size_t drop_own(char *list, size_t size)
{
	size_t kept = 0;

	for (size_t at = 0, length; at < size; at += length) {
		length = strlen(list + at) + 1;
		if (text_has_prefix(list + at, OWN_PREFIX))
			continue;
		memmove(list + kept, list + at, length);
		kept += length;
	}
	return kept;
}

static int64_t write_list(struct emulation *e, const struct trap *trap, const char *list, size_t size)
{
	if (trap->args[2] == 0)
		return (int64_t)size;
	if (trap->args[2] < size)
		return -ERANGE;
	int rc = emul_write(e, trap, trap->args[1], list, size);
	return rc < 0 ? rc : (int64_t)size;
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
	size_t kept = drop_own(list, (size_t)size);
	if (kept < (size_t)size)
		emul_return(answer, write_list(e, trap, list, kept));
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
