/*
 * Text that people and formats write for numbers, sizes, times and words, to values and back. Numbers are read digit by
 * digit: the C library's readers skip blanks, take signs and follow the locale.
 */
#include "base/parse.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"

#define NANOSECONDS 1000000000

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* ---- Numbers ---- */

/* The digits at *at in `base`; false when there is none or they pass UINT64_MAX. */
static bool read_digits(const char **at, unsigned base, uint64_t *value)
{
	uint64_t sum = 0;
	const char *c = *at;
	for (; is_digit(*c) && (unsigned)(*c - '0') < base; c++)
		if (__builtin_mul_overflow(sum, base, &sum) || __builtin_add_overflow(sum, (unsigned)(*c - '0'), &sum))
			return false;
	if (c == *at)
		return false;
	*at = c;
	*value = sum;
	return true;
}

/* Digits behind a decimal point, as billionths; what is smaller is dropped. May be none. */
static uint64_t read_fraction(const char **at)
{
	uint64_t billionths = 0;
	unsigned weight = NANOSECONDS / 10;
	for (; is_digit(**at); ++*at, weight /= 10)
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
	bool ok = is_digit(*at);
	bool fits = ok && read_digits(&at, 10, &whole);
	at = text + strspn(text, "0123456789");
	if (ok && at[0] == '.' && is_digit(at[1])) {
		at++;
		billionths = read_fraction(&at);
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
	bool has_digits = is_digit(**at);
	if (has_digits && !read_digits(at, 10, &whole))
		return DURATION_TOO_LONG;
	if (**at == '.') {
		++*at;
		has_digits = has_digits || is_digit(**at);
		billionths = read_fraction(at);
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

/* ---- Words ---- */

/* Reads up to the closing quote; inside double quotes a backslash quotes only $ ` " \ and a newline, which vanishes
 * (POSIX.1-2017, XCU 2.2). False when it is not closed. */
static bool read_quoted(const char **at, struct buf *word)
{
	char quote = *(*at)++;
	for (; **at != quote; ++*at) {
		char c = **at;
		if (c == '\0')
			return false;
		if (quote == '"' && c == '\\' && (*at)[1] != '\0' && strchr("$`\"\\\n", (*at)[1])) {
			c = *++*at;
			if (c == '\n')
				continue;
		}
		buf_append_char(word, c);
	}
	++*at;
	return true;
}

/* Reads one word; false for an open quote or a backslash with nothing behind it. */
static bool read_shell_word(const char **at, struct buf *word)
{
	while (**at != '\0' && !strchr(" \t\n", **at)) {
		if (**at == '\'' || **at == '"') {
			if (!read_quoted(at, word))
				return false;
			continue;
		}
		if (**at == '\\') {
			if (*++*at == '\0')
				return false;
			if (**at == '\n') {
				++*at;
				continue;
			}
		}
		buf_append_char(word, *(*at)++);
	}
	return true;
}

int parse_shell_words(const char *text, const char *what, struct strlist *words, struct error **err)
{
	cleanup(strlist_done) struct strlist found = {0};
	for (const char *at = text + strspn(text, " \t\n"); *at; at += strspn(at, " \t\n")) {
		/* A backslash-newline between words makes no word. */
		if (at[0] == '\\' && at[1] == '\n') {
			at += 2;
			continue;
		}
		cleanup(buf_done) struct buf word = BUF_INIT(strlen(text));
		if (!read_shell_word(&at, &word))
			return error_set(err, EINVAL, "%s '%s': an open quote or a trailing backslash", what, text);
		strlist_take(&found, buf_take(&word));
	}
	strlist_append_all(words, &found);
	return 0;
}

/* One field up to its ',' or the end, as Go's encoding/csv reads it: quotes only around a whole field, "" inside them
 * for a quote. */
static bool read_csv_field(const char **at, struct buf *field)
{
	if (**at != '"') {
		size_t length = strcspn(*at, ",\"\r\n");
		buf_append(field, *at, length);
		*at += length;
		return **at == ',' || **at == '\0';
	}
	for (++*at;; ++*at) {
		if (**at == '\0')
			return false;
		if (**at == '"' && *++*at != '"')
			return **at == ',' || **at == '\0';
		buf_append_char(field, **at);
	}
}

int parse_csv(const char *text, const char *what, struct strlist *fields, struct error **err)
{
	cleanup(strlist_done) struct strlist found = {0};
	for (const char *at = text; *text; at++) {
		cleanup(buf_done) struct buf field = BUF_INIT(strlen(text));
		if (!read_csv_field(&at, &field))
			return error_set(err, EINVAL, "%s '%s': a quote or a newline in the wrong place", what, text);
		strlist_take(&found, buf_take(&field));
		if (*at == '\0')
			break;
	}
	strlist_append_all(fields, &found);
	return 0;
}

/* ---- Time ---- */

/* Days since 1970-01-01 in the Gregorian calendar: counted in years that begin in March, so that the leap day is the
 * last of its year, and in 400-year eras of 146097 days. */
static int64_t days_of_date(int64_t year, unsigned month, unsigned day)
{
	if (month <= 2)
		year--;
	int64_t era = (year >= 0 ? year : year - 399) / 400;
	int64_t year_of_era = year - era * 400;
	int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
	int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
	return era * 146097 + day_of_era - 719468;
}

static void date_of_days(int64_t days, int64_t *year, unsigned *month, unsigned *day)
{
	days += 719468;
	int64_t era = (days >= 0 ? days : days - 146096) / 146097;
	int64_t day_of_era = days - era * 146097;
	int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t march_month = (5 * day_of_year + 2) / 153;
	*day = (unsigned)(day_of_year - (153 * march_month + 2) / 5 + 1);
	*month = (unsigned)(march_month < 10 ? march_month + 3 : march_month - 9);
	*year = year_of_era + era * 400 + (*month <= 2);
}

static unsigned days_in_month(unsigned year, unsigned month)
{
	static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	return days[month - 1] + (month == 2 && is_leap);
}

/* Exactly `count` digits, of a value from min to max. */
static bool read_fixed(const char **at, int count, unsigned min, unsigned max, unsigned *value)
{
	unsigned sum = 0;
	for (; count > 0; count--, ++*at) {
		if (!is_digit(**at))
			return false;
		sum = sum * 10 + (unsigned)(**at - '0');
	}
	*value = sum;
	return sum >= min && sum <= max;
}

static bool read_char(const char **at, const char *of)
{
	if (**at == '\0' || !strchr(of, **at))
		return false;
	++*at;
	return true;
}

/* "Z" or "+01:00", in seconds east of Greenwich. */
static bool read_zone(const char **at, int64_t *offset)
{
	*offset = 0;
	if (read_char(at, "Zz"))
		return true;
	bool west = **at == '-';
	unsigned hours = 0;
	unsigned minutes = 0;
	if (!read_char(at, "+-") || !read_fixed(at, 2, 0, 23, &hours) || !read_char(at, ":") ||
	    !read_fixed(at, 2, 0, 59, &minutes))
		return false;
	*offset = (int64_t)(hours * 3600 + minutes * 60) * (west ? -1 : 1);
	return true;
}

static bool read_time(const char *at, int64_t *seconds, int64_t *nanoseconds)
{
	unsigned year = 0;
	unsigned month = 0;
	unsigned day = 0;
	unsigned hour = 0;
	unsigned minute = 0;
	unsigned second = 0;
	if (!read_fixed(&at, 4, 0, 9999, &year) || !read_char(&at, "-") || !read_fixed(&at, 2, 1, 12, &month) ||
	    !read_char(&at, "-") || !read_fixed(&at, 2, 1, days_in_month(year, month), &day) || !read_char(&at, "Tt") ||
	    !read_fixed(&at, 2, 0, 23, &hour) || !read_char(&at, ":") || !read_fixed(&at, 2, 0, 59, &minute) ||
	    !read_char(&at, ":") || !read_fixed(&at, 2, 0, 59, &second))
		return false;
	uint64_t billionths = 0;
	if (*at == '.') {
		if (!is_digit(*++at))
			return false;
		billionths = read_fraction(&at);
	}
	int64_t offset = 0;
	if (!read_zone(&at, &offset) || *at != '\0')
		return false;
	*seconds = days_of_date(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset;
	*nanoseconds = (int64_t)billionths;
	return true;
}

int parse_time(const char *text, const char *what, int64_t *seconds, int64_t *nanoseconds, struct error **err)
{
	int64_t whole = 0;
	int64_t part = 0;
	if (!read_time(text, &whole, &part))
		return error_set(err, EINVAL, "%s '%s': not a time (like 2026-11-22T10:33:06Z)", what, text);
	*seconds = whole;
	*nanoseconds = part;
	return 0;
}

char *format_time(int64_t seconds, int64_t nanoseconds)
{
	int64_t days = seconds / 86400;
	int64_t rest = seconds % 86400;
	if (rest < 0) {
		days--;
		rest += 86400;
	}
	int64_t year = 0;
	unsigned month = 0;
	unsigned day = 0;
	date_of_days(days, &year, &month, &day);
	cleanup_free char *text = mem_printf("%04" PRId64 "-%02u-%02uT%02d:%02d:%02d", year, month, day,
					     (int)(rest / 3600), (int)(rest / 60 % 60), (int)(rest % 60));
	if (nanoseconds == 0)
		return mem_printf("%sZ", text);
	int digits = 9;
	for (; nanoseconds % 10 == 0; nanoseconds /= 10)
		digits--;
	return mem_printf("%s.%0*" PRId64 "Z", text, digits, nanoseconds);
}

char *format_age(int64_t now, int64_t then)
{
	int64_t seconds = 0;
	if (__builtin_sub_overflow(now, then, &seconds) || seconds < 1)
		return mem_strdup("Less than a second ago");
	if (seconds == 1)
		return mem_strdup("1 second ago");
	if (seconds < 60)
		return mem_printf("%" PRId64 " seconds ago", seconds);
	int64_t minutes = seconds / 60;
	if (minutes == 1)
		return mem_strdup("About a minute ago");
	if (minutes < 60)
		return mem_printf("%" PRId64 " minutes ago", minutes);
	int64_t hours = seconds / 3600 + (seconds % 3600 >= 1800);
	if (hours == 1)
		return mem_strdup("About an hour ago");
	if (hours < 48)
		return mem_printf("%" PRId64 " hours ago", hours);
	if (hours < 24 * 7 * 2)
		return mem_printf("%" PRId64 " days ago", hours / 24);
	if (hours < 24 * 30 * 2)
		return mem_printf("%" PRId64 " weeks ago", hours / 24 / 7);
	if (hours < 24 * 365 * 2)
		return mem_printf("%" PRId64 " months ago", hours / 24 / 30);
	return mem_printf("%" PRId64 " years ago", seconds / 3600 / 24 / 365);
}

/* ---- Sizes, hex and base64 ---- */

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

static int hex_value(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

int parse_hex(const char *text, size_t text_len, void *data, size_t size)
{
	if (text_len != 2 * size)
		return -EINVAL;
	for (size_t i = 0; i < text_len; i++)
		if (hex_value(text[i]) < 0)
			return -EINVAL;
	unsigned char *bytes = data;
	for (size_t i = 0; i < size; i++)
		bytes[i] = (unsigned char)(hex_value(text[2 * i]) << 4 | hex_value(text[2 * i + 1]));
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
	if (is_digit(c))
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
