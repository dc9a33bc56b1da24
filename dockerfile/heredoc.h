/*
 * Here-documents of RUN, COPY and ADD: "<<NAME", "<<-NAME", "3<<'NAME'".
 */
#ifndef COOPER_DOCKERFILE_HEREDOC_H
#define COOPER_DOCKERFILE_HEREDOC_H

#include "base/error.h"
#include "base/mem.h"

#include <stdbool.h>
#include <stddef.h>

struct heredoc {
	char *name;	 /* without quotes */
	char *content;	 /* the lines as written, each with its '\n', without the terminator */
	bool expand;	 /* no part of the name was quoted */
	bool strip_tabs; /* "<<-" */
	unsigned fd;	 /* 0 when not written */
};

struct heredocs {
	struct heredoc *items;
	size_t count;
};

void heredocs_done(struct heredocs *heredocs);
CLEANUP_FOR_VALUE(struct heredocs, heredocs_done)
void heredocs_copy(struct heredocs *to, const struct heredocs *from);

/* Is the word as a whole a here-document? Then 1 and its name, marks and fd in *heredoc (content NULL, to be freed with
 * heredoc_done()), else 0. */
int heredoc_parse(const char *word, struct heredoc *heredoc);
void heredoc_done(struct heredoc *heredoc);
CLEANUP_FOR_VALUE(struct heredoc, heredoc_done)

/* Those that the text of a RUN, COPY or ADD opens, in order, without their contents. A text whose quotes or variables
 * BuildKit's word reader does not understand opens none: it may be a shell's that understands more. -EINVAL for a name
 * with open quotes. */
int heredocs_find(const char *text, struct heredocs *found, struct error **err);

/* The content as a file or a script gets it: leading tabs of each line removed when strip_tabs. */
MUST_CHECK char *heredoc_body(const struct heredoc *heredoc);

#endif
