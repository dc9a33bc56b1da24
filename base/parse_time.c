/*
 * Points in time: RFC 3339 in both directions, and how long ago something was. The calendar is computed here: the C
 * library's follows the time zone.
 */
#include "base/parse_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

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
		if (!parse_is_digit(**at))
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
		if (!parse_is_digit(*++at))
			return false;
		billionths = parse_read_fraction(&at);
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
