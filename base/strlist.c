/*
 * Lists of owned strings.
 */
#include "base/strlist.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

#define STRLIST_CAP_FIRST 8

void strlist_clear(struct strlist *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i]);
	list->count = 0;
	if (list->items)
		list->items[0] = NULL;
}

void strlist_done(struct strlist *list)
{
	strlist_clear(list);
	free(list->items);
	*list = (struct strlist){0};
}

/* Opens a gap at `at` and puts a string that is ours there. */
static void insert_taken(struct strlist *list, size_t at, char *text)
{
	assert(text && at <= list->count);
	if (list->count + 2 > list->cap) {
		list->cap = list->cap ? list->cap * 2 : STRLIST_CAP_FIRST;
		list->items = mem_grow(list->items, list->cap, sizeof(*list->items));
	}
	memmove(list->items + at + 1, list->items + at, (list->count - at) * sizeof(*list->items));
	list->items[at] = text;
	list->items[++list->count] = NULL;
}

void strlist_take(struct strlist *list, char *text)
{
	insert_taken(list, list->count, text);
}

void strlist_append(struct strlist *list, const char *text)
{
	strlist_take(list, mem_strdup(text));
}

void strlist_insert(struct strlist *list, size_t at, const char *text)
{
	insert_taken(list, at, mem_strdup(text));
}

void strlist_printf(struct strlist *list, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	strlist_take(list, mem_vprintf(fmt, args));
	va_end(args);
}

void strlist_append_all(struct strlist *list, const struct strlist *from)
{
	/* The count first: a list may be appended to itself. */
	size_t count = from->count;

	for (size_t i = 0; i < count; i++)
		strlist_append(list, from->items[i]);
}

void strlist_remove(struct strlist *list, size_t at)
{
	assert(at < list->count);
	free(list->items[at]);
	/* The closing NULL moves along. */
	memmove(list->items + at, list->items + at + 1, (list->count - at) * sizeof(*list->items));
	list->count--;
}

void strlist_copy(struct strlist *list, const struct strlist *from)
{
	if (list == from)
		return;
	strlist_clear(list);
	strlist_append_all(list, from);
}

bool strlist_contains(const struct strlist *list, const char *text)
{
	for (size_t i = 0; i < list->count; i++) {
		if (strcmp(list->items[i], text) == 0)
			return true;
	}
	return false;
}

static int compare_items(const void *left, const void *right)
{
	return strcmp(*(char *const *)left, *(char *const *)right);
}

void strlist_sort(struct strlist *list)
{
	if (list->count > 1)
		qsort(list->items, list->count, sizeof(*list->items), compare_items);
}

char *strlist_join(const struct strlist *list, const char *separator)
{
	/* What is in memory already needs no limit. */
	cleanup(buf_done) struct buf text = BUF_INIT(SIZE_MAX - 1);

	for (size_t i = 0; i < list->count; i++) {
		if (i > 0)
			buf_append_str(&text, separator);
		buf_append_str(&text, list->items[i]);
	}
	return buf_take(&text);
}

void strlist_split(struct strlist *list, const char *text, char separator)
{
	if (*text == '\0')
		return;
	for (;;) {
		const char *end = strchrnul(text, separator);
		strlist_take(list, mem_strndup(text, (size_t)(end - text)));
		if (*end == '\0')
			return;
		text = end + 1;
	}
}

char *const *strlist_argv(const struct strlist *list)
{
	static char *const nothing[] = {NULL};

	return list->items ? list->items : nothing;
}

/* A variable without '=' is taken as the bare key: found by set and unset, without a value for get. */
static bool has_key(const char *entry, const char *key)
{
	size_t len = strlen(key);

	return strncmp(entry, key, len) == 0 && (entry[len] == '=' || entry[len] == '\0');
}

const char *strlist_env_get(const struct strlist *env, const char *key)
{
	for (size_t i = 0; i < env->count; i++) {
		const char *entry = env->items[i];
		if (has_key(entry, key) && entry[strlen(key)] == '=')
			return entry + strlen(key) + 1;
	}
	return NULL;
}

/* Removes every entry of that key from `at` on. */
static void unset_from(struct strlist *env, size_t at, const char *key)
{
	while (at < env->count) {
		if (has_key(env->items[at], key))
			strlist_remove(env, at);
		else
			at++;
	}
}

void strlist_env_set(struct strlist *env, const char *key, const char *value)
{
	/* Made first: key and value may point into the entry that is replaced. */
	cleanup_free char *owned_key = mem_strdup(key);
	char *entry = mem_printf("%s=%s", key, value);

	for (size_t i = 0; i < env->count; i++) {
		if (!has_key(env->items[i], owned_key))
			continue;
		free(env->items[i]);
		env->items[i] = entry;
		/* Programs disagree on which of two entries counts; after a set there is one. */
		unset_from(env, i + 1, owned_key);
		return;
	}
	strlist_take(env, entry);
}

void strlist_env_unset(struct strlist *env, const char *key)
{
	cleanup_free char *owned_key = mem_strdup(key);

	unset_from(env, 0, owned_key);
}
