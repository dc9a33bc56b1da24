/*
 * The isolation ladder (docs/rootless.md): which rung this machine gives, found by doing each thing in a child.
 */
#ifndef COOPER_RUN_LADDER_H
#define COOPER_RUN_LADDER_H

#include "base/error.h"
#include "run/idmap.h"

enum rung { RUNG_NONE = 0, RUNG_1 = 1, RUNG_2, RUNG_1P, RUNG_2P, RUNG_3, RUNG_4 }; /* strongest first after NONE */

struct ladder_probe {
	const char *name;  /* "user namespace", "overlay", "fresh /proc", … */
	int code;	   /* 0, or the positive errno it failed with */
	const char *means; /* what its failure costs, for people */
};
#define LADDER_PROBES_MAX 24

struct ladder {
	enum rung rung;
	struct ladder_probe probes[LADDER_PROBES_MAX];
	size_t probe_count;
	char *remedy; /* the one change that would raise the rung; NULL on the first */
};

void ladder_done(struct ladder *ladder);
CLEANUP_FOR_VALUE(struct ladder, ladder_done)
/* Tries everything in children; a few milliseconds. `upper_dir` is a directory where containers will live. */
int ladder_find(const struct idmap *map, int upper_dir, struct ladder *ladder, struct error **err);
const char *rung_name(enum rung rung); /* "1", "2", "1p", … "none" */
int rung_parse(const char *text, enum rung *rung, struct error **err);

#endif
