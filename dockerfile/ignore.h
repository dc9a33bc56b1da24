/*
 * Docker's rules of what is left out: .dockerignore, .containerignore, --exclude. Patterns are rooted; what a pattern
 * says of a directory holds for everything below; the last pattern that matches decides, and '!' takes back in.
 *
 * A walk from the top takes the step form, which asks each pattern once per entry and inherits the rest:
 *
 *	cleanup(ignore_verdicts_done) struct ignore_verdicts here = {0};
 *	if (ignore_rules_step(rules, path, parent_verdicts, &here)) … left out
 */
#ifndef COOPER_DOCKERFILE_IGNORE_H
#define COOPER_DOCKERFILE_IGNORE_H

#include "base/error.h"
#include "base/strlist.h"

#include <stdbool.h>

#define IGNORE_FILE_MAX ((size_t)4 << 20) /* bytes of an ignore file */
#define IGNORE_PATTERNS_MAX 65536

struct ignore_rules {
	struct strlist patterns; /* cleaned; "!" in front of those that take back in */
	bool has_exceptions;
};

void ignore_rules_done(struct ignore_rules *rules);
CLEANUP_FOR_VALUE(struct ignore_rules, ignore_rules_done)
/* One pattern as it stands in a line. Blank ones and comments are skipped; a bare "!" or an open '[' is -EINVAL. */
int ignore_rules_add(struct ignore_rules *rules, const char *line, struct error **err);
/* The lines of a file. The error names the line, not the file. */
int ignore_rules_add_text(struct ignore_rules *rules, const char *text, struct error **err);

/* A path as patterns speak of it, as Go's path.Clean: "/a//b/./c/../d/" is "a/b/d"; ".." that leads out stays, and then
 * matches nothing; "" for the context itself. */
MUST_CHECK char *ignore_path_clean(const char *path);
/* `path` is relative, without a leading '/'. Gives what a walk from the top down to it gives. */
bool ignore_rules_match(const struct ignore_rules *rules, const char *path);

/* Which patterns matched a path, one bit for each. */
struct ignore_verdicts {
	bool *matched; /* NULL before it is filled */
};

void ignore_verdicts_done(struct ignore_verdicts *verdicts);
CLEANUP_FOR_VALUE(struct ignore_verdicts, ignore_verdicts_done)
/* Is `path` left out, whose directory got the verdicts `parent` (NULL for what lies at the top)? *here are its own:
 * empty before, or of another path of the same rules. */
bool ignore_rules_step(const struct ignore_rules *rules, const char *path, const struct ignore_verdicts *parent,
		       struct ignore_verdicts *here);
/* Can anything below the left-out directory `path` be taken back in? False: the walk need not enter it. */
bool ignore_rules_may_return(const struct ignore_rules *rules, const char *path);

#endif
