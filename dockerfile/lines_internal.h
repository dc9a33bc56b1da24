/*
 * A Dockerfile's text as logical lines: continuations joined, comments taken out, parser directives read. Bodies of
 * here-documents are asked for by who has seen that a line opens some.
 */
#ifndef COOPER_DOCKERFILE_LINES_INTERNAL_H
#define COOPER_DOCKERFILE_LINES_INTERNAL_H

#include "dockerfile/dockerfile.h"

struct line_reader {
	const char *at;	 /* the next physical line */
	const char *end; /* of the text */
	unsigned line;	 /* number of the last one that was read */
	struct directives *directives;
	struct findings *findings; /* may be NULL */
	bool directives_over;
};

struct logical_line {
	char *text; /* with the blanks that it began and ended with */
	char *doc;  /* the comments right above, a line each; NULL */
	char *skip; /* rules that "# check=skip=A,B" right above leaves out here; NULL */
	struct source_range range;
};

void logical_line_done(struct logical_line *line);
CLEANUP_FOR_VALUE(struct logical_line, logical_line_done)

/* Reads the directives that stand at the top; `text` is behind a byte order mark. On failure *line is where. */
int directives_read(const char *text, size_t size, struct directives *directives, unsigned *line, struct error **err);
void directives_done(struct directives *directives);

/* 1 and the next logical line, 0 at the end, -EINVAL (line->range is then set) or -EFBIG. */
int line_reader_next(struct line_reader *reader, struct logical_line *line, struct error **err);
/* Reads the contents of those that `line` opens, and widens its range. */
int line_reader_heredocs(struct line_reader *reader, struct heredocs *heredocs, struct logical_line *line,
			 struct error **err);

#endif
