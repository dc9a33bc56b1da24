/*
 * A stack of the directories that lead to the last path asked about, each with its verdicts. The next path keeps as
 * many of them as it shares.
 */
#include "dockerfile/ignore_walk.h"

#include <stdlib.h>
#include <string.h>

void ignore_walk_done(struct ignore_walk *walk)
{
	for (size_t i = 0; i < walk->room; i++)
		ignore_verdicts_done(&walk->levels[i].verdicts);
	free(walk->levels);
	ignore_verdicts_done(&walk->here);
	buf_done(&walk->path);
}

/* Leaves the levels that do not lead to `path`. */
static void keep_common(struct ignore_walk *walk, const char *path)
{
	const char *known = buf_str(&walk->path);
	size_t at = 0, depth = 0;

	for (; depth < walk->depth; depth++) {
		size_t end = walk->levels[depth].length;
		/* A level below the first begins at the slash, so that "a/bc" does not lead to "a/b". */
		if (strncmp(known + at, path + at, end - at) != 0 || path[end] != '/')
			break;
		at = end;
	}
	walk->depth = depth;
}

static const struct ignore_verdicts *innermost(const struct ignore_walk *walk)
{
	return walk->depth ? &walk->levels[walk->depth - 1].verdicts : NULL;
}

/* Asks about the directory that is the first `length` bytes of `path`. */
static void enter(struct ignore_walk *walk, const char *path, size_t length)
{
	const struct ignore_verdicts *around = innermost(walk);

	if (walk->depth == walk->room) {
		walk->levels = mem_grow(walk->levels, walk->room + 1, sizeof(*walk->levels));
		walk->levels[walk->room++] = (struct ignore_level){0};
		around = innermost(walk); /* they may have moved */
	}
	struct ignore_level *level = &walk->levels[walk->depth];
	buf_clear(&walk->path);
	buf_append(&walk->path, path, length);
	level->length = length;
	(void)ignore_rules_step(walk->rules, buf_str(&walk->path), around, &level->verdicts);
	walk->depth++;
}

bool ignore_walk_match(struct ignore_walk *walk, const char *path)
{
	if (!walk->rules || walk->rules->patterns.count == 0 || !*path)
		return false;
	keep_common(walk, path);
	size_t from = walk->depth ? walk->levels[walk->depth - 1].length + 1 : 0;
	for (const char *slash; (slash = strchr(path + from, '/')); from = (size_t)(slash - path) + 1)
		enter(walk, path, (size_t)(slash - path));
	return ignore_rules_step(walk->rules, path, innermost(walk), &walk->here);
}
