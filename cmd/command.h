/*
 * A command: its names, its tables, what it needs, and the function that reads like its man page. A group ("image") has
 * further commands below it ("image copy") instead of a function; its usage text lists them.
 */
#ifndef COOPER_CMD_COMMAND_H
#define COOPER_CMD_COMMAND_H

#include "builder/workshop.h"
#include "cmd/option.h"

#define EXIT_COOPER 125	     /* an error of cooper's own */
#define EXIT_PUSH_FAILED 120 /* everything is there, only a push to a registry failed */

enum command_needs {
	NEEDS_STORE = 1,      /* the workshop is open */
	NEEDS_WORKER = 2,     /* and this process is inside the user namespace */
	STAYS_IN_SESSION = 4, /* it is not given to the session's process (builder/session_server.h) */
};

/* What main.c provides. */
struct command_context {
	struct workshop *workshop; /* NULL without NEEDS_STORE */
	struct store *store;
	int64_t now; /* seconds since the epoch */
};

struct command {
	const char *name;
	const char *group; /* the name of the group it stands in, or NULL */
	const char *aliases[3];
	const char *arguments;	 /* "[OPTIONS] IMAGE" without the name */
	const char *summary;	 /* one line */
	const char *description; /* for the man page: paragraphs, separated by empty lines */
	const char *examples;	 /* lines, may be NULL */
	/* Of a group: NULL at the end. Then only the texts above are used, and `options`, which (if there are any) may
	 * stand before the name of a command of the group as well as behind it. */
	const struct command *const *commands;
	unsigned needs;
	enum option_order order;
	size_t command_after;
	size_t min_args, max_args;		    /* max 0 = as min, SIZE_MAX = any number */
	struct option_use options[OPTION_USES_MAX]; /* ended by a NULL group */
	size_t options_size;
	int failure_status; /* instead of EXIT_COOPER; 0 = that */
	int missing_status; /* of -ENOENT, where that is told apart; 0 = as any failure */
	/* The exit status (0..255), or a negative errno with the error set. */
	int (*run)(struct command_context *context, void *options, const struct strlist *args, struct error **err);
};

/* All commands, in the order of --help; NULL at the end. */
extern const struct command *const commands[];
const struct command *command_find(const char *name);
/* Of a group: by its name there. NULL. */
const struct command *command_find_in(const struct command *group, const char *name);
/* With the group's name in front and `separator` between: "image copy", "image-copy". */
MUST_CHECK char *command_full_name(const struct command *command, char separator);

/* Options that stand before or after every command's name. */
extern const struct option_use global_options[];

/* cmd_version.c: the line of --version. */
void version_print_line(void);

/* help.c, man.c, completion.c: usage texts, man pages (roff) and completion, all from the tables. */
void help_print_all(void);
void help_print_command(const struct command *command);
void help_print_man(const struct command *command);
void help_print_man_overview(void);
int help_print_completion(const char *shell, struct error **err);

#endif
