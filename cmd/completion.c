/*
 * Completion for shells, made of the command tables: what a script knows is what was true when it was printed, but for
 * the names of containers and images, which it asks for.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd/command.h"

/* The words that complete after "cooper COMMAND". */
static void print_flags(const struct option_use *uses)
{
	for (const struct option_use *use = uses; use->group; use++)
		for (size_t i = 0; i < use->group->count; i++)
			if (use->group->rows[i].help)
				printf(" --%s", use->group->rows[i].name);
}

static void print_names(const struct command *const *list)
{
	for (size_t i = 0; list[i]; i++)
		printf("%s%s", i ? " " : "", list[i]->name);
}

/* "image) at=2 names="copy inspect …" ;;" for each group: its commands stand at the second place. */
static void print_bash_groups(void)
{
	for (size_t i = 0; commands[i]; i++) {
		if (!commands[i]->commands)
			continue;
		printf("\t%s) at=2 names=\"", commands[i]->name);
		print_names(commands[i]->commands);
		printf("\" ;;\n");
	}
}

/* "'name '*) words="--flags" ;;", of a group's commands "'group name '*)". */
static void print_bash_flags(const struct command *const *list)
{
	for (size_t i = 0; list[i]; i++) {
		if (list[i]->commands) {
			print_bash_flags(list[i]->commands);
			continue;
		}
		cleanup_free char *name = command_full_name(list[i], ' ');
		printf("\t'%s '*) words=\"", name);
		print_flags(list[i]->options);
		printf("\" ;;\n");
	}
}

/* Also for zsh, which knows neither `mapfile` nor `;;&`, and without `compgen -W`, which would execute what stands in
 * $(…): names of containers are as their makers please. The word that is completed is taken from the line: bash cuts names
 * of images at their colons (COMP_WORDBREAKS), and puts what it gets behind the last of them. */
static void print_bash_completion(void)
{
	printf("_cooper() {\n\tlocal cur=${COMP_LINE:0:COMP_POINT} given= words= at=1 word names=\"");
	print_names(commands);
	printf("\"\n\tcase \"${COMP_WORDS[1]}\" in\n");
	print_bash_groups();
	printf("\tesac\n\tcase \"${COMP_WORDS[1]} ${COMP_WORDS[2]} \" in\n");
	print_bash_flags(commands);
	printf("\tesac\n"
	       "\tcur=${cur##*[[:space:]=]}\n"
	       "\tcase ${COMP_WORDBREAKS-} in\n"
	       "\t*:*) given=${cur%%\"${cur##*:}\"} ;;\n"
	       "\tesac\n"
	       "\tif [ \"$COMP_CWORD\" = \"$at\" ]; then\n"
	       "\t\twords=$names\n"
	       "\telif [ \"${cur#-}\" = \"$cur\" ]; then\n"
	       "\t\twords=$(cooper containers --format '{{.ContainerName}}' -n 2>/dev/null\n"
	       "\t\t\tcooper images --format '{{.Name}}:{{.Tag}}' -n 2>/dev/null)\n"
	       "\tfi\n"
	       "\tCOMPREPLY=()\n"
	       "\twhile read -r word; do\n"
	       "\t\tcase $word in\n"
	       "\t\t*[!A-Za-z0-9._/:@+-]*) ;;\n"
	       "\t\t\"$cur\"*) COMPREPLY+=(\"${word#\"$given\"}\") ;;\n"
	       "\t\tesac\n"
	       "\tdone <<EOF\n"
	       "$(printf '%%s' \"$words\" | tr ' ' '\\n')\n"
	       "EOF\n"
	       "}\n"
	       "complete -o default -F _cooper cooper\n");
}

/* Inside of '…' fish takes a backslash before a quote or a backslash (fish-language, "Quotes"). */
static void print_fish_quoted(const char *text)
{
	putchar('\'');
	for (; *text; text++)
		printf(*text == '\'' || *text == '\\' ? "\\%c" : "%c", *text);
	putchar('\'');
}

static void print_fish_flags(const struct command *command)
{
	/* All words of the name must have been typed. */
	cleanup_free char *in_group =
		command->group ? mem_printf("__fish_seen_subcommand_from %s; and ", command->group) : mem_strdup("");
	for (const struct option_use *use = command->options; use->group; use++)
		for (size_t i = 0; i < use->group->count; i++)
			if (use->group->rows[i].help)
				printf("complete -c cooper -n '%s__fish_seen_subcommand_from %s' -l %s\n", in_group,
				       command->name, use->group->rows[i].name);
}

static void print_fish_completion(void)
{
	for (size_t i = 0; commands[i]; i++) {
		printf("complete -c cooper -n __fish_use_subcommand -a %s -d ", commands[i]->name);
		print_fish_quoted(commands[i]->summary);
		printf("\n");
		if (!commands[i]->commands) {
			print_fish_flags(commands[i]);
			continue;
		}
		for (const struct command *const *below = commands[i]->commands; *below; below++) {
			printf("complete -c cooper -n '__fish_seen_subcommand_from %s' -a %s -d ", commands[i]->name,
			       (*below)->name);
			print_fish_quoted((*below)->summary);
			printf("\n");
			print_fish_flags(*below);
		}
	}
}

int help_print_completion(const char *shell, struct error **err)
{
	if (strcmp(shell, "bash") == 0)
		print_bash_completion();
	else if (strcmp(shell, "zsh") == 0) {
		printf("#compdef cooper\nautoload -U +X bashcompinit && bashcompinit\n");
		print_bash_completion();
	} else if (strcmp(shell, "fish") == 0)
		print_fish_completion();
	else
		return error_set(err, EINVAL, "no completion for shell '%s': use bash, zsh or fish", shell);
	return 0;
}
