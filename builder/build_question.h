/*
 * What is asked of the cache before a step's files are read: the step's key without them. Where that has never been
 * asked there is no record to find, and the files need not be read for a key first (build_seen.h). A file without
 * content for each, in the store's cache/questions/: one too many costs the look that it would have saved, one too few
 * a step that is done again.
 */
#ifndef COOPER_BUILDER_BUILD_QUESTION_H
#define COOPER_BUILDER_BUILD_QUESTION_H

#include "imagefmt/digest.h"
#include "imagefmt/store.h"

#define BUILD_QUESTION_FOLDER "questions" /* in cache/ */
#define BUILD_QUESTION_DAYS 90

/* May there be records under this question? True where that cannot be told. It is of use then, at `now`. */
bool build_question_is_known(struct store *store, const struct digest *question, int64_t now);
/* Before a record is saved under it. What fails makes a step that is done again. */
void build_question_note(struct store *store, const struct digest *question);
/* Forgets those that were of no use for BUILD_QUESTION_DAYS. */
void build_question_sweep(struct store *store, int64_t now);

#endif
