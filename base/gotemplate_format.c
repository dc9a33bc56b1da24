/*
 * Values to text as Go's fmt package does it: %v, and printf with the verbs and flags that make sense for what JSON
 * has. A verb that does not fit its value is shown, as Go does: %!d(string=hi).
 */
#include "base/gotemplate_internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

#define WIDTH_MAX 10000

/* One %-12.3s of a format. */
struct verb {
	char letter;
	bool minus;
	bool plus;
	bool sharp;
	bool space;
	bool zero;
	int width;     /* in characters; 0 is none */
	int precision; /* -1 is none */
};

static const struct verb plain_value = {.letter = 'v', .precision = -1};

const char *gotemplate_type_name(const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_STRING:
		return "string";
	case JSON_INTEGER:
		return "int";
	case JSON_REAL:
		return "float64";
	case JSON_TRUE:
	case JSON_FALSE:
		return "bool";
	case JSON_ARRAY:
		return "[]interface {}";
	case JSON_OBJECT:
		return "map[string]interface {}";
	case JSON_NULL:
		break;
	}
	return "nil";
}

bool gotemplate_is_true(const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_STRING:
		return json_string_length(value) > 0;
	case JSON_INTEGER:
		return json_integer_value(value) != 0;
	case JSON_REAL:
		return fpclassify(json_real_value(value)) != FP_ZERO;
	case JSON_ARRAY:
		return json_array_size(value) > 0;
	case JSON_OBJECT:
		return json_object_size(value) > 0;
	case JSON_TRUE:
		return true;
	case JSON_FALSE:
	case JSON_NULL:
		break;
	}
	return false;
}

bool gotemplate_is_struct(const json_t *object)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)object, key, value)
	{
		if (key[0] < 'A' || key[0] > 'Z')
			return false;
	}
	return json_object_size(object) > 0;
}

static size_t count_characters(const char *text)
{
	size_t count = 0;
	for (; *text; text++)
		count += (*text & 0xc0) != 0x80;
	return count;
}

/* Appends text, filled up to the verb's width. Zeros go between a sign and its number. */
static void append_padded(const struct verb *verb, const char *text, bool is_number, struct buf *into)
{
	size_t length = count_characters(text);
	size_t missing = (size_t)verb->width > length ? (size_t)verb->width - length : 0;
	bool with_zeros = verb->zero && is_number && !verb->minus;
	if (with_zeros && *text && strchr("+-", *text))
		buf_append_char(into, *text++);
	if (verb->minus)
		buf_append_str(into, text);
	for (size_t i = 0; i < missing; i++)
		buf_append_char(into, with_zeros ? '0' : ' ');
	if (!verb->minus)
		buf_append_str(into, text);
}

/* %!d(string=hi) */
static void append_bad_verb(const struct verb *verb, const json_t *value, struct buf *into)
{
	buf_printf(into, "%%!%c(", verb->letter);
	if (json_is_null(value)) {
		buf_append_str(into, "<nil>)");
		return;
	}
	buf_printf(into, "%s=", gotemplate_type_name(value));
	gotemplate_append_value(value, into);
	buf_append_char(into, ')');
}

/* ---- Strings ---- */

/* One character as it stands between Go's quotes. */
static void append_quoted_character(uint32_t character, char quote, struct buf *into)
{
	static const char names[] = "abfnrtv\\";
	static const char values[] = "\a\b\f\n\r\t\v\\";
	const char *known = character > 0 && character < 0x80 ? strchr(values, (char)character) : NULL;
	if (known)
		buf_printf(into, "\\%c", names[known - values]);
	else if (character == (unsigned char)quote)
		buf_printf(into, "\\%c", quote);
	else if (character < 0x20 || character == 0x7f)
		buf_printf(into, "\\x%02" PRIx32, character);
	else if (character >= 0x80 && character < 0xa0)
		buf_printf(into, "\\u%04" PRIx32, character);
	else {
		char bytes[UTF8_CHAR_MAX];
		buf_append(into, bytes, utf8_encode(character, bytes));
	}
}

static void append_quoted(const char *text, struct buf *into)
{
	size_t size = strlen(text);
	buf_append_char(into, '"');
	for (size_t at = 0; at < size;) {
		uint32_t character = 0;
		at += utf8_decode(text + at, size - at, &character);
		append_quoted_character(character, '"', into);
	}
	buf_append_char(into, '"');
}

/* The bytes of the first `count` characters. */
static size_t character_bytes(const char *text, size_t count)
{
	size_t size = strlen(text);
	size_t at = 0;
	for (; at < size && count > 0; count--) {
		uint32_t character = 0;
		at += utf8_decode(text + at, size - at, &character);
	}
	return at;
}

static void append_string(const struct verb *verb, const json_t *value, struct buf *into)
{
	const char *full = json_string_value(value);
	size_t length = verb->precision < 0 ? strlen(full) : character_bytes(full, (size_t)verb->precision);
	cleanup_free char *cut = mem_strndup(full, length);
	cleanup(buf_done) struct buf text = BUF_INIT(into->max);
	switch (verb->letter) {
	case 'v':
	case 's':
		if (verb->sharp && verb->letter == 'v')
			append_quoted(cut, &text);
		else
			buf_append_str(&text, cut);
		break;
	case 'q':
		append_quoted(cut, &text);
		break;
	case 'x':
	case 'X':
		for (size_t i = 0; i < length; i++)
			buf_printf(&text, verb->letter == 'x' ? "%02x" : "%02X", (unsigned char)cut[i]);
		break;
	default:
		append_bad_verb(verb, value, into);
		return;
	}
	append_padded(verb, buf_str(&text), false, into);
}

/* ---- Numbers ---- */

static void append_character(uint32_t character, struct buf *into)
{
	char bytes[UTF8_CHAR_MAX];
	/* A NUL would end the strings that values are. */
	buf_append(into, bytes, utf8_encode(character == 0 ? UTF8_REPLACEMENT : character, bytes));
}

static void append_binary(uint64_t number, struct buf *into)
{
	int bit = 63;
	while (bit > 0 && !(number >> bit & 1))
		bit--;
	for (; bit >= 0; bit--)
		buf_append_char(into, (number >> bit & 1) ? '1' : '0');
}

static void append_integer(const struct verb *verb, const json_t *value, struct buf *into)
{
	int64_t number = json_integer_value(value);
	uint64_t size = number < 0 ? -(uint64_t)number : (uint64_t)number;
	uint32_t character = number < 0 || number > 0x10ffff ? UTF8_REPLACEMENT : (uint32_t)number;
	cleanup(buf_done) struct buf text = BUF_INIT(BUF_MAX_DEFAULT);
	const char *sign = number < 0 ? "-" : verb->plus ? "+" : verb->space ? " " : "";
	switch (verb->letter) {
	case 'v':
	case 'd':
		buf_printf(&text, "%s%" PRIu64, sign, size);
		break;
	case 'x':
		buf_printf(&text, "%s%s%" PRIx64, sign, verb->sharp ? "0x" : "", size);
		break;
	case 'X':
		buf_printf(&text, "%s%s%" PRIX64, sign, verb->sharp ? "0X" : "", size);
		break;
	case 'o':
		buf_printf(&text, "%s%s%" PRIo64, sign, verb->sharp ? "0" : "", size);
		break;
	case 'b':
		buf_append_str(&text, sign);
		append_binary(size, &text);
		break;
	case 'c':
		append_character(character, &text);
		break;
	case 'q':
		buf_append_char(&text, '\'');
		append_quoted_character(character, '\'', &text);
		buf_append_char(&text, '\'');
		break;
	case 'U':
		buf_printf(&text, "U+%04" PRIX64, size);
		break;
	default:
		append_bad_verb(verb, value, into);
		return;
	}
	append_padded(verb, buf_str(&text), strchr("vdxXob", verb->letter), into);
}

/* The fewest digits that read back as the same number, in %e from exponent 6 on or below -4, as Go's %v has it. */
static void append_shortest(double number, struct buf *into)
{
	cleanup_free char *digits = NULL;
	int precision = 0;
	do {
		free(digits);
		digits = mem_printf("%.*e", precision, number);
	} while (strtod(digits, NULL) != number && ++precision < 17);
	const char *exponent_text = strchr(digits, 'e');
	int64_t exponent = 0;
	for (const char *c = exponent_text + 2; *c; c++)
		exponent = exponent * 10 + (*c - '0');
	if (exponent_text[1] == '-')
		exponent = -exponent;
	if (exponent < -4 || exponent >= 6) {
		buf_append_str(into, digits);
		return;
	}
	buf_printf(into, "%.*f", exponent < precision ? (int)(precision - exponent) : 0, number);
}

static void append_real(const struct verb *verb, const json_t *value, struct buf *into)
{
	double number = json_real_value(value);
	int precision = verb->precision < 0 ? 6 : verb->precision;
	cleanup(buf_done) struct buf text = BUF_INIT(BUF_MAX_DEFAULT);
	if (!signbit(number) && (verb->plus || verb->space))
		buf_append_char(&text, verb->plus ? '+' : ' ');
	switch (verb->letter) {
	case 'v':
	case 'g':
		if (verb->precision < 0)
			append_shortest(number, &text);
		else
			buf_printf(&text, "%.*g", precision, number);
		break;
	case 'f':
	case 'F':
		buf_printf(&text, "%.*f", precision, number);
		break;
	case 'e':
		buf_printf(&text, "%.*e", precision, number);
		break;
	case 'E':
		buf_printf(&text, "%.*E", precision, number);
		break;
	case 'G':
		buf_printf(&text, "%.*G", precision, number);
		break;
	default:
		append_bad_verb(verb, value, into);
		return;
	}
	append_padded(verb, buf_str(&text), true, into);
}

/* ---- All kinds ---- */

static void append_by_verb(const struct verb *verb, const json_t *value, struct buf *into);

/* The verb goes to every element, as in Go. */
static void append_array(const struct verb *verb, const json_t *array, struct buf *into)
{
	buf_append_char(into, '[');
	for (size_t i = 0; i < json_array_size(array); i++) {
		if (i > 0)
			buf_append_char(into, ' ');
		append_by_verb(verb, json_array_get(array, i), into);
	}
	buf_append_char(into, ']');
}

/* A map whose values are all text (labels, annotations) may have keys with capitals and is no struct for that. */
static bool prints_as_struct(const json_t *object)
{
	json_t *walked = (json_t *)object; /* jansson's iterators change nothing */

	if (!gotemplate_is_struct(object))
		return false;
	for (void *i = json_object_iter(walked); i; i = json_object_iter_next(walked, i))
		if (!json_is_string(json_object_iter_value(i)))
			return true;
	return false;
}

/* "{a [b c]}", in the order of the fields; with their names for %+v. */
static void append_struct(const struct verb *verb, const json_t *object, struct buf *into)
{
	json_t *walked = (json_t *)object;
	bool is_first = true;

	buf_append_char(into, '{');
	for (void *i = json_object_iter(walked); i; i = json_object_iter_next(walked, i)) {
		if (!is_first)
			buf_append_char(into, ' ');
		is_first = false;
		if (verb->plus)
			buf_printf(into, "%s:", json_object_iter_key(i));
		append_by_verb(verb, json_object_iter_value(i), into);
	}
	buf_append_char(into, '}');
}

static void append_object(const struct verb *verb, const json_t *object, struct buf *into)
{
	cleanup(strlist_done) struct strlist keys = {0};
	if (prints_as_struct(object)) {
		append_struct(verb, object, into);
		return;
	}
	gotemplate_sorted_keys(object, &keys);
	buf_append_str(into, "map[");
	for (size_t i = 0; i < keys.count; i++) {
		if (i > 0)
			buf_append_char(into, ' ');
		cleanup_json json_t *key = json_from_bytes(keys.items[i]);
		append_by_verb(verb, key, into);
		buf_append_char(into, ':');
		const json_t *value = json_object_get(object, keys.items[i]);
		/* A set: Go has it as a map to struct{}, and prints "map[80/tcp:{}]". */
		if (json_is_object(value) && json_object_size(value) == 0 && !gotemplate_is_struct(object))
			buf_append_str(into, "{}");
		else
			append_by_verb(verb, value, into);
	}
	buf_append_char(into, ']');
}

static void append_bool(const struct verb *verb, const json_t *value, struct buf *into)
{
	if (verb->letter == 'v' || verb->letter == 't')
		append_padded(verb, json_is_true(value) ? "true" : "false", false, into);
	else
		append_bad_verb(verb, value, into);
}

static void append_by_verb(const struct verb *verb, const json_t *value, struct buf *into)
{
	switch (json_typeof(value)) {
	case JSON_STRING:
		append_string(verb, value, into);
		break;
	case JSON_INTEGER:
		append_integer(verb, value, into);
		break;
	case JSON_REAL:
		append_real(verb, value, into);
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		append_bool(verb, value, into);
		break;
	case JSON_ARRAY:
		append_array(verb, value, into);
		break;
	case JSON_OBJECT:
		append_object(verb, value, into);
		break;
	case JSON_NULL:
		if (verb->letter == 'v')
			append_padded(verb, "<nil>", false, into);
		else
			append_bad_verb(verb, value, into);
		break;
	}
}

void gotemplate_append_value(const json_t *value, struct buf *into)
{
	append_by_verb(&plain_value, value, into);
}

void gotemplate_sorted_keys(const json_t *object, struct strlist *keys)
{
	/* jansson's iterators want a pointer to non-const, and change nothing. */
	json_t *walked = (json_t *)object;
	for (void *i = json_object_iter(walked); i; i = json_object_iter_next(walked, i))
		strlist_append(keys, json_object_iter_key(i));
	strlist_sort(keys);
}

/* ---- printf ---- */

static bool set_flag(struct verb *verb, char c)
{
	switch (c) {
	case '-':
		verb->minus = true;
		return true;
	case '+':
		verb->plus = true;
		return true;
	case '#':
		verb->sharp = true;
		return true;
	case ' ':
		verb->space = true;
		return true;
	case '0':
		verb->zero = true;
		return true;
	default:
		return false;
	}
}

/* Digits of a width or precision; more than WIDTH_MAX is cut to it. */
static int read_count(const char **at)
{
	int count = 0;
	for (; **at >= '0' && **at <= '9'; ++*at)
		if (count < WIDTH_MAX)
			count = count * 10 + (**at - '0');
	return count < WIDTH_MAX ? count : WIDTH_MAX;
}

/* Behind the '%': everything but the letter, which stays. */
static struct verb read_verb(const char **at)
{
	struct verb verb = {.precision = -1};
	while (set_flag(&verb, **at))
		++*at;
	verb.width = read_count(at);
	if (**at == '.') {
		++*at;
		verb.precision = read_count(at);
	}
	return verb;
}

static void append_extra(json_t *const *args, size_t count, struct buf *into)
{
	buf_append_str(into, "%!(EXTRA ");
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			buf_append_str(into, ", ");
		if (!json_is_null(args[i]))
			buf_printf(into, "%s=", gotemplate_type_name(args[i]));
		gotemplate_append_value(args[i], into);
	}
	buf_append_char(into, ')');
}

void gotemplate_append_printf(const char *format, json_t *const *args, size_t count, struct buf *into)
{
	size_t used = 0;
	const char *at = format;
	while (*at) {
		size_t plain = strcspn(at, "%");
		buf_append(into, at, plain);
		at += plain;
		if (*at == '\0')
			break;
		at++;
		struct verb verb = read_verb(&at);
		if (*at == '\0') {
			buf_append_str(into, "%!(NOVERB)");
			break;
		}
		verb.letter = *at++;
		if (verb.letter == '%')
			buf_append_char(into, '%');
		else if (used == count)
			buf_printf(into, "%%!%c(MISSING)", verb.letter);
		else if (verb.letter == 'T')
			append_padded(&verb, gotemplate_type_name(args[used++]), false, into);
		else
			append_by_verb(&verb, args[used++], into);
	}
	if (used < count)
		append_extra(args + used, count - used, into);
}
