/*
 * A session where no user namespace has made us root (emulation.h, `without_namespace`). What is root's there is ours
 * on the disk, and the kernel does not open it to us as it would to root: what the session's root may read, we must be
 * able to read. So in the trees of containers a mode that would shut us out is written down, and the file's own has the
 * owner's bits besides, as in a translated root (translate_make.c). Elsewhere modes are the kernel's: they protect what
 * is ours.
 */
#include <errno.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "run/emul_internal.h"

/* What user_namespaces(7), "Unmapped user and group IDs", shows. */
#define NOBODY 65534

void emul_see(const struct emulation *e, struct stat *st)
{
	if (!e->shows_others)
		return;
	st->st_uid = st->st_uid == geteuid() ? 0 : NOBODY;
	st->st_gid = st->st_gid == getegid() ? 0 : NOBODY;
}

bool emul_keeps_modes(struct emulation *e, int fd)
{
	char proc[FD_PROC_PATH_SIZE];
	char path[PATH_MAX];
	struct emulation_place place;

	if (!e->options.without_namespace || !e->options.find_place)
		return false;
	ssize_t length = readlink(fd_proc_path(fd, proc), path, sizeof(path) - 1);
	path[length > 0 ? length : 0] = '\0';
	return e->options.find_place(e->options.place_context, path, &place);
}

static mode_t needed_bits(mode_t type)
{
	return S_ISDIR(type) ? 0700 : 0600;
}

bool emul_is_shut(mode_t mode)
{
	return !S_ISLNK(mode) && (mode & needed_bits(mode)) != needed_bits(mode);
}

mode_t emul_split_mode(mode_t type, mode_t mode, struct owner_record *record)
{
	mode_t meant = mode & 07777;
	mode_t real = meant | needed_bits(type);

	record->mode = (record->mode & S_IFMT) | (real != meant ? OWNER_HAS_MODE | meant : 0);
	return real;
}

int emul_set_mode(struct emulation *e, int fd, mode_t mode)
{
	char proc[FD_PROC_PATH_SIZE];
	struct owner_record record = {0};
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	fd_proc_path(fd, proc);
	/* What is shut neither shows a record nor takes one. */
	if (emul_is_shut(st.st_mode) && chmod(proc, (st.st_mode & 07777) | needed_bits(st.st_mode)) < 0)
		return -errno;
	emul_record_find(e, fd, &record);
	mode_t before = record.mode;
	mode_t real = emul_split_mode(st.st_mode, mode, &record);
	int rc = record.mode == before ? 0 : emul_record_set(e, fd, &record);
	return rc == 0 && chmod(proc, real) < 0 ? -errno : rc;
}

static bool has_default_acl(int directory)
{
	char proc[FD_PROC_PATH_SIZE];

	return getxattr(fd_proc_path(directory, proc), "system.posix_acl_default", NULL, 0) > 0;
}

int emul_dress(struct emulation *e, int fd, int parent, mode_t mode, mode_t umask, struct owner_record *record)
{
	char proc[FD_PROC_PATH_SIZE];
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	mode_t wanted = has_default_acl(parent) ? (mode & 07000) | (st.st_mode & 0777) : mode & ~umask & 07777;
	/* mkdir(2) takes no set-id bits, and hands the directory's on. */
	if (S_ISDIR(st.st_mode))
		wanted = (wanted & 01777) | (st.st_mode & S_ISGID);
	if (emul_keeps_modes(e, parent))
		wanted = emul_split_mode(st.st_mode, wanted, record);
	if (wanted == (st.st_mode & 07777))
		return 0;
	return chmod(fd_proc_path(fd, proc), wanted) < 0 ? -errno : 0;
}

void emul_drop_capability(struct emulation *e, int fd)
{
	char proc[FD_PROC_PATH_SIZE];

	/* What the kernel keeps it has dropped by itself. */
	if (e->options.without_namespace && !owner_is_root() && emul_keeps_modes(e, fd))
		removexattr(fd_proc_path(fd, proc), owner_capability_xattr());
}
