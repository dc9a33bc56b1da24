/*
 * Requests and answers as values, and what an answer means: success, a failure in the registry's own words, or "later".
 */
#include "registry/http.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "base/parse.h"
#include "base/terminal.h"
#include "registry/url.h"

#define FOREIGN_BODY_SHOWN 256 /* bytes of an error body that is not a registry's */
#define ERROR_TEXT_SHOWN 1024  /* bytes of one text of a registry's error */

void http_answer_done(struct http_answer *answer)
{
	strlist_done(&answer->headers);
	buf_wipe(&answer->body); /* may be a token */
	buf_done(&answer->body);
	free(answer->url);
	free(answer->no_more);
	*answer = (struct http_answer){0};
}

const char *http_header_value(const char *line, const char *name)
{
	size_t len = strlen(name);

	if (strncasecmp(line, name, len) != 0 || line[len] != ':')
		return NULL;
	return line + len + 1 + strspn(line + len + 1, " \t");
}

const char *http_answer_header(const struct http_answer *answer, const char *name)
{
	for (size_t i = 0; i < answer->headers.count; i++) {
		const char *value = http_header_value(answer->headers.items[i], name);
		if (value)
			return value;
	}
	return NULL;
}

bool http_answer_size(const struct http_answer *answer, uint64_t *size)
{
	const char *text = http_answer_header(answer, "Content-Length");

	return text && parse_u64(text, INT64_MAX, "Content-Length", size, NULL) == 0;
}

bool http_answer_is_success(const struct http_answer *answer)
{
	return answer->status >= 200 && answer->status <= 299;
}

/* The target of the link that is the next page, of a list `<target>; rel="next"; …, <target>; …` (RFC 8288, 3). */
static char *next_link(const char *list)
{
	const char *open = list;

	while ((open = strchr(open, '<'))) {
		const char *end = strchr(open, '>');
		if (!end)
			return NULL;
		const char *after = strchr(end, '<'); /* of the next link, which its own parameters are behind */
		cleanup_free char *parameters =
			mem_strndup(end + 1, after ? (size_t)(after - end - 1) : strlen(end + 1));
		if (strcasestr(parameters, "rel=\"next\"") || strcasestr(parameters, "rel=next"))
			return mem_strndup(open + 1, (size_t)(end - open - 1));
		open = end;
	}
	return NULL;
}

char *http_answer_next_page(const struct http_answer *answer)
{
	cleanup_free char *target = NULL;
	char *url = NULL;

	for (size_t i = 0; !target && i < answer->headers.count; i++) {
		const char *value = http_header_value(answer->headers.items[i], "Link");
		target = value ? next_link(value) : NULL;
	}
	if (target && url_resolve(answer->url, target, &url, NULL) == 0 && url_same_origin(answer->url, url))
		return url;
	free(url);
	return NULL;
}

void http_request_init(struct http_request *request, const char *method, char *url, size_t answer_max)
{
	*request = (struct http_request){.method = method, .url = url, .answer_max = answer_max, .body.fd = -1};
}

void http_request_done(struct http_request *request)
{
	http_request_set_authorization(request, NULL);
	free(request->url);
	strlist_done(&request->headers);
	*request = (struct http_request){.body.fd = -1};
}

void http_request_set_header(struct http_request *request, const char *name, const char *value)
{
	for (size_t i = request->headers.count; i > 0; i--)
		if (http_header_value(request->headers.items[i - 1], name))
			strlist_remove(&request->headers, i - 1);
	if (value)
		strlist_printf(&request->headers, "%s: %s", name, value);
}

void http_request_set_authorization(struct http_request *request, char *authorization)
{
	if (request->authorization)
		mem_wipe(request->authorization, strlen(request->authorization));
	free(request->authorization);
	request->authorization = authorization;
}

/* The array "errors" of a registry's answer (distribution-spec "Error Codes"), NULL when the body is something else. */
static json_t *parse_errors(const struct http_answer *answer)
{
	cleanup_json json_t *root = NULL;

	if (answer->body.len == 0 || json_parse(answer->body.data, answer->body.len, "answer", &root, NULL) < 0)
		return NULL;
	json_t *errors = json_object_get(root, "errors");
	return json_is_array(errors) ? json_incref(errors) : NULL;
}

/* Text from outside goes to a terminal, in one line. */
static void append_printable(struct buf *into, const char *text, size_t size)
{
	cleanup_free char *line = mem_strndup(text, size);

	size = strlen(line);
	terminal_disarm(line, size);
	for (size_t i = 0; i < size; i++)
		buf_append_char(into, line[i] == '\n' || line[i] == '\t' ? ' ' : line[i]);
}

/* A detail may be anything: {"Tag":"x"}, a list of scopes. */
static void append_json_text(struct buf *into, const char *separator, const json_t *value)
{
	cleanup(buf_done) struct buf formatted = BUF_INIT(HTTP_ERROR_BODY_MAX);
	const char *text = json_string_value(value);

	if (json_is_object(value) || json_is_array(value)) {
		json_format(value, &formatted);
		text = buf_str(&formatted);
	}
	if (!text || *text == '\0')
		return;
	if (into->len > 0)
		buf_append_str(into, separator);
	append_printable(into, text, strnlen(text, ERROR_TEXT_SHOWN));
}

/* What the other side said: "MANIFEST_UNKNOWN: manifest unknown", or the start of a foreign body, or nothing. */
static void describe_body(const struct http_answer *answer, struct buf *into)
{
	cleanup_json json_t *errors = parse_errors(answer);
	size_t size = answer->body.len;

	for (size_t i = 0; errors && i < json_array_size(errors); i++) {
		const json_t *item = json_array_get(errors, i);
		append_json_text(into, "; ", json_object_get(item, "code"));
		append_json_text(into, ": ", json_object_get(item, "message"));
		append_json_text(into, ", ", json_object_get(item, "detail"));
	}
	if (into->len == 0 && size > 0)
		append_printable(into, answer->body.data, size < FOREIGN_BODY_SHOWN ? size : FOREIGN_BODY_SHOWN);
}

static int status_code(int status)
{
	switch (status) {
	case 401:
	case 403:
		return EACCES;
	case 404:
		return ENOENT;
	case 429:
		return EBUSY;
	default:
		return EREMOTEIO;
	}
}

int http_answer_error(const char *method, const struct http_answer *answer, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT((size_t)4 << 10);
	cleanup_free char *shown = url_redact(answer->url ? answer->url : "");

	int64_t wait_ms = 0;
	int rc = 0;
	describe_body(answer, &text);
	if (text.len == 0)
		rc = error_set(err, status_code(answer->status), "%s %s: HTTP %d", method, shown, answer->status);
	else
		rc = error_set(err, status_code(answer->status), "%s %s: HTTP %d (%s)", method, shown, answer->status,
			       buf_str(&text));
	if (answer->no_more)
		return error_hint(err, "%s", answer->no_more);
	if (http_status_is_temporary(answer->status) && http_retry_after(answer, (int64_t)time(NULL), &wait_ms))
		return error_hint(err, "it asks to be left alone for %lld s; --max-wait says how long is waited",
				  (long long)wait_ms / 1000);
	return rc;
}

bool http_answer_has_code(const struct http_answer *answer, const char *code)
{
	cleanup_json json_t *errors = parse_errors(answer);

	for (size_t i = 0; errors && i < json_array_size(errors); i++) {
		const char *text = json_string_value(json_object_get(json_array_get(errors, i), "code"));
		if (text && strcmp(text, code) == 0)
			return true;
	}
	return false;
}

bool http_status_is_temporary(int status)
{
	switch (status) {
	case 408:
	case 425:
	case 429:
	case 499:
	case 500:
	case 502:
	case 503:
	case 504:
		return true;
	default:
		return status >= 520 && status <= 527; /* what a well-known front puts before a tired origin */
	}
}

bool http_retry_after(const struct http_answer *answer, int64_t now, int64_t *wait_ms)
{
	const char *text = http_answer_header(answer, "Retry-After");
	uint64_t seconds = 0;
	int64_t date = 0;

	if (!text)
		return false;
	/* More than can be counted is more than anybody waits. */
	bool is_number = *text && text[strspn(text, "0123456789")] == '\0';
	if (is_number && parse_u64(text, INT32_MAX, "Retry-After", &seconds, NULL) < 0)
		seconds = INT32_MAX;
	if (is_number)
		*wait_ms = (int64_t)seconds * 1000;
	else if (http_date_parse(text, &date) == 0)
		*wait_ms = date > now ? (date - now) * 1000 : 0;
	else
		return false;
	return true;
}

int64_t http_backoff(int64_t base_ms, unsigned attempt, uint64_t random)
{
	int64_t wait = base_ms;

	for (unsigned i = 1; i < attempt && wait < HTTP_BACKOFF_MAX_MS; i++)
		wait *= 2;
	if (wait > HTTP_BACKOFF_MAX_MS)
		wait = HTTP_BACKOFF_MAX_MS;
	return wait > 0 ? (int64_t)(random % (uint64_t)(wait + 1)) : 0;
}

int http_date_parse(const char *text, int64_t *seconds)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct tm tm = {0};
	char month[4] = "";
	int end = 0;

	if (sscanf(text, "%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d GMT%n", &tm.tm_mday, month, &tm.tm_year,
		   &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &end) != 6 ||
	    end == 0 || text[end] != '\0')
		return -EINVAL;
	const char *found = strlen(month) == 3 ? strstr(months, month) : NULL;
	if (!found || (found - months) % 3 != 0 || tm.tm_year < 1900 || tm.tm_mday < 1 || tm.tm_mday > 31 ||
	    tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60 || tm.tm_hour < 0 || tm.tm_min < 0 || tm.tm_sec < 0)
		return -EINVAL;
	tm.tm_mon = (int)(found - months) / 3;
	tm.tm_year -= 1900;
	*seconds = timegm(&tm);
	return 0;
}

int http_range_parse(const char *text, uint64_t *first, uint64_t *last)
{
	uint64_t from = 0;
	uint64_t to = 0;

	if (strncasecmp(text, "bytes", 5) == 0)
		text += 5 + strspn(text + 5, " =");
	size_t digits = strspn(text, "0123456789");
	if (text[digits] != '-')
		return -EINVAL;
	cleanup_free char *one = mem_strndup(text, digits);
	const char *rest = text + digits + 1;
	size_t more = strspn(rest, "0123456789");
	cleanup_free char *two = mem_strndup(rest, more);
	if ((rest[more] != '\0' && rest[more] != '/') || parse_u64(one, INT64_MAX, "range", &from, NULL) < 0 ||
	    parse_u64(two, INT64_MAX, "range", &to, NULL) < 0)
		return -EINVAL;
	*first = from;
	*last = to;
	return 0;
}
