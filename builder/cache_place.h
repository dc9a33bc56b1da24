/*
 * Where a build's cache is exchanged with other machines: what `--cache-to` and `--cache-from` say.
 *
 *	type=registry,ref=NAME[,mode=max]	an image manifest of its own in a registry    (also: NAME alone)
 *	type=local,dest=DIR | src=DIR		the same in an OCI layout
 *	type=inline				in the image that is built (--cache-to only; read with type=registry)
 *
 * NAME alone without a tag is Buildah's form, which means a repository: the cache then has the tag "buildcache", so
 * that no image is replaced.
 */
#ifndef COOPER_BUILDER_CACHE_PLACE_H
#define COOPER_BUILDER_CACHE_PLACE_H

#include "imagefmt/manifest.h"
#include "imagefmt/reference.h"

enum cache_direction { CACHE_FROM, CACHE_TO };
enum cache_kind { CACHE_REGISTRY, CACHE_LOCAL, CACHE_INLINE };
/* The steps whose layers the image has, or all steps of all stages that were built. */
enum cache_mode { CACHE_MIN, CACHE_MAX, CACHE_MODES };

struct cache_place {
	char *text; /* as it was given */
	enum cache_kind kind;
	enum cache_mode mode;
	struct location where; /* of the first two kinds */
	bool ignore_error;     /* an export that fails is a warning */
	bool insecure;	       /* registry.insecure=true */
	enum codec codec;      /* of layers that are packed for it */
	int level;
};

void cache_place_done(struct cache_place *place);
CLEANUP_FOR_VALUE(struct cache_place, cache_place_done)
/* -EINVAL names the key or value at fault. */
int cache_place_parse(const char *text, enum cache_direction direction, struct cache_place *place, struct error **err);

#endif
