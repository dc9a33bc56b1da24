/*
 * chown(2) and its kin. The kernel is asked for what a change of owner does besides: it clears set-id bits and file
 * capabilities, sets the time of change, copies a file of a lower layer up, and refuses on a read-only mount. For that
 * the file is given the one owner that exists. Who it belongs to is written down.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "run/emul_internal.h"

/* Linux' chown_ok() and chgrp_ok(). */
static bool is_allowed(const struct credentials *c, const struct stat *now, uint32_t uid, uint32_t gid)
{
	bool is_owner = c->uid[ID_FS] == now->st_uid;

	if (credentials_can(c, CAP_CHOWN))
		return true;
	if (uid != ID_KEEP && !(is_owner && uid == now->st_uid))
		return false;
	return gid == ID_KEEP || (is_owner && (gid == now->st_gid || credentials_in_group(c, gid)));
}

/* Root without a namespace gives what lies in no tree of ours away in truth. False: it is to be written down. */
static bool give_away(struct emulation *e, int fd, const struct owner_record *to)
{
	if (!e->options.without_namespace || to->mode != 0 || !owner_is_root() || emul_keeps_modes(e, fd) ||
	    fchownat(fd, "", to->uid, to->gid, AT_EMPTY_PATH) < 0)
		return false;
	owner_clear(fd, NULL);
	return true;
}

static int change_owner(struct emulation *e, const struct credentials *c, int fd, uint32_t uid, uint32_t gid)
{
	struct stat now;
	struct owner_record record = {0};

	if (fstat(fd, &now) < 0)
		return -errno;
	emul_see(e, &now);
	bool had_record = emul_record_find(e, fd, &record);
	if (had_record) {
		owner_apply(&record, &now);
	} else {
		record.uid = now.st_uid;
		record.gid = now.st_gid;
	}
	if (!is_allowed(c, &now, uid, gid))
		return -EPERM;
	record.uid = uid == ID_KEEP ? record.uid : uid;
	record.gid = gid == ID_KEEP ? record.gid : gid;
	if (give_away(e, fd, &record))
		return 0;
	/* To ourselves; what belongs to somebody else on the host stays his. */
	if (fchownat(fd, "", uid == ID_KEEP ? ID_KEEP : geteuid(), gid == ID_KEEP ? ID_KEEP : getegid(),
		     AT_EMPTY_PATH) < 0)
		return -errno;
	emul_drop_capability(e, fd);
	/* What is root's anyway needs none: the usual case of who unpacks as root. */
	if (!had_record && record.uid == 0 && record.gid == 0)
		return 0;
	return emul_record_set(e, fd, &record);
}

static void answer_chown(struct emulation *e, const struct trap *trap, int fd, uint64_t uid, uint64_t gid,
			 struct answer *answer)
{
	cleanup_close int target = fd;
	const struct task *task = target < 0 ? NULL : emul_task(e, trap);

	/* It may have been opened by the number of who is gone, and be another's. */
	if (task && supervisor_still_waits(&e->supervisor, trap))
		emul_return(answer, change_owner(e, task->credentials, target, (uint32_t)uid, (uint32_t)gid));
}

void emul_chown(void *context, const struct trap *trap, struct answer *answer)
{
	answer_chown(context, trap, emul_open(context, trap, AT_FDCWD, trap->args[0], EMUL_FOLLOW), trap->args[1],
		     trap->args[2], answer);
}

void emul_lchown(void *context, const struct trap *trap, struct answer *answer)
{
	answer_chown(context, trap, emul_open(context, trap, AT_FDCWD, trap->args[0], 0), trap->args[1], trap->args[2],
		     answer);
}

static bool is_root_or_kept(uint64_t id)
{
	return (uint32_t)id == 0 || (uint32_t)id == ID_KEEP;
}

/* What has no record, and is given to root by who may: the kernel does all of it, as what has none is root's. It is
 * what every program that unpacks does to each file. Whoever puts another file in this descriptor's place meanwhile has
 * that one's record kept. */
static bool stays_roots(struct emulation *e, const struct trap *trap)
{
	if (!is_root_or_kept(trap->args[1]) || !is_root_or_kept(trap->args[2]) ||
	    !emul_fd_is_plain(e, trap, (int)trap->args[0]))
		return false;
	const struct task *task = emul_task(e, trap);
	return task && credentials_can(task->credentials, CAP_CHOWN);
}

void emul_fchown(void *context, const struct trap *trap, struct answer *answer)
{
	int fd = (int)trap->args[0];

	if (stays_roots(context, trap))
		return;
	/* By such a descriptor only fchownat(2) changes anything. */
	bool is_refused = fd < 0 || emul_fd_is_path(trap, fd);

	answer_chown(context, trap, is_refused ? -EBADF : emul_open_fd(context, trap, fd), trap->args[1], trap->args[2],
		     answer);
}

void emul_fchownat(void *context, const struct trap *trap, struct answer *answer)
{
	int flags = (int)trap->args[4];

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return;
	unsigned how = (flags & AT_SYMLINK_NOFOLLOW ? 0 : EMUL_FOLLOW) | (flags & AT_EMPTY_PATH ? EMUL_EMPTY : 0);
	answer_chown(context, trap, emul_open(context, trap, (int)trap->args[0], trap->args[1], how), trap->args[2],
		     trap->args[3], answer);
}
