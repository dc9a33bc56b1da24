/*
 * What registries_parse.c makes of the files and registries.c looks names up in.
 */
#ifndef COOPER_REGISTRY_REGISTRIES_INTERNAL_H
#define COOPER_REGISTRY_REGISTRIES_INTERNAL_H

#include "base/json.h"
#include "registry/registries.h"

enum mirror_use { MIRROR_ALL, MIRROR_DIGEST_ONLY, MIRROR_TAG_ONLY };

struct registry_mirror {
	char *location;
	bool insecure;
	enum mirror_use use;
};

/* One [[registry]]. */
struct registry_entry {
	char *prefix;	/* "host[:port][/path[:tag][@digest]]" or "*.domain" */
	char *location; /* NULL: the name stays as it is */
	bool insecure;
	bool blocked;
	struct registry_mirror *mirrors;
	size_t mirror_count;
};

struct registries {
	struct registry_entry *entries;
	size_t entry_count;
	struct strlist helpers;
	/* BUILD_REGISTRY_SOURCES: hosts, or names in them */
	struct strlist insecure, blocked, allowed;
};

void registry_entry_done(struct registry_entry *entry);
CLEANUP_FOR_VALUE(struct registry_entry, registry_entry_done)
/* A conf_file_take: adds a file's registries, each in place of one with the same prefix. `context` is the
 * struct registries. */
int registries_take_file(const struct json_place *root, void *context, struct error **err);

#endif
