/*
 * Addresses: text in, parts out, and back. Nothing here talks to anybody.
 */
#include "registry/url.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include <errno.h>

#include "base/parse.h"
#include "base/strlist.h"

#define HTTP_PORT 80
#define HTTPS_PORT 443

/* Query fields whose values are worth reading in a message and are never secrets. */
static const char *const public_fields[] = {"digest", "mount", "from", "service", "scope",
					    "n",      "last",  "ns",   "account"};

void url_done(struct url *url)
{
	if (url->userinfo)
		mem_wipe(url->userinfo, strlen(url->userinfo));
	free(url->userinfo);
	free(url->host);
	free(url->rest);
	*url = (struct url){0};
}

static bool has_only_url_bytes(const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		if (c <= ' ' || c >= 0x7f || c == '\\' || c == '"' || c == '<' || c == '>')
			return false;
	}
	return true;
}

/* The length of the host at the start of text: a name, an IPv4 address or "[...]"; 0 when it is none of them. */
static size_t host_length(const char *text)
{
	if (*text == '[') {
		size_t len = 1 + strspn(text + 1, "0123456789abcdefABCDEF:.");
		return text[len] == ']' && len > 2 ? len + 1 : 0;
	}
	size_t len = 0;
	while (isalnum((unsigned char)text[len]) || text[len] == '.' || text[len] == '-' || text[len] == '_')
		len++;
	return len;
}

static int parse_authority(const char *authority, const char *text, struct url *url, struct error **err)
{
	const char *at = strchr(authority, '@');
	const char *host = at ? at + 1 : authority;
	size_t len = host_length(host);
	uint64_t port = url->https ? HTTPS_PORT : HTTP_PORT;
	cleanup_free char *shown = url_redact(text);

	if (len == 0 || (host[len] != '\0' && host[len] != ':'))
		return error_set(err, EINVAL, "'%s' has no valid host", shown);
	if (host[len] == ':' && host[len + 1] != '\0' &&
	    (parse_u64(host + len + 1, UINT16_MAX, "port", &port, NULL) < 0 || port == 0))
		return error_set(err, EINVAL, "'%s' has no valid port", shown);
	if (at)
		url->userinfo = mem_strndup(authority, (size_t)(at - authority));
	url->host = mem_strndup(host, len);
	for (char *c = url->host; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	url->port = (uint16_t)port;
	return 0;
}

int url_parse(const char *text, struct url *url, struct error **err)
{
	cleanup(url_done) struct url parsed = {0};
	size_t scheme = 0;

	if (strlen(text) > URL_SIZE_MAX)
		return error_set(err, EINVAL, "the address is longer than %zu bytes", URL_SIZE_MAX);
	if (!has_only_url_bytes(text))
		return error_set(err, EINVAL, "the address has characters that no address may have");
	if (strncasecmp(text, "https://", 8) == 0)
		scheme = 8;
	else if (strncasecmp(text, "http://", 7) == 0)
		scheme = 7;
	else
		return error_set(err, EINVAL, "'%.32s' is not an http or https address", text);
	parsed.https = scheme == 8;
	size_t len = strcspn(text + scheme, "/?#");
	cleanup_free char *authority = mem_strndup(text + scheme, len);
	int rc = parse_authority(authority, text, &parsed, err);
	if (rc < 0)
		return rc;
	const char *rest = text + scheme + len;
	parsed.rest = mem_strndup(rest, strcspn(rest, "#"));
	*url = parsed;
	parsed = (struct url){0};
	return 0;
}

static bool has_default_port(const struct url *url)
{
	return url->port == (url->https ? HTTPS_PORT : HTTP_PORT);
}

char *url_authority(const struct url *url)
{
	return has_default_port(url) ? mem_strdup(url->host) : mem_printf("%s:%u", url->host, (unsigned)url->port);
}

char *url_origin(const struct url *url)
{
	cleanup_free char *authority = url_authority(url);

	return mem_printf("%s://%s", url->https ? "https" : "http", authority);
}

bool url_same_origin(const char *a, const char *b)
{
	cleanup(url_done) struct url one = {0};
	cleanup(url_done) struct url two = {0};

	if (url_parse(a, &one, NULL) < 0 || url_parse(b, &two, NULL) < 0)
		return false;
	return one.https == two.https && one.port == two.port && strcmp(one.host, two.host) == 0;
}

static bool has_scheme(const char *text)
{
	size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");

	return len > 0 && text[len] == ':' && isalpha((unsigned char)*text);
}

int url_resolve(const char *base, const char *location, char **result, struct error **err)
{
	cleanup(url_done) struct url from = {0};
	cleanup(url_done) struct url checked = {0};
	cleanup_free char *text = NULL;
	int rc = url_parse(base, &from, err);

	if (rc < 0)
		return rc;
	cleanup_free char *origin = url_origin(&from);
	size_t path = strcspn(from.rest, "?");
	if (has_scheme(location)) {
		text = mem_strdup(location);
	} else if (text_has_prefix(location, "//")) {
		text = mem_printf("%s:%s", from.https ? "https" : "http", location);
	} else if (*location == '/') {
		text = mem_printf("%s%s", origin, location);
	} else {
		if (*location != '?')
			while (path > 0 && from.rest[path - 1] != '/')
				path--;
		text = mem_printf("%s%.*s%s%s", origin, (int)path, from.rest, path == 0 ? "/" : "", location);
	}
	rc = url_parse(text, &checked, err);
	if (rc < 0)
		return rc;
	if (checked.userinfo) {
		cleanup_free char *there = url_origin(&checked);
		*result = mem_printf("%s%s", there, checked.rest);
	} else {
		*result = take_ptr(&text);
	}
	return 0;
}

char *url_add_query(const char *url, const char *query)
{
	size_t len = strcspn(url, "#");
	cleanup_free char *plain = mem_strndup(url, len);
	const char *mark = strchr(plain, '?');
	const char *separator = !mark ? "?" : mark[1] == '\0' || plain[len - 1] == '&' ? "" : "&";

	return mem_printf("%s%s%s", plain, separator, query);
}

void url_escape(struct buf *into, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		if (isalnum(c) || c == '-' || c == '.' || c == '_' || c == '~')
			buf_append_char(into, (char)c);
		else
			buf_printf(into, "%%%02X", c);
	}
}

static bool is_public_field(const char *name)
{
	for (size_t i = 0; i < ARRAY_COUNT(public_fields); i++)
		if (strcmp(name, public_fields[i]) == 0)
			return true;
	return false;
}

static void redact_query(struct buf *into, const char *query)
{
	cleanup(strlist_done) struct strlist fields = {0};

	strlist_split(&fields, query, '&');
	for (size_t i = 0; i < fields.count; i++) {
		char *value = strchr(fields.items[i], '=');
		if (value)
			*value++ = '\0';
		buf_printf(into, "%s%s", i > 0 ? "&" : "?", fields.items[i]);
		if (value)
			buf_printf(into, "=%s", is_public_field(fields.items[i]) ? value : "xxx");
	}
}

/* Works on any text, also on one that does not parse: it stands in the error that says so. */
char *url_redact(const char *text)
{
	cleanup(buf_done) struct buf shown = BUF_INIT(2 * URL_SIZE_MAX);
	const char *authority = strstr(text, "://");

	authority = authority ? authority + 3 : text;
	size_t len = strcspn(authority, "/?#");
	const char *host = authority;
	for (size_t i = 0; i < len; i++)
		if (authority[i] == '@')
			host = authority + i + 1;
	const char *query = authority + len + strcspn(authority + len, "?#");
	buf_append(&shown, text, (size_t)(authority - text));
	buf_append(&shown, host, (size_t)(query - host));
	if (*query == '?') {
		cleanup_free char *fields = mem_strndup(query + 1, strcspn(query + 1, "#"));
		redact_query(&shown, fields);
	}
	return buf_take(&shown);
}

bool url_host_is_loopback(const char *host)
{
	/* "127." is followed by digits and dots only: "127.evil.example" is a name like any other. */
	return strcmp(host, "localhost") == 0 || text_has_suffix(host, ".localhost") || strcmp(host, "[::1]") == 0 ||
	       (text_has_prefix(host, "127.") && host[strspn(host, "0123456789.")] == '\0');
}
