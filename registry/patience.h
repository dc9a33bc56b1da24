/*
 * How much time all requests of one client together may lose (--retry-deadline): waiting between attempts, and in
 * attempts that came to nothing. Time in which things go well is none of it, however long they take, and where several
 * requests wait side by side it counts once. All times are milliseconds of http_transport_now_ms().
 */
#ifndef COOPER_REGISTRY_PATIENCE_H
#define COOPER_REGISTRY_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/mem.h"

struct patience {
	int64_t max_ms;
	int64_t lost_ms;
	int64_t counted_until_ms; /* what lies before is in lost_ms, or was well spent */
};

/* From one time to another (later or the same; it may lie ahead), but for what has been counted before. */
void patience_lose(struct patience *patience, int64_t from_ms, int64_t until_ms);
/* The same with a wait that begins now, as long as there is time for it; else nothing changes, and it is false. */
bool patience_wait(struct patience *patience, int64_t now_ms, int64_t wait_ms);
/* What to tell those whose wait was refused. */
MUST_CHECK char *patience_explain(const struct patience *patience, int64_t now_ms, int64_t wait_ms);

#endif
