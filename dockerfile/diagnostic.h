/*
 * What is said about a place in a Dockerfile: errors and lint findings, with the lines in question shown and marked.
 *
 * Who detects a failure calls error_set() without a place, as everywhere. Who knows the instruction puts the place
 * around it, once, with source_error():
 *
 *	Dockerfile:3: unknown flag: --mout (did you mean mount?)
 *	--------------------
 *	   2 |     WORKDIR /src
 *	   3 | >>> RUN --mout=type=cache make
 *	     |         ^^^^^^
 *	   4 |     USER app
 *	--------------------
 *
 * The planner does the same for what fails later: `return source_error(&file->source, &instruction->range, err);`
 */
#ifndef COOPER_DOCKERFILE_DIAGNOSTIC_H
#define COOPER_DOCKERFILE_DIAGNOSTIC_H

#include "base/buf.h"
#include "base/error.h"
#include "base/strlist.h"

/* Lines count from 1. Columns count bytes from 1, end included, and are 0 when the whole lines are meant; they are only
 * set when first_line == last_line. A first_line of 0 is no place at all. */
struct source_range {
	unsigned first_line;
	unsigned last_line;
	unsigned first_column;
	unsigned last_column;
};

/* The text that ranges speak of. */
struct source {
	char *name;	      /* as the user knows it, "Dockerfile" */
	struct strlist lines; /* without line ends */
};

void source_done(struct source *source);
CLEANUP_FOR_VALUE(struct source, source_done)

/* Appends the lines of the range with two around them, ">>>" before those of the range, and carets below columns.
 * Nothing when the range has no place. What a terminal would obey is disarmed. */
void source_excerpt(const struct source *source, const struct source_range *range, struct buf *into);

/* Makes *err say "name:line: message" followed by the excerpt, and returns its code as error_prefix() does. An error
 * that has a place already only keeps it. */
int source_error(const struct source *source, const struct source_range *range, struct error **err);

/* The range of `word` where it stands first in the range's first line that has it; the range as it is when it does not.
 */
struct source_range source_find(const struct source *source, const struct source_range *range, const char *word);

/* The nearest of `words` by edit distance that is near enough to be what was meant, borrowed, or NULL. The same word in
 * another case is the nearest. */
const char *suggest(const char *word, const char *const *words, size_t count);
/* The same for a variable, as BuildKit's checks have it: at most two changes, and case counts. Borrowed, or NULL. */
const char *suggest_variable(const char *word, const struct strlist *names);
/* Appends " (did you mean X?)" to the error when there is a near one. Returns as error_prefix(). */
int suggest_hint(struct error **err, const char *word, const char *const *words, size_t count);

#endif
