/*
 * Finding here-documents in a line: BuildKit cuts the line into words with quotes and variables left in place, and
 * looks at each word. Their contents are read by lines.c.
 */
#include "dockerfile/heredoc.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "dockerfile/expand_internal.h"

#define FD_MAX 1023 /* nobody opens more */
#define HEREDOCS_MAX 1024

void heredoc_done(struct heredoc *heredoc)
{
	mem_replace(&heredoc->name, NULL);
	mem_replace(&heredoc->content, NULL);
}

void heredocs_done(struct heredocs *heredocs)
{
	for (size_t i = 0; i < heredocs->count; i++)
		heredoc_done(&heredocs->items[i]);
	mem_free_cleanup(&heredocs->items);
	*heredocs = (struct heredocs){0};
}

static void heredocs_append(struct heredocs *heredocs, const struct heredoc *heredoc)
{
	heredocs->items = mem_grow(heredocs->items, heredocs->count + 1, sizeof(*heredocs->items));
	heredocs->items[heredocs->count] = *heredoc;
	heredocs->items[heredocs->count].name = mem_strdup(heredoc->name);
	heredocs->items[heredocs->count].content = mem_strdup(heredoc->content);
	heredocs->count++;
}

void heredocs_copy(struct heredocs *to, const struct heredocs *from)
{
	heredocs_done(to);
	for (size_t i = 0; i < from->count; i++)
		heredocs_append(to, &from->items[i]);
}

static size_t count_quotes(const char *text)
{
	size_t count = 0;

	for (; *text; text++)
		count += *text == '\'' || *text == '"';
	return count;
}

/* "[fd]<<[-][blanks]": what is behind it, or NULL. */
static const char *read_mark(const char *word, struct heredoc *heredoc)
{
	for (; *word >= '0' && *word <= '9'; word++) {
		heredoc->fd = heredoc->fd * 10 + (unsigned)(*word - '0');
		if (heredoc->fd > FD_MAX)
			heredoc->fd = FD_MAX;
	}
	if (strncmp(word, "<<", 2) != 0)
		return NULL;
	word += 2;
	if (*word == '-') {
		heredoc->strip_tabs = true;
		word++;
	}
	word += strspn(word, "\t\n\f\r ");
	return *word && !strchr(word, '<') ? word : NULL;
}

/* 1 when the word is one, 0 when not, -EINVAL when its quotes are open. */
static int read_heredoc(const char *word, struct heredoc *heredoc, struct error **err)
{
	cleanup(lexer_result_done) struct lexer_result bare = LEXER_RESULT_INIT;
	cleanup(lexer_result_done) struct lexer_result quoted = LEXER_RESULT_INIT;
	const struct expand_scope nothing = {.escape = '\\'};
	struct heredoc found = {0};

	const char *rest = read_mark(word, &found);
	if (!rest)
		return 0;
	int rc = lexer_run(rest, &nothing, LEXER_KEEP_UNSET, &bare, err);
	if (rc == 0)
		rc = lexer_run(rest, &nothing, LEXER_KEEP_UNSET | LEXER_RAW_QUOTES, &quoted, err);
	if (rc < 0)
		return error_prefix(err, "here-document '%s'", word);
	if (bare.words.count != 1 || quoted.words.count != 1)
		return 0;
	/* A quote that was written as one is missing among the bare ones. */
	found.expand = count_quotes(bare.words.items[0]) == count_quotes(quoted.words.items[0]);
	found.name = mem_strdup(bare.words.items[0]);
	*heredoc = found;
	return 1;
}

int heredoc_parse(const char *word, struct heredoc *heredoc)
{
	int rc = read_heredoc(word, heredoc, /* err */ NULL);
	return rc < 0 ? 0 : rc;
}

int heredocs_find(const char *text, struct heredocs *found, struct error **err)
{
	cleanup(lexer_result_done) struct lexer_result result = LEXER_RESULT_INIT;
	const struct expand_scope nothing = {.escape = '\\'};

	if (lexer_run(text, &nothing, LEXER_RAW_QUOTES | LEXER_RAW_ESCAPES | LEXER_KEEP_UNSET, &result, NULL) < 0)
		return 0;
	for (size_t i = 0; i < result.words.count; i++) {
		cleanup(heredoc_done) struct heredoc heredoc = {0};
		int rc = read_heredoc(result.words.items[i], &heredoc, err);
		if (rc < 0)
			return rc;
		if (rc > 0 && found->count == HEREDOCS_MAX)
			return error_set(err, EFBIG, "more than %d here-documents in one instruction", HEREDOCS_MAX);
		if (rc > 0)
			heredocs_append(found, &heredoc);
	}
	return 0;
}

char *heredoc_body(const struct heredoc *heredoc)
{
	if (!heredoc->strip_tabs)
		return mem_strdup(heredoc->content);
	cleanup(buf_done) struct buf body = BUF_INIT(strlen(heredoc->content));
	for (const char *line = heredoc->content; *line;) {
		const char *end = strchrnul(line, '\n');
		end += *end == '\n';
		line += strspn(line, "\t");
		buf_append(&body, line, (size_t)(end - line));
		line = end;
	}
	return buf_take(&body);
}
