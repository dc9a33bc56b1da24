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
#include <inttypes.h>
#include <string.h>

#include "base/utf8.h"

#define TOML_SIZE_MAX ((size_t)4 << 20)
#define TOML_DEPTH_MAX 64 /* of values in values; also the most parts of one dotted key */

enum origin {
	ORIGIN_NONE,   /* a plain value, or an array written with [] */
	ORIGIN_PARENT, /* exists because [x.y] named something below it; may still get its own [x] */
	ORIGIN_HEADER, /* [x], or an element of [[x]]: complete but for sub-tables */
	ORIGIN_DOTTED, /* made by x.y = …; dotted keys of the same section may add to it */
	ORIGIN_INLINE, /* {…}: closed */
	ORIGIN_TABLES  /* the array of [[x]] */
};

struct reader {
	const char *file;
	const char *at;
	const char *end;
	unsigned line;
	json_t *root;
	json_t *section; /* borrowed from root: where key = value lands */
	json_t *origins; /* address -> enum origin */
	struct error **err;
};

static int fail(struct reader *r, const char *fmt, ...) PRINTF_LIKE(2, 3);
static int fail(struct reader *r, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	cleanup_free char *text = mem_vprintf(fmt, args);
	va_end(args);
	return error_set(r->err, EINVAL, "%s:%u: %s", r->file, r->line, text);
}

/* ---- Characters ---- */

/* The byte `ahead` of here, or 0 past the end (the text itself has no NUL). */
static char peek(const struct reader *r, size_t ahead)
{
	return (size_t)(r->end - r->at) > ahead ? r->at[ahead] : '\0';
}

static bool at_end(const struct reader *r)
{
	return r->at == r->end;
}

static bool starts_with(const struct reader *r, const char *text)
{
	size_t length = strlen(text);
	return (size_t)(r->end - r->at) >= length && memcmp(r->at, text, length) == 0;
}

/* The length of a line end here: 1, 2, or 0. */
static size_t newline_length(const struct reader *r)
{
	if (peek(r, 0) == '\n')
		return 1;
	return peek(r, 0) == '\r' && peek(r, 1) == '\n' ? 2 : 0;
}

static bool skip_newline(struct reader *r)
{
	size_t length = newline_length(r);
	r->at += length;
	r->line += length > 0;
	return length > 0;
}

static bool is_control(char c)
{
	return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f;
}

static void skip_blanks(struct reader *r)
{
	while (peek(r, 0) == ' ' || peek(r, 0) == '\t')
		r->at++;
}

/* Distributions' files are comments for the most part, and read by every step: hence the loop without peek(). */
static int skip_comment(struct reader *r)
{
	if (peek(r, 0) != '#')
		return 0;
	while (!at_end(r) && !is_control(*r->at))
		r->at++;
	if (!at_end(r) && newline_length(r) == 0)
		return fail(r, "a control character in a comment");
	return 0;
}

/* Blanks, comments and line ends: what may stand between the elements of an array and between expressions. */
static int skip_space(struct reader *r)
{
	do {
		skip_blanks(r);
		int rc = skip_comment(r);
		if (rc < 0)
			return rc;
	} while (skip_newline(r));
	return 0;
}

/* What must come behind a header or a value. */
static int expect_line_end(struct reader *r)
{
	skip_blanks(r);
	int rc = skip_comment(r);
	if (rc < 0)
		return rc;
	if (!at_end(r) && !skip_newline(r))
		return fail(r, "more text where the line should end");
	return 0;
}

/* ---- Strings ---- */

/* The hexadecimal digits of \uXXXX. */
static int read_unicode_escape(struct reader *r, size_t digits, struct buf *text)
{
	uint32_t character = 0;
	for (size_t i = 0; i < digits; i++, r->at++) {
		const char *hex = "0123456789abcdef0123456789ABCDEF";
		const char *found = peek(r, 0) ? strchr(hex, peek(r, 0)) : NULL;
		if (!found)
			return fail(r, "\\%c needs %zu hexadecimal digits", digits == 4 ? 'u' : 'U', digits);
		character = character << 4 | (uint32_t)((found - hex) % 16);
	}
	char bytes[UTF8_CHAR_MAX];
	size_t length = utf8_encode(character, bytes);
	uint32_t written = 0;
	utf8_decode(bytes, length, &written);
	if (character == 0 || written != character)
		return fail(r, "an escape for a character that no text may hold");
	buf_append(text, bytes, length);
	return 0;
}

/* Behind a backslash. */
static int read_escape(struct reader *r, struct buf *text)
{
	static const char names[] = "btnfr\"\\";
	static const char values[] = "\b\t\n\f\r\"\\";
	char c = peek(r, 0);
	if (c == 'u' || c == 'U') {
		r->at++;
		return read_unicode_escape(r, c == 'u' ? 4 : 8, text);
	}
	const char *name = c ? strchr(names, c) : NULL;
	if (!name)
		return fail(r, "an unknown escape in a string");
	buf_append_char(text, values[name - names]);
	r->at++;
	return 0;
}

/* A backslash at the end of a line of a """ string takes away all white space up to the next text. */
static bool skip_line_continuation(struct reader *r)
{
	struct reader ahead = *r;
	skip_blanks(&ahead);
	if (!skip_newline(&ahead))
		return false;
	do
		skip_blanks(&ahead);
	while (skip_newline(&ahead));
	r->at = ahead.at;
	r->line = ahead.line;
	return true;
}

static int read_line_string(struct reader *r, char quote, struct buf *text)
{
	r->at++;
	while (peek(r, 0) != quote) {
		if (at_end(r) || newline_length(r) > 0)
			return fail(r, "a string is not closed");
		if (is_control(*r->at))
			return fail(r, "a control character in a string");
		char c = *r->at++;
		if (quote == '"' && c == '\\') {
			int rc = read_escape(r, text);
			if (rc < 0)
				return rc;
			continue;
		}
		buf_append_char(text, c);
	}
	r->at++;
	return 0;
}

/* Three quotes close the string; up to two more before them belong to it. */
static bool read_closing_quotes(struct reader *r, char quote, struct buf *text)
{
	size_t quotes = 0;
	while (quotes < 5 && peek(r, quotes) == quote)
		quotes++;
	for (size_t i = 3; i < quotes; i++)
		buf_append_char(text, quote);
	r->at += quotes >= 3 ? quotes : 0;
	return quotes >= 3;
}

static int read_block_string(struct reader *r, char quote, struct buf *text)
{
	r->at += 3;
	skip_newline(r);
	while (!read_closing_quotes(r, quote, text)) {
		if (at_end(r))
			return fail(r, "a string is not closed");
		if (skip_newline(r)) {
			buf_append_char(text, '\n');
			continue;
		}
		if (is_control(*r->at))
			return fail(r, "a control character in a string");
		char c = *r->at++;
		if (quote == '"' && c == '\\') {
			int rc = skip_line_continuation(r) ? 0 : read_escape(r, text);
			if (rc < 0)
				return rc;
			continue;
		}
		buf_append_char(text, c);
	}
	return 0;
}

static int read_string(struct reader *r, json_t **value)
{
	cleanup(buf_done) struct buf text = BUF_INIT(TOML_SIZE_MAX);
	char quote = *r->at;
	bool is_block = peek(r, 1) == quote && peek(r, 2) == quote;
	int rc = is_block ? read_block_string(r, quote, &text) : read_line_string(r, quote, &text);
	if (rc < 0)
		return rc;
	*value = json_from_bytes(buf_str(&text));
	return 0;
}

/* ---- Keys ---- */

static bool is_bare(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

static int read_key_part(struct reader *r, struct strlist *key)
{
	cleanup(buf_done) struct buf part = BUF_INIT(TOML_SIZE_MAX);
	if (peek(r, 0) == '"' || peek(r, 0) == '\'') {
		int rc = read_line_string(r, *r->at, &part);
		if (rc < 0)
			return rc;
	} else {
		while (is_bare(peek(r, 0)))
			buf_append_char(&part, *r->at++);
		if (part.len == 0)
			return fail(r, "no key where one is expected");
	}
	strlist_take(key, buf_take(&part));
	return 0;
}

/* "a.b.\"c d\"", with the blanks behind it. */
static int read_key(struct reader *r, struct strlist *key)
{
	for (;;) {
		skip_blanks(r);
		if (key->count == TOML_DEPTH_MAX)
			return fail(r, "a key of more than %d parts", TOML_DEPTH_MAX);
		int rc = read_key_part(r, key);
		if (rc < 0)
			return rc;
		skip_blanks(r);
		if (peek(r, 0) != '.')
			return 0;
		r->at++;
	}
}

/* ---- Tables ---- */

static enum origin origin_of(const struct reader *r, const json_t *value)
{
	cleanup_free char *address = mem_printf("%p", (const void *)value);
	return (enum origin)json_integer_value(json_object_get(r->origins, address));
}

static void set_origin(struct reader *r, const json_t *value, enum origin origin)
{
	cleanup_free char *address = mem_printf("%p", (const void *)value);
	json_object_set_new(r->origins, address, json_integer(origin));
}

static json_t *add_table(struct reader *r, json_t *table, const char *key, enum origin origin)
{
	json_t *added = json_object();
	set_origin(r, added, origin);
	json_object_set_new(table, key, added);
	return added;
}

/* The table that a part of a header's path leads to, before the last part. */
static int enter_parent(struct reader *r, json_t **table, const char *key)
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
	return fail(r, "'%s' is a value already and takes no tables", key);
}

/* [x.y] */
static int open_table(struct reader *r, json_t *parent, const char *key)
{
	json_t *table = json_object_get(parent, key);
	if (!table)
		table = add_table(r, parent, key, ORIGIN_HEADER);
	else if (origin_of(r, table) == ORIGIN_PARENT)
		set_origin(r, table, ORIGIN_HEADER);
	else
		return fail(r, "'%s' is defined twice", key);
	r->section = table;
	return 0;
}

/* [[x.y]] */
static int open_element(struct reader *r, json_t *parent, const char *key)
{
	json_t *tables = json_object_get(parent, key);
	if (!tables) {
		tables = json_array();
		set_origin(r, tables, ORIGIN_TABLES);
		json_object_set_new(parent, key, tables);
	} else if (origin_of(r, tables) != ORIGIN_TABLES) {
		return fail(r, "'%s' is defined twice, and not always as [[%s]]", key, key);
	}
	r->section = json_object();
	set_origin(r, r->section, ORIGIN_HEADER);
	json_array_append_new(tables, r->section);
	return 0;
}

static int read_header(struct reader *r)
{
	bool is_element = starts_with(r, "[[");
	const char *close = is_element ? "]]" : "]";
	r->at += strlen(close);
	cleanup(strlist_done) struct strlist key = {0};
	int rc = read_key(r, &key);
	if (rc < 0)
		return rc;
	if (!starts_with(r, close))
		return fail(r, "a table header without its '%s'", close);
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

static int read_value(struct reader *r, size_t depth, json_t **value);

/* "a.b = value" into a table. */
static int read_assignment(struct reader *r, json_t *table, size_t depth)
{
	cleanup(strlist_done) struct strlist key = {0};
	int rc = read_key(r, &key);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i + 1 < key.count; i++) {
		json_t *next = json_object_get(table, key.items[i]);
		if (next && origin_of(r, next) != ORIGIN_DOTTED)
			return fail(r, "'%s' is defined already and takes no more keys", key.items[i]);
		table = next ? next : add_table(r, table, key.items[i], ORIGIN_DOTTED);
	}
	const char *last = key.items[key.count - 1];
	if (json_object_get(table, last))
		return fail(r, "'%s' is defined twice", last);
	if (peek(r, 0) != '=')
		return fail(r, "no '=' behind the key '%s'", last);
	r->at++;
	skip_blanks(r);
	json_t *value = NULL;
	rc = read_value(r, depth + key.count, &value);
	if (rc < 0)
		return rc;
	json_object_set_new(table, last, value);
	return 0;
}

/* ---- Values ---- */

static int read_array(struct reader *r, size_t depth, json_t **value)
{
	cleanup_json json_t *array = json_array();
	r->at++;
	for (;;) {
		int rc = skip_space(r);
		if (rc < 0)
			return rc;
		if (peek(r, 0) == ']')
			break;
		json_t *element = NULL;
		rc = read_value(r, depth + 1, &element);
		if (rc < 0)
			return rc;
		json_array_append_new(array, element);
		rc = skip_space(r);
		if (rc < 0)
			return rc;
		if (peek(r, 0) == ',')
			r->at++;
		else if (peek(r, 0) != ']')
			return fail(r, "neither ',' nor ']' behind an element of an array");
	}
	r->at++;
	*value = take_ptr(&array);
	return 0;
}

/* On one line, without a comma behind the last. */
static int read_inline_table(struct reader *r, size_t depth, json_t **value)
{
	cleanup_json json_t *table = json_object();
	r->at++;
	skip_blanks(r);
	while (peek(r, 0) != '}') {
		int rc = read_assignment(r, table, depth);
		if (rc < 0)
			return rc;
		skip_blanks(r);
		if (peek(r, 0) == '}')
			break;
		if (peek(r, 0) != ',')
			return fail(r, "neither ',' nor '}' behind a value of an inline table");
		r->at++;
		skip_blanks(r);
		if (peek(r, 0) == '}')
			return fail(r, "a ',' at the end of an inline table");
	}
	r->at++;
	set_origin(r, table, ORIGIN_INLINE);
	*value = take_ptr(&table);
	return 0;
}

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 16;
}

/* Digits of one base, single underscores only between them. False when the text is something else. */
static bool are_digits(const char *text, size_t length, int base)
{
	bool after_digit = false;
	for (size_t i = 0; i < length; i++) {
		bool is_digit = digit_value(text[i]) < base;
		if (!is_digit && (text[i] != '_' || !after_digit))
			return false;
		after_digit = is_digit;
	}
	return after_digit;
}

static bool sum_digits(const char *text, size_t length, int base, bool negative, int64_t *sum)
{
	*sum = 0;
	for (size_t i = 0; i < length; i++) {
		if (text[i] == '_')
			continue;
		int digit = digit_value(text[i]);
		if (__builtin_mul_overflow(*sum, base, sum) ||
		    __builtin_add_overflow(*sum, negative ? -digit : digit, sum))
			return false;
	}
	return true;
}

/* 1 when the word is an integer, 0 when it is not, or an error. */
static int read_integer(struct reader *r, const char *word, size_t length, json_t **value)
{
	bool has_sign = word[0] == '+' || word[0] == '-';
	const char *digits = word + has_sign;
	size_t count = length - has_sign;
	int base = 10;
	if (!has_sign && count > 2 && digits[0] == '0' && strchr("xob", digits[1])) {
		base = digits[1] == 'x' ? 16 : digits[1] == 'o' ? 8 : 2;
		digits += 2;
		count -= 2;
	}
	if (!are_digits(digits, count, base))
		return 0;
	if (base == 10 && count > 1 && digits[0] == '0')
		return fail(r, "the number '%.*s' begins with 0", (int)length, word);
	int64_t number = 0;
	if (!sum_digits(digits, count, base, word[0] == '-', &number))
		return fail(r, "the number '%.*s' does not fit 64 bits", (int)length, word);
	*value = json_integer(number);
	return 1;
}

/* Takes `*at` past a run of digits; false when there is none. */
static bool pass_digits(const char **at, const char *end)
{
	const char *start = *at;
	while (*at < end && (digit_value(**at) < 10 || **at == '_'))
		++*at;
	return are_digits(start, (size_t)(*at - start), 10);
}

/* "1.5", "-1e10", "+inf": checked, and kept as they are written. */
static bool is_float(const char *word, size_t length)
{
	const char *at = word + (word[0] == '+' || word[0] == '-');
	const char *end = word + length;
	if (end - at == 3 && (memcmp(at, "inf", 3) == 0 || memcmp(at, "nan", 3) == 0))
		return true;
	const char *whole = at;
	if (!pass_digits(&at, end) || (at - whole > 1 && whole[0] == '0'))
		return false;
	const char *after_whole = at;
	if (at < end && *at == '.') {
		at++;
		if (!pass_digits(&at, end))
			return false;
	}
	if (at < end && (*at == 'e' || *at == 'E')) {
		at++;
		if (at < end && (*at == '+' || *at == '-'))
			at++;
		if (!pass_digits(&at, end))
			return false;
	}
	return at == end && at > after_whole;
}

/* Passes over what `shape` shows, where 0 stands for any digit. */
static bool pass_shape(const char **at, const char *end, const char *shape)
{
	const char *c = *at;
	for (; *shape; shape++, c++)
		if (c >= end || (*shape == '0' ? digit_value(*c) >= 10 : *c != *shape))
			return false;
	*at = c;
	return true;
}

/* Dates and times by their shape (RFC 3339): no file of ours has one, so the calendar is not consulted. */
static bool is_date_or_time(const char *word, size_t length)
{
	const char *at = word;
	const char *end = word + length;
	bool has_date = pass_shape(&at, end, "0000-00-00");
	if (has_date && at == end)
		return true;
	if (has_date && !pass_shape(&at, end, "T") && !pass_shape(&at, end, "t") && !pass_shape(&at, end, " "))
		return false;
	if (!pass_shape(&at, end, "00:00:00"))
		return false;
	if (at < end && *at == '.') {
		at++;
		if (!pass_digits(&at, end) || at[-1] == '_')
			return false;
	}
	if (has_date && !pass_shape(&at, end, "Z") && !pass_shape(&at, end, "z") && !pass_shape(&at, end, "+00:00"))
		pass_shape(&at, end, "-00:00");
	return at == end;
}

/* The length of the unquoted word here. One blank inside belongs to it between a date and a time. */
static size_t word_length(const struct reader *r)
{
	size_t length = 0;
	for (char c = peek(r, 0); c; c = peek(r, ++length)) {
		if (c == ' ' && length == 10 && is_date_or_time(r->at, length) && digit_value(peek(r, 11)) < 10)
			continue;
		if (!is_bare(c) && !strchr("+.:", c))
			break;
	}
	return length;
}

/* true, false, a number, a date or a time. */
static int read_word(struct reader *r, json_t **value)
{
	const char *word = r->at;
	size_t length = word_length(r);
	if (length == 0)
		return fail(r, "no value where one is expected");
	r->at += length;
	if ((length == 4 && memcmp(word, "true", 4) == 0) || (length == 5 && memcmp(word, "false", 5) == 0)) {
		*value = json_boolean(length == 4);
		return 0;
	}
	int rc = read_integer(r, word, length, value);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	if (!is_float(word, length) && !is_date_or_time(word, length))
		return fail(r, "'%.*s' is not a value (strings need quotes)", length < 80 ? (int)length : 80, word);
	*value = json_stringn(word, length);
	return 0;
}

static int read_value(struct reader *r, size_t depth, json_t **value)
{
	if (depth > TOML_DEPTH_MAX)
		return fail(r, "values nest deeper than %d levels", TOML_DEPTH_MAX);
	switch (peek(r, 0)) {
	case '"':
	case '\'':
		return read_string(r, value);
	case '[':
		return read_array(r, depth, value);
	case '{':
		return read_inline_table(r, depth, value);
	default:
		return read_word(r, value);
	}
}

/* ---- The document ---- */

static int read_document(struct reader *r)
{
	for (;;) {
		int rc = skip_space(r);
		if (rc < 0 || at_end(r))
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
	struct reader reader = {
		.file = file,
		.at = text,
		.end = text + size,
		.line = 1,
		.root = table,
		.section = table,
		.origins = origins,
		.err = err,
	};
	if (starts_with(&reader, "\xef\xbb\xbf"))
		reader.at += 3; /* a byte order mark */
	int rc = read_document(&reader);
	if (rc < 0)
		return rc;
	*root = take_ptr(&table);
	return 0;
}
