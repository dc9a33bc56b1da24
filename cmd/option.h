/*
 * Options of commands, from tables. A command has a struct of options; each row of its tables says which member a flag
 * fills. Parsing, --help, the man page and shell completion come from the same rows.
 *
 *	struct rm_options { bool all; };
 *	static const struct option_spec options[] = {
 *		{"all", 'a', OPTION_FLAG, offsetof(struct rm_options, all), NULL, "remove all containers"},
 *	};
 */
#ifndef COOPER_CMD_OPTION_H
#define COOPER_CMD_OPTION_H

#include "base/error.h"
#include "base/strlist.h"

#include <stdbool.h>

enum option_kind {
	OPTION_FLAG,	 /* bool; --x, --x=true, --x=false */
	OPTION_TEXT,	 /* const char *; the last one wins; borrowed from argv */
	OPTION_OPTIONAL, /* const char *; --x takes `implied`, --x=v takes v */
	OPTION_LIST,	 /* struct strlist; may be repeated */
	OPTION_UNNEEDED, /* takes a value; accepted where scripts for other builders pass it, has no effect here */
	OPTION_UNNEEDED_FLAG,
};

struct option_spec {
	const char *name;
	char letter; /* 0: none */
	enum option_kind kind;
	size_t offset;
	const char *value;   /* what --help calls the value */
	const char *help;    /* NULL: not shown (an old spelling) */
	const char *implied; /* OPTION_OPTIONAL */
};

/* Rows that several commands share, filled into a member of their own struct. */
struct option_group {
	const char *title;
	const struct option_spec *rows;
	size_t count;
};
struct option_use {
	const struct option_group *group;
	size_t offset; /* of the group's struct within the command's */
};
#define OPTION_USES_MAX 16

enum option_order {
	OPTIONS_ANYWHERE, /* rm ctr --all */
	OPTIONS_FIRST,	  /* an option behind the first argument is an error (add, copy, commit, config, from …) */
	OPTIONS_UNTIL_COMMAND, /* what follows the first arguments belongs to another program (run, unshare) */
};

struct option_parser {
	const struct option_use *uses; /* ended by a NULL group */
	void *values;		       /* the command's zeroed struct */
	enum option_order order;
	size_t command_after; /* OPTIONS_UNTIL_COMMAND: arguments before the other program's (run: 1, unshare: 0) */
	const struct option_use *globals; /* accepted anywhere, may be NULL */
	void *global_values;
	bool wants_help; /* out: --help or -h was there */
};

/* Parses argv (without the command's name); what is no option goes to `args`. -EINVAL names the option at fault. */
int option_parse(struct option_parser *parser, int argc, char *const *argv, struct strlist *args, struct error **err);
/* Frees what parsing put into lists. */
void option_done(const struct option_use *uses, void *values);
/* The row of a long name, or NULL. */
const struct option_spec *option_find(const struct option_use *uses, const char *name, size_t *offset);
/* How many letters must be put in, taken away or changed to make one word of the other. */
size_t option_edits(const char *a, const char *b);

#endif
