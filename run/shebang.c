/*
 * Cuts the first line of a script into pieces, as Linux' fs/binfmt_script.c does.
 */
#include "run/shebang.h"

#include <errno.h>
#include <string.h>

bool shebang_is_script(const char head[SHEBANG_SIZE])
{
	return strncmp(head, "#!", 2) == 0;
}

int shebang_parse(char head[SHEBANG_SIZE], char **interpreter, char **argument)
{
	char *end = strchr(head, '\n');
	char *at = head + 2 + strspn(head + 2, " \t");

	/* A line that goes on behind what was read: its argument may be cut off, the interpreter's name may not. */
	if (!end && strlen(head) == SHEBANG_SIZE - 1 && at[strcspn(at, " \t")] == '\0')
		return -ENOEXEC;
	if (end)
		*end = '\0';
	for (char *last = head + strlen(head); last > at && (last[-1] == ' ' || last[-1] == '\t'); last--)
		last[-1] = '\0';
	if (*at == '\0')
		return -ENOEXEC;
	*interpreter = at;
	at += strcspn(at, " \t");
	*argument = NULL;
	if (*at) {
		*at++ = '\0';
		*argument = at + strspn(at, " \t");
	}
	return 0;
}
