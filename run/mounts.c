/*
 * The root of a step and what is always mounted in it. In: layers or a directory. Out: a mount tree that pivot_root(2)
 * can take, of which nothing outside is reached by a path of the image.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/rootpath.h"
#include "run/child_internal.h"
#include "run/mountfd.h"
#include "run/network.h"

/* A file system that nobody else sees, to hold the place of the root, the texts for /etc, an empty directory that
 * covers what is masked, and what becomes /dev (a file system of its own for each would cost more to make and to end
 * than all that is in them). It lies over "/", where no path can see it, and goes with the tree that we come from. */
static int make_staging(struct child *child, struct error **err)
{
	/* As large as shared memory usually is, which is in it. */
	static const struct mount_option options[] = {{"mode", "0755"}, {"size", "64m"}};
	cleanup_close int staging = mountfd_new("tmpfs", options, ARRAY_COUNT(options), MOUNTFD_SAFE, err);
	/* An OCI runtime has to find it by a path. */
	const char *over = child->plan->runtime ? child->spec->runtime_dir : "/";
	cleanup_close int anchor = open(over, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int rc = staging < 0 ? staging : mountfd_attach(staging, anchor, err);

	if (rc < 0)
		return error_prefix(err, "a place to build the root");
	if (mkdirat(staging, "root", 0755) < 0 || mkdirat(staging, "empty", 0555) < 0 ||
	    mkdirat(staging, "dev", 0755) < 0)
		return error_set_errno(err, "make a directory in memory");
	child->empty = openat(staging, "empty", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (child->empty < 0)
		return error_set_errno(err, "open a directory in memory");
	child->staging = take_fd(&staging);
	return 0;
}

int mounts_make_root(struct child *child, struct error **err)
{
	int rc = make_staging(child, err);

	if (rc < 0)
		return rc;
	cleanup_close int place = openat(child->staging, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (place < 0)
		return error_set_errno(err, "open the place of the root");
	rc = mountfd_attach(child->plan->sources->root, place, err);
	if (rc < 0)
		return error_prefix(err, "the root");
	/* Opened anew: this look-up crosses onto the mount, `place` is what lies under it. */
	child->root = openat(child->staging, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (child->root < 0)
		return error_set_errno(err, "open the root");
	/* Nowhere to be seen from outside: then nothing made in it outlives the step. */
	child->record = child->plan->sources->record >= 0 ? child->plan->sources->record : child->root;
	return 0;
}

int mounts_place(struct child *child, const char *path, mode_t type, struct error **err)
{
	return stub_place(&child->stubs, child->root, child->record, path, type, err);
}

int mounts_clone_device(const char *source, dev_t expected, bool read_only, struct error **err)
{
	cleanup_close int tree = mountfd_clone(AT_FDCWD, source, MOUNTFD_ONE, err);
	struct stat st;

	if (tree < 0)
		return tree;
	/* What was bound is looked at, not the path: it cannot be exchanged in between (CVE-2025-31133). */
	if (fstat(tree, &st) < 0)
		return error_set_errno(err, "stat '%s'", source);
	if (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode))
		return error_set(err, ENODEV, "'%s' is not a device", source);
	if (expected && (!S_ISCHR(st.st_mode) || st.st_rdev != expected))
		return error_set(err, ENODEV, "'%s' is not the device of that name", source);
	int rc = mountfd_restrict(tree, MOUNTFD_ONE,
				  MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC | (read_only ? MOUNT_ATTR_RDONLY : 0),
				  MS_PRIVATE, err);
	return rc < 0 ? rc : take_fd(&tree);
}

/* The host's /dev/null, which also covers files that are masked. */
static int open_null(struct child *child, struct error **err)
{
	struct stat st;

	child->null = open("/dev/null", O_PATH | O_CLOEXEC | O_NOFOLLOW);
	if (child->null < 0 || fstat(child->null, &st) < 0)
		return error_set_errno(err, "open '/dev/null'");
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
		return error_set(err, ENODEV, "'/dev/null' is not the null device");
	return 0;
}

/* Shows a text of the step's own as a file of the image. */
static int mount_text(struct child *child, const char *path, const char *name, const char *text, struct error **err)
{
	if (!text)
		return 0;
	cleanup_close int file = openat(child->staging, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (file < 0)
		return error_set_errno(err, "make the text of '%s'", path);
	int rc = fd_write_all(file, text, strlen(text), err);
	if (rc < 0)
		return error_prefix(err, "'%s'", path);
	cleanup_close int tree = mountfd_clone(child->staging, name, MOUNTFD_ONE, err);
	cleanup_close int place = tree < 0 ? tree : mounts_place(child, path, S_IFREG, err);
	rc = place < 0 ? place : mountfd_attach(tree, place, err);
	return rc < 0 ? error_prefix(err, "'%s'", path) : 0;
}

static int mount_texts(struct child *child, struct error **err)
{
	const struct run_spec *spec = child->spec;
	cleanup_free char *resolv =
		network_resolv_conf(spec->network, child->plan->network_helper, spec->etc_resolv_conf);
	int rc = mount_text(child, "/etc/hosts", "hosts", spec->etc_hosts, err);

	if (rc == 0)
		rc = mount_text(child, "/etc/resolv.conf", "resolv.conf", resolv, err);
	if (rc == 0)
		rc = mount_text(child, "/etc/hostname", "hostname", spec->etc_hostname, err);
	if (rc == 0)
		rc = mount_text(child, "/run/.containerenv", "containerenv", spec->containerenv, err);
	return rc;
}

/* A working directory that the image does not have is part of its result, so it is no stub. */
int mounts_make_cwd(struct child *child, struct error **err)
{
	const char *cwd = child->spec->cwd;

	if (!cwd)
		return 0;
	cleanup_close int dir = rootpath_open(child->root, cwd, O_PATH | O_DIRECTORY, 0, NULL);
	if (dir == -ENOENT)
		dir = rootpath_mkdirs(child->root, cwd, /* 0755, root */ NULL, err);
	else if (dir < 0)
		error_set(err, -dir, "%s", strerror(-dir));
	return dir < 0 ? error_prefix(err, "working directory '%s'", cwd) : 0;
}

/* ENOSPC for whoever tries: most holes of recent years began with a namespace (CVE-2022-0185). A pod's /proc/sys is
 * read-only, and where no other /proc can be had (rungs 1p and 2p) that one is the step's: there the filter alone
 * refuses namespaces, and a filter that the user has opened is as open as he wants it. */
static int forbid_user_namespaces(const struct child *child, struct error **err)
{
	struct error *trouble = NULL;
	int rc = proc_write(child, "sys/user/max_user_namespaces", "0", &trouble);

	if (rc == -EROFS && !(child->plan->namespaces & CHILD_OWN_PID)) {
		error_free(trouble);
		return 0;
	}
	if (rc < 0 && err)
		*err = trouble;
	else
		error_free(trouble);
	return rc;
}

int mounts_fill_root(struct child *child, struct error **err)
{
	int rc = open_null(child, err);

	if (rc == 0)
		rc = proc_mount(child, err);
	if (rc == 0)
		rc = sys_mount(child, err);
	if (rc == 0)
		rc = dev_mount(child, err);
	if (rc == 0 && !child->spec->allow_nested_userns)
		/* Before the masks, which make it read-only for us, too. */
		rc = forbid_user_namespaces(child, err);
	if (rc == 0)
		rc = proc_set_sysctls(child, err);
	if (rc == 0)
		rc = proc_mask(child, err);
	if (rc == 0)
		rc = mount_texts(child, err);
	if (rc == 0)
		rc = volumes_mount(child, err);
	if (rc == 0)
		rc = dev_mount_given(child, err);
	if (rc == 0)
		rc = mounts_make_cwd(child, err);
	/* Last: all places are made. What is mounted in it stays as writable as it is. */
	if (rc == 0 && child->plan->sources->read_only)
		rc = mountfd_restrict(child->root, MOUNTFD_ONE, MOUNT_ATTR_RDONLY, /* propagation */ 0, err);
	return rc;
}
