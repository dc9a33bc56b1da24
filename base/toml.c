/*
 * TOML 1.0 (https://toml.io/en/v1.0.0) to a JSON value. Text goes in at toml_parse() and is read once, from top to
 * bottom, by one function for each rule of the grammar; what comes out is built on the way.
 *
 * TOML allows a table to be written in several places, but only in some: which, depends on how it was first written.
 * That is remembered beside the tree, in `origins`, by the address of the table or array (which stays, as the tree only
 * grows).
 */
#include "base/toml.h"

#include <errno.h>
#include <string.h>

#include "base/toml_internal.h"
#include "base/utf8.h"

#define TOML_DEPTH_MAX 64 /* of values in values; also the most parts of one dotted key */

enum origin {
	ORIGIN_NONE,   /* a plain value, or an array written with [] */
	ORIGIN_PARENT, /* exists because [x.y] named something below it; may still get its own [x] */
	ORIGIN_HEADER, /* [x], or an element of [[x]]: complete but for sub-tables */
	ORIGIN_DOTTED, /* made by x.y = …; dotted keys of the same section may add to it */
	ORIGIN_INLINE, /* {…}: closed */
	ORIGIN_TABLES  /* the array of [[x]] */
};

int toml_fail(struct toml_reader *r, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	cleanup_free char *text = mem_vprintf(fmt, args);
	va_end(args);
	return error_set(r->err, EINVAL, "%s:%u: %s", r->file, r->line, text);
}

/* ---- Between the values ---- */

/* True when one of the next eight bytes is toml_is_control() or a tab: a byte from which 0x20 can be taken only by
 * borrowing, or one that becomes 0 by removing 0x7f's bits. */
static bool may_have_control(const char *text)
{
	const uint64_t ones = 0x0101010101010101, highs = 0x8080808080808080;
	uint64_t bytes;

	memcpy(&bytes, text, sizeof(bytes));
	uint64_t without_del = bytes ^ (0x7f * ones);
	return (((bytes - 0x20 * ones) & ~bytes) | ((without_del - ones) & ~without_del)) & highs;
}

/* Distributions' files are comments for the most part, and read by every step: hence eight bytes at a time. */
static int skip_comment(struct toml_reader *r)
{
	if (toml_peek(r, 0) != '#')
		return 0;
	while (r->end - r->at >= (ptrdiff_t)sizeof(uint64_t) && !may_have_control(r->at))
		r->at += sizeof(uint64_t);
	while (!toml_at_end(r) && !toml_is_control(*r->at))
		r->at++;
	if (!toml_at_end(r) && toml_newline_length(r) == 0)
		return toml_fail(r, "a control character in a comment");
	return 0;
}

/* Blanks, comments and line ends: what may stand between the elements of an array and between expressions. */
static int skip_space(struct toml_reader *r)
{
	do {
		toml_skip_blanks(r);
		int rc = skip_comment(r);
		if (rc < 0)
			return rc;
	} while (toml_skip_newline(r));
	return 0;
}

/* What must come behind a header or a value. */
static int expect_line_end(struct toml_reader *r)
{
	toml_skip_blanks(r);
	int rc = skip_comment(r);
	if (rc < 0)
		return rc;
	if (!toml_at_end(r) && !toml_skip_newline(r))
		return toml_fail(r, "more text where the line should end");
	return 0;
}

/* ---- Keys ---- */

static int read_key_part(struct toml_reader *r, struct strlist *key)
{
	cleanup(buf_done) struct buf part = BUF_INIT(TOML_SIZE_MAX);
	if (toml_peek(r, 0) == '"' || toml_peek(r, 0) == '\'') {
		int rc = toml_read_line_string(r, *r->at, &part);
		if (rc < 0)
			return rc;
	} else {
		while (toml_is_bare(toml_peek(r, 0)))
			buf_append_char(&part, *r->at++);
		if (part.len == 0)
			return toml_fail(r, "no key where one is expected");
	}
	strlist_take(key, buf_take(&part));
	return 0;
}

/* "a.b.\"c d\"", with the blanks behind it. */
static int read_key(struct toml_reader *r, struct strlist *key)
{
	for (;;) {
		toml_skip_blanks(r);
		if (key->count == TOML_DEPTH_MAX)
			return toml_fail(r, "a key of more than %d parts", TOML_DEPTH_MAX);
		int rc = read_key_part(r, key);
		if (rc < 0)
			return rc;
		toml_skip_blanks(r);
		if (toml_peek(r, 0) != '.')
			return 0;
		r->at++;
	}
}

/* ---- Tables ---- */

static enum origin origin_of(const struct toml_reader *r, const json_t *value)
{
	cleanup_free char *address = mem_printf("%p", (const void *)value);
	return (enum origin)json_integer_value(json_object_get(r->origins, address));
}

static void set_origin(struct toml_reader *r, const json_t *value, enum origin origin)
{
	cleanup_free char *address = mem_printf("%p", (const void *)value);
	json_object_set_new(r->origins, address, json_integer(origin));
}

static json_t *add_table(struct toml_reader *r, json_t *table, const char *key, enum origin origin)
{
	json_t *added = json_object();
	set_origin(r, added, origin);
	json_object_set_new(table, key, added);
	return added;
}

/* The table that a part of a header's path leads to, before the last part. */
static int enter_parent(struct toml_reader *r, json_t **table, const char *key)
{
	json_t *next = json_object_get(*table, key);
	if (!next) {
		*table = add_table(r, *table, key, ORIGIN_PARENT);
		return 0;
	}
	switch (origin_of(r, next)) {
	case ORIGIN_PARENT:
	case ORIGIN_HEADER:
	case ORIGIN_DOTTED:
		*table = next;
		return 0;
	case ORIGIN_TABLES:
		*table = json_array_get(next, json_array_size(next) - 1);
		return 0;
	case ORIGIN_NONE:
	case ORIGIN_INLINE:
		break;
	}
	return toml_fail(r, "'%s' is a value already and takes no tables", key);
}

/* [x.y] */
static int open_table(struct toml_reader *r, json_t *parent, const char *key)
{
	json_t *table = json_object_get(parent, key);
	if (!table)
		table = add_table(r, parent, key, ORIGIN_HEADER);
	else if (origin_of(r, table) == ORIGIN_PARENT)
		set_origin(r, table, ORIGIN_HEADER);
	else
		return toml_fail(r, "'%s' is defined twice", key);
	r->section = table;
	return 0;
}

/* [[x.y]] */
static int open_element(struct toml_reader *r, json_t *parent, const char *key)
{
	json_t *tables = json_object_get(parent, key);
	if (!tables) {
		tables = json_array();
		set_origin(r, tables, ORIGIN_TABLES);
		json_object_set_new(parent, key, tables);
	} else if (origin_of(r, tables) != ORIGIN_TABLES) {
		return toml_fail(r, "'%s' is defined twice, and not always as [[%s]]", key, key);
	}
	r->section = json_object();
	set_origin(r, r->section, ORIGIN_HEADER);
	json_array_append_new(tables, r->section);
	return 0;
}

static int read_header(struct toml_reader *r)
{
	bool is_element = toml_starts_with(r, "[[");
	const char *close = is_element ? "]]" : "]";
	r->at += strlen(close);
	cleanup(strlist_done) struct strlist key = {0};
	int rc = read_key(r, &key);
	if (rc < 0)
		return rc;
	if (!toml_starts_with(r, close))
		return toml_fail(r, "a table header without its '%s'", close);
	json_t *table = r->root;
	for (size_t i = 0; i + 1 < key.count; i++) {
		rc = enter_parent(r, &table, key.items[i]);
		if (rc < 0)
			return rc;
	}
	const char *last = key.items[key.count - 1];
	rc = is_element ? open_element(r, table, last) : open_table(r, table, last);
	if (rc < 0)
		return rc;
	r->at += strlen(close);
	return expect_line_end(r);
}

static int read_value(struct toml_reader *r, size_t depth, json_t **value);

/* "a.b = value" into a table. */
static int read_assignment(struct toml_reader *r, json_t *table, size_t depth)
{
	cleanup(strlist_done) struct strlist key = {0};
	int rc = read_key(r, &key);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i + 1 < key.count; i++) {
		json_t *next = json_object_get(table, key.items[i]);
		if (next && origin_of(r, next) != ORIGIN_DOTTED)
			return toml_fail(r, "'%s' is defined already and takes no more keys", key.items[i]);
		table = next ? next : add_table(r, table, key.items[i], ORIGIN_DOTTED);
	}
	const char *last = key.items[key.count - 1];
	if (json_object_get(table, last))
		return toml_fail(r, "'%s' is defined twice", last);
	if (toml_peek(r, 0) != '=')
		return toml_fail(r, "no '=' behind the key '%s'", last);
	r->at++;
	toml_skip_blanks(r);
	json_t *value = NULL;
	rc = read_value(r, depth + key.count, &value);
	if (rc < 0)
		return rc;
	json_object_set_new(table, last, value);
	return 0;
}

/* ---- Values ---- */

static int read_array(struct toml_reader *r, size_t depth, json_t **value)
{
	cleanup_json json_t *array = json_array();
	r->at++;
	for (;;) {
		int rc = skip_space(r);
		if (rc < 0)
			return rc;
		if (toml_peek(r, 0) == ']')
			break;
		json_t *element = NULL;
		rc = read_value(r, depth + 1, &element);
		if (rc < 0)
			return rc;
		json_array_append_new(array, element);
		rc = skip_space(r);
		if (rc < 0)
			return rc;
		if (toml_peek(r, 0) == ',')
			r->at++;
		else if (toml_peek(r, 0) != ']')
			return toml_fail(r, "neither ',' nor ']' behind an element of an array");
	}
	r->at++;
	*value = take_ptr(&array);
	return 0;
}

/* On one line, without a comma behind the last. */
static int read_inline_table(struct toml_reader *r, size_t depth, json_t **value)
{
	cleanup_json json_t *table = json_object();
	r->at++;
	toml_skip_blanks(r);
	while (toml_peek(r, 0) != '}') {
		int rc = read_assignment(r, table, depth);
		if (rc < 0)
			return rc;
		toml_skip_blanks(r);
		if (toml_peek(r, 0) == '}')
			break;
		if (toml_peek(r, 0) != ',')
			return toml_fail(r, "neither ',' nor '}' behind a value of an inline table");
		r->at++;
		toml_skip_blanks(r);
		if (toml_peek(r, 0) == '}')
			return toml_fail(r, "a ',' at the end of an inline table");
	}
	r->at++;
	set_origin(r, table, ORIGIN_INLINE);
	*value = take_ptr(&table);
	return 0;
}

static int read_value(struct toml_reader *r, size_t depth, json_t **value)
{
	if (depth > TOML_DEPTH_MAX)
		return toml_fail(r, "values nest deeper than %d levels", TOML_DEPTH_MAX);
	switch (toml_peek(r, 0)) {
	case '"':
	case '\'':
		return toml_read_string(r, value);
	case '[':
		return read_array(r, depth, value);
	case '{':
		return read_inline_table(r, depth, value);
	default:
		return toml_read_word(r, value);
	}
}

/* ---- The document ---- */

static int read_document(struct toml_reader *r)
{
	for (;;) {
		int rc = skip_space(r);
		if (rc < 0 || toml_at_end(r))
			return rc;
		if (*r->at == '[') {
			rc = read_header(r);
		} else {
			rc = read_assignment(r, r->section, 0);
			if (rc == 0)
				rc = expect_line_end(r);
		}
		if (rc < 0)
			return rc;
	}
}

int toml_parse(const char *text, size_t size, const char *file, json_t **root, struct error **err)
{
	if (size > TOML_SIZE_MAX)
		return error_set(err, EFBIG, "%s: larger than %zu bytes", file, TOML_SIZE_MAX);
	if (memchr(text, '\0', size) || !utf8_is_valid(text, size))
		return error_set(err, EINVAL, "%s: not UTF-8 text", file);
	cleanup_json json_t *table = json_object();
	cleanup_json json_t *origins = json_object();
	struct toml_reader reader = {
		.file = file,
		.at = text,
		.end = text + size,
		.line = 1,
		.root = table,
		.section = table,
		.origins = origins,
		.err = err,
	};
	if (toml_starts_with(&reader, "\xef\xbb\xbf"))
		reader.at += 3; /* a byte order mark */
	int rc = read_document(&reader);
	if (rc < 0)
		return rc;
	*root = take_ptr(&table);
	return 0;
}
