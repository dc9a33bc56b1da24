/*
 * What a stage's steps read when it was built last, kept in the store's cache/explain/<place>: so that a build can say
 * why a step is not in the cache (--explain). It holds names and small hashes (key_parts.h), no values. Nothing depends
 * on it, and it may go at any time.
 *
 *	explain_open → for each step: explain_knows ? explain_note(…, NULL) : explain_note(…, parts)
 *	               where a reason is wanted: explain_compare
 *	explain_save → explain_close
 */
#ifndef COOPER_BUILDER_EXPLAIN_H
#define COOPER_BUILDER_EXPLAIN_H

#include "builder/key_parts.h"
#include "imagefmt/store.h"

#define EXPLAIN_FOLDER "explain" /* in cache/ */

struct explain;

/* Never fails: without a record everything is new. `place` names the stage on this machine, `count` is how many steps
 * it has now. */
MUST_CHECK struct explain *explain_open(struct store *store, const struct digest *place, size_t count);
void explain_close(struct explain *explain);
CLEANUP_FOR(struct explain, explain_close)

/* A step of this build, by its number (below `count`) and the text of its instruction. */
struct explain_step {
	size_t number;
	const char *text;
	const struct digest *key;
};
/* True when the parts of this key are there already. */
bool explain_knows(const struct explain *explain, const struct explain_step *step);
/* True when the last build came to a step with this text as this one does: from the same step with the same key. */
bool explain_goes_on(const struct explain *explain, size_t number, const char *text);
/* Remembers the step. `parts` (ended, copied) may be NULL where explain_knows() it. */
void explain_note(struct explain *explain, const struct explain_step *step, const struct key_parts *parts);

enum explain_verdict {
	EXPLAIN_FIRST, /* nothing is known of an earlier build of the stage */
	EXPLAIN_NEW,   /* it had no such step */
	EXPLAIN_SAME,
	EXPLAIN_CHANGED
};
/* What is different from the step's counterpart in the last build: the one with the same text, the nearest of several,
 * else what stood in its place with the same word in front. The step has been noted. *before is that one's text,
 * borrowed, NULL where there is none. */
enum explain_verdict explain_compare(const struct explain *explain, const struct explain_step *step,
				     struct key_changes *changes, const char **before);

/* Writes what was noted, unless it is what was there. Of a stage that was not built to its end (is_whole false) the
 * steps behind are kept as they were. */
void explain_save(const struct explain *explain, bool is_whole);

#endif
