/*
 * What a build that succeeded says of itself: where the time went, what came from the cache, how large each new layer
 * is. A table for people, the same as JSON for --metadata-file and --progress=json.
 *
 *	   TIME      SIZE  STEP
 *	  3.10s   12.3 MB  [1/2] 2/4: RUN make
 *	cached    1.2 KB  [2/2] 2/3: COPY --from=make /app /app
 *	1 of 2 steps from the cache; 3.40s
 */
#ifndef COOPER_CMD_BUILD_REPORT_H
#define COOPER_CMD_BUILD_REPORT_H

#include "base/json.h"
#include "builder/build.h"

/* Says it the way the options have: as lines, or as one event. Nothing with options->quiet. `platform`:
 * which of several the event is about, or NULL. */
void build_report_say(const struct build_options *options, const char *platform, const struct build_result *result,
		      bool as_event);
/* {"elapsed_ms":3400,"images_ms":100,"steps":5,"cached":1,"report":[{"stage":…,"step":2,"steps":4,"text":…,
 *  "cached":false,"elapsed_ms":3100,"layer":"sha256:…","size":12345}]}. */
MUST_CHECK json_t *build_report_json(const struct build_result *result);

#endif
