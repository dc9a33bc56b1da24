/*
 * registries.conf (containers-registries.conf(5), version 2): where a repository really is, which mirrors to ask
 * before it, what is blocked and what may be talked to without TLS. Beside it BUILD_REGISTRY_SOURCES, by which
 * OpenShift restricts its builds.
 */
#ifndef COOPER_REGISTRY_REGISTRIES_H
#define COOPER_REGISTRY_REGISTRIES_H

#include "base/conffile.h"
#include "base/strlist.h"
#include "imagefmt/reference.h"

#include <stdbool.h>

/* Gives each file that is to be read to `take`, what counts more coming later: the one of CONTAINERS_REGISTRIES_CONF
 * alone, or the system's and the user's, each with its drop-ins. */
int registries_read_files(conf_file_take *take, void *context, struct error **err);

struct registries;

int registries_load(struct registries **registries, struct error **err);
void registries_free(struct registries *registries);
CLEANUP_FOR(struct registries, registries_free)

/* One repository on one registry. */
struct registry_place {
	char *domain;
	char *path; /* NULL for the registry itself */
	bool insecure;
	bool is_mirror;
};

struct registry_places {
	struct registry_place *items;
	size_t count;
};
void registry_places_done(struct registry_places *places);
CLEANUP_FOR_VALUE(struct registry_places, registry_places_done)

/* Where to pull `ref` from, in order: mirrors that may serve it, then the place itself. -EPERM when it is blocked. */
int registries_pull_places(const struct registries *registries, const struct reference *ref,
			   struct registry_places *places, struct error **err);
/* Where `ref` is pushed to and managed: always its own name, since mirrors and other locations are for pulls. -EPERM
 * when it is blocked. */
int registries_own_place(const struct registries *registries, const struct reference *ref, struct registry_place *place,
			 struct error **err);
void registry_place_done(struct registry_place *place);
CLEANUP_FOR_VALUE(struct registry_place, registry_place_done)
/* "containers-auth.json" and names of helpers, in the order in which they are asked for credentials; empty when
 * nothing is said. Borrowed. */
const struct strlist *registries_credential_helpers(const struct registries *registries);

#endif
