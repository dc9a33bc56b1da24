/*
 * Passwords from the user: asked for on a terminal, without showing what is typed, or read from a pipe.
 */
#ifndef COOPER_CMD_PROMPT_H
#define COOPER_CMD_PROMPT_H

#include "base/buf.h"
#include "base/error.h"

#define PROMPT_SECRET_MAX ((size_t)64 << 10)

enum prompt_extent { PROMPT_LINE, PROMPT_WHOLE_INPUT };

/* Appends what stdin says, without the line end, to a buffer made by BUF_SECRET(). "prompt: " is shown on a terminal
 * only. A signal that ends us first gives the terminal its echo back. */
int prompt_secret(const char *prompt, enum prompt_extent extent, struct buf *secret, struct error **err);

#endif
