/*
 * What Go's unicode package calls a blank, a letter or a digit, as far as Dockerfiles have them. Shared by this folder.
 */
#ifndef COOPER_DOCKERFILE_CHARACTER_INTERNAL_H
#define COOPER_DOCKERFILE_CHARACTER_INTERNAL_H

#include "base/mem.h"
#include "base/strlist.h"

#include <stdbool.h>
#include <stdint.h>

bool character_is_space(uint32_t character);
/* Letters beyond ASCII are what is neither punctuation nor symbol by its block, which is right for all living scripts.
 */
bool character_is_letter(uint32_t character);
static inline bool character_is_digit(uint32_t character)
{
	return character >= '0' && character <= '9';
}

/* The blanks between words of an instruction: no line ends other than a stray CR. */
#define BLANKS "\t\v\f\r "

const char *skip_space(const char *text);
/* The text without blanks (of Unicode) around it. */
MUST_CHECK char *trim_space(const char *text);
/* The first `size` bytes with A to Z in lower case. */
MUST_CHECK char *lower_ascii(const char *text, size_t size);
/* Splits at runs of BLANKS, as written, quotes or not. */
void split_blanks(struct strlist *words, const char *text);

#endif
