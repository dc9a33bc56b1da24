/*
 * /dev of a step: a directory in memory with the six harmless devices of the host, terminals of its own, shared memory
 * and message queues.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/rootpath.h"
#include "run/channel.h"
#include "run/child_internal.h"
#include "run/mountfd.h"

#define TTY_GROUP 5 /* of every Linux distribution; what devpts(5) is usually mounted with */

struct node {
	const char *path; /* on the host */
	const char *name; /* in /dev */
	unsigned major, minor;
};

/* Linux Documentation/admin-guide/devices.txt */
static const struct node nodes[] = {
	{"/dev/null", "null", 1, 3},	 {"/dev/zero", "zero", 1, 5},	    {"/dev/full", "full", 1, 7},
	{"/dev/random", "random", 1, 8}, {"/dev/urandom", "urandom", 1, 9}, {"/dev/tty", "tty", 5, 0},
};

struct link {
	const char *name, *target;
};

static const struct link links[] = {
	{"fd", "/proc/self/fd"},       {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"},
	{"stderr", "/proc/self/fd/2"}, {"ptmx", "pts/ptmx"},
};

/* Attaches a mount at a name in the new /dev, where nobody else is yet. */
static int attach_below(int mount, int dev, const char *name, struct error **err)
{
	if (move_mount(mount, "", dev, name, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return error_set_errno(err, "attach '/dev/%s'", name);
	return 0;
}

/* An empty file in the new /dev to bind onto. */
static int make_file(int dev, const char *name, struct error **err)
{
	if (mknodat(dev, name, S_IFREG | 0666, 0) < 0)
		return error_set_errno(err, "make '/dev/%s'", name);
	return 0;
}

static int make_nodes(int dev, struct error **err)
{
	for (size_t i = 0; i < ARRAY_COUNT(nodes); i++) {
		cleanup_close int node = mounts_clone_device(nodes[i].path, makedev(nodes[i].major, nodes[i].minor),
							     /* read_only */ false, err);
		int rc = node < 0 ? node : make_file(dev, nodes[i].name, err);
		if (rc == 0)
			rc = attach_below(node, dev, nodes[i].name, err);
		if (rc < 0)
			return rc;
	}
	for (size_t i = 0; i < ARRAY_COUNT(links); i++)
		if (symlinkat(links[i].target, dev, links[i].name) < 0)
			return error_set_errno(err, "make '/dev/%s'", links[i].name);
	return 0;
}

/* Attaches a new file system at /dev/<name>; gives its root. */
static int mount_below(int dev, const char *name, const char *type, const struct mount_option *options, size_t count,
		       struct error **err)
{
	if (mkdirat(dev, name, 0755) < 0)
		return error_set_errno(err, "make '/dev/%s'", name);
	cleanup_close int mount = mountfd_new(type, options, count, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, err);
	int rc = mount < 0 ? mount : attach_below(mount, dev, name, err);
	if (rc < 0)
		return error_prefix(err, "/dev/%s", name);
	return take_fd(&mount);
}

static int bind_below(int dev, const char *name, const char *source, struct error **err)
{
	cleanup_close int tree = mountfd_clone(AT_FDCWD, source, MOUNTFD_RECURSIVE, NULL);

	if (tree < 0)
		return 0; /* the host has none to share */
	if (mkdirat(dev, name, 0755) < 0)
		return error_set_errno(err, "make '/dev/%s'", name);
	return attach_below(tree, dev, name, err);
}

static int mount_shm(uint64_t size, int dev, struct error **err)
{
	cleanup_free char *size_text = mem_printf("%llu", (unsigned long long)size);
	const struct mount_option options[] = {{"mode", "1777"}, {"size", size_text}};
	int shm = mount_below(dev, "shm", "tmpfs", options, ARRAY_COUNT(options), err);

	fd_close(shm);
	return shm < 0 ? shm : 0;
}

/* Where no size is asked for, shared memory is a directory of the file system that /dev is one of, too: it has the
 * usual size, and one file system less is made and ended. */
static int share_staging(struct child *child, int dev, struct error **err)
{
	if (mkdirat(child->staging, "shm", 01777) < 0 || mkdirat(dev, "shm", 0755) < 0)
		return error_set_errno(err, "make '/dev/shm'");
	cleanup_close int shm = mountfd_clone(child->staging, "shm", MOUNTFD_ONE, err);
	return shm < 0 ? shm : attach_below(shm, dev, "shm", err);
}

/* Shared memory and message queues belong to the ipc namespace: new ones with a new namespace, else the host's. */
static int mount_ipc(struct child *child, int dev, struct error **err)
{
	if (!(child->plan->namespaces & CHILD_OWN_IPC)) {
		int rc = bind_below(dev, "shm", "/dev/shm", err);
		return rc < 0 ? rc : bind_below(dev, "mqueue", "/dev/mqueue", err);
	}
	int rc = child->spec->shm_size ? mount_shm(child->spec->shm_size, dev, err) : share_staging(child, dev, err);
	if (rc < 0)
		return rc;
	/* A kernel without POSIX message queues: an empty directory stays, as on such a host. */
	fd_close(mount_below(dev, "mqueue", "mqueue", NULL, 0, NULL));
	return 0;
}

/* The step's terminal: the master goes to the parent, the slave becomes its stdin and /dev/console. */
static int make_terminal(struct child *child, int dev, int pts, struct error **err)
{
	cleanup_close int master = openat(pts, "ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	int unlock = 0;
	unsigned number = 0;

	if (master < 0 || ioctl(master, TIOCSPTLCK, &unlock) < 0 || ioctl(master, TIOCGPTN, &number) < 0)
		return error_set_errno(err, "make a terminal");
	child->terminal = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (child->terminal < 0)
		return error_set_errno(err, "open the terminal");
	if (!child->plan->emulates_ids && fchown(child->terminal, child->user.uid, (gid_t)-1) < 0)
		return error_set_errno(err, "give the terminal to user %u", child->user.uid);
	cleanup_free char *name = mem_printf("%u", number);
	cleanup_close int tree = mountfd_clone(pts, name, MOUNTFD_ONE, err);
	int rc = tree < 0 ? tree : make_file(dev, "console", err);
	if (rc == 0)
		rc = attach_below(tree, dev, "console", err);
	if (rc == 0)
		rc = channel_send(child->plan->channel, CHANNEL_TERMINAL, 0, NULL, 0, master);
	return rc < 0 ? error_prefix(err, "/dev/console") : 0;
}

static int mount_terminals(struct child *child, int dev, struct error **err)
{
	struct mount_option options[] = {{"newinstance", NULL}, {"ptmxmode", "0666"}, {"mode", "0620"}, {"gid", "5"}};
	size_t count = idmap_has(&child->plan->map->gids, TTY_GROUP) ? 4 : 3;
	cleanup_close int pts = mount_below(dev, "pts", "devpts", options, count, err);

	if (pts < 0)
		return pts;
	return child->plan->has_terminal ? make_terminal(child, dev, pts, err) : 0;
}

int dev_mount(struct child *child, struct error **err)
{
	cleanup_close int target = mounts_place(child, "/dev", S_IFDIR, err);
	cleanup_close int dev = target < 0 ? target : mountfd_clone(child->staging, "dev", MOUNTFD_ONE, err);
	int rc = dev < 0 ? dev : mountfd_attach(dev, target, err);

	if (rc == 0)
		rc = make_nodes(dev, err);
	if (rc == 0)
		rc = mount_terminals(child, dev, err);
	if (rc == 0)
		rc = mount_ipc(child, dev, err);
	return rc;
}

/* The devices that the user asked for. */
int dev_mount_given(struct child *child, struct error **err)
{
	for (size_t i = 0; i < child->spec->device_count; i++) {
		const struct run_device *device = &child->spec->devices[i];
		cleanup_close int target = mounts_place(child, device->target, S_IFREG, err);
		cleanup_close int node =
			target < 0 ? target : mounts_clone_device(device->source, /* any */ 0, device->read_only, err);
		int rc = node < 0 ? node : mountfd_attach(node, target, err);
		if (rc < 0)
			return error_prefix(err, "device '%s'", device->source);
	}
	return 0;
}
