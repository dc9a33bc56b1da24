/*
 * The first line of a script, "#! interpreter argument" (execve(2), "Interpreter scripts").
 */
#ifndef COOPER_RUN_SHEBANG_H
#define COOPER_RUN_SHEBANG_H

#include <stdbool.h>
#include <stddef.h>

#define SHEBANG_DEPTH 5	 /* how many scripts may run each other: Linux' exec_binprm() */
#define SHEBANG_SIZE 256 /* how much of a file is looked at: BINPRM_BUF_SIZE */

bool shebang_is_script(const char head[SHEBANG_SIZE]);
/* `head` is the start of a script, ended by a NUL, and is cut into pieces: the interpreter's path, and all that is left
 * of the line, or NULL. -ENOEXEC: there is no interpreter, or its name is not whole. */
int shebang_parse(char head[SHEBANG_SIZE], char **interpreter, char **argument);

#endif
