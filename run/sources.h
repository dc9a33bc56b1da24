/*
 * What a step's mounts are made of, taken before the fork: the root and the volumes, as mounts that are attached
 * nowhere yet. A descriptor can be bound only in the mount namespace in which it was opened (mount_namespaces(7)), so
 * the parent makes them and the child, in its own namespace, only decides where they go.
 */
#ifndef COOPER_RUN_SOURCES_H
#define COOPER_RUN_SOURCES_H

#include "run/spec.h"

/* A directory that was made for the step and is removed after it. */
struct leftover {
	int dirfd; /* owned */
	char *name;
	bool is_spare; /* a work directory in a scratch of ours: kept for the next step (run/overlay.h) */
};

struct sources {
	int root;	/* detached mount */
	int record;	/* where places that are made in the root show up (run/stubs.h); -1: nowhere outside the step */
	int throwaway;	/* its upper, when that is thrown away: owned */
	bool read_only; /* the root is to be made read-only when it is furnished */
	int *volumes;	/* detached mounts, as spec->mounts; -1 for those in memory and those left out */
	size_t volume_count;
	struct leftover *leftovers;
	size_t leftover_count;
};
#define SOURCES_INIT ((struct sources){.root = -1, .record = -1, .throwaway = -1})

/* Errors name the volume. */
int sources_open(const struct run_spec *spec, struct sources *sources, struct error **err);
/* Closes the mounts; to be called in the parent when the child has its copies, so that they end with the child. */
void sources_close(struct sources *sources);
/* When the step has ended: removes what was made. */
void sources_remove(struct sources *sources);

#endif
