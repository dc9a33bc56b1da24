/*
 * Working directory, root and umask: kept here for each fs_struct of the step (clone(2), CLONE_FS); the kernel's own
 * never change and never matter, since all that is relative to them is asked of us.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/fd.h"
#include "run/translate_internal.h"

/* setarch(8): a caller that wants to be told of a machine of 32 bits. */
static bool wants_32_bits(pid_t tid)
{
	cleanup_free char *path = mem_printf("/proc/%d/personality", tid);
	cleanup(buf_done) struct buf text = BUF_INIT(64);
	unsigned personality;

	return fd_read_file(AT_FDCWD, path, &text, NULL) >= 0 && sscanf(buf_str(&text), "%x", &personality) == 1 &&
	       (personality & PER_MASK) == PER_LINUX32;
}

/* Its host's name is the step's, the rest is the machine's. */
void tr_uname(void *context, const struct trap *trap, struct answer *answer)
{
	struct translation *t = context;
	struct utsname name;

	if (!t->spec->hostname || t->spec->share & RUN_SHARE_UTS || uname(&name) < 0)
		return;
	memset(name.nodename, 0, sizeof(name.nodename));
	strncpy(name.nodename, t->spec->hostname, sizeof(name.nodename) - 1);
	if (strcmp(name.machine, "x86_64") == 0 && wants_32_bits(trap->tid))
		strncpy(name.machine, "i686", sizeof(name.machine));
	emul_return(answer, emul_write(&t->emulation, trap, trap->args[0], &name, sizeof(name)));
}

#define UNREACHABLE "(unreachable)"

/* Takes the spot's descriptor as the directory of the caller. */
static int enter(struct translation *t, const struct trap *trap, struct spot *spot, bool as_root)
{
	struct task *task = view_task(t, trap);
	cleanup(buf_done) struct buf name = BUF_INIT((size_t)2 * PATH_MAX);
	struct stat st;

	if (!task || !task->fs)
		return -ESRCH;
	if (fstat(spot->fd, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	if (!view_name(t, spot->fd, &name))
		return -EACCES;
	if (as_root && !credentials_can(task->credentials, CAP_SYS_CHROOT))
		return -EPERM;
	int *place = as_root ? &task->fs->root : &task->fs->cwd;
	fd_close(*place);
	*place = take_fd(&spot->fd);
	return 0;
}

void tr_chdir(void *context, const struct trap *trap, struct answer *answer)
{
	cleanup(spot_done) struct spot spot = SPOT_INIT;
	int rc = view_find(context, trap, AT_FDCWD, trap->args[0], VIEW_FOLLOW, &spot);

	emul_return(answer, rc < 0 ? rc : enter(context, trap, &spot, /* as_root */ false));
}

void tr_fchdir(void *context, const struct trap *trap, struct answer *answer)
{
	cleanup(spot_done) struct spot spot = SPOT_INIT;

	spot.fd = view_open_fd(context, trap, (int)trap->args[0]);
	emul_return(answer, spot.fd < 0 ? spot.fd : enter(context, trap, &spot, /* as_root */ false));
}

void tr_chroot(void *context, const struct trap *trap, struct answer *answer)
{
	cleanup(spot_done) struct spot spot = SPOT_INIT;
	int rc = view_find(context, trap, AT_FDCWD, trap->args[0], VIEW_FOLLOW, &spot);

	emul_return(answer, rc < 0 ? rc : enter(context, trap, &spot, /* as_root */ true));
}

void tr_getcwd(void *context, const struct trap *trap, struct answer *answer)
{
	struct translation *t = context;
	const struct task *task = view_task(t, trap);
	cleanup(buf_done) struct buf name = BUF_INIT((size_t)2 * PATH_MAX);
	cleanup(buf_done) struct buf root = BUF_INIT((size_t)2 * PATH_MAX);
	struct stat st;

	/* A directory that was removed has no name. */
	if (!task || !task->fs || fstat(task->fs->cwd, &st) < 0 || st.st_nlink == 0 ||
	    !view_name(t, task->fs->cwd, &name)) {
		emul_return(answer, -ENOENT);
		return;
	}
	cleanup(buf_done) struct buf shown = BUF_INIT((size_t)2 * PATH_MAX + sizeof(UNREACHABLE));
	const char *text = buf_str(&name);
	if (task->fs->root >= 0 && view_name(t, task->fs->root, &root)) {
		if (strncmp(text, buf_str(&root), root.len) == 0 && (text[root.len] == '/' || text[root.len] == '\0')) {
			text += root.len;
		} else {
			/* getcwd(3): it is outside of the caller's root. */
			buf_printf(&shown, UNREACHABLE "%s", text);
			text = buf_str(&shown);
		}
	}
	if (*text == '\0')
		text = "/";
	size_t size = strlen(text) + 1;
	int rc = size > trap->args[1] ? -ERANGE : emul_write(&t->emulation, trap, trap->args[0], text, size);
	emul_return(answer, rc < 0 ? rc : (int64_t)size);
}

void tr_umask(void *context, const struct trap *trap, struct answer *answer)
{
	struct task *task = view_task(context, trap);

	if (!task || !task->fs) {
		emul_return(answer, 022);
		return;
	}
	mode_t before = task->fs->umask;
	task->fs->umask = (mode_t)trap->args[0] & 0777;
	emul_return(answer, before);
}
