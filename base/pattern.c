/*
 * A pattern is compiled to a row of tokens, and the path is fed to it one character at a time while a set remembers
 * every token that could come next. So the time is at most tokens × characters, whatever the pattern, and there is no
 * backtracking that a hostile one could make explode.
 *
 * The rules are Go's path/filepath.Match (a class may match '/', ']' and '-' must be quoted inside one) with "**" as
 * github.com/moby/patternmatcher reads it: at the end it is everything that is left, elsewhere it is "nothing, or
 * anything up to and with a '/'"; a '/' behind it belongs to it.
 */
#include "base/pattern.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

enum token_kind {
	TOKEN_CHARACTER,  /* this one */
	TOKEN_ANY,	  /* '?': one, not '/' */
	TOKEN_STAR,	  /* '*': any number, no '/' */
	TOKEN_CLASS,	  /* one of a class */
	TOKEN_SKIP_DIRS,  /* may be passed over together with the TOKEN_DIRS behind it */
	TOKEN_DIRS,	  /* anything that ends in '/' */
	TOKEN_EVERYTHING, /* "**" at the end */
	TOKEN_END
};

struct token {
	enum token_kind kind;
	uint32_t character; /* of TOKEN_CHARACTER */
	const char *class;  /* of TOKEN_CLASS: behind the '[' */
	const char *pattern_end;
};

/* ---- Reading a pattern ---- */

static uint32_t next_character(const char **at, const char *end)
{
	uint32_t character = 0;
	*at += utf8_decode(*at, (size_t)(end - *at), &character);
	return character;
}

/* One end of a range in a class. */
static bool read_class_character(const char **at, const char *end, uint32_t *character)
{
	if (*at == end || **at == '-' || **at == ']')
		return false;
	if (**at == '\\' && ++*at == end)
		return false;
	*character = next_character(at, end);
	return true;
}

/* Reads a class from behind its '['; *at ends behind the ']'. Says in *has whether `character` belongs to it. */
static bool read_class(const char **at, const char *end, uint32_t character, bool *has)
{
	bool negated = *at < end && **at == '^';
	if (negated)
		++*at;
	bool found = false;
	for (size_t ranges = 0; ranges == 0 || *at == end || **at != ']'; ranges++) {
		uint32_t low = 0;
		if (!read_class_character(at, end, &low))
			return false;
		uint32_t high = low;
		if (*at < end && **at == '-') {
			++*at;
			if (!read_class_character(at, end, &high))
				return false;
		}
		if (low <= character && character <= high)
			found = true;
	}
	++*at;
	*has = found != negated;
	return true;
}

/* Reads what starts with one star; returns how many tokens it became. */
static size_t read_stars(const char **at, const char *end, struct token *tokens)
{
	++*at;
	if (*at == end || **at != '*') {
		tokens[0] = (struct token){.kind = TOKEN_STAR};
		return 1;
	}
	++*at;
	if (*at < end && **at == '/')
		++*at;
	if (*at == end) {
		tokens[0] = (struct token){.kind = TOKEN_EVERYTHING};
		return 1;
	}
	tokens[0] = (struct token){.kind = TOKEN_SKIP_DIRS};
	tokens[1] = (struct token){.kind = TOKEN_DIRS};
	return 2;
}

/* Reads one token, or the two of "**"; 0 when the pattern is malformed there. */
static size_t read_tokens(const char **at, const char *end, struct token *tokens)
{
	switch (**at) {
	case '*':
		return read_stars(at, end, tokens);
	case '?':
		++*at;
		tokens[0] = (struct token){.kind = TOKEN_ANY};
		return 1;
	case '[': {
		++*at;
		tokens[0] = (struct token){.kind = TOKEN_CLASS, .class = *at, .pattern_end = end};
		bool has = false;
		return read_class(at, end, 0, &has) ? 1 : 0;
	}
	case '\\':
		if (++*at == end)
			return 0;
		break;
	}
	tokens[0] = (struct token){.kind = TOKEN_CHARACTER, .character = next_character(at, end)};
	return 1;
}

/* Every byte makes at most one token ("**" makes two of two), and TOKEN_END closes the row. The tokens point into the
 * pattern. NULL when it is malformed. */
static struct token *compile(const char *pattern, size_t size, size_t *count)
{
	cleanup_free struct token *tokens = mem_grow(NULL, size + 1, sizeof(*tokens));
	const char *at = pattern;
	const char *end = pattern + size;
	size_t used = 0;
	while (at < end) {
		size_t made = read_tokens(&at, end, tokens + used);
		if (made == 0)
			return NULL;
		used += made;
	}
	tokens[used] = (struct token){.kind = TOKEN_END};
	*count = used + 1;
	return take_ptr(&tokens);
}

/* ---- Matching ---- */

/* Adds token `i` to the set, and what may come instead of it because it may match nothing. A token that is in the set
 * already has brought its successors. */
static void reach(const struct token *tokens, size_t i, bool *set)
{
	for (; !set[i]; i++) {
		set[i] = true;
		switch (tokens[i].kind) {
		case TOKEN_SKIP_DIRS:
			set[++i] = true; /* the TOKEN_DIRS is entered, or passed over */
			break;
		case TOKEN_STAR:
		case TOKEN_EVERYTHING:
			break;
		default:
			return;
		}
	}
}

static bool class_has(const struct token *token, uint32_t character)
{
	const char *at = token->class;
	bool has = false;
	return read_class(&at, token->pattern_end, character, &has) && has;
}

/* What token `i` makes of one character: which tokens can come after it. */
static void step(const struct token *tokens, size_t i, uint32_t character, bool *next)
{
	const struct token *token = &tokens[i];
	switch (token->kind) {
	case TOKEN_CHARACTER:
		if (token->character == character)
			reach(tokens, i + 1, next);
		break;
	case TOKEN_ANY:
		if (character != '/')
			reach(tokens, i + 1, next);
		break;
	case TOKEN_CLASS:
		if (class_has(token, character))
			reach(tokens, i + 1, next);
		break;
	case TOKEN_STAR:
		if (character != '/')
			reach(tokens, i, next);
		break;
	case TOKEN_DIRS:
		reach(tokens, i, next);
		if (character == '/')
			reach(tokens, i + 1, next);
		break;
	case TOKEN_EVERYTHING:
		reach(tokens, i, next);
		break;
	case TOKEN_SKIP_DIRS:
	case TOKEN_END:
		break;
	}
}

static bool run_tokens(const struct token *tokens, size_t count, const char *path, size_t size)
{
	cleanup_free bool *now = mem_alloc(count);
	cleanup_free bool *next = mem_alloc(count);
	reach(tokens, 0, now);
	const char *end = path + size;
	while (path < end) {
		uint32_t character = next_character(&path, end);
		memset(next, 0, count);
		bool alive = false;
		for (size_t i = 0; i < count; i++) {
			if (!now[i])
				continue;
			step(tokens, i, character, next);
			alive = true;
		}
		if (!alive)
			return false;
		bool *spent = now;
		now = next;
		next = spent;
	}
	return now[count - 1];
}

bool pattern_match(const char *pattern, const char *path)
{
	/* Most patterns differ from most paths before the first special character: no need to compile those. */
	size_t plain = strcspn(pattern, "*?[\\");
	if (strncmp(pattern, path, plain) != 0)
		return false;
	if (pattern[plain] == '\0')
		return path[plain] == '\0';
	pattern += plain;
	path += plain;
	size_t count = 0;
	cleanup_free struct token *tokens = compile(pattern, strlen(pattern), &count);
	return tokens && run_tokens(tokens, count, path, strlen(path));
}

bool pattern_is_glob(const char *text)
{
	return text[strcspn(text, "*?[\\")] != '\0';
}

bool pattern_is_valid(const char *pattern)
{
	size_t count = 0;
	cleanup_free struct token *tokens = compile(pattern, strlen(pattern), &count);
	return tokens;
}
