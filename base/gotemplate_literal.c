/*
 * Strings, characters and numbers as Go writes them, to values.
 */
#include "base/gotemplate_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

/* Readers move *at behind what they have read, or to where it is wrong; they return false with *problem set. */
static bool fail(const char **problem, const char *text)
{
	*problem = text;
	return false;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The value of a digit of any base up to 16, or 16. */
static unsigned digit_value(char c)
{
	const char *digits = "0123456789abcdef0123456789ABCDEF";
	const char *found = c ? strchr(digits, c) : NULL;
	return found ? (unsigned)((found - digits) % 16) : 16;
}

/* ---- Strings and characters ---- */

/* `count` digits of a numeric escape. */
static bool read_escape_digits(const char **at, unsigned base, size_t count, uint32_t *value)
{
	*value = 0;
	for (size_t i = 0; i < count; i++, ++*at) {
		unsigned digit = digit_value(**at);
		if (digit >= base)
			return false;
		*value = *value * base + digit;
	}
	return true;
}

/* \123, \x41, \u00e9 or \U0001f600, behind the backslash. The first two stand for a byte. */
static bool read_numeric_escape(const char **at, struct buf *text, const char **problem)
{
	char kind = is_digit(**at) ? 'o' : *(*at)++;
	size_t count = kind == 'o' ? 3 : kind == 'x' ? 2 : kind == 'u' ? 4 : 8;
	bool is_byte = kind == 'o' || kind == 'x';
	uint32_t value = 0;
	if (!read_escape_digits(at, kind == 'o' ? 8 : 16, count, &value))
		return fail(problem, "a bad escape");
	if (value == 0 || (is_byte && value > 255))
		return fail(problem, "an escape for a character that no text may hold");
	if (is_byte) {
		buf_append_char(text, (char)value);
		return true;
	}
	char bytes[UTF8_CHAR_MAX];
	buf_append(text, bytes, utf8_encode(value, bytes));
	return true;
}

/* Behind a backslash. */
static bool read_escape(const char **at, struct buf *text, const char **problem)
{
	static const char names[] = "abfnrtv\\'\"";
	static const char values[] = "\a\b\f\n\r\t\v\\'\"";
	char c = **at;
	const char *name = c ? strchr(names, c) : NULL;
	if (name) {
		buf_append_char(text, values[name - names]);
		++*at;
		return true;
	}
	if (c == '\0' || !strchr("01234567xuU", c))
		return fail(problem, "an unknown escape");
	return read_numeric_escape(at, text, problem);
}

/* '…' or "…", on one line. */
static bool read_quoted(const char **at, struct buf *text, const char **problem)
{
	char quote = *(*at)++;
	while (**at != quote) {
		if (**at == '\0' || **at == '\n')
			return fail(problem, "a quote is not closed");
		char c = *(*at)++;
		if (c != '\\')
			buf_append_char(text, c);
		else if (!read_escape(at, text, problem))
			return false;
	}
	++*at;
	return true;
}

/* 'x' is the number of its character, as in Go. */
static json_t *read_quoted_literal(const char **at, const char **problem)
{
	cleanup(buf_done) struct buf text = BUF_INIT(BUF_MAX_DEFAULT);
	bool is_character = **at == '\'';
	if (!read_quoted(at, &text, problem))
		return NULL;
	if (!is_character)
		return json_from_bytes(buf_str(&text));
	uint32_t character = 0;
	if (text.len > 0 && utf8_decode(text.data, text.len, &character) == text.len)
		return json_integer(character);
	*problem = "a character literal needs one character";
	return NULL;
}

/* Between backquotes nothing is special. */
static json_t *read_raw_literal(const char **at, const char **problem)
{
	const char *start = *at + 1;
	const char *end = strchr(start, '`');
	if (!end) {
		*problem = "a quote is not closed";
		return NULL;
	}
	cleanup_free char *text = mem_strndup(start, (size_t)(end - start));
	*at = end + 1;
	return json_from_bytes(text);
}

/* ---- Numbers ---- */

/* The whole word as an integer in decimal, 0x, 0o, 0b or (as Go has it) octal behind a bare 0; false when it is
 * something else or does not fit. */
static bool read_integer(const char *word, int64_t *value)
{
	bool negative = *word == '-';
	if (*word == '-' || *word == '+')
		word++;
	unsigned base = 10;
	if (word[0] == '0' && word[1] != '\0') {
		base = strchr("xX", word[1]) ? 16 : strchr("bB", word[1]) ? 2 : 8;
		word += strchr("xXbBoO", word[1]) ? 2 : 1;
	}
	if (*word == '\0')
		return false;
	int64_t sum = 0;
	for (; *word; word++) {
		if (*word == '_')
			continue;
		unsigned digit = digit_value(*word);
		int64_t change = negative ? -(int64_t)digit : (int64_t)digit;
		if (digit >= base || __builtin_mul_overflow(sum, base, &sum) ||
		    __builtin_add_overflow(sum, change, &sum))
			return false;
	}
	*value = sum;
	return true;
}

/* The whole word as a decimal fraction or with an exponent; an integer that did not fit is not silently made one. */
static bool read_real(const char *word, double *value)
{
	if (word[strspn(word, "+-.eE0123456789")] != '\0' || word[strcspn(word, ".eE")] == '\0')
		return false;
	char *end = NULL;
	*value = strtod(word, &end);
	return *end == '\0';
}

/* How many characters look like a number: what stands there instead of one is shown whole. */
static size_t number_length(const char *text)
{
	size_t length = *text == '-' || *text == '+';
	for (;; length++) {
		char c = text[length];
		bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
		bool is_exponent_sign = (c == '-' || c == '+') && length > 0 && strchr("eE", text[length - 1]) &&
					!strchr("xX", text[1]);
		if (!is_letter && !is_digit(c) && c != '.' && !is_exponent_sign)
			return length;
	}
}

static json_t *read_number(const char **at, const char **problem)
{
	size_t length = number_length(*at);
	cleanup_free char *word = mem_strndup(*at, length);
	int64_t integer = 0;
	double real = 0;
	json_t *value = NULL;
	if (read_integer(word, &integer))
		value = json_integer(integer);
	else if (read_real(word, &real))
		value = json_real(real); /* NULL when it is infinite */
	if (value)
		*at += length;
	else
		*problem = "a bad number";
	return value;
}

/* ---- The door ---- */

bool gotemplate_is_literal(const char *text)
{
	if (*text == '"' || *text == '\'' || *text == '`' || is_digit(*text))
		return true;
	return (*text == '.' && is_digit(text[1])) ||
	       ((*text == '-' || *text == '+') && (is_digit(text[1]) || text[1] == '.'));
}

json_t *gotemplate_read_literal(const char **at, const char **problem)
{
	switch (**at) {
	case '"':
	case '\'':
		return read_quoted_literal(at, problem);
	case '`':
		return read_raw_literal(at, problem);
	default:
		return read_number(at, problem);
	}
}
