/*
 * Docker's rules of what is left out: .dockerignore, .containerignore, --exclude. Patterns are matched against paths
 * relative to the context's root and against each directory above; the last pattern that matches decides, and '!' takes
 * back in.
 */
#ifndef COOPER_BUILDER_IGNORE_H
#define COOPER_BUILDER_IGNORE_H

#include "base/error.h"
#include "base/strlist.h"

#include <stdbool.h>

struct ignore_rules {
	struct strlist patterns; /* cleaned; "!" in front of those that take back in */
	bool has_exceptions;
};

void ignore_rules_done(struct ignore_rules *rules);
CLEANUP_FOR_VALUE(struct ignore_rules, ignore_rules_done)
/* One pattern as it stands in a line. Blank ones and comments are skipped; a bare "!" or an open '[' is -EINVAL. */
int ignore_rules_add(struct ignore_rules *rules, const char *line, struct error **err);
/* The lines of a file. */
int ignore_rules_add_text(struct ignore_rules *rules, const char *text, struct error **err);
/* `path` is relative, without a leading '/'. */
bool ignore_rules_match(const struct ignore_rules *rules, const char *path);

#endif
