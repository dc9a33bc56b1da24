/*
 * Words and variables of a Dockerfile: quotes, the escape character, and every form of ${…}.
 *
 *	struct expand_scope scope = {.lists = {&args_of_later_arg_instructions, &env}, .count = 2, .escape = '\\'};
 *	rc = expand_word("${VERSION:-1}-slim", &scope, &unset, &text, err);
 *
 * The scope is lists of "KEY=VALUE"; the first list that has the key decides, and the last entry in it. The caller
 * keeps the rules of which list comes first (an ARG behind an ENV of the same name wins inside the stage, otherwise ENV
 * does). All words of one instruction are expanded with the scope as it was before that instruction; only the words of
 * ARG see those before them.
 *
 * Failures are -EINVAL without a place: unbalanced quotes, an unsupported modifier, ${X:?why} of an unset X, or more
 * than EXPAND_SIZE_MAX bytes.
 */
#ifndef COOPER_DOCKERFILE_EXPAND_H
#define COOPER_DOCKERFILE_EXPAND_H

#include "base/error.h"
#include "base/strlist.h"

#define EXPAND_SIZE_MAX ((size_t)4 << 20) /* bytes that one word may become */
#define EXPAND_DEPTH_MAX 64		  /* of ${a:-${b:-…}} */
#define EXPAND_LISTS_MAX 4

struct expand_scope {
	const struct strlist *lists[EXPAND_LISTS_MAX]; /* borrowed */
	size_t count;
	char escape; /* '\\' or '`'; 0 counts as '\\' */
};

/* The value, borrowed, or NULL. */
const char *expand_scope_get(const struct expand_scope *scope, const char *name);

/* One word: quotes removed, blanks kept. Names that were used bare ($x, ${x}) and are unset are appended to `unset`
 * once each (may be NULL); forms that handle the unset case ("-", "+", "?") are not reported. */
int expand_word(const char *word, const struct expand_scope *scope, struct strlist *unset, char **text,
		struct error **err);
/* A text that becomes words: split at blanks that are not quoted, also those that a variable brings. EXPOSE. */
int expand_words(const char *text, const struct expand_scope *scope, struct strlist *unset, struct strlist *words,
		 struct error **err);
/* The content of a here-document: variables only; quotes stay, a backslash always vanishes and protects the next
 * character (whatever scope->escape is). */
int expand_heredoc(const char *content, const struct expand_scope *scope, struct strlist *unset, char **text,
		   struct error **err);

/* The names that a word mentions, whether set or not, also inside of defaults; each once. For dependencies: which ARGs
 * a FROM or --from= needs. */
int expand_names(const char *word, char escape, struct strlist *names, struct error **err);

#endif
