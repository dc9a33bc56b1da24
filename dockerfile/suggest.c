/*
 * "did you mean …": the nearest word by edit distance.
 */
#include <string.h>
#include <strings.h>

#include "dockerfile/diagnostic.h"

/* Longer words are nobody's typing mistake. */
#define SUGGEST_WORD_MAX 64

static size_t smallest(size_t a, size_t b, size_t c)
{
	size_t least = a < b ? a : b;
	return least < c ? least : c;
}

static unsigned char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (unsigned char)(c - 'A' + 'a') : (unsigned char)c;
}

/* Levenshtein, one row at a time. */
static size_t distance(const char *a, size_t a_size, const char *b, size_t b_size, bool any_case)
{
	size_t row[SUGGEST_WORD_MAX + 1];

	for (size_t i = 0; i <= a_size; i++)
		row[i] = i;
	for (size_t j = 1; j <= b_size; j++) {
		size_t diagonal = row[0];
		row[0] = j;
		for (size_t i = 1; i <= a_size; i++) {
			size_t above = row[i];
			bool is_same = any_case ? lower(a[i - 1]) == lower(b[j - 1]) : a[i - 1] == b[j - 1];
			size_t changed = diagonal + !is_same;
			row[i] = smallest(above + 1, row[i - 1] + 1, changed);
			diagonal = above;
		}
	}
	return row[a_size];
}

const char *suggest(const char *word, const char *const *words, size_t count)
{
	size_t size = strlen(word);
	if (size == 0 || size > SUGGEST_WORD_MAX)
		return NULL;
	const char *nearest = NULL;
	size_t best = size < 5 ? 3 : 4; /* that many changes make another word */
	for (size_t i = 0; i < count; i++) {
		size_t other = strlen(words[i]);
		if (other > SUGGEST_WORD_MAX || strcmp(words[i], word) == 0)
			continue;
		size_t steps = distance(word, size, words[i], other, /* any_case */ true);
		if (steps < best && steps < other) {
			best = steps;
			nearest = words[i];
		}
	}
	return nearest;
}

const char *suggest_variable(const char *word, const struct strlist *names)
{
	const char *nearest = NULL;
	size_t size = strlen(word);
	size_t best = 3;

	for (size_t i = 0; i < names->count; i++) {
		size_t other = strlen(names->items[i]);
		if (strcmp(names->items[i], word) == 0)
			return NULL;
		if (size > SUGGEST_WORD_MAX || other > SUGGEST_WORD_MAX)
			continue;
		size_t steps = distance(word, size, names->items[i], other, /* any_case */ false);
		if (steps < best) {
			best = steps;
			nearest = names->items[i];
		}
	}
	return nearest;
}

int suggest_hint(struct error **err, const char *word, const char *const *words, size_t count)
{
	const char *nearest = suggest(word, words, count);
	if (nearest)
		return error_hint(err, "did you mean %s?", nearest);
	/* Without an error to look into, error_prefix() still knows the code. */
	return err && *err ? -error_code(*err) : error_prefix(err, "suggest");
}
