/*
 * Mounts layers over each other. In: trees as descriptors, topmost first. Out: a mount on the target, and a work
 * directory that somebody has to remove when it is gone.
 *
 * Layers are named to the kernel by /proc/self/fd/N: no path of the store is looked up again, and none shows up in the
 * step's /proc/mounts.
 */
#include "run/overlay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/tree.h"
#include "run/mountfd.h"

/* Documentation/filesystems/overlayfs.rst, "Multiple lower layers"; ovl_parse_layer() says "limit is 500". */
#define LAYERS_PER_MOUNT ((size_t)500)
/* mount(2) takes one page of options. */
#define MOUNT_OPTIONS_MAX ((size_t)4095)
#define SPARE_WORK "spare"

/* One mount: lowers[0..count) under upper and work, which are -1 for a read-only one. */
struct layering {
	const int *lowers;
	size_t count;
	int upper, work;
};

static int set_path(int context, const char *key, int fd)
{
	char path[FD_PROC_PATH_SIZE];

	return fsconfig(context, FSCONFIG_SET_STRING, key, fd_proc_path(fd, path), 0);
}

/* -EINVAL says that the kernel has no lowerdir+ (before 6.8) or does not like the upper; the caller tells them apart.
 */
static int configure(int context, const struct layering *layers, bool *has_lowerdir_plus)
{
	for (size_t i = 0; i < layers->count; i++) {
		if (set_path(context, "lowerdir+", layers->lowers[i]) < 0)
			return -errno;
		*has_lowerdir_plus = true;
	}
	if (layers->upper >= 0 &&
	    (set_path(context, "upperdir", layers->upper) < 0 || set_path(context, "workdir", layers->work) < 0 ||
	     fsconfig(context, FSCONFIG_SET_FLAG, "volatile", NULL, 0) < 0))
		return -errno;
	if (fsconfig(context, FSCONFIG_SET_FLAG, "userxattr", NULL, 0) < 0 ||
	    fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	return 0;
}

/* The detached mount, or -errno. */
static int make_by_fsconfig(const struct layering *layers, bool *has_lowerdir_plus)
{
	cleanup_close int context = fsopen("overlay", FSOPEN_CLOEXEC);

	if (context < 0)
		return -errno;
	fsconfig(context, FSCONFIG_SET_STRING, "source", "overlay", 0); /* for readers of /proc/mounts */
	int rc = configure(context, layers, has_lowerdir_plus);
	if (rc < 0)
		return rc;
	int mount = fsmount(context, FSMOUNT_CLOEXEC, layers->upper < 0 ? MOUNT_ATTR_RDONLY : 0);
	return mount < 0 ? -errno : mount;
}

/* Options whose paths are mere descriptor numbers, relative to /proc/self/fd: 499 of them fit the page. */
static void format_options(const struct layering *layers, struct buf *options)
{
	buf_append_str(options, "userxattr,lowerdir=");
	for (size_t i = 0; i < layers->count; i++)
		buf_printf(options, "%s%d", i ? ":" : "", layers->lowers[i]);
	if (layers->upper >= 0)
		buf_printf(options, ",upperdir=%d,workdir=%d,volatile", layers->upper, layers->work);
}

/* For kernels before 6.8. The relative paths want a working directory, and ours is not to be touched: a child that
 * shares the mount namespace stands in /proc/self/fd for us. 0 or -errno. */
static int mount_by_options(const struct layering *layers, int target)
{
	cleanup(buf_done) struct buf options = BUF_INIT(MOUNT_OPTIONS_MAX);
	char path[FD_PROC_PATH_SIZE];
	int status = 0;

	format_options(layers, &options);
	if (options.overflow)
		return -E2BIG;
	pid_t pid = fork();
	if (pid == 0) {
		unsigned long flags = layers->upper < 0 ? MS_RDONLY : 0;
		if (chdir("/proc/self/fd") < 0 ||
		    mount("overlay", fd_proc_path(target, path), "overlay", flags, buf_str(&options)) < 0)
			_exit(errno < 255 ? errno : 255);
		_exit(0);
	}
	if (pid < 0)
		return -errno;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
}

/* The error for a person, from the code and from what was asked for. */
static int refuse(int rc, const struct layering *layers, struct error **err)
{
	error_set(err, -rc, "mount an overlay of %zu layers: %s", layers->count, strerror(-rc));
	if (rc == -EINVAL && layers->upper >= 0)
		error_hint(err, "this file system cannot hold the changes of an overlay: it is an overlay itself, or "
				"lacks extended attributes; another --root may help");
	else if (rc == -EPERM)
		error_hint(err,
			   "the kernel refuses overlay mounts here; it needs Linux 5.11 and no AppArmor or SELinux "
			   "rule against them");
	else if (rc == -ENODEV)
		error_hint(err, "the kernel module 'overlay' is not loaded");
	return rc;
}

/* Merges the last layers, which do not fit, into one detached read-only overlay. An overlay may lie on an overlay once
 * (FILESYSTEM_MAX_STACK_DEPTH), which makes 500 * 500 layers. */
static int stack_group(const int *lowers, size_t count, struct error **err)
{
	struct layering layers = {.lowers = lowers, .count = count, .upper = -1, .work = -1};
	bool has_lowerdir_plus = false;

	if (count == 1)
		return mountfd_clone(lowers[0], "", MOUNTFD_ONE, err);
	int mount = make_by_fsconfig(&layers, &has_lowerdir_plus);
	if (mount < 0)
		return refuse(mount, &layers, err);
	return mount;
}

struct stacked {
	int *lowers;
	size_t count;
	size_t own; /* the last of them that are ours to close */
};

static void stacked_done(struct stacked *stacked)
{
	for (size_t i = stacked->count - stacked->own; i < stacked->count; i++)
		fd_close(stacked->lowers[i]);
	free(stacked->lowers);
}
CLEANUP_FOR_VALUE(struct stacked, stacked_done)

/* The layers as one mount can take them: the top ones as they are, the rest in groups. */
static int stack_layers(const struct overlay_spec *spec, struct stacked *stacked, struct error **err)
{
	size_t excess = spec->lower_count > LAYERS_PER_MOUNT ? spec->lower_count - LAYERS_PER_MOUNT : 0;
	size_t groups = excess ? (excess + LAYERS_PER_MOUNT - 2) / (LAYERS_PER_MOUNT - 1) : 0;
	size_t plain = excess ? LAYERS_PER_MOUNT - groups : spec->lower_count;

	if (groups >= LAYERS_PER_MOUNT)
		return error_set(err, E2BIG, "%zu layers are too many for one root", spec->lower_count);
	stacked->lowers = mem_grow(NULL, plain + groups, sizeof(int));
	memcpy(stacked->lowers, spec->lowers, plain * sizeof(int));
	stacked->count = plain;
	for (size_t at = plain; at < spec->lower_count;) {
		size_t count = spec->lower_count - at < LAYERS_PER_MOUNT ? spec->lower_count - at : LAYERS_PER_MOUNT;
		int group = stack_group(spec->lowers + at, count, err);

		if (group < 0)
			return group;
		stacked->lowers[stacked->count++] = group;
		stacked->own++;
		at += count;
	}
	return 0;
}

/* Is there a work directory that an earlier mount has left empty? With something in it, it is in use, or a volatile
 * overlay that has crashed has marked it as used up. */
static bool has_spare_work(int scratch)
{
	return faccessat(scratch, SPARE_WORK, F_OK, AT_SYMLINK_NOFOLLOW) == 0 &&
	       faccessat(scratch, SPARE_WORK "/work", F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT;
}

/* Each mount has a work directory of its own. */
static int make_work(int scratch, char **name, struct error **err)
{
	uint64_t number = 0;

	if (has_spare_work(scratch)) {
		*name = mem_strdup(SPARE_WORK);
		return 0;
	}
	if (getrandom(&number, sizeof(number), 0) < 0)
		return error_set_errno(err, "get random bytes");
	cleanup_free char *made = mem_printf("work-%016llx", (unsigned long long)number);
	if (mkdirat(scratch, made, 0700) < 0)
		return error_set_errno(err, "make a work directory for the overlay");
	*name = take_ptr(&made);
	return 0;
}

/* A mount made by mount(2) is attached somewhere; it is taken off there again. */
static int make_by_mount(const struct layering *layers, int scratch, struct error **err)
{
	cleanup_free char *name = NULL;
	int rc = make_work(scratch, &name, err);
	cleanup_close int place = rc < 0 ? rc : fd_open_dir(scratch, name, err);

	if (place < 0)
		return place;
	rc = mount_by_options(layers, place);
	cleanup_close int top = rc < 0 ? rc : openat(scratch, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int mount = top < 0 ? refuse(top == -1 ? -errno : top, layers, err) : mountfd_clone(top, "", MOUNTFD_ONE, err);
	if (top >= 0) {
		char path[FD_PROC_PATH_SIZE];
		umount2(fd_proc_path(top, path), MNT_DETACH);
	}
	unlinkat(scratch, name, AT_REMOVEDIR);
	return mount;
}

static int open_layers(const struct layering *layers, int scratch, struct error **err)
{
	bool has_lowerdir_plus = false;
	int mount = make_by_fsconfig(layers, &has_lowerdir_plus);

	if (mount == -EINVAL && !has_lowerdir_plus && scratch >= 0) {
		log_debug("no lowerdir+ here, mounting the overlay by mount(2)");
		return make_by_mount(layers, scratch, err);
	}
	return mount < 0 ? refuse(mount, layers, err) : mount;
}

int overlay_open(const struct overlay_spec *spec, char **work, struct error **err)
{
	cleanup(stacked_done) struct stacked stacked = {0};
	cleanup_free char *work_name = NULL;
	cleanup_close int work_fd = -1;
	int rc = stack_layers(spec, &stacked, err);

	if (rc < 0)
		return rc;
	if (spec->upper < 0 && stacked.count == 1) {
		/* overlayfs wants two layers when none is written; one needs no overlay. */
		cleanup_close int one = mountfd_clone(stacked.lowers[0], "", MOUNTFD_ONE, err);
		rc = one < 0 ? one : mountfd_restrict(one, MOUNTFD_ONE, MOUNT_ATTR_RDONLY, /* propagation */ 0, err);
		return rc < 0 ? rc : take_fd(&one);
	}
	if (spec->upper >= 0) {
		rc = make_work(spec->scratch, &work_name, err);
		work_fd = rc < 0 ? rc : fd_open_dir(spec->scratch, work_name, err);
		if (work_fd < 0)
			return work_fd;
	}
	const struct layering layers = {
		.lowers = stacked.lowers, .count = stacked.count, .upper = spec->upper, .work = work_fd};
	int mount = open_layers(&layers, spec->scratch, err);
	if (mount < 0 && work_name)
		unlinkat(spec->scratch, work_name, AT_REMOVEDIR);
	if (mount >= 0)
		*work = take_ptr(&work_name);
	return mount;
}

int overlay_mount(const struct overlay_spec *spec, int target, char **work, struct error **err)
{
	cleanup_free char *work_name = NULL;
	cleanup_close int mount = overlay_open(spec, &work_name, err);
	int rc = mount < 0 ? mount : mountfd_attach(mount, target, err);

	if (rc == 0)
		*work = take_ptr(&work_name);
	else if (work_name)
		unlinkat(spec->scratch, work_name, AT_REMOVEDIR);
	return rc;
}

int overlay_put_back_work(int scratch, const char *name, struct error **err)
{
	/* What a volatile overlay leaves behind, when it has cleaned up its temporary files. */
	static const char *const left[] = {"work/incompat/volatile/dirty", "work/incompat/volatile", "work/incompat",
					   "work"};

	for (size_t i = 0; i < ARRAY_COUNT(left); i++) {
		cleanup_free char *path = mem_printf("%s/%s", name, left[i]);
		if (unlinkat(scratch, path, i == 0 ? 0 : AT_REMOVEDIR) < 0)
			return tree_remove(scratch, name, err);
	}
	/* Where there is another spare already, this one is too much. */
	if (strcmp(name, SPARE_WORK) != 0 && renameat2(scratch, name, scratch, SPARE_WORK, RENAME_NOREPLACE) < 0)
		return tree_remove(scratch, name, err);
	return 0;
}
