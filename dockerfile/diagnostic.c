/*
 * Places in a Dockerfile, shown to a person: "name:line: message" and the lines around it.
 */
#include "dockerfile/diagnostic.h"

#include <string.h>

#include "base/parse.h"
#include "base/terminal.h"

#define EXCERPT_AROUND 2	      /* lines shown before and after */
#define EXCERPT_LINES_MAX 12	      /* of the range itself, then "..." */
#define EXCERPT_WIDTH_MAX 160	      /* bytes of a line */
#define EXCERPT_MAX ((size_t)6 << 10) /* an error's message is cut at 8 KiB */

static const char ruler[] = "--------------------\n";

void source_done(struct source *source)
{
	mem_replace(&source->name, NULL);
	strlist_done(&source->lines);
}

static const char *line_at(const struct source *source, unsigned line)
{
	return source->lines.items[line - 1];
}

static void append_line(const struct source *source, unsigned line, bool marked, struct buf *into)
{
	const char *text = line_at(source, line);
	size_t size = strnlen(text, EXCERPT_WIDTH_MAX + 1);
	bool cut = size > EXCERPT_WIDTH_MAX;

	if (cut) /* at a character */
		for (size = EXCERPT_WIDTH_MAX; size > 0 && ((unsigned char)text[size] & 0xc0) == 0x80;)
			size--;
	cleanup_free char *shown = mem_strndup(text, size);
	terminal_disarm(shown, strlen(shown));
	buf_printf(into, "%4u | %s%s%s%s\n", line, marked ? ">>>" : "   ", *shown ? " " : "", shown, cut ? " ..." : "");
}

/* The line below, with the blanks of the line itself so that tabs keep their width. */
static void append_carets(const struct source *source, const struct source_range *range, struct buf *into)
{
	const char *text = line_at(source, range->first_line);

	if (range->first_column == 0 || range->last_column > strnlen(text, EXCERPT_WIDTH_MAX))
		return;
	buf_append_str(into, "     |     ");
	for (unsigned column = 1; column <= range->last_column; column++) {
		if ((text[column - 1] & 0xc0) == 0x80) /* inside of a character */
			continue;
		bool below = column >= range->first_column;
		buf_append_char(into, below ? '^' : text[column - 1] == '\t' ? '\t' : ' ');
	}
	buf_append_char(into, '\n');
}

void source_excerpt(const struct source *source, const struct source_range *range, struct buf *into)
{
	unsigned count = (unsigned)source->lines.count;

	if (range->first_line == 0 || range->first_line > count)
		return;
	unsigned last = range->last_line < range->first_line ? range->first_line : range->last_line;
	if (last > count)
		last = count;
	unsigned from = range->first_line > EXCERPT_AROUND ? range->first_line - EXCERPT_AROUND : 1;
	unsigned to = count - last > EXCERPT_AROUND ? last + EXCERPT_AROUND : count;
	unsigned shown_last =
		last - range->first_line >= EXCERPT_LINES_MAX ? range->first_line + EXCERPT_LINES_MAX - 1 : last;
	buf_append_str(into, ruler);
	for (unsigned line = from; line <= to; line++) {
		if (line == shown_last + 1 && shown_last < last) {
			buf_append_str(into, "     | >>> ...\n");
			line = last + 1;
			if (line > to)
				break;
		}
		append_line(source, line, line >= range->first_line && line <= last, into);
		if (line == range->first_line)
			append_carets(source, range, into);
	}
	buf_append_str(into, ruler);
}

int source_error(const struct source *source, const struct source_range *range, struct error **err)
{
	if (!err || !*err)
		return error_prefix(err, "%s", source->name);
	cleanup_free char *prefix = mem_printf("%s:", source->name);
	const char *message = error_message(*err);
	if (text_has_prefix(message, prefix) && message[strlen(prefix)] >= '0' && message[strlen(prefix)] <= '9')
		return -error_code(*err);
	if (range->first_line == 0)
		return error_prefix(err, "%s", source->name);

	cleanup(buf_done) struct buf excerpt = BUF_INIT(EXCERPT_MAX);
	source_excerpt(source, range, &excerpt);
	if (excerpt.len > 0) /* who reports the error ends the line */
		excerpt.data[--excerpt.len] = '\0';
	cleanup_free char *text = mem_strdup(message);
	return error_set(err, error_code(*err), "%s%u: %s%s%s", prefix, range->first_line, text,
			 excerpt.len ? "\n" : "", buf_str(&excerpt));
}

struct source_range source_find(const struct source *source, const struct source_range *range, const char *word)
{
	struct source_range found = *range;

	if (range->first_line == 0 || !*word)
		return found;
	for (unsigned line = range->first_line; line <= range->last_line && line <= source->lines.count; line++) {
		const char *text = line_at(source, line);
		const char *at = strstr(text, word);
		if (!at)
			continue;
		found.first_line = found.last_line = line;
		found.first_column = (unsigned)(at - text) + 1;
		found.last_column = found.first_column + (unsigned)strlen(word) - 1;
		return found;
	}
	return found;
}
