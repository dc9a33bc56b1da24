/*
 * The record of what a file should be, as 20 bytes in an attribute.
 */
#include "base/owner.h"

#include <endian.h>
#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/ovlmark.h"

/* Little-endian u32: uid, gid, mode, major, minor. */
#define RECORD_WORDS 5
#define RECORD_SIZE (RECORD_WORDS * sizeof(uint32_t))

bool owner_record_is_valid(const struct owner_record *record)
{
	mode_t type = record->mode & S_IFMT;

	if (record->mode & ~(mode_t)(S_IFMT | 07777 | OWNER_HAS_MODE))
		return false;
	if (record->uid == UINT32_MAX || record->gid == UINT32_MAX)
		return false;
	if (type == 0)
		return record->major == 0 && record->minor == 0;
	return type == S_IFCHR || type == S_IFBLK;
}

int owner_get(int fd, struct owner_record *record, struct error **err)
{
	char proc[FD_PROC_PATH_SIZE];
	uint32_t words[RECORD_WORDS];

	ssize_t size = getxattr(fd_proc_path(fd, proc), OWNER_XATTR, words, RECORD_SIZE);
	/* Where user.* cannot be, there is none. */
	if (size < 0 && (errno == EOPNOTSUPP || errno == EPERM))
		errno = ENODATA;
	if (size < 0 && errno != ERANGE)
		return error_set_errno(err, "read " OWNER_XATTR);
	if (size != (ssize_t)RECORD_SIZE)
		return error_set(err, EINVAL, OWNER_XATTR " is not %zu bytes", RECORD_SIZE);
	struct owner_record found = {
		.uid = le32toh(words[0]),
		.gid = le32toh(words[1]),
		.mode = le32toh(words[2]),
		.major = le32toh(words[3]),
		.minor = le32toh(words[4]),
	};
	if (!owner_record_is_valid(&found))
		return error_set(err, EINVAL, OWNER_XATTR " holds no owner that can be");
	*record = found;
	return 0;
}

/* What shuts its owner out takes no attribute where we may not override modes: a default access list has made it so, or
 * it comes from elsewhere. It is opened to us; `meant` is the mode that it had. */
static bool open_to_us(int fd, const char *proc, mode_t *meant)
{
	struct stat st;

	if (errno != EACCES || fstat(fd, &st) < 0)
		return false;
	*meant = st.st_mode & 07777;
	bool is_open = chmod(proc, *meant | (S_ISDIR(st.st_mode) ? 0700 : 0600)) == 0;
	errno = EACCES;
	return is_open;
}

static int set_record(const char *proc, const struct owner_record *record)
{
	const uint32_t words[RECORD_WORDS] = {
		htole32(record->uid),	htole32(record->gid),	htole32(record->mode),
		htole32(record->major), htole32(record->minor),
	};

	return setxattr(proc, OWNER_XATTR, words, RECORD_SIZE, 0);
}

int owner_set(int fd, const struct owner_record *record, struct error **err)
{
	char proc[FD_PROC_PATH_SIZE];
	struct owner_record with_mode = *record;
	mode_t meant;

	if (!owner_record_is_valid(record))
		return error_set(err, EINVAL, "owner %u:%u with mode %o cannot be recorded", record->uid, record->gid,
				 record->mode);
	if (set_record(fd_proc_path(fd, proc), record) == 0)
		return 0;
	if (!open_to_us(fd, proc, &meant))
		return error_set_errno(err, "set " OWNER_XATTR);
	if (!(record->mode & OWNER_HAS_MODE))
		with_mode.mode |= OWNER_HAS_MODE | meant;
	return set_record(proc, &with_mode) < 0 ? error_set_errno(err, "set " OWNER_XATTR) : 0;
}

int owner_clear(int fd, struct error **err)
{
	char proc[FD_PROC_PATH_SIZE];
	mode_t meant;

	if (removexattr(fd_proc_path(fd, proc), OWNER_XATTR) == 0 || errno == ENODATA)
		return 0;
	if (!open_to_us(fd, proc, &meant))
		return error_set_errno(err, "remove " OWNER_XATTR);
	int code = removexattr(proc, OWNER_XATTR) < 0 && errno != ENODATA ? errno : 0;
	chmod(proc, meant);
	errno = code;
	return code ? error_set_errno(err, "remove " OWNER_XATTR) : 0;
}

void owner_apply(const struct owner_record *record, struct stat *st)
{
	mode_t type = record->mode & S_IFMT;
	/* The file's own mode has set-id bits besides, and the kernel takes them from that when the file is written. */
	mode_t lost = S_ISREG(st->st_mode) ? (S_ISUID | S_ISGID) & ~st->st_mode : 0;

	st->st_uid = record->uid;
	st->st_gid = record->gid;
	st->st_mode = (type ? type : st->st_mode & S_IFMT) |
		      ((record->mode & OWNER_HAS_MODE ? record->mode & ~lost : st->st_mode) & 07777);
	if (type)
		st->st_rdev = makedev(record->major, record->minor);
}

bool owner_is_root(void)
{
	const uint64_t needed = UINT64_C(1) << CAP_CHOWN | UINT64_C(1) << CAP_DAC_OVERRIDE | UINT64_C(1) << CAP_SETUID |
				UINT64_C(1) << CAP_SETGID;
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {0};

	return geteuid() == 0 && syscall(SYS_capget, &header, data) == 0 && (data[0].effective & needed) == needed;
}

const char *owner_capability_xattr(void)
{
	return owner_is_root() ? "security.capability" : OVLMARK_CAPABILITY;
}

void owner_see(struct stat *st)
{
	/* Most files are root's: these two ask the kernel. */
	if (st->st_uid != 0 && st->st_uid == geteuid())
		st->st_uid = 0;
	if (st->st_gid != 0 && st->st_gid == getegid())
		st->st_gid = 0;
}

int owner_set_mode(int fd, mode_t mode)
{
	struct owner_record record = {0};
	struct stat st;

	mode &= 07777;
	if (fstat(fd, &st) < 0)
		return -errno;
	bool is_root = owner_is_root();
	mode_t kept = is_root ? mode : mode | (S_ISDIR(st.st_mode) ? 0700 : 0600);
	bool has_record = !is_root && owner_get(fd, &record, NULL) == 0;
	if (kept != mode || (has_record && record.mode & OWNER_HAS_MODE)) {
		record.mode = (record.mode & S_IFMT) | (kept != mode ? OWNER_HAS_MODE | mode : 0);
		int rc = owner_set(fd, &record, NULL);
		if (rc < 0)
			return rc;
	}
	return fchmod(fd, kept) < 0 ? -errno : 0;
}
