/*
 * The text of a TOML document on its way through toml.c (tables, keys and what holds values) and toml_scalar.c
 * (strings, numbers and dates). Readers move `at` behind what they have taken, and fail with the line they have come
 * to.
 */
#ifndef COOPER_BASE_TOML_INTERNAL_H
#define COOPER_BASE_TOML_INTERNAL_H

#include "base/buf.h"
#include "base/json.h"

#include <string.h>

#define TOML_SIZE_MAX ((size_t)4 << 20)

struct toml_reader {
	const char *file;
	const char *at;
	const char *end;
	unsigned line;
	json_t *root;
	json_t *section; /* borrowed from root: where key = value lands */
	json_t *origins; /* address -> enum origin */
	struct error **err;
};

/* "file:line: …", -EINVAL. */
int toml_fail(struct toml_reader *r, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* ---- characters ---- */

/* The byte `ahead` of here, or 0 past the end (the text itself has no NUL). */
static inline char toml_peek(const struct toml_reader *r, size_t ahead)
{
	return (size_t)(r->end - r->at) > ahead ? r->at[ahead] : '\0';
}

static inline bool toml_at_end(const struct toml_reader *r)
{
	return r->at == r->end;
}

static inline bool toml_starts_with(const struct toml_reader *r, const char *text)
{
	size_t length = strlen(text);
	return (size_t)(r->end - r->at) >= length && memcmp(r->at, text, length) == 0;
}

/* The length of a line end here: 1, 2, or 0. */
static inline size_t toml_newline_length(const struct toml_reader *r)
{
	if (toml_peek(r, 0) == '\n')
		return 1;
	return toml_peek(r, 0) == '\r' && toml_peek(r, 1) == '\n' ? 2 : 0;
}

static inline bool toml_skip_newline(struct toml_reader *r)
{
	size_t length = toml_newline_length(r);
	r->at += length;
	r->line += length > 0;
	return length > 0;
}

static inline bool toml_is_control(char c)
{
	return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f;
}

static inline bool toml_is_bare(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

static inline void toml_skip_blanks(struct toml_reader *r)
{
	while (toml_peek(r, 0) == ' ' || toml_peek(r, 0) == '\t')
		r->at++;
}

/* ---- toml_scalar.c ---- */
/* A string of one line, in the quotes that stand here; appended to `text`. Keys may be such. */
int toml_read_line_string(struct toml_reader *r, char quote, struct buf *text);
/* A string of any of the four kinds, whose first quote stands here. */
int toml_read_string(struct toml_reader *r, json_t **value);
/* true, false, a number, a date or a time. */
int toml_read_word(struct toml_reader *r, json_t **value);

#endif
