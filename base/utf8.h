/*
 * UTF-8, one character at a time. Overlong forms, surrogates and what lies past U+10FFFF are not UTF-8.
 */
#ifndef COOPER_BASE_UTF8_H
#define COOPER_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UTF8_CHAR_MAX 4		/* most bytes of one character */
#define UTF8_REPLACEMENT 0xfffd /* stands for a byte that is no UTF-8 */

/* Reads the character at the start of text; `size` is how much is left, not 0. Gives the bytes it takes: 1..4. A byte
 * that starts no character counts as one UTF8_REPLACEMENT and 1 byte, as Go reads it. */
size_t utf8_decode(const char *text, size_t size, uint32_t *character);
/* Writes 1..4 bytes and returns how many; what is no character is written as UTF8_REPLACEMENT. */
size_t utf8_encode(uint32_t character, char bytes[UTF8_CHAR_MAX]);
bool utf8_is_valid(const char *text, size_t size);

#endif
