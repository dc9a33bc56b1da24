/*
 * Keyword, flags, rest: the first cut through a logical line.
 */
#include "dockerfile/statement_internal.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/parse.h"
#include "base/utf8.h"
#include "dockerfile/character_internal.h"

void statement_done(struct statement *statement)
{
	mem_replace(&statement->text, NULL);
	mem_replace(&statement->keyword, NULL);
	mem_replace(&statement->rest, NULL);
	mem_replace(&statement->tail, NULL);
	strlist_done(&statement->flags);
	strlist_done(&statement->words);
}

/* ---- Flags ---- */

#define FLAG_BLANKS "\n" BLANKS

/* One flag from *at on: quotes and backslashes as in a shell, both removed. */
static char *read_flag(const char **at)
{
	cleanup(buf_done) struct buf flag = BUF_INIT(DOCKERFILE_INSTRUCTION_MAX);
	char quote = '\0';
	const char *p = *at;

	for (; *p; p++) {
		if (*p == '\\') {
			if (!p[1]) /* at the end it just vanishes */
				continue;
			buf_append_char(&flag, *++p);
		} else if (quote ? *p == quote : *p == '\'' || *p == '"') {
			quote = quote ? '\0' : *p;
		} else if (!quote && strchr(FLAG_BLANKS, *p)) {
			break;
		} else {
			buf_append_char(&flag, *p);
		}
	}
	*at = p;
	return buf_take(&flag);
}

/* Takes the flags off the front of `text`. A blank that is not of ASCII, before which BuildKit sees no flag, belongs to
 * the words. */
static const char *read_flags(const char *text, struct strlist *flags)
{
	for (text += strspn(text, FLAG_BLANKS); strncmp(text, "--", 2) == 0; text += strspn(text, FLAG_BLANKS)) {
		cleanup_free char *flag = read_flag(&text);
		if (strcmp(flag, "--") == 0)
			break;
		strlist_take(flags, take_ptr(&flag));
	}
	return text;
}

static const struct flag_spec *find_spec(const struct flag_spec *specs, size_t count, const char *flag, size_t size)
{
	for (size_t i = 0; i < count; i++)
		if (strlen(specs[i].name) == size && memcmp(specs[i].name, flag, size) == 0)
			return &specs[i];
	return NULL;
}

static int unknown_flag(const char *name, const struct flag_spec *specs, size_t count, struct error **err)
{
	const char *names[16];

	for (size_t i = 0; i < count; i++)
		names[i] = specs[i].name;
	error_set(err, EINVAL, "unknown flag: --%s", name);
	return suggest_hint(err, name, names, count);
}

/* The flag without its "--", cut at the '='. */
static const char *flag_value(const char *flag, size_t *name_size)
{
	const char *equals = strchr(flag + 2, '=');

	*name_size = equals ? (size_t)(equals - flag - 2) : strlen(flag + 2);
	return equals ? equals + 1 : NULL;
}

static int check_flag(const char *flag, const struct flag_spec *spec, struct error **err)
{
	size_t size = 0;
	const char *value = flag_value(flag, &size);

	if (spec->type != FLAG_TYPE_BOOL)
		return value ? 0 : error_set(err, EINVAL, "missing a value on flag: %s", spec->name);
	if (!value || strcasecmp(value, "true") == 0 || strcasecmp(value, "false") == 0)
		return 0;
	if (!*value)
		return error_set(err, EINVAL, "missing a value on flag: %s", spec->name);
	return error_set(err, EINVAL, "expecting boolean value for flag %s, not: %s", spec->name, value);
}

int flags_check(const struct strlist *flags, const struct flag_spec *specs, size_t count, char **culprit,
		struct error **err)
{
	uint32_t seen = 0;

	for (size_t i = 0; i < flags->count; i++) {
		size_t size = 0;
		flag_value(flags->items[i], &size);
		const struct flag_spec *spec = find_spec(specs, count, flags->items[i] + 2, size);
		cleanup_free char *name = mem_strndup(flags->items[i] + 2, size);
		int rc = 0;
		if (!spec)
			rc = unknown_flag(name, specs, count, err);
		else if (spec->type != FLAG_TYPE_LIST && seen & 1u << (spec - specs))
			rc = error_set(err, EINVAL, "duplicate flag specified: %s", name);
		else
			rc = check_flag(flags->items[i], spec, err);
		if (rc < 0) {
			mem_replace(culprit, NULL);
			*culprit = mem_printf("--%s", name);
			return rc;
		}
		seen |= 1u << (spec - specs);
	}
	return 0;
}

static const char *find_flag(const struct strlist *flags, const char *name)
{
	for (size_t i = 0; i < flags->count; i++) {
		size_t size = 0;
		flag_value(flags->items[i], &size);
		if (strlen(name) == size && memcmp(flags->items[i] + 2, name, size) == 0)
			return flags->items[i];
	}
	return NULL;
}

const char *flags_text(const struct strlist *flags, const char *name)
{
	const char *flag = find_flag(flags, name);
	size_t size = 0;

	return flag ? flag_value(flag, &size) : NULL;
}

enum flag_state flags_state(const struct strlist *flags, const char *name)
{
	const char *flag = find_flag(flags, name);
	size_t size = 0;

	if (!flag)
		return FLAG_UNSET;
	const char *value = flag_value(flag, &size);
	return value && strcasecmp(value, "false") == 0 ? FLAG_FALSE : FLAG_TRUE;
}

void flags_list(const struct strlist *flags, const char *name, struct strlist *values)
{
	for (size_t i = 0; i < flags->count; i++) {
		size_t size = 0;
		const char *value = flag_value(flags->items[i], &size);
		if (strlen(name) == size && memcmp(flags->items[i] + 2, name, size) == 0)
			strlist_append(values, value);
	}
}

bool read_truth(const char *text, bool *value)
{
	static const char *const words[] = {"true",  "True",  "TRUE",  "t", "T", "1",
					    "false", "False", "FALSE", "f", "F", "0"};

	for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
		if (strcmp(text, words[i]) == 0) {
			*value = i < ARRAY_COUNT(words) / 2;
			return true;
		}
	}
	return false;
}

bool read_integer(const char *text, int64_t min, int64_t max, int64_t *value)
{
	bool has_plus = text[0] == '+' && text[1] != '-';

	return parse_i64(text + has_plus, min, max, "number", value, /* err */ NULL) == 0;
}

/* ---- Words ---- */

/* Appends the character at *at and moves behind it. */
static void take_character(const char **at, struct buf *word)
{
	uint32_t character = 0;
	size_t width = utf8_decode(*at, strnlen(*at, UTF8_CHAR_MAX), &character);

	buf_append(word, *at, width);
	*at += width;
}

/* An escape character with what it protects; at the end of the text it vanishes. */
static void take_escaped(const char **at, struct buf *word)
{
	if (!(*at)[1]) {
		++*at;
		return;
	}
	buf_append_char(word, *(*at)++);
	take_character(at, word);
}

/* One word, quotes and escapes kept; false when it is nothing, not even quotes. */
static bool read_quoted_word(const char **at, char escape, struct buf *word)
{
	char quote = '\0';
	bool has_quotes = false;

	while (**at) {
		char c = **at;
		if (!quote && skip_space(*at) != *at)
			break;
		if (c == escape && quote != '\'') {
			take_escaped(at, word);
			continue;
		}
		if (quote ? c == quote : c == '\'' || c == '"') {
			quote = quote ? '\0' : c;
			has_quotes = true;
		}
		take_character(at, word);
	}
	return has_quotes || word->len > 0;
}

void quoted_words(const char *text, char escape, struct strlist *words)
{
	for (text = skip_space(text); *text; text = skip_space(text)) {
		cleanup(buf_done) struct buf word = BUF_INIT(DOCKERFILE_INSTRUCTION_MAX);
		if (read_quoted_word(&text, escape, &word))
			strlist_take(words, buf_take(&word));
	}
}

/* ---- Statements ---- */

static const char *const names[INSTRUCTION_KINDS] = {
	[INSTRUCTION_ADD] = "ADD",
	[INSTRUCTION_ARG] = "ARG",
	[INSTRUCTION_CMD] = "CMD",
	[INSTRUCTION_COPY] = "COPY",
	[INSTRUCTION_ENTRYPOINT] = "ENTRYPOINT",
	[INSTRUCTION_ENV] = "ENV",
	[INSTRUCTION_EXPOSE] = "EXPOSE",
	[INSTRUCTION_FROM] = "FROM",
	[INSTRUCTION_HEALTHCHECK] = "HEALTHCHECK",
	[INSTRUCTION_LABEL] = "LABEL",
	[INSTRUCTION_MAINTAINER] = "MAINTAINER",
	[INSTRUCTION_ONBUILD] = "ONBUILD",
	[INSTRUCTION_RUN] = "RUN",
	[INSTRUCTION_SHELL] = "SHELL",
	[INSTRUCTION_STOPSIGNAL] = "STOPSIGNAL",
	[INSTRUCTION_USER] = "USER",
	[INSTRUCTION_VOLUME] = "VOLUME",
	[INSTRUCTION_WORKDIR] = "WORKDIR",
};

const char *instruction_name(enum instruction_kind kind)
{
	return names[kind];
}

int instruction_kind_find(const char *keyword, enum instruction_kind *kind)
{
	for (int i = 0; i < INSTRUCTION_KINDS; i++) {
		if (strcasecmp(keyword, names[i]) == 0) {
			*kind = (enum instruction_kind)i;
			return 1;
		}
	}
	return 0;
}

static bool may_be_json(enum instruction_kind kind)
{
	return kind == INSTRUCTION_ADD || kind == INSTRUCTION_CMD || kind == INSTRUCTION_COPY ||
	       kind == INSTRUCTION_ENTRYPOINT || kind == INSTRUCTION_RUN || kind == INSTRUCTION_SHELL ||
	       kind == INSTRUCTION_VOLUME;
}

int statement_parse(const char *line, struct statement *statement, struct error **err)
{
	statement->text = trim_space(line);
	statement->tail = mem_strdup(skip_space(line) + strlen(statement->text));
	size_t size = strcspn(statement->text, BLANKS);
	statement->keyword = mem_strndup(statement->text, size);
	statement->rest = trim_space(read_flags(statement->text + size, &statement->flags));

	enum instruction_kind kind = INSTRUCTION_KINDS;
	if (!instruction_kind_find(statement->keyword, &kind) || !may_be_json(kind))
		return 0;
	int rc = json_words(statement->rest, &statement->words, &statement->has_nul, err);
	if (rc < 0)
		return rc;
	statement->is_json = rc > 0;
	return 0;
}

bool statement_has_heredocs(const struct statement *statement)
{
	enum instruction_kind kind = INSTRUCTION_KINDS;

	if (!instruction_kind_find(statement->keyword, &kind))
		return false;
	if (kind == INSTRUCTION_ONBUILD) {
		cleanup(statement_done) struct statement trigger = {0};
		if (statement_parse(statement->rest, &trigger, /* err */ NULL) < 0)
			return false;
		/* One level only: ONBUILD ONBUILD is refused anyhow. */
		return strcasecmp(trigger.keyword, "ONBUILD") != 0 && statement_has_heredocs(&trigger);
	}
	return (kind == INSTRUCTION_RUN || kind == INSTRUCTION_COPY || kind == INSTRUCTION_ADD) && !statement->is_json;
}
