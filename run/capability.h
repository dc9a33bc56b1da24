/*
 * Sets of capabilities as bit masks, and their names.
 */
#ifndef COOPER_RUN_CAPABILITY_H
#define COOPER_RUN_CAPABILITY_H

#include "base/error.h"
#include "base/strlist.h"

#include <stdint.h>

/* "CAP_CHOWN", "cap_chown" and "chown" are the same; a number is not a name. -EINVAL for what is none. */
int capability_number(const char *name);
/* Applies names ("CAP_CHOWN", "chown", "all") to a set. -EINVAL names the unknown one. */
int capability_add(uint64_t *set, const struct strlist *names, struct error **err);
int capability_drop(uint64_t *set, const struct strlist *names, struct error **err);
/* The eleven that a step gets when nothing else is said: those of containers.conf. */
uint64_t capability_defaults(void);
/* "CAP_CHOWN", ... in the order of their numbers. */
void capability_names(uint64_t set, struct strlist *names);

#endif
