/*
 * What is left out of a copy, as moby/patternmatcher decides it.
 */
#include "builder/ignore.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/parse.h"
#include "base/pattern.h"
#include "base/rootpath.h"

void ignore_rules_done(struct ignore_rules *rules)
{
	strlist_done(&rules->patterns);
	rules->has_exceptions = false;
}

static char *trimmed(const char *text)
{
	while (isspace((unsigned char)*text))
		text++;
	size_t size = strlen(text);
	while (size && isspace((unsigned char)text[size - 1]))
		size--;
	return mem_strndup(text, size);
}

int ignore_rules_add(struct ignore_rules *rules, const char *line, struct error **err)
{
	if (line[0] == '#') /* in the first column only */
		return 0;
	cleanup_free char *text = trimmed(line);
	bool negated = text[0] == '!';
	cleanup_free char *pattern = trimmed(negated ? text + 1 : text);
	if (!*pattern)
		return negated ? error_set(err, EINVAL, "illegal exclusion pattern: \"!\"") : 0;
	if (!pattern_is_valid(pattern))
		return error_set(err, EINVAL, "pattern '%s': an open '[' or a trailing backslash", pattern);
	cleanup_free char *clean = rootpath_clean(pattern);
	if (strcmp(clean, "/") == 0) /* "." and "/" name the context itself, which is never left out */
		return 0;
	strlist_printf(&rules->patterns, "%s%s", negated ? "!" : "", clean + 1);
	rules->has_exceptions |= negated;
	return 0;
}

int ignore_rules_add_text(struct ignore_rules *rules, const char *text, struct error **err)
{
	cleanup(strlist_done) struct strlist lines = {0};

	if (text_has_prefix(text, "\xef\xbb\xbf"))
		text += 3;
	strlist_split(&lines, text, '\n');
	for (size_t i = 0; i < lines.count; i++) {
		int rc = ignore_rules_add(rules, lines.items[i], err);
		if (rc < 0)
			return error_prefix(err, "line %zu", i + 1);
	}
	return 0;
}

/* The path itself or a directory above it. */
static bool matches_or_parent(const char *pattern, const char *path)
{
	if (pattern_match(pattern, path))
		return true;
	cleanup_free char *parent = mem_strdup(path);
	for (char *slash; (slash = strrchr(parent, '/'));) {
		*slash = '\0';
		if (pattern_match(pattern, parent))
			return true;
	}
	return false;
}

bool ignore_rules_match(const struct ignore_rules *rules, const char *path)
{
	bool left_out = false;

	for (size_t i = 0; i < rules->patterns.count; i++) {
		const char *pattern = rules->patterns.items[i];
		bool negated = pattern[0] == '!';
		/* A pattern that would change nothing need not be matched. */
		if (negated == left_out && matches_or_parent(pattern + negated, path))
			left_out = !negated;
	}
	return left_out;
}
