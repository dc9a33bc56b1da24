/*
 * What the readers of numbers (parse.c) and of times (parse_time.c) share.
 */
#ifndef COOPER_BASE_PARSE_INTERNAL_H
#define COOPER_BASE_PARSE_INTERNAL_H

#include "base/parse.h"

#define NANOSECONDS 1000000000

static inline bool parse_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Digits behind a decimal point, as billionths; what is smaller is dropped. May be none. */
uint64_t parse_read_fraction(const char **at);

#endif
