/*
 * Go's %q, %v and durations.
 */
#include "builder/build_gotext.h"

#include <string.h>

#include "base/utf8.h"

/* ---- quotes ------------------------------------------------------------------------------------------------------ */

static const char *escape_of(uint32_t character)
{
	static const struct {
		char character;
		const char *escape;
	} escapes[] = {{'"', "\\\""}, {'\\', "\\\\"}, {'\a', "\\a"}, {'\b', "\\b"}, {'\f', "\\f"},
		       {'\n', "\\n"}, {'\r', "\\r"},  {'\t', "\\t"}, {'\v', "\\v"}};

	for (size_t i = 0; i < ARRAY_COUNT(escapes); i++)
		if (character == (uint32_t)(unsigned char)escapes[i].character)
			return escapes[i].escape;
	return NULL;
}

static void quote(const char *text, struct buf *into)
{
	size_t size = strlen(text);

	buf_append_char(into, '"');
	while (size) {
		uint32_t character = 0;
		size_t length = utf8_decode(text, size, &character);
		const char *escape = escape_of(character);
		if (escape)
			buf_append_str(into, escape);
		else if (character == UTF8_REPLACEMENT && length == 1)
			buf_printf(into, "\\x%02x", (unsigned char)*text);
		else if (character < 0x20 || character == 0x7f)
			buf_printf(into, "\\x%02x", character);
		else if (character >= 0x80 && character < 0xa1) /* controls, and the blank that is not printed */
			buf_printf(into, "\\u%04x", character);
		else
			buf_append(into, text, length);
		text += length;
		size -= length;
	}
	buf_append_char(into, '"');
}

void gotext_quoted_list(const struct strlist *list, struct buf *into)
{
	buf_append_char(into, '[');
	for (size_t i = 0; i < list->count; i++) {
		if (i)
			buf_append_char(into, ' ');
		quote(list->items[i], into);
	}
	buf_append_char(into, ']');
}

void gotext_list(const struct strlist *list, struct buf *into)
{
	cleanup_free char *words = strlist_join(list, " ");

	buf_printf(into, "[%s]", words);
}

/* ---- durations --------------------------------------------------------------------------------------------------- */

/* value / unit with as many decimals as it needs. */
static void append_fraction(uint64_t value, uint64_t unit, struct buf *into)
{
	buf_printf(into, "%llu", (unsigned long long)(value / unit));
	uint64_t rest = value % unit;
	if (rest)
		buf_append_char(into, '.');
	while (rest) {
		unit /= 10;
		buf_append_char(into, (char)('0' + rest / unit));
		rest %= unit;
	}
}

void gotext_duration(int64_t nanoseconds, struct buf *into)
{
	const uint64_t microsecond = 1000, millisecond = 1000000, second = 1000000000;
	uint64_t value = nanoseconds < 0 ? -(uint64_t)nanoseconds : (uint64_t)nanoseconds;

	if (nanoseconds < 0)
		buf_append_char(into, '-');
	if (value == 0) {
		buf_append_str(into, "0s");
	} else if (value < microsecond) {
		buf_printf(into, "%lluns", (unsigned long long)value);
	} else if (value < millisecond) {
		append_fraction(value, microsecond, into);
		buf_append_str(into, "µs");
	} else if (value < second) {
		append_fraction(value, millisecond, into);
		buf_append_str(into, "ms");
	} else {
		uint64_t minutes = value / (60 * second);
		if (minutes >= 60)
			buf_printf(into, "%lluh", (unsigned long long)(minutes / 60));
		if (minutes)
			buf_printf(into, "%llum", (unsigned long long)(minutes % 60));
		append_fraction(value % (60 * second), second, into);
		buf_append_char(into, 's');
	}
}
