/*
 * Text to values and back, for numbers, sizes, times and words. `what` names the option or field in the error:
 * "--memory '12q': not a size (use a number and b, k, m or g)". All parsers take the whole text or fail with -EINVAL.
 */
#ifndef COOPER_BASE_PARSE_H
#define COOPER_BASE_PARSE_H

#include "base/error.h"
#include "base/strlist.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

int parse_u64(const char *text, uint64_t max, const char *what, uint64_t *value, struct error **err);
int parse_i64(const char *text, int64_t min, int64_t max, const char *what, int64_t *value, struct error **err);
/* "true" "false" "1" "0" "yes" "no" "t" "f", any case. */
int parse_bool(const char *text, const char *what, bool *value, struct error **err);
/* Bytes: "64m", "1g", "1.5GiB", "512", units in powers of 1024. */
int parse_size(const char *text, const char *what, uint64_t *bytes, struct error **err);
/* Go's durations, "1h30m", "1.5s", "300ms", to nanoseconds; "0" is allowed. */
int parse_duration(const char *text, const char *what, int64_t *nanoseconds, struct error **err);
/* "0755", "755" or "4755". */
int parse_mode(const char *text, const char *what, mode_t *mode, struct error **err);
/* Words as a POSIX shell splits them: quotes and backslashes, no expansion. -EINVAL for an open quote. */
int parse_shell_words(const char *text, const char *what, struct strlist *words, struct error **err);
/* "key=value,flag,\"a=b,c\"": CSV fields as Docker's --mount and --secret use. */
int parse_csv(const char *text, const char *what, struct strlist *fields, struct error **err);

/* RFC 3339 to seconds and nanoseconds since the epoch. */
int parse_time(const char *text, const char *what, int64_t *seconds, int64_t *nanoseconds, struct error **err);
/* "2026-11-22T10:33:06Z", with ".123456789" when nanoseconds are not 0 (trailing zeros dropped, as Go writes it). */
MUST_CHECK char *format_time(int64_t seconds, int64_t nanoseconds);
/* "2.16 MB": decimal units, as buildah images prints. */
MUST_CHECK char *format_size(uint64_t bytes);
/* "3 weeks ago", in Docker's words; `now` and `then` in seconds. */
MUST_CHECK char *format_age(int64_t now, int64_t then);
/* Lower-case hex of data; `text` holds 2 * size + 1 bytes. */
void format_hex(const void *data, size_t size, char *text);
/* -EINVAL unless exactly 2 * size lower-case hex digits. */
int parse_hex(const char *text, size_t text_len, void *data, size_t size);
bool text_has_prefix(const char *text, const char *prefix);
bool text_has_suffix(const char *text, const char *suffix);
/* Base64 of RFC 4648, with padding when written; read with or without, URL-safe alphabet accepted. */
MUST_CHECK char *format_base64(const void *data, size_t size);
int parse_base64(const char *text, const char *what, void **data, size_t *size, struct error **err);

#endif
