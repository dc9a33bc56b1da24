/*
 * What this machine refuses, said once per process: a build of many steps would repeat it for each.
 *
 * This is state of the process, as the log's level is, and kept for the same reason: every step of every caller would
 * have to carry it. It is knowledge about the kernel and no setting: it decides what is still tried, never what a step
 * may do.
 */
#ifndef COOPER_RUN_FALLBACK_H
#define COOPER_RUN_FALLBACK_H

#include "base/mem.h"

#include <stdbool.h>

enum fallback { FALLBACK_PROC, FALLBACK_PIVOT, FALLBACK_HOSTNAME, FALLBACK_LIMIT };

/* log_warn(), the first time for each kind; nothing afterwards. */
void fallback_warn(enum fallback which, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* True when it was said: then there is no use in trying the stronger way again. */
bool fallback_is_known(enum fallback which);

#endif
