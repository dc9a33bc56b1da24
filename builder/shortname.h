/*
 * Names without a registry ("debian", "me/app"): where they may lie, by registries.conf(5): an alias decides alone,
 * else every registry of unqualified-search-registries is tried in order; without any configuration that is docker.io.
 * Nobody is ever asked: where short-name-mode is "enforcing" and several registries may be meant, it is an error.
 */
#ifndef COOPER_BUILDER_SHORTNAME_H
#define COOPER_BUILDER_SHORTNAME_H

#include "base/error.h"
#include "base/strlist.h"

/* The repositories ("registry/path") that `path` may mean. -EINVAL for a configuration that cannot be read. */
int shortname_candidates(const char *path, struct strlist *repositories, struct error **err);

#endif
