/*
 * The first process of a step in a translated root: what it does between the fork and its init, in the order of the
 * walk of child.c. It has no namespace to build and no file system to mount: it makes places, finds its user, and gives
 * up the right to open anything.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/parse.h"
#include "run/channel.h"
#include "run/child_internal.h"
#include "run/landlock.h"
#include "run/loader/protocol.h"
#include "run/translate_internal.h"

int translated_root(struct child *child, struct error **err)
{
	child->root = fcntl(translation_root(child->plan->translation), F_DUPFD_CLOEXEC, 0);
	child->record = child->root;
	return child->root < 0 ? error_set_errno(err, "open the root") : 0;
}

/* What is shown over the root has a name in it; where it had none it has one for the length of the run. The longest
 * come first in the list of mounts, so it is gone through from its end. */
int translated_places(struct child *child, struct error **err)
{
	const struct translation *t = child->plan->translation;

	for (size_t i = t->mount_count; i-- > 1;) {
		const struct view_mount *mount = &t->mounts[i];
		/* What is mounted in a mount has its name there. */
		if (text_has_prefix(mount->target, "/dev/") || text_has_prefix(mount->target, "/proc/"))
			continue;
		cleanup_close int place = stub_place(&child->stubs, child->root, child->record, mount->target,
						     mount->is_file ? S_IFREG : S_IFDIR, err);
		if (place < 0)
			return error_prefix(err, "'%s'", mount->target);
	}
	return 0;
}

/* The kernel's working directory of all that the step starts: sockets in the root have short names then. */
int translated_directory(struct child *child, struct error **err)
{
	return fchdir(child->root) < 0 ? error_set_errno(err, "enter the root") : 0;
}

int translated_terminal(struct child *child, struct error **err)
{
	int unlock = 0;

	if (!child->plan->has_terminal)
		return 0;
	cleanup_close int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (master < 0 || ioctl(master, TIOCSPTLCK, &unlock) < 0)
		return error_set_errno(err, "make a terminal");
	child->terminal = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (child->terminal < 0)
		return error_set_errno(err, "open the terminal");
	int rc = channel_send(child->plan->channel, CHANNEL_TERMINAL, 0, NULL, 0, master);
	return rc < 0 ? error_set(err, -rc, "hand the terminal over") : 0;
}

/* Both want no_new_privs. After this nothing can be opened by a name. */
int translated_confine(struct child *child, struct error **err)
{
	const struct run_spec *spec = child->spec;
	const struct translation *t = child->plan->translation;
	cleanup_free int *trees = mem_grow(NULL, t->mount_count, sizeof(*trees));
	size_t count = 0;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_set_errno(err, "set no_new_privs");
	for (size_t i = 0; i < t->mount_count; i++)
		if (t->mounts[i].kind == VIEW_TREE && !t->mounts[i].is_file && !t->mounts[i].read_only)
			trees[count++] = t->mounts[i].fd;
	int rc = landlock_confine(trees, count, err);
	if (rc == 0 && spec->seccomp)
		rc = confine_load_filter(spec, err);
	return rc;
}

/* The descriptor that every program of the step is started from. */
int translated_finish(struct child *child, struct error **err)
{
	int loader = translation_loader(child->plan->translation);
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur <= LOADER_DESCRIPTOR &&
	    files.rlim_max > LOADER_DESCRIPTOR) {
		files.rlim_cur = LOADER_DESCRIPTOR + 1;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	if (dup2(loader, LOADER_DESCRIPTOR) < 0)
		return error_set_errno(err, "keep descriptor %d for the loader (see 'ulimit -n')", LOADER_DESCRIPTOR);
	return 0;
}
