/*
 * Bytes as text: hex and base64.
 */
#include "base/parse_internal.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

void format_hex(const void *data, size_t size, char *text)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *bytes = data;
	for (size_t i = 0; i < size; i++) {
		text[2 * i] = digits[bytes[i] >> 4];
		text[2 * i + 1] = digits[bytes[i] & 15];
	}
	text[2 * size] = '\0';
}

/* One more than what the digit stands for; 0 is no digit. A table, as digits of a digest are nothing that a processor's
 * prediction of branches could learn: it takes an eighth of the time. */
static const unsigned char hex_values[UCHAR_MAX + 1] = {
	['0'] = 1, ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
	['8'] = 9, ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
};

int parse_hex(const char *text, size_t text_len, void *data, size_t size)
{
	const unsigned char *digits = (const unsigned char *)text;
	unsigned char *bytes = data;

	if (text_len != 2 * size)
		return -EINVAL;
	for (size_t i = 0; i < text_len; i++)
		if (!hex_values[digits[i]])
			return -EINVAL;
	for (size_t i = 0; i < size; i++)
		bytes[i] = (unsigned char)((hex_values[digits[2 * i]] - 1) << 4 | (hex_values[digits[2 * i + 1]] - 1));
	return 0;
}

char *format_base64(const void *data, size_t size)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *bytes = data;
	char *text = mem_grow(NULL, size / 3 + 2, 4); /* a group for what is left over, and the NUL */
	char *end = text;
	size_t at = 0;
	for (; size - at >= 3; at += 3) {
		uint32_t group = (uint32_t)bytes[at] << 16 | (uint32_t)bytes[at + 1] << 8 | bytes[at + 2];
		for (int shift = 18; shift >= 0; shift -= 6)
			*end++ = digits[group >> shift & 63];
	}
	size_t left = size - at;
	if (left > 0) {
		uint32_t group = (uint32_t)bytes[at] << 16 | (left > 1 ? (uint32_t)bytes[at + 1] << 8 : 0);
		*end++ = digits[group >> 18 & 63];
		*end++ = digits[group >> 12 & 63];
		*end++ = left > 1 ? digits[group >> 6 & 63] : '=';
		*end++ = '=';
	}
	*end = '\0';
	return text;
}

static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (parse_is_digit(c))
		return c - '0' + 52;
	if (c == '+' || c == '-')
		return 62;
	if (c == '/' || c == '_')
		return 63;
	return -1;
}

/* Decodes into `bytes`, which has room for 3 of every 4 characters; false when it is no base64. Line ends are skipped,
 * as Go's decoder does: files of credentials have them. */
static bool decode_base64(const char *text, unsigned char *bytes, size_t *size)
{
	uint32_t group = 0;
	size_t digits = 0;
	size_t padding = 0;
	size_t used = 0;
	for (const char *c = text; *c; c++) {
		if (*c == '\r' || *c == '\n')
			continue;
		if (*c == '=') {
			padding++;
			continue;
		}
		int value = base64_value(*c);
		if (value < 0 || padding > 0)
			return false;
		group = group << 6 | (uint32_t)value;
		if (++digits % 4 != 1)
			bytes[used++] = (unsigned char)(group >> (6 - 2 * ((digits - 1) % 4)));
	}
	*size = used;
	return digits % 4 != 1 && (padding == 0 || (padding <= 2 && (digits + padding) % 4 == 0));
}

int parse_base64(const char *text, const char *what, void **data, size_t *size, struct error **err)
{
	cleanup_free unsigned char *bytes = mem_alloc(strlen(text) / 4 * 3 + 3);
	size_t used = 0;
	/* The text may be a password: it is not repeated in the error. */
	if (!decode_base64(text, bytes, &used))
		return error_set(err, EINVAL, "%s: not base64", what);
	*data = take_ptr(&bytes);
	*size = used;
	return 0;
}
