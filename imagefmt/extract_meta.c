/* Owners, attributes and times of what is unpacked, and records of those that cannot be given. */
#include "imagefmt/extract_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/owner.h"
#include "imagefmt/layerxattr.h"

/* What every file system of ours can keep: ext4 ends in 2446, and begins in 1901. */
#define TIME_MIN (-(int64_t)0x80000000)
#define TIME_MAX ((int64_t)15032385535)

/* How many ids this user namespace has, for the error; 0 when that cannot be read. */
static uint64_t mapped_ids(const char *map_path)
{
	FILE *file = fopen(map_path, "re");
	unsigned long long inside;
	unsigned long long outside;
	unsigned long long count;
	uint64_t sum = 0;

	if (file == NULL)
		return 0;
	while (fscanf(file, "%llu %llu %llu", &inside, &outside, &count) == 3)
		sum += count;
	fclose(file);
	return sum;
}

static int fail_owner(const struct tar_entry *entry, struct error **err)
{
	int rc = error_set_errno(err, "give it the owner %u:%u", entry->uid, entry->gid);

	error_hint(err, "%llu user ids and %llu group ids are mapped: see subuid(5), or let owners be recorded",
		   (unsigned long long)mapped_ids("/proc/self/uid_map"),
		   (unsigned long long)mapped_ids("/proc/self/gid_map"));
	return rc;
}

/* No user.* attribute can be kept on links and FIFOs. */
static int record_aside(struct extractor *x, const struct extract_place *place, const struct owner_record *record,
			struct error **err)
{
	struct owner_key key;

	if (!x->options.owners) {
		x->lost++;
		return 0;
	}
	int rc = owner_key_of(place->dirfd, place->leaf, &key, err);
	if (rc < 0)
		return rc;
	owner_table_put(x->options.owners, &key, record);
	x->recorded++;
	return 0;
}

static int record_owner(struct extractor *x, const struct extract_place *place, const struct tar_entry *entry,
			struct error **err)
{
	struct owner_record record = {.uid = entry->uid, .gid = entry->gid};

	if (place->fd < 0)
		return record_aside(x, place, &record, err);
	int rc = owner_set(place->fd, &record, err);
	if (rc == 0)
		x->recorded++;
	return rc;
}

int extract_set_owner(struct extractor *x, const struct extract_place *place, const struct tar_entry *entry,
		      struct error **err)
{
	/* To chown(2) this means "as it is"; no file has it. */
	if (entry->uid == UINT32_MAX || entry->gid == UINT32_MAX)
		return error_set(err, EBADMSG, "no owner can be %u:%u", entry->uid, entry->gid);
	if (!x->chown_all && x->is_root && entry->uid == 0 && entry->gid == x->egid)
		return 0;
	/* Without a user namespace what is root's is ours, and nothing else can be given away. */
	if (!x->is_root && entry->uid == 0 && entry->gid == 0)
		return 0;
	if (!x->is_root && x->options.single_id)
		return record_owner(x, place, entry, err);
	int rc = place->fd >= 0 ? fchown(place->fd, entry->uid, entry->gid)
				: fchownat(place->dirfd, place->leaf, entry->uid, entry->gid, AT_SYMLINK_NOFOLLOW);
	if (rc == 0)
		return 0;
	/* EINVAL: no such id here (user_namespaces(7)); EPERM: no user namespace at all. */
	if (x->options.single_id && (errno == EINVAL || errno == EPERM))
		return record_owner(x, place, entry, err);
	return fail_owner(entry, err);
}

int extract_record_device(struct extractor *x, int fd, const struct tar_entry *entry, struct error **err)
{
	struct owner_record record = {
		.uid = entry->uid,
		.gid = entry->gid,
		.mode = entry->type == TAR_CHARDEV ? S_IFCHR : S_IFBLK,
		.major = entry->major,
		.minor = entry->minor,
	};
	int rc = owner_set(fd, &record, err);

	if (rc < 0)
		return rc;
	x->recorded++;
	rc = owner_set_mode(fd, entry->mode);
	return rc < 0 ? error_set(err, -rc, "set the mode: %s", strerror(-rc)) : 0;
}

static int set_xattr(const struct extract_place *place, const char *name, const void *value, size_t size)
{
	if (place->fd >= 0)
		return fsetxattr(place->fd, name, value, size, 0);
	/* The magic link leads to the directory that we hold; of what follows nothing is followed. */
	char proc[FD_PROC_PATH_SIZE];
	cleanup_free char *path = mem_printf("%s/%s", fd_proc_path(place->dirfd, proc), place->leaf);
	return lsetxattr(path, name, value, size, 0);
}

static int set_one_xattr(struct extractor *x, const struct extract_place *place, const struct tar_xattr *xattr,
			 const char *path, struct error **err)
{
	cleanup_free char *name = layer_xattr_to_tree(xattr->name);
	cleanup_free void *value = mem_dup(xattr->value, xattr->size);
	size_t size = xattr->size;

	if (name == NULL)
		return 0;
	layer_xattr_normalise(name, value, &size);
	if (set_xattr(place, name, value, size) == 0)
		return 0;
	if (errno != EPERM && errno != EOPNOTSUPP)
		return error_set_errno(err, "set the attribute '%s'", xattr->name);
	if (!x->warned_xattr)
		log_warn("'%s': the attribute '%s' cannot be kept here; it is left out, and so are others like it",
			 path, xattr->name);
	x->warned_xattr = true;
	return 0;
}

int extract_set_xattrs(struct extractor *x, const struct extract_place *place, const struct tar_entry *entry,
		       struct error **err)
{
	bool has_lists = false;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < entry->xattr_count; i++) {
		has_lists = has_lists || access_lists_is_name(entry->xattrs[i].name);
		rc = set_one_xattr(x, place, &entry->xattrs[i], entry->path, err);
	}
	if (has_lists)
		access_lists_note(&x->unkept, buf_str(&x->path));
	return rc;
}

int extract_set_time(const struct extract_place *place, int64_t mtime, struct error **err)
{
	int64_t seconds = mtime < TIME_MIN ? TIME_MIN : mtime > TIME_MAX ? TIME_MAX : mtime;
	const struct timespec times[2] = {{.tv_sec = seconds}, {.tv_sec = seconds}};
	int rc = place->fd >= 0 ? futimens(place->fd, times)
				: utimensat(place->dirfd, place->leaf, times, AT_SYMLINK_NOFOLLOW);

	return rc < 0 ? error_set_errno(err, "set the time") : 0;
}
