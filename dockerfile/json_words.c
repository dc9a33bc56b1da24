/*
 * A list of strings in JSON, read as Go's encoding/json reads it, because what is no JSON there is a text for the shell
 * here: duplicate keys and bytes that are no UTF-8 are fine, a number beyond a double is not, a surrogate without its
 * other half becomes U+FFFD. jansson is stricter in each of these, which is why this reader is our own.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "dockerfile/character_internal.h"
#include "dockerfile/statement_internal.h"

#define JSON_BLANKS " \t\r\n"
#define DEPTH_MAX 10000 /* of brackets in each other: Go's */

struct json_reader {
	const char *at;
	unsigned depth;
	bool has_nul; /* "\u0000" was in a string */
};

static void skip_blanks(struct json_reader *reader)
{
	reader->at += strspn(reader->at, JSON_BLANKS);
}

/* The character at hand, if it is this one, is taken. */
static bool take(struct json_reader *reader, char c)
{
	if (*reader->at != c)
		return false;
	reader->at++;
	return true;
}

/* ---- strings ---- */

/* The value of "\uXXXX" at `text`, or -1. */
static int32_t read_unit(const char *text)
{
	static const char digits[] = "0123456789abcdef";
	int32_t value = 0;

	if (text[0] != '\\' || text[1] != 'u')
		return -1;
	for (int i = 2; i < 6; i++) {
		char c = text[i] >= 'A' && text[i] <= 'F' ? (char)(text[i] - 'A' + 'a') : text[i];
		const char *digit = c ? strchr(digits, c) : NULL;
		if (!digit)
			return -1;
		value = value * 16 + (int32_t)(digit - digits);
	}
	return value;
}

static bool is_surrogate(int32_t unit)
{
	return unit >= 0xd800 && unit < 0xe000;
}

/* One "\uXXXX", or two that are one character. */
static bool read_unicode(struct json_reader *reader, struct buf *into)
{
	char bytes[UTF8_CHAR_MAX];
	int32_t first = read_unit(reader->at);

	if (first < 0)
		return false;
	reader->at += 6;
	uint32_t character = (uint32_t)first;
	if (is_surrogate(first)) {
		int32_t second = first < 0xdc00 ? read_unit(reader->at) : -1;
		bool is_pair = second >= 0xdc00 && second < 0xe000;
		character = is_pair ? 0x10000 + ((character - 0xd800) << 10) + ((uint32_t)second - 0xdc00)
				    : UTF8_REPLACEMENT;
		reader->at += is_pair ? 6 : 0;
	}
	reader->has_nul |= character == 0;
	buf_append(into, bytes, utf8_encode(character ? character : UTF8_REPLACEMENT, bytes));
	return true;
}

static bool read_escape(struct json_reader *reader, struct buf *into)
{
	static const char letters[] = "\"\\/bfnrt";
	static const char meanings[] = "\"\\/\b\f\n\r\t";
	const char *letter = reader->at[1] ? strchr(letters, reader->at[1]) : NULL;

	if (!letter)
		return read_unicode(reader, into);
	buf_append_char(into, meanings[letter - letters]);
	reader->at += 2;
	return true;
}

static bool read_string(struct json_reader *reader, struct buf *into)
{
	if (!take(reader, '"'))
		return false;
	while (*reader->at != '"') {
		char bytes[UTF8_CHAR_MAX];
		uint32_t character = 0;
		if ((unsigned char)*reader->at < ' ')
			return false;
		if (*reader->at == '\\') {
			if (!read_escape(reader, into))
				return false;
			continue;
		}
		reader->at += utf8_decode(reader->at, strnlen(reader->at, UTF8_CHAR_MAX), &character);
		buf_append(into, bytes, utf8_encode(character, bytes));
	}
	reader->at++;
	return true;
}

/* ---- everything else: only whether it is JSON ---- */

static bool skip_value(struct json_reader *reader);

static bool skip_digits(struct json_reader *reader)
{
	size_t count = strspn(reader->at, "0123456789");

	reader->at += count;
	return count > 0;
}

static bool skip_number(struct json_reader *reader)
{
	const char *begin = reader->at;

	take(reader, '-');
	if (!take(reader, '0') && !skip_digits(reader))
		return false;
	if (take(reader, '.') && !skip_digits(reader))
		return false;
	if (*reader->at == 'e' || *reader->at == 'E') {
		reader->at++;
		if (!take(reader, '+'))
			take(reader, '-');
		if (!skip_digits(reader))
			return false;
	}
	cleanup_free char *text = mem_strndup(begin, (size_t)(reader->at - begin));
	return !isinf(strtod(text, NULL));
}

static bool skip_string(struct json_reader *reader)
{
	cleanup(buf_done) struct buf unused = BUF_INIT(DOCKERFILE_INSTRUCTION_MAX);

	return read_string(reader, &unused);
}

static bool skip_word(struct json_reader *reader, const char *word)
{
	size_t size = strlen(word);

	if (strncmp(reader->at, word, size) != 0)
		return false;
	reader->at += size;
	return true;
}

/* A list or an object from its bracket on. */
static bool skip_members(struct json_reader *reader, char close)
{
	bool is_object = close == '}';

	if (reader->depth == DEPTH_MAX)
		return false;
	reader->depth++;
	reader->at++;
	skip_blanks(reader);
	bool goes_on = *reader->at != close;
	while (goes_on) {
		skip_blanks(reader);
		if (is_object) {
			if (!skip_string(reader))
				return false;
			skip_blanks(reader);
			if (!take(reader, ':'))
				return false;
		}
		if (!skip_value(reader))
			return false;
		goes_on = take(reader, ',');
	}
	reader->depth--;
	return take(reader, close);
}

/* Any value with the blanks around it. */
static bool skip_value(struct json_reader *reader)
{
	bool ok = false;

	skip_blanks(reader);
	switch (*reader->at) {
	case '"':
		ok = skip_string(reader);
		break;
	case '[':
		ok = skip_members(reader, ']');
		break;
	case '{':
		ok = skip_members(reader, '}');
		break;
	case 't':
		ok = skip_word(reader, "true");
		break;
	case 'f':
		ok = skip_word(reader, "false");
		break;
	case 'n':
		ok = skip_word(reader, "null");
		break;
	default:
		ok = skip_number(reader);
	}
	skip_blanks(reader);
	return ok;
}

/* ---- the list ---- */

/* One element: a string goes to `words`, anything else sets *is_other. */
static bool read_element(struct json_reader *reader, struct strlist *words, bool *is_other)
{
	skip_blanks(reader);
	if (*reader->at != '"') {
		*is_other = true;
		return skip_value(reader);
	}
	cleanup(buf_done) struct buf text = BUF_INIT(3 * DOCKERFILE_INSTRUCTION_MAX);
	if (!read_string(reader, &text))
		return false;
	strlist_append(words, buf_str(&text));
	skip_blanks(reader);
	return true;
}

int json_words(const char *text, struct strlist *words, bool *has_nul, struct error **err)
{
	cleanup(strlist_done) struct strlist found = {0};
	struct json_reader reader = {.at = skip_space(text), .depth = 1};
	bool is_other = false;

	/* What is no JSON is the shell's: `[ -f x ] && y`. */
	if (!take(&reader, '['))
		return 0;
	skip_blanks(&reader);
	bool goes_on = *reader.at != ']';
	while (goes_on) {
		if (!read_element(&reader, &found, &is_other))
			return 0;
		goes_on = take(&reader, ',');
	}
	if (!take(&reader, ']'))
		return 0;
	skip_blanks(&reader);
	if (*reader.at)
		return 0;
	if (is_other)
		return error_set(err, EINVAL, "when using JSON array syntax, arrays must be comprised of strings only");
	strlist_append_all(words, &found);
	*has_nul = reader.has_nul;
	return 1;
}
