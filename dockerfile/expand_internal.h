/*
 * The word reader that expand.c offers in three forms and heredoc.c uses with its own switches.
 */
#ifndef COOPER_DOCKERFILE_EXPAND_INTERNAL_H
#define COOPER_DOCKERFILE_EXPAND_INTERNAL_H

#include "base/buf.h"
#include "dockerfile/expand.h"

enum lexer_flags {
	LEXER_RAW_QUOTES = 1,	/* quotes stay in the result */
	LEXER_RAW_ESCAPES = 2,	/* escape characters stay */
	LEXER_NO_QUOTES = 4,	/* quotes are ordinary characters */
	LEXER_KEEP_UNSET = 8,	/* what names an unset variable stays as it is */
	LEXER_ALL_BRANCHES = 16 /* names are collected, nothing fails for being unset */
};

struct lexer_result {
	struct buf text;
	struct strlist words;
	struct strlist unset; /* used bare */
	struct strlist names; /* all that were mentioned */
};

#define LEXER_RESULT_INIT ((struct lexer_result){.text = BUF_INIT(EXPAND_SIZE_MAX)})
void lexer_result_done(struct lexer_result *result);
CLEANUP_FOR_VALUE(struct lexer_result, lexer_result_done)

/* Reads text to its end. -EINVAL. */
int lexer_run(const char *text, const struct expand_scope *scope, unsigned flags, struct lexer_result *result,
	      struct error **err);

enum pattern_end { PATTERN_PREFIX, PATTERN_SUFFIX };
enum pattern_reach { PATTERN_SHORTEST, PATTERN_LONGEST };
enum pattern_times { PATTERN_ONCE, PATTERN_EVERYWHERE };

/* The value without what the pattern matches at that end. -EINVAL for a bad escape, -E2BIG when it takes too long. */
int expand_pattern_trim(const char *pattern, const char *value, enum pattern_end end, enum pattern_reach reach,
			struct buf *into, struct error **err);
int expand_pattern_replace(const char *pattern, const char *value, const char *replacement, enum pattern_times times,
			   struct buf *into, struct error **err);

#endif
