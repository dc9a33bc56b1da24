/*
 * Path patterns of Go's filepath.Match with Docker's "**": '*' and '?' stop at '/', "**" crosses it, [a-z] classes
 * ([^...] negates), backslash quotes. Matching is in linear memory and bounded time.
 */
#ifndef COOPER_BASE_PATTERN_H
#define COOPER_BASE_PATTERN_H

#include <stdbool.h>

bool pattern_match(const char *pattern, const char *path);
/* True when the text has any of the characters that make it a pattern. */
bool pattern_is_glob(const char *text);
/* False for an open '[' or a trailing backslash. */
bool pattern_is_valid(const char *pattern);

#endif
