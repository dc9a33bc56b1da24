/*
 * Paths to numbers: which names a layer has had, and where something is noted about them.
 */
#ifndef COOPER_IMAGEFMT_PATHMAP_H
#define COOPER_IMAGEFMT_PATHMAP_H

#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>

struct path_slot {
	char *path; /* NULL: free */
	uint32_t hash;
	size_t value;
};

struct path_map {		 /* zeroed: empty */
	struct path_slot *slots; /* a power of two of them */
	size_t size;
	size_t count;
};

void path_map_done(struct path_map *map);
CLEANUP_FOR_VALUE(struct path_map, path_map_done)
/* The number noted for the first `length` bytes of `path`, which is put there as `value` when there is none. *added
 * (may be NULL) tells which. The pointer is valid until the next path is added. */
size_t *path_map_put(struct path_map *map, const char *path, size_t length, size_t value, bool *added);
bool path_map_has(const struct path_map *map, const char *path);

#endif
