/*
 * What a TOML document has between its brackets and commas: strings, numbers, dates and times.
 */
#include "base/toml_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/utf8.h"

/* ---- Strings ---- */

/* The hexadecimal digits of \uXXXX. */
static int read_unicode_escape(struct toml_reader *r, size_t digits, struct buf *text)
{
	uint32_t character = 0;
	for (size_t i = 0; i < digits; i++, r->at++) {
		const char *hex = "0123456789abcdef0123456789ABCDEF";
		const char *found = toml_peek(r, 0) ? strchr(hex, toml_peek(r, 0)) : NULL;
		if (!found)
			return toml_fail(r, "\\%c needs %zu hexadecimal digits", digits == 4 ? 'u' : 'U', digits);
		character = character << 4 | (uint32_t)((found - hex) % 16);
	}
	char bytes[UTF8_CHAR_MAX];
	size_t length = utf8_encode(character, bytes);
	uint32_t written = 0;
	utf8_decode(bytes, length, &written);
	if (character == 0 || written != character)
		return toml_fail(r, "an escape for a character that no text may hold");
	buf_append(text, bytes, length);
	return 0;
}

/* Behind a backslash. */
static int read_escape(struct toml_reader *r, struct buf *text)
{
	static const char names[] = "btnfr\"\\";
	static const char values[] = "\b\t\n\f\r\"\\";
	char c = toml_peek(r, 0);
	if (c == 'u' || c == 'U') {
		r->at++;
		return read_unicode_escape(r, c == 'u' ? 4 : 8, text);
	}
	const char *name = c ? strchr(names, c) : NULL;
	if (!name)
		return toml_fail(r, "an unknown escape in a string");
	buf_append_char(text, values[name - names]);
	r->at++;
	return 0;
}

/* A backslash at the end of a line of a """ string takes away all white space up to the next text. */
static bool skip_line_continuation(struct toml_reader *r)
{
	struct toml_reader ahead = *r;
	toml_skip_blanks(&ahead);
	if (!toml_skip_newline(&ahead))
		return false;
	do
		toml_skip_blanks(&ahead);
	while (toml_skip_newline(&ahead));
	r->at = ahead.at;
	r->line = ahead.line;
	return true;
}

int toml_read_line_string(struct toml_reader *r, char quote, struct buf *text)
{
	r->at++;
	while (toml_peek(r, 0) != quote) {
		if (toml_at_end(r) || toml_newline_length(r) > 0)
			return toml_fail(r, "a string is not closed");
		if (toml_is_control(*r->at))
			return toml_fail(r, "a control character in a string");
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
static bool read_closing_quotes(struct toml_reader *r, char quote, struct buf *text)
{
	size_t quotes = 0;
	while (quotes < 5 && toml_peek(r, quotes) == quote)
		quotes++;
	for (size_t i = 3; i < quotes; i++)
		buf_append_char(text, quote);
	r->at += quotes >= 3 ? quotes : 0;
	return quotes >= 3;
}

static int read_block_string(struct toml_reader *r, char quote, struct buf *text)
{
	r->at += 3;
	toml_skip_newline(r);
	while (!read_closing_quotes(r, quote, text)) {
		if (toml_at_end(r))
			return toml_fail(r, "a string is not closed");
		if (toml_skip_newline(r)) {
			buf_append_char(text, '\n');
			continue;
		}
		if (toml_is_control(*r->at))
			return toml_fail(r, "a control character in a string");
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

int toml_read_string(struct toml_reader *r, json_t **value)
{
	cleanup(buf_done) struct buf text = BUF_INIT(TOML_SIZE_MAX);
	char quote = *r->at;
	bool is_block = toml_peek(r, 1) == quote && toml_peek(r, 2) == quote;
	int rc = is_block ? read_block_string(r, quote, &text) : toml_read_line_string(r, quote, &text);
	if (rc < 0)
		return rc;
	*value = json_from_bytes(buf_str(&text));
	return 0;
}

/* ---- Words ---- */

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
static int read_integer(struct toml_reader *r, const char *word, size_t length, json_t **value)
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
		return toml_fail(r, "the number '%.*s' begins with 0", (int)length, word);
	int64_t number = 0;
	if (!sum_digits(digits, count, base, word[0] == '-', &number))
		return toml_fail(r, "the number '%.*s' does not fit 64 bits", (int)length, word);
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
static size_t word_length(const struct toml_reader *r)
{
	size_t length = 0;
	for (char c = toml_peek(r, 0); c; c = toml_peek(r, ++length)) {
		if (c == ' ' && length == 10 && is_date_or_time(r->at, length) && digit_value(toml_peek(r, 11)) < 10)
			continue;
		if (!toml_is_bare(c) && !strchr("+.:", c))
			break;
	}
	return length;
}

int toml_read_word(struct toml_reader *r, json_t **value)
{
	const char *word = r->at;
	size_t length = word_length(r);
	if (length == 0)
		return toml_fail(r, "no value where one is expected");
	r->at += length;
	if ((length == 4 && memcmp(word, "true", 4) == 0) || (length == 5 && memcmp(word, "false", 5) == 0)) {
		*value = json_boolean(length == 4);
		return 0;
	}
	int rc = read_integer(r, word, length, value);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	if (!is_float(word, length) && !is_date_or_time(word, length))
		return toml_fail(r, "'%.*s' is not a value (strings need quotes)", length < 80 ? (int)length : 80,
				 word);
	*value = json_stringn(word, length);
	return 0;
}
