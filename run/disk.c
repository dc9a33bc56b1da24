/*
 * Watches how much a step has written.
 */
#include "run/disk.h"

#include <sys/statvfs.h>
#include <time.h>

#include "base/tree.h"

/* A walk over the tree costs; the file system's own count is free of charge. Every so often the tree is looked at even
 * if that count says that there is no need, because others may have freed what the step has taken. */
#define LOOKS_PER_WALK 10

static uint64_t free_bytes(int fd)
{
	struct statvfs fs;

	return fstatvfs(fd, &fs) < 0 ? 0 : (uint64_t)fs.f_bfree * fs.f_frsize;
}

int disk_init(struct disk *disk, int upper, uint64_t limit, struct error **err)
{
	struct tree_usage usage = {0};
	int rc = tree_usage(upper, &usage, err);

	if (rc < 0)
		return error_prefix(err, "measure what the container has written");
	*disk = (struct disk){.upper = upper, .limit = limit, .before = usage.blocks, .free_before = free_bytes(upper)};
	return 0;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* -errno when it cannot be measured. */
static int is_over_limit(const struct disk *disk)
{
	struct tree_usage usage = {0};
	int rc = tree_usage(disk->upper, &usage, NULL);

	return rc < 0 ? rc : usage.blocks > disk->before && usage.blocks - disk->before > disk->limit;
}

bool disk_is_spent(struct disk *disk)
{
	int64_t now = now_ms();

	if (!disk->limit || now - disk->looked_ms < DISK_INTERVAL_MS)
		return false;
	disk->looked_ms = now;
	uint64_t now_free = free_bytes(disk->upper);
	uint64_t taken = now_free < disk->free_before ? disk->free_before - now_free : 0;

	disk->looks++;
	if (taken <= disk->limit && disk->looks % LOOKS_PER_WALK != 0)
		return false;
	/* The step changes the tree while we look; what has vanished counts as not there. A tree that cannot be
	 * measured (deeper than we may have descriptors) is no way around the limit. */
	int over = is_over_limit(disk);
	return over < 0 ? taken > disk->limit : over;
}

bool disk_was_spent(const struct disk *disk)
{
	return disk->limit && is_over_limit(disk) > 0;
}
