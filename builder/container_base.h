/*
 * What of a container only a commit changes, and what is large: its layers, their history, and its base's manifest.
 * They lie in a file of their own beside state.json, containers/<id>/base-<random>, which is written when they have
 * changed and never again. state.json says which file it is, so that there is one rename that makes a change true.
 *
 * It is no JSON, because a container on 400 layers is read by every command that names it, but a list of fields
 * (base/fields.h).
 */
#ifndef COOPER_BUILDER_CONTAINER_BASE_H
#define COOPER_BUILDER_CONTAINER_BASE_H

#include "builder/container.h"

#define CONTAINER_BASE_SIZE_MAX ((size_t)16 << 20)

/* What a container's file has, as it was read or written last. */
struct container_base {
	char *name; /* NULL: there is none */
	struct buf text;
	bool has_others; /* files of earlier states may lie beside it */
};
void container_base_free(struct container_base *base);
CLEANUP_FOR(struct container_base, container_base_free)

/* What `from` (may be NULL) has, to an empty one. */
void container_base_copy(const struct container_base *from, struct container_base *to);

void container_base_format(const struct container *c, struct buf *text);
/* Adds to `c` what the text has. -EINVAL names `what`. */
int container_base_parse(const struct buf *text, const char *what, struct container *c, struct error **err);

/* Reads <id>/<name> below dirfd into `c`, whose state was parsed. -ENOENT. */
int container_base_load(int dirfd, const char *id, const char *name, struct container *c, struct error **err);
/* Sees to it that there is such a file in `dir`, on disk; *name is newly allocated. */
int container_base_save(int dir, const struct container *c, char **name, struct error **err);
/* Removes the others, when state.json names this one. */
void container_base_tidy(int dir, const struct container *c, const char *name);

#endif
