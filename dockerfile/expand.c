/*
 * The word reader: one walk over the text, recursive where ${…} holds words of its own. What comes out is the expanded
 * text and, at the outermost level, the words it falls into.
 */
#include "dockerfile/expand.h"

#include <errno.h>
#include <string.h>

#include "base/utf8.h"
#include "dockerfile/character_internal.h"
#include "dockerfile/expand_internal.h"

struct lexer {
	const char *at;
	const char *end;
	const struct expand_scope *scope;
	char escape;
	unsigned flags;
	unsigned depth;
	struct lexer_result *result; /* its lists; each level has a text of its own */
};

/* Words as they grow. */
struct splitter {
	struct strlist *words; /* NULL: nobody wants them */
	struct buf word;
	bool in_word;
};

static void splitter_done(struct splitter *splitter)
{
	buf_done(&splitter->word);
}
CLEANUP_FOR_VALUE(struct splitter, splitter_done)

void lexer_result_done(struct lexer_result *result)
{
	buf_done(&result->text);
	strlist_done(&result->words);
	strlist_done(&result->unset);
	strlist_done(&result->names);
}

const char *expand_scope_get(const struct expand_scope *scope, const char *name)
{
	for (size_t i = 0; i < scope->count; i++) {
		const char *value = strlist_env_get(scope->lists[i], name);
		if (value)
			return value;
	}
	return NULL;
}

/* ---- Splitting ---- */

static void split_end(struct splitter *splitter)
{
	if (splitter->word.len == 0)
		return;
	strlist_take(splitter->words, buf_take(&splitter->word));
	splitter->in_word = false;
}

/* Bytes that belong to a word whatever they are. */
static void split_raw(struct splitter *splitter, const char *text, size_t size)
{
	if (!splitter->words)
		return;
	buf_append(&splitter->word, text, size);
	splitter->in_word = true;
}

/* Text whose blanks end words. */
static void split_text(struct splitter *splitter, const char *text, size_t size)
{
	if (!splitter->words)
		return;
	for (size_t at = 0; at < size;) {
		uint32_t character = 0;
		size_t width = utf8_decode(text + at, size - at, &character);
		if (!character_is_space(character))
			split_raw(splitter, text + at, width);
		else if (splitter->in_word)
			split_end(splitter);
		at += width;
	}
}

/* ---- Reading ---- */

static uint32_t peek(const struct lexer *lexer, size_t *width)
{
	uint32_t character = 0;

	*width = utf8_decode(lexer->at, (size_t)(lexer->end - lexer->at), &character);
	return character;
}

static bool at_end(const struct lexer *lexer)
{
	return lexer->at == lexer->end;
}

static int check_size(const struct buf *into, struct error **err)
{
	return into->overflow ? error_set(err, E2BIG, "expands to more than %zu bytes", EXPAND_SIZE_MAX) : 0;
}

/* Enough for a person; a hostile text has a million names. */
#define NAMES_MAX 1024

static void note(struct strlist *list, const char *name)
{
	if (list->count < NAMES_MAX && !strlist_contains(list, name))
		strlist_append(list, name);
}

static const char *look_up(struct lexer *lexer, const char *name)
{
	note(&lexer->result->names, name);
	return expand_scope_get(lexer->scope, name);
}

/* A name behind '$' or "${"; "" when there is none. */
static char *read_name(struct lexer *lexer)
{
	const char *start = lexer->at;
	size_t width = 0;

	if (at_end(lexer))
		return mem_strdup("");
	if (strchr("@*#?-$!", *start))
		return mem_strndup(lexer->at++, 1);
	if (character_is_digit((unsigned char)*start)) {
		while (!at_end(lexer) && character_is_digit((unsigned char)*lexer->at))
			lexer->at++;
		return mem_strndup(start, (size_t)(lexer->at - start));
	}
	while (!at_end(lexer)) {
		uint32_t character = peek(lexer, &width);
		if (!character_is_letter(character) && !character_is_digit(character) && character != '_')
			break;
		lexer->at += width;
	}
	return mem_strndup(start, (size_t)(lexer->at - start));
}

static int read_until(struct lexer *lexer, char stop, unsigned flags, struct buf *into, struct strlist *words,
		      struct error **err);

/* '…': everything as it is. */
static int read_single_quotes(struct lexer *lexer, struct buf *into, struct error **err)
{
	const char *close = memchr(lexer->at + 1, '\'', (size_t)(lexer->end - lexer->at - 1));

	if (!close)
		return error_set(err, EINVAL, "unexpected end of statement while looking for matching single-quote");
	const char *from = lexer->flags & LEXER_RAW_QUOTES ? lexer->at : lexer->at + 1;
	const char *to = lexer->flags & LEXER_RAW_QUOTES ? close + 1 : close;
	buf_append(into, from, (size_t)(to - from));
	lexer->at = close + 1;
	return 0;
}

static int read_dollar(struct lexer *lexer, struct buf *into, struct error **err);

/* An escape character inside "…": it vanishes only where it protects something. */
static void read_quoted_escape(struct lexer *lexer, struct buf *into)
{
	char escape = *lexer->at++;

	if (lexer->flags & LEXER_RAW_ESCAPES)
		buf_append_char(into, escape);
	if (at_end(lexer))
		return;
	if (*lexer->at == '"' || *lexer->at == '$' || *lexer->at == lexer->escape)
		buf_append_char(into, *lexer->at++);
	else
		buf_append_char(into, escape); /* a second time when escapes are kept: BuildKit's habit */
}

static int read_double_quotes(struct lexer *lexer, struct buf *into, struct error **err)
{
	bool raw = lexer->flags & LEXER_RAW_QUOTES;

	lexer->at++;
	if (raw)
		buf_append_char(into, '"');
	while (!at_end(lexer)) {
		int rc = 0;
		if (*lexer->at == '"') {
			lexer->at++;
			if (raw)
				buf_append_char(into, '"');
			return 0;
		}
		if (*lexer->at == '$')
			rc = read_dollar(lexer, into, err);
		else if (*lexer->at == lexer->escape)
			read_quoted_escape(lexer, into);
		else
			buf_append_char(into, *lexer->at++);
		if (rc < 0)
			return rc;
	}
	return error_set(err, EINVAL, "unexpected end of statement while looking for matching double-quote");
}

/* A word inside of ${…}, up to and with `stop`. */
static int read_inner(struct lexer *lexer, char stop, unsigned flags, struct buf *into, struct error **err)
{
	if (lexer->depth == EXPAND_DEPTH_MAX)
		return error_set(err, EINVAL, "syntax error: ${…} inside of each other more than %d times",
				 EXPAND_DEPTH_MAX);
	lexer->depth++;
	int rc = read_until(lexer, stop, flags, into, /* words */ NULL, err);
	lexer->depth--;
	if (rc < 0 && at_end(lexer)) {
		if (err)
			error_clear(err);
		return error_set(err, EINVAL,
				 stop == '/' ? "syntax error: missing '/' in ${}" : "syntax error: missing '}'");
	}
	return rc;
}

/* ${name/pattern/replacement}, behind the first '/'. */
static int read_replace(struct lexer *lexer, const char *name, struct buf *into, struct error **err)
{
	cleanup(buf_done) struct buf pattern = BUF_INIT(EXPAND_SIZE_MAX);
	cleanup(buf_done) struct buf replacement = BUF_INIT(EXPAND_SIZE_MAX);
	enum pattern_times times = PATTERN_ONCE;
	unsigned flags = lexer->flags | LEXER_RAW_ESCAPES;

	if (!at_end(lexer) && *lexer->at == '/') {
		lexer->at++;
		times = PATTERN_EVERYWHERE;
	}
	int rc = read_inner(lexer, '/', flags, &pattern, err);
	if (rc == 0)
		rc = read_inner(lexer, '}', flags, &replacement, err);
	if (rc < 0)
		return rc;
	const char *value = look_up(lexer, name);
	if (!value && lexer->flags & LEXER_KEEP_UNSET) {
		buf_printf(into, "${%s/%s/%s}", name, buf_str(&pattern), buf_str(&replacement));
		return 0;
	}
	if (!value)
		note(&lexer->result->unset, name);
	return expand_pattern_replace(buf_str(&pattern), value ? value : "", buf_str(&replacement), times, into, err);
}

/* ${name#word} and ${name%word}; a doubled character at the start of the word asks for the longest match. */
static int trim(struct lexer *lexer, const char *name, char modifier, const char *word, struct buf *into,
		struct error **err)
{
	enum pattern_reach reach = word[0] == modifier ? PATTERN_LONGEST : PATTERN_SHORTEST;
	const char *value = look_up(lexer, name);

	if (!value)
		note(&lexer->result->unset, name);
	return expand_pattern_trim(word + (reach == PATTERN_LONGEST), value ? value : "",
				   modifier == '%' ? PATTERN_SUFFIX : PATTERN_PREFIX, reach, into, err);
}

/* What ${name<modifier>word} becomes, once the word is known. */
static int choose(struct lexer *lexer, const char *name, const char *modifier, const char *word, struct buf *into,
		  struct error **err)
{
	const char *value = look_up(lexer, name);
	bool empty_counts = modifier[0] == ':'; /* as unset */
	char kind = modifier[empty_counts];
	bool is_set = value && !(empty_counts && !*value);

	if (!value && lexer->flags & LEXER_KEEP_UNSET) {
		buf_printf(into, "${%s%s%s}", name, modifier, word);
		return 0;
	}
	switch (kind) {
	case '-':
		buf_append_str(into, is_set ? value : word);
		return 0;
	case '+':
		buf_append_str(into, is_set ? word : "");
		return 0;
	case '?':
		if (is_set) {
			buf_append_str(into, value);
			return 0;
		}
		if (lexer->flags & LEXER_ALL_BRANCHES)
			return 0;
		if (*word)
			return error_set(err, EINVAL, "%s: %s", name, word);
		return error_set(err, EINVAL, "%s: is not allowed to be %s", name, value ? "empty" : "unset");
	default:
		return trim(lexer, name, kind, word, into, err);
	}
}

/* Behind "${". */
static int read_braces(struct lexer *lexer, struct buf *into, struct error **err)
{
	if (at_end(lexer))
		return error_set(err, EINVAL, "syntax error: missing '}'");
	if (strchr("{}:", *lexer->at))
		return error_set(err, EINVAL, "syntax error: bad substitution");
	cleanup_free char *name = read_name(lexer);
	if (at_end(lexer))
		return error_set(err, EINVAL, "syntax error: missing '}'");
	char modifier[3] = {*lexer->at++};
	if (modifier[0] == '}') {
		const char *value = look_up(lexer, name);
		if (value)
			buf_append_str(into, value);
		else if (lexer->flags & LEXER_KEEP_UNSET)
			buf_printf(into, "${%s}", name);
		else
			note(&lexer->result->unset, name);
		return 0;
	}
	if (modifier[0] == '/')
		return read_replace(lexer, name, into, err);
	if (modifier[0] == ':' && !at_end(lexer))
		modifier[1] = *lexer->at++;
	const char *known = modifier[0] == ':' ? "-+?" : "-+?#%";
	char kind = modifier[0] == ':' ? modifier[1] : modifier[0];
	if (!kind || !strchr(known, kind))
		return error_set(err, EINVAL, "unsupported modifier (%s) in substitution", modifier);

	cleanup(buf_done) struct buf word = BUF_INIT(EXPAND_SIZE_MAX);
	unsigned flags = lexer->flags & ~(unsigned)LEXER_RAW_ESCAPES;
	if (kind == '#' || kind == '%')
		flags |= LEXER_RAW_ESCAPES;
	int rc = read_inner(lexer, '}', flags, &word, err);
	return rc < 0 ? rc : choose(lexer, name, modifier, buf_str(&word), into, err);
}

static int read_dollar(struct lexer *lexer, struct buf *into, struct error **err)
{
	lexer->at++;
	if (!at_end(lexer) && *lexer->at == '{') {
		lexer->at++;
		return read_braces(lexer, into, err);
	}
	cleanup_free char *name = read_name(lexer);
	if (!*name) {
		buf_append_char(into, '$');
		return 0;
	}
	const char *value = look_up(lexer, name);
	if (value)
		buf_append_str(into, value);
	else if (lexer->flags & LEXER_KEEP_UNSET)
		buf_printf(into, "$%s", name);
	else
		note(&lexer->result->unset, name);
	return 0;
}

/* "<<" with the blanks behind it, so that "<< NAME" is one word. */
static void read_angle(struct lexer *lexer, struct buf *into)
{
	const char *start = lexer->at++;

	if (!at_end(lexer) && *lexer->at == '<') {
		lexer->at++;
		while (!at_end(lexer) && strchr(" \t\r\n", *lexer->at))
			lexer->at++;
	}
	buf_append(into, start, (size_t)(lexer->at - start));
}

/* One character that is not special, or an escape character with what it protects. */
static void read_plain(struct lexer *lexer, struct buf *into, struct splitter *splitter)
{
	size_t width = 1;

	if (*lexer->at != lexer->escape) {
		peek(lexer, &width);
		buf_append(into, lexer->at, width);
		split_text(splitter, lexer->at, width);
		lexer->at += width;
		return;
	}
	if (lexer->flags & LEXER_RAW_ESCAPES) {
		buf_append(into, lexer->at, 1);
		split_raw(splitter, lexer->at, 1);
	}
	lexer->at++;
	if (at_end(lexer))
		return;
	peek(lexer, &width);
	buf_append(into, lexer->at, width);
	split_raw(splitter, lexer->at, width);
	lexer->at += width;
}

/* Reads one piece of a word and hands it to the splitter. */
static int read_piece(struct lexer *lexer, struct buf *into, struct splitter *splitter, struct error **err)
{
	bool quotes = !(lexer->flags & LEXER_NO_QUOTES);
	size_t before = into->len;
	char c = *lexer->at;
	int rc = 0;

	if (c == '$')
		rc = read_dollar(lexer, into, err);
	else if (quotes && c == '\'')
		rc = read_single_quotes(lexer, into, err);
	else if (quotes && c == '"')
		rc = read_double_quotes(lexer, into, err);
	else if (quotes && c == '<')
		read_angle(lexer, into);
	else {
		read_plain(lexer, into, splitter);
		return check_size(into, err);
	}
	if (rc == 0)
		rc = check_size(into, err);
	if (rc < 0)
		return rc;
	if (c == '$')
		split_text(splitter, buf_str(into) + before, into->len - before);
	else
		split_raw(splitter, buf_str(into) + before, into->len - before);
	return 0;
}

/* Reads up to `stop`, which is taken, or with a stop of NUL to the end. */
static int read_until(struct lexer *lexer, char stop, unsigned flags, struct buf *into, struct strlist *words,
		      struct error **err)
{
	cleanup(splitter_done) struct splitter splitter = {.words = words, .word = BUF_INIT(EXPAND_SIZE_MAX)};
	unsigned outer = lexer->flags;

	lexer->flags = flags;
	int rc = 0;
	bool stopped = false;
	while (rc == 0 && !at_end(lexer) && !stopped) {
		if (stop && *lexer->at == stop) {
			lexer->at++;
			stopped = true;
		} else {
			rc = read_piece(lexer, into, &splitter, err);
		}
	}
	lexer->flags = outer;
	if (rc < 0)
		return rc;
	if (stop && !stopped)
		return error_set(err, EINVAL, "unexpected end of statement while looking for matching %c", stop);
	if (words)
		split_end(&splitter);
	return 0;
}

int lexer_run(const char *text, const struct expand_scope *scope, unsigned flags, struct lexer_result *result,
	      struct error **err)
{
	struct lexer lexer = {.at = text,
			      .end = text + strlen(text),
			      .scope = scope,
			      .escape = scope->escape ? scope->escape : '\\',
			      .result = result};

	return read_until(&lexer, '\0', flags, &result->text, &result->words, err);
}

/* ---- The three forms ---- */

#define QUOTED_MAX 80 /* bytes of a word that an error quotes */

static int expand(const char *text, const struct expand_scope *scope, unsigned flags, struct strlist *unset,
		  struct lexer_result *result, struct error **err)
{
	int rc = lexer_run(text, scope, flags, result, err);
	if (rc < 0)
		return error_prefix(err, "failed to process '%.*s%s'", QUOTED_MAX, text,
				    strlen(text) > QUOTED_MAX ? "..." : "");
	if (!unset)
		return 0;
	for (size_t i = 0; i < result->unset.count; i++)
		note(unset, result->unset.items[i]);
	return 0;
}

int expand_word(const char *word, const struct expand_scope *scope, struct strlist *unset, char **text,
		struct error **err)
{
	cleanup(lexer_result_done) struct lexer_result result = LEXER_RESULT_INIT;

	int rc = expand(word, scope, 0, unset, &result, err);
	if (rc == 0)
		*text = buf_take(&result.text);
	return rc;
}

int expand_words(const char *text, const struct expand_scope *scope, struct strlist *unset, struct strlist *words,
		 struct error **err)
{
	cleanup(lexer_result_done) struct lexer_result result = LEXER_RESULT_INIT;

	int rc = expand(text, scope, 0, unset, &result, err);
	if (rc == 0)
		strlist_append_all(words, &result.words);
	return rc;
}

int expand_heredoc(const char *content, const struct expand_scope *scope, struct strlist *unset, char **text,
		   struct error **err)
{
	cleanup(lexer_result_done) struct lexer_result result = LEXER_RESULT_INIT;
	struct expand_scope backslash = *scope;

	backslash.escape = '\\';
	int rc = expand(content, &backslash, LEXER_NO_QUOTES, unset, &result, err);
	if (rc == 0)
		*text = buf_take(&result.text);
	return rc;
}

int expand_names(const char *word, char escape, struct strlist *names, struct error **err)
{
	cleanup(lexer_result_done) struct lexer_result result = LEXER_RESULT_INIT;
	const struct expand_scope nothing = {.escape = escape};

	int rc = expand(word, &nothing, LEXER_ALL_BRANCHES, /* unset */ NULL, &result, err);
	for (size_t i = 0; rc == 0 && i < result.names.count; i++)
		note(names, result.names.items[i]);
	return rc;
}
