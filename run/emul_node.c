/*
 * mknod(2). A device that the kernel refuses is an empty file with a record; in the layer it is a device. FIFOs and the
 * like are real, and only their owner may have to be written down.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "run/emul_internal.h"

static bool is_device(mode_t mode)
{
	return S_ISCHR(mode) || S_ISBLK(mode);
}

/* 0:0 is overlayfs' mark of a removed file: who makes one means that, and the kernel lets him or not. */
static bool is_whiteout(mode_t mode, dev_t dev)
{
	return S_ISCHR(mode) && dev == 0;
}

/* The kernel's own form of the argument: 12 bits of major, 20 of minor, interleaved as in makedev(3). */
static void set_numbers(struct owner_record *record, uint32_t dev)
{
	record->major = (dev & 0xfff00) >> 8;
	record->minor = (dev & 0xff) | (dev >> 12 & 0xfff00);
}

struct node {
	int parent;
	const char *leaf;
	mode_t mode; /* with its type */
	mode_t umask;
	uint32_t dev;
};

/* A new empty file. */
static int open_placeholder(const struct node *node)
{
	return openat(node->parent, node->leaf, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		      node->mode & 0777);
}

/* The kernel makes it; the name is new, so what it leads to is what was made. */
static int open_node(const struct node *node)
{
	if (mknodat(node->parent, node->leaf, node->mode & (S_IFMT | 0777), 0) < 0)
		return -1;
	return openat(node->parent, node->leaf, O_PATH | O_NOFOLLOW | O_CLOEXEC);
}

/* What is to be written down of its mode is added to *record. */
static int make_node(struct emulation *e, const struct node *node, struct owner_record *record)
{
	cleanup_close int fd = is_device(node->mode) ? open_placeholder(node) : open_node(node);

	if (fd < 0)
		return -errno;
	int rc = emul_dress(e, fd, node->parent, node->mode, node->umask, record);
	if (rc < 0) {
		unlinkat(node->parent, node->leaf, 0);
		return rc;
	}
	return take_fd(&fd);
}

/* ---- Where ids are mapped ---- */

static int record_device(struct emulation *e, const struct node *node)
{
	struct owner_record record = {.mode = node->mode & S_IFMT};
	cleanup_close int fd = make_node(e, node, &record);

	if (fd < 0)
		return fd;
	/* Its owner is the file's, which the kernel keeps, and is looked up when the layer is made. */
	set_numbers(&record, node->dev);
	int rc = emul_record_set_aside(e, fd, &record);
	if (rc < 0)
		unlinkat(node->parent, node->leaf, 0);
	return rc;
}

static void record_mknod(struct emulation *e, const struct trap *trap, int dirfd, const uint64_t *args,
			 struct answer *answer)
{
	char leaf[NAME_MAX + 1];
	struct emul_status status;
	mode_t mode = (mode_t)args[1];

	if (is_whiteout(mode, (dev_t)args[2]) || emul_read_status(trap, &status) < 0)
		return;
	/* Who could not make it as root of the host either gets the kernel's answer. */
	if (status.fs_uid != 0)
		return;
	if (e->root < 0)
		emul_find_root(e, e->first);
	cleanup_close int parent = emul_open_parent(e, trap, dirfd, args[0], leaf);
	if (parent < 0)
		return;
	const struct node node = {
		.parent = parent, .leaf = leaf, .mode = mode, .umask = status.umask, .dev = (uint32_t)args[2]};
	emul_return(answer, record_device(e, &node));
}

void emul_record_mknod(void *context, const struct trap *trap, struct answer *answer)
{
	record_mknod(context, trap, AT_FDCWD, trap->args, answer);
}

void emul_record_mknodat(void *context, const struct trap *trap, struct answer *answer)
{
	record_mknod(context, trap, (int)trap->args[0], trap->args + 1, answer);
}

/* ---- Where they are not ---- */

static int make_owned(struct emulation *e, const struct node *node, const struct owner_record *owner)
{
	struct owner_record record = *owner;
	cleanup_close int fd = make_node(e, node, &record);

	if (fd < 0)
		return fd;
	if (is_device(node->mode)) {
		record.mode |= node->mode & S_IFMT;
		set_numbers(&record, node->dev);
	}
	int rc = emul_record_set(e, fd, &record);
	if (rc < 0)
		unlinkat(node->parent, node->leaf, 0);
	return rc;
}

static void answer_mknod(struct emulation *e, const struct trap *trap, int dirfd, const uint64_t *args,
			 struct answer *answer)
{
	char leaf[NAME_MAX + 1];
	struct emul_status status;
	mode_t mode = (mode_t)args[1];
	const struct task *task = emul_task(e, trap);

	if (!task || (is_whiteout(mode, (dev_t)args[2]) && !e->options.without_namespace))
		return;
	const struct credentials *c = task->credentials;
	/* Also who has no CAP_MKNOD is shown one as root: containers are not given it by default, and a device that is
	 * only written down can do no harm. */
	if (is_device(mode) && c->uid[ID_FS] != 0) {
		emul_return(answer, -EPERM);
		return;
	}
	struct owner_record owner;
	cleanup_close int parent = emul_open_parent(e, trap, dirfd, args[0], leaf);
	if (parent >= 0 && is_whiteout(mode, (dev_t)args[2])) {
		/* As an overlay answers; the tree would have one mark more. */
		if (emul_keeps_modes(e, parent))
			emul_return(answer, -EPERM);
		return;
	}
	if (parent < 0 || emul_new_owner(e, c, parent, &owner) < 0)
		return;
	/* What the kernel makes is root's. */
	if ((!is_device(mode) && owner.uid == 0 && owner.gid == 0) || emul_read_status(trap, &status) < 0)
		return;
	const struct node node = {
		.parent = parent,
		.leaf = leaf,
		.mode = emul_new_mode(c, &owner, mode & S_IFMT ? mode : mode | S_IFREG),
		.umask = status.umask,
		.dev = (uint32_t)args[2],
	};
	emul_return(answer, make_owned(e, &node, &owner));
}

void emul_mknod(void *context, const struct trap *trap, struct answer *answer)
{
	answer_mknod(context, trap, AT_FDCWD, trap->args, answer);
}

void emul_mknodat(void *context, const struct trap *trap, struct answer *answer)
{
	answer_mknod(context, trap, (int)trap->args[0], trap->args + 1, answer);
}
