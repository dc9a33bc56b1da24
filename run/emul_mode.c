/*
 * chmod(2) and its kin. The mode is the kernel's, and counts as it is found on the file. Where a record has one besides
 * (owner.h, OWNER_HAS_MODE) it would win over what was changed, so both are changed here; and what an overlay copies up
 * then takes its record along (emul_move.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "run/emul_internal.h"

/* In a tree whose modes are written down. */
static int change_mode(struct emulation *e, const struct credentials *c, int fd, mode_t mode)
{
	struct stat now;
	bool is_recorded;
	int rc = emul_stat(e, fd, &now, &is_recorded);

	if (rc < 0)
		return rc;
	if (c->uid[ID_FS] != now.st_uid && !credentials_can(c, CAP_FOWNER))
		return -EPERM;
	/* chmod(2): who is not of the file's group cannot set that bit. */
	bool is_foreign = !credentials_in_group(c, now.st_gid) && !credentials_can(c, CAP_FSETID);
	if (is_foreign && !S_ISDIR(now.st_mode))
		mode &= ~(mode_t)S_ISGID;
	return emul_set_mode(e, fd, mode);
}

/* What was written down of a mode is true no more. */
static void forget_mode(struct emulation *e, int fd)
{
	struct owner_record record;

	if (!emul_record_find(e, fd, &record) || !(record.mode & OWNER_HAS_MODE))
		return;
	record.mode &= S_IFMT;
	emul_record_set(e, fd, &record);
}

/* `file` is closed; negative: the kernel is to say why. */
static void answer_chmod(struct emulation *e, const struct trap *trap, int file, mode_t mode, struct answer *answer)
{
	cleanup_close int fd = file;
	struct stat st;

	if (fd < 0 || !e->options.without_namespace) {
		emul_keep_record(e, take_fd(&fd));
		return;
	}
	const struct task *task = emul_task(e, trap);
	if (!task || fstat(fd, &st) < 0 || S_ISLNK(st.st_mode) || !supervisor_still_waits(&e->supervisor, trap))
		return;
	if (emul_keeps_modes(e, fd))
		emul_return(answer, change_mode(e, task->credentials, fd, mode));
	else
		forget_mode(e, fd);
}

void emul_chmod(void *context, const struct trap *trap, struct answer *answer)
{
	answer_chmod(context, trap, emul_open(context, trap, AT_FDCWD, trap->args[0], EMUL_FOLLOW),
		     (mode_t)trap->args[1], answer);
}

/* It has no flags. */
void emul_fchmodat(void *context, const struct trap *trap, struct answer *answer)
{
	answer_chmod(context, trap, emul_open(context, trap, (int)trap->args[0], trap->args[1], EMUL_FOLLOW),
		     (mode_t)trap->args[2], answer);
}

void emul_fchmodat2(void *context, const struct trap *trap, struct answer *answer)
{
	int flags = (int)trap->args[3];
	unsigned how = (flags & AT_SYMLINK_NOFOLLOW ? 0 : EMUL_FOLLOW) | (flags & AT_EMPTY_PATH ? EMUL_EMPTY : 0);

	if (!(flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)))
		answer_chmod(context, trap, emul_open(context, trap, (int)trap->args[0], trap->args[1], how),
			     (mode_t)trap->args[2], answer);
}

void emul_fchmod(void *context, const struct trap *trap, struct answer *answer)
{
	struct emulation *e = context;
	int fd = (int)trap->args[0];

	/* By such a descriptor nothing is changed. */
	if (fd >= 0 && !(e->options.without_namespace && emul_fd_is_path(trap, fd)))
		answer_chmod(e, trap, emul_open_fd(e, trap, fd), (mode_t)trap->args[1], answer);
}
