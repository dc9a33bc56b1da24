/*
 * The step's paths, seen from inside its root. Most calls of a step ask about a file by an absolute path, and most of
 * these have no record. From outside such a path takes three calls (openat2(2) with RESOLVE_IN_ROOT, a look, close(2)),
 * from inside of the root it is one: the kernel then follows links and ".." as it does for the step. So while calls come
 * in a row, our process has the step's root for its own, and only looks in it: whatever else is to be done is done from
 * outside (trap_entry.is_anywhere), where no file of the step's is taken for one of the machine's. In there the working
 * directory is our own /proc, which leads to what the step's processes have open.
 *
 * All that is ever learned inside is that the kernel may answer. What has a record, or may have one, is opened from
 * outside as ever. A path that leads through /proc's magic links leads elsewhere for us than for the caller; but such a
 * path is the kernel's to answer anyway (emul_path.c), unless it is one of those that are told by their beginning.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/parse.h"
#include "run/emul_internal.h"

#define DIRECTORY (O_PATH | O_DIRECTORY | O_CLOEXEC)

void emulation_row_begin(struct emulation *e)
{
	/* Where it is one root of several, or none, each call is looked at by itself. */
	if (e->options.scope == EMULATE_NODES || e->options.find_place || e->root < 0 || e->root_mount == 0 ||
	    e->stays_outside)
		return;
	if (e->proc == AT_FDCWD) {
		int proc = open("/proc", DIRECTORY);
		if (proc < 0)
			return;
		e->proc = proc;
	}
	e->supervisor.come_back = emul_come_back;
	e->own_cwd = open(".", DIRECTORY);
	e->own_root = e->own_cwd < 0 ? -1 : open("/", DIRECTORY);
}

int emulation_row_end(struct emulation *e, struct error **err)
{
	emul_come_back(e);
	fd_close(take_fd(&e->own_root));
	cleanup_close int cwd = take_fd(&e->own_cwd);
	return cwd >= 0 && fchdir(cwd) < 0 ? error_set_errno(err, "return to the working directory") : 0;
}

static bool enter(int root)
{
	return fchdir(root) == 0 && chroot(".") == 0;
}

/* False where we may not (chroot(2) wants CAP_SYS_CHROOT, and a pod's filter may refuse it), or where the step's
 * processes may have other roots. */
static bool go_inside(struct emulation *e)
{
	if (e->is_inside || e->stays_outside || e->own_root < 0 || e->roots_differ)
		return e->is_inside;
	e->is_inside = enter(e->root);
	if (e->is_inside && fchdir(e->proc) < 0)
		emul_come_back(e);
	/* Not tried at each call, nor in another row. */
	e->stays_outside = !e->is_inside;
	return e->is_inside;
}

void emul_come_back(void *context)
{
	struct emulation *e = context;

	if (!e->is_inside)
		return;
	/* Nothing may be done in there. Who could enter can leave. */
	bool is_back = enter(e->own_root);
	assert(is_back);
	e->is_inside = false;
}

bool emul_path_is_plain(struct emulation *e, const char *path, unsigned flags)
{
	/* The caller's descriptors, which have their records by any name. */
	if (path[0] != '/' || text_has_prefix(path, "/proc/") || text_has_prefix(path, "/dev/") || !go_inside(e))
		return false;
	int lacks = emul_path_lacks_record(e, path, flags & EMUL_FOLLOW);
	return lacks == 1 || lacks == -ENOENT || lacks == -ENOTDIR;
}
