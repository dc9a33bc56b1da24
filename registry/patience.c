/*
 * An account of lost time: stretches of the clock go in, a yes or no to further waiting comes out.
 */
#include "registry/patience.h"

/* What would be lost at `until_ms` that has not been counted. */
static int64_t uncounted(const struct patience *patience, int64_t from_ms, int64_t until_ms)
{
	int64_t from = from_ms > patience->counted_until_ms ? from_ms : patience->counted_until_ms;

	return until_ms > from ? until_ms - from : 0;
}

void patience_lose(struct patience *patience, int64_t from_ms, int64_t until_ms)
{
	patience->lost_ms += uncounted(patience, from_ms, until_ms);
	if (until_ms > patience->counted_until_ms)
		patience->counted_until_ms = until_ms;
}

bool patience_wait(struct patience *patience, int64_t now_ms, int64_t wait_ms)
{
	if (patience->lost_ms + uncounted(patience, now_ms, now_ms + wait_ms) > patience->max_ms)
		return false;
	patience_lose(patience, now_ms, now_ms + wait_ms);
	return true;
}

char *patience_explain(const struct patience *patience, int64_t now_ms, int64_t wait_ms)
{
	/* Of what was counted, the part that still lies ahead has not been lost yet. */
	int64_t ahead = patience->counted_until_ms > now_ms ? patience->counted_until_ms - now_ms : 0;

	return mem_printf("waiting %.1f s more would pass --retry-deadline: %.1f s of %.1f s are lost to waiting and "
			  "to attempts that failed",
			  (double)wait_ms / 1000, (double)(patience->lost_ms - ahead) / 1000,
			  (double)patience->max_ms / 1000);
}
