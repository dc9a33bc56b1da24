/*
 * Every call that a step in a translated root may make, and who carries it out (translate_calls.c).
 */
#ifndef COOPER_RUN_TRANSLATE_CALLS_H
#define COOPER_RUN_TRANSLATE_CALLS_H

#include "run/supervisor.h"

/* Static, closed. */
const struct trap_table *translation_table(void);

#endif
