/*
 * What is to be copied: found by image_sync_find.c (repositories, directories) and image_sync_yaml.c, copied by
 * image_sync.c.
 */
#ifndef COOPER_BUILDER_IMAGE_SYNC_INTERNAL_H
#define COOPER_BUILDER_IMAGE_SYNC_INTERNAL_H

#include "builder/image_sync.h"

/* What one registry's part of a YAML file says of how to talk to it. */
struct sync_access {
	char *credentials; /* "user:password", secret; NULL: as given for all */
	char *cert_dir;
	bool has_tls_verify, tls_verify;
};

struct sync_item {
	char *place;   /* "transport:…" to copy from */
	char *suffix;  /* of the destination: the image's whole name, or its path below the source */
	size_t access; /* which of the plan's */
};

struct sync_plan {
	struct sync_item *items;
	size_t count;
	struct sync_access *accesses; /* the first says nothing */
	size_t access_count;
};

void sync_plan_done(struct sync_plan *plan);
CLEANUP_FOR_VALUE(struct sync_plan, sync_plan_done)
void sync_plan_add(struct sync_plan *plan, const char *place, const char *suffix, size_t access);
/* A new access, borrowed until the next is added. */
struct sync_access *sync_plan_access(struct sync_plan *plan, size_t *number);
/* The registry's options with what an access says in the place of what was given for all. */
struct registry_options sync_registry(const struct sync_plan *plan, size_t access,
				      const struct registry_options *for_all);

/* A repository with all its tags, or one image of it. `repository` has its registry. */
int sync_find_tags(struct workshop *w, const char *repository, const struct registry_options *registry,
		   struct strlist *tags, struct error **err);
int sync_find_docker(struct workshop *w, const char *source, const struct image_sync_options *options,
		     struct sync_plan *plan, struct error **err);
/* Directories below `source` that hold an image (dir:). */
int sync_find_directories(const char *source, struct sync_plan *plan, struct error **err);
/* What a YAML file lists. */
int sync_find_yaml(struct workshop *w, const char *file, const struct image_sync_options *options,
		   struct sync_plan *plan, struct error **err);

#endif
