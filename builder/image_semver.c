/*
 * A range becomes, one comparison after the other, a lower and an upper end: [from, to).
 */
#include "builder/image_semver.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/parse.h"
#include "base/strlist.h"

#define PARTS 3
#define PART_MAX UINT32_MAX

struct version {
	uint64_t parts[PARTS];
	unsigned given; /* how many of them were there */
	char *pre;	/* "rc.1", or NULL */
};

static void version_done(struct version *version)
{
	free(version->pre);
}
CLEANUP_FOR_VALUE(struct version, version_done)

/* ---- Versions ---- */

static bool is_wildcard(const char *text)
{
	return strcmp(text, "x") == 0 || strcmp(text, "X") == 0 || strcmp(text, "*") == 0;
}

static bool is_word(const char *text)
{
	for (; *text; text++)
		if (!isalnum((unsigned char)*text) && *text != '-' && *text != '.')
			return false;
	return true;
}

/* Behind a wildcard nothing is given. */
static bool parse_numbers(const char *text, bool wildcards, struct version *version)
{
	cleanup(strlist_done) struct strlist parts = {0};

	strlist_split(&parts, text, '.');
	if (parts.count == 0 || parts.count > PARTS)
		return false;
	for (size_t i = 0; i < parts.count; i++) {
		if (wildcards && is_wildcard(parts.items[i]))
			return true;
		if (parse_u64(parts.items[i], PART_MAX, "version", &version->parts[i], NULL) < 0)
			return false;
		version->given++;
	}
	return true;
}

static bool parse_version(const char *text, bool wildcards, struct version *version)
{
	const char *start = *text == 'v' ? text + 1 : text;
	size_t core = strcspn(start, "-+");
	size_t whole = strcspn(start, "+");
	cleanup_free char *numbers = mem_strndup(start, core);

	if (!is_word(start[whole] ? start + whole + 1 : ""))
		return false;
	if (whole > core) {
		version->pre = mem_strndup(start + core + 1, whole - core - 1);
		if (!*version->pre || !is_word(version->pre))
			return false;
	}
	return parse_numbers(numbers, wildcards, version);
}

static int compare_numbers(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

/* Numbers come before words, and are compared as such (semver.org, 11.4). */
static int compare_identifiers(const char *a, const char *b)
{
	uint64_t left, right;
	bool left_is_number = parse_u64(a, UINT64_MAX, "", &left, NULL) == 0;
	bool right_is_number = parse_u64(b, UINT64_MAX, "", &right, NULL) == 0;

	if (left_is_number && right_is_number)
		return compare_numbers(left, right);
	if (left_is_number != right_is_number)
		return left_is_number ? -1 : 1;
	return strcmp(a, b);
}

/* Without a pre-release part is later than with one. */
static int compare_pre(const char *a, const char *b)
{
	cleanup(strlist_done) struct strlist left = {0}, right = {0};

	if (!a || !b)
		return !a - !b;
	strlist_split(&left, a, '.');
	strlist_split(&right, b, '.');
	for (size_t i = 0; i < left.count && i < right.count; i++) {
		int order = compare_identifiers(left.items[i], right.items[i]);
		if (order != 0)
			return order;
	}
	return compare_numbers(left.count, right.count);
}

static int compare(const struct version *a, const struct version *b)
{
	for (size_t i = 0; i < PARTS; i++) {
		int order = compare_numbers(a->parts[i], b->parts[i]);
		if (order != 0)
			return order;
	}
	return compare_pre(a->pre, b->pre);
}

/* ---- One comparison ---- */

enum operation { IS, IS_NOT, MORE, LESS, MORE_OR_SAME, LESS_OR_SAME, TILDE, CARET };

static const struct {
	const char *text;
	enum operation operation;
} operators[] = {
	{"!=", IS_NOT},
	{">=", MORE_OR_SAME},
	{"=>", MORE_OR_SAME},
	{"<=", LESS_OR_SAME},
	{"=<", LESS_OR_SAME},
	{"~>", TILDE},
	{"=", IS},
	{">", MORE},
	{"<", LESS},
	{"~", TILDE},
	{"^", CARET},
};

/* Is it among those that begin with the first `count` parts of `base`? */
static bool shares(const struct version *version, const struct version *base, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (version->parts[i] != base->parts[i])
			return false;
	return true;
}

/* ^ keeps all up to the first part that is not 0: ^1.2 in 1, ^0.2.3 in 0.2, ^0.0.3 is 0.0.3. */
static unsigned caret_parts(const struct version *base)
{
	for (unsigned i = 0; i < base->given; i++)
		if (base->parts[i] != 0)
			return i + 1;
	return base->given;
}

static bool meets(const struct version *version, enum operation operation, const struct version *base)
{
	bool is_whole = base->given == PARTS;
	bool is_same = is_whole ? compare(version, base) == 0 : shares(version, base, base->given);

	if (version->pre && !base->pre)
		return false;
	switch (operation) {
	case IS:
		return is_same;
	case IS_NOT:
		return !is_same;
	case MORE:
		return !is_same && compare(version, base) > 0;
	case LESS:
		return !is_same && compare(version, base) < 0;
	case MORE_OR_SAME:
		return is_same || compare(version, base) > 0;
	case LESS_OR_SAME:
		return is_same || compare(version, base) < 0;
	case TILDE:
		return compare(version, base) >= 0 && shares(version, base, base->given < 2 ? base->given : 2);
	case CARET:
		return compare(version, base) >= 0 && shares(version, base, caret_parts(base));
	}
	return false;
}

static bool parse_comparison(const char *text, enum operation *operation, struct version *base)
{
	*operation = IS;
	for (size_t i = 0; i < sizeof(operators) / sizeof(*operators); i++) {
		if (!text_has_prefix(text, operators[i].text))
			continue;
		*operation = operators[i].operation;
		text += strlen(operators[i].text);
		break;
	}
	return parse_version(text, /* wildcards */ true, base);
}

/* ---- A range ---- */

/* One word for each comparison: blanks behind an operator go, "a - b" becomes ">=a" and "<=b". */
static void split_words(const char *text, struct strlist *words)
{
	cleanup(strlist_done) struct strlist all = {0};
	cleanup_free char *copy = mem_strdup(text);

	for (char *c = copy; *c; c++)
		if (*c == ',' || isspace((unsigned char)*c))
			*c = ' ';
	strlist_split(&all, copy, ' ');
	for (size_t i = 0; i < all.count; i++) {
		const char *word = all.items[i];
		bool is_operator = *word && word[strspn(word, "=<>!~^")] == '\0';
		if (strcmp(word, "-") == 0 && words->count > 0 && i + 1 < all.count) {
			cleanup_free char *from = mem_printf(">=%s", words->items[words->count - 1]);
			strlist_remove(words, words->count - 1);
			strlist_append(words, from);
			strlist_printf(words, "<=%s", all.items[++i]);
		} else if (is_operator && i + 1 < all.count) {
			while (i + 2 < all.count && !*all.items[i + 1])
				i++;
			strlist_printf(words, "%s%s", word, all.items[++i]);
		} else if (*word) {
			strlist_append(words, word);
		}
	}
}

/* The texts between "||". */
static void split_alternatives(const char *range, struct strlist *alternatives)
{
	const char *bar;

	while ((bar = strstr(range, "||"))) {
		strlist_take(alternatives, mem_strndup(range, (size_t)(bar - range)));
		range = bar + 2;
	}
	strlist_append(alternatives, range);
}

int semver_check_range(const char *range, struct error **err)
{
	cleanup(strlist_done) struct strlist alternatives = {0};

	split_alternatives(range, &alternatives);
	for (size_t i = 0; i < alternatives.count; i++) {
		cleanup(strlist_done) struct strlist words = {0};
		split_words(alternatives.items[i], &words);
		if (words.count == 0)
			return error_set(err, EINVAL, "'%s': an empty range of versions", range);
		for (size_t k = 0; k < words.count; k++) {
			cleanup(version_done) struct version base = {0};
			enum operation operation;
			if (!parse_comparison(words.items[k], &operation, &base))
				return error_set(err, EINVAL, "'%s' is no range of versions, because of '%s'", range,
						 words.items[k]);
		}
	}
	return 0;
}

static bool is_in_all(const struct version *version, const char *text)
{
	cleanup(strlist_done) struct strlist words = {0};

	split_words(text, &words);
	for (size_t i = 0; i < words.count; i++) {
		cleanup(version_done) struct version base = {0};
		enum operation operation;
		if (!parse_comparison(words.items[i], &operation, &base) || !meets(version, operation, &base))
			return false;
	}
	return words.count > 0;
}

bool semver_is_in(const char *text, const char *range)
{
	cleanup(strlist_done) struct strlist alternatives = {0};
	cleanup(version_done) struct version version = {0};
	bool is_in = false;

	if (!parse_version(text, /* wildcards */ false, &version))
		return false;
	split_alternatives(range, &alternatives);
	for (size_t i = 0; i < alternatives.count && !is_in; i++)
		is_in = is_in_all(&version, alternatives.items[i]);
	return is_in;
}
