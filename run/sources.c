/*
 * Takes the root and the volumes of a step as detached mounts.
 */
#include "run/sources.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/tree.h"
#include "run/mountfd.h"
#include "run/overlay.h"

static int keep_leftover(struct sources *sources, int dirfd, const char *name, bool is_spare, struct error **err)
{
	int copy = fcntl(dirfd, F_DUPFD_CLOEXEC, 3);

	if (copy < 0)
		return error_set_errno(err, "keep a directory open");
	sources->leftovers = mem_grow(sources->leftovers, sources->leftover_count + 1, sizeof(*sources->leftovers));
	sources->leftovers[sources->leftover_count++] =
		(struct leftover){.dirfd = copy, .name = mem_strdup(name), .is_spare = is_spare};
	return 0;
}

static int open_overlay(struct sources *sources, const struct overlay_spec *spec, bool is_spare, struct error **err)
{
	cleanup_free char *work = NULL;
	cleanup_close int mount = overlay_open(spec, &work, err);

	if (mount < 0)
		return mount;
	int rc = work ? keep_leftover(sources, spec->scratch, work, is_spare, err) : 0;
	return rc < 0 ? rc : take_fd(&mount);
}

/* ---- The root ---- */

/* Layers without an upper get one in memory: places to mount on have to be made somewhere, and it is thrown away. A
 * detached tmpfs can be an upper since Linux 6.15; before, the layers must have the places. */
static int open_read_only_root(const struct run_root *root, struct sources *sources, struct error **err)
{
	static const struct mount_option options[] = {{"mode", "0755"}};
	cleanup_close int memory = mountfd_new("tmpfs", options, 1, MOUNTFD_SAFE, err);
	struct overlay_spec spec = {
		.lowers = root->lowers, .lower_count = root->lower_count, .upper = -1, .scratch = -1};

	if (memory < 0)
		return memory;
	if (mkdirat(memory, "upper", 0755) < 0)
		return error_set_errno(err, "make a directory in memory");
	cleanup_close int upper = fd_open_dir(memory, "upper", err);
	if (upper < 0)
		return upper;
	spec.upper = upper;
	spec.scratch = memory;
	cleanup_free char *work = NULL;
	int mount = overlay_open(&spec, &work, NULL);
	if (mount >= 0) {
		sources->throwaway = take_fd(&upper);
		sources->record = sources->throwaway;
		return mount;
	}
	log_debug("no overlay on memory here, the root is read-only from the start");
	spec.upper = -1;
	spec.scratch = -1;
	return open_overlay(sources, &spec, /* is_spare */ false, err);
}

static int open_root(const struct run_root *root, struct sources *sources, struct error **err)
{
	sources->read_only = root->read_only;
	if (root->mounted >= 0) {
		sources->record = root->mounted;
		return mountfd_clone(root->mounted, "", MOUNTFD_RECURSIVE, err);
	}
	if (root->lower_count == 0) {
		sources->record = root->upper;
		return mountfd_clone(root->upper, "", MOUNTFD_ONE, err);
	}
	if (root->upper < 0) {
		sources->read_only = true;
		return open_read_only_root(root, sources, err);
	}
	const struct overlay_spec spec = {.lowers = root->lowers,
					  .lower_count = root->lower_count,
					  .upper = root->upper,
					  .scratch = root->scratch};
	sources->record = root->upper;
	return open_overlay(sources, &spec, /* is_spare */ true, err);
}

/* ---- Volumes ---- */

/* The source, found once and held: what happens to its path afterwards does not matter (CVE-2024-11218). The path is
 * the user's own, on the host, so links in it are followed. */
static int open_source(const struct run_mount *mount, struct error **err)
{
	int fd = mount->source ? open(mount->source, O_PATH | O_CLOEXEC) : fcntl(mount->source_fd, F_DUPFD_CLOEXEC, 3);

	if (fd < 0)
		return error_set_errno(err, "source '%s'", mount->source ? mount->source : "");
	return fd;
}

/* A single mount cannot be taken out of a tree whose mounts belong to the namespace around us, lest it uncover what
 * they hide (mount_namespaces(7), "Restrictions"): then all of it comes along. */
static int open_bind(const struct run_mount *mount, struct error **err)
{
	cleanup_close int source = open_source(mount, err);

	if (source < 0)
		return source;
	if (!(mount->flags & RUN_MOUNT_RECURSIVE)) {
		int one = mountfd_clone(source, "", MOUNTFD_ONE, NULL);
		if (one >= 0)
			return one;
	}
	return mountfd_clone(source, "", MOUNTFD_RECURSIVE, err);
}

/* A directory with an upper in it, removed after the step. */
static int make_throwaway(struct sources *sources, int parent, int *upper, int *scratch, struct error **err)
{
	uint64_t number = 0;

	if (parent < 0)
		return error_set(err, EINVAL, "there is no place for its changes");
	if (getrandom(&number, sizeof(number), 0) < 0)
		return error_set_errno(err, "get random bytes");
	cleanup_free char *name = mem_printf("volume-%016llx", (unsigned long long)number);
	if (mkdirat(parent, name, 0700) < 0)
		return error_set_errno(err, "make a directory for its changes");
	int rc = keep_leftover(sources, parent, name, /* is_spare */ false, err);
	cleanup_close int dir = rc < 0 ? rc : fd_open_dir(parent, name, err);
	if (dir < 0)
		return dir;
	if (mkdirat(dir, "upper", 0755) < 0)
		return error_set_errno(err, "make a directory for its changes");
	cleanup_close int made = fd_open_dir(dir, "upper", err);
	if (made < 0)
		return made;
	*upper = take_fd(&made);
	*scratch = take_fd(&dir);
	return 0;
}

/* The merged root shows the upper's owner and mode. Somebody whom our namespace does not know (EINVAL) cannot be given
 * anything: it stays ours. */
static int copy_owner(int from, int to, struct error **err)
{
	struct stat st;

	if (fstat(from, &st) < 0 || (fchown(to, st.st_uid, st.st_gid) < 0 && errno != EINVAL) ||
	    fchmod(to, st.st_mode & 07777) < 0)
		return error_set_errno(err, "give the changes the source's owner and mode");
	return 0;
}

static int open_volume_overlay(const struct run_spec *spec, const struct run_mount *mount, struct sources *sources,
			       struct error **err)
{
	cleanup_close int source = open_source(mount, err);
	cleanup_close int lower = source < 0 ? source : openat(source, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_close int upper = -1;
	cleanup_close int scratch = -1;

	if (source < 0)
		return source;
	if (lower < 0)
		return error_set_errno(err, "source '%s'", mount->source ? mount->source : "");
	struct overlay_spec overlay = {
		.lowers = &lower, .lower_count = 1, .upper = mount->upper, .scratch = mount->work};
	if (mount->upper < 0) {
		int rc = make_throwaway(sources, spec->root.scratch, &upper, &scratch, err);
		if (rc == 0)
			rc = copy_owner(lower, upper, err);
		if (rc < 0)
			return rc;
		overlay.upper = upper;
		overlay.scratch = scratch;
	}
	return open_overlay(sources, &overlay, /* is_spare */ false, err);
}

static int open_volume(const struct run_spec *spec, const struct run_mount *mount, struct sources *sources,
		       struct error **err)
{
	switch (mount->type) {
	case RUN_MOUNT_BIND:
		return open_bind(mount, err);
	case RUN_MOUNT_OVERLAY:
		return open_volume_overlay(spec, mount, sources, err);
	case RUN_MOUNT_TMPFS:
		return -1; /* new, so the child makes it */
	}
	return error_set(err, EINVAL, "unknown type of mount");
}

static int open_volumes(const struct run_spec *spec, struct sources *sources, struct error **err)
{
	sources->volumes = mem_grow(NULL, spec->mount_count + 1, sizeof(int));
	for (size_t i = 0; i < spec->mount_count; i++) {
		const struct run_mount *mount = &spec->mounts[i];
		struct error *failure = NULL;
		int fd = open_volume(spec, mount, sources, &failure);

		if (failure && !(fd == -ENOENT && mount->flags & RUN_MOUNT_OPTIONAL)) {
			error_set(err, error_code(failure), "mount on '%s': %s", mount->target, error_message(failure));
			error_free(failure);
			return fd;
		}
		error_free(failure); /* an optional source that is not there */
		sources->volumes[sources->volume_count++] = fd < 0 ? -1 : fd;
	}
	return 0;
}

int sources_open(const struct run_spec *spec, struct sources *sources, struct error **err)
{
	sources->root = open_root(&spec->root, sources, err);
	if (sources->root < 0)
		return error_prefix(err, "the root");
	return open_volumes(spec, sources, err);
}

void sources_close(struct sources *sources)
{
	fd_close(take_fd(&sources->root));
	fd_close(take_fd(&sources->throwaway));
	for (size_t i = 0; i < sources->volume_count; i++)
		fd_close(sources->volumes[i]);
	sources->volume_count = 0;
	free(take_ptr(&sources->volumes));
}

void sources_remove(struct sources *sources)
{
	sources_close(sources);
	for (size_t i = 0; i < sources->leftover_count; i++) {
		struct leftover *leftover = &sources->leftovers[i];
		struct error *err = NULL;

		int rc = leftover->is_spare ? overlay_put_back_work(leftover->dirfd, leftover->name, &err)
					    : tree_remove(leftover->dirfd, leftover->name, &err);
		if (rc < 0)
			log_debug("the work directory '%s' stays until cooper prune: %s", leftover->name,
				  error_message(err));
		error_free(err);
		fd_close(leftover->dirfd);
		free(leftover->name);
	}
	sources->leftover_count = 0;
	free(take_ptr(&sources->leftovers));
}
