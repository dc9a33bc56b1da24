/*
 * What idmap_find() looks at, so that tests can give it files and privileges of their own.
 */
#ifndef COOPER_RUN_IDMAP_INTERNAL_H
#define COOPER_RUN_IDMAP_INTERNAL_H

#include "run/idmap.h"

#include <stddef.h>

struct idmap_sources {
	const char *subuid, *subgid;   /* paths of /etc/subuid and /etc/subgid */
	const char *uid_map, *gid_map; /* paths of /proc/self/uid_map and gid_map */
	const char *name;	       /* of the account; NULL when it has none */
	uid_t uid;
	gid_t gid;
	bool can_map_directly;	    /* CAP_SETUID, CAP_SETGID and CAP_SETFCAP are held */
	const char *helper_trouble; /* why newuidmap and newgidmap cannot work here; NULL when they can */
};

int idmap_choose(const struct idmap_sources *sources, struct idmap *map, struct error **err);

/* Appends the ranges that text in the format of subuid(5) gives to the account, as extents that follow what is there.
 * Lines that make no sense are skipped, as shadow does. `name` may be NULL. */
void idmap_parse_subids(const char *text, const char *name, uid_t id, struct id_extents *extents);
/* The lines of /proc/PID/uid_map. -EINVAL. */
int idmap_parse_proc(const char *text, struct id_extents *extents, struct error **err);

/* The lines for a file uid_map: "inside outside count\n". */
MUST_CHECK char *idmap_lines(const struct id_extents *extents);
/* The same ids inside as outside: what a nested namespace gets, extent by extent, because an extent may not span two
 * of its parent's (user_namespaces(7)). */
MUST_CHECK char *idmap_identity_lines(const struct id_extents *extents);

#endif
