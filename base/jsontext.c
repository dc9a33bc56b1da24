/*
 * JSON as text, canonical and for people to read: what json_dumps(3) of jansson writes with JSON_SORT_KEYS and
 * JSON_COMPACT or JSON_INDENT, byte for byte. jansson hands out each quote, comma and indentation by itself, which of
 * the hundreds of kilobytes that make and describe an image of many layers is half of the time.
 */
#include "base/json.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* What stands behind the backslash; 'u' for a number, 0 for what needs none. */
static char escape_of(char c)
{
	static const char letters[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
	size_t number = (unsigned char)c;

	if (number >= ' ')
		return c == '"' || c == '\\' ? c : 0;
	return number < sizeof(letters) && letters[number] ? letters[number] : 'u';
}

static void put_escaped(struct buf *into, char c)
{
	const char pair[] = {'\\', escape_of(c)};

	buf_append(into, pair, sizeof(pair));
	if (pair[1] == 'u')
		buf_printf(into, "%04X", (unsigned)(unsigned char)c);
}

static void put_text(struct buf *into, const char *text, size_t size)
{
	size_t begin = 0;

	buf_append_char(into, '"');
	for (size_t at = 0; at < size; at++) {
		if (!escape_of(text[at]))
			continue;
		buf_append(into, text + begin, at - begin);
		put_escaped(into, text[at]);
		begin = at + 1;
	}
	buf_append(into, text + begin, size - begin);
	buf_append_char(into, '"');
}

struct writing {
	struct buf *into;
	bool is_pretty;
	size_t indent;
	struct buf line; /* a newline and as many spaces as were needed so far */
};

/* Where the next value begins. */
static void put_line(struct writing *w, size_t depth)
{
	size_t size = 1 + depth * w->indent;

	if (!w->is_pretty)
		return;
	if (w->line.len == 0)
		buf_append_char(&w->line, '\n');
	while (w->line.len < size && !w->line.overflow)
		buf_append_char(&w->line, ' ');
	buf_append(w->into, w->line.data, size < w->line.len ? size : w->line.len);
}

static void put_value(struct writing *w, const json_t *value, size_t depth);

static void put_array(struct writing *w, const json_t *array, size_t depth)
{
	size_t count = json_array_size(array);

	buf_append_char(w->into, '[');
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			buf_append_char(w->into, ',');
		put_line(w, depth + 1);
		put_value(w, json_array_get(array, i), depth + 1);
	}
	if (count > 0)
		put_line(w, depth);
	buf_append_char(w->into, ']');
}

struct member {
	const char *key;
	const json_t *value;
};

static int compare_keys(const void *a, const void *b)
{
	const struct member *one = a, *other = b;

	return strcmp(one->key, other->key);
}

#define FEW_MEMBERS 16

/* Few are put in their place one by one; what was parsed out of canonical text stands there already. */
static void sort_members(struct member *members, size_t count)
{
	if (count > FEW_MEMBERS) {
		qsort(members, count, sizeof(*members), compare_keys);
		return;
	}
	for (size_t i = 1; i < count; i++) {
		struct member member = members[i];
		size_t at = i;
		for (; at > 0 && compare_keys(&members[at - 1], &member) > 0; at--)
			members[at] = members[at - 1];
		members[at] = member;
	}
}

static void put_members(struct writing *w, struct member *members, size_t count, size_t depth)
{
	sort_members(members, count);
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			buf_append_char(w->into, ',');
		put_line(w, depth + 1);
		put_text(w->into, members[i].key, strlen(members[i].key));
		buf_append(w->into, ": ", w->is_pretty ? 2 : 1);
		put_value(w, members[i].value, depth + 1);
	}
}

static void put_object(struct writing *w, const json_t *object, size_t depth)
{
	size_t count = json_object_size(object), at = 0;
	struct member few[FEW_MEMBERS];
	cleanup_free struct member *many = count > FEW_MEMBERS ? mem_alloc(count * sizeof(*many)) : NULL;
	struct member *members = many ? many : few;
	json_t *own = (json_t *)object; /* jansson's iterators take no const */

	for (void *i = json_object_iter(own); i && at < count; i = json_object_iter_next(own, i))
		members[at++] = (struct member){json_object_iter_key(i), json_object_iter_value(i)};
	buf_append_char(w->into, '{');
	put_members(w, members, at, depth);
	if (count > 0)
		put_line(w, depth);
	buf_append_char(w->into, '}');
}

/* Numbers and the like. */
static void put_other(struct buf *into, const json_t *value)
{
	char *text = json_dumps(value, JSON_ENCODE_ANY);

	assert(text);
	buf_append_str(into, text);
	free(text);
}

/* As deep as the value is, which was parsed with a limit or made by us. */
static void put_value(struct writing *w, const json_t *value, size_t depth)
{
	if (json_is_object(value))
		put_object(w, value, depth);
	else if (json_is_array(value))
		put_array(w, value, depth);
	else if (json_is_string(value))
		put_text(w->into, json_string_value(value), json_string_length(value));
	else if (json_is_boolean(value))
		buf_append_str(w->into, json_is_true(value) ? "true" : "false");
	else
		put_other(w->into, value);
}

void json_format(const json_t *value, struct buf *into)
{
	struct writing writing = {.into = into};

	put_value(&writing, value, 0);
}

void json_format_pretty(const json_t *value, int indent, struct buf *into)
{
	struct writing writing = {
		.into = into,
		.is_pretty = true,
		.indent = (size_t)indent,
		.line = BUF_INIT(BUF_MAX_DEFAULT),
	};

	put_value(&writing, value, 0);
	buf_append_char(into, '\n');
	buf_done(&writing.line);
}
