/*
 * Text that people write for numbers, sizes and durations, to values and back. Numbers are read digit by digit: the C
 * library's readers skip blanks, take signs and follow the locale. Words stand in parse_words.c, points in time in
 * parse_time.c, bytes as text in parse_encoding.c.
 */
#include "base/parse_internal.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

/* The digits at *at in `base`; false when there is none or they pass UINT64_MAX. */
static bool read_digits(const char **at, unsigned base, uint64_t *value)
{
	uint64_t sum = 0;
	const char *c = *at;
	for (; parse_is_digit(*c) && (unsigned)(*c - '0') < base; c++)
		if (__builtin_mul_overflow(sum, base, &sum) || __builtin_add_overflow(sum, (unsigned)(*c - '0'), &sum))
			return false;
	if (c == *at)
		return false;
	*at = c;
	*value = sum;
	return true;
}

uint64_t parse_read_fraction(const char **at)
{
	uint64_t billionths = 0;
	unsigned weight = NANOSECONDS / 10;
	for (; parse_is_digit(**at); ++*at, weight /= 10)
		billionths += (unsigned)(**at - '0') * weight;
	return billionths;
}

int parse_u64(const char *text, uint64_t max, const char *what, uint64_t *value, struct error **err)
{
	uint64_t number = 0;
	if (text[0] == '\0' || text[strspn(text, "0123456789")] != '\0')
		return error_set(err, EINVAL, "%s '%s': not a number", what, text);
	const char *at = text;
	if (!read_digits(&at, 10, &number) || number > max)
		return error_set(err, EINVAL, "%s '%s': larger than %" PRIu64, what, text, max);
	*value = number;
	return 0;
}

int parse_i64(const char *text, int64_t min, int64_t max, const char *what, int64_t *value, struct error **err)
{
	bool negative = text[0] == '-';
	const char *digits = text + negative;
	if (digits[0] == '\0' || digits[strspn(digits, "0123456789")] != '\0')
		return error_set(err, EINVAL, "%s '%s': not a number", what, text);
	uint64_t size = 0;
	int64_t number = 0;
	bool fits = read_digits(&digits, 10, &size);
	fits = fits &&
	       !(negative ? __builtin_sub_overflow(0, size, &number) : __builtin_add_overflow(0, size, &number));
	if (!fits || number < min || number > max)
		return error_set(err, EINVAL, "%s '%s': not from %" PRId64 " to %" PRId64, what, text, min, max);
	*value = number;
	return 0;
}

int parse_bool(const char *text, const char *what, bool *value, struct error **err)
{
	static const struct {
		const char *word;
		bool value;
	} words[] = {{"true", true}, {"false", false}, {"1", true}, {"0", false},
		     {"yes", true},  {"no", false},    {"t", true}, {"f", false}};
	for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
		if (strcasecmp(text, words[i].word) == 0) {
			*value = words[i].value;
			return 0;
		}
	}
	return error_set(err, EINVAL, "%s '%s': neither true nor false", what, text);
}

/* "", "b", "k", "kb" or "kib" for each power of 1024, any case, as the power. */
static bool read_size_unit(const char *text, unsigned *power)
{
	static const char letters[] = "kmgtpe";
	*power = 0;
	const char *letter = text[0] ? strchr(letters, tolower((unsigned char)text[0])) : NULL;
	if (!letter)
		return text[0] == '\0' || strcasecmp(text, "b") == 0;
	*power = (unsigned)(letter - letters) + 1;
	return text[1] == '\0' || strcasecmp(text + 1, "b") == 0 || strcasecmp(text + 1, "ib") == 0;
}

int parse_size(const char *text, const char *what, uint64_t *bytes, struct error **err)
{
	const char *at = text;
	uint64_t whole = 0;
	uint64_t billionths = 0;
	unsigned power = 0;
	bool ok = parse_is_digit(*at);
	bool fits = ok && read_digits(&at, 10, &whole);
	at = text + strspn(text, "0123456789");
	if (ok && at[0] == '.' && parse_is_digit(at[1])) {
		at++;
		billionths = parse_read_fraction(&at);
	}
	if (*at == ' ')
		at++;
	if (!ok || !read_size_unit(at, &power))
		return error_set(err, EINVAL, "%s '%s': not a size (use a number and b, k, m or g)", what, text);
	uint64_t unit = (uint64_t)1 << (10 * power);
	uint64_t size = 0;
	uint64_t part = (uint64_t)((unsigned __int128)billionths * unit / NANOSECONDS);
	if (!fits || __builtin_mul_overflow(whole, unit, &size) || __builtin_add_overflow(size, part, &size) ||
	    size > INT64_MAX)
		return error_set(err, EINVAL, "%s '%s': too large", what, text);
	*bytes = size;
	return 0;
}

char *format_size(uint64_t bytes)
{
	static const char *const units[] = {"B", "KB", "MB", "GB", "TB", "PB", "EB"};
	double size = (double)bytes;
	size_t unit = 0;
	/* Three digits are shown: 999.5 would be written 1e+03, so it is 1 of the next unit. */
	for (; size >= 999.5 && unit + 1 < ARRAY_COUNT(units); unit++)
		size /= 1000;
	return mem_printf("%.3g %s", size, units[unit]);
}

int parse_mode(const char *text, const char *what, mode_t *mode, struct error **err)
{
	const char *at = text;
	uint64_t bits = 0;
	if (!read_digits(&at, 8, &bits) || *at != '\0' || bits > 07777)
		return error_set(err, EINVAL, "%s '%s': not a mode (use octal digits, like 0755)", what, text);
	*mode = (mode_t)bits;
	return 0;
}

/* ---- Durations ---- */

/* The unit at *at in nanoseconds, or 0. Longer names first: "m" begins "ms". */
static uint64_t read_duration_unit(const char **at)
{
	static const struct {
		const char *name;
		uint64_t nanoseconds;
	} units[] = {{"ns", 1},
		     {"us", 1000},
		     {"\u00b5s", 1000}, /* micro sign */
		     {"\u03bcs", 1000}, /* Greek mu */
		     {"ms", 1000000},
		     {"s", NANOSECONDS},
		     {"m", 60 * (uint64_t)NANOSECONDS},
		     {"h", 3600 * (uint64_t)NANOSECONDS}};
	for (size_t i = 0; i < ARRAY_COUNT(units); i++) {
		if (text_has_prefix(*at, units[i].name)) {
			*at += strlen(units[i].name);
			return units[i].nanoseconds;
		}
	}
	return 0;
}

enum duration_part { DURATION_OK, DURATION_BAD, DURATION_TOO_LONG };

/* Adds one "1.5h". */
static enum duration_part add_duration_part(const char **at, uint64_t *sum)
{
	uint64_t whole = 0;
	uint64_t billionths = 0;
	bool has_digits = parse_is_digit(**at);
	if (has_digits && !read_digits(at, 10, &whole))
		return DURATION_TOO_LONG;
	if (**at == '.') {
		++*at;
		has_digits = has_digits || parse_is_digit(**at);
		billionths = parse_read_fraction(at);
	}
	uint64_t unit = has_digits ? read_duration_unit(at) : 0;
	if (unit == 0)
		return DURATION_BAD;
	uint64_t part = 0;
	uint64_t fraction = (uint64_t)((unsigned __int128)billionths * unit / NANOSECONDS);
	if (__builtin_mul_overflow(whole, unit, &part) || __builtin_add_overflow(part, fraction, &part) ||
	    __builtin_add_overflow(*sum, part, sum) || *sum > INT64_MAX)
		return DURATION_TOO_LONG;
	return DURATION_OK;
}

int parse_duration(const char *text, const char *what, int64_t *nanoseconds, struct error **err)
{
	const char *at = text;
	bool negative = *at == '-';
	if (*at == '-' || *at == '+')
		at++;
	uint64_t sum = 0;
	enum duration_part part = *at ? DURATION_OK : DURATION_BAD;
	if (strcmp(at, "0") != 0)
		while (part == DURATION_OK && *at)
			part = add_duration_part(&at, &sum);
	if (part == DURATION_TOO_LONG)
		return error_set(err, EINVAL, "%s '%s': too long", what, text);
	if (part == DURATION_BAD)
		return error_set(err, EINVAL, "%s '%s': not a duration (like 30s, 5m or 1h30m)", what, text);
	*nanoseconds = negative ? -(int64_t)sum : (int64_t)sum;
	return 0;
}

/* ---- Words at the ends ---- */

bool text_has_prefix(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool text_has_suffix(const char *text, const char *suffix)
{
	size_t length = strlen(text);
	size_t suffix_length = strlen(suffix);
	return length >= suffix_length && strcmp(text + length - suffix_length, suffix) == 0;
}
