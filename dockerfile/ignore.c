/*
 * What is left out of a context or a copy, as moby/patternmatcher and its reader of ignore files decide it.
 */
#include "dockerfile/ignore.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/parse.h"
#include "base/pattern.h"
#include "dockerfile/character_internal.h"

#define SPECIAL "*?[\\"

void ignore_rules_done(struct ignore_rules *rules)
{
	strlist_done(&rules->patterns);
	rules->has_exceptions = false;
}

/* ---- Reading ---- */

char *ignore_path_clean(const char *pattern)
{
	bool rooted = pattern[0] == '/';
	cleanup(strlist_done) struct strlist parts = {0};
	cleanup(strlist_done) struct strlist kept = {0};

	strlist_split(&parts, pattern, '/');
	for (size_t i = 0; i < parts.count; i++) {
		const char *part = parts.items[i];
		if (!*part || strcmp(part, ".") == 0)
			continue;
		bool goes_up = strcmp(part, "..") == 0;
		if (goes_up && kept.count > 0 && strcmp(kept.items[kept.count - 1], "..") != 0)
			strlist_remove(&kept, kept.count - 1);
		else if (!goes_up || !rooted)
			strlist_append(&kept, part);
	}
	return strlist_join(&kept, "/");
}

/* Go's Match() looks for mistakes up to the second run of stars, or the first when nothing stands before it. A
 * backslash at the end behind that is itself. */
static bool ends_in_plain_backslash(const char *pattern)
{
	size_t size = strlen(pattern);
	size_t backslashes = 0;
	bool seen_star = false;

	while (backslashes < size && pattern[size - 1 - backslashes] == '\\')
		backslashes++;
	for (const char *c = pattern + strspn(pattern, "*"); *c && !seen_star; c += 1 + (*c == '\\' && c[1]))
		seen_star = *c == '*';
	return backslashes % 2 == 1 && seen_star;
}

int ignore_rules_add(struct ignore_rules *rules, const char *line, struct error **err)
{
	if (line[0] == '#') /* in the first column only */
		return 0;
	cleanup_free char *text = trim_space(line);
	bool negated = text[0] == '!';
	cleanup_free char *pattern = trim_space(negated ? text + 1 : text);
	if (!*pattern && !negated)
		return 0;
	cleanup_free char *path = ignore_path_clean(pattern);
	cleanup_free char *clean = mem_printf("%s%s", path, ends_in_plain_backslash(path) ? "\\" : "");
	/* "!/" and "/!" are cleaned to "!" by Docker too. */
	bool is_bare = negated ? !*pattern || (!*clean && pattern[0] == '/') : strcmp(clean, "!") == 0;
	if (is_bare)
		return error_set(err, EINVAL, "illegal exclusion pattern: \"!\"");
	if (!pattern_is_valid(clean))
		return error_set(err, EINVAL, "pattern '%s': an open '[' or a trailing backslash", pattern);
	if (!*clean) /* "." and "/" name the context itself, which is never left out */
		return 0;
	if (rules->patterns.count == IGNORE_PATTERNS_MAX)
		return error_set(err, EFBIG, "more than %d patterns", IGNORE_PATTERNS_MAX);
	strlist_printf(&rules->patterns, "%s%s", negated ? "!" : "", clean);
	/* For Docker "/!a" takes back in, too: it looks for the '!' behind the cleaning. */
	rules->has_exceptions |= negated || clean[0] == '!';
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

/* ---- Matching ---- */

/* "**" and nothing special behind it is any end of a path, also in the middle of a name: "**.o". */
static bool match_any_depth(const char *pattern, const char *path)
{
	const char *suffix = pattern + 2;

	if (!strpbrk(suffix, SPECIAL "]"))
		return text_has_suffix(path, suffix) || (suffix[0] == '/' && strcmp(path, suffix + 1) == 0);
	/* The frequent "**" "/" "*.o": how a name ends says it all. */
	if (strncmp(suffix, "/*", 2) == 0 && suffix[2] && !strpbrk(suffix + 2, SPECIAL "]/"))
		return text_has_suffix(path, suffix + 2);
	return pattern_match(pattern, path);
}

/* Most patterns are decided by the plain text that they begin with. */
static bool match_one(const char *pattern, const char *path)
{
	size_t plain = strcspn(pattern, SPECIAL);

	if (strncmp(pattern, path, plain) != 0)
		return false;
	if (!pattern[plain])
		return !path[plain];
	return strncmp(pattern, "**", 2) == 0 ? match_any_depth(pattern, path) : pattern_match(pattern, path);
}

void ignore_verdicts_done(struct ignore_verdicts *verdicts)
{
	mem_free_cleanup(&verdicts->matched);
}

/* A pattern that could change nothing is not asked, and then counts as unmatched for what lies below too: so "!a" does
 * not bring back a/b in "a/b" "!a", because when the walk saw a, there was nothing to bring back. */
bool ignore_rules_step(const struct ignore_rules *rules, const char *path, const struct ignore_verdicts *parent,
		       struct ignore_verdicts *here)
{
	bool left_out = false;

	if (here->matched)
		memset(here->matched, 0, rules->patterns.count * sizeof(*here->matched));
	else
		here->matched = mem_alloc(rules->patterns.count * sizeof(*here->matched));
	for (size_t i = 0; i < rules->patterns.count; i++) {
		const char *pattern = rules->patterns.items[i];
		bool negated = pattern[0] == '!';
		bool inherited = parent && parent->matched && parent->matched[i];
		if (!inherited && (negated != left_out || !match_one(pattern + negated, path)))
			continue;
		here->matched[i] = true;
		left_out = !negated;
	}
	return left_out;
}

bool ignore_rules_match(const struct ignore_rules *rules, const char *path)
{
	cleanup(ignore_verdicts_done) struct ignore_verdicts parent = {0};
	cleanup_free char *above = mem_strdup(path);
	bool left_out = false;

	if (rules->patterns.count == 0)
		return false;
	for (char *end = above; end; end++) {
		cleanup(ignore_verdicts_done) struct ignore_verdicts here = {0};
		end = strchr(end, '/');
		if (end)
			*end = '\0';
		left_out = ignore_rules_step(rules, above, parent.matched ? &parent : NULL, &here);
		if (!end)
			break;
		*end = '/';
		ignore_verdicts_done(&parent);
		parent.matched = take_ptr(&here.matched);
	}
	return left_out;
}

bool ignore_rules_may_return(const struct ignore_rules *rules, const char *path)
{
	cleanup_free char *below = mem_printf("%s/", path);
	size_t size = strlen(below);

	if (!rules->has_exceptions)
		return false;
	for (size_t i = 0; i < rules->patterns.count; i++) {
		const char *pattern = rules->patterns.items[i];
		if (pattern[0] != '!')
			continue;
		pattern++;
		size_t plain = strcspn(pattern, SPECIAL);
		/* Up to its first special character it must be able to name something below. */
		if (pattern[plain] ? strncmp(pattern, below, plain < size ? plain : size) == 0
				   : text_has_prefix(pattern, below))
			return true;
	}
	return false;
}
