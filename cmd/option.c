/*
 * From argv to the members of a command's option struct, by its tables.
 */
#include "cmd/option.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/parse.h"

/* One argv being consumed. */
struct cursor {
	int argc;
	char *const *argv;
	int at;
};

static const struct option_spec *find_letter(const struct option_use *uses, char letter, size_t *offset)
{
	for (const struct option_use *use = uses; use && use->group; use++)
		for (size_t i = 0; i < use->group->count; i++)
			if (use->group->rows[i].letter == letter) {
				*offset = use->offset;
				return &use->group->rows[i];
			}
	return NULL;
}

const struct option_spec *option_find(const struct option_use *uses, const char *name, size_t *offset)
{
	for (const struct option_use *use = uses; use && use->group; use++)
		for (size_t i = 0; i < use->group->count; i++)
			if (strcmp(use->group->rows[i].name, name) == 0) {
				*offset = use->offset;
				return &use->group->rows[i];
			}
	return NULL;
}

static bool takes_value(const struct option_spec *row)
{
	return row->kind == OPTION_TEXT || row->kind == OPTION_LIST || row->kind == OPTION_UNNEEDED;
}

/* Stores one value (NULL: none was given) in the member that the row names. */
static int store_value(const struct option_spec *row, void *member, const char *value, struct error **err)
{
	switch (row->kind) {
	case OPTION_FLAG: {
		cleanup_free char *what = mem_printf("--%s", row->name);
		bool on = true;
		int rc = value ? parse_bool(value, what, &on, err) : 0;
		if (rc < 0)
			return rc;
		*(bool *)member = on;
		return 0;
	}
	case OPTION_TEXT:
		*(const char **)member = value;
		return 0;
	case OPTION_OPTIONAL:
		*(const char **)member = value ? value : row->implied;
		return 0;
	case OPTION_LIST:
		strlist_append(member, value);
		return 0;
	case OPTION_UNNEEDED:
	case OPTION_UNNEEDED_FLAG:
		log_debug("--%s is accepted for scripts of other builders and not needed here", row->name);
		return 0;
	}
	return 0;
}

static const struct option_spec *find_long(const struct option_parser *p, const char *name, void **member)
{
	size_t offset = 0;
	const struct option_spec *row = option_find(p->uses, name, &offset);
	if (row) {
		*member = (char *)p->values + offset + row->offset;
		return row;
	}
	row = option_find(p->globals, name, &offset);
	if (row)
		*member = (char *)p->global_values + offset + row->offset;
	return row;
}

size_t option_edits(const char *a, const char *b)
{
	enum { LONGEST = 40 };
	size_t row[LONGEST + 1], la = strlen(a), lb = strlen(b);
	if (la > LONGEST || lb > LONGEST)
		return LONGEST;
	for (size_t j = 0; j <= lb; j++)
		row[j] = j;
	for (size_t i = 1; i <= la; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			size_t above = row[j], best = diagonal + (a[i - 1] != b[j - 1]);
			if (above + 1 < best)
				best = above + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			diagonal = above;
			row[j] = best;
		}
	}
	return row[lb];
}

/* Names the known long option nearest to a mistyped one: same letters but for one or two edits. */
static int unknown_option(const struct option_parser *p, const char *name, struct error **err)
{
	const char *nearest = NULL;
	size_t least = 3;
	for (const struct option_use *use = p->uses; use && use->group; use++)
		for (size_t i = 0; i < use->group->count; i++) {
			const struct option_spec *row = &use->group->rows[i];
			size_t distance = option_edits(name, row->name);
			if (row->help && distance < least) {
				least = distance;
				nearest = row->name;
			}
		}
	if (nearest)
		return error_set(err, EINVAL, "unknown flag: --%s (did you mean --%s?)", name, nearest);
	return error_set(err, EINVAL, "unknown flag: --%s", name);
}

static int parse_long(struct option_parser *p, struct cursor *c, struct error **err)
{
	const char *text = c->argv[c->at++] + 2;
	const char *equals = strchr(text, '=');
	cleanup_free char *name = equals ? mem_strndup(text, equals - text) : mem_strdup(text);
	const char *value = equals ? equals + 1 : NULL;
	if (strcmp(name, "help") == 0) {
		p->wants_help = true;
		return 0;
	}
	void *member = NULL;
	const struct option_spec *row = find_long(p, name, &member);
	if (!row)
		return unknown_option(p, name, err);
	if (!value && takes_value(row)) {
		if (c->at >= c->argc)
			return error_set(err, EINVAL, "flag needs an argument: --%s", name);
		value = c->argv[c->at++];
	}
	return store_value(row, member, value, err);
}

/* "-q", "-aq", "-eK=V", "-e K=V", "-e=K=V". */
static int parse_letters(struct option_parser *p, struct cursor *c, struct error **err)
{
	const char *text = c->argv[c->at++] + 1;
	for (; *text; text++) {
		size_t offset = 0;
		void *values = p->values;
		const struct option_spec *row = find_letter(p->uses, *text, &offset);
		if (!row) {
			row = find_letter(p->globals, *text, &offset);
			values = p->global_values;
		}
		if (!row && *text == 'h') {
			p->wants_help = true;
			continue;
		}
		if (!row)
			return error_set(err, EINVAL, "unknown shorthand flag: '%c' in -%s", *text, text);
		void *member = (char *)values + offset + row->offset;
		if (!takes_value(row)) {
			bool has_value = text[1] == '=';
			int rc = store_value(row, member, has_value ? text + 2 : NULL, err);
			if (rc < 0 || has_value)
				return rc;
			continue;
		}
		const char *value = text[1] == '=' ? text + 2 : text + 1;
		if (!text[1]) {
			if (c->at >= c->argc)
				return error_set(err, EINVAL, "flag needs an argument: '%c' in -%s", *text, text);
			value = c->argv[c->at++];
		}
		return store_value(row, member, value, err);
	}
	return 0;
}

int option_parse(struct option_parser *p, int argc, char *const *argv, struct strlist *args, struct error **err)
{
	struct cursor c = {.argc = argc, .argv = argv};
	bool ended = false;
	while (c.at < c.argc) {
		const char *text = c.argv[c.at];
		bool is_option = !ended && text[0] == '-' && text[1] != '\0';
		if (p->order == OPTIONS_UNTIL_COMMAND && args->count >= p->command_after && !is_option)
			ended = true;
		if (is_option && strcmp(text, "--") == 0) {
			ended = true;
			c.at++;
			continue;
		}
		if (!is_option) {
			strlist_append(args, text);
			c.at++;
			continue;
		}
		if (p->order == OPTIONS_FIRST && args->count > 0)
			return error_set(err, EINVAL,
					 "no options (%s) can be specified after the image or container name", text);
		int rc = text[1] == '-' ? parse_long(p, &c, err) : parse_letters(p, &c, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

void option_done(const struct option_use *uses, void *values)
{
	for (const struct option_use *use = uses; use && use->group; use++)
		for (size_t i = 0; i < use->group->count; i++)
			if (use->group->rows[i].kind == OPTION_LIST)
				strlist_done((void *)((char *)values + use->offset + use->group->rows[i].offset));
}
