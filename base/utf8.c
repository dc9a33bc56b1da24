/*
 * UTF-8 as RFC 3629, section 4 defines it.
 */
#include "base/utf8.h"

#include <string.h>

/* The bytes that a lead byte promises, the bits it brings, and the least character that needs so many. */
static size_t lead_length(unsigned char lead, uint32_t *bits, uint32_t *least)
{
	if (lead >= 0xc2 && lead <= 0xdf) {
		*bits = lead & 0x1f;
		*least = 0x80;
		return 2;
	}
	if (lead >= 0xe0 && lead <= 0xef) {
		*bits = lead & 0x0f;
		*least = 0x800;
		return 3;
	}
	if (lead >= 0xf0 && lead <= 0xf4) {
		*bits = lead & 0x07;
		*least = 0x10000;
		return 4;
	}
	return 0;
}

static bool is_character(uint32_t character)
{
	return character <= 0x10ffff && (character < 0xd800 || character > 0xdfff);
}

/* The length of the character at text, or 0 when there is none. */
static size_t decode(const char *text, size_t size, uint32_t *character)
{
	unsigned char lead = (unsigned char)text[0];
	if (lead < 0x80) {
		*character = lead;
		return 1;
	}
	uint32_t value = 0;
	uint32_t least = 0;
	size_t length = lead_length(lead, &value, &least);
	if (length == 0 || length > size)
		return 0;
	for (size_t i = 1; i < length; i++) {
		unsigned char next = (unsigned char)text[i];
		if ((next & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (next & 0x3f);
	}
	if (value < least || !is_character(value))
		return 0;
	*character = value;
	return length;
}

size_t utf8_decode(const char *text, size_t size, uint32_t *character)
{
	size_t length = decode(text, size, character);
	if (length > 0)
		return length;
	*character = UTF8_REPLACEMENT;
	return 1;
}

size_t utf8_encode(uint32_t character, char bytes[UTF8_CHAR_MAX])
{
	if (!is_character(character))
		character = UTF8_REPLACEMENT;
	if (character < 0x80) {
		bytes[0] = (char)character;
		return 1;
	}
	size_t length = character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;
	static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
	for (size_t i = length - 1; i > 0; i--) {
		bytes[i] = (char)(0x80 | (character & 0x3f));
		character >>= 6;
	}
	bytes[0] = (char)(lead[length] | character);
	return length;
}

/* Eight bytes of ASCII from here on? */
static bool is_plain_word(const char *text, size_t size)
{
	uint64_t word;

	if (size < sizeof(word))
		return false;
	memcpy(&word, text, sizeof(word));
	return (word & UINT64_C(0x8080808080808080)) == 0;
}

bool utf8_is_valid(const char *text, size_t size)
{
	for (size_t at = 0; at < size;) {
		uint32_t character = 0;
		if (is_plain_word(text + at, size - at)) {
			at += sizeof(uint64_t);
			continue;
		}
		size_t length = decode(text + at, size - at, &character);
		if (length == 0)
			return false;
		at += length;
	}
	return true;
}
