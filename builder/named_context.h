/*
 * --build-context: "name=where", and "name::os/arch=where" for one platform. They take the place of stages and images;
 * "alpine" also means docker.io/library/alpine:latest.
 */
#ifndef COOPER_BUILDER_NAMED_CONTEXT_H
#define COOPER_BUILDER_NAMED_CONTEXT_H

#include "base/strlist.h"
#include "imagefmt/platform.h"

/* The number of the entry that `name` means for `platform` (NULL: only what is for all of them), or SIZE_MAX; *where is
 * what it names, borrowed. `contexts` and `name` may be NULL. "scratch" and "context" always mean something else. */
size_t named_context_find(const struct strlist *contexts, const char *name, const struct platform *platform,
			  const char **where);
/* "docker-image://…", "oci-layout://…": the image's name as acquire_image() takes it, newly allocated; NULL for what is
 * a directory or an address. */
MUST_CHECK char *named_context_image(const char *where);

#endif
