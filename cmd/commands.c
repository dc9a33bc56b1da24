/*
 * The table of commands. A new command is a file cmd_<name>.c and a row here.
 */
#include "cmd/command.h"

#include <string.h>

#define COMMANDS(X)   \
	X(build)      \
	X(from)       \
	X(run)        \
	X(copy)       \
	X(add)        \
	X(config)     \
	X(mount)      \
	X(umount)     \
	X(unshare)    \
	X(commit)     \
	X(images)     \
	X(rmi)        \
	X(tag)        \
	X(containers) \
	X(rm)         \
	X(rename)     \
	X(inspect)    \
	X(pull)       \
	X(push)       \
	X(manifest)   \
	X(image)      \
	X(key)        \
	X(login)      \
	X(logout)     \
	X(du)         \
	X(prune)      \
	X(info)       \
	X(version)    \
	X(completion) \
	X(help)

#define DECLARE(name) extern const struct command command_##name;
COMMANDS(DECLARE)

#define ROW(name) &command_##name,
const struct command *const commands[] = {COMMANDS(ROW) NULL};

static bool has_name(const struct command *command, const char *name)
{
	if (strcmp(command->name, name) == 0)
		return true;
	for (size_t i = 0; i < ARRAY_COUNT(command->aliases) && command->aliases[i]; i++)
		if (strcmp(command->aliases[i], name) == 0)
			return true;
	return false;
}

static const struct command *find(const struct command *const *list, const char *name)
{
	for (size_t i = 0; list[i]; i++)
		if (has_name(list[i], name))
			return list[i];
	return NULL;
}

const struct command *command_find(const char *name)
{
	return find(commands, name);
}

const struct command *command_find_in(const struct command *group, const char *name)
{
	return find(group->commands, name);
}

char *command_full_name(const struct command *command, char separator)
{
	if (!command->group)
		return mem_strdup(command->name);
	return mem_printf("%s%c%s", command->group, separator, command->name);
}
