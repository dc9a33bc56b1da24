/*
 * A logical line cut into keyword, flags and the rest: what every instruction has in common.
 */
#ifndef COOPER_DOCKERFILE_STATEMENT_INTERNAL_H
#define COOPER_DOCKERFILE_STATEMENT_INTERNAL_H

#include "dockerfile/dockerfile.h"

struct statement {
	char *text;    /* the whole, without blanks around */
	char *keyword; /* as written */
	struct strlist flags;
	char *rest;   /* "" when there is nothing */
	char *tail;   /* the blanks behind the whole, which only ONBUILD keeps */
	bool is_json; /* the rest is a list in JSON */
	bool has_nul; /* then: a "\u0000" was in it, which no argument of a program and no name of a file can be */
	struct strlist words; /* then: what it holds */
};

void statement_done(struct statement *statement);
CLEANUP_FOR_VALUE(struct statement, statement_done)

/* -EINVAL for a JSON list that holds something else than strings, where JSON is looked for. */
int statement_parse(const char *line, struct statement *statement, struct error **err);
/* 1 and the kind, or 0 when there is no such instruction. */
int instruction_kind_find(const char *keyword, enum instruction_kind *kind);
/* Could here-documents stand in it? For ONBUILD: in its trigger. */
bool statement_has_heredocs(const struct statement *statement);

/* A list in JSON: 1 and its strings, 0 when the text is no JSON list, -EINVAL when it is one of something else. With 1
 * comes *has_nul: a "\u0000" was in it, and is U+FFFD in the strings. */
int json_words(const char *text, struct strlist *words, bool *has_nul, struct error **err);

/* Words of ENV, LABEL and ARG: cut at blanks outside of quotes, everything left as written. */
void quoted_words(const char *text, char escape, struct strlist *words);

enum flag_type { FLAG_TYPE_BOOL, FLAG_TYPE_TEXT, FLAG_TYPE_LIST };

struct flag_spec {
	const char *name;
	enum flag_type type;
};

/* Are all flags known, once there, and of the right form? *culprit is then the one that is not, to be freed. */
int flags_check(const struct strlist *flags, const struct flag_spec *specs, size_t count, char **culprit,
		struct error **err);
/* The value of a text flag, borrowed; NULL when it is not there. */
const char *flags_text(const struct strlist *flags, const char *name);
enum flag_state flags_state(const struct strlist *flags, const char *name);
void flags_list(const struct strlist *flags, const char *name, struct strlist *values);

/* A statement to a value: `heredocs` are those of the line, NULL when it has none. *culprit is the word that is to
 * blame, to be freed; NULL when it is the whole. */
int instruction_from_statement(const struct statement *statement, const struct heredocs *heredocs, char escape,
			       struct instruction **instruction, char **culprit, struct error **err);

/* What Go takes for a truth value: "true", "True", "TRUE", "t", "T", "1", and so on for false; false for anything else.
 */
bool read_truth(const char *text, bool *value);
/* What Go takes for a decimal number, which may have a '+' before it; false for anything else, or past the limits. */
bool read_integer(const char *text, int64_t min, int64_t max, int64_t *value);

/* --mount's value, expanded. */
int file_mount_parse(const char *text, const struct expand_scope *scope, struct strlist *unset,
		     struct file_mount *mount, struct error **err);
/* Is it a CSV record at all? What its fields say is asked when the stage is needed, as in BuildKit. */
int file_mount_check(const char *text, struct error **err);
/* The value of its last from=, as written; NULL when there is none. Newly allocated. */
MUST_CHECK char *file_mount_from(const char *text);
void file_mount_done(struct file_mount *mount);
CLEANUP_FOR_VALUE(struct file_mount, file_mount_done)

#endif
