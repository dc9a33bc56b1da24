/*
 * Characters and blanks as BuildKit's parser, written in Go, sees them.
 */
#include "dockerfile/character_internal.h"

#include <string.h>

#include "base/utf8.h"

struct block {
	uint32_t first;
	uint32_t last;
};

/* Punctuation and symbols outside of ASCII. */
static const struct block symbols[] = {
	{0x80, 0xa9},	  {0xab, 0xb4},	    {0xb6, 0xb9},     {0xbb, 0xbf},	{0xd7, 0xd7},	  {0xf7, 0xf7},
	{0x2000, 0x206f}, {0x20a0, 0x20cf}, {0x2190, 0x2bff}, {0x3000, 0x3004}, {0x3008, 0x3030}, {0xe000, 0xf8ff},
	{0xfe30, 0xfe6f}, {0xff00, 0xff20}, {0xff3b, 0xff40}, {0xff5b, 0xff65}, {0xffe0, 0xffff}, {0x1f000, 0x1fbff}};

bool character_is_space(uint32_t character)
{
	return (character >= '\t' && character <= '\r') || character == ' ' || character == 0x85 || character == 0xa0 ||
	       character == 0x1680 || (character >= 0x2000 && character <= 0x200a) || character == 0x2028 ||
	       character == 0x2029 || character == 0x202f || character == 0x205f || character == 0x3000;
}

bool character_is_letter(uint32_t character)
{
	if (character < 0x80)
		return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z');
	for (size_t i = 0; i < ARRAY_COUNT(symbols); i++)
		if (character >= symbols[i].first && character <= symbols[i].last)
			return false;
	return true;
}

const char *skip_space(const char *text)
{
	while (*text) {
		uint32_t character = 0;
		size_t size = utf8_decode(text, strnlen(text, UTF8_CHAR_MAX), &character);
		if (!character_is_space(character))
			break;
		text += size;
	}
	return text;
}

char *trim_space(const char *text)
{
	text = skip_space(text);
	size_t end = 0;
	for (const char *at = text; *at;) {
		uint32_t character = 0;
		at += utf8_decode(at, strnlen(at, UTF8_CHAR_MAX), &character);
		if (!character_is_space(character))
			end = (size_t)(at - text);
	}
	return mem_strndup(text, end);
}

void split_blanks(struct strlist *words, const char *text)
{
	for (text += strspn(text, BLANKS); *text; text += strspn(text, BLANKS)) {
		size_t size = strcspn(text, BLANKS);
		strlist_take(words, mem_strndup(text, size));
		text += size;
	}
}

char *lower_ascii(const char *text, size_t size)
{
	char *lower = mem_strndup(text, size);

	for (char *c = lower; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	return lower;
}
