/*
 * A root that stays mounted for the user: `cooper mount` in a session, and who may use it meanwhile. In: a container
 * that is held. Out: a path, and containers/<id>/mounted, which tells the next process whose mount it is.
 */
#include "builder/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomicfile.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/log.h"
#include "base/tree.h"
#include "builder/rootcopy.h"
#include "builder/rootfs_internal.h"
#include "builder/session.h"

#define RECORD "mounted"
#define RECORD_SIZE_MAX ((size_t)64 << 10)
/* Stands for the session of a root that needs no mount: it is there for everybody. */
#define NO_SESSION "direct"

/* ---- the record of a mount ---- */

struct mount_record {
	char *session; /* NULL: not mounted */
	int64_t count;
	char *work; /* directory in scratch, for removal; NULL */
};

static void mount_record_done(struct mount_record *record)
{
	free(record->session);
	free(record->work);
	*record = (struct mount_record){0};
}
CLEANUP_FOR_VALUE(struct mount_record, mount_record_done)

static char *container_path(struct workshop *w, const struct container *c, const char *name)
{
	cleanup_free char *relative = mem_printf("%s/%s", c->id, name);

	return store_path(workshop_store(w), STORE_CONTAINERS, relative);
}

static int record_save(struct workshop *w, const struct container *c, const struct mount_record *record,
		       struct error **err)
{
	cleanup_close int dir = container_open_dir(w, c, err);

	if (dir < 0)
		return dir;
	if (!record->session) {
		if (unlinkat(dir, RECORD, 0) < 0 && errno != ENOENT)
			return error_set_errno(err, "forget the mount of container '%s'", c->name);
		return 0;
	}
	cleanup_json json_t *root = json_object();
	cleanup(buf_done) struct buf text = BUF_INIT(RECORD_SIZE_MAX);
	json_set_string(root, "session", record->session);
	json_set_i64(root, "count", record->count);
	json_set_string_opt(root, "work", record->work);
	json_format(root, &text);
	return atomic_file_write(dir, RECORD, 0600, text.data, text.len, /* flags */ 0, err);
}

/* True when something is mounted at containers/<id>/merged in this mount namespace. */
static bool is_mount_point(struct workshop *w, const struct container *c)
{
	cleanup_free char *path = container_path(w, c, "merged");
	struct statx stx;

	/* STATX_ATTR_MOUNT_ROOT: Linux 5.8. */
	return statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_TYPE, &stx) == 0 &&
	       (stx.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

static int record_load(struct workshop *w, const struct container *c, struct mount_record *record, struct error **err)
{
	cleanup(mount_record_done) struct mount_record read = {0};

	*record = read;
	if (!container_has(w, c, RECORD)) /* most are mounted nowhere */
		return 0;
	cleanup_close int dir = container_open_dir(w, c, err);
	cleanup_json json_t *root = NULL;
	if (dir < 0)
		return dir;
	int rc = json_load_at(dir, RECORD, RECORD_SIZE_MAX, &root, NULL);
	if (rc == -ENOENT)
		return 0;
	if (rc < 0) /* it is only a hint about a process that may be long gone */
		return log_debug("container '%s': the record of its mount is unreadable and ignored", c->name), 0;
	struct json_place at = json_root(RECORD, root);
	if (json_get_string(json_field(&at, "session"), &read.session, NULL) < 0 ||
	    json_get_i64(json_field(&at, "count"), &read.count, NULL) < 0 ||
	    json_get_string(json_field(&at, "work"), &read.work, NULL) < 0 || !read.session)
		return 0;
	bool direct = strcmp(read.session, NO_SESSION) == 0;
	if (!direct && !unshare_session_is_alive(read.session))
		return 0;
	*record = read;
	read = (struct mount_record){0};
	return 0;
}

static bool is_no_session(const struct mount_record *record)
{
	return strcmp(record->session, NO_SESSION) == 0;
}

static bool is_here(struct workshop *w, const struct container *c, const struct mount_record *record)
{
	if (!record->session)
		return false;
	if (is_no_session(record))
		return true;
	cleanup_free char *current = unshare_session_current(w);
	return current && strcmp(record->session, current) == 0 && is_mount_point(w, c);
}

int rootfs_check_free(struct workshop *w, const struct container *c, struct error **err)
{
	cleanup(mount_record_done) struct mount_record record = {0};
	int rc = record_load(w, c, &record, err);

	if (rc < 0 || !record.session || is_no_session(&record))
		return rc;
	cleanup_free char *current = unshare_session_current(w);
	if (current && strcmp(record.session, current) == 0)
		return 0;
	const char *pid = strchr(record.session, '-');
	return error_set(err, EBUSY,
			 "container '%s' is mounted in another `cooper unshare` session (started by process %.*s); "
			 "unmount it there or end that session",
			 c->name, pid ? (int)strspn(pid + 1, "0123456789") : 1, pid ? pid + 1 : "?");
}

/* A root that is a plain directory is there for everybody, without a mount. */
static bool is_direct(struct workshop *w, const struct container *c)
{
	return c->config.diff_id_count == 0 || rootfs_has_copy(w, c);
}

/* The name of a root that is a plain directory. */
static const char *direct_name(struct workshop *w, const struct container *c)
{
	return rootfs_has_copy(w, c) ? ROOTCOPY : "upper";
}

char *rootfs_mounted_path(struct workshop *w, const struct container *c)
{
	cleanup(mount_record_done) struct mount_record record = {0};

	if (record_load(w, c, &record, NULL) < 0 || !is_here(w, c, &record))
		return NULL;
	return container_path(w, c, is_no_session(&record) ? direct_name(w, c) : "merged");
}

/* Where this session has the container's overlay, or NULL. */
char *rootfs_overlay_path(struct workshop *w, const struct container *c)
{
	cleanup(mount_record_done) struct mount_record record = {0};

	if (record_load(w, c, &record, NULL) < 0 || !is_here(w, c, &record) || is_no_session(&record))
		return NULL;
	return container_path(w, c, "merged");
}

/* ---- mounting ---- */

/* Mounts the overlay at containers/<id>/merged of this mount namespace. */
static int mount_merged(struct workshop *w, const struct container *c, char **work, struct error **err)
{
	cleanup(rootfs_layers_done) struct rootfs_layers layers = ROOTFS_LAYERS_INIT;
	int rc = rootfs_check_ids(w, c, err);

	if (rc >= 0)
		rc = rootfs_open_lowers(w, c->config.diff_ids, c->config.diff_id_count, &layers, err);
	if (rc >= 0)
		rc = rootfs_open_upper(w, c, &layers, err);
	if (rc < 0)
		return rc;
	cleanup_close int dir = container_open_dir(w, c, err);
	if (dir < 0)
		return dir;
	if (mkdirat(dir, "merged", 0700) < 0 && errno != EEXIST)
		return error_set_errno(err, "make the place to mount on");
	cleanup_close int target = fd_open_dir(dir, "merged", err);
	if (target < 0)
		return target;
	struct overlay_spec spec = rootfs_overlay_spec(&layers);
	return overlay_mount(&spec, target, work, err);
}

static int mount_here(struct workshop *w, const struct container *c, const char *session, struct error **err)
{
	struct mount_record record = {0};
	cleanup_free char *work = NULL;
	int rc = mount_merged(w, c, &work, err);

	if (rc < 0)
		return error_prefix(err, "mount container '%s'", c->name);
	record = (struct mount_record){.session = (char *)session, .count = 1, .work = work};
	return record_save(w, c, &record, err);
}

static int no_session(struct error **err)
{
	return error_set(err, EPERM,
			 "it can be mounted in a `cooper unshare` session only, where the mount lives (also for root)");
}

/* Finds out whether there can be an overlay; afterwards there is a copy if not. */
static int find_way(struct workshop *w, const struct container *c, struct error **err)
{
	cleanup(rootfs_layers_done) struct rootfs_layers layers = ROOTFS_LAYERS_INIT;

	return rootfs_layers_open(w, c, &layers, err);
}

static int make_direct(struct workshop *w, const struct container *c, struct error **err)
{
	cleanup(rootfs_layers_done) struct rootfs_layers layers = ROOTFS_LAYERS_INIT;

	return rootfs_layers_open(w, c, &layers, err);
}

int rootfs_mount(struct workshop *w, const struct container *c, char **path, struct error **err)
{
	cleanup(mount_record_done) struct mount_record record = {0};
	cleanup_free char *own_session = unshare_session_current(w);

	/* Without namespaces the root is a tree of its own from its first use on; who works in it knows nothing of
	 * files that are shared with layers. */
	int made = workshop_is_translated(w) ? rootfs_own(w, c, err) : 0;
	if (made >= 0 && workshop_is_translated(w) && !is_direct(w, c))
		made = make_direct(w, c, err);
	if (made < 0)
		return made;
	if (!is_direct(w, c) && !own_session)
		return no_session(err);
	int rc = is_direct(w, c) ? 0 : find_way(w, c, err);
	if (rc < 0)
		return rc;
	bool direct = is_direct(w, c);
	cleanup_free char *session = mem_strdup(direct ? NO_SESSION : own_session);
	rc = rootfs_check_free(w, c, err);
	if (rc >= 0)
		rc = record_load(w, c, &record, err);
	if (rc < 0)
		return rc;
	/* A record of no session may be from before the container had its first layer. */
	if (is_here(w, c, &record) && is_no_session(&record) == direct) {
		record.count++;
		rc = record_save(w, c, &record, err);
	} else if (direct) {
		rc = record_save(w, c, &(struct mount_record){.session = session, .count = 1}, err);
	} else {
		rc = mount_here(w, c, session, err);
	}
	if (rc < 0)
		return rc;
	/* In a session owners and modes are what they are recorded to be. */
	if (workshop_is_translated(w) && !own_session)
		log_warn(
			"container '%s' is shown as it lies on the disk, all files as yours: owners and modes that are "
			"given there may not count; in a `cooper unshare` session they do",
			c->name);
	*path = container_path(w, c, direct ? direct_name(w, c) : "merged");
	return 0;
}

static void remove_work(struct workshop *w, const struct container *c, const char *work)
{
	cleanup_close int dir = container_open_dir(w, c, NULL);
	cleanup_close int scratch = dir < 0 ? -1 : fd_open_dir(dir, "scratch", NULL);

	/* Left behind it costs an empty directory and goes with the container. */
	if (scratch >= 0 && work)
		tree_remove(scratch, work, NULL);
}

static int unmount(struct workshop *w, const struct container *c, const struct mount_record *record, struct error **err)
{
	cleanup_free char *path = container_path(w, c, "merged");

	if (is_no_session(record))
		return 0;
	/* Never MNT_DETACH: the overlay would live on unseen while its upper directory is used by another. */
	if (umount2(path, UMOUNT_NOFOLLOW) < 0)
		return error_set_errno(err, "unmount container '%s'", c->name);
	remove_work(w, c, record->work);
	return 0;
}

int rootfs_umount(struct workshop *w, const struct container *c, bool all, struct error **err)
{
	cleanup(mount_record_done) struct mount_record record = {0};
	int rc = record_load(w, c, &record, err);

	if (rc < 0)
		return rc;
	if (!is_here(w, c, &record))
		return error_set(err, EINVAL, "container '%s' is not mounted", c->name);
	if (!all && record.count > 1) {
		record.count--;
		return record_save(w, c, &record, err);
	}
	rc = unmount(w, c, &record, err);
	if (rc < 0)
		return rc;
	return record_save(w, c, &(struct mount_record){0}, err);
}

int rootfs_suspend(struct workshop *w, const struct container *c, bool *was_mounted, struct error **err)
{
	cleanup(mount_record_done) struct mount_record record = {0};
	int rc = record_load(w, c, &record, err);

	if (rc < 0)
		return rc;
	*was_mounted = is_here(w, c, &record);
	/* The record stays: it says that the place is ours, and how often it was mounted. */
	return *was_mounted ? unmount(w, c, &record, err) : 0;
}

int rootfs_resume(struct workshop *w, const struct container *c, struct error **err)
{
	cleanup(mount_record_done) struct mount_record record = {0};
	cleanup_free char *work = NULL;
	int rc = record_load(w, c, &record, err);

	if (rc < 0)
		return rc;
	if (!record.session)
		return 0;
	/* A root that was its upper directory: that is at the same path again, empty, on the layers that there are now.
	 */
	if (is_no_session(&record))
		return 0;
	rc = mount_merged(w, c, &work, err);
	if (rc < 0)
		return error_prefix(err, "mount container '%s' again", c->name);
	mem_replace(&record.work, work);
	return record_save(w, c, &record, err);
}
