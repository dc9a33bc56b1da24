/*
 * Which ids of ours can be ids of a container: found from what this process may do, strongest first
 * (user_namespaces(7), newuidmap(1), subuid(5)).
 *
 *	IDMAP_DIRECT	we hold CAP_SETUID and CAP_SETGID (and CAP_SETFCAP for id 0): the map is written directly and
 *			mirrors our own, extent by extent
 *	IDMAP_SUBIDS	our id is 0 inside, the ranges of /etc/subuid and /etc/subgid follow; written by newuidmap and
 *			newgidmap
 *	IDMAP_SINGLE	our id is 0 inside and there is no other
 */
#ifndef COOPER_RUN_IDMAP_H
#define COOPER_RUN_IDMAP_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum idmap_kind { IDMAP_DIRECT, IDMAP_SUBIDS, IDMAP_SINGLE };

struct id_extent {
	uint32_t inside, outside, count;
};
#define IDMAP_EXTENTS_MAX 340 /* Linux 4.15 */

struct id_extents {
	struct id_extent *items;
	size_t count;
};

struct idmap {
	enum idmap_kind kind;
	struct id_extents uids, gids;
	char *reason; /* why it is not a stronger kind, with the way out; NULL for IDMAP_DIRECT and IDMAP_SUBIDS */
};

void idmap_done(struct idmap *map);
CLEANUP_FOR_VALUE(struct idmap, idmap_done)
/* Reads files and asks the kernel; changes nothing and starts no process. */
int idmap_find(struct idmap *map, struct error **err);
/* The map that this process stands in, for one that is inside already. */
int idmap_current(struct idmap *map, struct error **err);
/* No namespace: our own id stands for root's, and there is no other. Always 0. */
int idmap_own(struct idmap *map);
/* `copy` is the caller's to free. */
void idmap_copy(struct idmap *copy, const struct idmap *map);
/* "u0:1000:1,1:100000:65536;g…": equal maps give equal text. */
MUST_CHECK char *idmap_format(const struct idmap *map);
bool idmap_has(const struct id_extents *extents, uint32_t inside);

#endif
