/*
 * A budget for what a step may write: user namespaces have no quotas, so the upper directory is watched. A step can
 * pass the budget by what it writes between two looks; the budget keeps a disk from filling, it does not account.
 */
#ifndef COOPER_RUN_DISK_H
#define COOPER_RUN_DISK_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

#define DISK_INTERVAL_MS 200

struct disk {
	int upper;
	uint64_t limit, before; /* bytes on disk */
	uint64_t free_before;	/* of the file system */
	unsigned looks;
	int64_t looked_ms; /* when, by the monotonic clock */
};

/* Measures what is there. `limit` counts what is added from now on. */
int disk_init(struct disk *disk, int upper, uint64_t limit, struct error **err);
/* To be called at least every DISK_INTERVAL_MS; it looks no more often than that. True when the budget is spent. */
bool disk_is_spent(struct disk *disk);
/* The same at the end of the step, whenever the last look was. */
bool disk_was_spent(const struct disk *disk);

#endif
