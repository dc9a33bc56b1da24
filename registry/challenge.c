/*
 * The parser of WWW-Authenticate. The grammar is ambiguous at one place: after a comma a token is a parameter's name
 * when '=' follows it, else the scheme of the next challenge.
 */
#include "registry/challenge.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

void challenge_list_done(struct challenge_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		free(list->items[i].scheme);
		strlist_done(&list->items[i].parameters);
	}
	free(list->items);
	*list = (struct challenge_list){0};
}

static const char *skip_space(const char *at)
{
	return at + strspn(at, " \t");
}

/* RFC 9110 section 5.6.2 "token". */
static size_t token_length(const char *text)
{
	size_t len = 0;

	while (isalnum((unsigned char)text[len]) || (text[len] && strchr("!#$%&'*+-.^_`|~", text[len])))
		len++;
	return len;
}

static char *lower_case(const char *text, size_t len)
{
	char *copy = mem_strndup(text, len);

	for (char *c = copy; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	return copy;
}

/* Reads a quoted string or a bare value; *at moves behind it. False when a quote stays open. Bare values end at a comma
 * or a space and not where a token ends: servers write URLs without quotes. */
static bool read_value(const char **at, struct buf *value)
{
	const char *text = *at;

	if (*text != '"') {
		size_t len = strcspn(text, ", \t");
		buf_append(value, text, len);
		*at = text + len;
		return true;
	}
	for (text++; *text && *text != '"'; text++) {
		if (*text == '\\' && text[1])
			text++;
		buf_append_char(value, *text);
	}
	*at = *text ? text + 1 : text;
	return *text == '"';
}

/* The place of '=' when a parameter starts at `at`, else NULL. "Negotiate abc==" is token68 and no parameter: there the
 * first '=' is followed by the end, a comma or another '='. */
static const char *parameter_equals(const char *at)
{
	size_t len = token_length(at);
	const char *equals = skip_space(at + len);

	if (len == 0 || *equals != '=')
		return NULL;
	const char *value = skip_space(equals + 1);
	return *value == '\0' || *value == ',' || *value == '=' ? NULL : equals;
}

static struct challenge *add_challenge(struct challenge_list *list, const char *scheme, size_t len)
{
	list->items = mem_grow(list->items, list->count + 1, sizeof(*list->items));
	list->items[list->count] = (struct challenge){.scheme = lower_case(scheme, len)};
	return &list->items[list->count++];
}

static int read_parameter(const char **at, const char *equals, struct challenge *challenge, struct error **err)
{
	cleanup(buf_done) struct buf value = BUF_INIT(CHALLENGE_SIZE_MAX);
	cleanup_free char *name = lower_case(*at, token_length(*at));

	*at = skip_space(equals + 1);
	if (!read_value(at, &value))
		return error_set(err, EINVAL, "WWW-Authenticate: open quote in '%s'", name);
	if (!strlist_env_get(&challenge->parameters, name)) /* the first of two wins */
		strlist_printf(&challenge->parameters, "%s=%s", name, buf_str(&value));
	return 0;
}

int challenge_parse(const char *value, struct challenge_list *list, struct error **err)
{
	struct challenge *current = NULL;
	const char *at = value;

	if (strlen(value) > CHALLENGE_SIZE_MAX)
		return error_set(err, EINVAL, "WWW-Authenticate is longer than %zu bytes", CHALLENGE_SIZE_MAX);
	for (;;) {
		at += strspn(at, " \t,");
		if (*at == '\0')
			return 0;
		const char *equals = current ? parameter_equals(at) : NULL;
		if (equals) {
			int rc = read_parameter(&at, equals, current, err);
			if (rc < 0)
				return rc;
			continue;
		}
		size_t len = token_length(at);
		if (len == 0 || (at[len] != '\0' && !strchr(" \t,", at[len])))
			return error_set(err, EINVAL, "WWW-Authenticate: no scheme at '%.20s'", at);
		current = add_challenge(list, at, len);
		at = skip_space(at + len);
		/* token68, the form of Negotiate and NTLM: of no use to us, skipped up to the comma. */
		if (*at && *at != ',' && !parameter_equals(at))
			at += strcspn(at, ",");
	}
}

const struct challenge *challenge_find(const struct challenge_list *list, const char *scheme)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->items[i].scheme, scheme) == 0)
			return &list->items[i];
	return NULL;
}

const char *challenge_get(const struct challenge *challenge, const char *name)
{
	return strlist_env_get(&challenge->parameters, name);
}
