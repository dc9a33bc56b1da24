/*
 * From a header of an answer to a line on stderr, once for each text of each host: every answer may carry it again.
 */
#include "registry/warning.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/terminal.h"
#include "registry/url.h"

#define WARNING_SIZE_MAX ((size_t)4 << 10)
#define WARNINGS_MAX 64 /* of one command; whose registry has more to say is not listened to */

/* The text of `299 - "text"`, without its quoting; NULL for all else, which the specification wants ignored. */
static char *warning_text(const char *value)
{
	static const char start[] = "299 - \"";
	cleanup(buf_done) struct buf text = BUF_INIT(WARNING_SIZE_MAX);

	if (!text_has_prefix(value, start))
		return NULL;
	for (value += strlen(start); *value && *value != '"'; value++) {
		if (*value == '\\' && value[1])
			value++;
		buf_append_char(&text, *value);
	}
	if (*value != '"' || text.len == 0)
		return NULL;
	for (char *c = text.data; *c; c++)
		if (*c == '\n' || *c == '\t') /* which terminal_disarm() leaves */
			*c = ' ';
	terminal_disarm(text.data, text.len);
	return buf_take(&text);
}

void warnings_tell(const struct http_answer *answer, struct strlist *told)
{
	for (size_t i = 0; i < answer->headers.count; i++) {
		const char *value = http_header_value(answer->headers.items[i], "Warning");
		cleanup_free char *text = value ? warning_text(value) : NULL;
		cleanup(url_done) struct url url = {0};
		if (!text || told->count >= WARNINGS_MAX || url_parse(answer->url, &url, NULL) < 0)
			continue;
		cleanup_free char *host = url_authority(&url);
		cleanup_free char *line = mem_printf("%s says: %s", host, text);
		if (strlist_contains(told, line))
			continue;
		strlist_append(told, line);
		log_warn("%s; going on", line);
	}
}
