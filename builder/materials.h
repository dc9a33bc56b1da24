/*
 * What a build was made of, besides the user's own files: base images, repositories, downloads. Each as an address and,
 * where it is known, a digest. Passwords in addresses are left out.
 */
#ifndef COOPER_BUILDER_MATERIALS_H
#define COOPER_BUILDER_MATERIALS_H

#include "base/mem.h"
#include "imagefmt/digest.h"

#include <stdbool.h>

struct build;

struct material {
	char *uri;	  /* of an image a package URL, "pkg:docker/NAME@TAG?platform=linux%2Famd64" */
	char *algorithm;  /* "sha256", "gitCommit" (as in-toto's DigestSet has it); NULL: the digest is not known */
	char *value;	  /* hex digits */
	char *image_name; /* NULL when it is none */
};

struct materials {
	struct material *items; /* each once */
	size_t count;
};
void materials_done(struct materials *materials);
CLEANUP_FOR_VALUE(struct materials, materials_done)

/* What the stages that the target needs name; of ADD what is pinned has a digest. */
void materials_gather(const struct build *build, struct materials *materials);

/* "pkg:docker/…" of an image's name (with tag, without digest); `platform` as text or NULL. */
MUST_CHECK char *material_image_uri(const char *name, const char *platform);

#endif
