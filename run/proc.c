/*
 * /proc and /sys of a step, and the parts of them that it may not see or write.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/rootpath.h"
#include "run/child_internal.h"
#include "run/mountfd.h"

/* As the OCI runtime-spec's examples and moby have them (oci/defaults.go, DefaultMaskedPaths and DefaultReadonlyPaths):
 * facts of the machine and switches that no namespace covers. */
static const char *const masked[] = {
	"/proc/acpi",	    "/proc/asound",	   "/proc/interrupts",	"/proc/kcore",
	"/proc/keys",	    "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi",
	"/proc/timer_list", "/proc/timer_stats",   "/sys/firmware",	"/sys/devices/virtual/powercap",
};
static const char *const read_only[] = {
	"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
};

/* What mount_too_revealing() of the kernel answers where a container's own /proc has masks: then a new one would show
 * more than the old one. */
static bool is_too_revealing(int rc)
{
	return rc == -EPERM;
}

/* The host's tree, as the namespace that we come from sees it, with the same locks. */
static int bind_tree(const char *path, int target, uint64_t attributes, struct error **err)
{
	cleanup_close int tree = mountfd_clone(AT_FDCWD, path, MOUNTFD_RECURSIVE, err);

	if (tree < 0)
		return tree;
	int rc = attributes ? mountfd_restrict(tree, MOUNTFD_RECURSIVE, attributes, MS_PRIVATE, err) : 0;
	return rc < 0 ? rc : mountfd_attach(tree, target, err);
}

static int attach_new(const char *type, uint64_t attributes, int target, struct error **err)
{
	cleanup_close int mount = mountfd_new(type, NULL, 0, attributes, err);

	return mount < 0 ? mount : mountfd_attach(mount, target, err);
}

int proc_mount(struct child *child, struct error **err)
{
	cleanup_close int target = mounts_place(child, "/proc", S_IFDIR, err);
	int rc;

	if (target < 0)
		return target;
	/* A new one belongs to the pid namespace of who mounts it, so it needs one of our own. */
	if (child->plan->namespaces & CHILD_OWN_PID)
		rc = attach_new("proc", MOUNTFD_SAFE, target, err);
	else
		rc = bind_tree("/proc", target, /* attributes */ 0, err);
	child->proc_is_refused = is_too_revealing(rc) && child->plan->namespaces & CHILD_OWN_PID;
	if (rc < 0)
		return error_prefix(err, "/proc");
	child->proc = rootpath_open(child->root, "/proc", O_PATH | O_DIRECTORY, 0, err);
	return child->proc < 0 ? child->proc : 0;
}

int proc_write(const struct child *child, const char *path, const char *text, struct error **err)
{
	struct statfs fs;
	cleanup_close int fd = openat(child->proc, path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return error_set_errno(err, "open '/proc/%s'", path);
	/* Whoever could put something else in the way would have us write there (CVE-2019-16884, CVE-2025-52881). */
	if (fstatfs(fd, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC)
		return error_set(err, EINVAL, "'/proc/%s' is not of the kernel's proc", path);
	if (write(fd, text, strlen(text)) < 0)
		return error_set_errno(err, "write '/proc/%s'", path);
	return 0;
}

/* As sysctl(8) reads a name: its first separator says which of '.' and '/' separates. */
static int set_sysctl(const struct child *child, const char *text, struct error **err)
{
	const char *equals = strchr(text, '=');
	cleanup_free char *name = mem_strndup(text, equals ? (size_t)(equals - text) : strlen(text));
	size_t first = strcspn(name, "./");

	if (!equals || name[first] == '\0' || strstr(name, "..") || strstr(name, "//"))
		return error_set(err, EINVAL, "'%s' is not a sysctl (name=value)", text);
	bool dots = name[first] == '.';
	for (char *at = name; dots && *at; at++)
		*at = *at == '.' ? '/' : *at == '/' ? '.' : *at;
	cleanup_free char *path = mem_printf("sys/%s", name);
	int rc = proc_write(child, path, equals + 1, err);
	return rc < 0 ? error_prefix(err, "sysctl '%s'", text) : 0;
}

int proc_set_sysctls(const struct child *child, struct error **err)
{
	const struct strlist *sysctls = child->spec->sysctls;
	int rc = 0;

	for (size_t i = 0; rc == 0 && sysctls && i < sysctls->count; i++)
		rc = set_sysctl(child, sysctls->items[i], err);
	return rc;
}

/* The step's own cgroup at the place where programs look for their limits; nothing where that cannot be had. */
static int mount_cgroup(struct child *child, int base, struct error **err)
{
	cleanup_close int target = rootpath_open(base, "/sys/fs/cgroup", O_PATH | O_DIRECTORY, 0, NULL);
	bool own = child->plan->namespaces & (CHILD_OWN_CGROUP | CHILD_LATE_CGROUP);

	if (target < 0)
		return 0; /* a kernel without cgroups */
	if (own && attach_new("cgroup2", MOUNTFD_SAFE | MOUNT_ATTR_RDONLY, target, NULL) == 0)
		return 0;
	if (!own)
		return 0; /* asked to share the host's: it is there, read-only with all of /sys */
	/* Read-only, because the same directory covers what is masked. */
	cleanup_close int empty = mountfd_clone(child->empty, "", MOUNTFD_ONE, err);
	int rc = empty < 0 ? empty : mountfd_restrict(empty, MOUNTFD_ONE, MOUNT_ATTR_RDONLY, MS_PRIVATE, err);
	return rc < 0 ? rc : mountfd_attach(empty, target, err);
}

int sys_fill(struct child *child, int base, int place, struct error **err)
{
	const uint64_t attributes = MOUNTFD_SAFE | MOUNT_ATTR_RDONLY;
	int rc = -EPERM;

	/* sysfs shows the network of its namespace; a new one may be had only with that (sysfs_init_fs_context()). */
	if (child->plan->namespaces & CHILD_OWN_NET)
		rc = attach_new("sysfs", attributes, place, NULL);
	if (is_too_revealing(rc))
		rc = bind_tree("/sys", place, attributes, err);
	if (rc < 0)
		return error_prefix(err, "/sys");
	return mount_cgroup(child, base, err);
}

int sys_mount(struct child *child, struct error **err)
{
	cleanup_close int target = mounts_place(child, "/sys", S_IFDIR, err);

	return target < 0 ? target : sys_fill(child, child->root, target, err);
}

/* Ours lie in /proc and /sys, the kernel's own trees: those of /proc are found from there, past the overlay. */
static int open_ours(const struct child *child, const char *path)
{
	if (text_has_prefix(path, "/proc/"))
		return openat(child->proc, path + strlen("/proc/"), O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return rootpath_open(child->root, path, O_PATH, 0, NULL);
}

/* Takes the target. */
static int mask(struct child *child, int opened, const char *path, struct error **err)
{
	cleanup_close int target = opened;
	struct stat st;

	if (target < 0 || fstat(target, &st) < 0)
		return 0; /* this kernel or image has no such thing */
	cleanup_close int cover = mountfd_clone(S_ISDIR(st.st_mode) ? child->empty : child->null, "", MOUNTFD_ONE, err);
	int rc = cover < 0 ? cover : mountfd_restrict(cover, MOUNTFD_ONE, MOUNT_ATTR_RDONLY, MS_PRIVATE, err);
	if (rc == 0)
		rc = mountfd_attach(cover, target, err);
	return rc < 0 ? error_prefix(err, "mask '%s'", path) : 0;
}

static int make_read_only(struct child *child, const char *path, struct error **err)
{
	cleanup_close int target = open_ours(child, path);

	if (target < 0)
		return 0;
	int rc = mountfd_restrict_place(target, MOUNTFD_SAFE | MOUNT_ATTR_RDONLY, err);
	return rc < 0 ? error_prefix(err, "make '%s' read-only", path) : 0;
}

static bool is_unmasked(const struct run_spec *spec, const char *path)
{
	return spec->unmask && (strlist_contains(spec->unmask, "ALL") || strlist_contains(spec->unmask, "all") ||
				strlist_contains(spec->unmask, path));
}

int proc_mask(struct child *child, struct error **err)
{
	const struct run_spec *spec = child->spec;
	int rc = 0;

	for (size_t i = 0; i < ARRAY_COUNT(masked) && rc == 0; i++)
		if (!is_unmasked(spec, masked[i]))
			rc = mask(child, open_ours(child, masked[i]), masked[i], err);
	for (size_t i = 0; i < ARRAY_COUNT(read_only) && rc == 0; i++)
		if (!is_unmasked(spec, read_only[i]))
			rc = make_read_only(child, read_only[i], err);
	for (size_t i = 0; spec->mask && i < spec->mask->count && rc == 0; i++) {
		const char *path = spec->mask->items[i];
		rc = mask(child, rootpath_open(child->root, path, O_PATH, 0, NULL), path, err);
	}
	return rc;
}

void proc_hidden_paths(const struct run_spec *spec, struct strlist *masked_paths, struct strlist *read_only_paths)
{
	for (size_t i = 0; i < ARRAY_COUNT(masked); i++)
		if (!is_unmasked(spec, masked[i]))
			strlist_append(masked_paths, masked[i]);
	for (size_t i = 0; i < ARRAY_COUNT(read_only); i++)
		if (!is_unmasked(spec, read_only[i]))
			strlist_append(read_only_paths, read_only[i]);
	if (spec->mask)
		strlist_append_all(masked_paths, spec->mask);
}
