/*
 * The mounts that the user asked for, put in their places: binds and overlays that the parent has taken, and memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/owner.h"
#include "base/tree.h"
#include "run/child_internal.h"
#include "run/mountfd.h"

static uint64_t attributes_of(const struct run_mount *mount)
{
	uint64_t attributes = 0;

	attributes |= mount->flags & RUN_MOUNT_READ_ONLY ? MOUNT_ATTR_RDONLY : 0;
	attributes |= mount->flags & RUN_MOUNT_NOSUID ? MOUNT_ATTR_NOSUID : 0;
	attributes |= mount->flags & RUN_MOUNT_NODEV ? MOUNT_ATTR_NODEV : 0;
	attributes |= mount->flags & RUN_MOUNT_NOEXEC ? MOUNT_ATTR_NOEXEC : 0;
	return attributes;
}

char *volumes_target(const struct child *child, const struct run_mount *mount)
{
	const char *cwd = child->spec->cwd ? child->spec->cwd : "/";

	return mount->target[0] == '/' ? mem_strdup(mount->target) : mem_printf("/%s/%s", cwd, mount->target);
}

/* ---- :U ---- */

struct owner {
	uid_t uid;
	gid_t gid;
	bool is_recorded; /* there is one id only: it is written down */
};

/* A user that is not mapped here: what can carry a record gets one. */
static int record_owner(int fd, const struct owner *owner, struct error **err)
{
	const struct owner_record record = {.uid = owner->uid, .gid = owner->gid};
	int rc = owner_set(fd, &record, NULL);

	if (rc < 0 && rc != -EPERM && rc != -EOPNOTSUPP)
		return error_set(err, -rc, "give it to %u:%u: %s", owner->uid, owner->gid, strerror(-rc));
	return 0;
}

static int record_entry(const struct tree_entry *entry, const struct owner *owner, struct error **err)
{
	const char *name = *entry->name ? entry->name : ".";
	cleanup_close int fd = openat(entry->dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return error_set_errno(err, "open '%s'", entry->path);
	int rc = record_owner(fd, owner, err);
	return rc < 0 ? error_prefix(err, "'%s'", entry->path) : TREE_GO_ON;
}

static int give_entry(const struct tree_entry *entry, void *context, struct error **err)
{
	const struct owner *owner = context;
	bool is_root = entry->path[0] == '\0';

	if (owner->is_recorded)
		return record_entry(entry, owner, err);
	if (entry->st->st_uid == owner->uid && entry->st->st_gid == owner->gid)
		return TREE_GO_ON;
	if (fchownat(entry->dirfd, is_root ? "" : entry->name, owner->uid, owner->gid,
		     AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) < 0)
		return error_set_errno(err, "give '%s' to %u:%u", entry->path, owner->uid, owner->gid);
	return TREE_GO_ON;
}

static int give_tree(const struct child *child, int source, const struct stat *st, struct error **err)
{
	struct owner owner = {.uid = child->user.uid, .gid = child->user.gid, .is_recorded = child->plan->emulates_ids};

	if (!S_ISDIR(st->st_mode)) {
		if (owner.is_recorded)
			return record_owner(source, &owner, err);
		if (fchownat(source, "", owner.uid, owner.gid, AT_EMPTY_PATH) < 0)
			return error_set_errno(err, "give it to %u:%u", owner.uid, owner.gid);
		return 0;
	}
	cleanup_close int dir = fd_open_dir(source, ".", err);
	return dir < 0 ? dir : tree_walk(dir, give_entry, /* after */ NULL, &owner, err);
}

/* ---- Putting them in place ---- */

int volumes_furnish(struct child *child, const struct run_mount *mount, int tree, struct stat *st, struct error **err)
{
	int propagation = mount->propagation ? mount->propagation : MS_PRIVATE;
	int rc = 0;

	if (fstat(tree, st) < 0)
		return error_set_errno(err, "stat the source");
	if (mount->flags & RUN_MOUNT_CHOWN)
		rc = give_tree(child, tree, st, err);
	return rc < 0 ? rc : mountfd_restrict(tree, MOUNTFD_RECURSIVE, attributes_of(mount), propagation, err);
}

static int attach_taken(struct child *child, const struct run_mount *mount, int tree, const char *target,
			struct error **err)
{
	struct stat st;
	int rc = volumes_furnish(child, mount, tree, &st, err);

	if (rc < 0)
		return rc;
	cleanup_close int place = mounts_place(child, target, S_ISDIR(st.st_mode) ? S_IFDIR : S_IFREG, err);
	return place < 0 ? place : mountfd_attach(tree, place, err);
}

static int attach_memory(struct child *child, const struct run_mount *mount, const char *target, struct error **err)
{
	cleanup_free char *mode = mem_printf("0%o", mount->mode ? mount->mode : 01777);
	cleanup_free char *size = mem_printf("%llu", (unsigned long long)mount->size);
	const struct mount_option options[] = {{"mode", mode}, {"size", size}};
	uint64_t attributes = attributes_of(mount);
	/* Read-only comes last: what the image has there is copied into it before. */
	cleanup_close int memory =
		mountfd_new("tmpfs", options, mount->size ? 2 : 1, attributes & ~(uint64_t)MOUNT_ATTR_RDONLY, err);
	cleanup_close int place = memory < 0 ? memory : mounts_place(child, target, S_IFDIR, err);
	int rc = 0;

	if (place < 0)
		return place;
	if (mount->flags & RUN_MOUNT_COPY_UP) {
		cleanup_close int from = fd_open_dir(place, ".", err);
		rc = from < 0 ? from : tree_copy(from, memory, err);
	}
	if (rc == 0 && attributes & MOUNT_ATTR_RDONLY)
		rc = mountfd_restrict(memory, MOUNTFD_ONE, MOUNT_ATTR_RDONLY, MS_PRIVATE, err);
	return rc < 0 ? rc : mountfd_attach(memory, place, err);
}

int volumes_mount(struct child *child, struct error **err)
{
	for (size_t i = 0; i < child->spec->mount_count; i++) {
		const struct run_mount *mount = &child->spec->mounts[i];
		cleanup_free char *target = volumes_target(child, mount);
		int tree = child->plan->sources->volumes[i];
		int rc = 0;

		if (mount->type == RUN_MOUNT_TMPFS)
			rc = attach_memory(child, mount, target, err);
		else if (tree >= 0) /* else it is optional, and its source was not there */
			rc = attach_taken(child, mount, tree, target, err);
		if (rc < 0)
			return error_prefix(err, "mount on '%s'", mount->target);
	}
	return 0;
}
