/*
 * The patterns of ${x#p} ${x%p} ${x/p/r}: '*' and '?' (neither matches a line end, both match '/'), everything else
 * stands for itself, '[' too. A backslash protects '*', '?', itself, and the '}' or '/' that would end the pattern.
 *
 * A pattern is a row of tokens. The value is fed to it character by character while a set remembers which tokens can
 * come next, so a match costs tokens × characters and hostile patterns do not explode; what still adds up, replacing
 * everywhere in a long value, has a budget. A suffix is matched as a prefix with both rows turned around.
 */
#include "dockerfile/expand_internal.h"

#include <errno.h>
#include <string.h>

#include "base/utf8.h"

#define STEPS_MAX ((size_t)64 << 20)
#define VALUE_MAX ((size_t)1 << 20) /* bytes: a character of it takes 13 more */

#define TOKEN_STAR UINT32_MAX
#define TOKEN_ANY (UINT32_MAX - 1)
#define NO_MATCH SIZE_MAX

/* Characters with the places where each starts; `starts` has one more, the end. */
struct characters {
	uint32_t *items;
	size_t *starts;
	size_t count;
};

static void characters_done(struct characters *characters)
{
	mem_free_cleanup(&characters->items);
	mem_free_cleanup(&characters->starts);
}

static int too_long(const char *pattern, struct error **err)
{
	return error_set(err, E2BIG, "pattern (%.80s) in substitution takes too long on this value", pattern);
}

static void decode(const char *text, struct characters *characters)
{
	size_t size = strlen(text);

	characters->items = mem_grow(NULL, size + 1, sizeof(*characters->items));
	characters->starts = mem_grow(NULL, size + 1, sizeof(*characters->starts));
	for (size_t at = 0; at < size;) {
		characters->starts[characters->count] = at;
		at += utf8_decode(text + at, size - at, &characters->items[characters->count++]);
	}
	characters->starts[characters->count] = size;
}

/* Turns the pattern's characters into tokens, in place. */
static int read_tokens(const char *pattern, struct characters *tokens, struct error **err)
{
	size_t made = 0;

	decode(pattern, tokens);
	for (size_t i = 0; i < tokens->count; i++) {
		uint32_t token = tokens->items[i];
		if (token == '*') {
			token = TOKEN_STAR;
		} else if (token == '?') {
			token = TOKEN_ANY;
		} else if (token == '\\') {
			uint32_t next = i + 1 < tokens->count ? tokens->items[i + 1] : 0;
			if (!next || !strchr("*?\\}/", (int)(next < 0x80 ? next : 'x')))
				return error_set(err, EINVAL,
						 "invalid pattern (%s) in substitution: a backslash before %s", pattern,
						 next ? "an ordinary character" : "nothing");
			token = next;
			i++;
		}
		tokens->items[made++] = token;
	}
	tokens->count = made;
	return 0;
}

static void turn_around(uint32_t *items, size_t count)
{
	for (size_t i = 0; i < count / 2; i++) {
		uint32_t other = items[i];
		items[i] = items[count - 1 - i];
		items[count - 1 - i] = other;
	}
}

struct matcher {
	const struct characters *tokens;
	bool *now; /* tokens->count + 1 of them: which can come next; the last is the end */
	bool *next;
	size_t steps;
};

static void matcher_done(struct matcher *matcher)
{
	mem_free_cleanup(&matcher->now);
	mem_free_cleanup(&matcher->next);
}

static void matcher_init(struct matcher *matcher, const struct characters *tokens)
{
	matcher->tokens = tokens;
	matcher->now = mem_alloc(tokens->count + 1);
	matcher->next = mem_alloc(tokens->count + 1);
}

/* A star may match nothing, so what is behind it can come too. */
static void reach(const struct matcher *matcher, bool *set, size_t i)
{
	set[i] = true;
	while (i < matcher->tokens->count && matcher->tokens->items[i] == TOKEN_STAR)
		set[++i] = true;
}

/* Feeds one character; false when nothing can come any more. */
static bool feed(struct matcher *matcher, uint32_t character)
{
	size_t count = matcher->tokens->count;
	bool alive = false;

	memset(matcher->next, 0, count + 1);
	for (size_t i = 0; i < count; i++) {
		uint32_t token = matcher->tokens->items[i];
		if (!matcher->now[i])
			continue;
		if (token == TOKEN_STAR	 ? character == '\n'
		    : token == TOKEN_ANY ? character == '\n'
					 : token != character)
			continue;
		reach(matcher, matcher->next, token == TOKEN_STAR ? i : i + 1);
		alive = true;
	}
	bool *spent = matcher->now;
	matcher->now = matcher->next;
	matcher->next = spent;
	matcher->steps += count + 1;
	return alive;
}

/* How many characters from `from` on the whole pattern matches, or NO_MATCH. */
static size_t match_at(struct matcher *matcher, const struct characters *value, size_t from, enum pattern_reach wanted)
{
	size_t count = matcher->tokens->count;
	size_t found = NO_MATCH;

	memset(matcher->now, 0, count + 1);
	reach(matcher, matcher->now, 0);
	for (size_t i = from;; i++) {
		if (matcher->now[count]) {
			found = i - from;
			if (wanted == PATTERN_SHORTEST)
				break;
		}
		if (i == value->count || matcher->steps > STEPS_MAX || !feed(matcher, value->items[i]))
			break;
	}
	return found;
}

/* A pattern and the text that it is looked for in. */
struct search {
	struct characters tokens, text;
	struct matcher matcher;
};

static void search_done(struct search *search)
{
	matcher_done(&search->matcher);
	characters_done(&search->text);
	characters_done(&search->tokens);
}
CLEANUP_FOR_VALUE(struct search, search_done)

/* `end` is where a match begins: of a suffix both are turned around. */
static int search_begin(struct search *search, const char *pattern, const char *value, enum pattern_end end,
			struct error **err)
{
	int rc = read_tokens(pattern, &search->tokens, err);

	if (rc < 0)
		return rc;
	if (strlen(value) > VALUE_MAX)
		return too_long(pattern, err);
	decode(value, &search->text);
	if (end == PATTERN_SUFFIX) {
		turn_around(search->tokens.items, search->tokens.count);
		turn_around(search->text.items, search->text.count);
	}
	matcher_init(&search->matcher, &search->tokens);
	return 0;
}

int expand_pattern_trim(const char *pattern, const char *value, enum pattern_end end, enum pattern_reach wanted,
			struct buf *into, struct error **err)
{
	cleanup(search_done) struct search search = {0};
	int rc = search_begin(&search, pattern, value, end, err);

	if (rc < 0)
		return rc;
	size_t matched = match_at(&search.matcher, &search.text, 0, wanted);
	if (search.matcher.steps > STEPS_MAX)
		return too_long(pattern, err);
	if (matched == NO_MATCH)
		matched = 0;
	const size_t *starts = search.text.starts;
	if (end == PATTERN_SUFFIX)
		buf_append(into, value, starts[search.text.count - matched]);
	else
		buf_append_str(into, value + starts[matched]);
	return 0;
}

/* As Go's regexp.ReplaceAll walks: leftmost, longest; an empty match right behind another one does not count. */
int expand_pattern_replace(const char *pattern, const char *value, const char *replacement, enum pattern_times times,
			   struct buf *into, struct error **err)
{
	cleanup(search_done) struct search search = {0};
	int rc = search_begin(&search, pattern, value, PATTERN_PREFIX, err);

	if (rc < 0)
		return rc;
	const size_t *starts = search.text.starts;
	size_t done = 0; /* characters that are in `into` already */
	for (size_t at = 0; at <= search.text.count;) {
		size_t matched = match_at(&search.matcher, &search.text, at, PATTERN_LONGEST);
		if (search.matcher.steps > STEPS_MAX)
			return too_long(pattern, err);
		if (matched == NO_MATCH) {
			at++;
			continue;
		}
		buf_append(into, value + starts[done], starts[at] - starts[done]);
		if (at + matched > done || at == 0)
			buf_append_str(into, replacement);
		done = at + matched;
		if (times == PATTERN_ONCE)
			break;
		at = matched ? done : at + 1;
	}
	buf_append_str(into, value + starts[done]);
	return 0;
}
