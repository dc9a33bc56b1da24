/*
 * The step's tree: its root and what is mounted over it, each a directory or file of ours with the name that the step
 * has for it, and the names that things have in it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/rootpath.h"
#include "run/translate_internal.h"

/* ---- Names ---- */

bool view_is_in(const char *path, const char *above, size_t length)
{
	return strncmp(path, above, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

const struct view_mount *view_mount_of(const struct translation *t, const char *path)
{
	for (size_t i = 1; i < t->mount_count; i++)
		if (view_is_in(path, t->mounts[i].target, t->mounts[i].target_length))
			return &t->mounts[i];
	return &t->mounts[0];
}

bool view_is_mount_point(const struct translation *t, const char *path)
{
	const struct view_mount *mount = view_mount_of(t, path);

	return mount->target_length == strlen(path);
}

bool view_has_mounts(const struct translation *t, const char *path)
{
	size_t length = strlen(path);

	for (size_t i = 1; i < t->mount_count; i++)
		if (view_is_in(t->mounts[i].target, path, length))
			return true;
	return false;
}

bool view_name_of_real(const struct translation *t, const char *real, struct buf *path)
{
	const struct view_mount *best = NULL;

	for (size_t i = 0; i < t->mount_count; i++) {
		const struct view_mount *mount = &t->mounts[i];
		if (!view_is_in(real, mount->real, mount->real_length) || (mount->is_file && real[mount->real_length]))
			continue;
		if (!best || mount->real_length > best->real_length)
			best = mount;
	}
	if (!best)
		return false;
	buf_clear(path);
	buf_append_str(path, best->target);
	buf_append_str(path, real + best->real_length);
	return true;
}

static bool real_name(const struct translation *t, int fd, char real[PATH_MAX])
{
	char number[16];
	snprintf(number, sizeof(number), "%d", fd);
	ssize_t length = readlinkat(t->own_fds, number, real, PATH_MAX - 1);

	if (length <= 0 || real[0] != '/')
		return false;
	real[length] = '\0';
	return true;
}

char *view_real_name(const struct translation *t, int fd)
{
	char real[PATH_MAX];

	return real_name(t, fd, real) ? mem_strdup(real) : NULL;
}

bool view_name(const struct translation *t, int fd, struct buf *path)
{
	char real[PATH_MAX];

	if (!real_name(t, fd, real))
		return false;
	/* The list of /proc is a directory of ours (proc_open_list()), also when there is a newer one. */
	size_t length = t->proc_list ? strlen(t->proc_list) : 0;
	if (length && strncmp(real, t->proc_list, length) == 0 &&
	    (!real[length] || strcmp(real + length, " (deleted)") == 0)) {
		buf_clear(path);
		buf_append_str(path, "/proc");
		return true;
	}
	return view_name_of_real(t, real, path);
}

/* ---- Opening ---- */

int view_open_in(int dirfd, const char *path, uint64_t flags, uint64_t resolve)
{
	struct open_how how = {.flags = O_PATH | O_CLOEXEC | flags, .resolve = resolve | RESOLVE_NO_MAGICLINKS};
	long fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

int view_open_canonical(const struct translation *t, const char *path, uint64_t flags)
{
	const struct view_mount *mount = view_mount_of(t, path);
	const char *rest = path + mount->target_length;

	while (*rest == '/')
		rest++;
	if (*rest == '\0')
		return fcntl(mount->fd, F_DUPFD_CLOEXEC, 0);
	return view_open_in(mount->fd, rest, O_NOFOLLOW | flags, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}

/* ---- Life ---- */

static void add_mount(struct translation *t, const char *target, int fd, enum view_kind kind, bool read_only)
{
	char real[PATH_MAX] = "/";
	struct stat st;

	t->mounts = mem_grow(t->mounts, t->mount_count + 1, sizeof(*t->mounts));
	struct view_mount *mount = &t->mounts[t->mount_count++];
	*mount = (struct view_mount){.target = mem_strdup(target), .fd = fd, .kind = kind, .read_only = read_only};
	mount->target_length = strlen(target);
	if (!real_name(t, fd, real))
		snprintf(real, sizeof(real), "/memfd:%p", (void *)mount);
	mount->real = mem_strdup(strcmp(real, "/") == 0 ? "" : real);
	mount->real_length = strlen(mount->real);
	mount->is_file = fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode);
}

static int add_directory(struct translation *t, const char *target, const char *source, enum view_kind kind,
			 bool read_only, struct error **err)
{
	int fd = open(source, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return error_set_errno(err, "open '%s'", source);
	add_mount(t, target, fd, kind, read_only);
	return 0;
}

static const struct {
	const char *name;
	bool is_optional; /* not every container has it */
} dev_nodes[] = {{"null"}, {"zero"}, {"full"}, {"random"}, {"urandom"}, {"tty", true}, {"ptmx", true}};
static const struct {
	const char *name, *target;
} dev_links[] = {{"fd", "/proc/self/fd"},
		 {"stdin", "/proc/self/fd/0"},
		 {"stdout", "/proc/self/fd/1"},
		 {"stderr", "/proc/self/fd/2"}};

/* Names that stand for devices: the directory that lists them is ours, the devices are the host's. */
static int add_dev(struct translation *t, struct error **err)
{
	if (mkdirat(t->scratch, "dev", 0755) < 0)
		return error_set_errno(err, "make a directory for /dev");
	cleanup_close int dev = fd_open_dir(t->scratch, "dev", err);
	if (dev < 0)
		return dev;
	for (size_t i = 0; i < ARRAY_COUNT(dev_nodes); i++)
		if (mknodat(dev, dev_nodes[i].name, S_IFREG | 0666, 0) < 0)
			return error_set_errno(err, "make '/dev/%s'", dev_nodes[i].name);
	for (size_t i = 0; i < ARRAY_COUNT(dev_links); i++)
		if (symlinkat(dev_links[i].target, dev, dev_links[i].name) < 0)
			return error_set_errno(err, "make '/dev/%s'", dev_links[i].name);
	if (mkdirat(dev, "shm", 0700) < 0 || fchmodat(dev, "shm", 01777, 0) < 0 || mkdirat(dev, "mqueue", 0700) < 0 ||
	    fchmodat(dev, "mqueue", 01777, 0) < 0 || mkdirat(dev, "pts", 0755) < 0)
		return error_set_errno(err, "make directories of /dev");
	int fd = openat(dev, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_set_errno(err, "open /dev");
	add_mount(t, "/dev", fd, VIEW_TREE, /* read_only */ false);
	for (size_t i = 0; i < ARRAY_COUNT(dev_nodes); i++) {
		cleanup_free char *path = mem_printf("/dev/%s", dev_nodes[i].name);
		/* In a container ptmx is a link to the one of /dev/pts. */
		int node = open(path, O_PATH | O_CLOEXEC);
		struct stat st;
		if (node < 0 || fstat(node, &st) < 0 || !S_ISCHR(st.st_mode)) {
			fd_close(node);
			if (dev_nodes[i].is_optional)
				continue;
			return error_set(err, ENODEV, "'%s' is not a device", path);
		}
		add_mount(t, path, node, VIEW_DEV, /* read_only */ false);
	}
	return add_directory(t, "/dev/pts", "/dev/pts", VIEW_TREE, false, err);
}

static int add_text(struct translation *t, const char *path, const char *text, struct error **err)
{
	cleanup_free char *where = NULL;

	if (!text)
		return 0;
	/* A file that has a name, by which the kernel can open it as well (O_PATH). */
	cleanup_free char *name = mem_printf("text-%zu", t->mount_count);
	cleanup_close int made = openat(t->scratch, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (made < 0 || fchmod(made, 0644) < 0)
		return error_set_errno(err, "make a file for '%s'", path);
	int rc = fd_write_all(made, text, strlen(text), err);
	int fd = rc < 0 ? rc : openat(t->scratch, name, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return rc < 0 ? rc : error_set_errno(err, "open the file for '%s'", path);
	rc = rootpath_resolve(t->mounts[0].fd, path, &where, err);
	if (rc < 0) {
		fd_close(fd);
		return error_prefix(err, "%s", path);
	}
	add_mount(t, where, fd, VIEW_TREE, /* read_only */ false);
	return 0;
}

/* A new directory in our own. */
static int make_directory(struct translation *t, const struct run_mount *mount, mode_t mode, struct error **err)
{
	cleanup_free char *name = mem_printf("volume-%zu", t->mount_count);

	if (mkdirat(t->scratch, name, 0700) < 0 || fchmodat(t->scratch, name, mode, 0) < 0)
		return error_set_errno(err, "make a directory for '%s'", mount->target);
	int fd = openat(t->scratch, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? error_set_errno(err, "open the directory for '%s'", mount->target) : fd;
}

/* What is written to it is thrown away: it is a copy, which is. */
static int add_copy(struct translation *t, const struct run_mount *mount, const char *where, struct error **err)
{
	cleanup_close int source = mount->source ? open(mount->source, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
						 : openat(mount->source_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (source < 0 || fstat(source, &st) < 0)
		return error_set_errno(err, "mount '%s' on '%s'", mount->source ? mount->source : "", mount->target);
	cleanup_close int fd = make_directory(t, mount, (st.st_mode & 07777) | 0700, err);
	cleanup_close int to = fd < 0 ? fd : openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = fd < 0 ? fd : to < 0 ? error_set_errno(err, "open the copy for '%s'", mount->target) : 0;
	if (rc == 0)
		rc = copy_for_writing(source, to, err);
	if (rc < 0)
		return error_prefix(err, "copy what is mounted on '%s'", mount->target);
	add_mount(t, where, take_fd(&fd), VIEW_TREE, mount->flags & RUN_MOUNT_READ_ONLY);
	return 0;
}

static int add_volume(struct translation *t, const struct run_mount *mount, struct error **err)
{
	cleanup_free char *whole = mount->target[0] == '/'
					   ? mem_strdup(mount->target)
					   : mem_printf("%s/%s", t->spec->cwd ? t->spec->cwd : "", mount->target);
	cleanup_free char *where = NULL;
	int rc = rootpath_resolve(t->mounts[0].fd, whole, &where, err);

	if (rc < 0)
		return error_prefix(err, "mount on '%s'", mount->target);
	if (mount->type == RUN_MOUNT_OVERLAY)
		return add_copy(t, mount, where, err);
	if (mount->type == RUN_MOUNT_TMPFS) {
		int fd = make_directory(t, mount, mount->mode ? mount->mode : 01777, err);
		if (fd < 0)
			return fd;
		add_mount(t, where, fd, VIEW_TREE, mount->flags & RUN_MOUNT_READ_ONLY);
		return 0;
	}
	int fd = mount->source ? open(mount->source, O_PATH | O_CLOEXEC) : fcntl(mount->source_fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0 && mount->flags & RUN_MOUNT_OPTIONAL)
		return 0;
	if (fd < 0)
		return error_set_errno(err, "mount '%s' on '%s'", mount->source ? mount->source : "", mount->target);
	add_mount(t, where, fd, VIEW_TREE, mount->flags & RUN_MOUNT_READ_ONLY);
	return 0;
}

/* The root stays first; of the others the one that is mounted in another before that. */
static int compare_mounts(const void *a, const void *b)
{
	const struct view_mount *x = a, *y = b;

	return x->target_length > y->target_length ? -1 : x->target_length < y->target_length;
}

int view_open(struct translation *t, struct error **err)
{
	const struct run_spec *spec = t->spec;
	int root = spec->root.mounted >= 0 ? spec->root.mounted : spec->root.upper;
	int fd = openat(root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int rc = 0;

	if (fd < 0)
		return error_set_errno(err, "open the step's root");
	struct stat st;
	if (fstat(fd, &st) < 0) {
		fd_close(fd);
		return error_set_errno(err, "look at the step's root");
	}
	t->root_device = st.st_dev;
	add_mount(t, "", fd, VIEW_TREE, spec->root.read_only);
	rc = add_directory(t, "/proc", "/proc", VIEW_PROC, /* read_only */ false, err);
	if (rc == 0)
		rc = add_directory(t, "/sys", "/sys", VIEW_TREE, /* read_only */ true, err);
	if (rc == 0)
		rc = add_dev(t, err);
	if (rc == 0)
		rc = add_text(t, "/etc/hosts", spec->etc_hosts, err);
	if (rc == 0)
		rc = add_text(t, "/etc/resolv.conf", spec->etc_resolv_conf, err);
	if (rc == 0)
		rc = add_text(t, "/etc/hostname", spec->etc_hostname, err);
	if (rc == 0)
		rc = add_text(t, "/run/.containerenv", spec->containerenv, err);
	for (size_t i = 0; rc == 0 && i < spec->mount_count; i++)
		rc = add_volume(t, &spec->mounts[i], err);
	if (rc == 0)
		qsort(t->mounts + 1, t->mount_count - 1, sizeof(*t->mounts), compare_mounts);
	return rc;
}

void view_close(struct translation *t)
{
	for (size_t i = 0; i < t->mount_count; i++) {
		free(t->mounts[i].target);
		free(t->mounts[i].real);
		fd_close(t->mounts[i].fd);
	}
	free(t->mounts);
	t->mounts = NULL;
	t->mount_count = 0;
}
