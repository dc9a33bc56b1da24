/*
 * Text to logical lines, as BuildKit's parser/parser.go reads them. A physical line is looked at once; what a line is
 * (comment, blank, continued) is decided by its first and last characters.
 */
#include "dockerfile/lines_internal.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/parse.h"
#include "dockerfile/character_internal.h"

#define LINE_FEED_BLANKS "\t\n\f\r " /* \s of a Go regexp */

void logical_line_done(struct logical_line *line)
{
	mem_replace(&line->text, NULL);
	mem_replace(&line->doc, NULL);
	mem_replace(&line->skip, NULL);
}

/* ---- Physical lines ---- */

struct physical {
	const char *text; /* not NUL-terminated */
	size_t size;	  /* without CR and LF at the end */
	size_t raw_size;  /* with them */
};

/* 1, or 0 at the end. */
static int next_physical(struct line_reader *reader, struct physical *physical, struct error **err)
{
	if (reader->at == reader->end)
		return 0;
	size_t left = (size_t)(reader->end - reader->at);
	const char *feed = memchr(reader->at, '\n', left);
	size_t size = feed ? (size_t)(feed - reader->at) : left;
	reader->line++;
	if (size > DOCKERFILE_LINE_MAX)
		return error_set(err, EFBIG, "dockerfile line greater than max allowed size of %zu",
				 DOCKERFILE_LINE_MAX);
	*physical = (struct physical){.text = reader->at, .size = size, .raw_size = size + (feed != NULL)};
	while (physical->size > 0 && physical->text[physical->size - 1] == '\r')
		physical->size--;
	reader->at += physical->raw_size;
	return 1;
}

static size_t leading_space(const char *text, size_t size)
{
	cleanup_free char *copy = mem_strndup(text, size);
	return (size_t)(skip_space(copy) - copy);
}

static void trim_left(struct physical *physical)
{
	size_t blanks = leading_space(physical->text, physical->size);
	physical->text += blanks;
	physical->size -= blanks;
}

static bool is_comment(const struct physical *physical)
{
	struct physical trimmed = *physical;

	trim_left(&trimmed);
	return trimmed.size > 0 && trimmed.text[0] == '#';
}

static bool is_blank(const struct physical *physical)
{
	return leading_space(physical->text, physical->size) == physical->size;
}

/* Does the line go on? Then it is made shorter by the escape character and the blanks behind it. An escape character
 * before it protects it; three of them are one too many for BuildKit's regular expression, and so here. */
static bool take_continuation(struct physical *physical, char escape)
{
	size_t size = physical->size;

	while (size > 0 && (physical->text[size - 1] == ' ' || physical->text[size - 1] == '\t'))
		size--;
	if (size == 0 || physical->text[size - 1] != escape)
		return false;
	if (size > 1 && physical->text[size - 2] == escape)
		return false;
	physical->size = size - 1;
	return true;
}

/* ---- Directives ---- */

void directives_done(struct directives *directives)
{
	mem_replace(&directives->syntax, NULL);
	mem_replace(&directives->check, NULL);
}

/* "# key = value": 1 and both, 0 when the line is none. */
static int read_directive(const struct physical *physical, char **key, char **value)
{
	cleanup_free char *line = mem_strndup(physical->text, physical->size);
	const char *at = skip_space(line);

	if (*at != '#')
		return 0;
	at = skip_space(at + 1);
	size_t size = 0;
	if (!isalpha((unsigned char)at[0]))
		return 0;
	while (isalnum((unsigned char)at[size]))
		size++;
	const char *equals = at + size + strspn(at + size, LINE_FEED_BLANKS);
	if (*equals != '=')
		return 0;
	const char *from = equals + 1 + strspn(equals + 1, LINE_FEED_BLANKS);
	size_t to = strlen(from);
	while (to > 0 && strchr(LINE_FEED_BLANKS, from[to - 1]))
		to--;
	if (to == 0)
		return 0;
	*key = mem_strndup(at, size);
	*value = mem_strndup(from, to);
	return 1;
}

/* BuildKit also takes "// syntax = …" at the very top for the name of a front-end. */
static bool read_slash_syntax(const struct physical *physical, char **value)
{
	cleanup_free char *line = mem_strndup(physical->text, physical->size);
	cleanup_free char *key = NULL;
	char *at = line + (skip_space(line) - line);

	if (strncmp(at, "//", 2) != 0)
		return false;
	at[0] = ' ';
	at[1] = '#';
	const struct physical comment = {.text = at, .size = strlen(at)};
	cleanup_free char *found = NULL;
	if (!read_directive(&comment, &key, &found) || strcasecmp(key, "syntax") != 0)
		return false;
	if (value)
		*value = take_ptr(&found);
	return true;
}

/* What stands behind a blank is for people: "# check=skip=all // old file". */
static void take_first_word(char **field, const char *value)
{
	cleanup_free char *word = mem_strndup(value, strcspn(value, " "));

	mem_replace(field, word);
}

/* Is it one that we know? -EINVAL when it is wrong, 0 when the section ends here. */
static int take_directive(struct directives *directives, const char *key, const char *value, unsigned line,
			  bool *escape_seen, struct error **err)
{
	bool seen = false;

	if (strcasecmp(key, "syntax") == 0) {
		seen = directives->syntax;
		take_first_word(&directives->syntax, value);
	} else if (strcasecmp(key, "check") == 0) {
		seen = directives->check;
		take_first_word(&directives->check, value);
		directives->check_range = (struct source_range){line, line, 0, 0};
	} else if (strcasecmp(key, "escape") == 0) {
		seen = *escape_seen;
		*escape_seen = true;
		if (!seen && strcmp(value, "\\") != 0 && strcmp(value, "`") != 0)
			return error_set(err, EINVAL, "invalid escape token '%s' does not match ` or \\", value);
		directives->escape = value[0];
	} else {
		return 0;
	}
	if (seen)
		return error_set(err, EINVAL, "only one %s parser directive can be used", key);
	return 1;
}

int directives_read(const char *text, size_t size, struct directives *directives, unsigned *line, struct error **err)
{
	struct line_reader reader = {.at = text, .end = text + size};
	struct physical physical = {0};
	bool escape_seen = false;

	directives->escape = '\\';
	/* Behind a "#!" line BuildKit still finds syntax and check, but no longer obeys escape. */
	bool has_shebang = size > 1 && text[0] == '#' && text[1] == '!';
	for (;;) {
		int rc = next_physical(&reader, &physical, err);
		*line = reader.line;
		if (rc <= 0)
			return rc;
		if (has_shebang && reader.line == 1)
			continue;
		cleanup_free char *key = NULL;
		cleanup_free char *value = NULL;
		if (!directives->syntax && read_slash_syntax(&physical, &value)) {
			directives->syntax = take_ptr(&value);
			continue;
		}
		if (!read_directive(&physical, &key, &value))
			return 0;
		rc = take_directive(directives, key, value, reader.line, &escape_seen, err);
		if (rc <= 0)
			return rc;
		if (has_shebang)
			directives->escape = '\\';
	}
}

/* ---- Logical lines ---- */

/* The comments right above a logical line. */
struct comments {
	struct buf doc;
	struct buf skip;
};

static void comments_done(struct comments *comments)
{
	buf_done(&comments->doc);
	buf_done(&comments->skip);
}
CLEANUP_FOR_VALUE(struct comments, comments_done)

/* "# check=skip=A,B // why" further down than the directives speaks of the next instruction alone. */
static bool take_local_check(struct comments *comments, const char *key, const char *value)
{
	if (strcasecmp(key, "check") != 0 || !text_has_prefix(value, "skip="))
		return false;
	const char *names = value + strlen("skip=");
	buf_printf(&comments->skip, "%s%.*s", comments->skip.len ? "," : "", (int)strcspn(names, " "), names);
	return true;
}

/* A comment is what its successor is about, until a blank line or an empty comment comes between. */
static void add_comment(struct line_reader *reader, struct comments *comments, const struct physical *comment)
{
	cleanup_free char *line = mem_strndup(comment->text, comment->size);
	cleanup_free char *text = trim_space(skip_space(line) + 1);
	cleanup_free char *key = NULL;
	cleanup_free char *value = NULL;

	bool is_directive = read_directive(comment, &key, &value);
	if (!reader->directives_over) {
		if (is_directive &&
		    (strcasecmp(key, "syntax") == 0 || strcasecmp(key, "check") == 0 || strcasecmp(key, "escape") == 0))
			return;
		if (reader->line > 1 || strncmp(line, "#!", 2) != 0)
			reader->directives_over = true;
	}
	if (is_directive && take_local_check(comments, key, value))
		return;
	if (!*text)
		buf_clear(&comments->doc);
	else
		buf_printf(&comments->doc, "%s%s", comments->doc.len ? "\n" : "", text);
}

static int append_text(struct buf *text, const struct physical *physical, struct error **err)
{
	buf_append(text, physical->text, physical->size);
	if (text->overflow)
		return error_set(err, EFBIG, "instruction longer than %zu bytes", DOCKERFILE_INSTRUCTION_MAX);
	return 0;
}

/* Appends the physical lines that continue the first one. */
static int read_continuation(struct line_reader *reader, struct buf *text, struct error **err)
{
	struct physical physical = {0};
	bool has_empty = false;
	bool goes_on = true;
	int rc = 0;

	while (goes_on && (rc = next_physical(reader, &physical, err)) > 0) {
		if (is_comment(&physical))
			continue;
		if (is_blank(&physical)) {
			has_empty = true;
			continue;
		}
		goes_on = take_continuation(&physical, reader->directives->escape);
		rc = append_text(text, &physical, err);
		if (rc < 0)
			break;
	}
	if (has_empty && reader->findings) {
		struct source_range where = {reader->line, reader->line, 0, 0};
		findings_add(reader->findings, "NoEmptyContinuation", &where, "Empty continuation line");
	}
	return rc < 0 ? rc : 0;
}

int line_reader_next(struct line_reader *reader, struct logical_line *line, struct error **err)
{
	cleanup(comments_done) struct comments comments = {.doc = BUF_INIT(DOCKERFILE_INSTRUCTION_MAX),
							   .skip = BUF_INIT(DOCKERFILE_LINE_MAX)};
	cleanup(buf_done) struct buf text = BUF_INIT(DOCKERFILE_INSTRUCTION_MAX);
	struct physical physical = {0};
	int rc = 0;

	while ((rc = next_physical(reader, &physical, err)) > 0) {
		if (is_comment(&physical)) {
			add_comment(reader, &comments, &physical);
			continue;
		}
		if (!reader->directives_over && read_slash_syntax(&physical, /* value */ NULL))
			continue;
		reader->directives_over = true;
		if (!is_blank(&physical))
			break;
		buf_clear(&comments.doc);
		buf_clear(&comments.skip);
	}
	line->range = (struct source_range){reader->line, reader->line, 0, 0};
	if (rc <= 0)
		return rc;
	trim_left(&physical);
	bool goes_on = take_continuation(&physical, reader->directives->escape);
	rc = append_text(&text, &physical, err);
	if (rc == 0 && goes_on)
		rc = read_continuation(reader, &text, err);
	line->range.last_line = reader->line;
	if (rc < 0)
		return rc;
	line->text = buf_take(&text);
	if (comments.doc.len)
		line->doc = buf_take(&comments.doc);
	if (comments.skip.len)
		line->skip = buf_take(&comments.skip);
	return 1;
}

/* ---- Here-documents ---- */

static bool is_terminator(const struct physical *physical, const struct heredoc *heredoc)
{
	size_t tabs = 0;

	while (heredoc->strip_tabs && tabs < physical->size && physical->text[tabs] == '\t')
		tabs++;
	return physical->size - tabs == strlen(heredoc->name) &&
	       memcmp(physical->text + tabs, heredoc->name, physical->size - tabs) == 0;
}

static int read_body(struct line_reader *reader, struct heredoc *heredoc, size_t max, struct error **err)
{
	cleanup(buf_done) struct buf content = BUF_INIT(max);
	struct physical physical = {0};
	int rc = 0;

	while ((rc = next_physical(reader, &physical, err)) > 0) {
		if (is_terminator(&physical, heredoc)) {
			heredoc->content = buf_take(&content);
			return 0;
		}
		buf_append(&content, physical.text, physical.raw_size);
		if (content.overflow)
			return error_set(err, EFBIG, "here-document '%s' longer than %zu bytes", heredoc->name, max);
	}
	return rc < 0 ? rc : error_set(err, EINVAL, "unterminated heredoc '%s'", heredoc->name);
}

int line_reader_heredocs(struct line_reader *reader, struct heredocs *heredocs, struct logical_line *line,
			 struct error **err)
{
	size_t left = DOCKERFILE_INSTRUCTION_MAX;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < heredocs->count; i++) {
		rc = read_body(reader, &heredocs->items[i], left, err);
		if (rc == 0)
			left -= strlen(heredocs->items[i].content);
	}
	line->range.last_line = reader->line;
	return rc;
}
