/* Directories by inode and times. */
#include "imagefmt/dirstate.h"

#include <linux/magic.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>

#include "base/mem.h"

#define ZFS_SUPER_MAGIC 0x2fc12fc1
#define BCACHEFS_SUPER_MAGIC 0xca451a4e

bool dir_state_counts(int fd)
{
	static const uint32_t local[] = {EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC,	  BTRFS_SUPER_MAGIC,
					 TMPFS_MAGIC,	   OVERLAYFS_SUPER_MAGIC, F2FS_SUPER_MAGIC,
					 ZFS_SUPER_MAGIC,  BCACHEFS_SUPER_MAGIC};
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return false;
	for (size_t i = 0; i < ARRAY_COUNT(local); i++)
		if ((uint32_t)fs.f_type == local[i])
			return true;
	return false;
}

struct dir_clock dir_clock_now(void)
{
	struct timespec now = {0};

	/* Not before 1970, so a failure settles nothing. */
	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	return (struct dir_clock){now.tv_sec, now.tv_nsec};
}

struct dir_state dir_state_of(const struct stat *st)
{
	return (struct dir_state){
		.dev = st->st_dev,
		.ino = st->st_ino,
		.mtime_s = st->st_mtim.tv_sec,
		.ctime_s = st->st_ctim.tv_sec,
		.mtime_ns = st->st_mtim.tv_nsec,
		.ctime_ns = st->st_ctim.tv_nsec,
	};
}

bool dir_state_equal(const struct dir_state *one, const struct dir_state *other)
{
	return memcmp(one, other, sizeof(*one)) == 0; /* no holes between the fields */
}

static bool is_older(int64_t s, int64_t ns, const struct dir_clock *now)
{
	return s != now->s ? s < now->s : ns < now->ns;
}

bool dir_state_is_settled(const struct dir_state *state, const struct dir_clock *now)
{
	return (state->mtime_ns != 0 || state->ctime_ns != 0) && is_older(state->mtime_s, state->mtime_ns, now) &&
	       is_older(state->ctime_s, state->ctime_ns, now);
}
