/*
 * A list of owned strings, in order. `items` always ends in a NULL that is not counted, so it serves as an argv.
 */
#ifndef COOPER_BASE_STRLIST_H
#define COOPER_BASE_STRLIST_H

#include "base/mem.h"

#include <stdbool.h>

struct strlist {
	char **items; /* NULL while empty */
	size_t count;
	size_t cap;
};

void strlist_done(struct strlist *list);
CLEANUP_FOR_VALUE(struct strlist, strlist_done)
void strlist_append(struct strlist *list, const char *text);
/* Takes ownership of a heap string. */
void strlist_take(struct strlist *list, char *text);
void strlist_printf(struct strlist *list, const char *fmt, ...) PRINTF_LIKE(2, 3);
void strlist_append_all(struct strlist *list, const struct strlist *from);
void strlist_insert(struct strlist *list, size_t at, const char *text);
void strlist_remove(struct strlist *list, size_t at);
void strlist_clear(struct strlist *list);
/* Replaces what `list` holds by a copy of `from`. */
void strlist_copy(struct strlist *list, const struct strlist *from);
bool strlist_contains(const struct strlist *list, const char *text);
void strlist_sort(struct strlist *list); /* bytewise */
MUST_CHECK char *strlist_join(const struct strlist *list, const char *separator);
/* Splits at every separator; "a,,b" gives an empty string in the middle, "" gives nothing. */
void strlist_split(struct strlist *list, const char *text, char separator);
/* An argv that is never NULL: {NULL} for an empty list. Borrowed. */
char *const *strlist_argv(const struct strlist *list);

/* Lists of "KEY=VALUE", as environments and labels are. A key is matched up to '='. */
/* The value, borrowed, or NULL. */
const char *strlist_env_get(const struct strlist *env, const char *key);
/* Replaces the entry in place or appends it. */
void strlist_env_set(struct strlist *env, const char *key, const char *value);
void strlist_env_unset(struct strlist *env, const char *key);

#endif
