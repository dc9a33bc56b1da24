/*
 * Several words in one text: as a shell has them, and as fields with commas.
 */
#include "base/parse.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"

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
